"""What helps people find and build assistants: which fit a question, advice on one, and drafts by the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asgiref.sync import sync_to_async
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from assistants.advice import Advice, Draft, advise
from assistants.api.assistant_shapes import AssistantFields
from assistants.api.assistants import AssistantAPI
from assistants.api.base import AssistantsAPI
from assistants.drafts import FIELDS, LONGEST_INSTRUCTIONS, MOST_STARTERS, over
from assistants.errors import Refused
from assistants.likeness import Fit, fitting
from assistants.likeness.finding import LONGEST
from assistants.writing import LONGEST_WISH, Texts, write
from datasources.reading import branch_of
from portal.api.base import AsyncWorkspaceAPI


class FittingRequest(serializers.Serializer[Any]):
    question = serializers.CharField(max_length=20_000, help_text=f"Its first {LONGEST:,} characters are looked at.")
    limit = serializers.IntegerField(min_value=1, max_value=10, default=3)


class FitShape(serializers.Serializer[Fit]):
    """``why``: ``does`` (what it is for), ``answered`` (it answered questions like this well) or ``yours`` (yours)."""

    handle = serializers.CharField(source="assistant.handle")
    name = serializers.CharField(source="assistant.live.name")
    description = serializers.CharField(source="assistant.live.description")
    score = serializers.FloatField(help_text="At most 1; about 0 is what a text of another subject has.")
    why = serializers.ChoiceField(choices=["does", "answered", "yours"])


class FittingShape(serializers.Serializer[Any]):
    results = FitShape(many=True)


class Fitting(AssistantsAPI, AsyncWorkspaceAPI):
    access = {"POST": "assistant.view"}

    @extend_schema(operation_id="assistants_fitting", request=FittingRequest, responses=FittingShape)
    async def post(self, request: Request, slug: str) -> Response:
        """The assistants that fit a question best, of those that the caller may use; fewer where fewer fit."""
        asked = self.parsed(FittingRequest)
        found = await fitting(self.membership, asked["question"], asked["limit"])
        return Response(FittingShape({"results": found}).data)


class CitedBranch(serializers.Serializer[Any]):
    node = serializers.UUIDField()
    path = serializers.CharField()
    times = serializers.IntegerField(help_text="Citations of the last 90 days that lie in it.")


class AlikeShape(serializers.Serializer[Any]):
    handle = serializers.CharField(source="assistant.handle")
    people = serializers.IntegerField(
        allow_null=True, help_text="Who asked it in the last 30 days; null where they are fewer than three."
    )


class AdviceShape(serializers.Serializer[Advice]):
    """``field``: what it is about. ``words``: for a person. ``code``: for scripts."""

    field: Any = serializers.CharField()
    code = serializers.CharField()
    words = serializers.CharField()
    cited = CitedBranch(many=True)
    alike = AlikeShape(many=True)


class AdviceList(serializers.Serializer[Any]):
    results = AdviceShape(many=True)


class AdviceOn(AssistantAPI):
    access = {"GET": "assistant.edit"}

    @extend_schema(operation_id="assistants_advice", responses=AdviceList)
    def get(self, request: Request, slug: str, handle: str) -> Response:
        """What could be better about the latest version, for those who may change it."""
        row = self.to_change(handle)
        if row.latest is None:
            raise Refused("not_found", f"@{row.handle} has no version to advise on.")
        said = advise(self.membership, Draft.of(row.latest), row)
        return Response(AdviceList({"results": said}).data)


class AdviceRequest(AssistantFields):
    """What is filled in so far. With ``assistant`` it goes over the latest version of one that the caller may change."""

    assistant = serializers.CharField(required=False, max_length=41, help_text="The handle of the one that is changed.")


class AdviceOnDraft(AssistantAPI):
    access = {"POST": "assistant.edit"}

    @extend_schema(operation_id="assistants_advice_on_draft", request=AdviceRequest, responses=AdviceList)
    def post(self, request: Request, slug: str) -> Response:
        """What could be better about what is not saved."""
        given = self.parsed(AdviceRequest)
        row = self.to_change(given.pop("assistant")) if "assistant" in given else None
        fields = over(row.latest if row else None, {name: given[name] for name in FIELDS if name in given})
        return Response(AdviceList({"results": advise(self.membership, _unsaved(fields), row)}).data)


def _unsaved(fields: Mapping[str, Any]) -> Draft:
    """As advice looks at it. Knowledge that was left out is everything, as it is where an assistant is made of it."""
    texts = {name: fields[name] for name in ("name", "description", "instructions") if name in fields}
    knowledge = fields.get("knowledge")
    everything = knowledge is None or fields.get("reads_all", False)
    branches = None if everything else tuple(branch_of(entry) for entry in knowledge or ())
    credential = fields.get("credential")
    return Draft(
        **texts,
        starters=tuple(fields.get("starters") or ()),
        branches=() if fields.get("retrieval") == "none" else branches,
        credential=credential.pk if credential else None,
        model=fields.get("model") or "",
    )


class DraftShape(serializers.Serializer[Texts]):
    name = serializers.CharField()
    description = serializers.CharField()
    instructions = serializers.CharField()
    starters: Any = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_starters(self, texts: Texts) -> list[str]:
        return list(texts.starters)


class DraftRequest(serializers.Serializer[Any]):
    """A wish in a sentence, or what there is already, or both."""

    wish = serializers.CharField(max_length=LONGEST_WISH, required=False, allow_blank=True)
    name = serializers.CharField(max_length=80, required=False, allow_blank=True)
    description = serializers.CharField(max_length=300, required=False, allow_blank=True)
    instructions = serializers.CharField(max_length=LONGEST_INSTRUCTIONS, required=False, allow_blank=True)
    starters = serializers.ListField(
        child=serializers.CharField(max_length=200), max_length=MOST_STARTERS, required=False
    )


class Drafts(AssistantsAPI, AsyncWorkspaceAPI):
    access = {"POST": "assistant.edit"}

    @extend_schema(operation_id="assistants_draft", request=DraftRequest, responses=DraftShape)
    async def post(self, request: Request, slug: str) -> Response:
        """Name, description, instructions and starter questions, drafted by the workspace's model. Nothing is saved."""
        asked = self.parsed(DraftRequest)
        present = Texts(
            asked.get("name", ""),
            asked.get("description", ""),
            asked.get("instructions", ""),
            tuple(asked.get("starters", ())),
        )
        found = await write(self.membership, asked.get("wish", ""), present)
        return Response(await sync_to_async(lambda: DraftShape(found).data)())
