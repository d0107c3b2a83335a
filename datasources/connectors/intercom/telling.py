"""What Intercom's objects become: teams and collections the branches, conversations and articles the documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from datasources.connectors.base import Content, RemoteNode
from datasources.connectors.bodies import markdown, words
from datasources.connectors.wording import inline

NO_TEAM, NO_COLLECTION = "team:none", "collection:none"
DRAFT = "A draft: it comes in once it is published"
_PUBLIC_PARTS = {"comment", "open", "close", "quick_reply"}
_SENDERS = {"admin": "teammate", "bot": "bot", "user": "customer", "lead": "customer", "contact": "customer"}


@dataclass(frozen=True, slots=True)
class Shelves:
    """Collections of the help center: node, and the ids from it up."""

    nodes: Mapping[str, RemoteNode] = field(default_factory=dict)

    @classmethod
    def of(cls, collections: Iterator[Any]) -> Shelves:
        found = {str(item.id): item for item in collections}
        ordered: dict[str, RemoteNode] = {}
        while found:
            ready = [key for key, item in found.items() if str(item.parent_id or "") not in found]
            for key in ready or list(found):
                item = found.pop(key)
                above = f"collection:{item.parent_id}" if item.parent_id else None
                node = RemoteNode(
                    f"collection:{key}",
                    "collection",
                    item.name or f"Collection {key}",
                    above if above in ordered else None,
                    has_text=False,
                    has_children=True,
                    url=item.url or "",
                    ordinal=f"2 {int(item.order or 0):05}",
                )
                ordered[node.external_id] = node
        ordered[NO_COLLECTION] = RemoteNode(
            NO_COLLECTION,
            "collection",
            "Articles without a collection",
            has_text=False,
            has_children=True,
            ordinal="3",
        )
        return cls(ordered)

    def chain(self, key: str) -> tuple[str, ...]:
        found: list[str] = []
        at: str | None = key
        while at is not None:
            found.append(at)
            at = self.nodes[at].parent
        return tuple(found)

    def of_article(self, article: Any) -> str:
        key = f"collection:{article.parent_id}"
        return key if article.parent_id and key in self.nodes else NO_COLLECTION


def team_nodes(teams: Sequence[Any]) -> dict[str, RemoteNode]:
    nodes = [
        RemoteNode(
            f"team:{team.id}",
            "channel",
            team.name or f"Team {team.id}",
            has_text=False,
            has_children=True,
            ordinal=f"0 {team.name}",
        )
        for team in teams
    ]
    none = RemoteNode(
        NO_TEAM, "channel", "Conversations without a team", has_text=False, has_children=True, ordinal="1"
    )
    return {node.external_id: node for node in [*nodes, none]}


def conversation_node(item: Any, teams: Mapping[str, RemoteNode], url: str, *, notes: bool) -> RemoteNode:
    team = f"team:{item.team_assignee_id}"
    source = item.source
    author = getattr(source, "author", None)
    title = words(item.title or "") or words(getattr(source, "subject", None) or "")
    title = title or words(getattr(source, "body", None) or "") or f"Conversation {item.id}"
    tags = [tag.name for tag in (item.tags.tags if item.tags else None) or () if tag.name]
    tags += [str(item.state)] if item.state else []
    tags += ["priority"] if item.priority == "priority" else []
    return RemoteNode(
        f"conversation:{item.id}",
        "conversation",
        title,
        team if team in teams else NO_TEAM,
        f"{item.updated_at}{'+notes' if notes else ''}",
        url=url,
        author=_name(author),
        created=_moment(item.created_at),
        modified=_moment(item.updated_at),
        tags=tuple(tags),
    )


def conversation_text(item: Any, *, notes: bool) -> Content:
    """All parts in order, each under who wrote it and when."""
    source = item.source
    pieces = [_piece(source, item.created_at)] if source is not None else []
    parts = item.conversation_parts
    for part in (parts.conversation_parts if parts else None) or ():
        public = part.part_type in _PUBLIC_PARTS
        if public or notes:
            pieces.append(_piece(part, part.created_at, note=not public))
    told = len((parts.conversation_parts if parts else None) or ())
    total = int((parts.total_count if parts else 0) or 0)
    if total > told:
        pieces.append(f"Intercom gives {told} of the {total} parts of this conversation; the others are not here.")
    return Content(markdown="\n\n".join(piece for piece in pieces if piece) + "\n")


def _piece(part: Any, created: int | None, *, note: bool = False) -> str:
    body = markdown(part.body or "")
    subject = markdown(getattr(part, "subject", None) or "")
    files = ", ".join(inline(item.name) for item in part.attachments or () if item.name)
    pieces = [subject and f"**{inline(subject)}**", body, files and f"Attached: {files}"]
    if not any(pieces):
        return ""
    when = _moment(created)
    at = f", {when:%Y-%m-%d %H:%M} UTC" if when else ""
    kind = _SENDERS.get(str(getattr(part.author, "type", "")), "")
    about = ", ".join(word for word in (kind, "internal note" if note else "") if word)
    head = f"**{inline(_name(part.author) or 'Somebody')}**{f' ({about})' if about else ''}{at}:"
    return "\n\n".join([head, *(piece for piece in pieces if piece)])


def article_node(item: Any, shelf: str, authors: Mapping[str, str], url: str) -> RemoteNode:
    return RemoteNode(
        f"article:{item.id}",
        "article",
        words(item.title or "", 300) or f"Article {item.id}",
        shelf,
        str(item.updated_at),
        url=item.url or url,
        author=authors.get(str(item.author_id), ""),
        created=_moment(item.created_at),
        modified=_moment(item.updated_at),
        tags=("article",),
    )


def article_text(item: Any) -> Content:
    """HTML, for the extractor."""
    lead = f"<p>{item.description}</p>" if item.description else ""
    return Content(data=f"{lead}{item.body or ''}".encode(), filename="article.html", mime="text/html")


def _name(author: Any) -> str:
    return str(getattr(author, "name", None) or getattr(author, "email", None) or "")


def _moment(seconds: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(seconds), UTC) if seconds else None
    except (ValueError, OverflowError, OSError):
        return None
