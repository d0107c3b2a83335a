"""Webhooks: the address that a source's vendor calls, the secret that it signs with, and what comes of a call.

The verbs here make, show and change both; ``hear`` takes a delivery. Who may: ``datasource.manage``.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import structlog
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from datasources.connectors import registry
from datasources.connectors.about import WebhookHelp
from datasources.connectors.base import Delivery, Heard, Hears
from datasources.models import DataSource, WebhookDelivery
from datasources.runs import request_look
from datasources.sources import connector_for
from portal import audit, events
from portal.models import User
from portal.secrets import SecretLost, decrypt, encrypt, rotate

log = structlog.get_logger(__name__)

LONGEST_KEY = 200
REMEMBERED = timedelta(days=3)
"""Vendors send a delivery again for a day or so; a key that is older than this is forgotten."""
LONGEST_SECRET = 1000


@dataclass(frozen=True, slots=True)
class Hook:
    """``secret`` is in the clear only where it was made just now: it is shown once. ``steps``: what to do at the vendor."""

    url: str
    secret: str
    steps: tuple[str, ...]


# ---- What people do ----------------------------------------------------------------------------------------------


def help_of(source: DataSource) -> WebhookHelp | None:
    """How this kind of place calls us, or None where it can't."""
    found = registry.CONNECTORS.get(source.kind)
    return found.webhook if found else None


def hook_of(source: DataSource) -> Hook | None:
    """The address that is open now, without its secret; None where there is none."""
    help_ = help_of(source)
    if help_ is None or not source.hook_token:
        return None
    return _hook(source, help_, secret_of(source) if help_.signed_with == "sent" else "")


def only_here() -> str:
    """Atrium's own address where it leads to this machine alone, so that no vendor elsewhere can call it; else empty."""
    host = urlsplit(settings.BASE_URL).hostname or ""
    return settings.BASE_URL if host in ("localhost", "::1") or host.startswith("127.") else ""


def has_secret(source: DataSource) -> bool:
    return bool(source.hook_secret_encrypted)


@transaction.atomic
def open_hook(source: DataSource, *, by: User | None) -> Hook:
    """Make the address and, where Atrium makes up the secret, that too. Raises ValidationError where it is open already."""
    source, help_ = _locked(source)
    if source.hook_token:
        raise ValidationError("It has an address already. Make a new secret, or close the address first.")
    source.hook_token = secrets.token_urlsafe(32)
    secret = _new_secret(source) if help_.signed_with == "ours" else ""
    source.save(update_fields=["hook_token", "hook_secret_encrypted"])
    _record(source, "source.hook_open", by)
    return _hook(source, help_, secret)


@transaction.atomic
def rotate_hook_secret(source: DataSource, *, by: User | None) -> Hook:
    """A new secret under the same address; the old one counts no more. Raises ValidationError with a sentence."""
    source, help_ = _locked(source)
    if not source.hook_token:
        raise ValidationError("It has no address yet. Make that first.")
    if help_.signed_with != "ours":
        label = registry.about(source.kind).label
        raise ValidationError(f"The secret is made by {label}. Copy the new one from there.")
    secret = _new_secret(source)
    source.save(update_fields=["hook_secret_encrypted"])
    _record(source, "source.hook_rotate", by)
    return _hook(source, help_, secret)


@transaction.atomic
def set_hook_secret(source: DataSource, secret: str, *, by: User | None) -> None:
    """Keep the secret that the vendor made up (``signed_with`` is ``theirs``). Raises ValidationError with a sentence."""
    source, help_ = _locked(source)
    secret = secret.strip()
    if help_.signed_with != "theirs":
        raise ValidationError("Atrium makes this secret up itself.")
    if not secret or len(secret) > LONGEST_SECRET:
        raise ValidationError(
            f"Copy the secret from {registry.about(source.kind).label}: 1 to {LONGEST_SECRET} characters."
        )
    source.hook_secret_encrypted = encrypt(secret, _binding(source))
    source.save(update_fields=["hook_secret_encrypted"])
    _record(source, "source.hook_secret", by)


