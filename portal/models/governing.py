"""Credentials, API keys, the audit log, what model calls spent, and what people are told."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from portal.secrets import decrypt, encrypt

from .people import Membership, User, Workspace


class Credential(models.Model):
    """A key for a vendor, encrypted. Bound to its base URL: another URL needs the key again."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="credentials")
    kind = models.CharField(max_length=40)
    name = models.CharField(max_length=80)
    base_url = models.CharField(max_length=500, blank=True)
    secret_encrypted = models.BinaryField(default=bytes, blank=True)
    key_hint = models.CharField(max_length=8, blank=True)
    # Its models, [{"name", "label", "kind", "context_tokens"}], as the vendor listed them at ``checked``.
    offered = models.JSONField(default=list, blank=True)
    checked = models.DateTimeField(null=True, blank=True)
    check_ok = models.BooleanField(null=True)
    check_message = models.CharField(max_length=500, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def set_secret(self, secret: str) -> None:
        self.secret_encrypted = encrypt(secret, self._binding()) if secret else b""
        self.key_hint = secret[-4:] if len(secret) >= 12 else ""

    def secret(self) -> str:
        """The key in the clear; raises ``portal.secrets.SecretLost`` where it can't be read any more."""
        return decrypt(bytes(self.secret_encrypted), self._binding()) if self.secret_encrypted else ""

    def _binding(self) -> str:
        return f"{self.workspace_id}|{self.kind}|{self.base_url}"


class ApiKeyManager(models.Manager["ApiKey"]):
    def make(self, membership: Membership, name: str, scopes: list[str], expires: Any = None) -> tuple[ApiKey, str]:
        """A new key and its text, which is shown once and never stored."""
        text = f"atr_{secrets.token_urlsafe(32)}"
        key = self.create(
            membership=membership,
            name=name,
            scopes=scopes,
            expires=expires,
            prefix=text[:10],
            key_hash=ApiKey.hash(text),
        )
        return key, text


class ApiKey(models.Model):
    """A key for integrations, always cut down to what its owner may do today."""

    SCOPES: ClassVar[tuple[str, ...]] = ("read", "ask", "write", "admin")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    key_hash = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=10))
    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField(null=True, blank=True)
    revoked = models.DateTimeField(null=True, blank=True)
    last_used = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyManager()

    class Meta:
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @staticmethod
    def hash(text: str) -> str:
        # The text has 256 random bits, so a fast hash gives nothing away.
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def is_live(self) -> bool:
        return self.revoked is None and (self.expires is None or self.expires > timezone.now())


class AuditEvent(models.Model):
    """Who did what, to what, with the state before and after. Written in the transaction of the deed."""

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.CASCADE, related_name="audit")
    at = models.DateTimeField(auto_now_add=True)
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(max_length=254, blank=True)
    via = models.CharField(max_length=12, default="portal")
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    object_name = models.CharField(max_length=200, blank=True)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["workspace", "-id"]),
            models.Index(fields=["workspace", "action", "-id"]),
            models.Index(fields=["workspace", "actor", "-id"], name="audit_by_person"),
            models.Index(fields=["object_id", "object_type", "-id"], name="audit_of_one"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.object_name}"


class UsageRecord(models.Model):
    """What one model call spent. ``assistant`` and ``message`` are plain ids: their rows live on a higher floor."""

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="usage")
    at = models.DateTimeField(auto_now_add=True)
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    credential = models.ForeignKey(Credential, null=True, on_delete=models.SET_NULL, related_name="+")
    purpose = models.CharField(max_length=12)  # answer, condense, title, embed, test
    vendor = models.CharField(max_length=40)
    model = models.CharField(max_length=120)
    assistant = models.UUIDField(null=True)
    message = models.UUIDField(null=True)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    exact = models.BooleanField(default=True)
    # In the workspace's currency; none where no price is known.
    cost = models.DecimalField(max_digits=14, decimal_places=8, null=True)

    # The key of what was reserved for the call, until it is recorded; not kept.
    hold: uuid.UUID | None = None

    class Meta:
        indexes = [models.Index(fields=["workspace", "-at"]), models.Index(fields=["workspace", "user", "-at"])]

    def __str__(self) -> str:
        return f"{self.model}: {self.input_tokens} in, {self.output_tokens} out"


class Notice(models.Model):
    """What a person is told in the portal of something that happened elsewhere: plain words and where to go."""

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="notices")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices")
    words = models.CharField(max_length=400)
    # Below this workspace's own address; never one that a person or a source wrote.
    path = models.CharField(max_length=300, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    read = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["workspace", "user", "-id"], name="notices_of_one")]

    def __str__(self) -> str:
        return self.words
