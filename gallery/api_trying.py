"""Trying a template by API before it is installed: from its filled slots, with nothing saved."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from assistants.api.trying import ANSWER, AskedOfTrial, TryingAPI
from assistants.drafts import checked_fields
from gallery.api_templates import TemplatesAPI, TemplateSlots
from gallery.marketplace import installing
from gallery.marketplace.blueprint import of_version
from gallery.models import Template


class TemplateTrial(TemplateSlots, AskedOfTrial):
    """Slots as an install takes them, and a question."""


class TryTemplate(TryingAPI, TemplatesAPI):
    access = {"POST": "template.install"}

    @extend_schema(operation_id="templates_try", request=TemplateTrial, responses=ANSWER)
    async def post(self, request: Request, slug: str, pk: UUID) -> HttpResponseBase:
        """Ask what would come of it. The finished answer or, with ``Accept: text/event-stream``, its events as they happen."""
        given, fields = await sync_to_async(self._draft)(pk)
        return await self.tried(request, given, fields)

    def _draft(self, pk: UUID) -> tuple[dict[str, Any], dict[str, Any]]:
        given = self.parsed(TemplateTrial)
        row = get_object_or_404(Template.objects.on_shelf(self.workspace).select_related("latest"), pk=pk)
        assert row.latest is not None
        blueprint = of_version(row, row.latest)
        fields = installing.version_fields(blueprint, installing.checked_texts(blueprint, given.get("texts") or {}))
        reads = installing.merged(self.membership, blueprint, given.get("knowledge") or {})
        return given, checked_fields(self.membership, fields | {"knowledge": reads})
