"""What a version of an assistant is made of, checked. Every ValidationError names its field and says what to do."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from assistants.answering import variables
from assistants.errors import Wrong
from assistants.models import Assistant, AssistantVersion, Picture
from assistants.models.assistant import HANDLE
from datasources.models import DataSource, Node
from portal.models import Credential, Membership, Workspace
from portal.spending.offers import may_choose

FIELDS: Final = (
    "name",
    "description",
    "emoji",
    "colour",
    "instructions",
    "credential",
    "model",
    "temperature",
    "knowledge",
    "reads_all",
    "tags_all",
    "tags_none",
    "since",
    "until",
    "last_days",
    "queries_tables",
    "starters",
    "retrieval",
    "tags",
    "picture",
)
"""What a version is made of. ``knowledge`` None is all that its reader may read (``reads_all``); an empty list nothing."""

RESERVED: Final = frozenset(
    {"archived", "new", "all", "none", "everyone", "assistant", "assistants", "edit", "gallery", "atrium"}
)
LONGEST_INSTRUCTIONS = 20_000
LONGEST_HANDLE = 40
MOST_BRANCHES = 500
MOST_TAGS = 50
MOST_STARTERS = 6
MOST_LABELS = 12
MOST_DAYS = 3650


def checked_handle(workspace: Workspace, handle: str, assistant: Assistant | None = None) -> str:
    """The handle as it is kept. Raises ValidationError with what to do."""
    handle = handle.strip().lower().removeprefix("@")
    try:
        HANDLE(handle)
    except ValidationError as error:
        raise ValidationError({"handle": error.messages}) from error
    if handle in RESERVED:
        raise ValidationError({"handle": f"@{handle} is a word of the product. {_another(workspace, handle)}"})
    others = Assistant.objects.filter(
        Q(handle__iexact=handle) | Q(former_handles__contains=[handle]), workspace=workspace
    )
    if assistant is not None:
        others = others.exclude(pk=assistant.pk)
    if (other := others.values_list("handle", flat=True).first()) is not None:
        why = "taken" if other.lower() == handle else "what people knew another assistant by"
        raise ValidationError({"handle": f"@{handle} is {why}. {_another(workspace, handle)}"})
    return handle


def _another(workspace: Workspace, handle: str) -> str:
    return f"Choose another handle, such as @{free_handle(workspace, handle)}."


def free_handle(workspace: Workspace, wanted: str) -> str:
    """The handle that is nearest to what is wanted and not taken. One query."""
    plain = unicodedata.normalize("NFKD", wanted.lower()).encode("ascii", "ignore").decode()
    base = re.sub(r"^[^a-z]+", "", re.sub(r"[^a-z0-9]+", "-", plain)).strip("-")[:LONGEST_HANDLE].rstrip("-")
    base = base if len(base) >= 3 else "assistant-1"
    alike = Q(handle__istartswith=base[: LONGEST_HANDLE - 4]) | ~Q(former_handles=[])
    rows = Assistant.objects.filter(alike, workspace=workspace).values_list("handle", "former_handles")
    taken = {one for handle, former in rows for one in (handle, *former)}
    for number in itertools.count(1):
        end = "" if number == 1 else f"-{number}"
        handle = base[: LONGEST_HANDLE - len(end)].rstrip("-") + end
        if handle not in taken and handle not in RESERVED:
            return handle
    raise AssertionError


def checked_fields(
    membership: Membership, fields: Mapping[str, Any], kept: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Fields of a version as they are kept. Raises ValidationError by field, for all that is wrong with them.

    ``kept``: knowledge that is there already. An editor may leave what they can't read, but not add it.
    """
    unknown = set(fields) - set(FIELDS)
    if unknown:
        raise ValidationError({name: f"Unknown field; a version has {', '.join(FIELDS)}." for name in sorted(unknown)})
    out, wrong = dict(fields), Wrong()
    for name in fields:
        if check := _CHECKS.get(name):
            with wrong:
                out[name] = check(name, fields[name])
    if "knowledge" in fields:
        with wrong:
            everything = fields["knowledge"] is None or bool(fields.get("reads_all"))
            out["reads_all"] = everything
            out["knowledge"] = [] if everything else checked_knowledge(membership, fields["knowledge"], kept or [])
    if "picture" in fields:
        with wrong:
            out["picture"] = _picture(membership, fields["picture"])
    if not wrong.words.keys() & {"since", "until", "last_days"}:
        with wrong:
            _check_window(out)
    with wrong:
        _settle_retrieval(out)
    with wrong:
        _check_model(membership, out)
    wrong.tell()
    return out


