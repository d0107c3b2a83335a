"""People and workspaces: the verbs that portal, admin, API and commands share."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes, force_str
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from portal import audit, events
from portal.models import Invitation, Membership, Role, Space, User, Workspace
from portal.registry import LeftBehind, registries

log = structlog.get_logger(__name__)


class AccountAdapter(DefaultAccountAdapter):
    """allauth's hooks."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """One joins by an invitation's own page, which makes the account; nobody signs up without."""
        return False


class _SignInTokens(PasswordResetTokenGenerator):
    """Good once and for PASSWORD_RESET_TIMEOUT: the token covers the last sign-in, which using it changes."""

    key_salt = "portal.people.sign-in"

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        # Django's own drops the fraction of a second of the last sign-in, within which a link would work twice.
        last = user.last_login.isoformat() if user.last_login else ""
        return f"{user.pk}{user.password}{last}{timestamp}{user.email}"


_sign_in_tokens = _SignInTokens()


def sign_in_link(user: User) -> str:
    """A link that signs this person in, once. Whoever holds it is them."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return settings.BASE_URL + reverse("sign_in_link", args=[uid, _sign_in_tokens.make_token(user)])


def user_of_link(uid: str, token: str) -> User | None:
    """Whom the link signs in, locked until the transaction ends, so that two requests can't both use it."""
    try:
        user = User.objects.select_for_update().get(pk=force_str(urlsafe_base64_decode(uid)), is_active=True)
    except (User.DoesNotExist, ValueError, OverflowError):
        return None
    return user if _sign_in_tokens.check_token(user, token) else None


@transaction.atomic
def make_person(*, email: str, name: str = "", password: str | None = None) -> User:
    """An account whose address counts as proven: by the mail that invited them, or by the operator's word."""
    user = User.objects.create_user(email, password, name=name.strip()[:120])
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


@transaction.atomic
def rename(user: User, name: str) -> None:
    """A person calls themselves otherwise, in every workspace."""
    before = User.objects.values_list("name", flat=True).get(pk=user.pk)
    user.name = name.strip()
    user.save(update_fields=["name"])
    audit.record("user.rename", workspace=None, actor=user, target=user, before={"name": before}, after={"name": name})


@transaction.atomic
def make_workspace(*, slug: str, name: str, admin: User) -> Workspace:
    """A workspace with its open space Company and one admin."""
    workspace = Workspace(slug=slug, name=name)
    workspace.full_clean()
    workspace.save()
    Space.objects.create(workspace=workspace, name="Company", kind=Space.Kind.OPEN)
    Membership.objects.create(workspace=workspace, user=admin, role=Role.ADMIN)
    audit.record("workspace.make", workspace=workspace, actor=admin, target=workspace)
    events.send(events.WorkspaceMade(workspace.pk))
    return workspace


@transaction.atomic
def rename_workspace(workspace: Workspace, name: str, *, by: User) -> None:
    """The name that people see; the slug, and with it every address, stays."""
    before = workspace.name
    workspace.name = name.strip()
    workspace.full_clean()
    workspace.save(update_fields=["name"])
    audit.record(
        "workspace.rename",
        workspace=workspace,
        actor=by,
        target=workspace,
        before={"name": before},
        after={"name": workspace.name},
    )


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
    spaces: Iterable[Space] = (),
    mail: bool = True,
) -> tuple[Invitation, str]:
    """Invite by mail; returns the invitation and its link. Raises ValidationError with a sentence.

    ``spaces``: restricted ones that list them once they come. Without ``mail``, the caller sends it: ``mail_invitations``.
    """
    email = email.strip().lower()
    validate_email(email)
    if Membership.objects.filter(workspace=workspace, user__email__iexact=email, active=True).exists():
        raise ValidationError(f"{email} is in this workspace already.")
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        Invitation.objects.filter(workspace=workspace, email=email, accepted=None, revoked=None).update(
            revoked=timezone.now()
        )
        invitation = Invitation.objects.create(
            workspace=workspace,
            email=email,
            role=Role(role),
            name=name,
            token_hash=_hash(token),
            invited_by=by,
            expires=timezone.now() + Invitation.LASTS,
        )
        _list_invited(invitation, spaces)
        audit.record("invitation.send", workspace=workspace, actor=by, target=invitation, after={"role": role})
        link = settings.BASE_URL + reverse("invitation", args=[token])
        if mail:
            transaction.on_commit(lambda: _invitation_mail(invitation, link).send())
    return invitation, link


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


