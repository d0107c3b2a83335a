"""How the portal and its reading child talk: length, JSON; files travel as descriptors, so that the child opens none."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

_LENGTH = struct.Struct(">I")
MOST_REPLY_BYTES = 256 * 1024 * 1024


class Ended(Exception):
    """The other side is gone."""


def send(channel: socket.socket, message: dict[str, Any], files: Sequence[int] = ()) -> None:
    body = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
    try:
        if files:
            socket.send_fds(channel, [_LENGTH.pack(len(body))], list(files))
        else:
            channel.sendall(_LENGTH.pack(len(body)))
        channel.sendall(body)
    except (BrokenPipeError, ConnectionResetError) as error:
        raise Ended from error


def receive(channel: socket.socket, deadline: float | None = None) -> dict[str, Any]:
    """The next message. Raises Ended, or TimeoutError past ``deadline`` (on the monotonic clock)."""
    size = _LENGTH.unpack(_exactly(channel, _LENGTH.size, deadline))[0]
    if size > MOST_REPLY_BYTES:
        raise Ended(f"a message of {size} bytes")
    message: dict[str, Any] = json.loads(_exactly(channel, size, deadline))
    return message


def receive_with_files(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The next request and the descriptors that came with it."""
    head, files, _, _ = socket.recv_fds(channel, _LENGTH.size, 4)
    if not head:
        raise Ended
    head += _exactly(channel, _LENGTH.size - len(head), None)
    return json.loads(_exactly(channel, _LENGTH.unpack(head)[0], None)), files


def _exactly(channel: socket.socket, size: int, deadline: float | None) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            channel.settimeout(left)
        try:
            block = channel.recv(min(size - len(parts), 1 << 20))
        except ConnectionResetError as error:
            raise Ended from error
        if not block:
            raise Ended
        parts += block
    return bytes(parts)
