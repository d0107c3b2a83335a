"""An assistant and the immutable snapshots of what it is."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower

from datasources.access import readable_branches
from datasources.retrieval.types import Branch
from portal.models import Credential, Membership, Space, User, Workspace

HANDLE = RegexValidator(r"^[a-z][a-z0-9-]{1,38}[a-z0-9]$", "3 to 40 small letters, digits and hyphens, a letter first.")


class AssistantQuerySet(models.QuerySet["Assistant"]):
    def visible_to(self, membership: Membership) -> AssistantQuerySet:
        """One's own; those for everybody; published ones of whose every source one may read some part. Never archived ones."""
        if not membership.active:
            return self.none()
        readable = [branch.source for branch in readable_branches(membership)]
        offered = models.Q(scope=Assistant.Scope.WORKSPACE) | models.Q(
            scope=Assistant.Scope.PUBLISHED, reads__contained_by=readable
        )
        return self.filter(
            models.Q(pk__in=_owned_by(membership.user_id)) | (offered & models.Q(live__isnull=False)),
            workspace=membership.workspace_id,
            archived__isnull=True,
        )

    def with_owner(self, user: int) -> AssistantQuerySet:
        """For ``Assistant.offered_to``: whether each is this person's own, as ``is_own``."""
        return self.annotate(is_own=models.Exists(_owned_by(user).filter(assistant=models.OuterRef("pk"))))

    def editable_by(self, membership: Membership) -> AssistantQuerySet:
        """Its owners; an admin also those that were published."""
        mine = models.Q(owners=membership.user_id)
        if membership.is_admin:
            mine |= ~models.Q(scope=Assistant.Scope.PERSONAL)
        return self.filter(workspace=membership.workspace_id, archived__isnull=True).filter(mine).distinct()


def _owned_by(user: int) -> Any:
    return Assistant.owners.through._default_manager.filter(user=user).values("assistant")


class Assistant(models.Model):
    """One task, with a narrow slice of knowledge. What people run is ``live``; what its owners edit is ``draft``."""

    class Scope(models.TextChoices):
        PERSONAL = "personal", "Personal"
        PUBLISHED = "published", "Published"
        WORKSPACE = "workspace", "Workspace"

    class Stage(models.TextChoices):
        ALPHA = "alpha", "Alpha"
        BETA = "beta", "Beta"
        STABLE = "stable", "Stable"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="assistants")
    handle = models.CharField(max_length=40, validators=[HANDLE])
    scope = models.CharField(max_length=10, choices=Scope, default=Scope.PERSONAL)
    stage = models.CharField(max_length=8, choices=Stage, default=Stage.BETA)
    owners = models.ManyToManyField(User, related_name="assistants")
    live = models.ForeignKey("AssistantVersion", null=True, on_delete=models.SET_NULL, related_name="+")
    latest = models.ForeignKey("AssistantVersion", null=True, on_delete=models.SET_NULL, related_name="+")
    # The sources of the live version's knowledge; empty where it searches all that its reader may read.
    reads = ArrayField(models.UUIDField(), default=list, blank=True)
    is_default = models.BooleanField(default=False)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)
    archived = models.DateTimeField(null=True, blank=True)
    # An admin took it out of the gallery: whoever knows it still asks it.
    hidden = models.DateTimeField(null=True, blank=True)
    vetted = models.DateTimeField(null=True, blank=True)
    vetted_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    vetted_until = models.DateTimeField(null=True, blank=True)
    # Whether everybody who may ask it may read how it works.
    shows_instructions = models.BooleanField(default=False)
    # What it was installed from: plain ids, the rows live on a higher floor.
    template = models.UUIDField(null=True, blank=True, db_index=True)
    template_version = models.PositiveIntegerField(null=True, blank=True)

    objects = AssistantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("workspace", Lower("handle"), name="handle_once"),
            models.UniqueConstraint(fields=["workspace"], condition=models.Q(is_default=True), name="one_default"),
        ]

    def __str__(self) -> str:
        return f"@{self.handle}"

    @property
    def in_review(self) -> bool:
        """Whether what its owners edited last waits for an admin: people still run the version that was vetted."""
        return self.scope == self.Scope.WORKSPACE and self.live_id != self.latest_id

    def offered_to(self, membership: Membership, branches: Callable[[], tuple[Branch, ...]]) -> bool:
        """What ``visible_to`` says, about one row of ``with_owner``. ``branches`` are asked for only where they decide."""
        if self.archived or not membership.active or self.workspace_id != membership.workspace_id:
            return False
        if self.is_own:  # type: ignore[attr-defined]
            return True
        if self.live_id is None or self.scope == self.Scope.PERSONAL:
            return False
        if self.scope == self.Scope.WORKSPACE or not self.reads:
            return True
        return set(self.reads) <= {branch.source for branch in branches()}

    def runs_for(self, membership: Membership) -> AssistantVersion | None:
        """The version that this person runs: the live one; its owners, before it is published, the latest."""
        return self.live or self.latest


