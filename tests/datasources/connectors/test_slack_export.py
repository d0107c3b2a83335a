"""The zip of a workspace export: what comes in, that it is whole, and what is said of zips that are none."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import IO, Any

import pytest

from datasources.connectors.around import Around, StoredFile
from datasources.connectors.base import (
    Checkpoint,
    Chosen,
    Complete,
    ConnectorError,
    NodeError,
    RemoteNode,
    Skipped,
    Upsert,
)
from datasources.connectors.slack_export.archive import UPLOADS
from datasources.connectors.slack_export.connector import SlackExport
from datasources.ingestion.extract import Extractor
from datasources.syncing.told import sort_key
from tests.contracts.documents import ALL, Seen
from tests.contracts.export import ExportContract, ExportPlace

THREAD = "1434139102.000002"


class Uploaded:
    """An upload store in memory, with one export that a test changes day by day."""

    def __init__(self, archives: Extractor) -> None:
        self.files: dict[str, tuple[bytes, datetime]] = {}
        self.config: dict[str, Any] = {}
        self.around = Around(archives, uploads=self)
        self.members: dict[str, Any] = {
            "channels.json": [{"id": "C1", "name": "general"}, {"id": "C2", "name": "random"}],
            "groups.json": [{"id": "G1", "name": "board"}],
            "dms.json": [{"id": "D1", "members": ["U1", "U2"]}],
            "users.json": [
                {"id": "U1", "name": "ann", "profile": {"real_name": "Ann Lee"}},
                {"id": "U2", "name": "ben", "profile": {"real_name": "Ben Ode"}},
            ],
            "general/2015-06-12.json": [
                {"type": "message", "user": "U1", "text": "Where is the <#C2>?", "ts": "1434139000.000001"},
                {"type": "message", "user": "U1", "text": "thread message", "ts": THREAD, "thread_ts": THREAD},
                {"type": "message", "user": "U2", "text": "first reply", "ts": "1434139103.000002", "thread_ts": THREAD},
            ],
            "general/2015-06-13.json": [
                {"type": "message", "user": "U2", "text": "has joined", "ts": "1434200000.000001", "subtype": "channel_join"},
                {"type": "message", "user": "U1", "text": "a late reply", "ts": "1434200001.000002", "thread_ts": THREAD},
            ],
            "random/2015-06-12.json": [
                {
                    "type": "message", "user": "U2", "text": "look", "ts": "1434139200.000001",
                    "files": [{"id": "F1", "name": "plan.txt", "url_private": "https://files.slack.com/F1"},
                              {"id": "F2", "name": "more.txt", "url_private": "https://files.slack.com/F2"}],
                },
            ],
            "board/2015-06-12.json": [{"type": "message", "user": "U1", "text": "We merge", "ts": "1434139300.000001"}],
            "D1/2015-06-12.json": [{"type": "message", "user": "U1", "text": "a secret", "ts": "1434139300.000001"}],
            f"{UPLOADS}/F1/plan.txt": b"The kitchen moves upstairs",
        }  # fmt: skip

    def list(self) -> Iterable[StoredFile]:
        return [
            StoredFile(path, len(data), hashlib.sha256(data).hexdigest()[:16], when)
            for path, (data, when) in self.files.items()
        ]

    def open(self, path: str) -> IO[bytes]:
        if path not in self.files:
            raise FileNotFoundError(path)
        return io.BytesIO(self.files[path][0])

    def upload(self, name: str = "export.zip", *, hour: int = 1, inside: str = "") -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
            for path, content in self.members.items():
                made.writestr(inside + path, content if isinstance(content, bytes) else json.dumps(content))
        self.files[name] = (packed.getvalue(), datetime(2026, 1, 1, hour, tzinfo=UTC))

    def connector(self) -> SlackExport:
        return SlackExport(self.config, {}, self.around)

    def seen(self, *chosen: Chosen) -> Seen:
        return Seen().run(self.connector(), chosen or ALL)

    def text(self, external_id: str) -> str:
        """As a new process fetches it."""
        node = self.seen().nodes[external_id]
        return self.connector().fetch(node).markdown or ""


@pytest.fixture(scope="module")
def archives() -> Iterator[Extractor]:
    with Extractor() as extractor:
        yield extractor


@pytest.fixture
def place(archives: Extractor) -> Uploaded:
    made = Uploaded(archives)
    made.upload()
    return made


class ContractPlace(ExportPlace):
    branches = ("channel:C1", "channel:C2")

    def __init__(self, archives: Extractor) -> None:
        super().__init__(archives)
        self.days = {
            ("general", "2015-06-12"): ("U1", "The kitchen moves upstairs", "1434139000.000001"),
            ("general", "2015-06-13"): ("U2", "Rehearsal at noon", "1434200001.000002"),
            ("random", "2015-06-12"): ("U2", "Look at the heron", "1434139200.000001"),
        }
        self.upload()

    def members(self) -> dict[str, bytes | str]:
        days = {
            f"{channel}/{day}.json": json.dumps([{"type": "message", "user": user, "text": text, "ts": ts}])
            for (channel, day), (user, text, ts) in self.days.items()
        }
        people = [{"id": "U1", "name": "ann"}, {"id": "U2", "name": "ben"}]
        channels = [{"id": "C1", "name": "general"}, {"id": "C2", "name": "random"}]
        return {"channels.json": json.dumps(channels), "users.json": json.dumps(people), **days}

    def connector(self) -> SlackExport:
        return SlackExport({}, {}, self.around)

    def documents(self) -> dict[str, str]:
        ids = {"general": "C1", "random": "C2"}
        return {f"day:{ids[channel]}:{day}": told[1].split()[-1] for (channel, day), told in self.days.items()}

    def branch_of(self, external_id: str) -> str:
        return f"channel:{external_id.split(':')[1]}"

    def edit(self) -> str:
        self.days["general", "2015-06-13"] = ("U2", "Rehearsal at midnight", "1434200001.000002")
        self.upload()
        return "day:C1:2015-06-13"

    def add(self) -> str:
        self.days["general", "2015-06-14"] = ("U1", "A new whiteboard", "1434290000.000001")
        self.upload()
        return "day:C1:2015-06-14"

    def delete(self) -> str:
        del self.days["general", "2015-06-12"]
        self.upload()
        return "day:C1:2015-06-12"


class TestSlackExport(ExportContract):
    @pytest.fixture
    def place(self, archives: Extractor) -> ContractPlace:
        return ContractPlace(archives)


EVERYTHING = {
    "day:C1:2015-06-12",
    f"thread:C1:{THREAD}",
    "day:C2:2015-06-12",
    "file:C2:F1",
    "day:G1:2015-06-12",
}


def test_everything_comes_in_and_is_complete(place: Uploaded) -> None:
    seen = place.seen()
    assert seen.documents() == EVERYTHING
    assert seen.scopes == [None]
    assert isinstance(seen.changes[-1], Complete)
    for node in seen.nodes.values():
        if node.parent is not None:
            assert seen.order.index(node.parent) < seen.order.index(node.external_id)
            assert seen.nodes[node.parent].has_children


def test_a_thread_that_spans_days_is_one_document(place: Uploaded) -> None:
    text = place.text(f"thread:C1:{THREAD}")
    assert text.count("**") == 6
    assert text.index("thread message") < text.index("first reply") < text.index("a late reply")
    assert "thread message" not in place.text("day:C1:2015-06-12")


def test_texts_are_the_same_kept_from_the_listing_or_read_anew(place: Uploaded) -> None:
    connector = place.connector()
    seen = Seen().run(connector)
    for key in EVERYTHING - {"file:C2:F1"}:
        kept = connector.fetch(seen.nodes[key])
        assert kept == connector.fetch(seen.nodes[key])
        assert kept.markdown


def test_names_are_resolved(place: Uploaded) -> None:
    text = place.text("day:C1:2015-06-12")
    assert "**Ann Lee** (19:56 UTC): Where is the #random?" in text


def test_a_file_in_the_zip_comes_in_and_a_mere_link_is_told_as_skipped(place: Uploaded) -> None:
    seen = place.seen()
    assert place.connector().fetch(seen.nodes["file:C2:F1"]).data == b"The kitchen moves upstairs"
    skipped = {c.node.external_id: c.reason for c in seen.changes if isinstance(c, Skipped)}
    assert "only a link" in skipped["file:C2:F2"]


def test_nothing_is_left_out_in_silence(place: Uploaded) -> None:
    place.members["lost/2015-06-12.json"] = []
    place.members["board/2015-06-13.json"] = [{"text": "beep", "ts": "1434200000.000001", "bot_id": "B1"}]
    place.upload()
    skipped = {c.node.external_id: c.reason for c in place.seen().changes if isinstance(c, Skipped)}
    assert set(skipped) == {"day:G1:2015-06-13", "file:C2:F2", "direct", "folder:lost"}
    assert "bots" in skipped["day:G1:2015-06-13"]


def test_notices_come_in_where_they_are_wanted(place: Uploaded) -> None:
    place.config["notices"] = True
    assert "has joined" in place.text("day:C1:2015-06-13")


def test_only_what_is_chosen_is_told(place: Uploaded) -> None:
    assert place.seen(Chosen("channel:C1")).documents() == {key for key in EVERYTHING if ":C1:" in key}
    rest = place.seen(Chosen(None), Chosen("channel:C1", include=False)).documents()
    assert rest == {key for key in EVERYTHING if ":C1:" not in key}
    assert place.seen(Chosen("day:C2:2015-06-12")).documents() == {"day:C2:2015-06-12"}


def test_messages_from_a_date_on(place: Uploaded) -> None:
    assert not place.seen(Chosen(None, options={"since": "2015-06-13"})).documents()
    assert place.seen(Chosen(None, options={"since": "2015-06-12"})).documents() == EVERYTHING


def test_the_tree_holds_what_can_be_chosen(place: Uploaded) -> None:
    connector = place.connector()
    assert [node.title for node in connector.children(None)] == ["board", "general", "random"]
    told = place.seen().nodes
    for node in connector.children("channel:C1"):
        assert node.parent == "channel:C1"
        assert node.external_id in told
    assert [node.external_id for node in connector.find("#GENER")] == ["channel:C1"]
    assert connector.estimate(ALL).documents > 0


def test_a_listing_that_is_broken_off_goes_on(place: Uploaded) -> None:
    whole = place.seen().versions()
    changes = list(place.connector().changes({}, ALL))
    for number, change in enumerate(changes):
        if not isinstance(change, Checkpoint):
            continue
        seen = Seen()
        seen.take_all(iter(changes[: number + 1]))
        seen.take_all(place.connector().changes(seen.cursor, ALL))
        seen.prune()
        assert seen.versions() == whole


def test_a_newer_zip_replaces_and_only_what_changed_has_another_version(place: Uploaded) -> None:
    seen = place.seen()
    before = seen.versions()
    place.members["random/2015-06-12.json"][0]["text"] = "look again"
    del place.members["board/2015-06-12.json"]
    place.upload("newer.zip", hour=2)
    after = seen.run(place.connector()).versions()
    assert {key for key in after if after[key] != before[key]} == {"day:C2:2015-06-12"}
    assert set(before) - set(after) == {"day:G1:2015-06-12"}


def test_without_a_zip_there_is_nothing(place: Uploaded) -> None:
    seen = place.seen()
    place.files.clear()
    assert "upload the zip" in place.connector().test().message
    assert not seen.run(place.connector()).documents()
    with pytest.raises(NodeError):
        place.connector().fetch(RemoteNode("day:C1:2015-06-12", "conversation", "a day", "channel:C1"))


def test_a_zip_packed_again_in_a_folder_is_read_all_the_same(place: Uploaded) -> None:
    place.upload(inside="Acme export/")
    assert place.seen().documents() == EVERYTHING


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"not a zip at all", "Download it from Slack again"),
        (b"PK\x05\x06" + b"\0" * 18, "no export of a Slack workspace"),
    ],
)
def test_what_is_no_export_is_told_so(place: Uploaded, data: bytes, said: str) -> None:
    place.files["export.zip"] = (data, datetime(2026, 1, 1, tzinfo=UTC))
    for call in (place.connector().test, lambda: list(place.connector().changes({}, ALL))):
        with pytest.raises(ConnectorError) as caught:
            call()
        assert caught.value.permanent
        assert said in str(caught.value)


def test_files_without_a_zip_are_told_so(place: Uploaded) -> None:
    place.files = {"general/2015-06-12.json": (b"[]", datetime(2026, 1, 1, tzinfo=UTC))}
    connector = place.connector()
    for call in (connector.test, lambda: list(connector.children(None)), lambda: list(connector.changes({}, ALL))):
        with pytest.raises(ConnectorError, match="no zip among the files"):
            call()


def test_days_stand_in_the_order_of_time_the_newest_first(place: Uploaded) -> None:
    for day in ("2015-06-20", "2016-01-02", "2015-12-01"):
        place.members[f"general/{day}.json"] = place.members["general/2015-06-12.json"]
    place.upload()
    days = [node for key, node in place.seen().nodes.items() if key.startswith("day:C1:")]
    told = [node.external_id.rpartition(":")[2] for node in sorted(days, key=sort_key)]
    assert told == sorted(told, reverse=True)
    assert len(told) > 3


@pytest.mark.parametrize("bad", [b"{", b"[" * 100_000, b'{"a": 1}'])
def test_a_damaged_day_stops_nothing_else(place: Uploaded, bad: bytes) -> None:
    place.members["general/2015-06-12.json"] = bad
    place.upload()
    seen = place.seen()
    assert {"day:C2:2015-06-12", "day:G1:2015-06-12"} <= seen.documents()
    skipped = {c.node.external_id: c.reason for c in seen.changes if isinstance(c, Skipped)}
    assert "export the workspace anew" in skipped["day:C1:2015-06-12"]


def test_links_lead_to_slack_where_its_address_is_known(place: Uploaded) -> None:
    assert not any(c.node.url for c in place.seen().changes if isinstance(c, Upsert) and c.node.kind != "file")
    place.config["workspace_url"] = "https://acme.slack.com/"
    node = place.seen().nodes["day:C1:2015-06-12"]
    assert node.url == "https://acme.slack.com/archives/C1/p1434139000000001"
