"""How assistants and their versions look from outside, and what is sent to make and change them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from assistants.models import Assistant, AssistantVersion
from portal.api.fields import Within
from portal.api.shapes import PersonShape
from portal.models import Credential


class KnowledgePart(serializers.Serializer[Any]):
    """A part of one source: at or below ``parents_in`` (null: all of it), but not at or below ``parents_not_in``."""

    data_source = serializers.UUIDField()
    parents_in = serializers.ListField(child=serializers.UUIDField(), allow_null=True, required=False)
    parents_not_in = serializers.ListField(child=serializers.UUIDField(), required=False)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return {
            "data_source": str(instance["data_source"]),
            "parents_in": instance.get("parents_in"),
            "parents_not_in": instance.get("parents_not_in") or [],
        }


class VersionShape(serializers.ModelSerializer[AssistantVersion]):
    """``instructions`` is null for who may not see them; of ``knowledge``, each sees the sources that they know.

    ``went_live``: when people other than its owners could first ask it; null of what never was offered to them.
    """

    created_by = PersonShape(allow_null=True)
    instructions = serializers.SerializerMethodField()
    knowledge = serializers.SerializerMethodField()

    class Meta:
        model = AssistantVersion
        fields = [
            "number",
            "name",
            "description",
            "emoji",
            "colour",
            "instructions",
            "credential",
            "model",
            "temperature",
            "knowledge",
            "reads_all",
            "tags_all",
            "tags_none",
            "since",
            "until",
            "last_days",
            "queries_tables",
            "retrieval",
            "starters",
            "tags",
            "picture",
            "note",
            "created",
            "created_by",
            "went_live",
        ]
        read_only_fields = fields

    def get_instructions(self, row: AssistantVersion) -> str | None:
        return row.instructions if row.assistant_id in self.context["instructions"] else None

    @extend_schema_field(KnowledgePart(many=True, allow_null=True))
    def get_knowledge(self, row: AssistantVersion) -> Any:
        """Null where it reads all that whoever asks may read."""
        if row.reads_all:
            return None
        known = [part for part in row.knowledge if str(part.get("data_source")) in self.context["known"]]
        return KnowledgePart(known, many=True).data


class AssistantShape(serializers.ModelSerializer[Assistant]):
    """``version`` is what people run; for who may change the assistant, it is the latest."""

    owners = PersonShape(many=True)
    vetted_by = PersonShape(allow_null=True)
    version = serializers.SerializerMethodField()
    live_version = serializers.IntegerField(source="live.number", default=None, allow_null=True)
    latest_version = serializers.IntegerField(source="latest.number", default=None, allow_null=True)
    editable = serializers.SerializerMethodField()
    # Of the version, at hand: what a list shows, and what was sent.
    name = serializers.SerializerMethodField()
    description = serializers.SerializerMethodField()
    instructions = serializers.SerializerMethodField()
    knowledge = serializers.SerializerMethodField()

    class Meta:
        model = Assistant
        fields = [
            "id",
            "handle",
            "name",
            "description",
            "instructions",
            "knowledge",
            "scope",
            "stage",
            "is_default",
            "hidden",
            "archived",
            "vetted",
            "vetted_by",
            "vetted_until",
            "shows_instructions",
            "template",
            "template_version",
            "owners",
            "editable",
            "version",
            "live_version",
            "latest_version",
            "created",
            "updated",
        ]
        read_only_fields = fields

    def _version(self, row: Assistant) -> AssistantVersion | None:
        return row.latest if row.pk in self.context["editable"] else row.live or row.latest

    @extend_schema_field(VersionShape(allow_null=True))
    def get_version(self, row: Assistant) -> Any:
        version = self._version(row)
        return VersionShape(version, context=self.context).data if version else None

    def get_editable(self, row: Assistant) -> bool:
        return row.pk in self.context["editable"]

    def get_name(self, row: Assistant) -> str:
        version = self._version(row)
        return version.name if version else ""

    def get_description(self, row: Assistant) -> str:
        version = self._version(row)
        return version.description if version else ""

    def get_instructions(self, row: Assistant) -> str | None:
        version = self._version(row)
        return version.instructions if version and row.pk in self.context["instructions"] else None

    @extend_schema_field(KnowledgePart(many=True, allow_null=True))
    def get_knowledge(self, row: Assistant) -> Any:
        version = self._version(row)
        return VersionShape(context=self.context).get_knowledge(version) if version else None


class AssistantFields(serializers.Serializer[Any]):
    """What a version is made of, and how finished the assistant is said to be."""

    name = serializers.CharField(required=False, max_length=80)
    description = serializers.CharField(required=False, allow_blank=True, max_length=300)
    emoji = serializers.CharField(required=False, allow_blank=True, max_length=16)
    colour = serializers.CharField(required=False, allow_blank=True, max_length=16)
    instructions = serializers.CharField(required=False, allow_blank=True, max_length=20_000, trim_whitespace=False)
    credential = Within(Credential, required=False, allow_null=True)
    model = serializers.CharField(required=False, allow_blank=True, max_length=120)
    temperature = serializers.FloatField(required=False, allow_null=True, min_value=0, max_value=2)
    knowledge = KnowledgePart(
        many=True,
        required=False,
        allow_null=True,
        help_text="Null: all that whoever asks may read. An empty list: nothing, it answers without searching.",
    )
    tags_all = serializers.ListField(child=serializers.CharField(max_length=80), required=False)
    tags_none = serializers.ListField(child=serializers.CharField(max_length=80), required=False)
    since = serializers.DateTimeField(required=False, allow_null=True)
    until = serializers.DateTimeField(required=False, allow_null=True)
    last_days = serializers.IntegerField(
        required=False, allow_null=True, help_text="A window that moves along: only what is from the last so many days."
    )
    queries_tables = serializers.BooleanField(
        required=False, help_text="Whether questions that tables fit are asked of them by SQL, which the model writes."
    )
    retrieval = serializers.ChoiceField(
        AssistantVersion.Retrieval.choices,
        required=False,
        help_text="How it finds what to answer from. ``none`` empties its knowledge, and giving it knowledge ends ``none``.",
    )
    starters = serializers.ListField(child=serializers.CharField(max_length=300), required=False)
    tags = serializers.ListField(child=serializers.CharField(max_length=40), required=False)
    picture = serializers.UUIDField(required=False, allow_null=True, help_text="Of a picture that was uploaded.")
    stage = serializers.ChoiceField(Assistant.Stage.choices, required=False)
    shows_instructions = serializers.BooleanField(
        required=False, help_text="Whether everybody who may ask it may read its instructions."
    )
    note = serializers.CharField(
        required=False, allow_blank=True, max_length=200, help_text="What changed, for the list of versions."
    )


class AssistantRequest(AssistantFields):
    handle = serializers.CharField(max_length=40)


class AssistantChange(AssistantFields):
    handle = serializers.CharField(max_length=40, required=False)
    owners = serializers.ListField(child=serializers.IntegerField(), required=False, help_text="Ids of people.")


class DiffLineShape(serializers.Serializer[Any]):
    kind = serializers.CharField(help_text="``old``, ``new``, ``same``, or ``gap``: lines that stayed are left out.")
    text = serializers.CharField(allow_blank=True)


class FieldChangeShape(serializers.Serializer[Any]):
    """One field that differs. ``lines``: of long texts and lists, the diff; empty for others."""

    field = serializers.CharField()
    label: Any = serializers.CharField()
    before = serializers.CharField(allow_blank=True)
    after = serializers.CharField(allow_blank=True)
    lines = DiffLineShape(many=True)


class ComparisonShape(serializers.Serializer[Any]):
    old = serializers.IntegerField(source="old.number")
    new = serializers.IntegerField(source="new.number")
    changes = FieldChangeShape(many=True)


class AssistantFileRequest(serializers.Serializer[Any]):
    yaml = serializers.CharField(trim_whitespace=False, help_text="The file’s text, at most 256 KB.")
    handle = serializers.CharField(required=False, max_length=40, help_text="Another than the file’s.")
    check = serializers.BooleanField(
        required=False, default=False, help_text="Only say what would come of it; nothing is made."
    )


class AssistantFileShape(serializers.Serializer[Any]):
    """``notes``: a sentence for each thing that could not be matched here. ``assistant`` is null where it was only checked."""

    handle = serializers.CharField()
    name = serializers.CharField()
    knowledge = KnowledgePart(many=True, allow_null=True)
    notes = serializers.ListField(child=serializers.CharField())
    assistant = AssistantShape(allow_null=True)


class PictureShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    url = serializers.CharField(help_text="Where the API gives it, as WebP, 256 by 256 pixels.")
