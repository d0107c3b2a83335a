"""What comes in of a source: ticks of the tree as lines of a selection, and what a changed choice takes out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone

from datasources import entering, offering
from datasources.connectors.about import About
from datasources.connectors.base import Chosen
from datasources.connectors.registry import about
from datasources.entering import AskedForm
from datasources.models import DataSource, Node, Selection, SyncRun, node_id
from datasources.picking import MOST_TICKED, Picker, read_choice
from datasources.runs import request_sync
from portal import audit
from portal.models import User

State = DataSource.State
ROOT = ""
"""How the options of everything are named, where those of a node go by its id."""
OUT_OF_DATE = "Some of what was ticked is no longer there. Look at the tree again."


@dataclass(frozen=True, slots=True)
class Line:
    """One ticked or left out place, as it is shown below the tree."""

    node: UUID | None
    title: str
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
    titles = offering.titles_of(source, [row.node for row in rows if row.node])
    return [
        Line(
            row.node,
            titles.get(row.node, row.external_id) if row.node else "Everything",
            row.include,
            row.future,
            row.options,
        )
        for row in rows
    ]


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
    titles = {str(key): title for key, title in offering.titles_of(source, keys).items()}
    told = about(source.kind)
    return Picker(
        name,
        [source],
        json.dumps(entries),
        json.dumps(chains),
        whole=True,
        excludes=True,
        route="data_offered",
        titles=json.dumps(titles),
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
    store(source, lines)
    after = {"selection": len(lines)}
    audit.record("source.choose", workspace=source.workspace, actor=by, target=source, after=after)
    if source.state != State.DRAFT:
        let_go(source)
        request_sync(source, by=by, trigger=SyncRun.Trigger.FULL, again=True, full=True)
    return source


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


def let_go(source: DataSource) -> int:
    """Agree that what the selection does not name any more is removed. How many nodes. One statement."""
    lines = list(source.selections.all())
    if not lines:
        return 0
    root = next((line.include for line in lines if line.node is None), not any(line.include for line in lines))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH lines AS (
                SELECT node AS at, include FROM datasources_selection WHERE source_id = %(source)s AND node IS NOT NULL
            ), above AS (
                SELECT DISTINCT unnest(held.parents) AS id FROM datasources_node held
                WHERE held.id IN (SELECT at FROM lines WHERE include)
            )
            UPDATE datasources_node node SET gone = %(agreed)s
            WHERE node.source_id = %(source)s AND node.gone <> %(agreed)s
              AND node.id NOT IN (SELECT id FROM above)
              AND NOT COALESCE((
                SELECT include FROM lines WHERE at = ANY (node.parents) ORDER BY array_position(node.parents, at) LIMIT 1
              ), %(root)s)
            """,
            {"source": source.pk, "agreed": Node.Gone.AGREED, "root": root},
        )
        return cursor.rowcount
