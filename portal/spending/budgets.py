"""Budgets: the verbs that portal, admin and API share, and which of them a call falls under."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from portal import audit, events
from portal.models import Budget, Membership, Price, User, Workspace
from portal.prepared import statement
from portal.registry import registries
from portal.spending import holding

Covers, Unit = Budget.Covers, Budget.Unit


@dataclass(frozen=True, slots=True)
class Applying:
    """A budget that a call falls under; ``subject`` is whose share of it: see Spending."""

    budget: Budget
    subject: str


def subject_of(covers: str, user: int | None, assistant: UUID | None) -> str:
    """The key of a Spending: "" for the workspace, else ``user:<id>`` or ``assistant:<uuid>``."""
    if covers == Covers.WORKSPACE:
        return ""
    return f"user:{user}" if covers == Covers.PERSON else f"assistant:{assistant}"


def applying(workspace: UUID, user: int | None, assistant: UUID | None) -> tuple[Applying, ...]:
    """The budgets that a call of this person through this assistant falls under. One query.

    A budget for one person takes the place of those for each, of the same period and unit; likewise for assistants.
    """
    rows = [Budget.from_db("default", _COLUMNS, row) for row in statement(_ABOUT, [workspace, user, assistant])]
    special = {(row.covers, row.period, row.unit) for row in rows if row.user_id or row.assistant}
    return tuple(
        Applying(row, subject_of(row.covers, user, assistant))
        for row in rows
        if row.covers == Covers.WORKSPACE
        or row.user_id
        or row.assistant
        or (row.covers, row.period, row.unit) not in special
    )


# Written once, as an answer waits for it.
_COLUMNS = [field.attname for field in Budget._meta.concrete_fields]
_ABOUT = f"""
SELECT {", ".join(f'"{field.column}"' for field in Budget._meta.concrete_fields)} FROM portal_budget
WHERE workspace_id = $1 AND (
    covers = 'workspace'
    OR (covers = 'person' AND $2::bigint IS NOT NULL AND (user_id IS NULL OR user_id = $2))
    OR (covers = 'assistant' AND $3::uuid IS NOT NULL AND (assistant IS NULL OR assistant = $3)))
ORDER BY covers, period, created
"""  # noqa: S608  names of ours


@transaction.atomic
def create_budget(
    *,
    workspace: Workspace,
    by: User | None,
    covers: str,
    period: str,
    unit: str,
    limit: Decimal,
    user: User | None = None,
    assistant: UUID | None = None,
    contact: User | None = None,
) -> Budget:
    """A limit from now on; what its period has spent so far counts. Raises ValidationError by field."""
    row = Budget(
        workspace=workspace,
        covers=covers,
        period=period,
        unit=unit,
        limit=limit,
        user=user,
        assistant=assistant,
        contact=contact,
    )
    _check(row)
    row.full_clean(exclude=["user", "contact", "workspace"])
    row.save()
    if user is not None or assistant is not None or covers == Covers.WORKSPACE:
        holding.open_spending(row, subject_of(covers, user.pk if user else None, assistant))
    audit.record("budget.create", workspace=workspace, actor=by, target=row, after=_told(row))
    events.send(events.BudgetChanged(workspace.pk))
    return row


@transaction.atomic
def change_budget(row: Budget, *, by: User | None, limit: Decimal, contact: User | None) -> Budget:
    """Another limit, at once, or somebody else to ask. What it covers stays: that would be another budget.

    Raises ValidationError by field.
    """
    row = Budget.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=row.pk)
    before = _told(row)
    row.limit, row.contact = limit, contact
    _check(row)
    row.full_clean(exclude=["user", "contact", "workspace"])
    row.save(update_fields=["limit", "contact"])
    audit.record("budget.change", workspace=row.workspace, actor=by, target=row, before=before, after=_told(row))
    events.send(events.BudgetChanged(row.workspace_id))
    return row


@transaction.atomic
def remove_budget(row: Budget, *, by: User | None) -> None:
    """No limit any more, at once; what was spent stays in the usage."""
    audit.record("budget.remove", workspace=row.workspace, actor=by, target=row, before=_told(row))
    workspace = row.workspace_id
    row.delete()
    events.send(events.BudgetChanged(workspace))


def _check(row: Budget) -> None:
    wrong: dict[str, str] = {}
    if row.limit is None or row.limit <= 0:
        wrong["limit"] = "A budget is more than zero."
    elif row.unit == Unit.TOKENS and row.limit != row.limit.to_integral_value():
        wrong["limit"] = "Tokens are whole."
    if row.user is not None and row.covers != Covers.PERSON:
        wrong["user"] = "Only a budget for a person names one."
    if row.assistant is not None and row.covers != Covers.ASSISTANT:
        wrong["assistant"] = "Only a budget for an assistant names one."
    for name in ("user", "contact"):
        person = getattr(row, name)
        if person is not None and not _is_here(row.workspace_id, person):
            wrong[name] = "Choose somebody of this workspace."
    if row.assistant is not None and not names_of(row.workspace, [row.assistant]):
        wrong["assistant"] = "There is no such assistant."
    if not wrong and row.unit == Unit.CURRENCY and row._state.adding and (missing := _without_price(row.workspace)):
        wrong["unit"] = (
            f"Set the price of {' and '.join(missing)} first: a budget in money refuses what it can't reckon."
        )
    if wrong:
        raise ValidationError(wrong)


def _is_here(workspace: UUID, person: User) -> bool:
    return Membership.objects.active().filter(workspace=workspace, user=person).exists()


def _without_price(workspace: Workspace) -> list[str]:
    """The workspace's own models that cost something unknown: everybody would be refused."""
    used = [
        (workspace.default_credential_id, workspace.default_model),
        (workspace.embedding_credential_id, workspace.embedding_model),
    ]
    known = set(Price.objects.filter(workspace=workspace).values_list("credential", "model"))
    return [model for credential, model in used if credential and model and (credential, model) not in known]


def names_of(workspace: Workspace, assistants: list[UUID]) -> dict[UUID, str]:
    """``@handle`` by id, of those that are there; asked of the floor that keeps assistants."""
    hook = registries.assistants
    return hook.names(workspace.pk, assistants) if hook is not None and assistants else {}


def _told(row: Budget) -> dict[str, Any]:
    return {
        "covers": str(row.covers),
        "user": str(row.user) if row.user else None,
        "assistant": str(row.assistant) if row.assistant else None,
        "period": str(row.period),
        "unit": str(row.unit),
        "limit": str(row.limit),
        "contact": str(row.contact) if row.contact else None,
    }
