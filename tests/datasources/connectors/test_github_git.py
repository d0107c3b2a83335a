"""Git's packs, as a wiki's server gives them: deltas, damage, and what is too large."""

from __future__ import annotations

import hashlib
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasources.connectors.base import ConnectorError, NodeError
from datasources.connectors.github import git
from tests.vendors.places.git_pack import GitRepository, object_id, packet

BASE = b"".join(b"line %d of the page\n" % number for number in range(20_000))
CHANGED = BASE[:100_000] + b"and something new" + BASE[200_000:]


def head(sort: int, size: int) -> bytes:
    out = [sort << 4 | size & 15]
    size >>= 4
    while size:
        out[-1] |= 0x80
        out.append(size & 0x7F)
        size >>= 7
    return bytes(out)


def varint(value: int) -> bytes:
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def copied(start: int, size: int) -> bytes:
    """A copy with all its offset and length bytes written out."""
    return bytes([0xFF]) + start.to_bytes(4, "little") + size.to_bytes(3, "little")


def delta() -> bytes:
    words = b"and something new"
    rest = len(BASE) - 200_000
    parts = copied(0, 100_000) + bytes([len(words)]) + words + copied(200_000, rest)
    return varint(len(BASE)) + varint(len(CHANGED)) + parts


def packed(*entries: bytes) -> bytes:
    pack = b"PACK" + (2).to_bytes(4, "big") + len(entries).to_bytes(4, "big") + b"".join(entries)
    return pack + hashlib.sha1(pack).digest()


def offset(back: int) -> bytes:
    out = [back & 0x7F]
    back >>= 7
    while back:
        back -= 1
        out.insert(0, 0x80 | back & 0x7F)
        back >>= 7
    return bytes(out)


def test_both_kinds_of_delta_are_applied() -> None:
    base = head(3, len(BASE)) + zlib.compress(BASE)
    change = delta()
    by_name = head(7, len(change)) + bytes.fromhex(object_id("blob", BASE)) + zlib.compress(change)
    by_place = head(6, len(change)) + offset(len(base)) + zlib.compress(change)
    for entry in (by_name, by_place):
        found = git.unpacked(packed(base, entry))
        assert found == {object_id("blob", BASE): (3, BASE), object_id("blob", CHANGED): (3, CHANGED)}


def test_a_delta_without_its_base_and_a_pack_that_breaks_off_are_tried_again() -> None:
    change = delta()
    lonely = packed(head(7, len(change)) + b"\x00" * 20 + zlib.compress(change))
    whole = packed(head(3, len(BASE)) + zlib.compress(BASE))
    for pack in (lonely, whole[:200], b"", b"PACK"):
        with pytest.raises(ConnectorError) as caught:
            git.unpacked(pack)
        assert not caught.value.permanent


def test_what_grows_past_the_limit_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "_MOST_BYTES", 1000)
    with pytest.raises(NodeError, match="too large"):
        git.unpacked(packed(head(3, len(BASE)) + zlib.compress(BASE)))
    understated = packed(head(3, 10) + zlib.compress(BASE))
    with pytest.raises(ConnectorError, match="damaged"):
        git.unpacked(understated)


@given(st.binary(max_size=200), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_whatever_a_server_sends_ends_in_an_error_of_ours(data: bytes, entries: int) -> None:
    pack = b"PACK" + (2).to_bytes(4, "big") + entries.to_bytes(4, "big") + data
    signed = pack + hashlib.sha1(pack).digest()
    try:
        found = git.unpacked(signed)
    except ConnectorError:
        return
    assert len(found) <= entries


def test_files_in_folders_keep_their_paths_and_a_refusal_is_told() -> None:
    wiki = GitRepository({"Home.md": b"a", "guides/Start here.md": b"b"})

    def call(url: str, body: bytes | None) -> bytes:
        return wiki.advertised() if body is None else wiki.answer(body)

    remote = git.Remote(call, "https://git.example/a/b.wiki.git")
    found = {file.path: remote.blob(file.sha) for file in remote.files()}
    assert found == {"Home.md": b"a", "guides/Start here.md": b"b"}
    with pytest.raises(NodeError, match="not our ref"):
        remote.blob("0" * 40)


def test_an_old_server_and_one_that_is_no_git_say_so() -> None:
    old = git.Remote(lambda url, body: packet(b"0" * 40 + b" HEAD\n") + b"0000", "https://git.example/a.wiki.git")
    with pytest.raises(ConnectorError, match="old git") as caught:
        old.files()
    assert caught.value.permanent
    page = git.Remote(lambda url, body: b"<html>Sign in", "https://git.example/a.wiki.git")
    with pytest.raises(ConnectorError, match="not git"):
        page.files()
