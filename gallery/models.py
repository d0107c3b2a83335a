"""Standings and templates."""

from __future__ import annotations

import uuid
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from assistants.models import Assistant
from portal.models import Membership, User, Workspace


class Standing(models.Model):
    """Where an assistant stands, computed from UseDay and Feedback. See docs/operator-guide.md for the formula."""

    assistant = models.OneToOneField(Assistant, primary_key=True, on_delete=models.CASCADE, related_name="standing")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    score = models.FloatField(default=0)
    # Distinct people in the last 30 days, and the sum of what each counts for, damped by the age of their last use.
    people = models.PositiveIntegerField(default=0)
    damped = models.FloatField(default=0)
    # People of each of the last ten spans of three days, oldest first: the small line on a card.
    trend = ArrayField(models.PositiveIntegerField(), default=list, blank=True)
    # One thumb each person, the newest.
    ups = models.PositiveIntegerField(default=0)
    downs = models.PositiveIntegerField(default=0)
    approval = models.FloatField(default=0)
    on = models.DateField()
    # Rows of UseDay of the last two days when it was computed: another number of them means new people.
    recent = models.PositiveIntegerField(default=0)
    # Somebody changed what they think of it since.
    due = models.BooleanField(default=False)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "-score"], name="standing_most_used"),
            models.Index(fields=["workspace", "-approval"], name="standing_best_rated"),
            models.Index(fields=["on"], name="standing_by_day"),
        ]

    def __str__(self) -> str:
        return f"{self.assistant_id}: {self.score:.3f}"


class TemplateQuerySet(models.QuerySet["Template"]):
    def on_shelf(self, workspace: Workspace | UUID) -> TemplateQuerySet:
        """What people of this workspace can install: approved for it, or for every workspace here."""
        here = models.Q(state=Template.State.WORKSPACE, workspace=workspace)
        return self.filter(here | models.Q(state=Template.State.EVERYWHERE), latest__isnull=False)

    def shown_to(self, membership: Membership) -> TemplateQuerySet:
        """The shelf, what this person offered, and for an admin all that was made in the workspace."""
        if not membership.active:
            return self.none()
        shelf = models.Q(pk__in=Template.objects.on_shelf(membership.workspace_id).values("pk"))
        mine = models.Q(workspace=membership.workspace_id)
        if not membership.is_admin:
            mine &= models.Q(offered_by=membership.user_id)
        return self.filter(shelf | mine)


class Template(models.Model):
    """A blueprint for an assistant, with slots to fill."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        OFFERED = "offered", "Waits for an admin"
        WORKSPACE = "workspace", "For this workspace"
        EVERYWHERE = "everywhere", "For every workspace here"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Empty: it came with the product, or the platform operator put it here.
    workspace = models.ForeignKey(Workspace, null=True, blank=True, on_delete=models.CASCADE, related_name="templates")
    slug = models.SlugField(max_length=60)
    department = models.CharField(max_length=40, blank=True)
    task = models.CharField(max_length=40, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    # Its offerers asked that it be offered in every workspace; the platform operator decides.
    wants_everywhere = models.BooleanField(default=False)
    featured = models.BooleanField(default=False)
    # What people install; empty until one was approved.
    latest = models.ForeignKey("TemplateVersion", null=True, on_delete=models.SET_NULL, related_name="+")
    # What waits for a decision, a first version or a later one; people keep the latest meanwhile.
    offered = models.ForeignKey("TemplateVersion", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # The assistant that it was made of, where it was made here.
    assistant = models.ForeignKey(Assistant, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    offered_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    comment = models.TextField(blank=True, max_length=2000)
    installs = models.PositiveIntegerField(default=0)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    objects = TemplateQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "slug"], name="template_slug_once", nulls_distinct=False)
        ]
        indexes = [models.Index(fields=["state", "department"], name="template_shelf")]

    def __str__(self) -> str:
        return self.slug

    @property
    def is_on_shelf(self) -> bool:
        return self.latest_id is not None and self.state in (self.State.WORKSPACE, self.State.EVERYWHERE)

    @property
    def shown(self) -> TemplateVersion | None:
        """What its page shows: what people install or, before it was approved, what waits."""
        return self.latest or self.offered


class TemplateVersion(models.Model):
    """An immutable snapshot of a template. ``body``: what an assistant's version has, with slots in its texts."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    template = models.ForeignKey(Template, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=300, blank=True)
    body = models.JSONField(default=dict)
    # [{"name", "kind": "knowledge" | "text", "label", "help"}], in the order in which they are asked for.
    slots = models.JSONField(default=list, blank=True)
    sample_question = models.CharField(max_length=300, blank=True)
    sample_answer = models.TextField(blank=True, max_length=4000)
    note = models.CharField(max_length=200, blank=True)
    # SHA-256 of the file that came with the product: one that has not changed is not read again.
    digest = models.CharField(max_length=64, blank=True)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["template", "number"], name="template_version_once")]
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.name} v{self.number}"


class Installation(models.Model):
    """That a template was installed as an assistant."""

    template = models.ForeignKey(Template, on_delete=models.CASCADE, related_name="installations")
    assistant = models.OneToOneField(Assistant, on_delete=models.CASCADE, related_name="installation")
    version = models.ForeignKey(TemplateVersion, on_delete=models.CASCADE, related_name="+")
    # What its slots were filled with: {"name": text}; knowledge is in the assistant.
    filled = models.JSONField(default=dict, blank=True)
    by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.template} as {self.assistant}"


class Rating(models.Model):
    """What one person thinks of a template, in stars."""

    template = models.ForeignKey(Template, on_delete=models.CASCADE, related_name="ratings")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    stars = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(5)])
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["template", "user"], name="one_rating_each")]

    def __str__(self) -> str:
        return f"{self.stars} of 5"
