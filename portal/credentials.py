"""Vendors' keys: the verbs that portal, admin and API share, and the way from a key to a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from portal import audit, events, net
from portal.models import Credential, User, Workspace
from portal.providers import registry
from portal.providers.errors import ProviderError
from portal.providers.transport import AddressRefused
from portal.providers.types import ChatModel
from portal.registry import registries
from portal.secrets import SecretLost

NO_MODEL = "quotes"


def model_kinds() -> list[registry.Vendor]:
    """The vendors that a key can be entered for."""
    return [vendor for vendor in registry.VENDORS.values() if vendor.remote]


def kind_label(kind: str) -> str:
    """The kind in words, whichever floor keeps it."""
    known = {vendor.kind: vendor.label for vendor in model_kinds()}
    elsewhere = registries.credential_kinds.get(kind)
    return known.get(kind) or (elsewhere.label if elsewhere else kind)


def chat_model(workspace: Workspace, credential: Credential | None, model: str) -> ChatModel:
    """The model that an assistant answers with: its own, else the workspace's default, else passages are quoted.

    Raises ProviderError (``not_configured``) where the key can't be read any more.
    """
    if credential is None:
        credential, model = workspace.default_credential, workspace.default_model
    if credential is None or not model:
        return registry.chat_model(NO_MODEL, "")
    if credential.workspace_id != workspace.pk:
        raise ProviderError(
            "This assistant names a credential that is gone. Choose another model.", code="not_configured"
        )
    return registry.chat_model(
        credential.kind, model, secret_of(credential), credential.base_url, network=net.network()
    )


def secret_of(credential: Credential) -> str:
    try:
        return credential.secret()
    except SecretLost as error:
        raise ProviderError(f"{credential.name}: {error}", code="not_configured") from error


def offered_models(workspace: Workspace, kind: str = "chat") -> list[tuple[Credential, list[dict[str, Any]]]]:
    """What model pickers list: each credential with its models of this kind, as the vendor listed them last. One query."""
    found = []
    for credential in Credential.objects.filter(workspace=workspace).order_by("name"):
        models = [m for m in credential.offered if m.get("kind", "chat") == kind]
        if models:
            found.append((credential, models))
    return found


def _validate(kind: str, base_url: str, secret: str) -> registry.Vendor:
    vendor = next((v for v in model_kinds() if v.kind == kind), None)
    if vendor is None:
        raise ValidationError(
            {"kind": f"Unknown kind {kind!r}; it takes one of {', '.join(v.kind for v in model_kinds())}."}
        )
    if vendor.asks_address and not base_url:
        raise ValidationError({"base_url": "Enter the address of the server, such as http://localhost:11434/v1."})
    if vendor.needs_key and not secret:
        raise ValidationError({"api_key": f"{vendor.label} needs a key."})
    if base_url:
        try:
            net.network().check(base_url)
        except AddressRefused as error:
            raise ValidationError({"base_url": str(error)}) from error
    return vendor


@transaction.atomic
def create_credential(
    *, workspace: Workspace, by: User | None, kind: str, api_key: str = "", base_url: str = "", name: str = ""
) -> Credential:
    """Keep a key, encrypted. Raises ValidationError by field. Testing it is a call of its own: ``check_credential``."""
    base_url, api_key = base_url.strip().rstrip("/"), api_key.strip()
    vendor = _validate(kind, base_url, api_key)
    credential = Credential(
        workspace=workspace, kind=kind, base_url=base_url, name=name.strip() or vendor.label, created_by=by
    )
    credential.set_secret(api_key)
    credential.full_clean(exclude=["secret_encrypted", "check_ok", "created_by"])
    credential.save()
    audit.record(
        "credential.create",
        workspace=workspace,
        actor=by,
        target=credential,
        after={"kind": kind, "base_url": base_url},
    )
    return credential


@transaction.atomic
def update_credential(
    credential: Credential, *, by: User | None, name: str | None = None, base_url: str | None = None, api_key: str = ""
) -> Credential:
    """Change it. A new address needs the key again, so that nobody can send a key that they can't see somewhere else."""
    if elsewhere := registries.credential_kinds.get(credential.kind):
        return _rename(credential, name, f"It is entered {elsewhere.entered}.", base_url, api_key, by=by)
    before = {"name": credential.name, "base_url": credential.base_url}
    new_url = credential.base_url if base_url is None else base_url.strip().rstrip("/")
    moved = new_url != credential.base_url
    if moved and not api_key and credential.secret_encrypted:
        raise ValidationError({"api_key": "The address changes, so enter the key again."})
    _validate(credential.kind, new_url, api_key or "unchanged")
    credential.base_url = new_url
    if name:
        credential.name = name.strip()
    if api_key or moved:
        credential.set_secret(api_key.strip())
        credential.check_ok, credential.check_message = None, ""
    credential.full_clean(exclude=["secret_encrypted", "check_ok", "created_by"])
    credential.save()
    after = {"name": credential.name, "base_url": credential.base_url, "key": "changed" if api_key else "kept"}
    audit.record(
        "credential.update", workspace=credential.workspace, actor=by, target=credential, before=before, after=after
    )
    return credential


