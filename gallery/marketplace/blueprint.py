"""What a template is made of: one shape for files that come with the product, packs, offers and rows. All errors are told at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.text import slugify

from assistants.answering import variables
from assistants.drafts import LONGEST_INSTRUCTIONS, MOST_DAYS, MOST_LABELS, MOST_STARTERS
from assistants.forms_builder import COLOURS
from assistants.models import Assistant, AssistantVersion
from gallery.marketplace.slots import KNOWLEDGE, NAME, TEXT, Slot, slots_of, undeclared
from gallery.models import Template, TemplateVersion

DEPARTMENTS: Final = {
    "sales": "Sales",
    "support": "Support",
    "engineering": "Engineering",
    "product": "Product",
    "marketing": "Marketing",
    "people": "People",
    "finance": "Finance",
    "legal": "Legal",
    "general": "Everybody",
}
TASKS: Final = {
    "answer": "Answer questions",
    "write": "Write",
    "review": "Review",
    "prepare": "Prepare",
    "summarise": "Summarise",
    "analyse": "Analyse",
}
BODY: Final = (
    "emoji",
    "colour",
    "instructions",
    "starters",
    "tags",
    "retrieval",
    "temperature",
    "queries_tables",
    "last_days",
    "stage",
)
"""What of an assistant's version a template has, and the stage. Never a credential, a model, knowledge, a picture, or who made it."""

MOST_SLOTS = 12
_TEXTS: Final[Mapping[str, int]] = {
    "name": 80,
    "description": 300,
    "emoji": 16,
    "instructions": LONGEST_INSTRUCTIONS,
    "sample_question": 300,
    "sample_answer": 4000,
    "note": 200,
}
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "department": tuple(DEPARTMENTS),
    "task": tuple(TASKS),
    "colour": ("", *COLOURS),
    "retrieval": tuple(AssistantVersion.Retrieval.values),
    "stage": tuple(Assistant.Stage.values),
}


@dataclass(frozen=True, slots=True)
class Blueprint:
    slug: str
    name: str
    description: str
    department: str
    task: str
    emoji: str = ""
    colour: str = ""
    instructions: str = ""
    starters: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    retrieval: str = "search"
    temperature: float | None = None
    queries_tables: bool = True
    last_days: int | None = None
    stage: str = "beta"
    slots: tuple[Slot, ...] = ()
    sample_question: str = ""
    sample_answer: str = ""
    note: str = ""

    @property
    def texts(self) -> list[Slot]:
        return [slot for slot in self.slots if slot.kind == TEXT]

    @property
    def knowledge(self) -> list[Slot]:
        return [slot for slot in self.slots if slot.kind == KNOWLEDGE]

    def version_fields(self) -> dict[str, Any]:
        """As a TemplateVersion keeps it."""
        body = {name: _plain(getattr(self, name)) for name in BODY}
        same = ("name", "description", "sample_question", "sample_answer", "note")
        return {name: getattr(self, name) for name in same} | {
            "body": body,
            "slots": [slot.as_data() for slot in self.slots],
        }

    def as_data(self) -> dict[str, Any]:
        """As files have it; what is as it would be anyway is left out."""
        data: dict[str, Any] = {}
        for name in ("slug", "name", "department", "task", "description", *BODY):
            value = _plain(getattr(self, name))
            if value != _plain(_DEFAULTS.get(name)):
                data[name] = value
        data["slots"] = [slot.as_data() for slot in self.slots]
        if self.sample_question or self.sample_answer:
            data["sample"] = {"question": self.sample_question, "answer": self.sample_answer}
        if self.note:
            data["note"] = self.note
        return data


_DEFAULTS: Final[Mapping[str, Any]] = {
    "emoji": "",
    "colour": "",
    "instructions": "",
    "starters": (),
    "tags": (),
    "retrieval": "search",
    "temperature": None,
    "queries_tables": True,
    "last_days": None,
    "stage": "beta",
}


def of_version(template: Template, version: TemplateVersion) -> Blueprint:
    """The blueprint that a stored version is."""
    body = {name: version.body.get(name, _DEFAULTS[name]) for name in BODY}
    return Blueprint(
        slug=template.slug,
        name=version.name,
        description=version.description,
        department=template.department,
        task=template.task,
        **body | {"starters": tuple(body["starters"]), "tags": tuple(body["tags"])},
        slots=slots_of(version.slots),
        sample_question=version.sample_question,
        sample_answer=version.sample_answer,
        note=version.note,
    )


def read(data: Any) -> Blueprint:
    """The blueprint that a file's mapping means. Raises ValidationError with everything that is wrong, a sentence each."""
    if not isinstance(data, Mapping):
        raise ValidationError("A template is a mapping of names to values.")
    reader = _Reader(data)
    blueprint = reader.blueprint()
    if reader.wrong:
        raise ValidationError(reader.wrong)
    return blueprint


