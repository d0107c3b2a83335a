"""Invitations: the verbs that portal, admin, API and imports share, from the mail to joining."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from smtplib import SMTPDataError, SMTPRecipientsRefused
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from portal import audit
from portal.models import Invitation, Membership, Role, Space, User, Workspace
from portal.people import make_person
from portal.spaces import list_in_spaces

log = structlog.get_logger(__name__)

NOT_MAILED = "The mail could not be sent. Pass this link on yourself."


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def open_invitation(token: str) -> Invitation | None:
    found = Invitation.objects.select_related("workspace").filter(token_hash=_hash(token)).first() if token else None
    return found if found and found.is_open else None


def invite(
    *,
    workspace: Workspace,
    email: str,
    role: str,
    by: User,
    name: str = "",
    spaces: Iterable[Space] | None = None,
    mail: bool = True,
) -> tuple[Invitation, str]:
    """Invite by mail; returns the invitation and its link. Raises ValidationError with a sentence.

    ``spaces``: restricted ones that list them once they come. An open invitation to the same address is replaced; where no
    name is given, or no spaces (None), its own are carried over. Without ``mail``, the caller sends it: ``mail_invitations``.
    """
    email = email.strip().lower()
    validate_email(email)
    if Membership.objects.filter(workspace=workspace, user__email__iexact=email, active=True).exists():
        raise ValidationError(f"{email} is in this workspace already.")
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        # Two who invite the same person at once would each find nothing to replace.
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
        before = _replaced(workspace, email)
        if before is not None and spaces is None:
            spaces = before.spaces.filter(kind=Space.Kind.RESTRICTED)
        invitation = Invitation.objects.create(
            workspace=workspace,
            email=email,
            role=Role(role),
            name=_name(name) or (before.name if before else ""),
            token_hash=_hash(token),
            invited_by=by,
            expires=timezone.now() + Invitation.LASTS,
        )
        _list_invited(invitation, spaces or ())
        audit.record("invitation.send", workspace=workspace, actor=by, target=invitation, after={"role": role})
        link = settings.BASE_URL + reverse("invitation", args=[token])
        if mail:
            transaction.on_commit(lambda: mail_invitations([(invitation, link)]))
    return invitation, link


def _replaced(workspace: Workspace, email: str) -> Invitation | None:
    """Withdraw what the address was sent before; gives the newest of it."""
    rows = Invitation.objects.select_for_update().filter(workspace=workspace, email=email, accepted=None, revoked=None)
    before = list(rows.order_by("-created"))
    if not before:
        return None
    Invitation.objects.filter(pk__in=[one.pk for one in before]).update(revoked=timezone.now())
    return before[0]


def _name(name: str) -> str:
    """As it is kept. Raises ValidationError by field."""
    name = name.strip()
    if len(name) > 120:
        raise ValidationError({"name": "A name has up to 120 characters."})
    return name


def renew_invitation(invitation: Invitation, *, by: User, mail: bool = True) -> tuple[Invitation, str]:
    """A new link for the same role, name and spaces, good for as long as a new invitation; the old one stops working.

    Raises ValidationError with a sentence.
    """
    if invitation.accepted or invitation.revoked:
        raise ValidationError("This invitation was used or withdrawn. Invite them anew.")
    return invite(workspace=invitation.workspace, email=invitation.email, role=invitation.role, by=by, mail=mail)


@transaction.atomic
def change_invitation(invitation: Invitation, *, by: User, role: str, name: str, spaces: Iterable[Space]) -> None:
    """What an open invitation is for; its link stays. An empty role or name changes nothing; spaces come on top."""
    before = {"role": invitation.role}
    invitation.role = Role(role) if role else invitation.role
    invitation.name = name or invitation.name
    invitation.save(update_fields=["role", "name"])
    _list_invited(invitation, spaces)
    audit.record(
        "invitation.change",
        workspace=invitation.workspace,
        actor=by,
        target=invitation,
        before=before,
        after={"role": invitation.role},
    )


def _list_invited(invitation: Invitation, spaces: Iterable[Space]) -> None:
    chosen = list(spaces)
    if any(s.workspace_id != invitation.workspace_id or s.kind != Space.Kind.RESTRICTED for s in chosen):
        raise ValidationError("Choose restricted spaces of this workspace.")
    if chosen:
        invitation.spaces.add(*chosen)


def mail_invitations(sent: Sequence[tuple[Invitation, str]]) -> list[Invitation]:
    """All over one connection, after the invitations are committed; gives those that could not be mailed.

    The invitations stand: each link can be passed on by hand.
    """
    failed: list[Invitation] = []
    if not sent:
        return failed
    connection = get_connection()
    for place, (invitation, link) in enumerate(sent):
        try:
            if place == 0:
                connection.open()
            connection.send_messages([_invitation_mail(invitation, link)])
        except (SMTPRecipientsRefused, SMTPDataError) as error:  # the server is there, and does not take this one
            log.warning("invitation not mailed", invitation=str(invitation.pk), error=str(error))
            failed.append(invitation)
        except OSError as error:
            # SMTP's other errors are among these: nobody waits for the same again for each address.
            failed += [left for left, _link in sent[place:]]
            log.warning("invitations not mailed", number=len(sent) - place, error=str(error))
            break
    _hang_up(connection)
    return failed


def _hang_up(connection: Any) -> None:
    try:
        connection.close()
    except OSError as error:
        log.info("mail server left first", error=str(error))


def _invitation_mail(invitation: Invitation, link: str) -> EmailMessage:
    return EmailMessage(
        " ".join(f"Join {invitation.workspace} on Atrium".split()),
        render_to_string("portal/mail/invitation.txt", {"invitation": invitation, "link": link}),
        None,
        [invitation.email],
    )


@transaction.atomic
def revoke_invitation(invitation: Invitation, *, by: User) -> None:
    invitation.revoked = timezone.now()
    invitation.save(update_fields=["revoked"])
    audit.record("invitation.revoke", workspace=invitation.workspace, actor=by, target=invitation)


@transaction.atomic
def join_as_new(token: str, *, name: str, password: str) -> Membership:
    """Make an account for the invited address and join with it. Raises ValidationError with a sentence."""
    invitation = open_invitation(token)
    if invitation is None:
        raise ValidationError("This invitation was used, withdrawn, or has expired. Ask for a new one.")
    if User.objects.filter(email__iexact=invitation.email).exists():
        raise ValidationError(f"{invitation.email} has an account already. Sign in with it to join.")
    return accept_invitation(token, make_person(email=invitation.email, name=name, password=password))


@transaction.atomic
def accept_invitation(token: str, user: User) -> Membership:
    """Join; whoever holds the mailed token proved that the address is theirs. Who is here already keeps their role.

    Raises ValidationError with a sentence.
    """
    invitation = Invitation.objects.select_for_update().filter(token_hash=_hash(token)).first()
    if invitation is None or not invitation.is_open:
        raise ValidationError("This invitation was used, withdrawn, or has expired. Ask for a new one.")
    if invitation.email.lower() != user.email.lower():
        raise ValidationError(
            f"This invitation is for {invitation.email}. Sign in with that address, or ask for one for yours."
        )
    membership, made = Membership.objects.get_or_create(
        workspace=invitation.workspace, user=user, defaults={"role": invitation.role}
    )
    if not made and not membership.active:
        membership.active, membership.role = True, invitation.role
        membership.save(update_fields=["active", "role"])
    invitation.accepted = timezone.now()
    invitation.save(update_fields=["accepted"])
    list_in_spaces(membership, invitation.spaces.filter(kind=Space.Kind.RESTRICTED), by=user)
    audit.record(
        "invitation.accept",
        workspace=invitation.workspace,
        actor=user,
        target=membership,
        after={"role": membership.role},
    )
    return membership
