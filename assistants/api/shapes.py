"""How conversations and messages look from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from assistants.branches import above
from assistants.models import Assistant, Conversation, Feedback, Message
from assistants.presenting import Shown, shown_answers
from assistants.thread import results_of, searched_in, told_of, wanted_of
from portal.api.shapes import PersonShape
from portal.models import Membership


class CitedDocument(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    title = serializers.CharField()
    path = serializers.CharField()
    url = serializers.CharField()
    kind = serializers.CharField()
    data_source = serializers.DictField()
    modified = serializers.DateTimeField(allow_null=True)


class CitationShape(serializers.Serializer[Any]):
    """A passage of a document; ``[n]`` in the text points to it. A withheld one is a number and nothing else."""

    n = serializers.IntegerField()
    withheld = serializers.BooleanField(help_text="You may not read where it comes from.")
    stale = serializers.BooleanField(required=False, help_text="The document has changed since.")
    gone = serializers.BooleanField(required=False, help_text="The document was deleted.")
    start = serializers.IntegerField(required=False)
    end = serializers.IntegerField(required=False)
    hash = serializers.CharField(required=False)
    snippet = serializers.CharField(required=False)
    why = serializers.CharField(
        required=False,
        help_text="Why it was found, in words: which of the question's words it has, or that it is close in meaning.",
    )
    href = serializers.CharField(required=False, help_text="The page that opens the document at the passage.")
    document = CitedDocument(required=False, allow_null=True)


class AskedTable(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField(help_text="What SQL calls it.")
    title = serializers.CharField()


class ResultColumn(serializers.Serializer[Any]):
    name = serializers.CharField()
    type = serializers.CharField()


class TableResultShape(serializers.Serializer[Any]):
    """``error`` is a sentence where the query failed; ``repaired``: it is the second try. Withheld: only ``note``."""

    withheld = serializers.BooleanField()
    note = serializers.CharField(required=False)
    tables = AskedTable(many=True, required=False)
    sql = serializers.CharField(required=False)
    repaired = serializers.BooleanField(required=False)
    error = serializers.CharField(required=False)
    columns = ResultColumn(many=True, required=False)
    rows = serializers.ListField(
        child=serializers.ListField(child=serializers.JSONField(allow_null=True)), required=False
    )
    truncated = serializers.BooleanField(required=False)
    hash = serializers.CharField(required=False)


class SearchedShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class ErrorShape(serializers.Serializer[Any]):
    code = serializers.CharField()
    detail = serializers.CharField()


class NarrowShape(serializers.Serializer[Any]):
    """A source, or only what is at or below some of its nodes."""

    data_source = serializers.UUIDField()
    parents_in = serializers.ListField(
        child=serializers.UUIDField(), required=False, allow_null=True, allow_empty=False, help_text="Null: all of it."
    )


class MessageShape(serializers.ModelSerializer[Message]):
    """A question or an answer; ``content`` is Markdown with ``[n]``."""

    assistant: Any = serializers.SlugRelatedField(slug_field="handle", read_only=True)
    version = serializers.IntegerField(source="version.number", default=None, allow_null=True)
    author = PersonShape(allow_null=True)
    content = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    citations = serializers.SerializerMethodField()
    read = serializers.SerializerMethodField()
    tables = serializers.SerializerMethodField()
    searched = serializers.SerializerMethodField()
    narrow = NarrowShape(many=True, help_text="Of a question: where alone to look; empty does not narrow.")
    then = serializers.SerializerMethodField()
    next_answer = serializers.SerializerMethodField()

    class Meta:
        model = Message
        fields = [
            "id",
            "conversation",
            "parent",
            "role",
            "author",
            "assistant",
            "version",
            "model",
            "content",
            "narrow",
            "then",
            "next_answer",
            "status",
            "error",
            "citations",
            "read",
            "tables",
            "found",
            "searched",
            "usage",
            "created",
            "finished",
            "last_seq",
        ]
        read_only_fields = fields

    def _shown(self, row: Message) -> Shown | None:
        return self.context["shown"].get(row.pk)

    def get_then(self, row: Message) -> list[str]:
        """Of a question that was put to several assistants: the handles of those who answer after the first, in order."""
        return [self.context["handles"][one] for one in row.then if one in self.context["handles"]]

    @extend_schema_field(serializers.UUIDField(allow_null=True))
    def get_next_answer(self, row: Message) -> Any:
        """Of an answer: another assistant's to the same question, which follows it."""
        return self.context["next"].get(row.pk)

    def get_content(self, row: Message) -> str:
        shown = self._shown(row)
        return shown.content if shown else row.content

    @extend_schema_field(ErrorShape(allow_null=True))
    def get_error(self, row: Message) -> Any:
        return {"code": row.error_code, "detail": row.error_detail} if row.error_code else None

    @extend_schema_field(CitationShape(many=True))
    def get_citations(self, row: Message) -> Any:
        shown = self._shown(row)
        return [source.as_json() for source in shown.cited] if shown else []

    @extend_schema_field(CitationShape(many=True))
    def get_read(self, row: Message) -> Any:
        """Passages that the answer was written from and does not cite."""
        shown = self._shown(row)
        return [source.as_json() for source in shown.sources if not source.cited] if shown else []

    @extend_schema_field(TableResultShape(many=True))
    def get_tables(self, row: Message) -> Any:
        """What tables gave: the SQL that the model wrote, and its rows. Withheld where the caller may not read one of them."""
        return self.context["results"].get(row.pk, [])

    @extend_schema_field(SearchedShape(many=True))
    def get_searched(self, row: Message) -> Any:
        """Of an answer that found nothing: the sources that were searched, as far as the caller may know of them."""
        return SearchedShape(self.context["searched"].get(row.pk, []), many=True).data


