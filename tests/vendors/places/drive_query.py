"""The search language of files.list, as far as it is asked here, and ``fields`` as Google cuts answers down.

Source: developers.google.com/drive/api/guides/search-files.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.vendors.places.drive_items import DriveItem

Matches = Callable[[DriveItem], bool]
_TOKEN = re.compile(r"\s*('(?:\\.|[^'\\])*'|!=|[()=]|[A-Za-z.]+)")


def compiled(query: str) -> Matches:
    """Raises ValueError for what the language does not know."""
    tokens = _tokens(query)
    if not tokens:
        return lambda item: True
    found = _either(tokens)
    if tokens:
        raise ValueError(query)
    return found


def parents_in(query: str) -> list[str]:
    return [key.replace("\\'", "'") for key in re.findall(r"'((?:\\.|[^'\\])*)' in parents", query)]


def _tokens(query: str) -> list[str]:
    found, at = [], 0
    while at < len(query.rstrip()):
        token = _TOKEN.match(query, at)
        if token is None:
            raise ValueError(query)
        found.append(token[1])
        at = token.end()
    return found


def _either(tokens: list[str]) -> Matches:
    parts = [_both(tokens)]
    while tokens and tokens[0] == "or":
        tokens.pop(0)
        parts.append(_both(tokens))
    return lambda item: any(part(item) for part in parts)


def _both(tokens: list[str]) -> Matches:
    parts = [_term(tokens)]
    while tokens and tokens[0] == "and":
        tokens.pop(0)
        parts.append(_term(tokens))
    return lambda item: all(part(item) for part in parts)


def _term(tokens: list[str]) -> Matches:
    token = tokens.pop(0)
    if token == "(":
        inner = _either(tokens)
        if tokens.pop(0) != ")":
            raise ValueError("a bracket is not closed")
        return inner
    operator, value = tokens.pop(0), tokens.pop(0)
    if token.startswith("'") and (operator, value) == ("in", "parents"):
        parent = _string(token)
        return lambda item: parent in item.parents
    if operator == "contains" and token == "name":
        prefix = _string(value).casefold()
        return lambda item: f" {prefix}" in f" {item.name.casefold()}"
    known: dict[str, Callable[[DriveItem], Any]] = {
        "mimeType": lambda item: item.mime,
        "trashed": lambda item: item.trashed,
        "sharedWithMe": lambda item: item.shared is not None,
    }
    get, wanted = known[token], {"true": True, "false": False}.get(value, _string(value))
    if operator == "!=":
        return lambda item: get(item) != wanted
    if operator == "=":
        return lambda item: get(item) == wanted
    raise ValueError(operator)


def _string(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token.strip("'"))


def fields_of(text: str) -> dict[str, Any]:
    """``a,b(c,d)`` → {"a": {}, "b": {"c": {}, "d": {}}}."""
    found: dict[str, Any] = {}
    stack, name = [found], ""
    for sign in text + ",":
        if sign in ",()":
            if name:
                stack[-1][name] = {}
            if sign == "(":
                stack.append(stack[-1][name])
            elif sign == ")":
                stack.pop()
            name = ""
        else:
            name += sign
    return found


def cut(answer: Any, fields: dict[str, Any]) -> Any:
    """Only what was asked for; everything where nothing was."""
    if not fields:
        return answer
    if isinstance(answer, list):
        return [cut(part, fields) for part in answer]
    if isinstance(answer, dict):
        return {key: cut(value, fields[key]) for key, value in answer.items() if key in fields}
    return answer
