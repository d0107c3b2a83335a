"""From a YAML file to a draft of an assistant, with an account of what could not be matched. Nothing is saved.

A file is somebody else's text: at most MOST_BYTES, no anchors, aliases or tags (a few lines of those can ask for gigabytes, or
for objects), no key twice, no deep nesting, and every value is looked at before it is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

import yaml
from django.core.exceptions import ValidationError

from assistants.drafts import checked_fields, free_handle
from assistants.errors import Wrong
from assistants.exporting import FORMAT, PLAIN
from assistants.models import Assistant, Picture
from assistants.models.assistant import HANDLE
from assistants.starting import Draft
from datasources.models import DataSource, Node
from portal.credentials import offered_models
from portal.models import Credential, Membership

MOST_BYTES = 256 * 1024
_DEEPEST = 12
_MOST_ENTRIES = 500
_KNOWN = frozenset(
    {"format", "handle", "stage", "shows_instructions", "model", "since", "until", "picture", "knowledge", *PLAIN}
)
_TEXTS = frozenset({"name", "description", "emoji", "colour", "instructions"})


class _Loader(yaml.SafeLoader):
    """Plain maps, lists and scalars, and nothing that YAML can do beyond them."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _refused(event, "Anchors and aliases (& and *) are not read: write each value where it belongs.")
        if getattr(event, "tag", None) is not None:
            raise _refused(event, "Tags (!) are not read: write plain values.")
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _refused(event, "It is nested too deeply.")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _value in node.value]
        if len(set(map(str, keys))) < len(keys) or "<<" in keys:
            raise _refused(node, "A key stands there twice.")
        return super().construct_mapping(node, deep)


def _refused(place: Any, words: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, words, place.start_mark)


def from_yaml(membership: Membership, text: str | bytes) -> Draft:
    """The draft that a file describes. Raises ValidationError with a sentence where it is no such file."""
    data = _loaded(text)
    notes: list[str] = []
    if unknown := sorted(str(key) for key in data if key not in _KNOWN):
        notes.append(f"Left out, as no assistant has it: {', '.join(unknown[:8])}.")
    fields, checked = _checked(membership, data, notes)
    knowledge = data.get("knowledge", "all")
    if knowledge not in ("all", [], None) and not checked["knowledge"] and fields.get("retrieval") != "none":
        # Its retrieval waits for the knowledge that a person chooses now.
        checked["retrieval"] = fields.get("retrieval", "search")
    stage = data.get("stage")
    if stage not in Assistant.Stage.values:
        if stage is not None:
            notes.append(f"“{str(stage)[:40]}” is no stage ({', '.join(Assistant.Stage.values)}): it is a beta.")
        stage = Assistant.Stage.BETA.value
    handle = _handle(membership, data, notes)
    return Draft(checked, handle, stage, data.get("shows_instructions") is True, tuple(notes))


