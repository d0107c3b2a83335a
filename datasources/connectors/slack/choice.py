"""What decides, of each channel, what comes in of it: so that of a changed choice only what it changed is read whole.

A cursor holds the lines that its channels were read with, as digests: ``{digest: "<id> <id>"}``, the root by ``*``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from datasources.connectors.base import Chosen
from datasources.connectors.lines import Lines

_ROOT = "*"
Kept = Mapping[str, str]
"""A choice, as a cursor holds it."""


def digest_of(chosen: Sequence[Chosen], config: Mapping[str, Any]) -> str:
    """Changes with all that decides what comes in."""
    lines = sorted(
        ([line.external_id or "", line.include, line.future, dict(line.options)] for line in chosen),
        key=lambda line: str(line[0]),
    )
    return _digest([lines, _settings(config)])


def kept(lines: Lines, config: Mapping[str, Any]) -> dict[str, str]:
    """The choice for a cursor. Lines that say the same have one digest; the source's settings are part of it."""
    found: dict[str, list[str]] = {}
    for key, line in sorted(lines.all().items(), key=lambda item: item[0] or ""):
        said = [line.include, line.future, dict(line.options)] if line.include else [False]
        found.setdefault(_digest([said, _settings(config)])[:8], []).append(key or _ROOT)
    return {digest: " ".join(keys) for digest, keys in found.items()}


class Choice:
    """What a choice says of each channel."""

    def __init__(self, kept: Kept) -> None:
        self._lines = {key: digest for digest, keys in kept.items() for key in keys.split(" ")}
        self._inside: dict[str, set[tuple[str, str]]] = {}
        for key, digest in self._lines.items():
            kind, _, rest = key.partition(":")
            if kind in ("day", "thread", "file"):
                self._inside.setdefault(rest.partition(":")[0], set()).add((key, digest))

    def of(self, channel: str) -> tuple[str, set[tuple[str, str]]]:
        """The digest of the line that decides for the channel, and the lines inside of it."""
        nearest = self._lines.get(f"channel:{channel}") or self._lines.get(_ROOT, "")
        return nearest, self._inside.get(channel, set())


def _settings(config: Mapping[str, Any]) -> list[bool]:
    return [bool(config.get("bots")), bool(config.get("notices"))]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
