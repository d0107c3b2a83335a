"""The ground floor's rows: people, workspaces, spaces, credentials, keys, audit, usage."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from portal.secrets import decrypt, encrypt


class Role(models.TextChoices):
    """What a person is in a workspace, least first."""

    MEMBER = "member", "Member"
    BUILDER = "builder", "Builder"
    ADMIN = "admin", "Admin"

    @property
    def rank(self) -> int:
        return list(Role).index(self)


class UserManager(DjangoUserManager["User"]):
    def _create(self, email: str, password: str | None, **extra: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_user(self, email: str, password: str | None = None, **extra: Any) -> User:  # type: ignore[override]
        return self._create(email, password, **extra)

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> User:  # type: ignore[override]
        return self._create(email, password, is_staff=True, is_superuser=True, **extra)


class User(AbstractUser):
    """A person, over all workspaces. ``is_superuser`` marks a platform operator."""

    username = None  # type: ignore[assignment]
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    theme = models.CharField(
        max_length=8, default="system", choices=[(t, t.title()) for t in ("system", "light", "dark")]
    )

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()  # type: ignore[misc]

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_ci")]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return (self.name or self.email.split("@")[0]).split(" ")[0]


class Workspace(models.Model):
    """One company; the tenant. Nothing crosses it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    created = models.DateTimeField(auto_now_add=True)
    # Which credential and model embed this workspace's passages; none means the local model.
    embedding_credential = models.ForeignKey(
        "Credential", null=True, blank=True, on_delete=models.PROTECT, related_name="embeds_for"
    )
    embedding_model = models.CharField(max_length=120, blank=True)
    # What an assistant without a model of its own answers with; none means that passages are quoted.
    default_credential = models.ForeignKey(
        "Credential", null=True, blank=True, on_delete=models.SET_NULL, related_name="default_for"
    )
    default_model = models.CharField(max_length=120, blank=True)

    def __str__(self) -> str:
        return self.name


class MembershipQuerySet(models.QuerySet["Membership"]):
    def active(self) -> MembershipQuerySet:
        return self.filter(active=True, user__is_active=True)


class Membership(models.Model):
    """A person in a workspace."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    active = models.BooleanField(default=True)
    created = models.DateTimeField(auto_now_add=True)
    last_seen = models.DateTimeField(null=True, blank=True)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "user"], name="one_membership_each")]

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"

    def at_least(self, role: Role) -> bool:
        return Role(self.role).rank >= role.rank

    @property
    def is_admin(self) -> bool:
        return self.role == Role.ADMIN

    def seen(self) -> None:
        """Note that the person was here; written at most every five minutes."""
        now = timezone.now()
        if self.last_seen is None or now - self.last_seen > timedelta(minutes=5):
            Membership.objects.filter(pk=self.pk).update(last_seen=now)
            self.last_seen = now


def _invitation_token() -> str:
    return secrets.token_urlsafe(32)


class Invitation(models.Model):
    """An e-mail address asked to join. The token is mailed; only its hash is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField()
    accepted = models.DateTimeField(null=True, blank=True)
    revoked = models.DateTimeField(null=True, blank=True)

    LASTS: ClassVar[timedelta] = timedelta(days=14)

    def __str__(self) -> str:
        return f"{self.email} to {self.workspace}"

    @property
    def is_open(self) -> bool:
        return not self.accepted and not self.revoked and self.expires > timezone.now()


class SpaceQuerySet(models.QuerySet["Space"]):
    def of_member(self, membership: Membership) -> SpaceQuerySet:
        """The spaces whose data this person may read: open ones, and restricted ones that list them, admins too."""
        return (
            self.filter(workspace=membership.workspace_id)
            .filter(models.Q(kind=Space.Kind.OPEN) | models.Q(members=membership.user_id))
            .distinct()
        )

    def governed_by(self, membership: Membership) -> SpaceQuerySet:
        """The spaces whose existence this person may know: an admin's are all."""
        if membership.is_admin:
            return self.filter(workspace=membership.workspace_id)
        return self.of_member(membership)


class Space(models.Model):
    """Who may see which data."""

    class Kind(models.TextChoices):
        OPEN = "open", "Open: every member"
        RESTRICTED = "restricted", "Restricted: listed members"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="spaces")
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.OPEN)
    members = models.ManyToManyField(User, blank=True, related_name="spaces")
    created = models.DateTimeField(auto_now_add=True)

    objects = SpaceQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("workspace", Lower("name"), name="space_name_once")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


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
        indexes = [models.Index(fields=["workspace", "-id"]), models.Index(fields=["workspace", "action", "-id"])]

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

    class Meta:
        indexes = [models.Index(fields=["workspace", "-at"]), models.Index(fields=["workspace", "user", "-at"])]

    def __str__(self) -> str:
        return f"{self.model}: {self.input_tokens} in, {self.output_tokens} out"
