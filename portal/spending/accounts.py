"""On whose account calls to models are made, and what it does not allow any more, in words."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

import structlog
from django.db import close_old_connections
from django.utils import timezone
from django.utils.formats import date_format

from portal import usage
from portal.models import Budget, Credential, Membership, Role, UsageRecord, User, Workspace
from portal.providers.errors import FREE, ProviderError
from portal.providers.types import Embedder, Embeddings, Usage
from portal.spending import budgets, holding, periods, prices
from portal.spending.budgets import Applying

log = structlog.get_logger(__name__)


class OverBudget(ProviderError):
    """A call that a budget has no room for. ``str(error)``: which budget, what is left, when it starts anew, whom to ask."""

    def __init__(self, words: str, seconds: float | None) -> None:
        super().__init__(words, code="budget", retryable=False, retry_after=seconds)


@dataclass(frozen=True, slots=True)
class Spent:
    """One embedding call that was made, to be recorded."""

    credential: Credential
    vendor: str
    model: str
    usage: Usage
    hold: UUID | None


@dataclass(slots=True)
class Account:
    """A workspace's, and perhaps a person's and an assistant's. Without ``applying``, holding asks the database nothing.

    ``embedded`` gathers embedding calls until whoever made the account records them.
    """

    workspace: Workspace
    user: User | None = None
    assistant: UUID | None = None
    applying: tuple[Applying, ...] = ()
    embedded: deque[Spent] = field(default_factory=deque)

    @classmethod
    def opened(cls, workspace: Workspace, user: User | None = None, assistant: UUID | None = None) -> Account:
        """With the budgets that it falls under now. One query, blocking."""
        found = budgets.applying(workspace.pk, user.pk if user else None, assistant)
        for one in found:
            one.budget.workspace = workspace
        return cls(workspace, user, assistant, found)

    def hold(self, credential: Credential, model: str, *, sent: int, back: int) -> UUID | None:
        """Reserve for a call: ``sent`` bytes (a token is one at least) and at most ``back`` tokens. Blocking.

        Gives the key that its usage is recorded with; None where no budget asks. Raises OverBudget.
        """
        if not self.applying:
            return None
        takings = self._takings(credential, model, sent, back)
        try:
            return holding.reserve(takings) if takings else None
        except holding.NoRoom as full:
            raise over(full) from None

    def _takings(self, credential: Credential, model: str, sent: int, back: int) -> list[holding.Taking]:
        worth: Decimal | None = None
        if any(one.budget.unit == Budget.Unit.CURRENCY for one in self.applying):
            price = prices.price_of(credential.pk, model)
            if price is None:
                raise OverBudget(
                    f"A budget in {self.workspace.currency} applies here, and no price is set for {model}, so nobody can tell "
                    "what the call would cost. An admin sets it under Govern → Prices.",
                    None,
                )
            worth = prices.cost(price, sent, back)
        amounts = [
            (one, worth if one.budget.unit == Budget.Unit.CURRENCY else Decimal(sent + back)) for one in self.applying
        ]
        return [holding.Taking(one.budget, one.subject, amount) for one, amount in amounts if amount]

    def embed(self, embedder: Embedder, credential: Credential, texts: Sequence[str], *, query: bool) -> Embeddings:
        """Embed by a vendor, reserved before; what it spent is added to ``embedded``. Blocking. Raises ProviderError."""
        size = sum(len(text.encode()) for text in texts) + len(texts)
        call = self.hold(credential, embedder.model, sent=size, back=0)
        try:
            made = embedder.embed_query(texts[0]) if query else embedder.embed_documents(texts)
        except ProviderError as error:
            if error.code not in FREE:
                guess = Usage(size // 4, 0, exact=False)
                self.embedded.append(Spent(credential, embedder.vendor, embedder.model, guess, call))
            elif call is not None:
                holding.release(call)
            raise
        self.embedded.append(Spent(credential, embedder.vendor, embedder.model, made.usage, call))
        return made

    def embedding_rows(self, message: UUID | None = None) -> list[UsageRecord]:
        """What was embedded on this account and is not recorded yet, as the usage keeps it."""
        return [self._row(spent, message) for spent in list(self.embedded)]

    def _row(self, spent: Spent, message: UUID | None) -> UsageRecord:
        return usage.row(
            workspace=self.workspace,
            purpose="embed",
            vendor=spent.vendor,
            model=spent.model,
            usage=spent.usage,
            user=self.user,
            credential=spent.credential,
            assistant=self.assistant,
            message=message,
            hold=spent.hold,
        )

    def record(self) -> None:
        """Keep what was embedded so far, once; another thread may go on embedding."""
        rows = []
        while self.embedded:
            rows.append(self._row(self.embedded.popleft(), None))
        usage.record_all(rows)


class MeteredEmbedder:
    """A vendor's embedder that calls on somebody's account. For threads that keep no connection to the database."""

    def __init__(self, inner: Embedder, credential: Credential, account: Account) -> None:
        self._inner, self._credential, self._account = inner, credential, account
        self.vendor, self.model, self.window = inner.vendor, inner.model, inner.window

    @property
    def sized(self) -> bool:
        return self._inner.sized

    @property
    def size(self) -> int:
        return self._inner.size

    @property
    def space(self) -> str:
        return self._inner.space

    def embed_documents(self, texts: Sequence[str]) -> Embeddings:
        return self._embed(texts, query=False)

    def embed_query(self, text: str) -> Embeddings:
        return self._embed([text], query=True)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return self._inner.token_spans(text)

    def _embed(self, texts: Sequence[str], *, query: bool) -> Embeddings:
        try:
            return self._account.embed(self._inner, self._credential, texts, query=query)
        finally:
            close_old_connections()


def over(full: holding.NoRoom) -> OverBudget:
    """The refusal in words. Two queries at most."""
    budget = full.taking.budget
    anew = periods.midnight(periods.end_of(budget.period, full.starts))
    limit = amount(budget, budget.limit)
    whose = whose_is(budget)
    if full.left <= 0:
        what = f"{whose} is used up: {limit}."
    else:
        what = f"{whose} has {left_of(budget, full.left)} left, and this may need up to {amount(budget, full.taking.amount)}."
    words = f"{what} It starts anew on {date_format(timezone.localtime(anew), 'j F Y, H:i e')}. {whom_to_ask(budget)}"
    log.info("over budget", budget=str(budget.pk), subject=full.taking.subject, left=str(full.left))
    return OverBudget(words, max(0.0, (anew - timezone.now()).total_seconds()))


_WHOSE = {
    "workspace": "The workspace’s budget for {}",
    "person": "Your budget for {}",
    "assistant": "This assistant’s budget for {}",
}
_WHEN = {"day": "today", "month": "this month"}


def whose_is(budget: Budget) -> str:
    """As somebody whom it holds back reads it: "Your budget for this month"."""
    return _WHOSE[budget.covers].format(_WHEN[budget.period])


def amount(budget: Budget, number: Decimal) -> str:
    """``12 000 tokens`` or ``3.20 USD``; money is rounded to cents where it has some."""
    if budget.unit == Budget.Unit.TOKENS:
        return f"{int(number):,}".replace(",", "\u202f") + (" token" if int(number) == 1 else " tokens")
    return money(number, budget.workspace.currency)


def left_of(budget: Budget, left: Decimal) -> str:
    """``480 of 600 tokens``, ``3.20 of 25.00 USD``."""
    return f"{amount(budget, left).rpartition(' ')[0]} of {amount(budget, budget.limit)}"


def money(number: Decimal, currency: str) -> str:
    places = 2 if number == 0 or abs(number) >= Decimal("0.01") else 6
    return f"{number:,.{places}f}".replace(",", "\u202f") + f" {currency}"


def whom_to_ask(budget: Budget) -> str:
    """In a sentence. A query, or two; for many budgets at once see ``standing.Contacts``."""
    if budget.contact is not None:
        return ask_one_of([str(budget.contact)])
    return ask_one_of(first_admins(budget.workspace_id))


def first_admins(workspace: UUID) -> list[str]:
    """The two who have been here longest. One query."""
    admins = Membership.objects.active().filter(workspace=workspace, role=Role.ADMIN).select_related("user")
    return [str(row.user) for row in admins.order_by("created")[:2]]


def ask_one_of(names: Sequence[str]) -> str:
    return f"Ask {' or '.join(names)} for more." if names else "Ask an admin for more."
