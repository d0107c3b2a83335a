"""A Qdrant server's REST API on loopback, in a process of its own: qdrant-client's local mode behind real HTTP.

The local mode knows what the calls mean; this file knows how they are spoken: paths, status codes, envelopes, the schema of
payload indexes, the key. Bodies are read with the client's own OpenAPI models, which refuse what the API does not know.

    with qdrant_server() as url: ...
    with qdrant_server(api_key="secret", version="1.18.2") as url: ...
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import subprocess
import sys
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError
from qdrant_client import QdrantClient, models

ROOT = Path(__file__).resolve().parents[2]
NEWEST = "1.20.0"
Handler = Callable[[web.Request], Awaitable[Any]]


class Refused(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class QdrantServer:
    """One store in memory; a single event loop serves all calls in turn, as the local mode wants it."""

    def __init__(self, version: str = NEWEST, api_key: str = "") -> None:
        self._store = QdrantClient(":memory:", force_disable_check_same_thread=True)
        self._version = version
        self._api_key = api_key
        self._indexes: dict[str, dict[str, Any]] = {}
        self._operations = 0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=32 * 1024 * 1024, middlewares=[self._speak])
        at = "/collections/{name}"
        app.add_routes(
            [
                web.get("/", self._greet),
                web.get("/collections", self._list),
                web.get(at, self._get),
                web.put(at, self._create),
                web.delete(at, self._drop),
                web.get(f"{at}/exists", self._exists),
                web.put(f"{at}/index", self._index),
                web.put(f"{at}/points", self._upsert),
                web.post(f"{at}/points", self._retrieve),
                web.post(f"{at}/points/query", self._query),
                web.post(f"{at}/points/query/batch", self._query_batch),
                web.post(f"{at}/points/scroll", self._scroll),
                web.post(f"{at}/points/count", self._count),
                web.post(f"{at}/points/delete", self._delete),
                web.post(f"{at}/points/payload", self._set_payload),
                web.post(f"{at}/points/batch", self._batch),
            ]
        )
        return app

    @web.middleware
    async def _speak(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The envelope of every answer: ``result``, ``status``, ``time``, or the error under ``status``."""
        begun = time.perf_counter()
        try:
            if self._api_key and request.headers.get("api-key") != self._api_key:
                raise Refused(401, "Must provide an API key or an Authorization bearer token")
            result = await handler(request)
        except Refused as error:
            body = {"status": {"error": str(error)}, "time": time.perf_counter() - begun}
            return web.json_response(body, status=error.status)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            sentence = f"Format error in JSON body: {where}: {first['msg']}"
            return web.json_response({"status": {"error": sentence}, "time": 0.0}, status=400)
        except ValueError as error:
            return web.json_response({"status": {"error": f"Wrong input: {error}"}, "time": 0.0}, status=400)
        if isinstance(result, web.StreamResponse):
            return result
        return web.json_response({"result": result, "status": "ok", "time": time.perf_counter() - begun})

    def _name(self, request: web.Request) -> str:
        name = request.match_info["name"]
        if not self._store.collection_exists(name):
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        return name

    def _updated(self) -> dict[str, Any]:
        self._operations += 1
        return {"operation_id": self._operations, "status": "completed"}

    async def _greet(self, request: web.Request) -> web.Response:
        return web.json_response({"title": "qdrant - vector search engine", "version": self._version, "commit": None})

    # Collections.

    async def _list(self, request: web.Request) -> Any:
        return _plain(self._store.get_collections())

    async def _exists(self, request: web.Request) -> Any:
        return {"exists": self._store.collection_exists(request.match_info["name"])}

    async def _get(self, request: web.Request) -> Any:
        name = self._name(request)
        return {**_plain(self._store.get_collection(name)), "payload_schema": self._indexes[name]}

    async def _create(self, request: web.Request) -> Any:
        name = request.match_info["name"]
        body = await _body(request, models.CreateCollection)
        if self._store.collection_exists(name):
            raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
        self._store.create_collection(name, vectors_config=body.vectors, sparse_vectors_config=body.sparse_vectors)
        self._indexes[name] = {}
        return True

    async def _drop(self, request: web.Request) -> Any:
        name = request.match_info["name"]
        self._indexes.pop(name, None)
        return self._store.delete_collection(name)

    async def _index(self, request: web.Request) -> Any:
        name = self._name(request)
        body = await _body(request, models.CreateFieldIndex)
        schema = _plain(body.field_schema)
        kind, params = (schema, None) if isinstance(schema, str) else (schema["type"], schema)
        self._indexes[name][body.field_name] = {"data_type": kind, "params": params, "points": 0}
        return self._updated()

    # Points.

    async def _upsert(self, request: web.Request) -> Any:
        name = self._name(request)
        body = await _body(request, models.PointInsertOperations)
        if not isinstance(body, models.PointsList):
            raise Refused(400, "This server takes points as a list only.")
        self._store.upsert(name, body.points, update_filter=body.update_filter)
        return self._updated()

    async def _retrieve(self, request: web.Request) -> Any:
        body = await _body(request, models.PointRequest)
        payload = True if body.with_payload is None else body.with_payload
        return _plain(self._store.retrieve(self._name(request), body.ids, payload, body.with_vector or False))

    async def _query(self, request: web.Request) -> Any:
        return self._found(self._name(request), [await _body(request, models.QueryRequest)])[0]

    async def _query_batch(self, request: web.Request) -> Any:
        body = await _body(request, models.QueryRequestBatch)
        return self._found(self._name(request), body.searches)

    def _found(self, name: str, searches: list[models.QueryRequest]) -> list[Any]:
        for search in searches:
            if search.params is not None and search.params.idf is not None and not self._has_idf(name, search.using):
                raise Refused(400, "Wrong input: idf parameters need a sparse vector with the IDF modifier.")
        return _plain(self._store.query_batch_points(name, searches))

    def _has_idf(self, name: str, vector: str | None) -> bool:
        sparse = self._store.get_collection(name).config.params.sparse_vectors or {}
        return vector in sparse and sparse[vector].modifier == models.Modifier.IDF

    async def _scroll(self, request: web.Request) -> Any:
        body = await _body(request, models.ScrollRequest)
        points, offset = self._store.scroll(
            self._name(request),
            scroll_filter=body.filter,
            limit=10 if body.limit is None else body.limit,
            offset=body.offset,
            with_payload=True if body.with_payload is None else body.with_payload,
            with_vectors=body.with_vector or False,
        )
        return {"points": _plain(points), "next_page_offset": offset}

    async def _count(self, request: web.Request) -> Any:
        body = await _body(request, models.CountRequest)
        return _plain(self._store.count(self._name(request), body.filter, exact=body.exact is not False))

    async def _delete(self, request: web.Request) -> Any:
        self._store.delete(self._name(request), await _body(request, models.PointsSelector))
        return self._updated()

    async def _set_payload(self, request: web.Request) -> Any:
        return self._set(self._name(request), await _body(request, models.SetPayload))

    async def _batch(self, request: web.Request) -> Any:
        name = self._name(request)
        body = await _body(request, models.UpdateOperations)
        done = []
        for operation in body.operations:
            if not isinstance(operation, models.SetPayloadOperation):
                raise Refused(400, "This server takes batches of set_payload only.")
            done.append(self._set(name, operation.set_payload))
        return done

    def _set(self, name: str, body: models.SetPayload) -> Any:
        where: Any = body.points if body.filter is None else models.FilterSelector(filter=body.filter)
        if where is None:
            raise Refused(400, "Validation error in JSON body: set_payload needs points or a filter.")
        self._store.set_payload(name, body.payload, where, key=body.key)
        return self._updated()


_adapters: dict[Any, TypeAdapter[Any]] = {}


async def _body(request: web.Request, kind: Any) -> Any:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind].validate_json(await request.read())


def _plain(value: Any) -> Any:
    """A model, or lists of them, as JSON."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


@contextlib.contextmanager
def qdrant_server(*, version: str = NEWEST, api_key: str = "") -> Iterator[str]:
    """The address of a fresh, empty server in a process of its own."""
    command = [sys.executable, "-m", "tests.vendors.qdrant", "--version", version, "--api-key", api_key]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        if not address:
            raise RuntimeError("The Qdrant stand-in did not start")
        yield address
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def main() -> None:
    """Prints its address and serves until it is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--version", default=NEWEST)
    parser.add_argument("--api-key", default="")
    given = parser.parse_args()
    # The local mode's advice (more than 20,000 points …) concerns nobody here.
    warnings.simplefilter("ignore")

    asyncio.run(_serve(QdrantServer(given.version, given.api_key), given.port))


async def _serve(server: QdrantServer, port: int) -> None:
    runner = web.AppRunner(server.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    main()
