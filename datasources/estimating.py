"""What a choice will bring and cost, before anything of it comes in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F, Sum

from datasources.connectors.base import Chosen
from datasources.connectors.registry import about
from datasources.connectors.weighing import UNKNOWN_BYTES
from datasources.health import duration, number
from datasources.models import DataSource, SyncRun
from datasources.sources import connector_for
from portal.models import Workspace

CHARACTERS_A_TOKEN = 4
"""Of English prose, in the usual vocabularies; enough for an order of magnitude."""
PASSAGE_TOKENS = 200
"""What a passage holds on average: it ends at a heading or a paragraph, before it is full."""
LOCAL_RATE = 15.0
"""Passages a second that the model on this machine embeds on two cores (256 tokens), where no sync has shown it yet."""
LEAST_MEASURED = 200

PRICES = {
    "text-embedding-3-small": 0.02,
    "text-embedding-3-large": 0.13,
    "text-embedding-ada-002": 0.10,
    "mistral-embed": 0.10,
    "codestral-embed": 0.15,
}
"""US dollars for a million tokens, from the vendors' public price lists: a guide, no bill. For other models tokens are told."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """``exact``: whether the place counted, rather than guessed. ``seconds``: of embedding on this machine; ``dollars``:
    where a vendor embeds and its price is known; both None otherwise. ``model``: who embeds, in words. ``untold``: a sentence
    where the place can't say yet how much it is; the numbers are then no guess, but nothing."""

    documents: int
    bytes: int
    passages: int
    tokens: int
    exact: bool
    unit: str
    model: str
    seconds: float | None = None
    dollars: float | None = None
    untold: str = ""

    @property
    def cost(self) -> str:
        """What embedding it takes, in words."""
        if self.seconds is not None:
            return f"about {duration(self.seconds)}"
        if self.dollars is None:
            return f"about {number(self.tokens)} tokens"
        return "less than 0.01 US dollars" if self.dollars < 0.01 else f"about {self.dollars:,.2f} US dollars"


def forecast(source: DataSource, chosen: Sequence[Chosen] | None = None) -> Forecast:
    """Ask the place how much it is; ``chosen`` None takes what is stored. Calls it. Raises ConnectorError."""
    if chosen is None:
        chosen = [
            Chosen(line.external_id or None, line.include, line.future, line.options)
            for line in source.selections.order_by("external_id")
        ]
    told = connector_for(source).estimate(chosen)
    size = (told.bytes if told.text is None else told.text) or told.documents * UNKNOWN_BYTES
    tokens = size // CHARACTERS_A_TOKEN
    passages = max(told.documents, -(-tokens // PASSAGE_TOKENS)) if told.documents else 0
    workspace = source.workspace
    model = workspace.embedding_model if workspace.embedding_credential_id else ""
    price = PRICES.get(model)
    return Forecast(
        told.documents,
        told.bytes,
        passages,
        tokens,
        told.exact,
        about(source.kind).unit,
        model or "the model on this machine",
        seconds=None if model else passages / measured_rate(workspace),
        dollars=tokens * price / 1_000_000 if model and price is not None else None,
        untold=told.untold,
    )


def measured_rate(workspace: Workspace) -> float:
    """Passages a second that this workspace's last large syncs brought in."""
    ended = SyncRun.objects.filter(
        source__workspace=workspace,
        state__in=(SyncRun.State.DONE, SyncRun.State.PARTIAL),
        passages__gte=LEAST_MEASURED,
        started__isnull=False,
    ).order_by("-created")[:10]
    seen = SyncRun.objects.filter(pk__in=ended.values("pk")).aggregate(
        passages=Sum("passages"), took=Sum(F("finished") - F("started"))
    )
    if not seen["passages"] or not seen["took"] or seen["took"].total_seconds() <= 0:
        return LOCAL_RATE
    return float(seen["passages"] / seen["took"].total_seconds())
