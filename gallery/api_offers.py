"""Offering templates, deciding about them, and packs, by API."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from assistants.models import Assistant
from gallery.api_templates import TemplatesAPI, TemplateShape, TemplateSlotShape
from gallery.marketplace import approving, blueprint, offering, packs
from gallery.marketplace.blueprint import DEPARTMENTS, TASKS, Blueprint
from gallery.models import Template
from portal.api.problems import Problem


class TemplateOffer(serializers.Serializer[Any]):
    """What differs from the assistant. Its knowledge becomes slots; nothing of the workspace goes along unasked."""

    name = serializers.CharField(required=False, max_length=80)
    description = serializers.CharField(required=False, max_length=300)
    department = serializers.ChoiceField(choices=list(DEPARTMENTS), required=False)
    task = serializers.ChoiceField(choices=list(TASKS), required=False)
    instructions = serializers.CharField(required=False, max_length=20_000)
    starters = serializers.ListField(child=serializers.CharField(max_length=200), required=False)
    tags = serializers.ListField(child=serializers.CharField(max_length=40), required=False)
    slots = TemplateSlotShape(many=True, required=False)
    sample_question = serializers.CharField(required=False, allow_blank=True, max_length=300)
    sample_answer = serializers.CharField(required=False, allow_blank=True, max_length=4000)
    note = serializers.CharField(required=False, allow_blank=True, max_length=200)
    everywhere = serializers.BooleanField(
        required=False, help_text="That the platform operator offer it in every workspace."
    )
    confirmed = serializers.ListField(
        child=serializers.CharField(max_length=16),
        required=False,
        help_text="Ids of findings that may go along. Without them, the problem `unconfirmed` lists what was found.",
    )


class TemplateApproval(serializers.Serializer[Any]):
    everywhere = serializers.BooleanField(
        default=False, help_text="For every workspace here: the platform operator's to say."
    )
    comment = serializers.CharField(required=False, allow_blank=True, max_length=2000)


class TemplateRefusal(serializers.Serializer[Any]):
    comment = serializers.CharField(max_length=2000)


class TemplateFeature(serializers.Serializer[Any]):
    featured = serializers.BooleanField()


class PackRequest(serializers.Serializer[Any]):
    pack = serializers.CharField(max_length=packs.MOST_BYTES, trim_whitespace=False, help_text="The file's text, YAML.")
    approved = serializers.BooleanField(default=False, help_text="Put them on the shelf at once.")


class PackShape(serializers.Serializer[packs.Imported]):
    """Ids of what is new here, of what has a newer version now, and of what was here as it is."""

    made = serializers.SerializerMethodField()
    newer = serializers.SerializerMethodField()
    same = serializers.SerializerMethodField()

    def get_made(self, out: packs.Imported) -> list[UUID]:
        return [row.pk for row in out.made]

    def get_newer(self, out: packs.Imported) -> list[UUID]:
        return [row.pk for row in out.newer]

    def get_same(self, out: packs.Imported) -> list[UUID]:
        return [row.pk for row in out.same]


class Offer(TemplatesAPI):
    access = {"POST": "template.offer"}

    @extend_schema(operation_id="assistants_offer", request=TemplateOffer, responses={201: TemplateShape})
    def post(self, request: Request, slug: str, handle: str) -> Response:
        """Offer one's assistant as a template; an admin decides. What may be the company's own has to be confirmed by id."""
        sent = self.parsed(TemplateOffer)
        rows = Assistant.objects.visible_to(self.membership).select_related("workspace", "latest", "live")
        assistant = get_object_or_404(rows, handle__iexact=handle)
        confirmed, everywhere = sent.pop("confirmed", []), sent.pop("everywhere", False)
        try:
            made = offering.offer(
                assistant, self.person, _completed(assistant, sent), confirmed=confirmed, everywhere=everywhere
            )
        except offering.Unconfirmed as error:
            found = [
                {"id": one.id, "kind": one.kind, "where": one.where, "text": one.text, "words": one.words}
                for one in error.findings
            ]
            raise Problem("unconfirmed", str(error), 409, findings=found) from error
        return self.answer(made.pk, status.HTTP_201_CREATED)


def _completed(assistant: Assistant, sent: dict[str, Any]) -> Blueprint:
    """What was sent over what the assistant has, checked like a file."""
    draft = offering.drafted(assistant)
    same = {name: value for name, value in sent.items() if not name.startswith("sample_")}
    whole = draft.as_data() | same
    sample = {name: sent.get(f"sample_{name}", getattr(draft, f"sample_{name}")) for name in ("question", "answer")}
    return replace(blueprint.read(whole | {"sample": sample}), slug=draft.slug)


class Deciding(TemplatesAPI):
    """Of the workspace's own templates."""

    def rows(self) -> QuerySet[Template]:
        return super().rows().filter(workspace=self.workspace)


