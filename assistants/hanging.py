"""What the pages of this app hang up in the shell: the rail's conversations, the home page's composer, the palette's finds."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from assistants.filing import conversations_of
from assistants.models import Assistant, Conversation
from assistants.naming import id_of, names_of
from assistants.reading_sources import panel, table_panel, used_by
from assistants.views.at_hand import rail_context as at_hand_context
from assistants.views.conversations import home_context
from assistants.views.filing import rail_context
from datasources.uses import uses
from portal.models import Membership, Workspace
from portal.registry import Assistants, Deed, MenuItem, PaletteSource, Panel, RailSection, Step, registries
from portal.spending import standing


def _made_an_assistant(workspace: Workspace) -> bool:
    return Assistant.objects.filter(workspace=workspace).exists()


def _asked(workspace: Workspace) -> bool:
    return Conversation.objects.filter(workspace=workspace).exists()


def _budgets(request: HttpRequest, assistant: Assistant) -> dict[str, Any] | None:
    """What it may spend, for its owners and admins. One query where it has no budget."""
    membership: Membership = request.membership  # type: ignore[attr-defined]
    if not (membership.is_admin or membership.user in assistant.owners.all()):
        return None
    found = standing.of_assistant(assistant.workspace_id, assistant.pk)
    return {"standings": found} if found else None


registries.mine.add("prompts", MenuItem("Prompts", "prompts", "bookmark", "prompt.manage"))
registries.mine.add("assistants", MenuItem("Assistants", "owned", "squares-2x2", "assistant.edit", weight=5))
registries.rail.add("assistants", RailSection("assistants/_rail_assistants.html", at_hand_context, weight=5))
registries.assistants = Assistants(names_of, id_of)
registries.rail.add("conversations", RailSection("assistants/_rail.html", rail_context, weight=10))
registries.panel("home").add("composer", Panel("assistants/_home.html", home_context, weight=0))
registries.panel("assistant").add("budgets", Panel("assistants/_budgets.html", _budgets, weight=40))
registries.panel("source").add("assistants", Panel("assistants/_used_by.html", panel, weight=0))
registries.panel("table").add("assistants", Panel("assistants/_asks_table.html", table_panel, weight=0))
uses.add("assistants", used_by)
registries.steps.add(
    "assistant",
    Step(
        label="Make an assistant",
        words="One task, and the few folders that the task needs.",
        button="Make one",
        route="assistant_start",
        action="assistant.edit",
        done=_made_an_assistant,
        weight=20,
    ),
)
registries.steps.add(
    "ask",
    Step(
        label="Ask a question",
        words="The answer cites its sources; a click opens the document at the passage.",
        button="Ask",
        route="home",
        action="conversation.ask",
        done=_asked,
        weight=30,
    ),
)


def _find_conversations(request: HttpRequest, text: str) -> list[tuple[str, str, str]]:
    membership: Membership = request.membership  # type: ignore[attr-defined]
    return [
        (str(row), reverse("conversation", args=[membership.workspace.slug, row.pk]), "")
        for row in conversations_of(membership, text)[:8]
    ]


registries.palette.add("conversations", PaletteSource("Conversations", _find_conversations, weight=10))
registries.deeds.add(
    "assistant", Deed("New assistant", "assistant_start", "assistant.edit", "make build create", weight=10)
)
registries.deeds.add("prompt", Deed("Save a prompt", "prompts", "prompt.manage", "my prompts new", "/", weight=60))
