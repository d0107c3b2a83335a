"""A real export comes in completely: every channel, every message, each in exactly one document."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from datasources.connectors.around import Around, StoredFile
from datasources.connectors.base import RemoteNode, Skipped
from datasources.connectors.slack_export.connector import SlackExport
from datasources.ingestion.extract import Extractor
from tests.contracts.vendor import Seen

pytestmark = pytest.mark.corpora

LINE = re.compile(r"^\*\*.+?\*\* \((?:\d{4}-\d\d-\d\d )?\d\d:\d\d UTC\):", re.MULTILINE)


class OneZip:
    def __init__(self, path: Path) -> None:
        self.path = path

    def list(self) -> Iterable[StoredFile]:
        return [StoredFile(self.path.name, self.path.stat().st_size, "1")]

    def open(self, path: str) -> IO[bytes]:
        return self.path.open("rb")


@pytest.fixture(scope="module")
def archives() -> Iterator[Extractor]:
    with Extractor() as extractor:
        yield extractor


def connector(path: Path, archives: Extractor, **config: Any) -> SlackExport:
    return SlackExport(config, {}, Around(archives, uploads=OneZip(path)))


def kept(nodes: Iterable[RemoteNode], kind: str = "") -> int:
    return sum(node.extra.get("messages", 0) for node in nodes if node.external_id.startswith(kind))


def test_all_channels_and_messages_of_a_real_export(corpora: Path, archives: Extractor) -> None:
    path = corpora / "slack" / "houstondatavis_export.zip"
    reader = connector(path, archives, bots=True, notices=True)
    seen = Seen().run(reader)
    channels = [node for node in seen.nodes.values() if node.kind == "channel"]
    days = [node for node in seen.nodes.values() if node.external_id.startswith("day:")]
    assert (len(channels), len(days), kept(seen.nodes.values())) == (16, 375, 1382)
    assert not [node for node in seen.nodes.values() if node.external_id.startswith("thread:")]
    said = "\n\n".join(reader.fetch(node).markdown or "" for node in days)
    with zipfile.ZipFile(path) as export:
        names = [name for name in export.namelist() if re.search(r"/\d{4}-\d\d-\d\d\.json$", name)]
        messages = [message for name in names for message in json.loads(export.read(name))]
    assert len(messages) == 1382
    assert len(LINE.findall(said)) == sum(
        1 for message in messages if message.get("text") or message.get("attachments")
    )


def test_what_people_wrote_comes_in_by_default_and_nothing_else(corpora: Path, archives: Extractor) -> None:
    seen = Seen().run(connector(corpora / "slack" / "houstondatavis_export.zip", archives))
    notices = (
        320 + 13 + 9 + 3 + 2 + 2 + 1 + 1
    )  # joins, purposes, archivings, leaves, names, topics, a bot's coming, a pin
    left_out = sum(n.extra.get("left_out", 0) for n in seen.nodes.values())
    left_out += sum(c.node.extra.get("left_out", 0) for c in seen.changes if isinstance(c, Skipped))
    assert kept(seen.nodes.values()) + left_out == 1382 - notices
    assert left_out == 0, "nothing in it is a bot's"
    assert None in seen.scopes


def test_a_thread_is_one_document_with_its_replies(corpora: Path, archives: Extractor, tmp_path: Path) -> None:
    folder = corpora / "slack" / "zulip_thread_fixture"
    packed = tmp_path / "export.zip"
    with zipfile.ZipFile(packed, "w") as export:
        for file in folder.rglob("*.json"):
            export.write(file, file.relative_to(folder))
    reader = connector(packed, archives)
    seen = Seen().run(reader)
    threads = [node for node in seen.nodes.values() if node.kind == "thread"]
    assert [node.extra["messages"] for node in threads] == [3]
    text = reader.fetch(threads[0]).markdown or ""
    assert text.index("thread message") < text.index("first reply") < text.index("everyone should see this")
    assert seen.documents() == {threads[0].external_id}
