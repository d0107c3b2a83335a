"""What comes in of a source: ticks of the tree as lines of a selection, and what a changed choice takes out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from datasources import entering, offering, suggesting
from datasources.connectors.about import About
from datasources.connectors.base import Chosen
from datasources.connectors.registry import about
from datasources.entering import AskedForm
from datasources.letting_go import let_go, take_back
from datasources.models import DataSource, Offered, Selection, SyncRun, node_id
from datasources.picking import MOST_TICKED, Picker, read_choice
from datasources.runs import LISTING, request_sync
from portal import audit
from portal.models import User

State = DataSource.State
ROOT = ""
"""How the options of everything are named, where those of a node go by its id."""
MOST_PARTS = 100
"""So many are offered in the last step; others can be given out in the tree, under Access."""
OUT_OF_DATE = "Some of what was ticked is no longer there. Look at the tree again."


@dataclass(frozen=True, slots=True)
class Line:
    """One ticked or left out place, as it is shown below the tree."""

    node: UUID | None
    path: str
    include: bool
    future: bool
    options: Mapping[str, Any]


def read_ticks(source: DataSource, text: str) -> list[Chosen]:
    """What the picker sent, as lines. Raises ValidationError with a sentence."""
    branches = read_choice(text)
    branch = next((one for one in branches if one.source == source.pk), None)
    if branch is None or (branch.parents_in is not None and not branch.parents_in):
        raise ValidationError("Tick what is to come in.")
    more = _more(text, source)
    ids: list[UUID | None] = [None] if branch.parents_in is None else list(branch.parents_in)
    lines = [(key, True) for key in ids] + [(key, False) for key in branch.parents_not_in]
    return lines_of(source, [(key, include, *more.get(key, (True, {}))) for key, include in lines])


def _more(text: str, source: DataSource) -> dict[UUID | None, tuple[bool, dict[str, Any]]]:
    """By node: whether what is added later comes in, and the options."""
    found: dict[UUID | None, tuple[bool, dict[str, Any]]] = {}
    try:
        for entry in json.loads(text or "[]"):
            if entry["data_source"] != str(source.pk):
                continue
            for key, more in (entry.get("lines") or {}).items():
                found[UUID(key) if key else None] = (more.get("future", True) is not False, dict(more["options"]))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValidationError("The ticks did not arrive whole. Reload the page and tick again.") from error
    return found


def lines_of(
    source: DataSource,
    asked: Sequence[tuple[UUID | None, bool, bool, Mapping[str, Any]]],
    *,
    named: Mapping[UUID, str] | None = None,
) -> list[Chosen]:
    """(node, include, future, options) as the connector gets them. Raises ValidationError with a sentence.

    ``named``: external ids that the asker knows by themselves.
    """
    if len(asked) > MOST_TICKED:
        raise ValidationError(f"More than {MOST_TICKED:,} single ticks: tick folders instead.")
    told = about(source.kind)
    ids = offering.external_ids_of(source, [key for key, *_ in asked if key is not None]) | dict(named or {})
    before = {line.node: line for line in source.selections.all()}
    found = []
    for key, include, future, options in asked:
        if key is not None and key not in ids:
            raise ValidationError(OUT_OF_DATE)
        kept = _options(told, options, include)
        if include and not future:
            kept["chosen_at"] = _chosen_at(before.get(key))
        found.append(Chosen(None if key is None else ids[key], include, future or not include, kept))
    suggesting.must_be_there(source, found)
    return found


def _options(told: About, options: Mapping[str, Any], include: bool) -> dict[str, Any]:
    if not include:
        return {}
    given = {name: value for name, value in options.items() if name != "chosen_at" and value not in ("", None, [])}
    try:
        return entering.checked(told.options, given)
    except ValidationError as error:
        labels = {setting.name: setting.label for setting in told.options}
        words = [f"{labels.get(name, name)}: {' '.join(said)}" for name, said in error.message_dict.items()]
        raise ValidationError(words) from error


def _chosen_at(before: Selection | None) -> str:
    """When it was chosen without what is added later; a choice that stays keeps its moment."""
    if before is not None and before.include and not before.future and before.options.get("chosen_at"):
        return str(before.options["chosen_at"])
    return timezone.now().isoformat()


# ---- Showing -----------------------------------------------------------------------------------------------------


def shown_lines(source: DataSource) -> list[Line]:
    rows = list(source.selections.order_by("external_id"))
    paths = offering.paths_of(source, [row.node for row in rows if row.node])
    return [
        Line(
            row.node,
            paths.get(row.node, row.external_id) if row.node else "Everything",
            row.include,
            row.future,
            row.options,
        )
        for row in rows
    ]


def parts_of(source: DataSource) -> list[tuple[UUID, str]]:
    """What can be given to single spaces before anything came in: ticked branches, or of everything the top level."""
    lines = list(source.selections.all())
    ticked = [line.node for line in lines if line.include and line.node]
    if ticked:
        paths = offering.paths_of(source, ticked)
        return sorted(paths.items(), key=lambda part: part[1].casefold())[:MOST_PARTS]
    left_out = {line.node for line in lines}
    rows = Offered.objects.filter(source=source, level__parent="").order_by("sort_key", "id")
    return [(row.node, row.title) for row in rows[:MOST_PARTS] if row.node not in left_out]


def entry_of(source: DataSource) -> dict[str, Any] | None:
    """The selection as the picker carries it; None where nothing was chosen yet."""
    lines = list(source.selections.all())
    if not lines:
        return None if source.state == State.DRAFT else _entry(source, None, [])
    ticked = [str(line.node) for line in lines if line.include and line.node]
    everything = any(line.include and line.node is None for line in lines)
    left_out = [str(line.node) for line in lines if not line.include and line.node]
    if not ticked and not everything:
        # Only what is left out was named: the rest comes in.
        everything = True
    more = {
        str(line.node or ROOT): {
            "future": line.future,
            "options": {name: value for name, value in line.options.items() if name != "chosen_at"},
        }
        for line in lines
        if line.include
    }
    return {**_entry(source, None if everything else ticked, left_out), "lines": more}


def _entry(source: DataSource, inside: list[str] | None, outside: list[str]) -> dict[str, Any]:
    return {"data_source": str(source.pk), "parents_in": inside, "parents_not_in": outside, "lines": {}}


def remote_picker(source: DataSource, sent: str | None, *, name: str) -> Picker:
    """Over what the place itself offers, whether it came in yet or not. ``sent``: what comes back after a refusal."""
    stored = entry_of(source)
    try:
        entries = json.loads(sent) if sent else [stored] if stored else []
        keys = {
            UUID(key) for entry in entries for key in [*(entry["parents_in"] or []), *(entry["parents_not_in"] or [])]
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        entries, keys = [], set()
    chains = {str(key): [str(one) for one in chain] for key, chain in offering.chains_of(source, keys).items()}
    paths = {str(key): path for key, path in offering.paths_of(source, keys).items()}
    told = about(source.kind)
    return Picker(
        name,
        [source],
        json.dumps(entries),
        json.dumps(chains),
        whole=True,
        excludes=True,
        route="data_offered",
        paths=json.dumps(paths),
        options=AskedForm(told.options, auto_id="option-%s") if told.options else None,
    )


def written(source: DataSource, ticked: Sequence[str] | None) -> str:
    """What the picker would send for these node ids alone; None for everything."""
    return json.dumps([_entry(source, None if ticked is None else list(ticked), [])])


# ---- Changing ----------------------------------------------------------------------------------------------------


@transaction.atomic
def choose(source: DataSource, lines: Sequence[Chosen], *, by: User | None) -> DataSource:
    """Let these lines decide. Of a source that is there, what is no longer chosen goes and what is new comes in.

    What was ticked away is agreed to: it does not wait for a yes. Raises ValidationError with a sentence.
    """
    source = DataSource.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=source.pk)
    if source.state == State.DELETING:
        raise ValidationError("This source is being deleted.")
    before = _told(source)
    if [_tuple(line) for line in lines] == before:
        return source
    full = _needs_all(source)
    take_back(source)
    store(source, lines)
    after = {"selection": len(lines)}
    audit.record("source.choose", workspace=source.workspace, actor=by, target=source, after=after)
    if source.state != State.DRAFT:
        let_go(source)
        trigger = SyncRun.Trigger.FULL if full else SyncRun.Trigger.PERSON
        request_sync(source, by=by, trigger=trigger, again=True, full=full)
    return source


def _needs_all(source: DataSource) -> bool:
    """Whether a changed choice needs a listing of everything.

    What the choice before let go may have been removed by a run that has not told its cursor yet; brought back now, it would
    pass for something that never went.
    """
    if not about(source.kind).choice_in_cursor or source.again:
        return True
    listed = source.runs.filter(trigger__in=LISTING, hints=[]).order_by("-created").values_list("state", flat=True)
    return listed.first() not in (SyncRun.State.DONE, SyncRun.State.PARTIAL)


def store(source: DataSource, lines: Iterable[Chosen]) -> None:
    source.selections.all().delete()
    Selection.objects.bulk_create(
        Selection(
            source=source,
            node=node_id(source.pk, line.external_id) if line.external_id else None,
            external_id=line.external_id or "",
            include=line.include,
            future=line.future,
            options=dict(line.options),
        )
        for line in lines
    )


def _told(source: DataSource) -> list[tuple[Any, ...]]:
    return [(r.external_id, r.include, r.future, r.options) for r in source.selections.order_by("pk")]


def _tuple(line: Chosen) -> tuple[Any, ...]:
    return (line.external_id or "", line.include, line.future, dict(line.options))
