"""What in a template's texts might be the company's own: names, addresses, links, secrets. It asks; a person decides.

Each finding has an id made of what was found and where: whoever confirms it confirms just that, and an edit asks anew.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from assistants.models import Assistant
from datasources.connectors.registry import CONNECTORS
from datasources.models import DataSource
from gallery.marketplace.blueprint import Blueprint
from portal.models import Membership, Space

KINDS: Final = {
    "secret": "This looks like a key or a password",
    "mail": "This is an e-mail address",
    "phone": "This looks like a telephone number or an account number",
    "link": "This is an address of a page, a server or a file",
    "company": "This is the name of your workspace",
    "person": "Somebody here has this name",
    "place": "One of your spaces, sources or channels has this name",
    "assistant": "One of your assistants has this handle",
}
AROUND = 40
"""Characters that are shown on either side of what was found."""
MOST = 200
"""Findings that one refusal names. Where these are confirmed, the next names others: none goes along unasked."""

_SECRET = re.compile(
    r"""-----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----
    | \b(?:sk|pk|rk)-[A-Za-z0-9_-]{12,} | \bsk_(?:live|test)_\w{8,} | \bgh[pousr]_\w{16,} | \bgithub_pat_\w{16,}
    | \bglpat-[\w-]{12,} | \bxox[abeprs]-[\w-]{8,} | \bxapp-[\w-]{8,} | \b(?:AKIA|ASIA)[0-9A-Z]{12,} | \bAIza[\w-]{20,}
    | \bya29\.[\w-]{10,} | \batr_[\w-]{16,} | \bntn_\w{16,} | \bsecret_\w{16,} | \bhf_\w{16,}
    | \beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]+)?
    | \b(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[ _-]?key|pin)\b\s*(?:[:=]|\bis\b)\s*["'“]?(?=[^\s"'“”]*[\d!@#$%^&*+=_~])[^\s"'“”]{4,}
    """,
    re.X | re.I,
)
_LONG = re.compile(r"(?<![\w/+=-])[A-Za-z0-9+/_=-]{20,}(?![\w/+=-])")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_LINK = re.compile(
    r"""\b[a-z][a-z0-9+.-]{1,12}://[^\s<>"'“”)\]]+ | \bwww\.[^\s<>"'“”)\]]+ | \\\\[\w.-]+\\[^\s]+
    | \b(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:com|net|org|io|dev|app|ai|co|eu|de|at|ch|fr|nl|dk|se|no|fi|uk|us|it|es|pl|be
      |local|localhost|internal|intranet|corp|lan|home|cloud|example)\b(?:/[^\s<>"'“”)\]]*)?
    | \b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b | (?<![\w/])/(?:home|Users|srv|mnt|var|etc|opt)/[^\s]+ | \b[A-Z]:\\[^\s]+
    """,
    re.X | re.I,
)
_PHONE = re.compile(
    r"(?<![\w.])(?:\+|00)\d[\d ()/.-]{6,}\d | \b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){3,7}(?:[ ]?[A-Z0-9]{1,3})?\b | (?<![\w.,-])\d{9,}(?![\w.,-])",
    re.X,
)
_CHANNEL = re.compile(r"(?<![\w&/#])#[a-z][\w-]{2,}")
_HANDLE = re.compile(r"(?<![\w@.+-])@[a-z0-9][a-z0-9-]{2,}", re.I)
_WORD = re.compile(r"\w[\w'’-]*")
_ENTROPY = 3.4


@dataclass(frozen=True, slots=True)
class Finding:
    """``where``: the field, as its form calls it. ``before`` and ``after``: what stands around ``text``."""

    kind: str
    where: str
    text: str
    before: str
    after: str

    @property
    def id(self) -> str:
        return hashlib.sha256(f"{self.kind}|{self.where}|{self.text}".encode()).hexdigest()[:16]

    @property
    def words(self) -> str:
        return KINDS[self.kind]


def check(membership: Membership, blueprint: Blueprint) -> list[Finding]:
    """What this person should look at before the template leaves them, each once. Seven queries.

    Names of spaces, sources and assistants are only those that they may know of: an admin who approves looks with other eyes.
    """
    known = _Known.of(membership)
    found: dict[str, Finding] = {}
    for where, text in texts_of(blueprint):
        taken: list[tuple[int, int]] = []
        for kind, start, end in _looked(text, known):
            if any(start < b and a < end for a, b in taken):
                continue
            taken.append((start, end))
            before = text[max(0, start - AROUND) : start]
            one = Finding(kind, where, text[start:end], before, text[end : end + AROUND])
            found.setdefault(one.id, one)
    return list(found.values())


def texts_of(blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    """Every text that would go along, by the name of its field."""
    for name in ("name", "description", "instructions", "sample_question", "sample_answer", "note"):
        yield name, getattr(blueprint, name)
    yield "starters", "\n".join(blueprint.starters)
    yield "tags", ", ".join(blueprint.tags)
    for slot in blueprint.slots:
        yield "slots", "\n".join((slot.label, slot.help, slot.example))


@dataclass(frozen=True, slots=True)
class _Known:
    """What the company calls its own, casefolded; parts of people's names as they are written."""

    company: frozenset[str]
    people: frozenset[str]
    name_parts: frozenset[str]
    places: frozenset[str]
    handles: frozenset[str]

    @classmethod
    def of(cls, membership: Membership) -> _Known:
        workspace = membership.workspace
        here = Membership.objects.filter(workspace=workspace).values_list("user__name", "user__email")
        names = {name for name, _email in here if name}
        names |= {email.split("@")[0] for _name, email in here if len(email.split("@")[0]) > 3}
        places = [
            *Space.objects.governed_by(membership).values_list("name", flat=True),
            *DataSource.objects.visible_to(membership).values_list("name", flat=True),
        ]
        handles = Assistant.objects.visible_to(membership).values_list("handle", flat=True)
        return cls(
            company=_folded([workspace.name, workspace.slug]),
            people=_folded(names),
            name_parts=frozenset(part for name in names for part in _WORD.findall(name) if len(part) > 2),
            places=_folded(place for place in places if place != "Company") - _KINDS_OF_PLACES,
            handles=_folded(handles),
        )


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(" ".join(_WORD.findall(name.casefold())) for name in names if len(name.strip()) > 2)


# A source that is called "Slack" says nothing of the company, and what it becomes is "your Slack channels".
_KINDS_OF_PLACES = _folded(word for kind in CONNECTORS.values() for word in (kind.label, kind.label.split()[0]))


def _looked(text: str, known: _Known) -> Iterator[tuple[str, int, int]]:
    """(kind, start, end), the gravest first, so that a token in an address is told as a token."""
    for match in _SECRET.finditer(text):
        yield "secret", *match.span()
    for match in _MAIL.finditer(text):
        yield "mail", *match.span()
    for match in _LINK.finditer(text):
        yield "link", match.start(), match.start() + len(match[0].rstrip(".,;:!?"))
    for match in _LONG.finditer(text):
        if _is_random(match[0]):
            yield "secret", *match.span()
    for match in _PHONE.finditer(text):
        yield "phone", *match.span()
    yield from _named(text, known)
    for match in _HANDLE.finditer(text):
        if match[0][1:].casefold() in {handle.replace(" ", "-") for handle in known.handles} | known.handles:
            yield "assistant", *match.span()
    for match in _CHANNEL.finditer(text):
        yield "place", *match.span()


def _is_random(text: str) -> bool:
    """Letters and digits mixed as no word has them."""
    kinds = [any(map(test, text)) for test in (str.islower, str.isupper, str.isdigit)]
    counts = Counter(text)
    entropy = -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())
    return kinds[2] and (kinds[0] or kinds[1]) and entropy > _ENTROPY


def _named(text: str, known: _Known) -> Iterator[tuple[str, int, int]]:
    """Names of one to five words, the longest first at each place."""
    words = list(_WORD.finditer(text))
    longest = 5
    for kind, names in (("company", known.company), ("person", known.people), ("place", known.places)):
        for at, word in enumerate(words):
            for count in range(min(longest, len(words) - at), 0, -1):
                last = words[at + count - 1]
                said = " ".join(one[0].casefold() for one in words[at : at + count])
                if said in names:
                    yield kind, word.start(), last.end()
                    break
    for word in words:
        if word[0] in known.name_parts and word[0][:1].isupper():
            yield "person", *word.span()
