"""An assistant and the immutable snapshots of what it is."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Sequence
from typing import Any

from django.contrib.postgres.aggregates import BoolAnd
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models.functions import Lower
from django.db.models.signals import post_delete
from django.dispatch import receiver

from datasources.access import readable_branches
from datasources.models import Node
from datasources.retrieval.types import Branch
from portal.models import Credential, Membership, Space, User, Workspace

HANDLE = RegexValidator(r"^[a-z][a-z0-9-]{1,38}[a-z0-9]$", "3 to 40 small letters, digits and hyphens, a letter first.")


class AssistantQuerySet(models.QuerySet["Assistant"]):
    def visible_to(self, membership: Membership, among: Collection[uuid.UUID] | None = None) -> AssistantQuerySet:
        """One's own; vetted ones; published ones whose every part one's spaces read. Never archived ones.

        As many queries whatever there is, and one index look-up for each part of those that read a source of which this
        person's spaces see only parts. ``among``: only of these, whose parts alone are then looked at.
        """
        if not membership.active:
            return self.none()
        offered = models.Q(scope=Assistant.Scope.WORKSPACE) | models.Q(
            within_reach(readable_branches(membership), among), scope=Assistant.Scope.PUBLISHED
        )
        rows = self if among is None else self.filter(pk__in=among)
        return rows.filter(
            models.Q(pk__in=_owned_by(membership.user_id)) | (offered & models.Q(live__isnull=False)),
            workspace=membership.workspace_id,
            archived__isnull=True,
        )

    def listed_for(self, membership: Membership) -> AssistantQuerySet:
        """What lists offer to this person: ``visible_to`` without what an admin hid, but for their own."""
        shown = models.Q(hidden__isnull=True) | models.Q(pk__in=_owned_by(membership.user_id))
        return self.visible_to(membership).filter(shown)

    def with_owner(self, user: int) -> AssistantQuerySet:
        """For ``Assistant.offered_to``: whether each is this person's own, as ``is_own``."""
        return self.annotate(is_own=models.Exists(_owned_by(user).filter(assistant=models.OuterRef("pk"))))

    def editable_by(self, membership: Membership) -> AssistantQuerySet:
        """Its owners; an admin also those that were published. Never archived ones."""
        return self._governed(membership, models.Q(pk__in=[])).filter(archived__isnull=True)

    def governed_by(self, membership: Membership) -> AssistantQuerySet:
        """Whose life this person has a say in, archived ones too: its owners', and for admins those that were ever offered
        and those that nobody who is here owns."""
        return self._governed(membership, ~models.Exists(_active_owners()))

    def _governed(self, membership: Membership, admins_too: Any) -> AssistantQuerySet:
        if not membership.active:
            return self.none()
        theirs = models.Q(pk__in=_owned_by(membership.user_id))
        if membership.is_admin:
            theirs |= ~models.Q(scope=Assistant.Scope.PERSONAL) | admins_too
        return self.filter(theirs, workspace=membership.workspace_id)

    def orphans(self) -> AssistantQuerySet:
        """Those that nobody who is still in their workspace owns."""
        return self.filter(~models.Exists(_active_owners()))


def within_reach(branches: Sequence[Branch], among: Collection[uuid.UUID] | None = None) -> models.Q:
    """Assistants of whose every part some of these branches reads all: the grants of somebody's spaces.

    ``among``: the only ones that are asked about.

    What a source's vendor lets one read (``Branch.readers``) is not asked here: it cuts answers, not what is offered.
    """
    whole = [branch.source for branch in branches if branch.parents_in is None]
    reach = models.Q(reads__contained_by=whole)
    nodes = [node for branch in branches for node in branch.parents_in or ()]
    if nodes:
        partly = [branch.source for branch in branches if branch.parents_in is not None]
        covered = models.Case(models.When(node__parents__overlap=nodes, then=True), default=False)
        parts = LivePart.objects.filter(source__in=partly)
        if among is not None:
            parts = parts.filter(assistant__in=among)
        read = parts.values("assistant").annotate(all=BoolAnd(covered)).filter(all=True)
        reach |= models.Q(reads__contained_by=[*whole, *partly], pk__in=read.values("assistant"))
    return reach


