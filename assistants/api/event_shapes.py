"""The events of an answer as the API describes them: one component, told apart by ``type``."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers

from assistants.api.shapes import CitationShape, TableResultShape


class Started(serializers.Serializer[Any]):
    """The question is saved, and who answers is settled. What is tried names no rows."""

    model = serializers.CharField()
    vendor = serializers.CharField()
    note = serializers.CharField(allow_blank=True, help_text="What of its knowledge the asker can't read, in words.")
    conversation = serializers.UUIDField(required=False)
    question = serializers.UUIDField(required=False)
    answer = serializers.UUIDField(required=False)
    assistant = serializers.UUIDField(required=False, allow_null=True)
    version = serializers.UUIDField(required=False, allow_null=True)


class Step(serializers.Serializer[Any]):
    """What is being done, in words for a person."""

    kind = serializers.CharField(help_text="condense, search, tables, read or write.")
    text = serializers.CharField()


class Passages(serializers.Serializer[Any]):
    """What the model reads, numbered as the text cites it."""

    relevant = serializers.BooleanField(help_text="False: the nearest that there is, and no answer.")
    passages = CitationShape(many=True)
    note = serializers.CharField(required=False, help_text="How many of them are withheld.")


class Token(serializers.Serializer[Any]):
    text = serializers.CharField(trim_whitespace=False, help_text="What follows; all texts together are the content.")


class Citation(serializers.Serializer[Any]):
    """The text has just cited this passage for the first time."""

    n = serializers.IntegerField()
    withheld = serializers.BooleanField()
    sentence = serializers.CharField(required=False, help_text="What of the passage fits best what was said.")


class Usage(serializers.Serializer[Any]):
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    exact = serializers.BooleanField(help_text="False: the vendor counted nothing, and it was estimated.")


class Completed(serializers.Serializer[Any]):
    status = serializers.CharField(help_text="completed")
    found = serializers.BooleanField(help_text="False: nothing in the sources answers the question.")
    note = serializers.CharField(required=False, help_text="That the model's own limit cut it short.")
    usage = Usage(required=False)


class Stopped(serializers.Serializer[Any]):
    status = serializers.CharField(help_text="stopped")
    usage = Usage(required=False)


class Failed(serializers.Serializer[Any]):
    """What was written before it is kept."""

    status = serializers.CharField(help_text="error, or interrupted where the server went down.")
    code = serializers.CharField()
    detail = serializers.CharField()
    retryable = serializers.BooleanField()
    kept = serializers.IntegerField(help_text="Characters of the answer that were written.")
    retry_after = serializers.FloatField(required=False, help_text="Seconds, where the vendor named them.")
    usage = Usage(required=False)


DATA: dict[str, type[serializers.Serializer[Any]]] = {
    "started": Started,
    "step": Step,
    "passages": Passages,
    "table": TableResultShape,
    "token": Token,
    "citation": Citation,
    "completed": Completed,
    "stopped": Stopped,
    "error": Failed,
}
"""By the type of the event."""


def _event(type_: str, data: type[serializers.Serializer[Any]]) -> type[serializers.Serializer[Any]]:
    fields = {
        "__doc__": data.__doc__,
        "seq": serializers.IntegerField(help_text="As the stream's `id`; it only rises."),
        "type": serializers.ChoiceField([type_], help_text="As the stream's `event`."),
        "data": data(),
    }
    return type(f"{type_.title()}Event", (serializers.Serializer,), fields)


EventShape: Any = PolymorphicProxySerializer(
    component_name="Event",
    serializers={name: _event(name, data) for name, data in DATA.items()},
    resource_type_field_name="type",
)
