"""How sources, runs, nodes and documents look from outside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.db.models import Count
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from datasources.freshness import freshness_of
from datasources.health import health, seconds_left
from datasources.models import DataSource, Document, Grant, Node, RunItem, Selection, SyncRun, UploadedFile
from portal.api.shapes import PersonShape, SpaceName
from portal.models import Membership, Space


class RunShape(serializers.ModelSerializer[SyncRun]):
    """discovered = indexed + unchanged + skipped + failed once it is done; ``error`` is empty or a sentence.

    ``rate`` is in documents a second; ``seconds_left`` is null where it can't be told; ``waits_until``: no worker takes it
    before. ``current`` and the examples in ``held`` name documents: they, and who asked for the run, are for who manages the
    source.
    """

    requested_by = PersonShape(allow_null=True)
    seconds_left = serializers.SerializerMethodField()
    waits_until = serializers.DateTimeField(source="not_before", allow_null=True)

    class Meta:
        model = SyncRun
        fields = [
            "id",
            "state",
            "trigger",
            "requested_by",
            "wish",
            "discovered",
            "indexed",
            "unchanged",
            "skipped",
            "failed",
            "removed",
            "passages",
            "held",
            "rate",
            "seconds_left",
            "waits_until",
            "current",
            "created",
            "started",
            "finished",
            "error",
        ]
        read_only_fields = fields

    def get_seconds_left(self, run: SyncRun) -> int | None:
        left = seconds_left(run)
        return None if left is None else round(left)

    def to_representation(self, run: SyncRun) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(run)
        if not self._manages(run):
            shown["current"], shown["requested_by"] = "", None
            shown["held"] = shown["held"] and {**shown["held"], "examples": []}
        return shown

    def _manages(self, run: SyncRun) -> bool:
        context = cast(dict[str, Any], self.context)
        if "managed" not in context:
            view = context.get("view")
            rows = DataSource.objects.manageable_by(view.membership) if view else DataSource.objects.none()
            context["managed"] = set(rows.filter(pk=run.source_id).values_list("pk", flat=True))
        return run.source_id in context["managed"]


class RunItemShape(serializers.ModelSerializer[RunItem]):
    class Meta:
        model = RunItem
        fields = ["node", "path", "outcome", "reason", "at"]
        read_only_fields = fields


class CountsShape(serializers.Serializer[Any]):
    """Documents by what became of them, as far as the caller may see them; folders are not counted."""

    total = serializers.IntegerField()
    indexed = serializers.IntegerField()
    skipped = serializers.IntegerField()
    failed = serializers.IntegerField()
    pending = serializers.IntegerField()


class UseShape(serializers.Serializer[Any]):
    kind = serializers.CharField()
    handle = serializers.CharField()
    name = serializers.CharField()
    everything = serializers.BooleanField(help_text="It names no source: it reads all that whoever asks may read.")


class UsesShape(serializers.Serializer[Any]):
    """What reads the source, as far as the caller may know."""

    seen = UseShape(many=True)
    personal = serializers.IntegerField(
        allow_null=True,
        help_text="How many personal ones of other people read it too; null for those who are not admins.",
    )


class FreshnessShape(serializers.Serializer[Any]):
    """Seconds from a change at the source to being searchable, over documents that changed in the last 7 days."""

    p50 = serializers.FloatField(help_text="Half of them were faster.")
    p95 = serializers.FloatField(help_text="19 of 20 were faster.")
    updates = serializers.IntegerField()


class HealthShape(serializers.Serializer[Any]):
    """In words, as the pages say it. ``since``: a moment that belongs after them."""

    words = serializers.CharField()
    tone = serializers.ChoiceField(["ok", "busy", "warn", "bad", "quiet"])
    since = serializers.DateTimeField(allow_null=True)


class SourceShape(serializers.ModelSerializer[DataSource]):
    """``config`` is null for those who only read the source. ``spaces`` are those that the caller knows of.

    ``freshness``: how long a change takes until it can be found; null where nothing changed in the last days. ``mirror``:
    whether the source's own rights are asked, too.
    """

    health = serializers.SerializerMethodField()
    freshness = serializers.SerializerMethodField()

    spaces = serializers.SerializerMethodField()
    counts = serializers.SerializerMethodField()
    last_run = serializers.SerializerMethodField()
    config = serializers.SerializerMethodField()
    manageable = serializers.SerializerMethodField()

    class Meta:
        model = DataSource
        fields = [
            "id",
            "kind",
            "name",
            "state",
            "state_detail",
            "health",
            "spaces",
            "counts",
            "last_run",
            "config",
            "schedule",
            "next_run",
            "last_synced",
            "freshness",
            "mirror",
            "credential",
            "manageable",
            "created",
        ]
        read_only_fields = fields

    @extend_schema_field(SpaceName(many=True))
    def get_spaces(self, row: DataSource) -> Any:
        return SpaceName(self.context["spaces"][row.pk], many=True).data

    @extend_schema_field(CountsShape)
    def get_counts(self, row: DataSource) -> Any:
        return self.context["counts"][row.pk]

    @extend_schema_field(RunShape(allow_null=True))
    def get_last_run(self, row: DataSource) -> Any:
        run = self.context["runs"].get(row.pk)
        return RunShape(run, context=self.context).data if run else None

    @extend_schema_field(HealthShape)
    def get_health(self, row: DataSource) -> Any:
        run, counts = self.context["runs"].get(row.pk), self.context["counts"][row.pk]
        under_way = run if run and run.state in SyncRun.OPEN else None
        return HealthShape(health(row, under_way, counts["failed"], counts["indexed"])).data

    @extend_schema_field(FreshnessShape(allow_null=True))
    def get_freshness(self, row: DataSource) -> Any:
        found = self.context["freshness"].get(row.pk)
        return FreshnessShape(found).data if found else None

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_config(self, row: DataSource) -> Any:
        return row.config if row.pk in self.context["managed"] else None

    def get_manageable(self, row: DataSource) -> bool:
        return row.pk in self.context["managed"]


def around(membership: Membership, sources: Sequence[DataSource]) -> dict[str, Any]:
    """What the shape of these sources needs beside their rows, in a fixed number of queries for however many."""
    ids = [source.pk for source in sources]
    spaces: dict[UUID, list[Space]] = defaultdict(list)
    known = Space.objects.governed_by(membership)
    grants = Grant.objects.filter(source__in=ids, space__in=known).select_related("space").order_by("space__name")
    for grant in grants:
        spaces[grant.source_id].append(grant.space)
    newest = SyncRun.objects.filter(source__in=ids).order_by("source_id", "-created").distinct("source_id")
    newest = newest.select_related("requested_by")
    return {
        "spaces": spaces,
        "counts": _counts(membership, ids),
        "runs": {run.source_id: run for run in newest},
        "freshness": freshness_of(ids),
        "managed": set(DataSource.objects.manageable_by(membership).filter(pk__in=ids).values_list("pk", flat=True)),
    }


def _counts(membership: Membership, ids: list[UUID]) -> dict[UUID, dict[str, int]]:
    counts = {pk: dict.fromkeys(("total", "indexed", "skipped", "failed", "pending"), 0) for pk in ids}
    rows = (
        Node.objects.browsable_by(membership)
        .filter(source__in=ids)
        .exclude(status=Node.Status.CONTAINER)
        .values_list("source", "status")
        .annotate(number=Count("pk"))
    )
    for source, status, number in rows:
        counts[source][status] = number
        counts[source]["total"] += number
    return counts


class SelectionShape(serializers.ModelSerializer[Selection]):
    """One line of what was chosen to come in. An empty ``external_id`` is the root."""

    class Meta:
        model = Selection
        fields = ["external_id", "include", "future", "options"]


class NodeShape(serializers.ModelSerializer[Node]):
    data_source = serializers.UUIDField(source="source_id")

    class Meta:
        model = Node
        fields = [
            "id",
            "data_source",
            "kind",
            "title",
            "path",
            "parent",
            "parents",
            "status",
            "reason",
            "has_children",
            "gone",
            "url",
            "size",
            "modified",
        ]
        read_only_fields = fields


class DocumentShape(serializers.ModelSerializer[Document]):
    """``text`` is Markdown; offsets of passages and citations count its code points."""

    id = serializers.UUIDField(source="node_id")
    data_source = serializers.UUIDField(source="node.source_id")
    kind = serializers.CharField(source="node.kind")
    title = serializers.CharField(source="shown_title")
    path = serializers.CharField(source="node.path")
    parents = serializers.ListField(child=serializers.UUIDField(), source="node.parents")
    url = serializers.SerializerMethodField()
    author = serializers.CharField(source="node.author")
    modified = serializers.DateTimeField(source="node.modified", allow_null=True)
    status = serializers.CharField(source="node.status")
    reason = serializers.CharField(source="node.reason")

    class Meta:
        model = Document
        fields = [
            "id",
            "data_source",
            "kind",
            "title",
            "path",
            "parents",
            "url",
            "author",
            "modified",
            "status",
            "reason",
            "notes",
            "passages",
            "content_hash",
            "updated",
            "text",
        ]
        read_only_fields = fields

    def get_url(self, row: Document) -> str:
        return document_url(self.context["view"].workspace.slug, row.node_id, row.node.url)


def document_url(slug: str, node: UUID, url: str) -> str:
    """The document at its source; where the source has no addresses, its page here."""
    return url or f"{settings.BASE_URL}/w/{slug}/documents/{node}/"


class UploadShape(serializers.ModelSerializer[UploadedFile]):
    class Meta:
        model = UploadedFile
        fields = ["id", "path", "size", "sha256", "created"]
        read_only_fields = fields


class GrantShape(serializers.ModelSerializer[Grant]):
    """``parents_in`` null is all of the source."""

    space = SpaceName()

    class Meta:
        model = Grant
        fields = ["id", "space", "parents_in"]
        read_only_fields = fields
