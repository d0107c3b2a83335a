"""Elasticsearch and OpenSearch on loopback: indices, aliases, points in time, search_after, counts, documents, keys.

``python -m tests.vendors.places.elasticsearch`` prints its address; ``… opensearch`` speaks as OpenSearch does.
"""

from __future__ import annotations

import base64
import fnmatch
import sys
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from tests.vendors.places.loopback import Loopback

KEY = "bG9vcGJhY2s6a2V5"
USER, PASSWORD = "atrium", "pass word"
Document = dict[str, Any]


@dataclass
class Pit:
    index: str
    hits: list[Document] = field(default_factory=list)


class ElasticsearchServer(Loopback):
    """``flavour``: how points in time are opened; ``none`` has none of them, as clusters before they came.

    ``types``: of fields by their paths, besides what the documents show; ``dynamic`` False: nothing else is mapped.
    """

    def __init__(
        self, flavour: Literal["elasticsearch", "opensearch", "none"] = "elasticsearch", port: int = 0
    ) -> None:
        super().__init__(port)
        self.flavour = flavour
        self.indices: dict[str, dict[str, Document]] = {}
        self.aliases: dict[str, list[str]] = {}
        self.closed: set[str] = set()
        self.open_access = False
        self.pits: dict[str, Pit] = {}
        self.types: dict[str, str] = {}
        self.dynamic = True

    def routes(self) -> list[web.RouteDef]:
        handle = self.handle
        found = [
            web.get("/", handle(self.root)),
            web.get("/_resolve/index/{names}", handle(self.resolve)),
            web.post("/_search", handle(self.search)),
            web.post("/{index}/_search", handle(self.search)),
            web.post("/{index}/_count", handle(self.count)),
            web.get("/{index}/_doc/{id}", handle(self.document)),
            web.get("/{names}/_mapping", handle(self.mapping)),
        ]
        if self.flavour == "elasticsearch":
            found += [web.post("/{index}/_pit", handle(self.open_pit)), web.delete("/_pit", handle(self.close_pit))]
        if self.flavour == "opensearch":
            found += [
                web.post("/{index}/_search/point_in_time", handle(self.open_pit)),
                web.delete("/_search/point_in_time", handle(self.close_pit)),
            ]
        unknown = handle(self.unknown)
        return [*found, web.post("/{rest:.*}", unknown), web.delete("/{rest:.*}", unknown)]

    def handle(self, handler: Any) -> Any:
        async def checked(request: web.Request) -> web.StreamResponse:
            return await handler(request) if self._may(request) else self.error(401, {})

        return super().handle(checked)

    def _may(self, request: web.Request) -> bool:
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return self.open_access or request.headers.get("Authorization") in (f"ApiKey {KEY}", basic)

    def error(self, status: int, headers: dict[str, str], kind: str = "", reason: str = "") -> web.Response:
        kinds = {401: "security_exception", 429: "es_rejected_execution_exception", 404: "resource_not_found_exception"}
        kind = kind or kinds.get(status, "exception")
        reason = reason or f"status {status}"
        cause = {"type": kind, "reason": reason}
        body = {"error": {"root_cause": [cause], **cause}, "status": status}
        return web.json_response(body, status=status, headers=headers)

    async def unknown(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"error": f"no handler found for uri [{request.path_qs}] and method [{request.method}]"}, status=400
        )

    async def mapping(self, request: web.Request) -> web.Response:
        names = request.match_info["names"].split(",")
        shown = {}
        for name, documents in self.indices.items():
            if not _matches(name, names) and not any(name in self.aliases.get(one, ()) for one in names):
                continue
            properties: dict[str, Any] = {}
            for document in documents.values() if self.dynamic else ():
                _mapped(properties, document.get("_source", document))
            for path, kind in self.types.items():
                _put(properties, path.split("."), {"type": kind})
            shown[name] = {"mappings": {"dynamic": str(self.dynamic).lower(), "properties": properties}}
        return web.json_response(shown)

    async def root(self, request: web.Request) -> web.Response:
        version = {"number": "3.1.0" if self.flavour == "opensearch" else "8.15.0"}
        if self.flavour == "opensearch":
            version["distribution"] = "opensearch"
        return web.json_response({"name": "loopback", "cluster_name": "loopback", "version": version})

    async def resolve(self, request: web.Request) -> web.Response:
        names = request.match_info["names"].split(",")
        missing = [n for n in names if "*" not in n and n not in self.indices and n not in self.aliases]
        if missing:
            return self._no_index(missing[0])
        return web.json_response(
            {
                "indices": [
                    {
                        "name": name,
                        "attributes": ["closed" if name in self.closed else "open"],
                        "aliases": [alias for alias, behind in self.aliases.items() if name in behind],
                    }
                    for name in self.indices
                    if _matches(name, names)
                ],
                "aliases": [{"name": a, "indices": behind} for a, behind in self.aliases.items() if _matches(a, names)],
                "data_streams": [],
            }
        )

    async def open_pit(self, request: web.Request) -> web.Response:
        index = request.match_info["index"]
        hits = self._hits(index)
        if hits is None:
            return self._no_index(index)
        key = uuid.uuid4().hex
        self.pits[key] = Pit(index, hits)
        return web.json_response({"id": key} if self.flavour == "elasticsearch" else {"pit_id": key})

    async def close_pit(self, request: web.Request) -> web.Response:
        body = await request.json()
        keys = [body["id"]] if self.flavour == "elasticsearch" else body["pit_id"]
        found = [self.pits.pop(key, None) for key in keys]
        return web.json_response({"succeeded": True, "num_freed": len(found)}, status=200 if any(found) else 404)

    async def search(self, request: web.Request) -> web.Response:
        body = await request.json()
        index = request.match_info.get("index", "")
        pit = body.get("pit")
        if pit and pit["id"] not in self.pits:
            return self.error(404, {}, "search_context_missing_exception", f"No search context found for {pit['id']}")
        hits = self.pits[pit["id"]].hits if pit else self._hits(index)
        if hits is None:
            return self._no_index(index)
        key = next(iter(body["sort"][0])) if body.get("sort") else "_id"
        if key == "_shard_doc" and not (pit and self.flavour == "elasticsearch"):
            return self.error(
                400, {}, "illegal_argument_exception", "No mapping found for [_shard_doc] in order to sort"
            )
        if key == "_id" and self.flavour == "elasticsearch" and body.get("sort"):
            return self.error(400, {}, "illegal_argument_exception", "Fielddata access on the _id field is disallowed")
        found = [hit for hit in hits if _fits(hit, body.get("query") or {"match_all": {}})]
        found = sorted(({**hit, "sort": [_order(hit, key)]} for hit in found), key=lambda hit: hit["sort"])
        if body.get("search_after"):
            found = [hit for hit in found if hit["sort"] > body["search_after"]]
        found = [_shown(hit, body.get("_source", True)) for hit in found[: body.get("size", 10)]]
        answer: dict[str, Any] = {"took": 1, "timed_out": False, "_shards": {"failed": 0}, "hits": {"hits": found}}
        if pit:
            answer["pit_id"] = pit["id"]
        return web.json_response(answer)

    async def count(self, request: web.Request) -> web.Response:
        body = await request.json()
        hits = self._hits(request.match_info["index"])
        if hits is None:
            return self._no_index(request.match_info["index"])
        return web.json_response({"count": sum(1 for hit in hits if _fits(hit, body["query"]))})

    async def document(self, request: web.Request) -> web.Response:
        index, key = request.match_info["index"], request.match_info["id"]
        source = self.indices.get(index, {}).get(key)
        if source is None:
            return web.json_response({"_index": index, "_id": key, "found": False}, status=404)
        wanted = request.query.get("_source_includes")
        hit = _shown({"_source": source}, wanted.split(",") if wanted else True)
        return web.json_response({"_index": index, "_id": key, "found": True, "_source": hit["_source"]})

    def _no_index(self, name: str) -> web.Response:
        return self.error(404, {}, "index_not_found_exception", f"no such index [{name}]")

    def _hits(self, name: str) -> list[Document] | None:
        behind = self.aliases.get(name, [name])
        if any(index not in self.indices for index in behind):
            return None
        found = [
            {"_index": index, "_id": key, "_source": dict(source)}
            for index in behind
            for key, source in self.indices[index].items()
        ]
        return [{**hit, "_shard_doc": number} for number, hit in enumerate(found)]