class _Reader:
    """Takes a mapping apart and notes what is wrong on the way."""

    KNOWN = frozenset({"slug", "name", "description", "department", "task", "slots", "sample", "note", *BODY})

    def __init__(self, data: Mapping[Any, Any]) -> None:
        self.data = data
        self.wrong: list[str] = []
        for name in data:
            if name not in self.KNOWN:
                self.wrong.append(f"{str(name)[:40]}: a template has no such field.")

    def blueprint(self) -> Blueprint:
        values: dict[str, Any] = {name: self._text(self.data, name, name) for name in ("name", "description", "emoji")}
        values["instructions"] = self._text(self.data, "instructions", "instructions", lines=True)
        values["note"] = self._text(self.data, "note", "note")
        for name in ("name", "description", "instructions", "department", "task"):
            if not self.data.get(name):
                self.wrong.append(f"{name}: it is missing.")
        for name in _CHOICES:
            values[name] = self._choice(name)
        values["starters"] = self._texts("starters", MOST_STARTERS, 200)
        values["tags"] = tuple(dict.fromkeys(tag.lower() for tag in self._texts("tags", MOST_LABELS, 40)))
        values["temperature"] = self._number("temperature", 0, 2)
        days = self._number("last_days", 1, MOST_DAYS, whole=True)
        values["last_days"] = None if days is None else int(days)
        values["queries_tables"] = self._bool("queries_tables")
        values["slots"] = self._slots()
        values["slug"] = self._slug(values["name"])
        values |= self._sample()
        self._all_filled(values)
        return Blueprint(**values)

    def _text(
        self, data: Mapping[Any, Any], key: str, name: str, *, lines: bool = False, most: int | None = None
    ) -> str:
        value = data.get(key, "")
        if value is None:
            return ""
        if not isinstance(value, str):
            self.wrong.append(f"{name}: it takes a text; put it in quotation marks.")
            return ""
        value = value.strip() if lines else " ".join(value.split())
        most = most if most is not None else _TEXTS[name.replace(".", "_")]
        if len(value) > most:
            self.wrong.append(f"{name}: it has {len(value):,} characters, at most {most:,}.")
        if "\x00" in value:
            self.wrong.append(f"{name}: it holds a sign that is no text.")
        return value

    def _texts(self, name: str, most: int, longest: int) -> tuple[str, ...]:
        value = self.data.get(name) or []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self.wrong.append(f"{name}: it takes a list of texts.")
            return ()
        texts = tuple(" ".join(one.split()) for one in value if one.strip())
        if len(texts) > most or any(len(one) > longest for one in texts):
            self.wrong.append(f"{name}: at most {most}, each of at most {longest} characters.")
        return texts

    def _choice(self, name: str) -> str:
        value = self.data.get(name, _DEFAULTS.get(name, ""))
        if value in _CHOICES[name] or (not value and name in {"department", "task"}):
            return str(value or "")
        self.wrong.append(f"{name}: it takes one of {', '.join(one for one in _CHOICES[name] if one)}.")
        return ""

    def _number(self, name: str, least: float, most: float, *, whole: bool = False) -> float | None:
        value = self.data.get(name)
        if value is None:
            return None
        fits = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if fits and least <= float(value) <= most:
            return int(value) if whole else float(value)
        self.wrong.append(f"{name}: it takes a {'whole ' if whole else ''}number from {least} to {most}.")
        return None

    def _bool(self, name: str) -> bool:
        value = self.data.get(name, True)
        if not isinstance(value, bool):
            self.wrong.append(f"{name}: it takes true or false.")
        return value is not False

    def _slug(self, name: str) -> str:
        slug = self._text(self.data, "slug", "slug", most=60) or slugify(name)[:60]
        if name and (slug != slugify(slug) or not slug):
            self.wrong.append("slug: small letters, digits and hyphens, at most 60.")
        return slug

    def _sample(self) -> dict[str, str]:
        sample = self.data.get("sample") or {}
        if not isinstance(sample, Mapping) or set(sample) - {"question", "answer"}:
            self.wrong.append("sample: it has a question and an answer.")
            return {}
        return {
            "sample_question": self._text(sample, "question", "sample.question"),
            "sample_answer": self._text(sample, "answer", "sample.answer", lines=True),
        }

    def _slots(self) -> tuple[Slot, ...]:
        rows = self.data.get("slots") or []
        if not isinstance(rows, list) or len(rows) > MOST_SLOTS:
            self.wrong.append(f"slots: it takes a list of at most {MOST_SLOTS}.")
            return ()
        slots = [slot for at, row in enumerate(rows, 1) if (slot := self._slot(row, f"slots, number {at}")) is not None]
        names = [slot.name for slot in slots]
        labels = [slot.label.casefold() for slot in slots]
        if len(set(names)) < len(names) or len(set(labels)) < len(labels):
            self.wrong.append("slots: two have the same name or label.")
        return tuple(slots)

    def _slot(self, row: Any, where: str) -> Slot | None:
        if not isinstance(row, Mapping) or set(row) - {"name", "kind", "label", "help", "example"}:
            self.wrong.append(f"{where}: a slot has name, kind, label, help and example.")
            return None
        texts = {
            key: self._text(row, key, f"{where}, {key}", most=most)
            for key, most in (("name", 31), ("label", 80), ("help", 300), ("example", 200))
        }
        if not NAME.fullmatch(texts["name"]) or texts["name"] in {"date", "workspace", "knowledge"}:
            self.wrong.append(f"{where}: its name takes small letters, digits and _, and no name of a variable.")
        if row.get("kind") not in (TEXT, KNOWLEDGE):
            self.wrong.append(f"{where}: its kind is text or knowledge.")
            return None
        if not texts["label"] or set(texts["label"]) & set('{}"'):
            self.wrong.append(f"{where}: its label says what is asked for, without braces and quotation marks.")
        return Slot(texts["name"], str(row["kind"]), texts["label"], texts["help"], texts["example"])

    def _all_filled(self, values: Mapping[str, Any]) -> None:
        shown = "\n".join([values["name"], values["description"], *values["starters"]])
        if early := sorted(variables.used_in(shown) & set(variables.KNOWN)):
            self.wrong.append(f"{{{{{early[0]}}}}} is filled in instructions only, not in what the gallery shows.")
        if loose := undeclared(f"{shown}\n{values['instructions']}", values["slots"]):
            self.wrong.append(f"Nothing fills {', '.join(loose)}: declare a slot, or write \\{{{{ for mere braces.")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
