"""What the manifest of the folder of odd files expects, and how a text is held against its snippets."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Case = Mapping[str, Any]

_WORD = re.compile(r"\w{2,}")
_MARKUP = re.compile(r"<[^>]*>|^\[\d+p\]|\{[0-9A-F-]{36}\}|^ERR .*")
_READ_ALL = (".pdf", ".docx", ".xlsx", ".pptx", ".txt", ".csv")


def cases(files: Path) -> list[Case]:
    """Empty where there is no manifest."""
    manifest = files / "manifest.jsonl"
    return [json.loads(line) for line in manifest.read_text().splitlines()] if manifest.is_file() else []


def words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(unicodedata.normalize("NFKC", text).lower()))


def found_of(snippet: str, text: str) -> float:
    """The share of the snippet's words that the text has."""
    wanted = words(_MARKUP.sub(" ", snippet))
    return sum((wanted & words(text)).values()) / sum(wanted.values()) if wanted else 1.0


def holds_snippet(case: Case, text: str) -> bool:
    """Whether a file's text has enough of its snippet. Snippets of markup, and those decoded wrongly, say nothing."""
    snippet, path = str(case.get("snippet") or ""), str(case["path"])
    if not path.endswith(_READ_ALL) or "\x00" in snippet or "\ufffd" in snippet:
        return True
    return found_of(snippet, text) >= (0.6 if path.startswith(("corrupt", "html")) else 0.8)
