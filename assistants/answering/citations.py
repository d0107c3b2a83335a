"""Reads ``[n]`` markers out of an answer as it streams in.

A marker may come in any number of pieces, and as ``[1][2]``, ``[1, 2]`` or ``[ 12 ]``; it leaves as ``[n]`` each. One
that names no passage is dropped, with the blank before it. What stands in code or in a link's text is no marker.
The outcome depends on the text alone, never on how it was cut.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_SPECIAL = re.compile(r"[\[\\`~\n]")
_MARKER = re.compile(r"\[ ?\d{1,3}(?: ?[,;] ?\d{1,3})* ?\]")
_PART_OF_MARKER = re.compile(r"\[ ?(?:\d{1,3}(?: ?[,;] ?\d{1,3})* ?(?:[,;] ?)?)?")
_NUMBER = re.compile(r"\d+")
# What may stand before a fence on its line: quote marks, list marks, blanks.
_PREFIX = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t>]+)*")
_MAYBE_CLOSING = re.compile(r"[ \t>]*(`*|~*)[ \t]*")
_BLANK_LINE = re.compile(r"\n[ \t>]*\n")
_TICKS = re.compile(r"`+")
_TARGET = re.compile(r"\((?:[^()\n]|\([^()\n]*\))*\)")
_LONGEST_BRACKET = 300
_LONGEST_TARGET = 2000
_LONGEST_INFO = 200
_LONGEST_PREFIX = 80


@dataclass
class MarkerParser:
    """``count`` passages can be cited, numbered from 1. ``feed`` each delta, then ``close``.

    Both give text to show and the numbers cited for the first time by it; the text may lag behind what was fed.
    """

    count: int
    cited: list[int] = field(default_factory=list)
    _held: str = ""
    _fence: str = ""  # its opening run of ` or ~
    _span: int = 0  # the length of the opening run of `
    _line: str = ""  # how the line begins, as far as it was given

    def feed(self, delta: str) -> tuple[str, list[int]]:
        self._held += delta
        return self._advance(final=False)

    def close(self) -> tuple[str, list[int]]:
        return self._advance(final=True)

    def _advance(self, *, final: bool) -> tuple[str, list[int]]:
        out: list[str] = []
        before = len(self.cited)
        while self._held:
            if self._fence:
                going = self._in_fence(out, final)
            elif self._span:
                going = self._in_span(out, final)
            else:
                going = self._in_text(out, final)
            if not going:
                break
        return "".join(out), self.cited[before:]

    # Each of these moves some of ``_held`` to ``out`` and says whether it can go on, or has to wait for more.

    def _give(self, out: list[str], end: int) -> None:
        text, self._held = self._held[:end], self._held[end:]
        if not text:
            return
        out.append(text)
        _, newline, last = text.rpartition("\n")
        self._line = (last if newline else self._line + last)[: _LONGEST_PREFIX + 1]

    def _opens_line(self) -> bool:
        return len(self._line) <= _LONGEST_PREFIX and _PREFIX.fullmatch(self._line) is not None

    def _in_text(self, out: list[str], final: bool) -> bool:
        held = self._held
        found = _SPECIAL.search(held)
        end = len(held) if found is None else found.start()
        plain = len(held[:end].rstrip(" "))
        if found is None:
            self._give(out, len(held) if final else plain)
            return False
        if found.group() == "[":
            self._give(out, plain)
            return self._bracket(out, end - plain, final)
        self._give(out, end)
        held = self._held
        if found.group() == "\n":
            self._give(out, 1)
            return True
        if found.group() == "\\":
            if len(held) < 2 and not final:
                return False
            # A line break is not escaped, and starts a line.
            self._give(out, 1 if held[1:2] == "\n" else 2)
            return True
        return self._run(out, held[0], final)

    def _run(self, out: list[str], mark: str, final: bool) -> bool:
        """A run of backticks or tildes: a fence, the start of a code span, or just that."""
        held = self._held
        length = len(held) - len(held.lstrip(mark))
        if length == len(held) and not final:
            return False
        fence = length >= 3 and self._opens_line()
        if fence and mark == "`":
            # A fence's own line holds no more backticks; with them, it is a code span.
            line = re.compile(r"[`\n]").search(held, length, length + _LONGEST_INFO)
            if line is None and len(held) < length + _LONGEST_INFO and not final:
                return False
            fence = line is None or line.group() == "\n"
        if fence:
            self._fence = mark * length
        elif mark == "`":
            self._span = length
        self._give(out, length)
        return True

    def _in_fence(self, out: list[str], final: bool) -> bool:
        held, newline = self._held, self._held.find("\n")
        line = held if newline < 0 else held[:newline]
        # Only a line's whole text tells whether it closes the fence.
        if self._line == "":
            closing = _MAYBE_CLOSING.fullmatch(line)
            if closing and newline < 0 and not final:
                return False
            if closing and closing[1][:1] == self._fence[0] and len(closing[1]) >= len(self._fence):
                self._fence = ""
        self._give(out, len(held) if newline < 0 else newline + 1)
        return True

    def _in_span(self, out: list[str], final: bool) -> bool:
        """To the run that closes it. A blank line ends the paragraph, and what looked like a code span with it."""
        held = self._held
        blank = _BLANK_LINE.search(held)
        for run in _TICKS.finditer(held, 0, len(held) if blank is None else blank.start() + 1):
            if run.end() == len(held) and not final:
                self._give(out, run.start())
                return False
            if len(run.group()) == self._span:
                self._span = 0
                self._give(out, run.end())
                return True
        if blank is not None:
            self._span = 0
            self._give(out, blank.end())
            return True
        opening = re.search(r"\n[ \t>]*$", held)
        self._give(out, len(held) if final or opening is None else opening.start())
        return False

    def _bracket(self, out: list[str], blanks: int, final: bool) -> bool:
        """``_held`` begins with blanks and a ``[``: a marker, a link, or just a bracket."""
        held, start = self._held, blanks
        marker = _MARKER.match(held, start)
        if marker is None and not final and _PART_OF_MARKER.fullmatch(held, start):
            return False
        end = marker.end() if marker else self._closing_bracket(start)
        if end is None or end < 0:
            if end is None and not final:
                return False
            self._give(out, start + 1)
            return True
        if end == len(held) and not final:
            return False
        if held[end : end + 1] == "(":
            target = _TARGET.match(held, end, end + _LONGEST_TARGET)
            rest = held[end : end + _LONGEST_TARGET]
            if target is None and not final and len(rest) < _LONGEST_TARGET and "\n" not in rest:
                return False
            if target is not None:
                self._give(out, target.end())
                return True
        if marker is None:
            self._give(out, start + 1)
            return True
        self._cite(out, blanks, marker)
        return True

    def _closing_bracket(self, start: int) -> int | None:
        """Just after the bracket that closes the one at ``start``; None while it may still come, -1 where it won't."""
        depth = 0
        window = self._held[start : start + _LONGEST_BRACKET]
        for at, letter in enumerate(window):
            if letter == "[":
                depth += 1
            elif letter == "]":
                depth -= 1
                if depth == 0:
                    return start + at + 1
            elif letter == "\n":
                return -1
        return None if len(window) < _LONGEST_BRACKET else -1

    def _cite(self, out: list[str], blanks: int, marker: re.Match[str]) -> None:
        known = [n for n in map(int, _NUMBER.findall(marker.group())) if 1 <= n <= self.count]
        rest = self._held[marker.end() :]
        if known:
            self._held = " " * blanks + "".join(f"[{n}]" for n in dict.fromkeys(known))
            self._give(out, len(self._held))
            self.cited.extend(n for n in dict.fromkeys(known) if n not in self.cited)
        self._held = rest