@transaction.atomic
def close_hook(source: DataSource, *, by: User | None) -> None:
    """The address answers 404 from now on; opening it again makes another. Twice is once."""
    source = DataSource.objects.select_for_update().get(pk=source.pk)
    if source.hook_token:
        source.hook_token, source.hook_secret_encrypted = "", b""
        source.save(update_fields=["hook_token", "hook_secret_encrypted"])
        _record(source, "source.hook_close", by)


def _locked(source: DataSource) -> tuple[DataSource, WebhookHelp]:
    source = DataSource.objects.select_for_update().select_related("workspace").get(pk=source.pk)
    help_ = help_of(source)
    if help_ is None:
        raise ValidationError("This kind of place can't call Atrium; it is looked at by schedule.")
    return source, help_


def _new_secret(source: DataSource) -> str:
    secret = secrets.token_urlsafe(32)
    source.hook_secret_encrypted = encrypt(secret, _binding(source))
    return secret


def _binding(source: DataSource) -> str:
    return f"{source.workspace_id}|hook|{source.pk}"


def _hook(source: DataSource, help_: WebhookHelp, secret: str) -> Hook:
    url = settings.BASE_URL + reverse("hook", args=[source.hook_token])
    # Not str.format: a vendor's steps may hold braces of their own.
    steps = tuple(step.replace("{url}", url).replace("{secret}", secret or "the secret") for step in help_.steps)
    return Hook(url, secret, steps)


def _record(source: DataSource, action: str, by: User | None) -> None:
    audit.record(action, workspace=source.workspace, actor=by, target=source)


# ---- What vendors do ---------------------------------------------------------------------------------------------


def source_of(token: str) -> DataSource | None:
    """The source whose address this is."""
    if not token:
        return None
    rows = DataSource.objects.exclude(state=DataSource.State.DELETING).select_related("workspace", "credential")
    return rows.filter(hook_token=token).first()


def hear(source: DataSource, delivery: Delivery) -> Heard | None:
    """Take a delivery in: what it names is looked at by a run, soon. None where the connector hears nothing.

    Calls nobody. Raises DeliveryRefused where it is not from the vendor, ConnectorError where the connector can't be made.
    """
    connector = connector_for(source)
    if not isinstance(connector, Hears):
        return None
    heard = connector.webhook(delivery)
    if heard.secret:
        _keep(source, heard.secret)
    if not (heard.nodes or heard.everything):
        return heard
    with transaction.atomic():
        if _is_new(source, heard.key):
            request_look(source, heard.nodes, everything=heard.everything)
    return heard


def _keep(source: DataSource, secret: str) -> None:
    """The secret of a vendor's first call, unless there is one: nobody who finds the address can put theirs in its place."""
    kept = encrypt(secret[:LONGEST_SECRET], _binding(source))
    DataSource.objects.filter(pk=source.pk, hook_secret_encrypted=b"").update(hook_secret_encrypted=kept)


def secret_of(source: DataSource) -> str:
    """What the vendor signs with; empty where there is none, or none that can be read."""
    if not source.hook_secret_encrypted:
        return ""
    try:
        return decrypt(bytes(source.hook_secret_encrypted), _binding(source))
    except SecretLost as error:
        log.error("a webhook's secret can't be read; make a new one", source=str(source.pk), error=str(error))
        return ""


def _is_new(source: DataSource, key: str) -> bool:
    """Remember this delivery; False where it was heard before. Two at once wait for each other at the constraint."""
    if not key:
        return True
    kept = key.replace("\x00", "")[:LONGEST_KEY]
    return WebhookDelivery.objects.get_or_create(source=source, key=kept)[1]


@events.handles(events.KeysTurned)
def turn_keys(event: events.KeysTurned) -> None:
    """All secrets of webhooks under the newest encryption key."""
    for source in DataSource.objects.select_for_update().exclude(hook_secret_encrypted=b""):
        try:
            source.hook_secret_encrypted = rotate(bytes(source.hook_secret_encrypted))
        except InvalidToken:
            event.lost.append(f"the webhook of {source}")
            continue
        source.save(update_fields=["hook_secret_encrypted"])
        event.done.append(f"the webhook of {source}")


def forget_deliveries() -> int:
    """Old deliveries are forgotten. How many."""
    old = WebhookDelivery.objects.filter(created__lt=timezone.now() - REMEMBERED)
    return old.delete()[0]
