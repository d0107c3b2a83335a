"""Templates by API: list, search, one, install, stars, and what a newer version would change."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from assistants.api.assistant_shapes import KnowledgePart
from assistants.api.base import AssistantsAPI
from assistants.models import Assistant
from gallery.marketplace import installing, meaning, rating, shelf, updating
from gallery.marketplace.blueprint import DEPARTMENTS, TASKS
from gallery.models import Template, TemplateVersion


class TemplateSlotShape(serializers.Serializer[Any]):
    """``kind``: text is filled with a few words, knowledge with parts of sources."""

    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=["text", "knowledge"])
    label = serializers.CharField()  # type: ignore[assignment]
    help = serializers.CharField(default="", help_text="For knowledge: which kinds of sources fit.")
    example = serializers.CharField(default="")


class TemplateSampleShape(serializers.Serializer[TemplateVersion]):
    question = serializers.CharField(source="sample_question")
    answer = serializers.CharField(source="sample_answer", help_text="Markdown. Its [n] cite made-up documents.")


class TemplateBodyShape(serializers.Serializer[Any]):
    emoji = serializers.CharField(default="")
    colour = serializers.CharField(default="")
    instructions = serializers.CharField(help_text="With slots such as {{team}} where they are to be filled.")
    starters = serializers.ListField(child=serializers.CharField())
    tags = serializers.ListField(child=serializers.CharField())
    retrieval = serializers.CharField()
    temperature = serializers.FloatField(allow_null=True)
    queries_tables = serializers.BooleanField()
    last_days = serializers.IntegerField(allow_null=True)
    stage = serializers.CharField()


class TemplateVersionShape(serializers.Serializer[TemplateVersion]):
    number = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    body = TemplateBodyShape()
    slots = TemplateSlotShape(many=True)
    sample = TemplateSampleShape(source="*")
    note = serializers.CharField()
    created = serializers.DateTimeField()


class TemplateShape(serializers.ModelSerializer[Template]):
    """``version`` is what people install or, before it was approved, what waits. ``stars`` is null where nobody gave any."""

    version = TemplateVersionShape(source="shown", allow_null=True)
    waits = serializers.SerializerMethodField(help_text="A version waits for an admin's decision.")
    stars = serializers.SerializerMethodField()
    ratings = serializers.IntegerField(source="people")
    own = serializers.SerializerMethodField(help_text="Made in this workspace.")

    class Meta:
        model = Template
        fields = [
            "id",
            "slug",
            "department",
            "task",
            "state",
            "featured",
            "wants_everywhere",
            "installs",
            "stars",
            "ratings",
            "own",
            "waits",
            "comment",
            "version",
            "created",
            "updated",
        ]
        read_only_fields = fields

    def get_waits(self, row: Template) -> bool:
        return row.offered_id is not None and self.get_own(row)

    def get_own(self, row: Template) -> bool:
        return row.workspace_id == self.context["view"].workspace.pk

    def get_stars(self, row: Any) -> float | None:
        return round(row.stars / row.people, 1) if row.people else None

    def to_representation(self, instance: Any) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        if not shown["own"]:
            # What an operator said to another workspace is not for this one.
            shown |= {"comment": "", "wants_everywhere": False}
        return shown


class TemplateSlots(serializers.Serializer[Any]):
    texts = serializers.DictField(
        child=serializers.CharField(max_length=200), required=False, help_text="What fills text slots, by their names."
    )
    knowledge = serializers.DictField(
        child=KnowledgePart(many=True),
        required=False,
        help_text="What fills knowledge slots, by their names. Left out: none for now.",
    )


class TemplateInstall(TemplateSlots):
    handle = serializers.CharField(
        required=False, allow_blank=True, max_length=40, help_text="Empty: a free one near the name."
    )
    name = serializers.CharField(required=False, allow_blank=True, max_length=80, help_text="Empty: the template's.")


class InstalledShape(serializers.ModelSerializer[Assistant]):
    """The assistant that was made; the rest of it is at assistants/<handle>/."""

    version = serializers.IntegerField(source="latest.number")

    class Meta:
        model = Assistant
        fields = ["id", "handle", "scope", "version", "template", "template_version"]
        read_only_fields = fields


class TemplateStars(serializers.Serializer[Any]):
    stars = serializers.IntegerField(min_value=1, max_value=5)


class TemplateLineShape(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=["old", "new", "same", "gap"])
    text = serializers.CharField()


class TemplatePartShape(serializers.Serializer[updating.Part]):
    """One field that the newer version has otherwise than the assistant."""

    field = serializers.CharField()
    label = serializers.CharField(source="change.label")  # type: ignore[assignment]
    before = serializers.CharField(source="change.before")
    after = serializers.CharField(source="change.after")
    lines = TemplateLineShape(source="change.lines", many=True)
    yours = serializers.BooleanField(help_text="Its owners changed it since it was installed: taken only if named.")


class TemplateUpdateShape(serializers.Serializer[updating.Update]):
    """``asked``: text slots that the newer version has and the installed one had not."""

    template = serializers.UUIDField(source="template.pk")
    installed = serializers.IntegerField(source="installed.number")
    newer = serializers.IntegerField(source="newer.number")
    note = serializers.CharField(source="newer.note")
    parts = TemplatePartShape(many=True)
    asked = TemplateSlotShape(many=True)


class TemplateUpdate(serializers.Serializer[Any]):
    fields_taken = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        allow_null=True,
        help_text="Names of parts. Left out: those that its owners never touched. Empty: keep everything as it is.",
    )
    texts = serializers.DictField(child=serializers.CharField(max_length=200), required=False)


class TemplatesAPI(AssistantsAPI):
    def rows(self) -> QuerySet[Template]:
        """What the caller can install, what they offered and, for an admin, all that the workspace made."""
        rows = shelf.rated(Template.objects.shown_to(self.membership)).exclude(latest=None, offered=None)
        return rows.select_related("latest", "offered")

    def row(self, pk: UUID) -> Template:
        return get_object_or_404(self.rows(), pk=pk)

    def answer(self, pk: UUID, code: int = status.HTTP_200_OK) -> Response:
        return self.shown(TemplateShape, self.row(pk), code)


class Templates(TemplatesAPI):
    access = "template.view"

    @extend_schema(
        operation_id="templates_list",
        responses=TemplateShape(many=True),
        parameters=[
            OpenApiParameter(
                "q", str, description="Words of its texts or its department, or what it should do in other words."
            ),
            OpenApiParameter("department", str, enum=list(DEPARTMENTS)),
            OpenApiParameter("task", str, enum=list(TASKS)),
            OpenApiParameter("featured", bool, description="Only those of the row on top."),
            OpenApiParameter(
                "all",
                bool,
                description="Also those that wait, were declined or withdrawn, as far as the caller sees them.",
            ),
        ],
    )
    def get(self, request: Request, slug: str) -> Response:
        """What can be installed, newest first."""
        query = request.query_params
        narrowing = self.asked(department=DEPARTMENTS, task=TASKS)
        rows, everything = self.rows(), query.get("all") == "true"
        if not everything:
            rows = rows.filter(pk__in=Template.objects.on_shelf(self.workspace).values("pk"))
        rows = shelf.narrowed(
            rows,
            query.get("q", ""),
            **narrowing,
            alike=meaning.alike(self.membership, query.get("q", "")),
            waiting=everything,
        )
        if query.get("featured") == "true":
            rows = rows.filter(featured=True)
        return self.listed(TemplateShape, rows)


class OneTemplate(TemplatesAPI):
    access = "template.view"

    @extend_schema(operation_id="templates_get", responses=TemplateShape)
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        return self.answer(pk)


class Install(TemplatesAPI):
    access = {"POST": "template.install"}

    @extend_schema(operation_id="templates_install", request=TemplateInstall, responses={201: InstalledShape})
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """A personal assistant of the caller's, its slots filled."""
        entered = self.parsed(TemplateInstall)
        made = installing.install(
            self.row(pk),
            workspace=self.workspace,
            by=self.person,
            handle=entered.get("handle", ""),
            name=entered.get("name", ""),
            texts=entered.get("texts"),
            knowledge=entered.get("knowledge"),
        )
        return self.shown(InstalledShape, made, status.HTTP_201_CREATED)


