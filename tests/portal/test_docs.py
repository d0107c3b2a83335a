"""The guides keep up with the code: every setting, every code of an error, every event, and the names of buttons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from assistants.errors import STATUS
from assistants.models import Message
from assistants.runs.log import LAST, EventType
from portal.providers.errors import Code

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs"
APPS = ("portal", "datasources", "assistants", "gallery")
# What REST framework and the pages of errors say by themselves.
COMMON = {
    *("invalid", "parse_error", "bad_request", "not_authenticated", "authentication_failed", "permission_denied"),
    *("not_found", "method_not_allowed", "not_acceptable", "unsupported_media_type", "throttled", "server_error"),
}


def sources() -> Iterator[Path]:
    for app in APPS:
        yield from (path for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts)


def quoted(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", text))


def test_every_setting_is_in_the_operator_guide_and_no_other():
    code = "".join((ROOT / "portal" / name).read_text() for name in ("settings.py", "embedded.py"))
    read = set(re.findall(r'\b(?:env|environment)\.\w+\(\s*"(\w+)"', code))
    guide = (GUIDES / "operator-guide.md").read_text()
    table = guide.split("## Settings", 1)[1].split("\n## ", 1)[0]
    told = {word for line in table.splitlines() if line.startswith("| `") for word in quoted(line.split("|")[1])}
    assert read == told


def test_every_code_of_an_error_is_in_the_guide_to_the_api():
    codes = {*COMMON, *STATUS, *get_args(Code)}
    for path in sources():
        codes |= set(re.findall(r'\b(?:Refused|Problem)\(\s*"([a-z_]+)"', path.read_text()))
    guide = (GUIDES / "user-guide" / "api.md").read_text()
    assert codes - quoted(guide.split("## Errors", 1)[1]) == set()


def test_every_event_and_status_is_in_the_guide_to_the_api():
    guide = (GUIDES / "user-guide" / "api.md").read_text().split("### Events of an answer", 1)[1].split("\n## ", 1)[0]
    events, statuses = (
        dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", part, re.M)) for part in guide.split("The `status` of a message")
    )
    # No tool acts yet.
    assert set(events) == set(get_args(EventType)) - {"action"}
    assert {name for name, words in events.items() if words.startswith("last.")} == LAST
    assert set(statuses) == set(Message.Status.values)


# In bold without being on a screen of ours: examples, and what the admin puts together.
NO_LABELS = {
    *("this looks like @hr-leave, used by 40 people", "it searches 4 100 pages; narrower answers better"),
    *("a model that is not offered any more", "no description, no starter questions", "text of a question"),
    *("add credential", "how @… is used"),
}


def test_what_the_guide_calls_a_button_is_on_a_screen():
    """Of our own pages; those on connectors name the vendors' screens as well."""
    files = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "static" / "js").glob("*.js"), *sources()]
    screens = "\n".join(path.read_text() for path in files).replace("’", "'").lower()
    missing = []
    for page in sorted((GUIDES / "user-guide").glob("*.md")):
        for label in re.findall(r"\*\*(.+?)\*\*", page.read_text()):
            plain = label.replace("’", "'").lower().strip(" .:…")
            if plain not in NO_LABELS and plain not in screens:
                missing.append(f"{page.name}: {label}")
    assert missing == []


def test_the_glossary_has_each_word_once():
    words = re.findall(r"^\| ([^|]+) \|", (GUIDES / "glossary.md").read_text(), re.M)
    assert sorted(words) == sorted(set(words))
