"""People, workspaces, who is in them, and spaces."""

from __future__ import annotations

import secrets
import uuid
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models.functions import Lower
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone


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


def _new_portrait(_user: User, _name: str) -> str:
    """Another path for each picture: what stands at an address never changes, and nobody guesses one."""
    return User.portrait_path(uuid.uuid4())


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
    # Kinds of notices (portal.notices.KINDS) that are not to come by mail as well.
    unmailed = ArrayField(models.CharField(max_length=20), default=list, blank=True)

    # What answers are written in (portal.languages); empty is the language of each question.
    language = models.CharField(max_length=8, blank=True)
    picture = models.FileField(upload_to=_new_portrait, blank=True, db_index=True)

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

    @staticmethod
    def portrait_path(key: uuid.UUID) -> str:
        """Where the picture with this key lies among the files."""
        return f"portraits/{key}.webp"

    @property
    def portrait(self) -> str:
        """What the address of their picture ends with; empty for those who have none."""
        return PurePosixPath(self.picture.name or "").stem


@receiver(post_delete, sender=User)
def _picture_goes_too(instance: User, **_: Any) -> None:
    """Rows of people go from several places; the file goes once that has held."""
    name, storage = instance.picture.name, instance.picture.storage
    if name:
        transaction.on_commit(lambda: storage.delete(name), robust=True)


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
    # What prices and budgets are in.
    currency = models.CharField(max_length=3, default="USD")
    # How long the vetting of an assistant lasts; empty is for good.
    vetting_days = models.PositiveSmallIntegerField(null=True, blank=True)

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
    # What whoever invited them says that they are called, and the restricted spaces that will list them.
    name = models.CharField(max_length=120, blank=True)
    spaces: models.ManyToManyField[Space, Any] = models.ManyToManyField("Space", blank=True, related_name="+")
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
