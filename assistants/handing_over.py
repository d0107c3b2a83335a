"""Who owns an assistant: owners come and go, and what somebody who leaves owned alone is handed over, or taken over later."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from assistants.acting import editable, locked, membership_in, record, require_admin
from assistants.errors import Refused
from assistants.models import Assistant
from portal import events
from portal.models import Membership, User, Workspace
from portal.notices import admins_of, tell
from portal.registry import LeftBehind, registries

MOST_NAMED = 5


@transaction.atomic
def set_owners(assistant: Assistant, by: User, owners: Iterable[User]) -> Assistant:
    """Who may change it: at least one person of the workspace, and nobody else. Raises ValidationError."""
    assistant = editable(assistant, by)
    owners = list(owners)
    ids = {user.pk for user in owners}
    inside = Membership.objects.active().filter(workspace=assistant.workspace, user__in=ids).count()
    if not ids or inside != len(ids):
        raise ValidationError({"owners": "Choose one or more people of this workspace."})
    before = list(assistant.owners.all())
    assistant.owners.set(ids)
    _told(assistant, by, before, owners)
    return assistant


@transaction.atomic
def add_owner(assistant: Assistant, by: User, owner: User) -> Assistant:
    """Twice is once. Raises ValidationError for somebody who is not in the workspace."""
    assistant = editable(assistant, by)
    if not Membership.objects.active().filter(workspace=assistant.workspace, user=owner).exists():
        raise ValidationError({"owners": "Choose somebody of this workspace."})
    before = list(assistant.owners.all())
    assistant.owners.add(owner)
    _told(assistant, by, before, [*before, *([] if owner in before else [owner])])
    return assistant


@transaction.atomic
def remove_owner(assistant: Assistant, by: User, owner: User) -> Assistant:
    """Somebody who is still here has to be left. Raises ValidationError."""
    assistant = editable(assistant, by)
    before = list(assistant.owners.all())
    left = [user for user in before if user.pk != owner.pk]
    if not _active(assistant.workspace, left):
        raise ValidationError({"owners": "Name another owner first: somebody has to look after it."})
    assistant.owners.remove(owner)
    _told(assistant, by, before, left)
    return assistant


@transaction.atomic
def take_over(assistant: Assistant, by: User) -> Assistant:
    """An admin becomes the owner of one that nobody who is here owns, a personal one, too. Raises Refused."""
    require_admin(assistant.workspace, by, "take over an assistant")
    assistant = locked(assistant)
    if not Assistant.objects.orphans().filter(pk=assistant.pk).exists():
        owners = ", ".join(str(user) for user in assistant.owners.all())
        raise Refused("invalid", f"@{assistant.handle} is looked after by {owners}. Ask them to add you.")
    before = list(assistant.owners.all())
    assistant.owners.set([by])
    _told(assistant, by, before, [by], action="assistant.take_over")
    return assistant


@transaction.atomic
def hand_over(
    workspace: Workspace, from_user: User, to_user: User, by: User, only: Assistant | None = None
) -> list[Assistant]:
    """Whatever one person owns in the workspace, or ``only`` this one of it, is another's from now on; co-owners stay. By an
    admin, or by the person who gives. Archived ones go along, so that somebody can bring them back. Raises Refused and
    ValidationError."""
    if by.pk != from_user.pk:
        require_admin(workspace, by, "hand over somebody else's assistants")
    else:
        membership_in(workspace, by)
    if to_user.pk == from_user.pk or not _active(workspace, [to_user]):
        raise ValidationError({"to": "Choose somebody else of this workspace."})
    rows = owned_by(workspace, from_user) if only is None else owned_by(workspace, from_user).filter(pk=only.pk)
    given = list(rows.select_for_update(of=("self",)))
    if only is not None and not given:
        raise ValidationError({"from": f"{from_user} does not own @{only.handle}."})
    if given and by.pk != from_user.pk:
        tell(workspace, [from_user], f"{by} handed {named(given)} over to {to_user}.", "assistants/")
    return _pass_on(given, from_user, to_user, by)


def owned_by(workspace: Workspace, user: User | int) -> QuerySet[Assistant]:
    """Those that this person owns, alone or with others, archived ones too."""
    return Assistant.objects.filter(workspace=workspace, owners=user).order_by("handle")


def sole(workspace: Workspace, user: User | int) -> QuerySet[Assistant]:
    """Those that nobody here owns but this person, archived ones left out."""
    others = Membership.objects.active().filter(workspace=OuterRef("workspace"), user__assistants=OuterRef("pk"))
    rows = Assistant.objects.filter(workspace=workspace, owners=user, archived__isnull=True)
    return rows.filter(~Exists(others.exclude(user=user))).order_by("handle")


# ---- When somebody leaves ----------------------------------------------------------------------------------------


@events.handles(events.MemberLeft)
def pass_on(event: events.MemberLeft) -> None:
    """To whom the one who left named; else what nobody owns any more waits for an admin, who is told. What was vetted stays so:
    people go on with it meanwhile."""
    workspace, user = Workspace.objects.get(pk=event.workspace), User.objects.get(pk=event.user)
    by = User.objects.filter(pk=event.by).first() if event.by else None
    if event.hand_over_to is not None:
        rows = owned_by(workspace, user).select_for_update(of=("self",))
        _pass_on(list(rows), user, User.objects.get(pk=event.hand_over_to), by)
        return
    alone = list(sole(workspace, user))
    for assistant in alone:
        record("assistant.orphan", assistant, by, {"owners": [str(user)]}, {"owners": []})
    if alone:
        words = f"{user} left, and nobody looks after {named(alone)} now. Take over what should go on."
        tell(workspace, admins_of(workspace), words, "govern/assistants/assistant/?orphan=yes")


def left_behind(membership: Membership) -> LeftBehind | None:
    """For whoever lets somebody go: what only they look after. Personal ones are counted, never named."""
    alone = list(sole(membership.workspace, membership.user_id))
    if not alone:
        return None
    shown = [row for row in alone if row.scope != Assistant.Scope.PERSONAL]
    rest = len(alone) - len(shown)
    words = f"{len(alone)} assistant{'' if len(alone) == 1 else 's'}"
    personal = f"{rest} personal" if rest else ""
    said = ", ".join(part for part in (named(shown) if shown else "", personal) if part)
    return LeftBehind(f"{words}: {said}", len(alone))


registries.leaving.add("assistants", left_behind)


def named(assistants: list[Assistant]) -> str:
    """``@a, @b and 3 more``"""
    handles = ", ".join(str(row) for row in assistants[:MOST_NAMED])
    more = len(assistants) - MOST_NAMED
    return f"{handles} and {more} more" if more > 0 else handles


# ---- Inside ------------------------------------------------------------------------------------------------------


def _pass_on(rows: list[Assistant], from_user: User, to_user: User, by: User | None) -> list[Assistant]:
    for assistant in rows:
        before = list(assistant.owners.all())
        assistant.owners.remove(from_user)
        assistant.owners.add(to_user)
        _told(assistant, by, before, list(assistant.owners.all()), action="assistant.hand_over", notice=False)
    if rows and (by is None or by.pk != to_user.pk):
        words = f"{from_user} handed {named(rows)} over to you. You own {'it' if len(rows) == 1 else 'them'} now."
        tell(rows[0].workspace, [to_user], words, "assistants/?mine=1", mail="You look after assistants now")
    return rows


def _active(workspace: Workspace, users: Iterable[User]) -> bool:
    return Membership.objects.active().filter(workspace=workspace, user__in=[user.pk for user in users]).exists()


def _told(
    assistant: Assistant,
    by: User | None,
    before: list[User],
    after: list[User],
    *,
    action: str = "assistant.owners",
    notice: bool = True,
) -> None:
    known, kept = {user.pk for user in before}, {user.pk for user in after}
    if known == kept:
        return
    old, new = (sorted(str(user) for user in users) for users in (before, after))
    record(action, assistant, by, {"owners": old}, {"owners": new})
    if not notice:
        return
    path = f"assistants/{assistant.handle}/publishing/"
    others = {by.pk} if by else set()
    tell(assistant.workspace, kept - known - others, f"You own @{assistant.handle} now, by {by}.", path)
    tell(assistant.workspace, known - kept - others, f"You don't own @{assistant.handle} any more, by {by}.")
