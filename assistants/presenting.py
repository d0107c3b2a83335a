"""What one reader may see of an answer, today: its references resolved, and text that rests on withheld sources left out.

Stored answers name passages and never hold their titles. Whatever leaves for a person (a page, an event, an export, the
prompt of a follow-up) goes through here. Where a reader may not read what a paragraph cites, the paragraph is withheld: an
answer that quotes a source would hand it on otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.http import urlencode

from assistants.answering.citations import MarkerParser
from assistants.claims import Asked
from assistants.models import Citation, Message
from datasources.access import AGREED, readable_branches, within
from datasources.models import Node
from datasources.reading import PassageRef, ReadablePassage, texts_at
from datasources.retrieval.types import Branch
from portal.models import Membership

SNIPPET = 420
"""Code points of a passage that are shown beside an answer; the document has the rest."""
LONGEST_PASSAGE = 4000
"""Code points of one that are looked at for the sentence that a claim rests on."""
WITHHELD = "*(Withheld: this rests on sources that you may not read.)*"
MOST_CITATIONS = 999

_FENCE = re.compile(r"[ \t>]*(```+|~~~+)")


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that an answer read, as one reader sees it.

    ``withheld``: they may not see it, and nothing of it is here. ``gone``: the document was deleted. ``stale``: it was
    deleted, or has changed since. ``asked``: its table was asked, so that all of the answer rests on it. ``why``: why it was
    found, in words. ``text``: the whole passage, which leaves for nobody as such. ``folder``: the node above it, none where it
    stands at the top of its source; ``folder_name`` is the source's then.
    """

    n: int
    cited: bool = False
    asked: bool = False
    withheld: bool = False
    gone: bool = False
    stale: bool = False
    node: UUID | None = None
    source: UUID | None = None
    source_name: str = ""
    title: str = ""
    path: str = ""
    url: str = ""
    kind: str = ""
    modified: datetime | None = None
    start: int = 0
    end: int = 0
    content_hash: str = ""
    snippet: str = ""
    href: str = ""
    why: str = ""
    text: str = ""
    folder: UUID | None = None
    folder_name: str = ""

    def as_json(self) -> dict[str, Any]:
        """As events and the API carry it."""
        if self.withheld:
            return {"n": self.n, "withheld": True}
        shown = {
            "n": self.n,
            "withheld": False,
            "stale": self.stale,
            "gone": self.gone,
            "start": self.start,
            "end": self.end,
            "hash": self.content_hash,
            "snippet": self.snippet,
            "why": self.why,
            "href": self.href,
            "document": None,
        }
        if not self.gone:
            shown["document"] = {
                "id": str(self.node),
                "title": self.title,
                "path": self.path,
                "url": self.url,
                "kind": self.kind,
                "data_source": {"id": str(self.source), "name": self.source_name},
                "modified": self.modified.isoformat() if self.modified else None,
            }
        return shown


def document_link(slug: str, node: UUID | str, start: int, end: int, content_hash: str) -> str:
    """Where a document opens at a passage."""
    query = urlencode([("start", start), ("end", end), ("hash", content_hash)])
    return f"{reverse('document', args=[slug, node])}?{query}"


def live_source(n: int, passage: ReadablePassage, slug: str, wanted: Asked, *, asked: bool = False) -> Source:
    """A passage whose access was checked this moment. ``asked``: its table was asked."""
    return Source(
        n=n,
        asked=asked,
        node=passage.node,
        source=passage.source,
        source_name=passage.source_name,
        title=passage.title,
        path=passage.path,
        url=passage.url,
        kind=passage.kind,
        modified=passage.modified,
        start=passage.start,
        end=passage.end,
        content_hash=passage.content_hash,
        snippet=_snippet(passage.text, len(passage.text)),
        href=document_link(slug, passage.node, passage.start, passage.end, passage.content_hash),
        why=_why(wanted, passage.title, passage.text, asked=asked),
        text=passage.text,
    )


def sources_of(
    membership: Membership,
    citations: Iterable[Citation],
    *,
    asked: bool = False,
    wanted: Mapping[UUID | None, Asked] | None = None,
) -> list[Source]:
    """These references as this person sees them now. Three queries, however many.

    ``asked``: the answer is this person's own. What they were told of a document stays theirs when it is deleted, as long
    as they may read in its source at all. ``wanted``: what was looked for, by answer; without it nothing says why.
    """
    rows = list(citations)
    if not rows:
        return []
    branches = readable_branches(membership)
    nodes = {
        node.pk: node
        for node in Node.objects.filter(workspace=membership.workspace_id, pk__in={c.node for c in rows})
        .exclude(gone=AGREED)
        .filter(within(branches))
        .select_related("source", "document")
        .defer("source__cursor", "document__text")
    }
    others = Node.objects.filter(pk__in={c.node for c in rows} - nodes.keys()).exclude(gone=AGREED)
    there = set(others.values_list("pk", flat=True))
    refs = [PassageRef(c.node, c.start, c.end) for c in rows if c.node in nodes]
    texts = texts_at(refs, SNIPPET if wanted is None else LONGEST_PASSAGE)
    slug = membership.workspace.slug
    return [
        _source(c, nodes[c.node], texts, slug, (wanted or {}).get(c.message_id))
        if c.node in nodes
        else _missing(c, deleted=c.node not in there, branches=branches, asked=asked)
        for c in rows
    ]


