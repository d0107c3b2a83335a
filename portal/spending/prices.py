"""What models cost, as admins say: by credential and model, for a million tokens in and out, in the workspace's currency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from portal import audit
from portal.models import Credential, Price, UsageRecord, User, Workspace
from portal.prepared import Prepared

MILLION = Decimal(1_000_000)
Key = tuple[UUID, str]
"""A credential's id and a model's name."""


def cost(price: Price, input_tokens: int, output_tokens: int) -> Decimal:
    """In the workspace's currency, to eight places."""
    spent = price.input_per_million * input_tokens + price.output_per_million * output_tokens
    return (spent / MILLION).quantize(Decimal("0.00000001"))


def prices_of(keys: Iterable[Key]) -> dict[Key, Price]:
    """The prices that are known of these. One query, or none where nothing is asked."""
    wanted = set(keys)
    if not wanted:
        return {}
    rows = Price.objects.filter(credential__in={credential for credential, _ in wanted})
    found = {(row.credential_id, row.model): row for row in rows}
    return {key: found[key] for key in wanted if key in found}


def price_of(credential: UUID, model: str) -> Price | None:
    """The same for one, in SQL that is written once: an answer waits for it."""
    return _ONE.first(credential, model)


_ONE = Prepared(
    lambda credential, model: Price.objects.filter(credential=credential, model=model).order_by(), UUID(int=1), "m"
)


def price_all(rows: Iterable[UsageRecord]) -> None:
    """Write its cost on each record whose model has a price; the others keep none. One query at most."""
    paid = [(row, (row.credential_id, row.model)) for row in rows if row.credential_id is not None]
    keys = {key for _, key in paid if key[0] is not None}
    known: Mapping[Key, Price | None] = {key: price_of(*key) for key in keys} if len(keys) == 1 else prices_of(keys)
    for row, key in paid:
        if (price := known.get(key)) is not None:
            row.cost = cost(price, row.input_tokens, row.output_tokens)


@transaction.atomic
def set_price(
    credential: Credential, model: str, *, input_per_million: Decimal, output_per_million: Decimal, by: User | None
) -> Price:
    """Say what a model costs from now on; what was recorded before keeps its cost. Raises ValidationError by field."""
    model = model.strip()
    row = Price.objects.select_for_update().filter(credential=credential, model=model).first()
    before = None if row is None else _told(row)
    row = row or Price(workspace_id=credential.workspace_id, credential=credential, model=model)
    row.input_per_million, row.output_per_million = input_per_million, output_per_million
    for name in ("input_per_million", "output_per_million"):
        if getattr(row, name) < 0:
            raise ValidationError({name: "A price is zero or more."})
    row.full_clean(validate_constraints=False)
    row.save()
    audit.record("price.set", workspace=credential.workspace, actor=by, target=row, before=before, after=_told(row))
    return row


@transaction.atomic
def remove_price(row: Price, *, by: User | None) -> None:
    """Nothing is known of what the model costs any more; budgets in money then refuse it."""
    audit.record("price.remove", workspace=row.workspace, actor=by, target=row, before=_told(row))
    row.delete()


def _told(row: Price) -> dict[str, str]:
    return {
        "credential": str(row.credential),
        "model": row.model,
        "input_per_million": str(row.input_per_million),
        "output_per_million": str(row.output_per_million),
    }


@transaction.atomic
def set_currency(workspace: Workspace, currency: str, *, by: User | None) -> None:
    """What prices and budgets are in. Amounts that are there already stay the same numbers. Raises ValidationError."""
    currency = currency.strip().upper()
    if len(currency) != 3 or not currency.isascii() or not currency.isalpha():
        raise ValidationError({"currency": "It takes the three letters of a currency, such as USD or EUR."})
    before, workspace.currency = workspace.currency, currency
    if before == currency:
        return
    workspace.save(update_fields=["currency"])
    audit.record(
        "workspace.currency",
        workspace=workspace,
        actor=by,
        target=workspace,
        before={"currency": before},
        after={"currency": currency},
    )
