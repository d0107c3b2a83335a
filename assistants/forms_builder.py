"""The builder's form: what a person makes an assistant of, checked by the same rules as the API's drafts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from assistants.drafts import FIELDS, MOST_DAYS, MOST_STARTERS, checked_fields, checked_handle
from assistants.errors import Wrong
from assistants.forms import ModelChoice
from assistants.models import Assistant, AssistantVersion, Picture
from assistants.models.assistant import HANDLE
from assistants.pictures import keep_picture
from assistants.starting import Draft
from portal.models import Membership

_AS_THEY_ARE = (
    *("name", "description", "emoji", "colour", "instructions", "temperature", "queries_tables", "retrieval"),
    *("knowledge", "tags_all", "tags_none", "tags", "last_days"),
)
COLOURS = ("slate", "red", "amber", "green", "teal", "blue", "violet", "pink")
UNCHOSEN = "teal"
"""How an assistant without a colour is shown, and what the form offers for it."""


class TagsField(forms.CharField):
    """Tags with commas between, as a list. ``of_documents``: the page offers those that the chosen sources have."""

    def __init__(self, *, of_documents: bool = False, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"})
        if of_documents:
            widget.attrs["data-tags"] = ""
        super().__init__(required=False, max_length=4000, widget=widget, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> Any:
        parts = [part.strip() for part in str(self.prepare_value(value) or "").split(",")]
        return list(dict.fromkeys(part for part in parts if part))


def initial_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What a version is made of, as the form shows it. What is left out stays as an empty form has it."""
    initial = {name: fields[name] for name in _AS_THEY_ARE if name in fields}
    if fields.get("credential") and fields.get("model"):
        initial["model"] = f"{fields['credential'].pk}|{fields['model']}"
    initial["starters"] = "\n".join(fields.get("starters") or ())
    if picture := fields.get("picture"):
        initial["picture"] = picture.pk
    since, until, days = (fields.get(name) for name in ("since", "until", "last_days"))
    return initial | {
        "time": "last" if days else "between" if since or until else "any",
        "since": timezone.localdate(since) if since else None,
        "until": timezone.localdate(until - timedelta(microseconds=1)) if until else None,
        "searches": "all" if fields.get("reads_all") else "chosen",
    }


def _midnight(day: date | None, days: int = 0) -> datetime | None:
    return timezone.make_aware(datetime.combine(day + timedelta(days=days), time.min)) if day else None


