"""People and workspaces: the verbs that portal, admin, API and commands share."""

from __future__ import annotations

from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context as allauth_context
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes, force_str
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from portal import audit, events
from portal.models import Membership, Role, Space, User, Workspace
from portal.pages import error_page
from portal.registry import LeftBehind, registries

log = structlog.get_logger(__name__)

MOST_COLLEAGUES = 300


class AccountAdapter(DefaultAccountAdapter):
    """allauth's hooks."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """One joins by an invitation's own page, which makes the account; nobody signs up without."""
        return False

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """The password first, then a passkey: codes of an app or from a drawer only where neither is at hand."""
        words = {
            "reauthenticate": "Use your password",
            "mfa_reauthenticate": "Use a code",
            "mfa_reauthenticate:webauthn": "Use a passkey",
        }
        known = {method["id"]: method for method in super().get_reauthentication_methods(user)}
        order = ("reauthenticate", "mfa_reauthenticate:webauthn", "mfa_reauthenticate")
        return [{**known[name], "description": words[name]} for name in order if name in known]

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Sign-in codes, new passwords and the like. Without the mail there is no next step: say so instead of failing."""
        try:
            super().send_mail(template_prefix, email, context)
        except OSError as error:  # SMTP's errors are among these
            log.error("mail to an account not sent", template=template_prefix, error=str(error))
            raise ImmediateHttpResponse(_no_mail(allauth_context.request)) from error


def _no_mail(request: HttpRequest) -> HttpResponse:
    detail = (
        "The mail server did not take it. Try again in a while, sign in another way, or ask whoever runs this portal."
    )
    back = {"back_url": reverse("account_login"), "back_label": "Sign in"}
    return error_page(request, "The mail could not be sent", detail, status=503, **back)


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
def make_person(*, email: str, name: str = "", password: str | None = None, operator: bool = False) -> User:
    """An account whose address counts as proven: by the mail that invited them, or by the operator's word."""
    rank = {"is_staff": operator, "is_superuser": operator}
    user = User.objects.create_user(email, password, name=name.strip()[:120], **rank)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


@transaction.atomic
def rename(user: User, name: str) -> None:
    """A person calls themselves otherwise, in every workspace."""
    before = User.objects.values_list("name", flat=True).get(pk=user.pk)
    user.name = name.strip()
    if user.name == before:
        return
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


def colleagues(membership: Membership) -> list[User]:
    """Others of the workspace, to choose from while typing; of a large one not all, and any other can be typed too."""
    here = Membership.objects.active().filter(workspace=membership.workspace_id).exclude(pk=membership.pk)
    people = User.objects.filter(pk__in=here.values("user")).only("name", "email")
    return list(people.order_by("name", "email")[:MOST_COLLEAGUES])


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