def _rename(
    credential: Credential, name: str | None, where: str, base_url: str | None, api_key: str, *, by: User | None
) -> Credential:
    """All that can be changed here of a credential that another floor enters."""
    if api_key:
        raise ValidationError({"api_key": where})
    if base_url is not None and base_url.strip().rstrip("/") != credential.base_url:
        raise ValidationError({"base_url": where})
    before = {"name": credential.name}
    credential.name = (name or "").strip() or credential.name
    credential.full_clean(exclude=["secret_encrypted", "check_ok", "created_by"])
    credential.save(update_fields=["name"])
    after = {"name": credential.name}
    audit.record(
        "credential.update", workspace=credential.workspace, actor=by, target=credential, before=before, after=after
    )
    return credential


def check_credential(credential: Credential, *, by: User | None = None) -> Credential:
    """Ask the vendor what the key offers, and keep the answer. Blocking, up to a minute; never raises for a bad key.

    The first key that works makes the workspace write: where no default model is chosen yet, one of its models becomes that.
    """
    if elsewhere := registries.credential_kinds.get(credential.kind):
        return _check_elsewhere(credential, elsewhere.test)
    worked_before = credential.check_ok is True
    try:
        checked = registry.test(credential.kind, secret_of(credential), credential.base_url, network=net.network())
    except ProviderError as error:
        credential.check_ok, credential.check_message = False, str(error)[:500]
    else:
        credential.check_ok, credential.check_message = True, checked.message[:500]
        credential.offered = [
            {"name": m.name, "label": m.label, "kind": m.kind, "context_tokens": m.context_tokens}
            for m in checked.models
        ]
    credential.checked = timezone.now()
    credential.save(update_fields=["check_ok", "check_message", "checked", "offered"])
    workspace = credential.workspace
    undecided = credential.check_ok and not worked_before and not workspace.default_credential_id
    if undecided and (model := _usual_model(credential)):
        set_default_model(workspace, credential, model, by=by)
    return credential


def _check_elsewhere(credential: Credential, test: Callable[[Credential], str]) -> Credential:
    try:
        credential.check_ok, credential.check_message = True, test(credential)[:500]
    except ValidationError as error:
        credential.check_ok, credential.check_message = False, " ".join(error.messages)[:500]
    credential.checked = timezone.now()
    credential.save(update_fields=["check_ok", "check_message", "checked"])
    return credential


def _usual_model(credential: Credential) -> str:
    """The model to begin with, of those that the vendor listed: a usual one where it is known, else the first that writes."""
    offered = [model["name"] for model in credential.offered if model.get("kind", "chat") == "chat"]
    usual = registry.VENDORS[credential.kind].usual
    return next((name for name in usual if name in offered), offered[0] if offered else "")


@transaction.atomic
def set_default_model(workspace: Workspace, credential: Credential | None, model: str, *, by: User | None) -> None:
    """What assistants without a model of their own answer with; none means that passages are quoted."""
    if credential is not None and credential.workspace_id != workspace.pk:
        raise ValidationError("This credential is not of this workspace.")
    if (credential is None) != (not model):
        raise ValidationError("Choose a credential and a model of it, or neither.")
    before = {"model": workspace.default_model}
    workspace.default_credential, workspace.default_model = credential, model
    workspace.save(update_fields=["default_credential", "default_model"])
    audit.record(
        "workspace.default_model",
        workspace=workspace,
        actor=by,
        target=workspace,
        before=before,
        after={"model": model},
    )


@transaction.atomic
def remove_credential(credential: Credential, *, by: User | None) -> None:
    """Forget a key. Raises ValidationError while sources or the workspace's embeddings stand on it."""
    if credential.embeds_for.exists():
        raise ValidationError("This workspace embeds its passages with this key. Choose another embedding model first.")
    if names := list(credential.data_sources.values_list("name", flat=True)[:3]):
        raise ValidationError(
            f"Data sources use this key: {', '.join(names)}. Give them another, or delete them first."
        )
    audit.record("credential.remove", workspace=credential.workspace, actor=by, target=credential)
    events.send(events.CredentialRemoved(credential.workspace_id, credential.pk))
    Workspace.objects.filter(default_credential=credential).update(default_credential=None, default_model="")
    credential.delete()
