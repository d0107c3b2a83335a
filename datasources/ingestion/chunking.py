"""A document's text into passages: ``text[start:end]`` is the passage, in code points, and all of them fit the embedder.

Cuts fall, in this order of liking, between sections, between blocks, between the items of a list, the rows of a table
or the lines of code, between sentences, between lines, between words. Short sections that belong together share a passage;
passages of one section do not overlap: neighbours are joined when they are read.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from datasources.ingestion.blocks import Block, blocks

Spans = Callable[[str], list[tuple[int, int]]]

_SLACK = 2
_WINDOW = 200_000
_CHARS_PER_TOKEN = 16
_SENTENCE = re.compile(r"[.!?…][\"'”’)\]]*\s+(?=\S)|[。！？｡]+[」』”）]*\s*|[।॥؟۔]\s+")
_BLOCK, _PART, _SENTENCE_END, _LINE_END = 4, 3, 2, 1
_SEPARATOR = " › "


@dataclass(frozen=True, slots=True)
class Chunk:
    """One passage. ``title`` and ``heading`` are cut so that ``embed_text(title, heading, text[start:end])`` fits.

    ``heading_path``: the headings above it, outermost first, uncut. ``hash``: 32 hex digits over what is embedded.
    """

    number: int
    start: int
    end: int
    heading_path: tuple[str, ...]
    title: str
    heading: str
    hash: str


@dataclass(slots=True)
class _Section:
    path: tuple[str, ...]
    start: int
    end: int
    blocks: list[Block]
    has_body: bool = False


@dataclass(slots=True)
class _Piece:
    start: int
    end: int
    path: tuple[str, ...]
    tokens: int
    whole: bool
    columns: str = ""


def embed_text(title: str, heading: str, text: str) -> str:
    """What is embedded, hashed, and read by BM25: title and heading path, then the passage."""
    head = "\n".join(part for part in (title, heading) if part)
    return f"{head}\n\n{text}" if head else text


def chunk(text: str, spans: Spans, max_tokens: int, title: str = "") -> list[Chunk]:
    """The passages of ``text``, in order; together they cover all of it but white space.

    ``spans``: (start, end) of each token, as ``Embedder.token_spans`` gives them. ``max_tokens``: the most that one
    embedded text may have, title and headings included, as ``Embedder.window`` counts them; at least 32.
    """
    if max_tokens < 32:
        raise ValueError(f"Passages need room for at least 32 tokens, not {max_tokens}")
    return _Chunker(text, spans, max_tokens, title).run()


class _Chunker:
    def __init__(self, text: str, spans: Spans, max_tokens: int, title: str) -> None:
        self.text = text
        self.spans = spans
        self.max_tokens = max_tokens
        self.starts = _token_starts(text, spans)
        self.title = self._fit(" ".join(title.split()), max_tokens // 6)
        self._headings: dict[tuple[tuple[str, ...], str], tuple[str, int]] = {}

    def run(self) -> list[Chunk]:
        pieces = [piece for section in self._sections() for piece in self._pieces(section)]
        chunks: list[Chunk] = []
        for piece in self._merged(pieces):
            heading, _ = self._heading(piece.path, piece.columns)
            body = self.text[piece.start : piece.end]
            embedded = embed_text(self.title, heading, body).encode("utf-8", "replace")
            digest = hashlib.blake2b(embedded, digest_size=16).hexdigest()
            chunks.append(Chunk(len(chunks), piece.start, piece.end, piece.path, self.title, heading, digest))
        return chunks

    def _sections(self) -> list[_Section]:
        """The text cut before each heading; a heading with nothing below it joins what follows."""
        path: list[tuple[int, str]] = []
        sections = [_Section((), 0, 0, [])]
        for block in blocks(self.text):
            current = sections[-1]
            if block.kind == "heading":
                while path and path[-1][0] >= block.level:
                    path.pop()
                path.append((block.level, block.title))
                titles = tuple(name for _, name in path if name)
                deeper = titles[: len(current.path)] == current.path
                if current.has_body or not deeper:
                    sections.append(_Section(titles, block.start, block.end, [block]))
                    continue
                current.path = titles
            elif self.text[block.start : block.end].strip():
                current.has_body = True
            current.blocks.append(block)
            current.end = block.end
        return sections

    def _pieces(self, section: _Section) -> Iterator[_Piece]:
        start, end = _trim(self.text, section.start, section.end)
        if start >= end:
            return
        budget = self._room(section.path, "")
        tokens = self._count(start, end)
        if tokens <= budget and end - start <= budget * _CHARS_PER_TOKEN:
            yield _Piece(start, end, section.path, tokens, whole=True)
            return
        tables = [b for b in section.blocks if b.kind == "table" and len(b.parts) > 2]
        columns = [self._columns(table) for table in tables]
        begins = [table.start for table in tables]
        budget = min([budget, *(self._room(section.path, names) for names in set(columns))])
        for left, right in self._split(section, start, end, budget):
            at = bisect_left(begins, left) - 1
            inside = columns[at] if at >= 0 and left < tables[at].end else ""
            yield _Piece(left, right, section.path, self._count(left, right), whole=False, columns=inside)

    def _split(self, section: _Section, start: int, end: int, budget: int) -> Iterator[tuple[int, int]]:
        positions, strengths = self._cuts(section, start, end)
        while start < end:
            left = self._count(start, end)
            if left <= budget and end - start <= budget * _CHARS_PER_TOKEN:
                yield start, end
                return
            cut = self._best_cut(positions, strengths, start, end, budget, left)
            piece = _trim(self.text, start, cut)
            if piece[0] < piece[1]:
                yield piece
            start = _trim(self.text, cut, end)[0]

    def _cuts(self, section: _Section, start: int, end: int) -> tuple[list[int], list[int]]:
        """Where a cut may fall, and how good it is there."""
        found: dict[int, int] = {}
        for block in section.blocks:
            for sentence in _SENTENCE.finditer(self.text, block.start, block.end):
                found[sentence.end()] = _SENTENCE_END
            strength = _LINE_END if block.kind == "text" else _PART
            for part in block.parts:
                found[part] = max(strength, found.get(part, 0))
            if block.kind == "table" and len(block.parts) > 2:
                found.pop(block.parts[1], None)
                found.pop(block.parts[2], None)
            found[block.start] = _BLOCK
        for before, after in pairwise(section.blocks):
            if before.kind == "heading":
                found.pop(after.start, None)
        kept = sorted(at for at in found if start < at < end)
        return kept, [found[at] for at in kept]

    def _best_cut(
        self, positions: list[int], strengths: list[int], start: int, end: int, budget: int, left: int
    ) -> int:
        """The best place to end a passage that begins at ``start`` and may have ``budget`` tokens."""
        index = bisect_left(self.starts, start)
        limit = self.starts[index + budget] if index + budget < len(self.starts) else end
        limit = min(limit, end, start + budget * _CHARS_PER_TOKEN)
        target = left / -(-left // budget)
        low, high = bisect_right(positions, start), bisect_right(positions, limit)
        best, best_score = 0, (-1.0, 0.0)
        for at in range(low, high):
            size = self._count(start, positions[at])
            if size < budget * 0.3:
                continue
            score = (strengths[at] if size >= target * 0.6 else strengths[at] - 1.5, -abs(size - target))
            if score > best_score:
                best, best_score = positions[at], score
        return best or self._between_words(start, limit, budget)

    def _between_words(self, start: int, limit: int, budget: int) -> int:
        """No good place: before the last word that fits, or inside a word too long for any passage."""
        floor = start + (limit - start) // 2
        for at in range(min(limit, len(self.text) - 1), floor, -1):
            if self.text[at].isspace():
                return at
        cut = max(limit, start + 1)
        while cut - start > 1 and len(self.spans(self.text[start:cut])) > budget:
            cut = start + max(1, (cut - start) * 3 // 4)
        return _whole_character(self.text, start, cut)

    def _merged(self, pieces: Sequence[_Piece]) -> list[_Piece]:
        """Neighbouring short sections share a passage where one is above the other, or both lie in one."""
        out: list[_Piece] = []
        for piece in pieces:
            if out and (joined := self._join(out[-1], piece)):
                out[-1] = joined
            else:
                out.append(piece)
        return out

    def _join(self, one: _Piece, two: _Piece) -> _Piece | None:
        if not (one.whole and two.whole):
            return None
        common = _common(one.path, two.path)
        if len(common) < min(len(one.path), len(two.path)) - 1 or (not common and len(two.path) < len(one.path)):
            return None
        small = self.max_tokens // 4
        if one.tokens >= small and two.tokens >= small:
            return None
        tokens = self._count(one.start, two.end)
        if tokens > self._room(common, "") or two.end - one.start > self.max_tokens * _CHARS_PER_TOKEN // 2:
            return None
        return _Piece(one.start, two.end, common, tokens, whole=True)

    def _room(self, path: tuple[str, ...], columns: str) -> int:
        """Tokens left for the passage itself below these headings."""
        return self.max_tokens - _SLACK - self._heading(path, columns)[1]

    def _heading(self, path: tuple[str, ...], columns: str) -> tuple[str, int]:
        """(heading path as one line, cut to fit; tokens of all that goes before the passage)."""
        known = self._headings.get((path, columns))
        if known is None:
            names = path[1:] if path and path[0].casefold() == self.title.casefold() else path
            heading = self._fit_path(names, self.max_tokens // 6)
            if columns:
                heading = _SEPARATOR.join(part for part in (heading, self._fit(columns, self.max_tokens // 6)) if part)
            before = embed_text(self.title, heading, "")
            known = self._headings[(path, columns)] = (heading, len(self.spans(before)) if before else 0)
        return known

    def _fit_path(self, names: Sequence[str], most: int) -> str:
        """Outer headings go first where the path is too long."""
        for first in range(len(names)):
            line = _SEPARATOR.join(names[first:])
            if len(line) <= most * _CHARS_PER_TOKEN and len(self.spans(line)) <= most:
                return line
        return self._fit(names[-1], most) if names else ""

    def _fit(self, line: str, most: int) -> str:
        line = line[: most * _CHARS_PER_TOKEN]
        while line and len(tokens := self.spans(line)) > most:
            line = line[: min(tokens[most - 1][1], len(line) - 1)].rstrip()
        return line

    def _columns(self, table: Block) -> str:
        """The names of a table's columns, for the passages that hold its later rows."""
        first = self.text[table.parts[0] : table.parts[1]]
        return ", ".join(cell.strip() for cell in first.strip().strip("|").split("|") if cell.strip())

    def _count(self, start: int, end: int) -> int:
        return bisect_left(self.starts, end) - bisect_left(self.starts, start)


def _token_starts(text: str, spans: Spans) -> array[int]:
    """Where each token begins. Long texts go through the tokenizer in windows that end with a line or a word."""
    starts = array("Q")
    at = 0
    while at < len(text):
        end = min(len(text), at + _WINDOW)
        if end < len(text):
            breaks = (text.rfind(mark, at + _WINDOW // 2, end) for mark in ("\n", " "))
            end = next((found + 1 for found in breaks if found > 0), end)
        starts.extend(at + start for start, stop in spans(text[at:end]) if stop > start)
        at = end
    return starts


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _whole_character(text: str, start: int, cut: int) -> int:
    """Back to where no accent, vowel sign or joined emoji is torn from what it sits on."""
    at = cut
    while at > start + 1 and at < len(text) and (_sits_on(text[at]) or text[at - 1] == "\u200d"):
        at -= 1
    return at if at > start + 1 else cut


def _sits_on(character: str) -> bool:
    return (
        character in "\u200d\ufe0e\ufe0f"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or unicodedata.category(character)[0] == "M"
    )


def _common(one: tuple[str, ...], two: tuple[str, ...]) -> tuple[str, ...]:
    same = 0
    for a, b in zip(one, two, strict=False):
        if a != b:
            break
        same += 1
    return one[:same]
