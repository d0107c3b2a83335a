"""Vetting that ends by itself: its time is over, or a source that the assistant needs is broken, removed or read by nobody.

It falls back to published: whoever may read all that it needs still finds it, with the version that was vetted, and its owners
can ask anew. Why not at once when a source breaks, see docs/decisions/vetting.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import DateTimeField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from assistants.acting import locked, record, standing
from assistants.handing_over import named
from assistants.models import Assistant, LivePart
from assistants.vetting import fall_to_published, path_of
from datasources.models import DataSource, Grant
from portal import events
from portal.models import Workspace
from portal.notices import admins_of, tell

Scope = Assistant.Scope

REMINDED_BEFORE = timedelta(days=14)
"""So long before its end its owners are told; where a vetting lasts less than twice that, at half of it."""
GRACE = timedelta(days=3)
"""So long a source may be broken before what needs it falls back: a weekend, or a token that somebody has to fetch."""
NOTICE = timedelta(days=14)
"""A setting that ends vettings sooner leaves each at least so long."""


def look(now: datetime | None = None) -> int:
    """What the clock does, each hour; how many fell back. All of it can be done again at any time."""
    now = now or timezone.now()
    remind(now)
    return expire(now) + leave_broken(now) + leave_unread()


def expire(now: datetime) -> int:
    over = _vetted().filter(vetted_until__lte=now).order_by("vetted_until")
    return sum(fall_back(row, "the time for which it was vetted is over", expired_at=now) for row in over)


def remind(now: datetime) -> int:
    """Its owners are told once, in time to ask for another look."""
    soon = _vetted().filter(vetted_until__gt=now, vetted_until__lte=now + REMINDED_BEFORE, reminded__isnull=True)
    told = 0
    for row in soon.select_related("workspace"):
        assert row.vetted_until is not None
        term = row.vetted_until - (row.vetted or now)
        if row.vetted_until - now > min(REMINDED_BEFORE, term / 2):
            continue
        with transaction.atomic():
            if not _vetted().filter(pk=row.pk, reminded__isnull=True).update(reminded=now):
                continue
            words = f"The vetting of @{row.handle} ends on {timezone.localtime(row.vetted_until):%-d %B %Y}. "
            words += "Ask for vetting again, and an admin looks at it before."
            tell(
                row.workspace,
                _owners(row),
                words,
                path_of(row),
                mail=f"The vetting of @{row.handle} ends soon",
                kind="vetting",
            )
            told += 1
    return told


def leave_broken(now: datetime) -> int:
    """What needs a source that nobody mended in time."""
    broken = DataSource.objects.filter(broken_since__lte=now - GRACE).exclude(state=DataSource.State.DELETING)
    fallen = 0
    for source in broken:
        why = f"{source} has been broken since {timezone.localtime(source.broken_since):%-d %B}"
        fallen += sum(fall_back(row, "a source that it needs is broken", why) for row in _needing(source.pk))
    return fallen


def leave_unread() -> int:
    """What needs a part of a source that no space reads any more: access was taken away, and given to nobody else."""
    grants = Grant.objects.filter(source=OuterRef("source"))
    covering = grants.filter(Q(parents_in__isnull=True) | Q(parents_in__overlap=OuterRef("node__parents")))
    there = DataSource.objects.filter(pk=OuterRef("source"))
    # A part that is gone at its source is for the owners to mend: it is not that somebody took it away.
    parts = LivePart.objects.filter(Q(node__isnull=True) | Q(node__title__isnull=False))
    unread = parts.filter(Exists(there), ~Exists(covering)).values("assistant")
    return sum(fall_back(row, "no space reads all that it needs any more") for row in _vetted().filter(pk__in=unread))


@transaction.atomic
def fall_back(assistant: Assistant, because: str, for_admins: str = "", *, expired_at: datetime | None = None) -> bool:
    """To published, with word to its owners and the admins. False where it is not vetted any more, or was vetted anew.

    ``because`` names no source, since an owner may not know it; ``for_admins`` may.
    """
    assistant = locked(assistant)
    if assistant.scope != Scope.WORKSPACE or assistant.archived:
        return False
    if expired_at is not None and (assistant.vetted_until is None or assistant.vetted_until > expired_at):
        return False
    before = standing(assistant)
    fall_to_published(assistant)
    record("assistant.fall_back", assistant, None, before, standing(assistant) | {"because": for_admins or because})
    words = f"@{assistant.handle} is not vetted any more: {because}. It is published still; ask for vetting again."
    subject = f"@{assistant.handle} is not vetted any more"
    owners = _owners(assistant)
    tell(assistant.workspace, owners, words, path_of(assistant), mail=subject, kind="vetting")
    admins = set(admins_of(assistant.workspace)) - set(owners)
    told = f"@{assistant.handle} is not vetted any more: {for_admins or because}. It is published still."
    tell(
        assistant.workspace,
        admins,
        told,
        f"govern/assistants/assistant/{assistant.pk}/change/",
        mail=subject,
        kind="vetting",
    )
    return True


# ---- When something happens to a source --------------------------------------------------------------------------


@events.handles(events.SourceBroken)
def warn(event: events.SourceBroken) -> None:
    """Nothing falls back yet: most breakages are mended the same day. Whoever looks after an assistant is told what is coming."""
    rows = list(_needing(event.source).prefetch_related("owners"))
    if not rows:
        return
    source = DataSource.objects.select_related("workspace").get(pk=event.source)
    for row in rows:
        words = f"A source that @{row.handle} needs is broken: {GRACE.days} days from now its vetting ends, if nobody mends it."
        tell(source.workspace, _owners(row), words, path_of(row), mail=f"A source of @{row.handle} is broken")
    words = f"{source} is broken, and {named(rows)} {'needs' if len(rows) == 1 else 'need'} it: vetting ends in {GRACE.days} days."
    tell(source.workspace, admins_of(source.workspace), words, f"data/{source.pk}/")


@events.handles(events.SourceRemoved)
def leave_removed(event: events.SourceRemoved) -> None:
    """Vetted ones fall back at once, for that is for good. The owners of the others are told: nobody else finds those that need
    something that is gone, until their knowledge is chosen anew."""
    reading = Assistant.objects.filter(workspace=event.workspace, reads__contains=[event.source], archived__isnull=True)
    for row in reading.select_related("workspace"):
        if row.scope == Scope.WORKSPACE:
            fall_back(row, "a source that it needs was removed")
            continue
        words = f"A source that @{row.handle} reads was removed. Choose its knowledge anew."
        tell(row.workspace, _owners(row), words, f"assistants/{row.handle}/edit/")


@events.handles(events.VettingDaysChanged)
def change_ends(event: events.VettingDaysChanged) -> None:
    """The setting holds for what is vetted already, too, with two weeks at least from now."""
    workspace = Workspace.objects.get(pk=event.workspace)
    rows = _vetted().filter(workspace=workspace)
    if workspace.vetting_days is None:
        rows.update(vetted_until=None, reminded=None)
        return
    least = timezone.now() + min(NOTICE, timedelta(days=workspace.vetting_days))
    rows.filter(vetted__isnull=True).update(vetted=timezone.now())
    ends = ExpressionWrapper(F("vetted") + Value(timedelta(days=workspace.vetting_days)), output_field=DateTimeField())
    rows.update(vetted_until=Greatest(ends, Value(least)), reminded=None)


# ---- Inside ------------------------------------------------------------------------------------------------------


def _vetted() -> QuerySet[Assistant]:
    return Assistant.objects.filter(scope=Scope.WORKSPACE, archived__isnull=True)


def _needing(source: UUID) -> QuerySet[Assistant]:
    parts = LivePart.objects.filter(source=source).values("assistant")
    return _vetted().filter(pk__in=parts).select_related("workspace").order_by("handle")


def _owners(assistant: Assistant) -> Iterable[int]:
    return [owner.pk for owner in assistant.owners.all()]