class AssistantVersion(models.Model):
    """An immutable snapshot; every message and every feedback row names the version that made it."""

    class Retrieval(models.TextChoices):
        SEARCH = "search", "Search for what fits the question"
        NEWEST = "newest", "Include the newest until full"
        TABLES = "tables", "Ask tables only"
        NONE = "none", "Nothing"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    assistant = models.ForeignKey(Assistant, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=300, blank=True)
    emoji = models.CharField(max_length=16, blank=True)
    colour = models.CharField(max_length=16, blank=True)
    instructions = models.TextField(blank=True, max_length=20_000)
    credential = models.ForeignKey(Credential, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    model = models.CharField(max_length=120, blank=True)
    temperature = models.FloatField(null=True, blank=True)
    # [{"data_source": id, "parents_in": [ids] | null, "parents_not_in": [ids]}], plus tags and a time window.
    # Empty is nothing, and it answers without searching, unless it reads all that whoever asks may read.
    knowledge = models.JSONField(default=list, blank=True)
    reads_all = models.BooleanField(default=False)
    tags_all = models.JSONField(default=list, blank=True)
    tags_none = models.JSONField(default=list, blank=True)
    since = models.DateTimeField(null=True, blank=True)
    until = models.DateTimeField(null=True, blank=True)
    # A window that moves along: only what is from the last so many days. Then ``since`` is empty.
    last_days = models.PositiveSmallIntegerField(null=True, blank=True)
    # A question that tables of its knowledge fit is asked of them by SQL.
    queries_tables = models.BooleanField(default=True)
    # How it finds what to answer from. With no knowledge it finds nothing, whatever stands here.
    retrieval = models.CharField(max_length=8, choices=Retrieval, default=Retrieval.SEARCH)
    starters = models.JSONField(default=list, blank=True)
    # Words that the gallery filters by; tags of documents are ``tags_all`` and ``tags_none``.
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    picture = models.ForeignKey("Picture", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # What whoever saved it says of the change.
    note = models.CharField(max_length=200, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["assistant", "number"], name="version_once")]
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.name} v{self.number}"


def _picture_path(picture: Picture, name: str) -> str:
    return f"pictures/{picture.workspace_id}/{picture.pk}.webp"


class Picture(models.Model):
    """An uploaded picture of an assistant, re-encoded: never the bytes that came in."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    file = models.FileField(upload_to=_picture_path)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return str(self.pk)


class Favourite(models.Model):
    """A person keeps an assistant at hand."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="favourite_assistants")
    assistant = models.ForeignKey(Assistant, on_delete=models.CASCADE, related_name="favourites")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "assistant"], name="favourite_once")]
        ordering = ["created"]

    def __str__(self) -> str:
        return f"{self.user} keeps {self.assistant}"


class SpaceDefault(models.Model):
    """Who answers people of a space where no assistant was chosen."""

    space = models.OneToOneField(Space, on_delete=models.CASCADE, related_name="+")
    assistant = models.ForeignKey(Assistant, on_delete=models.CASCADE, related_name="default_of")

    def __str__(self) -> str:
        return f"{self.assistant} in {self.space}"
