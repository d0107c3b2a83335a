"""Which records of an object are chosen, in SOQL: lists, filters, single records, and not what was made later."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datasources.connectors.base import ConnectorError
from datasources.connectors.lines import Lines, moment
from datasources.connectors.salesforce.client import Client, stamp
from datasources.connectors.salesforce.shape import Shape

_LIST = re.compile(
    r"\sFROM\s+\w+(?:\s+USING\s+SCOPE\s+(?P<scope>\w+))?(?:\s+WHERE\s+(?P<where>.*?))?(?:\s+ORDER\s+BY\s.*|\s+LIMIT\s.*)?$",
    re.IGNORECASE | re.DOTALL,
)
_ENDS = re.compile(
    r"'(?:\\.|[^'\\])*'|(?P<bad>;|\b(?:ORDER\s+BY|GROUP\s+BY|LIMIT|OFFSET|FOR\s+UPDATE|ALL\s+ROWS)\b)", re.IGNORECASE
)
_MOST_IDS = 500
"""Of single records that are chosen or left out: a query has its longest."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """``where``: empty is all. ``narrowed``: a record may drop out of it by being edited."""

    where: str = ""
    scope: str = ""
    narrowed: bool = False

    def soql(self, select: str, name: str, *more: str, tail: str = "") -> str:
        parts = [f"({part})" for part in (self.where, *more) if part]
        where = f" WHERE {' AND '.join(parts)}" if parts else ""
        scope = f" USING SCOPE {self.scope}" if self.scope else ""
        end = f" {tail}" if tail else ""
        return f"SELECT {select} FROM {name}{scope}{where}{end}"  # noqa: S608  SOQL only reads; names are Salesforce's own


def object_id(name: str) -> str:
    return f"object:{name}"


def record_id(name: str, key: str) -> str:
    return f"record:{name}:{key}"


def base(shape: Shape) -> str:
    """Of knowledge, what is published."""
    return "PublishStatus = 'Online'" if shape.knowledge else ""


def chosen(client: Client, shape: Shape, lines: Lines) -> Chosen:
    """Raises ConnectorError for a list view that is not there, and for what is more than a condition."""
    mine, prefix = object_id(shape.name), record_id(shape.name, "")
    if not lines.takes(mine):
        keys = _keys(lines.named(prefix, include=True), prefix)
        return Chosen(_all(base(shape), f"{shape.key} IN ({keys})"))
    options = lines.options(mine)
    view = _list_view(client, shape, str(options.get("list_view") or "").strip())
    own = _condition(str(options.get("soql") or ""))
    parts = [base(shape), view.where, own]
    if left_out := _keys(lines.named(prefix, include=False), prefix):
        parts.append(f"{shape.key} NOT IN ({left_out})")
    at = moment(options.get("chosen_at"))
    if not lines.nearest([mine]).future and at is not None:
        parts.append(f"CreatedDate <= {stamp(at)}")
    return Chosen(_all(*parts), view.scope, narrowed=bool(view.where or own))


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _all(*parts: str) -> str:
    found = [part for part in parts if part]
    return found[0] if len(found) == 1 else " AND ".join(f"({part})" for part in found)


def _keys(external_ids: list[str], prefix: str) -> str:
    if len(external_ids) > _MOST_IDS:
        raise ConnectorError(
            f"More than {_MOST_IDS} single records are ticked: tick their object and give a filter", permanent=True
        )
    keys = [key.removeprefix(prefix).partition(":")[0] for key in external_ids]
    return ", ".join(quoted(key) for key in keys if key.isalnum())


def _condition(text: str) -> str:
    text = re.sub(r"^\s*WHERE\s+", "", text.strip(), flags=re.IGNORECASE)
    bad = next((found["bad"] for found in _ENDS.finditer(text) if found["bad"]), None)
    depth, lowest = 0, 0
    for sign in re.sub(r"'(?:\\.|[^'\\])*'", "", text):
        depth += (sign == "(") - (sign == ")")
        lowest = min(lowest, depth)
    if bad or depth or lowest:
        raise ConnectorError(
            f"The filter has to be a condition, as after WHERE in SOQL{f', without {bad}' if bad else ''}",
            permanent=True,
        )
    return text


def _list_view(client: Client, shape: Shape, wanted: str) -> Chosen:
    if not wanted:
        return Chosen()
    known: list[str] = []
    for view in client.list_views(shape.name):
        names = [str(view.get(key) or "") for key in ("label", "developerName", "id")]
        if wanted.casefold() in (name.casefold() for name in names):
            return _of_list(client.list_view(shape.name, str(view["id"])), wanted)
        known.append(names[0])
    raise ConnectorError(
        f"{shape.plural} have no list view “{wanted}”; those that this user sees are {', '.join(known[:20]) or 'none'}",
        permanent=True,
    )


def _of_list(described: Mapping[str, Any], wanted: str) -> Chosen:
    found = _LIST.search(str(described.get("query") or ""))
    if found is None:
        raise ConnectorError(f"The list view “{wanted}” has no filter that can be read", permanent=True)
    scope = (found["scope"] or "").lower()
    return Chosen(found["where"] or "", "" if scope == "everything" else scope)