def _mapped(properties: dict[str, Any], source: Mapping[str, Any]) -> None:
    """As a cluster maps what comes in unasked: a text is of type text, a date too, unless it looks like one."""
    for name, value in source.items():
        one = value[0] if isinstance(value, list) and value else value
        if isinstance(one, Mapping):
            _mapped(properties.setdefault(name, {"properties": {}})["properties"], one)
        elif one not in (None, []):
            kinds = {bool: "boolean", int: "long", float: "float"}
            kind = (
                "date"
                if isinstance(one, str) and one[:4].isdigit() and one[4:5] == "-"
                else kinds.get(type(one), "text")
            )
            _put(properties, name.split("."), {"type": kind})


def _put(properties: dict[str, Any], path: list[str], field: dict[str, Any]) -> None:
    for name in path[:-1]:
        properties = properties.setdefault(name, {"properties": {}}).setdefault("properties", {})
    properties[path[-1]] = field


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _order(hit: Mapping[str, Any], key: str) -> Any:
    return hit[key] if key in ("_id", "_shard_doc") else hit["_source"].get(key)


def _shown(hit: Mapping[str, Any], wanted: Any) -> Document:
    source = hit["_source"]
    if isinstance(wanted, list):
        source = {key: value for key, value in source.items() if key in {name.split(".")[0] for name in wanted}}
    return {**{key: value for key, value in hit.items() if key != "_shard_doc"}, "_source": source}