def mail_invitations(sent: Sequence[tuple[Invitation, str]]) -> str:
    """All over one connection; gives why they could not be sent, or nothing. Each can be given a new link by hand."""
    if not sent:
        return ""
    try:
        get_connection().send_messages([_invitation_mail(invitation, link) for invitation, link in sent])
    except OSError as error:  # SMTP's errors are among these
        log.warning("invitations not mailed", number=len(sent), error=str(error))
        return "The mails could not all be sent. Make new links for these people, and send them yourself."
    return ""


def _invitation_mail(invitation: Invitation, link: str) -> EmailMessage:
    return EmailMessage(
        f"Join {invitation.workspace} on Atrium",
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
    """Join; whoever holds the mailed token proved that the address is theirs. Raises ValidationError with a sentence."""
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
    if not made:
        membership.active, membership.role = True, invitation.role
        membership.save(update_fields=["active", "role"])
    invitation.accepted = timezone.now()
    invitation.save(update_fields=["accepted"])
    for space in invitation.spaces.all():
        space.members.add(user)
    audit.record(
        "invitation.accept",
        workspace=invitation.workspace,
        actor=user,
        target=membership,
        after={"role": membership.role},
    )
    return membership


def _keep_an_admin(membership: Membership) -> None:
    others = Membership.objects.active().select_for_update().filter(workspace=membership.workspace, role=Role.ADMIN)
    if membership.role == Role.ADMIN and membership.active and not others.exclude(pk=membership.pk).exists():
        raise ValidationError("A workspace keeps at least one admin. Make somebody else an admin first.")


@transaction.atomic
def change_role(membership: Membership, role: str, *, by: User) -> None:
    before = membership.role
    if before == role:
        return
    _keep_an_admin(membership)
    membership.role = Role(role)
    membership.save(update_fields=["role"])
    audit.record(
        "membership.change_role",
        workspace=membership.workspace,
        actor=by,
        target=membership,
        before={"role": before},
        after={"role": role},
    )


def left_behind(membership: Membership) -> list[LeftBehind]:
    """What only this person looks after, as the floors above say it: somebody else can take it over when they leave."""
    found = [ask(membership) for ask in registries.leaving]
    return [one for one in found if one and one.count]


@transaction.atomic
def deactivate(membership: Membership, *, by: User, hand_over_to: Membership | None = None) -> None:
    """The person leaves this workspace; their account, and other workspaces, stay. Nobody gets their conversations.

    ``hand_over_to``: who takes what only they looked after. Raises ValidationError with a sentence.
    """
    if not membership.active:
        return
    _keep_an_admin(membership)
    _check_heir(membership, hand_over_to)
    membership.active = False
    membership.save(update_fields=["active"])
    membership.api_keys.filter(revoked=None).update(revoked=timezone.now())
    for space in Space.objects.filter(workspace=membership.workspace, members=membership.user):
        space.members.remove(membership.user)
    heir = hand_over_to.user if hand_over_to else None
    audit.record(
        "membership.deactivate",
        workspace=membership.workspace,
        actor=by,
        target=membership,
        after={"hand_over_to": str(heir)} if heir else None,
    )
    events.send(
        events.MemberLeft(membership.workspace_id, membership.user_id, by.pk if by else None, heir.pk if heir else None)
    )


def heir(workspace: Workspace, email: str) -> Membership | None:
    """Who takes over, by their address; none where it is empty. Raises ValidationError with a sentence."""
    if not email.strip():
        return None
    rows = Membership.objects.active().filter(workspace=workspace).select_related("user", "workspace")
    found = rows.filter(user__email__iexact=email.strip()).first()
    if found is None:
        raise ValidationError(f"Nobody in this workspace has the address {email.strip()}.")
    return found


def _check_heir(membership: Membership, heir: Membership | None) -> None:
    if heir is None:
        return
    here = Membership.objects.active().filter(pk=heir.pk, workspace=membership.workspace_id)
    if heir.pk == membership.pk or not here.exists():
        raise ValidationError("Choose somebody else of this workspace to take over.")


@transaction.atomic
def reactivate(membership: Membership, *, by: User) -> None:
    """Back in, with the role that they had; what was handed over stays handed over, and spaces list them anew."""
    if membership.active:
        return
    membership.active = True
    membership.save(update_fields=["active"])
    audit.record("membership.reactivate", workspace=membership.workspace, actor=by, target=membership)