class AssistantForm(forms.Form):
    """Everything that a version keeps, and the handle and stage of the assistant itself."""

    name = forms.CharField(max_length=80, label="Name", error_messages={"required": "Give it a name."})
    handle = forms.CharField(
        max_length=40,
        label="Handle",
        validators=[HANDLE],
        help_text="People write @handle in a question. Small letters, digits and hyphens.",
        error_messages={"required": "Give it a handle, such as leave-policy."},
    )
    emoji = forms.CharField(max_length=16, required=False, label="Emoji")
    colour = forms.ChoiceField(choices=[(c, c.title()) for c in COLOURS], required=False, label="Colour")
    description = forms.CharField(
        max_length=300,
        required=False,
        label="What it does, in one line",
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Shown in the gallery; people choose by it.",
    )
    instructions = forms.CharField(
        max_length=20_000,
        required=False,
        label="Instructions",
        widget=forms.Textarea(attrs={"rows": 9}),
        help_text="How it should work: its task, for whom, in what tone, what to leave out.",
    )
    retrieval = forms.ChoiceField(
        label="How it finds",
        choices=[
            ("search", "Search for what fits the question"),
            ("newest", "Take the newest documents, until the model’s prompt is full"),
            ("tables", "Ask tables only"),
            ("none", "Nothing: it answers without sources"),
        ],
        initial="search",
        required=False,
        widget=forms.RadioSelect,
    )
    searches = forms.ChoiceField(
        label="What it reads",
        choices=[
            ("chosen", "What I choose below"),
            ("all", "All that whoever asks may read"),
        ],
        initial="chosen",
        required=False,
        widget=forms.RadioSelect,
    )
    knowledge = forms.JSONField(required=False, label="Knowledge", widget=forms.HiddenInput)
    tags_all = TagsField(label="Must have all of these tags", help_text="Tags with commas between.", of_documents=True)
    tags_none = TagsField(label="Must have none of these", of_documents=True)
    time = forms.ChoiceField(
        label="From when",
        choices=[("any", "Any time"), ("last", "The last days"), ("between", "Between two days")],
        initial="any",
        required=False,
    )
    last_days = forms.IntegerField(label="Days", min_value=1, max_value=MOST_DAYS, required=False)
    since = forms.DateField(
        label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    until = forms.DateField(
        label="To, that day included", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    model = ModelChoice(label="Model")
    temperature = forms.FloatField(
        min_value=0,
        max_value=2,
        required=False,
        label="Temperature",
        widget=forms.NumberInput(attrs={"step": "0.1"}),
        help_text="0 keeps to the sources, higher varies more. Empty leaves it to the model.",
    )
    queries_tables = forms.BooleanField(
        required=False,
        initial=True,
        label="Ask tables by SQL",
        help_text="Where its knowledge holds tables that fit a question, the model writes a query, and the answer shows both.",
    )
    starters = forms.CharField(
        required=False,
        label="Starter questions",
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=f"One a line, at most {MOST_STARTERS}. People see them before they ask.",
    )
    tags = TagsField(
        label="Tags", help_text="Words that the gallery filters by, with commas between: travel, onboarding."
    )
    stage = forms.ChoiceField(choices=Assistant.Stage.choices, initial=Assistant.Stage.BETA, label="Stage")
    shows_instructions = forms.BooleanField(
        required=False,
        label="Everyone may read its instructions",
        help_text="Whoever may ask it sees them on its page, and can copy them.",
    )
    picture = forms.UUIDField(required=False, widget=forms.HiddenInput)
    picture_file = forms.FileField(
        required=False,
        label="Picture",
        widget=forms.FileInput(attrs={"accept": "image/png,image/jpeg,image/webp,image/gif"}),
    )
    note = forms.CharField(
        max_length=200,
        required=False,
        label="What you changed",
        widget=forms.TextInput(
            attrs={"placeholder": "What you changed, for the list of versions", "autocomplete": "off"}
        ),
    )

    def __init__(
        self, *args: Any, membership: Membership, assistant: Assistant | None = None, trial: bool = False, **kwargs: Any
    ) -> None:
        """``trial``: nothing is saved, so that name and handle may still be missing."""
        super().__init__(*args, **kwargs)
        self.membership, self.assistant, self.trial = membership, assistant, trial
        # What ``save_version`` takes, once the form is valid.
        self.version_fields: dict[str, Any] = {}
        version = assistant.latest if assistant else None
        current = (version.credential, version.model) if version else (None, "")
        self.fields["model"].offer(membership, current)  # type: ignore[attr-defined]
        if assistant and assistant.scope == Assistant.Scope.WORKSPACE and not membership.is_admin:
            # The verb refuses it, too; here one need not try.
            self.fields["handle"].widget.attrs["readonly"] = True
            self.fields["handle"].help_text = "It is vetted: an admin can change its handle."
        if trial:
            del self.fields["handle"]
            self.fields["name"].required = False
        for name, field in self.fields.items():
            if field.help_text:
                field.widget.attrs["aria-describedby"] = f"help-{name}"

    @classmethod
    def for_version(cls, membership: Membership, assistant: Assistant, version: AssistantVersion) -> AssistantForm:
        """The form filled from a stored version."""
        fields = {name: getattr(version, name) for name in FIELDS}
        about = {
            "handle": assistant.handle,
            "stage": assistant.stage,
            "shows_instructions": assistant.shows_instructions,
        }
        return cls(membership=membership, assistant=assistant, initial=initial_of(fields) | about)

    @classmethod
    def for_draft(cls, membership: Membership, draft: Draft) -> AssistantForm:
        """The form filled from something that is not saved: a copy, a conversation, a file."""
        about = {"handle": draft.handle, "stage": draft.stage, "shows_instructions": draft.shows_instructions}
        return cls(membership=membership, initial=initial_of(draft.fields) | about)

    def clean_handle(self) -> str:
        try:
            return checked_handle(self.membership.workspace, self.cleaned_data["handle"], self.assistant)
        except ValidationError as error:
            raise ValidationError(error.messages) from error

    def clean_picture_file(self) -> Picture | None:
        """Without JavaScript the file comes with the form; a trial saves nothing, this neither."""
        file = self.cleaned_data["picture_file"]
        return keep_picture(self.membership, file) if file and not self.trial else None

    def clean_starters(self) -> list[str]:
        lines = [line.strip() for line in self.cleaned_data["starters"].splitlines() if line.strip()]
        if len(lines) > MOST_STARTERS:
            raise ValidationError(f"These are {len(lines)} questions; keep the best {MOST_STARTERS}.")
        if long := next((line for line in lines if len(line) > 200), None):
            raise ValidationError(f"Keep each under 200 characters; this one is longer: {long[:60]}…")
        return lines

    def clean(self) -> dict[str, Any]:
        """The same checks that the API's drafts go through, said where the field is."""
        data = super().clean() or self.cleaned_data
        if data.get("picture_file"):
            data["picture"] = data["picture_file"].pk
            # A form that comes back keeps what was uploaded.
            self.data = {**self.data.dict(), "picture": str(data["picture"])}  # type: ignore[attr-defined]
        kept = self.assistant.latest.knowledge if self.assistant and self.assistant.latest else []
        # Also where a field is wrong already: whoever saves is told of everything at once.
        wrong = Wrong()
        sent: dict[str, Any] = {}
        for part in (self._texts, self._model, self._knowledge, self._window):
            with wrong:
                sent |= part(data)
        with wrong:
            self.version_fields = checked_fields(self.membership, sent, kept)
        for name, words in wrong.words.items():
            field = {"credential": "model", "reads_all": "knowledge"}.get(name, name)
            self.add_error(field if field in self.fields else None, words)
        return data

    def _texts(self, data: Mapping[str, Any]) -> dict[str, Any]:
        same = ("name", "description", "emoji", "colour", "instructions", "temperature", "queries_tables", "starters")
        sent = {name: data[name] for name in (*same, "tags_all", "tags_none", "tags", "picture") if name in data}
        latest = self.assistant.latest if self.assistant else None
        if latest and not latest.colour and sent.get("colour") == UNCHOSEN:
            sent["colour"] = ""  # it was left as it looks: no change that the versions' list would tell
        return sent

    def _model(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return dict(zip(("credential", "model"), data["model"], strict=True)) if "model" in data else {}

    def _knowledge(self, data: Mapping[str, Any]) -> dict[str, Any]:
        retrieval, searches = data.get("retrieval") or "search", data.get("searches") or "chosen"
        if retrieval == "none":
            return {"knowledge": [], "retrieval": retrieval}
        if searches == "all":
            return {"knowledge": None, "retrieval": retrieval}
        if "knowledge" not in data:
            return {}
        if not data["knowledge"]:
            raise ValidationError(
                {"knowledge": "Choose what it reads in the tree, or say that it reads everything or nothing."}
            )
        return {"knowledge": data["knowledge"], "retrieval": retrieval}

    def _window(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The time window that is chosen; what is filled in of the others does not count."""
        if not {"time", "last_days", "since", "until"} <= data.keys():
            return {}
        last, between = data["time"] == "last", data["time"] == "between"
        if last and not data["last_days"]:
            raise ValidationError({"last_days": "Say how many days, or choose any time."})
        return {
            "last_days": data["last_days"] if last else None,
            "since": _midnight(data["since"]) if between else None,
            "until": _midnight(data["until"], 1) if between else None,
        }