def _fits(hit: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    ((kind, inner),) = query.items()
    source = hit["_source"]
    if kind == "match_all":
        return True
    if kind == "bool":
        must = [*inner.get("filter", []), *inner.get("must", [])]
        should = inner.get("should")
        return all(_fits(hit, part) for part in must) and (should is None or any(_fits(hit, part) for part in should))
    if kind == "ids":
        return hit["_id"] in inner["values"]
    ((name, value),) = inner.items()
    have = source.get(name)
    if kind == "term":
        return value in have if isinstance(have, list) else have == value
    if kind == "terms":
        return have in value
    if kind == "range":
        return have is not None and str(have)[:19] >= str(value["gte"])[:19]
    if kind == "match_phrase_prefix":
        return str(value).casefold() in str(have).casefold()
    if kind == "wildcard":
        return fnmatch.fnmatchcase(str(have).casefold(), value["value"].casefold())
    raise AssertionError(f"This loopback does not know the query {kind}")


def filled(
    flavour: Literal["elasticsearch", "opensearch", "none"] = "elasticsearch", port: int = 0
) -> ElasticsearchServer:
    """A small company's handbook, and its tickets over more than one page."""
    server = ElasticsearchServer(flavour, port)
    at = "2026-03-01T09:00:00Z"
    server.indices["handbook"] = {
        "pay": {"title": "Pay", "content": "Salaries are paid on the 25th.", "url": "https://wiki.acme.example/pay"},
        "leave": {"title": "Leave", "content": "Everyone has thirty days.", "url": "https://wiki.acme.example/leave"},
    }
    for source in server.indices["handbook"].values():
        source.update(updated_at=at, category=["people", "policy"], status="published", slug=source["title"].lower())
    server.indices["tickets-2026"] = {
        f"t{number:03}": {
            "title": f"Ticket {number}",
            "content": f"Printer number{number} is out of toner.",
            "url": f"https://desk.acme.example/{number}",
            "updated_at": at,
            "category": "hardware",
            "status": "published",
            "slug": f"t{number:03}",
        }
        for number in range(230)
    }
    return server


if __name__ == "__main__":
    with filled("opensearch" if "opensearch" in sys.argv[1:] else "elasticsearch") as running:
        sys.stdout.write(f"{running.base_url}  API key: {KEY}  or {USER} / {PASSWORD}\n")
        sys.stdout.flush()
        while True:
            time.sleep(3600)