class Rate(TemplatesAPI):
    access = {"PUT": "template.rate", "DELETE": "template.rate"}

    @extend_schema(operation_id="templates_rate", request=TemplateStars, responses=TemplateShape)
    def put(self, request: Request, slug: str, pk: UUID) -> Response:
        """One to five stars in place of what was given before, from who installed it."""
        rating.rate(self.row(pk), self.membership, self.parsed(TemplateStars)["stars"])
        return self.answer(pk)

    @extend_schema(operation_id="templates_unrate", responses={204: None})
    def delete(self, request: Request, slug: str, pk: UUID) -> Response:
        rating.rate(self.row(pk), self.membership, None)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Update(TemplatesAPI):
    access = {"GET": "template.install", "POST": "template.install"}

    def assistant(self, handle: str) -> Assistant:
        rows = Assistant.objects.editable_by(self.membership).exclude(template=None)
        rows = rows.select_related("latest__credential", "live__credential", "workspace")
        return get_object_or_404(rows, handle__iexact=handle)

    @extend_schema(operation_id="assistants_template_update", responses={200: TemplateUpdateShape, 204: None})
    def get(self, request: Request, slug: str, handle: str) -> Response:
        """What a newer version of its template would change; 204 where there is none."""
        found = updating.update_of(self.assistant(handle))
        if found is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        return self.shown(TemplateUpdateShape, found)

    @extend_schema(operation_id="assistants_template_take", request=TemplateUpdate, responses=InstalledShape)
    def post(self, request: Request, slug: str, handle: str) -> Response:
        """Take part or all of it as a new version; the rest is told no more."""
        sent = self.parsed(TemplateUpdate)
        assistant = self.assistant(handle)
        updating.take(assistant, self.person, sent.get("fields_taken"), sent.get("texts"))
        return self.shown(InstalledShape, self.assistant(handle))