def shown_to(membership: Membership, messages: Sequence[Message]) -> dict[str, Any]:
    """What the shape of these messages needs beside their rows, in a few queries for however many."""
    shown = shown_answers(membership, messages, wanted_of(messages, above(messages)))
    told = told_of([row.pk for row in messages if row.pk in shown])
    after = Message.objects.filter(parent__in=list(shown), role=Message.Role.ASSISTANT).order_by("created")
    wanted = {one for row in messages for one in row.then}
    handles = Assistant.objects.filter(pk__in=wanted).values_list("pk", "handle") if wanted else ()
    return {
        "shown": shown,
        "searched": searched_in(membership, messages),
        "results": {key: results_of(told[key], shown[key]) for key in told},
        "next": dict(after.values_list("parent_id", "pk")),
        "handles": dict(handles),
    }


class ConversationShape(serializers.ModelSerializer[Conversation]):
    assistant: Any = serializers.SlugRelatedField(slug_field="handle", read_only=True)
    owner = PersonShape()
    shared_with = serializers.SerializerMethodField()

    class Meta:
        model = Conversation
        fields = [
            "id",
            "title",
            "assistant",
            "owner",
            "shared_with_workspace",
            "shared_with",
            "pinned",
            "archived",
            "created",
            "updated",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.IntegerField(), allow_null=True))
    def get_shared_with(self, row: Conversation) -> Any:
        """The people who read along, by id, as a change takes it; null for anybody but its owner."""
        if row.owner_id != self.context["view"].membership.user_id:
            return None
        return sorted(person.pk for person in row.shared_with.all())


class ConversationDetail(ConversationShape):
    """With the messages of the branch that is shown, first question first."""

    messages = serializers.SerializerMethodField()

    class Meta(ConversationShape.Meta):
        fields = [*ConversationShape.Meta.fields, "messages"]
        read_only_fields = fields

    @extend_schema_field(MessageShape(many=True))
    def get_messages(self, _row: Conversation) -> Any:
        return MessageShape(self.context["messages"], many=True, context=self.context).data


class FeedbackShape(serializers.ModelSerializer[Feedback]):
    class Meta:
        model = Feedback
        fields = ["id", "up", "reason", "comment", "include_conversation", "created"]
        read_only_fields = fields