def _active_owners() -> Any:
    """Of the assistant around it."""
    rows = Membership.objects.active().filter(workspace=models.OuterRef("workspace"))
    return rows.filter(user__assistants=models.OuterRef("pk"))


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
    # What it was called while others could ask it: nobody else's for good, as people may still type them.
    former_handles = ArrayField(models.CharField(max_length=40), default=list, blank=True, editable=False)
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
    # When its owners were told that its vetting ends soon.
    reminded = models.DateTimeField(null=True, blank=True)
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
        indexes = [
            models.Index(fields=["workspace", "scope"], name="assistants_by_scope"),
            models.Index(
                fields=["vetted_until"], condition=models.Q(vetted_until__isnull=False), name="vettings_that_end"
            ),
        ]

    def __str__(self) -> str:
        return f"@{self.handle}"

    @property
    def in_review(self) -> bool:
        """Whether its owners changed it since it was vetted: people still run the version that was vetted."""
        return self.scope == self.Scope.WORKSPACE and self.live_id != self.latest_id

    @property
    def scope_words(self) -> str:
        """As pages call it: an assistant that the whole workspace has is one that an admin vetted."""
        return "Vetted" if self.scope == self.Scope.WORKSPACE else self.Scope(self.scope).label

    @property
    def has_draft(self) -> bool:
        """Whether what its owners saved last is not what people run."""
        return self.scope != self.Scope.PERSONAL and self.live_id != self.latest_id

    def offered_to(self, membership: Membership, branches: Callable[[], tuple[Branch, ...]]) -> bool:
        """What ``visible_to`` says, about one row of ``with_owner``. ``branches`` are asked for only where they decide, and the
        database only where this person's spaces see parts of what it reads."""
        if self.archived or not membership.active or self.workspace_id != membership.workspace_id:
            return False
        if self.is_own:  # type: ignore[attr-defined]
            return True
        if self.live_id is None or self.scope == self.Scope.PERSONAL:
            return False
        if self.scope == self.Scope.WORKSPACE or not self.reads:
            return True
        readable = branches()
        whole = {branch.source for branch in readable if branch.parents_in is None}
        if whole.issuperset(self.reads):
            return True
        if not {branch.source for branch in readable}.issuperset(self.reads):
            return False
        return Assistant.objects.filter(within_reach(readable), pk=self.pk).exists()

    def runs_for(self, membership: Membership) -> AssistantVersion | None:
        """The version that this person runs: the live one; its owners, before it is published, the latest."""
        return self.live or self.latest


# What people find an assistant by, and how it works, which not everybody may read: expressions, as the indexes have them, of the
# words as they stand (for beginnings of any language) and of their English stems. PostgreSQL's own full text, as trigrams are an
# extension that the embedded server lacks; in functions of ours, which a migration makes, so that the planner knows what they cost.
TOLD_WORDS = models.Func(
    *("name", "description", "starters", "tags"), function="assistants_told_words", output_field=SearchVectorField()
)
INSTRUCTION_WORDS = models.Func("instructions", function="assistants_words", output_field=SearchVectorField())


class AssistantVersion(models.Model):
    """A snapshot, immutable but for when it went live; every message and every feedback row names the version that made it."""

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
    # When people other than its owners could first run it. Empty of what was only ever saved, which is its owners' business.
    went_live = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["assistant", "number"], name="version_once")]
        indexes = [
            GinIndex(TOLD_WORDS, name="version_told_words"),
            GinIndex(INSTRUCTION_WORDS, name="version_instruction_words"),
            GinIndex(fields=["tags"], name="version_tags"),
        ]
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.name} v{self.number}"


class LivePart(models.Model):
    """A part of a source that an assistant's live version reads: at or below ``node``, or without one the whole source.

    Kept with ``Assistant.live``, so that lists need not look into the knowledge of every version.
    """

    assistant = models.ForeignKey(Assistant, on_delete=models.CASCADE, related_name="parts")
    source = models.UUIDField(db_index=True)
    # A node that is gone leaves its part behind: nobody is known to read it then, until the owners choose again.
    node = models.ForeignKey(
        Node, null=True, blank=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )

    def __str__(self) -> str:
        return f"{self.assistant_id}: {self.node_id or self.source}"


def _picture_path(picture: Picture, name: str) -> str:
    return f"pictures/{picture.workspace_id}/{picture.pk}.webp"


class PictureQuerySet(models.QuerySet["Picture"]):
    def visible_to(self, membership: Membership) -> PictureQuerySet:
        """What this person uploaded, and what assistants have that they see."""
        offered = Assistant.objects.visible_to(membership).values("pk")
        edited = Assistant.objects.editable_by(membership).values("pk")
        versions = AssistantVersion.objects.filter(picture=models.OuterRef("pk"))
        ran = models.Q(assistant__in=offered, went_live__isnull=False)
        shown = versions.filter(ran | models.Q(assistant__in=edited))
        mine = models.Q(created_by=membership.user_id)
        return self.filter(mine | models.Exists(shown), workspace=membership.workspace_id)

    def unused(self) -> PictureQuerySet:
        """Uploaded, and in no version yet."""
        return self.exclude(models.Exists(AssistantVersion.objects.filter(picture=models.OuterRef("pk"))))


class Picture(models.Model):
    """An uploaded picture of an assistant, re-encoded: never the bytes that came in."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    file = models.FileField(upload_to=_picture_path)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    objects = PictureQuerySet.as_manager()

    def __str__(self) -> str:
        return str(self.pk)


@receiver(post_delete, sender=Picture)
def _file_goes_too(instance: Picture, **_: Any) -> None:
    """Once that has held; a workspace that is deleted takes its pictures along."""
    name, storage = instance.file.name, instance.file.storage
    if name:
        transaction.on_commit(lambda: storage.delete(name), robust=True)


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
