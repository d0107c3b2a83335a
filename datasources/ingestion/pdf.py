"""Pages of a PDF to Markdown: lines joined into paragraphs, hyphens at line ends closed, running heads dropped.

The library gives each page's text in reading order, and a Markdown version of the whole whose layout guesses are
good for headings but lose or move text now and then. So the text comes from the pages, and only the headings, where
a line of the page says the same, from the Markdown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

_SOFT_HYPHEN = re.compile(r"(\w*)[\x02\u00ad\ufffe](\n?)(\w*)")
_HYPHEN_AT_END = re.compile(r"(\w+)-\n([a-zà-öø-ÿа-я]\w*)")
_WORD = re.compile(r"\w[\w'’-]*")
_BULLET = re.compile(r"\s*(?:[•◦▪●○■–‣·∙*-]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+")
_GLYPH_BULLET = re.compile(r"^\s*[•◦▪●○■‣∙]\s*")
_MD_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*$", re.MULTILINE)
_NUMBERED = re.compile(r"(\d{1,2}(?:(?:\.\d{1,2}){1,3}|\.)?)\s+[^\W\d_a-z][^.!?:;$]{2,80}")
_RULE = re.compile(r"\W{6,}")
_NO_HEADING = re.compile(r"[,;.\-]$|:\s|\$|\d{4,}|^\W+$")
_DIGITS = re.compile(r"\d+")
_ENDS = (".", "!", "?", ":", ";", "。", "！", "？", "”", '"')


def to_markdown(pages: Sequence[str], hints: str = "") -> tuple[str, list[int]]:
    """(Markdown, code point at which each page begins). ``hints``: a Markdown version to take headings from."""
    texts = [_close_hyphens(page.replace("\r\n", "\n").replace("\r", "\n")) for page in pages]
    lines = [[line.strip() for line in text.split("\n")] for text in texts]
    furniture = _running_lines(lines)
    headings = _headings(hints) | _numbered(lines)
    out: list[str] = []
    starts: list[int] = []
    length = 0
    seen: set[str] = set()
    for page in lines:
        kept = [line for line in page if not _is_repeat(line, furniture, seen)]
        body = "\n\n".join(_paragraphs(kept, headings))
        starts.append(length)
        if body:
            out.append(body)
            length += len(body) + 2
    return "\n\n".join(out) + ("\n" if out else ""), starts


def _close_hyphens(text: str) -> str:
    """A hyphen that only breaks a line goes; one that the document writes elsewhere stays."""
    if "\x02" not in text and "-\n" not in text and "\u00ad" not in text and "\ufffe" not in text:
        return text
    words = Counter(word.lower() for word in _WORD.findall(text))

    def close(left: str, right: str) -> str:
        hyphened = f"{left}-{right}"
        return hyphened if words[hyphened.lower()] and not words[(left + right).lower()] else left + right

    text = _SOFT_HYPHEN.sub(lambda m: close(m[1], m[3]) if m[1] and m[3] else m[1] + m[2] + m[3], text)
    return _HYPHEN_AT_END.sub(lambda m: close(m[1], m[2]), text)


def _shape(line: str) -> str:
    """Short lines that differ in their numbers alone count as the same: ``Page 3 of 12``."""
    return (_DIGITS.sub("0", line) if line.count(" ") < 4 else line).casefold()


def _running_lines(pages: Sequence[Sequence[str]]) -> set[str]:
    """Shapes of lines that open or close at least three pages and half of all: heads, feet, page numbers."""
    if len(pages) < 3:
        return set()
    counts: Counter[str] = Counter()
    for page in pages:
        filled = [line for line in page if line]
        counts.update({_shape(line) for line in filled[:2] + filled[-2:]})
    return {shape for shape, n in counts.items() if n >= max(3, len(pages) / 2)}


def _is_repeat(line: str, furniture: set[str], seen: set[str]) -> bool:
    """Running lines stay where they stand first."""
    shape = _shape(line)
    if not line or shape not in furniture:
        return False
    if shape in seen or shape.strip("-–— /|") in ("0", "page 0", "page 0 of 0", "0 of 0"):
        return True
    seen.add(shape)
    return False


def _headings(markdown: str) -> dict[str, int]:
    """Heading text, folded, to its level, for those that look like headings and not like a torn sentence."""
    found: dict[str, int] = {}
    for mark, text in _MD_HEADING.findall(markdown):
        text = text.replace("\\", "").strip("*_ ")
        if 2 <= len(text) <= 120 and not text[0].islower() and not _NO_HEADING.search(text):
            found.setdefault(_fold(text), min(len(mark) + 1, 6))
    return found


def _numbered(pages: Sequence[Sequence[str]]) -> dict[str, int]:
    """Lines like ``2.1 Methods``, where the document counts its sections from 1."""
    found: dict[str, int] = {}
    tops = set()
    for page in pages:
        for line in page:
            if len(line) <= 90 and (number := _NUMBERED.fullmatch(line)):
                found.setdefault(_fold(line), min(2 + number[1].rstrip(".").count("."), 6))
                tops.add(number[1].split(".")[0])
    return found if {"1", "2"} <= tops else {}


def _fold(text: str) -> str:
    return re.sub(r"\W+", "", text).casefold()


def _paragraphs(lines: Sequence[str], headings: dict[str, int]) -> Iterable[str]:
    """Blocks of one page. A line goes on into the next where it fills the column, or the next starts small."""
    lengths = sorted(len(line) for line in lines if line)
    full = lengths[int(len(lengths) * 0.8)] * 0.75 if lengths else 0
    block: list[str] = []
    previous = ""
    for index, line in enumerate(lines):
        following = next((other for other in lines[index + 1 :] if other), "")
        level = headings.get(_fold(line)) if line else None
        if level and following[:1].islower():
            level = None
        if level or not line:
            if block:
                yield _join(block, full)
                block = []
            if level:
                yield f"{'#' * level} {line}"
        elif block and _begins_new(previous, line, full):
            yield _join(block, full)
            block = [line]
        else:
            block.append(line)
        previous = line
    if block:
        yield _join(block, full)


def _begins_new(previous: str, line: str, full: float) -> bool:
    """Whether ``line`` starts a paragraph. Lines that stop short after a sentence end one; bullets start one."""
    if _BULLET.match(line):
        return True
    return len(previous) < full and previous.endswith(_ENDS) and not line[:1].islower()


def _join(block: Sequence[str], full: float) -> str:
    """Lines that fill the column flow together; short ones, as in an address or a table, keep their breaks."""
    out = [_GLYPH_BULLET.sub("- ", block[0])]
    for previous, line in pairwise(block):
        flows = (len(previous) >= max(28, full) or line[:1].islower()) and not _RULE.fullmatch(previous)
        flows = flows and not _is_row(previous) and not _is_row(line)
        out.append((("" if _no_space(previous, line) else " ") if flows else "\n") + line)
    return "".join(out)


def _is_row(line: str) -> bool:
    """A row of a table: numbers and dates, mostly."""
    cells = line.split()
    return (
        len(cells) >= 4
        and sum(1 for cell in cells if cell[0] in "$€£" or any(c.isdigit() for c in cell)) >= len(cells) * 0.5
    )


def _no_space(left: str, right: str) -> bool:
    """Chinese and Japanese run on without a space where a line breaks."""
    return bool(left and right) and all(_is_cjk(c) for c in (left[-1], right[0]))


def _is_cjk(c: str) -> bool:
    return "\u3040" <= c <= "\u30ff" or "\u3400" <= c <= "\u9fff"
