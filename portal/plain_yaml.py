"""YAML that people send, read as plain values: texts, numbers, true and false, lists, mappings. Nothing in it is trusted.

No aliases (a few lines of them are gigabytes), no tags, no second document, no name twice in a mapping. Dates, times and words
such as ``on`` stay the texts that they were written as.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

MOST_DEPTH = 12
MOST_VALUES = 100_000
_BOOL = re.compile(r"^(?:true|false)$")
_INT = re.compile(r"^-?[0-9]{1,15}$")
_FLOAT = re.compile(r"^-?[0-9]{1,15}\.[0-9]{1,15}$")
_NULL = re.compile(r"^(?:~|null|)$")


class NotPlain(ValueError):
    """``str(error)`` is a sentence for whoever sent the file, with the line where there is one."""


class _Loader(yaml.CSafeLoader):
    """Knows four kinds of bare words and nothing else."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _value in node.value if isinstance(key, yaml.ScalarNode)]
        for at, name in enumerate(names):
            if name in names[:at]:
                raise NotPlain(f"{_line(node.start_mark)}{name!r} stands here twice.")
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOL, ["t", "f"])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", _NULL, ["~", "n", ""])


def read(raw: bytes | str, *, most: int) -> Any:
    """The one document in ``raw``, which has at most ``most`` bytes. Raises NotPlain."""
    raw = raw.encode() if isinstance(raw, str) else raw
    if len(raw) > most:
        raise NotPlain(f"The file has {len(raw) / 1024:,.0f} KB; at most {most / 1024:,.0f} KB are read.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotPlain("The file is no text in UTF-8.") from error
    try:
        _look_through(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506  a safe loader with less in it
    except yaml.YAMLError as error:
        said = getattr(error, "problem", None) or "it could not be read"
        raise NotPlain(f"{_line(getattr(error, 'problem_mark', None))}this is no YAML: {said}.") from error


def _look_through(text: str) -> None:
    """Refuse what would cost more than it is worth before anything is built of it."""
    depth = values = documents = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise NotPlain(f"{_line(event.start_mark)}a second document begins here; a file holds one.")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise NotPlain(f"{_line(event.start_mark)}aliases and anchors (* and &) are not read. Write the text out.")
        if (tag := getattr(event, "tag", None)) not in (None, "!"):
            raise NotPlain(f"{_line(event.start_mark)}tags ({tag}) are not read.")
        if isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)):
            values += 1
            depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH or values > MOST_VALUES:
            raise NotPlain(f"{_line(event.start_mark)}there is more in this file than it could mean.")


def _line(mark: Any) -> str:
    return f"Line {mark.line + 1}: " if mark is not None else ""


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, so that people can read and edit them; what stands twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: Any, value: str) -> Any:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def write(value: Any) -> str:
    """Plain values as YAML that ``read`` gives back, in the order in which they stand."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
