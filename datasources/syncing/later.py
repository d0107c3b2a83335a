"""What was added after a choice that does not want it: told by the source, seen in the account, and not brought in.

Connectors whose vendor says when something was made leave such things out themselves. The rest (a folder, an export, a web
site, what programs write) only tell what is there; what is new to us there, once all of it was listed, was added later.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from datasources.connectors.lines import moment
from datasources.connectors.registry import about
from datasources.models import DataSource, Node, Selection, SyncRun, node_id

LOOKED_AT = 50
"""The newest runs that listed anything: among them is one since the choice, or there is none yet."""
LATER = "Added after the choice, which takes only what was there then"


class Later:
    """The lines of a source that take nothing later, as they are when a run begins. One query where there are none, else three."""

    def __init__(self, source: DataSource, run: UUID) -> None:
        lines = list(source.selections.all())
        self._lines = {line.node: line for line in lines}
        self._settled = _settled(source, run, lines)

    @property
    def decides(self) -> bool:
        """Whether anything could stay out; in most listings nothing can, and nobody has to ask of each document."""
        return bool(self._settled)

    def reason(self, parents: Sequence[UUID], old: Node | None) -> str:
        """Why a node does not come in, by the nearest line at or above it; empty where it does. ``old``: its row so far."""
        if old is not None and old.reason != LATER:
            return ""
        key = next((one for one in parents if one in self._lines), None)
        return LATER if key in self._settled else ""


def _settled(source: DataSource, run: UUID, lines: Sequence[Selection]) -> set[UUID | None]:
    """Nodes (None: the root) whose line takes nothing later, and below which all was listed since it was chosen."""
    closed = [line for line in lines if line.include and not line.future]
    if not closed:
        return set()
    earlier = SyncRun.objects.filter(source=source, hints=[]).exclude(pk=run).order_by("-created")
    # What people hand over is never taken for gone, so a listing of it completes nothing; it tells all that there is.
    tree = about(source.kind).tree
    earlier = earlier.exclude(scopes=[]) if tree else earlier.filter(listed=True)
    runs = [
        (created, {None if scope is None else node_id(source.pk, scope) for scope in (scopes if tree else [None])})
        for created, scopes in earlier.values_list("created", "scopes")[:LOOKED_AT]
    ]
    keys = [line.node for line in closed if line.node is not None]
    chains: dict[UUID | None, list[UUID]] = dict(Node.objects.filter(pk__in=keys).values_list("pk", "parents"))
    return {line.node for line in closed if _is_listed(line, {None, *chains.get(line.node, ())}, runs)}


def _is_listed(line: Selection, chain: set[UUID | None], runs: Sequence[tuple[datetime, set[UUID | None]]]) -> bool:
    since = moment(line.options.get("chosen_at"))
    return any((since is None or created >= since) and chain & scopes for created, scopes in runs)