class Approve(Deciding):
    access = {"POST": "template.manage"}

    @extend_schema(operation_id="templates_approve", request=TemplateApproval, responses=TemplateShape)
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """Put on the shelf what was offered."""
        sent = self.parsed(TemplateApproval)
        approving.approve(self.row(pk), self.person, everywhere=sent["everywhere"], comment=sent.get("comment", ""))
        return self.answer(pk)


class Decline(Deciding):
    access = {"POST": "template.manage"}

    @extend_schema(operation_id="templates_decline", request=TemplateRefusal, responses=TemplateShape)
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """Say no, and why. What people install stays."""
        approving.decline(self.row(pk), self.person, self.parsed(TemplateRefusal)["comment"])
        return self.answer(pk)


class Withdraw(Deciding):
    access = {"POST": "template.offer"}

    @extend_schema(operation_id="templates_withdraw", request=None, responses=TemplateShape)
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """Off the shelf. What was installed from it stays."""
        approving.withdraw(self.row(pk), self.person)
        return self.answer(pk)


class TakeBack(Deciding):
    access = {"POST": "template.offer"}

    @extend_schema(operation_id="templates_take_back", request=None, responses={204: None})
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """What waits does not any more; what is on the shelf stays there."""
        approving.take_back(self.row(pk), self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Feature(Deciding):
    access = {"POST": "template.manage"}

    @extend_schema(operation_id="templates_feature", request=TemplateFeature, responses=TemplateShape)
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """Whether it stands in the row on top."""
        approving.feature(self.row(pk), self.person, self.parsed(TemplateFeature)["featured"])
        return self.answer(pk)


class Packs(TemplatesAPI):
    access = {"GET": "template.manage", "POST": "template.manage"}

    @extend_schema(
        operation_id="template_packs_export",
        parameters=[
            OpenApiParameter("template", UUID, many=True, description="Without any: all that the workspace made.")
        ],
        responses={200: OpenApiResponse(OpenApiTypes.STR, description="A YAML file.")},
    )
    def get(self, request: Request, slug: str) -> HttpResponse:
        """Templates as one file."""
        ids = serializers.ListField(child=serializers.UUIDField()).run_validation(
            request.query_params.getlist("template")
        )
        rows = self.rows().filter(pk__in=ids) if ids else self.rows().filter(workspace=self.workspace)
        text = packs.export(rows.order_by("slug", "pk")[: packs.MOST_TEMPLATES])
        return HttpResponse(text, content_type="application/yaml; charset=utf-8")

    @extend_schema(operation_id="template_packs_import", request=PackRequest, responses={201: PackShape})
    def post(self, request: Request, slug: str) -> Response:
        """Bring in a file's templates, all of them or none; each waits for a decision unless approved."""
        sent = self.parsed(PackRequest)
        out = packs.bring_in(self.workspace, self.person, sent["pack"], approved=sent["approved"])
        return self.shown(PackShape, out, status.HTTP_201_CREATED)
