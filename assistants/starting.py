"""What a new assistant may start from: another assistant, or a conversation. Each gives a draft to look at; nothing is saved.

Only what the person may see comes along, and the draft says what did not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from assistants.drafts import FIELDS, MOST_STARTERS, free_handle
from assistants.models import Assistant, AssistantVersion, Citation, Conversation, Message
from assistants.reads import readable_part, sees_instructions
from assistants.thread import Skeleton
from datasources.models import Node
from portal.models import Membership

MOST_FOLDERS = 12
LONGEST_STARTER = 200
_MOST_QUESTIONS = 12


@dataclass(frozen=True, slots=True)
class Draft:
    """A form to be filled: ``fields`` as ``save_version`` takes them, and ``notes``: what did not come along, a sentence each."""

    fields: dict[str, Any]
    handle: str
    stage: str = Assistant.Stage.BETA.value
    shows_instructions: bool = False
    notes: tuple[str, ...] = field(default=())


def seen_fields(
    membership: Membership, assistant: Assistant, version: AssistantVersion
) -> tuple[dict[str, Any], list[str]]:
    """What this person may take of a version for an assistant of their own, and a sentence for each thing that stays."""
    fields = {name: getattr(version, name) for name in FIELDS}
    notes = []
    if not sees_instructions(membership, assistant):
        fields["instructions"] = ""
        if version.instructions:
            notes.append("Its instructions are its owners’ alone: write your own.")
    fields["knowledge"], hidden = readable_part(membership, version.knowledge)
    if hidden:
        notes.append(
            f"{hidden} part{'' if hidden == 1 else 's'} of its knowledge that you may not read "
            f"{'is' if hidden == 1 else 'are'} left out."
        )
    return fields, notes


def copy_of(membership: Membership, assistant: Assistant) -> Draft:
    """A copy of what this person runs of it."""
    version = assistant.runs_for(membership)
    assert version is not None
    fields, notes = seen_fields(membership, assistant, version)
    fields["name"] = f"{version.name} (copy)" if len(version.name) <= 73 else version.name
    handle = free_handle(assistant.workspace, assistant.handle)
    return Draft(fields, handle, assistant.stage, notes=tuple(notes))


def from_conversation(membership: Membership, conversation: Conversation) -> Draft:
    """An assistant for questions like those of the branch that is shown, reading the folders that its answers cited."""
    branch = Skeleton(conversation).branch(conversation.head_id)
    rows = Message.objects.filter(pk__in=branch).order_by("created").values_list("pk", "role", "content")
    questions = [" ".join(content.split()) for _pk, role, content in rows if role == Message.Role.USER]
    questions = list(dict.fromkeys(q for q in questions if q))
    knowledge = _cited_folders(membership, [pk for pk, role, _content in rows if role == Message.Role.ASSISTANT])
    name = conversation.title[:80] or (questions[0][:80] if questions else "New assistant")
    fields: dict[str, Any] = {
        "name": name,
        "description": f"Answers questions such as: {questions[0]}"[:300] if questions else "",
        "instructions": _instructions(questions),
        "starters": [q for q in questions if len(q) <= LONGEST_STARTER][:MOST_STARTERS],
        "knowledge": knowledge,
    }
    notes = ["Its instructions and starter questions are made of what was asked. Make them yours."]
    if knowledge:
        notes.append("Its knowledge is the folders that the answers cited. Untick what the task does not need.")
    else:
        notes.append("No answer cited a document that you may read: choose its knowledge.")
    return Draft(fields, free_handle(conversation.workspace, name), Assistant.Stage.ALPHA.value, notes=tuple(notes))


def _instructions(questions: Iterable[str]) -> str:
    # A question may hold what looks like a variable; it is only quoted here.
    listed = "\n".join(f"- {q[:300]}".replace("{{", "\\{{") for q in list(questions)[:_MOST_QUESTIONS])
    return (
        "You answer questions such as these:\n\n"
        f"{listed}\n\n"
        "Begin with the answer, then say where it stands. Keep to what the sources say; where they do not hold the answer, "
        "say so and name the nearest document."
    )


def _cited_folders(membership: Membership, answers: list[UUID]) -> list[dict[str, Any]]:
    """What lies directly above the documents that these answers cited, most cited first, as far as the person may read."""
    cited = Citation.objects.filter(message__in=answers, cited=True).values_list("node", flat=True)
    rows = Node.objects.readable_by(membership).filter(pk__in=list(cited)).values_list("pk", "parent_id", "source_id")
    readable = {pk: (parent or pk, source) for pk, parent, source in rows}
    browsable = set(
        Node.objects.browsable_by(membership)
        .filter(pk__in=[folder for folder, _source in readable.values()])
        .values_list("pk", flat=True)
    )
    counts: dict[tuple[UUID, UUID], int] = {}
    for node in cited:
        if node in readable:
            folder, source = readable[node]
            place = (source, folder if folder in browsable else node)
            counts[place] = counts.get(place, 0) + 1
    chosen: dict[UUID, list[str]] = {}
    for source, folder in sorted(counts, key=lambda place: -counts[place])[:MOST_FOLDERS]:
        chosen.setdefault(source, []).append(str(folder))
    return [
        {"data_source": str(source), "parents_in": folders, "parents_not_in": []} for source, folders in chosen.items()
    ]