def _checked(
    membership: Membership, data: Mapping[str, Any], notes: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a version would be made of, as the file has it and as it would be kept. Raises ValidationError for all that is wrong."""
    wrong = Wrong()
    fields: dict[str, Any] = {}
    for name in PLAIN:
        if name in data:
            with wrong:
                fields[name] = _text(name, data[name]) if name in _TEXTS else data[name]
    fields["name"] = str(data.get("name") or data.get("handle") or "Imported")[:80]
    for name in ("since", "until"):
        with wrong:
            fields[name] = _moment(name, data.get(name))
    with wrong:
        fields["credential"], fields["model"] = _model(membership, data.get("model"), notes)
    fields["picture"] = _picture(membership, data.get("picture"), notes)
    knowledge = data.get("knowledge", "all")
    fields["reads_all"] = knowledge == "all"
    with wrong:
        fields["knowledge"] = None if knowledge == "all" else _knowledge(membership, knowledge, notes)
    checked: dict[str, Any] = {}
    with wrong:
        checked = checked_fields(membership, fields)
    wrong.tell()
    return fields, checked


def _loaded(text: str | bytes) -> dict[str, Any]:
    size = len(text) if isinstance(text, bytes) else len(text.encode())
    if size > MOST_BYTES:
        raise ValidationError(f"A file of an assistant has at most {MOST_BYTES // 1024} KB.")
    try:
        data = yaml.load(text.decode() if isinstance(text, bytes) else text, Loader=_Loader)  # noqa: S506  (a safe loader, narrowed)
    except yaml.MarkedYAMLError as error:
        where = f"Line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValidationError(f"{where}{error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise ValidationError("That is not YAML that can be read.") from error
    if not isinstance(data, dict):
        raise ValidationError(f"That is not an assistant: its file begins with “format: {FORMAT}”.")
    if data.get("format", FORMAT) != FORMAT:
        raise ValidationError(f"Its format is {str(data['format'])[:40]}; this portal reads {FORMAT}.")
    return data


def _handle(membership: Membership, data: Mapping[str, Any], notes: list[str]) -> str:
    wanted = str(data.get("handle") or data.get("name") or "imported").strip().lower().removeprefix("@")
    handle = free_handle(membership.workspace, wanted)
    if handle != wanted and _is_handle(wanted):
        notes.append(f"@{wanted} is taken here, so this one is called @{handle}. Nothing is overwritten.")
    return handle


def _text(name: str, value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    raise ValidationError({name: f"{name.capitalize()} is not a text: put it in quotation marks."})


def _is_handle(text: str) -> bool:
    try:
        HANDLE(text)
    except ValidationError:
        return False
    return True


def _moment(name: str, value: Any) -> Any:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat() + "T00:00:00"
    if value is not None and not isinstance(value, str | datetime):
        raise ValidationError({name: "It takes a time such as 2026-01-31T00:00:00Z."})
    return value


def _model(membership: Membership, given: Any, notes: list[str]) -> tuple[Credential | None, str]:
    """The same model under the credential of that name, else under any that offers it."""
    if not given:
        return None, ""
    if isinstance(given, str):
        given = {"name": given}
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise ValidationError({"model": "It takes a name, and the name of a credential."})
    offering = [
        credential
        for credential, models in offered_models(membership.workspace)
        if any(model["name"] == given["name"] for model in models)
    ]
    offering.sort(key=lambda c: (str(c.pk) != str(given.get("id")), c.name != given.get("credential")))
    if not offering:
        notes.append(
            f"The model {given['name'][:80]} is not offered here: the workspace’s default stands in its place."
        )
        return None, ""
    return offering[0], given["name"]


def _picture(membership: Membership, key: Any, notes: list[str]) -> Picture | None:
    if not key:
        return None
    try:
        found = Picture.objects.visible_to(membership).filter(pk=UUID(str(key))).first()
    except ValueError:
        found = None
    if found is None:
        notes.append("Its picture is not in this workspace: choose an emoji or upload one.")
    return found


def _knowledge(membership: Membership, entries: Any, notes: list[str]) -> list[dict[str, Any]]:
    """By id where this workspace has it, else by name and path. Three queries and those of visibility."""
    if entries is None:
        return []
    if not isinstance(entries, list) or len(entries) > _MOST_ENTRIES or not all(isinstance(e, dict) for e in entries):
        raise ValidationError({"knowledge": f"It takes “all” or a list of at most {_MOST_ENTRIES} sources."})
    sources = list(DataSource.objects.visible_to(membership).order_by("created").values_list("pk", "name"))
    matched: dict[UUID, dict[str, Any]] = {}
    for entry in entries:
        source = _source(entry, sources)
        if source is None:
            notes.append(f"There is no source {_called(entry, 'source')} that you may read: its part is left out.")
        elif source in matched:
            notes.append(f"{_called(entry, 'source')} stands there twice: the first counts.")
        else:
            matched[source] = entry
    nodes = _Nodes(membership, matched)
    listed = []
    for source, entry in matched.items():
        parts = entry.get("parts", "all")
        inside = None if parts == "all" else nodes.of(source, parts, notes)
        if inside is None or inside:
            outside = nodes.of(source, entry.get("without") or [], notes)
            listed.append({"data_source": str(source), "parents_in": inside, "parents_not_in": outside})
    return listed


def _source(entry: Mapping[str, Any], sources: Iterable[tuple[UUID, str]]) -> UUID | None:
    """By id; else the one of this name, unless several are called so."""
    by_id = [pk for pk, _name in sources if str(pk) == str(entry.get("id"))]
    by_name = [pk for pk, name in sources if name == entry.get("source")]
    return by_id[0] if by_id else by_name[0] if len(by_name) == 1 else None


def _called(entry: Mapping[str, Any], word: str) -> str:
    return f"“{str(entry.get(word) or entry.get('id') or '?')[:120]}”"


class _Nodes:
    """The nodes that a file names, as far as this person may see them. Two queries."""

    def __init__(self, membership: Membership, entries: Mapping[UUID, Mapping[str, Any]]) -> None:
        parts = [part for entry in entries.values() for part in _parts(entry)]
        if len(parts) > 10 * _MOST_ENTRIES:
            raise ValidationError({"knowledge": "It names too many single parts: name folders instead."})
        ids = {key for part in parts if (key := _uuid(part.get("id")))}
        paths = {str(part["path"]) for part in parts if part.get("path")}
        rows = Node.objects.browsable_by(membership).filter(source__in=list(entries)) if parts else Node.objects.none()
        self.by_id = dict(rows.filter(pk__in=ids).values_list("pk", "source_id"))
        self.by_path: dict[tuple[UUID, str], list[UUID]] = {}
        for pk, source, path in rows.filter(path__in=paths).values_list("pk", "source_id", "path") if paths else ():
            self.by_path.setdefault((source, path), []).append(pk)

    def of(self, source: UUID, parts: Any, notes: list[str]) -> list[str]:
        if not isinstance(parts, list):
            raise ValidationError({"knowledge": "The parts of a source are “all” or a list of paths."})
        found = []
        for part in parts:
            part = part if isinstance(part, dict) else {"path": part}
            key = _uuid(part.get("id"))
            same = self.by_path.get((source, str(part.get("path"))), [])
            if key is not None and self.by_id.get(key) == source:
                found.append(str(key))
            elif len(same) == 1:
                found.append(str(same[0]))
            else:
                several = "stands there more than once" if same else "is not there, or not for you"
                notes.append(f"{_called(part, 'path')} {several}: it is left out.")
        return list(dict.fromkeys(found))


def _parts(entry: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    for key in ("parts", "without"):
        listed = entry.get(key)
        for part in listed if isinstance(listed, list) else ():
            yield part if isinstance(part, dict) else {"path": part}


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