def _check_window(out: Mapping[str, Any]) -> None:
    if out.get("since") and out.get("until") and out["since"] >= out["until"]:
        raise ValidationError({"until": "The end of the time window lies before its begin."})
    if out.get("last_days") and (out.get("since") or out.get("until")):
        raise ValidationError({"last_days": "Choose the last days, or a time from and to, not both."})


def _instructions(name: str, text: Any) -> Any:
    if not isinstance(text, str):
        return text
    # As a form sends them, lines end otherwise than anywhere else.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > LONGEST_INSTRUCTIONS:
        raise ValidationError({name: f"At most {LONGEST_INSTRUCTIONS:,} characters; put long text into a data source."})
    if unfilled := variables.unknown_in(text):
        raise ValidationError({name: _unknown_words(unfilled)})
    return text


def _yes_or_no(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValidationError({name: "It takes true or false."})
    return value


def _warmth(name: str, value: Any) -> Any:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 2):
        raise ValidationError({name: "It takes a number between 0 and 2."})
    return value


def over(version: AssistantVersion | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    """``fields`` over what this version has: what saving them would make of it, still to be checked."""
    before = {name: getattr(version, name) for name in FIELDS} if version else {}
    if "knowledge" in fields:
        before.pop("reads_all", None)
        # One that found nothing searches what it is given now.
        if before.get("retrieval") == AssistantVersion.Retrieval.NONE:
            before["retrieval"] = AssistantVersion.Retrieval.SEARCH.value
    return before | dict(fields)


def _unknown_words(unknown: list[str]) -> str:
    names = ", ".join(f"{{{{{name}}}}}" for name in unknown)
    known = ", ".join(f"{{{{{name}}}}}" for name in variables.KNOWN)
    return f"Nothing can be put in for {names}. There are {known}; write \\{{{{ to mean just braces."


def _settle_retrieval(out: dict[str, Any]) -> None:
    """What finds nothing has no knowledge and the other way round; what asks tables only does ask them."""
    kinds = AssistantVersion.Retrieval
    if "retrieval" in out and out["retrieval"] not in kinds.values:
        raise ValidationError({"retrieval": f"It takes one of {', '.join(kinds.values)}."})
    if out.get("retrieval") == kinds.NONE:
        out["knowledge"], out["reads_all"] = [], False
    elif "knowledge" in out and not out["knowledge"] and not out.get("reads_all"):
        out["retrieval"] = kinds.NONE.value
    if out.get("retrieval") == kinds.TABLES:
        out["queries_tables"] = True


def _picture(membership: Membership, picture: Any) -> Picture | None:
    """One that this person uploaded, or that an assistant which they see has."""
    if picture in (None, ""):
        return None
    try:
        key = picture.pk if isinstance(picture, Picture) else UUID(str(picture))
    except ValueError:
        key = None
    found = Picture.objects.visible_to(membership).filter(pk=key).first() if key else None
    if found is None:
        raise ValidationError({"picture": "There is no such picture. Upload it again."})
    return found


def checked_knowledge(
    membership: Membership, entries: Any, kept: list[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """``[{"data_source", "parents_in", "parents_not_in"}]`` with every id known and, unless it was ``kept``, readable."""
    if not isinstance(entries, list) or len(entries) > MOST_BRANCHES:
        raise ValidationError(
            {"knowledge": f"Knowledge is a list of at most {MOST_BRANCHES} entries, or null for everything."}
        )
    rows = [_entry(entry) for entry in entries]
    merged: dict[UUID, dict[str, Any]] = {}
    for row in rows:
        if row["data_source"] in merged:
            raise ValidationError({"knowledge": "Name each data source once."})
        merged[row["data_source"]] = row
    old = {UUID(str(row["data_source"])): row for row in kept or []}
    sources = set(
        DataSource.objects.filter(workspace=membership.workspace_id, pk__in=merged).values_list("pk", flat=True)
    )
    visible = set(DataSource.objects.visible_to(membership).filter(pk__in=merged).values_list("pk", flat=True))
    wanted = {node for row in rows for node in (*(row["parents_in"] or ()), *row["parents_not_in"])}
    found = dict(Node.objects.browsable_by(membership).filter(pk__in=wanted).values_list("pk", "source_id"))
    for source, row in merged.items():
        before = old.get(source)
        known = _nodes_of(before) if before else set()
        missing = [n for n in _nodes_of(row) if found.get(n) != source and str(n) not in known]
        if (source not in visible and not (before and source in sources)) or missing:
            raise ValidationError(
                {"knowledge": "Some of the chosen knowledge is gone, or not for you. Open the tree and choose again."}
            )
    return [
        {
            "data_source": str(row["data_source"]),
            "parents_in": None if row["parents_in"] is None else [str(n) for n in row["parents_in"]],
            "parents_not_in": [str(n) for n in row["parents_not_in"]],
        }
        for row in rows
        if row["parents_in"] is None or row["parents_in"]
    ]


def _nodes_of(row: Mapping[str, Any]) -> set[Any]:
    return {*(row.get("parents_in") or ()), *(row.get("parents_not_in") or ())}


def _entry(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, Mapping) or set(entry) - {"data_source", "parents_in", "parents_not_in"}:
        raise ValidationError({"knowledge": "Each entry has data_source, parents_in and parents_not_in."})
    try:
        inside = entry.get("parents_in")
        return {
            "data_source": UUID(str(entry.get("data_source"))),
            "parents_in": None if inside is None else [UUID(str(node)) for node in inside],
            "parents_not_in": [UUID(str(node)) for node in entry.get("parents_not_in") or ()],
        }
    except (ValueError, TypeError):
        raise ValidationError({"knowledge": "An id in the knowledge is none."}) from None


def _texts(name: str, values: Any, most: int, longest: int) -> list[str]:
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValidationError({name: "It takes a list of texts."})
    texts = [value.strip() for value in values if value.strip()]
    if len(texts) > most or any(len(text) > longest for text in texts):
        raise ValidationError({name: f"At most {most}, each of at most {longest} characters."})
    return texts


def _moment(name: str, value: Any) -> datetime | None:
    if value in (None, ""):
        return None
    moment = value if isinstance(value, datetime) else parse_datetime(str(value))
    if moment is None:
        raise ValidationError({name: "It takes a time such as 2026-01-31T00:00:00Z."})
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _days(name: str, value: Any) -> int | None:
    if value in (None, ""):
        return None
    if isinstance(value, bool) or not str(value).isdecimal() or not 1 <= int(value) <= MOST_DAYS:
        raise ValidationError({name: f"It takes a number of days, 1 to {MOST_DAYS}."})
    return int(value)


_CHECKS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "tags_all": lambda name, value: _texts(name, value, MOST_TAGS, 80),
    "tags_none": lambda name, value: _texts(name, value, MOST_TAGS, 80),
    "tags": lambda name, value: list(dict.fromkeys(tag.lower() for tag in _texts(name, value, MOST_LABELS, 40))),
    "starters": lambda name, value: _texts(name, value, MOST_STARTERS, 200),
    "since": _moment,
    "until": _moment,
    "last_days": _days,
    "queries_tables": _yes_or_no,
    "instructions": _instructions,
    "temperature": _warmth,
}
"""What can be said of a field by itself: its name and what was sent for it give what is kept."""


def must_be_offered(membership: Membership, fields: Mapping[str, Any], latest: AssistantVersion | None = None) -> None:
    """Whether this person may choose the model of checked fields; one that the assistant has already may stay.

    Raises ValidationError.
    """
    credential, model = fields.get("credential"), fields.get("model") or ""
    if credential is None or (latest is not None and (latest.credential_id, latest.model) == (credential.pk, model)):
        return
    if not may_choose(membership, credential, model):
        raise ValidationError({"model": f"{model} is not offered to you. Choose a model from the list."})


def _check_model(membership: Membership, fields: dict[str, Any]) -> None:
    credential = fields.get("credential")
    if credential in ("", None):
        fields["credential"] = None
    elif not isinstance(credential, Credential):
        try:
            found = Credential.objects.filter(workspace=membership.workspace_id, pk=UUID(str(credential))).first()
        except ValueError:
            found = None
        if found is None:
            raise ValidationError({"credential": "There is no such credential. Choose a model from the list."})
        fields["credential"] = found
    elif credential.workspace_id != membership.workspace_id:
        raise ValidationError({"credential": "There is no such credential. Choose a model from the list."})
    if fields.get("model") and fields.get("credential") is None:
        raise ValidationError(
            {"model": "Choose a credential with the model, or leave both to the workspace's default."}
        )
    if fields.get("credential") is not None and not fields.get("model"):
        raise ValidationError({"model": "Choose a model of this credential."})
