"""What the portal and the embedded index's process say to each other: msgpack frames over a Unix socket.

A frame is its length (4 bytes, big-endian), then its body. One connection carries one request at a time. An answer's
body starts with one byte: ``OK``, ``INVALID`` (the caller's fault) or ``FAILED``; a message or a value follows.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from datasources.retrieval.filters import Clause
from datasources.retrieval.types import Candidates, Hit

HEADER = struct.Struct(">I")
MAX_FRAME = 64 * 1024 * 1024
OK, INVALID, FAILED = b"\x00", b"\x01", b"\x02"

T = TypeVar("T")


class WirePoint(msgspec.Struct, array_like=True):
    """``dense`` is little-endian float32; ``payload`` includes the workspace."""

    id: UUID
    dense: bytes
    embed_text: str
    payload: dict[str, Any]


class Ensure(msgspec.Struct, tag=True):
    space: str
    size: int


class Upsert(msgspec.Struct, tag=True):
    """``own``: what a point that is there already must match to be replaced."""

    space: str
    points: list[WirePoint]
    own: Clause


class Delete(msgspec.Struct, tag=True):
    space: str
    where: Clause


class SetPayload(msgspec.Struct, tag=True):
    space: str
    where: Clause
    payload: dict[str, Any]


class SetPayloads(msgspec.Struct, tag=True):
    """In this order: (which points, what is set on them)."""

    space: str
    changes: list[tuple[Clause, dict[str, Any]]]


class Search(msgspec.Struct, tag=True):
    """``population``: the passages that IDF is counted over."""

    space: str
    dense: bytes
    query: str
    where: Clause
    population: Clause
    limit: int


class Fetch(msgspec.Struct, tag=True):
    space: str
    ids: list[UUID]
    where: Clause
    terms: list[int]


class Scroll(msgspec.Struct, tag=True):
    space: str
    where: Clause
    limit: int
    offset: UUID | None
    with_vectors: bool


class Count(msgspec.Struct, tag=True):
    space: str
    where: Clause


class Info(msgspec.Struct, tag=True):
    pass


class Flush(msgspec.Struct, tag=True):
    pass


Request = Ensure | Upsert | Delete | SetPayload | SetPayloads | Search | Fetch | Scroll | Count | Info | Flush
URGENT = (Search, Fetch)
"""A person waits for these: they overtake what sync has queued."""


class WireStored(msgspec.Struct, array_like=True):
    id: UUID
    payload: dict[str, Any]
    dense: bytes | None


class ScrollPage(msgspec.Struct, array_like=True):
    points: list[WireStored]
    next_offset: UUID | None


class Description(msgspec.Struct, array_like=True):
    """``spaces`` counts points; ``broken`` gives the reason why a space could not be opened."""

    spaces: dict[str, int]
    broken: dict[str, str]


_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_requests = msgspec.msgpack.Decoder(Request)
_decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(kind) for kind in (type(None), int, Candidates, list[Hit], ScrollPage, Description)
}


def frame(body: bytes) -> bytes:
    if len(body) > MAX_FRAME:
        raise ValueError(f"One call to the search index would carry {len(body)} bytes; at most {MAX_FRAME} fit.")
    return HEADER.pack(len(body)) + body


def encode_request(request: Request) -> bytes:
    return frame(_encoder.encode(request))


def decode_request(body: bytes) -> Request:
    return _requests.decode(body)


def encode_answer(value: Any) -> bytes:
    return frame(OK + _encoder.encode(value))


def encode_refusal(kind: bytes, message: str) -> bytes:
    return frame(kind + _encoder.encode(message))


def decode_answer(body: bytes, kind: type[T]) -> T:
    """The value, of the type that the request calls for."""
    return _decoders[kind].decode(body[1:])


def decode_message(body: bytes) -> str:
    return msgspec.msgpack.decode(body[1:], type=str)


def pack_vector(vector: Sequence[float]) -> bytes:
    return array("f", vector).tobytes()


def unpack_vector(data: bytes) -> list[float]:
    values = array("f")
    values.frombytes(data)
    return values.tolist()