def _source(citation: Citation, node: Node, texts: Mapping[PassageRef, str], slug: str, wanted: Asked | None) -> Source:
    document = getattr(node, "document", None)
    stale = document is None or document.content_hash != citation.content_hash
    # Offsets into a text that has changed would show some other sentence.
    text = "" if stale else texts.get(PassageRef(citation.node, citation.start, citation.end), "")
    title = document.shown_title if document else node.title
    return Source(
        n=citation.n,
        cited=citation.cited,
        asked=citation.asked,
        stale=stale,
        node=node.pk,
        source=node.source_id,
        source_name=node.source.name,
        title=title,
        path=node.path,
        url=node.url,
        kind=node.kind,
        modified=node.modified,
        start=citation.start,
        end=citation.end,
        content_hash=citation.content_hash,
        snippet=_snippet(text, citation.end - citation.start),
        href=document_link(slug, node.pk, citation.start, citation.end, citation.content_hash),
        why=_why(wanted, title, text, asked=citation.asked) if wanted and text else "",
        text=text,
        folder=node.parent_id,
        folder_name=_above(node),
    )


def _above(node: Node) -> str:
    """The name of what the document stands in; a title may hold a slash itself."""
    return node.path.removesuffix(node.title).rstrip(" /").rpartition(" / ")[2] or node.source.name


def _why(wanted: Asked, title: str, text: str, *, asked: bool) -> str:
    return "Its table was asked" if asked else wanted.why(title, text)


def _missing(citation: Citation, *, deleted: bool, branches: Sequence[Branch], asked: bool) -> Source:
    branch = next((b for b in branches if b.source == citation.source), None)
    if deleted and branch is not None and (asked or (branch.parents_in is None and branch.readers is None)):
        return Source(n=citation.n, cited=citation.cited, asked=citation.asked, gone=True, stale=True)
    return Source(n=citation.n, cited=citation.cited, asked=citation.asked, withheld=True)


def _snippet(text: str, whole: int) -> str:
    return text.strip() if whole <= SNIPPET else text[:SNIPPET].strip() + (" …" if text else "")


def readable_nodes(sources: Iterable[Source]) -> set[str]:
    return {str(source.node) for source in sources if source.node is not None and not source.withheld}


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer as one reader sees it."""

    content: str
    sources: list[Source]

    @property
    def nodes(self) -> set[str]:
        """Ids of documents among them that the reader may read, and that are there."""
        return readable_nodes(self.sources)

    @property
    def cited(self) -> list[Source]:
        return [source for source in self.sources if source.cited]


def shown_answers(
    membership: Membership, messages: Iterable[Message], wanted: Mapping[UUID | None, Asked] | None = None
) -> dict[UUID, Shown]:
    """Many answers as this person sees them. The number of queries does not depend on how many there are.

    ``wanted``: what was looked for, by answer; without it nothing says why a passage was found.
    """
    answers = [m for m in messages if m.role == Message.Role.ASSISTANT]
    if not answers:
        return {}
    mine = {m.pk for m in answers if m.author_id == membership.user_id}
    rows: dict[bool, list[Citation]] = {True: [], False: []}
    for row in Citation.objects.filter(message__in=answers).order_by("message", "n"):
        rows[row.message_id in mine].append(row)
    sources: dict[UUID, list[Source]] = {m.pk: [] for m in answers}
    for asked, group in rows.items():
        for row, source in zip(group, sources_of(membership, group, asked=asked, wanted=wanted), strict=True):
            sources[row.message_id].append(source)
    return {m.pk: Shown(withhold(m.content, sources[m.pk]), sources[m.pk]) for m in answers}


def withhold(content: str, sources: Iterable[Source]) -> str:
    """The answer without the paragraphs that rest on what this reader may not read.

    A paragraph without a marker goes with the next that has one (it introduces it), else with the one before. What was
    computed from tables goes as a whole.
    """
    known = list(sources)
    hidden = {source.n for source in known if source.withheld}
    if not hidden or not content:
        return content
    if any(source.withheld and source.asked for source in known):
        return WITHHELD
    blocks = _blocks(content)
    marks = [_markers(block) for block in blocks]
    if not any(marks) or all(m <= hidden for m in marks if m):
        return WITHHELD
    out: list[str] = []
    for at in range(len(blocks)):
        if not _rests_on(marks, at) & hidden:
            out.append(blocks[at])
        elif not out or out[-1] != WITHHELD:
            out.append(WITHHELD)
    return "\n\n".join(out)


def _rests_on(marks: Sequence[Collection[int]], at: int) -> set[int]:
    later = next((m for m in marks[at:] if m), None)
    return set(later if later is not None else next(m for m in reversed(marks[:at]) if m))


def _markers(block: str) -> set[int]:
    parser = MarkerParser(MOST_CITATIONS)
    parser.feed(block)
    parser.close()
    return set(parser.cited)


def _blocks(content: str) -> list[str]:
    """Paragraphs, lists and quotes, parted by blank lines; a fence is one, whatever stands in it."""
    blocks: list[list[str]] = [[]]
    fence = ""
    for line in content.splitlines():
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and fence and mark[1].startswith(fence):
            fence = ""
        if line.strip() or fence:
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return ["\n".join(block) for block in blocks if block]
