"""Which SQL is let through: one SELECT, over the given tables and its own subqueries, with functions that only compute.

The locked configuration, the sandbox and the limits hold without this; it refuses early, in words, and keeps DuckDB's own
catalogue out of sight. The tree is DuckDB's own, from ``json_serialize_sql``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

import duckdb

from datasources.querying.values import ONE_SELECT, ONLY_TABLES, SqlError

_TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
_READING_OUTSIDE = (
    "current_setting getvariable getenv nextval currval write_log query "
    "query_table json_execute_serialized_sql json_serialize_sql json_serialize_plan json_deserialize_sql "
    "current_connection_id current_query txid_current add_parquet_key in_search_path "
    "parse_duckdb_log_message set_config"
)
_FUNCTIONS = frozenset(_READING_OUTSIDE.split())
_SYSTEM = ("duckdb_", "pg_", "pragma_", "sqlite_", "information_schema")


def check(connection: duckdb.DuckDBPyConnection, sql: str, tables: Collection[str]) -> None:
    """Raises SqlError where ``sql`` is anything but one SELECT over ``tables``."""
    try:
        statements = connection.extract_statements(sql)
    except duckdb.ParserException:
        raise
    except duckdb.Error as error:
        raise SqlError(ONE_SELECT, "refused") from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise SqlError(ONE_SELECT, "refused")
    row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    try:
        tree: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
        nodes = [] if tree["error"] else list(_nodes(tree))
    except RecursionError as error:
        raise SqlError("The query is nested too deeply. Write it with WITH, step by step.", "refused") from error
    if tree["error"] or len(tree["statements"]) != 1:
        raise SqlError(ONE_SELECT, "refused")
    own = {name.casefold() for node in nodes for name in _named_here(node)}
    if any(name.startswith(_SYSTEM) for name in own):
        raise SqlError("Give the part of WITH another name; this one is the database's own.", "refused")
    known = {name.casefold() for name in tables} | own
    for node in nodes:
        _check_node(node, known, tables)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of the tree."""
    pending = [tree]
    while pending:
        at = pending.pop()
        if isinstance(at, dict):
            yield at
            pending.extend(at.values())
        elif isinstance(at, list):
            pending.extend(at)


def _named_here(node: dict[str, Any]) -> Iterator[str]:
    """Names that WITH gives to subqueries."""
    if isinstance(node.get("cte_map"), dict):
        yield from (entry["key"] for entry in node["cte_map"]["map"])
    if node.get("cte_name"):
        yield node["cte_name"]


def _check_node(node: dict[str, Any], known: Collection[str], tables: Collection[str]) -> None:
    kind = node.get("type")
    if kind == "SHOW_REF":
        raise SqlError(ONE_SELECT, "refused")
    if kind == "BASE_TABLE":
        name = str(node.get("table_name", ""))
        if node.get("schema_name") or node.get("catalog_name") or name.casefold().startswith(_SYSTEM):
            raise SqlError(ONLY_TABLES, "refused")
        if name.casefold() not in known:
            there = ", ".join(sorted(tables)) or "none"
            raise SqlError(f"There is no table “{name[:100]}” here. The tables are: {there}.", "refused")
    elif kind == "TABLE_FUNCTION":
        function = node.get("function", {})
        if str(function.get("function_name", "")).casefold() not in _TABLE_FUNCTIONS:
            raise SqlError(ONLY_TABLES, "refused")
    elif node.get("class") == "FUNCTION":
        name = str(node.get("function_name", "")).casefold()
        if name in _FUNCTIONS or name.startswith(_SYSTEM):
            raise SqlError(f"The function {name} can't be used here: a query only computes.", "refused")
