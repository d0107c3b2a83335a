"""As much of SOQL as the loopback of Salesforce needs: conditions, orders, limits, and one level of subqueries."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Record = dict[str, Any]
Test = Callable[[Mapping[str, Any]], bool]
_QUERY = re.compile(
    r"^\s*SELECT\s+(?P<select>.*?)\s+FROM\s+(?P<name>\w+)(?:\s+USING\s+SCOPE\s+(?P<scope>\w+))?"
    r"(?:\s+WHERE\s+(?P<where>.*?))?(?:\s+ORDER\s+BY\s+(?P<order>.*?))?(?:\s+LIMIT\s+(?P<limit>\d+))?\s*$",
    re.IGNORECASE | re.DOTALL,
)
_TOKEN = re.compile(r"\s*('(?:\\.|[^'\\])*'|\d{4}-\d{2}-\d{2}(?:T[\d:.]+Z)?|[()]|,|!=|>=|<=|[=<>]|[\w.]+)", re.DOTALL)


class Malformed(Exception):
    """Code and message, as Salesforce words it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Query:
    """``columns``: paths; ``below``: relationship name → its query. ``scope``: of a list ("mine")."""

    name: str
    columns: list[str]
    below: dict[str, Query] = field(default_factory=dict)
    test: Test = lambda record: True
    order: list[tuple[str, bool]] = field(default_factory=list)
    limit: int | None = None
    scope: str = ""
    asked: set[str] = field(default_factory=set)


def parse(soql: str) -> Query:
    outer, inner = _apart(soql)
    found = _QUERY.match(outer)
    if found is None:
        raise Malformed("MALFORMED_QUERY", f"unexpected token: {soql[:40]}")
    columns = [part.strip() for part in found["select"].split(",") if part.strip() and part.strip() != "#"]
    query = Query(found["name"], columns, {sub.name: sub for sub in map(parse, inner)}, scope=found["scope"] or "")
    if found["where"]:
        tokens = _TOKEN.findall(found["where"])
        if _TOKEN.sub("", found["where"]).strip():
            raise Malformed("MALFORMED_QUERY", "unexpected token in WHERE")
        condition = _Condition(tokens)
        query.test = condition.whole()
        query.asked = condition.asked
    for part in (found["order"] or "").split(","):
        if part.strip():
            name, _, way = part.strip().partition(" ")
            query.order.append((name, way.upper().startswith("DESC")))
    query.limit = int(found["limit"]) if found["limit"] else None
    return query


def _apart(soql: str) -> tuple[str, list[str]]:
    """The query with its subqueries cut out of the SELECT, and these."""
    inner = []
    while (start := re.search(r"\(\s*SELECT\s", soql, re.IGNORECASE)) is not None:
        depth, at = 0, start.start()
        for at in range(start.start(), len(soql)):
            depth += (soql[at] == "(") - (soql[at] == ")")
            if depth == 0:
                break
        inner.append(soql[start.start() + 1 : at])
        soql = soql[: start.start()] + "#" + soql[at + 1 :]
    return soql, inner


def value(record: Mapping[str, Any], path: str) -> Any:
    found: Any = record
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


class _Condition:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.asked: set[str] = set()

    def whole(self) -> Test:
        test = self._or()
        if self.tokens:
            raise Malformed("MALFORMED_QUERY", f"unexpected token: {self.tokens[0]}")
        return test

    def _take(self) -> str:
        if not self.tokens:
            raise Malformed("MALFORMED_QUERY", "unexpected end of the query")
        return self.tokens.pop(0)

    def _next(self, word: str) -> bool:
        if self.tokens and self.tokens[0].upper() == word:
            self.tokens.pop(0)
            return True
        return False

    def _or(self) -> Test:
        tests = [self._and()]
        while self._next("OR"):
            tests.append(self._and())
        return lambda record: any(test(record) for test in tests)

    def _and(self) -> Test:
        tests = [self._one()]
        while self._next("AND"):
            tests.append(self._one())
        return lambda record: all(test(record) for test in tests)

    def _one(self) -> Test:
        if self._next("NOT"):
            test = self._one()
            return lambda record: not test(record)
        if self._next("("):
            inner = self._or()
            if not self._next(")"):
                raise Malformed("MALFORMED_QUERY", "expecting a right parentheses")
            return inner
        name = self._take()
        self.asked.add(name)
        sign = self._take().upper()
        if sign == "NOT":
            sign = f"NOT {self._take().upper()}"
        if sign in ("IN", "NOT IN"):
            among = self._list()
            return lambda record: (value(record, name) in among) == (sign == "IN")
        wanted = _literal(self._take())
        return lambda record: _compare(value(record, name), sign, wanted)

    def _list(self) -> list[Any]:
        found = []
        self._take()
        while not self._next(")"):
            found.append(_literal(self._take()))
            self._next(",")
        return found


def _literal(token: str) -> Any:
    if token.startswith("'"):
        return re.sub(r"\\(['\\])", r"\1", token[1:-1])
    known = {"true": True, "false": False, "null": None}
    if token.lower() in known:
        return known[token.lower()]
    if re.fullmatch(r"[\d.]+", token):
        return float(token)
    return token


def _compare(have: Any, sign: str, wanted: Any) -> bool:
    if sign == "LIKE":
        known = {"%": ".*", "_": ".", r"\%": "%", r"\_": "_"}
        parts = re.split(r"(\\[%_]|%|_)", str(wanted).casefold())
        pattern = "".join(known.get(part) or re.escape(part) for part in parts)
        return re.fullmatch(pattern, str(have or "").casefold(), re.DOTALL) is not None
    if sign in ("=", "!="):
        return (have == wanted) == (sign == "=")
    if have is None or wanted is None:
        return False
    if isinstance(wanted, str):
        have, wanted = datetime.fromisoformat(str(have)), datetime.fromisoformat(wanted)
    return bool({">": have > wanted, "<": have < wanted, ">=": have >= wanted, "<=": have <= wanted}[sign])
