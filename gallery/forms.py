"""What people type on the pages of templates, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from assistants.forms_builder import TagsField
from gallery.marketplace import blueprint as blueprints
from gallery.marketplace.blueprint import BODY, DEPARTMENTS, TASKS, Blueprint
from gallery.marketplace.packs import MOST_BYTES
from gallery.marketplace.slots import KNOWLEDGE, NAME, TEXT, Slot, places

_SLOT = ("name", "kind", "label", "help", "example")


class OfferForm(forms.Form):
    """The texts of a template, and its slots as rows of inputs that carry the same names."""

    name = forms.CharField(max_length=80, label="Name")
    description = forms.CharField(
        max_length=300, label="What it does, in one line", widget=forms.Textarea(attrs={"rows": 2})
    )
    department = forms.ChoiceField(choices=list(DEPARTMENTS.items()), label="Department")
    task = forms.ChoiceField(choices=list(TASKS.items()), label="Task")
    instructions = forms.CharField(
        max_length=20_000,
        label="Instructions",
        widget=forms.Textarea(attrs={"rows": 14}),
        help_text="Write {{team}} where others put in their own words, and {{knowledge: “your price list”}} for a place to choose.",
    )
    starters = forms.CharField(
        required=False, label="Starter questions", widget=forms.Textarea(attrs={"rows": 4}), help_text="One a line."
    )
    tags = TagsField(label="Tags")
    sample_question = forms.CharField(max_length=300, required=False, label="A question to show")
    sample_answer = forms.CharField(
        max_length=4000,
        required=False,
        label="And a good answer to it",
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text="People judge a template by it. Make the company in it up.",
    )
    note = forms.CharField(max_length=200, required=False, label="What is new in this version")
    everywhere = forms.BooleanField(
        required=False,
        label="For every workspace of this installation, too",
        help_text="Your admins decide for your workspace; for others, whoever runs Atrium here decides.",
    )

    def __init__(self, *args: Any, draft: Blueprint, slots: list[Slot] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.draft = draft
        self.slots = list(draft.slots) if slots is None else slots
        for name, field in self.fields.items():
            if field.help_text:
                field.widget.attrs["aria-describedby"] = f"id_{name}_helptext"
        if self.is_bound:
            self.slots = _posted(self.data)

    @classmethod
    def of(cls, draft: Blueprint) -> OfferForm:
        names = ("name", "description", "department", "task", "instructions", "sample_question", "sample_answer")
        initial = {name: getattr(draft, name) for name in names}
        initial |= {"starters": "\n".join(draft.starters), "tags": list(draft.tags)}
        return cls(draft=draft, initial=initial)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.errors:
            return data
        self.slots = _completed(self.slots, data)
        kept = {name: getattr(self.draft, name) for name in BODY if name not in ("instructions", "starters", "tags")}
        texts = {name: data[name] for name in self.fields if name not in ("everywhere", "starters")}
        starters = [line.strip() for line in data["starters"].splitlines() if line.strip()]
        sample = {"question": texts.pop("sample_question"), "answer": texts.pop("sample_answer")}
        slots = [slot.as_data() for slot in self.slots]
        whole = kept | texts | {"slug": self.draft.slug, "starters": starters, "sample": sample, "slots": slots}
        try:
            self.blueprint = blueprints.read(whole)
        except ValidationError as error:
            for words in error.messages:
                name = words.split(":")[0].replace("sample.", "sample_")
                self.add_error(name if name in self.fields else None, words)
        return data


def _posted(data: Mapping[str, Any]) -> list[Slot]:
    """The rows as they were sent; one whose label was emptied is taken out."""
    columns = [data.getlist(f"slot-{name}") for name in _SLOT]  # type: ignore[attr-defined]
    rows = [Slot(*(str(value).strip() for value in row)) for row in zip(*columns, strict=False)]
    return [row for row in rows if row.label]


def _completed(slots: list[Slot], data: Mapping[str, Any]) -> list[Slot]:
    """With a slot for each place in the texts that none fills yet, to be described; without words that no text has any more."""
    texts = "\n".join(str(data[name]) for name in ("name", "description", "instructions", "starters"))
    found = list(places(texts))
    out = [slot for slot in slots if slot.kind != TEXT or (TEXT, slot.name) in found]
    for kind, what in found:
        if (
            kind == KNOWLEDGE
            and what
            and what.casefold() not in {s.label.casefold() for s in out if s.kind == KNOWLEDGE}
        ):
            out.append(Slot(_free(out, f"knowledge_{len(out) + 1}"), KNOWLEDGE, what[:80]))
        elif kind == TEXT and NAME.fullmatch(what) and what not in {s.name for s in out}:
            out.append(Slot(what, TEXT, what.replace("_", " ").capitalize()))
    return out


def _free(slots: list[Slot], wanted: str) -> str:
    names = {slot.name for slot in slots}
    return next(name for name in (wanted, *(f"{wanted}_{n}" for n in range(2, 100))) if name not in names)


class PackForm(forms.Form):
    """A pack to bring in."""

    pack = forms.FileField(label="File", help_text="A YAML file that Atrium wrote, here or elsewhere.")
    approved = forms.BooleanField(
        required=False, label="Put them on the shelf at once", help_text="Else each waits for an admin's decision."
    )

    def clean_pack(self) -> bytes:
        file = self.cleaned_data["pack"]
        if file.size > MOST_BYTES:
            raise ValidationError(f"A pack has at most {MOST_BYTES // 1024:,} KB; this file has {file.size // 1024:,}.")
        return bytes(file.read())


def label_of(where: str) -> str:
    """What pages call the field in which something was found."""
    field = OfferForm.base_fields.get(where)
    return str(field.label) if field else "What it asks for"
