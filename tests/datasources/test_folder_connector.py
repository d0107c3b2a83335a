"""Folders on the server: the contract, and what only a disk can do to a connector."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from datasources.connectors.around import Around
from datasources.connectors.base import Chosen, Complete, ConnectorError, NodeError, RemoteNode, Skipped, Upsert
from datasources.connectors.folder import disk
from datasources.connectors.folder.connector import Folder
from datasources.connectors.registry import CONNECTORS, connector_class
from datasources.ingestion.extract import Extractor
from datasources.ingestion.results import Limits
from tests.contracts.files import ALL, FilesContract, FilesPlace, nodes, scopes, told
from tests.datasources.documents import tarred, zipped


@pytest.fixture(scope="module")
def archives() -> Iterator[Extractor]:
    with Extractor() as extractor:
        yield extractor


class Disk(FilesPlace):
    def __init__(self, root: Path, archives: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.root = root / "files"
        self.root.mkdir()
        self.around = Around(archives, folder_roots=[root], data_dir=root / "data")
        self.monkeypatch = monkeypatch
        self.config: dict[str, object] = {"path": str(self.root)}

    def connector(self) -> Folder:
        return Folder(self.config, {}, self.around)

    def write(self, path: str, data: bytes) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(data)

    def remove(self, path: str) -> None:
        (self.root / path).unlink()

    def rename(self, path: str, to: str) -> None:
        (self.root / to).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).rename(self.root / to)

    def break_below(self, path: str) -> None:
        """As a folder whose rights were taken away (which would not hold back the account root)."""
        scan, broken = os.scandir, str(self.root / path).rstrip("/")

        def scandir(folder: str) -> object:
            if f"{folder}/".startswith(f"{broken}/"):
                raise PermissionError(13, "Permission denied", folder)
            return scan(folder)

        self.monkeypatch.setattr(disk.os, "scandir", scandir)


@pytest.fixture
def place(tmp_path: Path, archives: Extractor, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, archives, monkeypatch)


class TestFolder(FilesContract):
    pass


def skipped(changes: list) -> dict[str, str]:
    return {change.node.external_id: change.reason for change in changes if isinstance(change, Skipped)}


def test_only_allowed_roots_are_read(place: Disk, tmp_path: Path) -> None:
    with pytest.raises(ConnectorError, match="outside the folders that may be read") as caught:
        Folder({"path": "/etc"}, {}, place.around)
    assert caught.value.permanent
    with pytest.raises(ConnectorError, match="ATRIUM_FOLDER_ROOTS"):
        Folder({"path": str(tmp_path)}, {}, Around(place.around.archives))
    with pytest.raises(ConnectorError, match="whole path"):
        Folder({"path": "files"}, {}, place.around)
    with pytest.raises(ConnectorError, match="whole path"):
        Folder({}, {}, place.around)


def test_a_root_that_is_a_prefix_of_a_name_is_no_root(place: Disk, tmp_path: Path) -> None:
    (tmp_path / "files-of-others").mkdir()
    around = Around(place.around.archives, folder_roots=[place.root])
    with pytest.raises(ConnectorError, match="outside"):
        Folder({"path": str(tmp_path / "files-of-others")}, {}, around)


def test_a_path_may_not_leave_through_a_link(place: Disk, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/etc")
    with pytest.raises(ConnectorError, match="outside"):
        Folder({"path": str(tmp_path / "out")}, {}, place.around)


def test_the_data_directory_is_never_read(place: Disk, tmp_path: Path) -> None:
    (tmp_path / "data" / "keys").mkdir(parents=True)
    (tmp_path / "data" / "keys" / "secret.txt").write_text("secret")
    with pytest.raises(ConnectorError, match="Atrium's own data"):
        Folder({"path": str(tmp_path / "data" / "keys")}, {}, place.around)
    (place.root / "sly").symlink_to(tmp_path / "data")
    changes = told(Folder({"path": str(tmp_path)}, {}, place.around))
    assert skipped(changes) == {"data": disk.OWN_DATA, "files/sly": disk.OWN_DATA}
    assert not [key for key in nodes(changes) if "secret" in key]


def test_what_is_missing_or_a_file_is_said(place: Disk) -> None:
    place.write("a.md", b"a")
    with pytest.raises(ConnectorError, match="is a file") as caught:
        told(Folder({"path": str(place.root / "a.md")}, {}, place.around))
    assert caught.value.permanent
    shutil.rmtree(place.root)
    with pytest.raises(ConnectorError, match="is not there: mount or restore it") as caught:
        place.connector().test()
    assert caught.value.permanent


def test_links_that_lead_out_or_nowhere_or_round_are_skipped_with_the_reason(place: Disk) -> None:
    place.write("docs/a.md", b"a")
    (place.root / "docs" / "up").symlink_to(place.root)
    (place.root / "docs" / "passwd").symlink_to("/etc/passwd")
    (place.root / "docs" / "gone.md").symlink_to(place.root / "nothing.md")
    changes = told(place.connector())
    assert skipped(changes) == {
        "docs/up": disk.LOOP,
        "docs/passwd": disk.OUTSIDE,
        "docs/gone.md": disk.BROKEN_LINK,
    }
    assert Complete(None) in changes
    with pytest.raises(NodeError, match="leads out"):
        place.connector().fetch(RemoteNode("docs/passwd", "file", "passwd"))
    with pytest.raises(NodeError, match="leads out"):
        place.connector().fetch(RemoteNode("../../etc/passwd", "file", "passwd"))


def test_a_linked_folder_inside_the_roots_comes_in_once(place: Disk, tmp_path: Path) -> None:
    other = tmp_path / "shared"
    other.mkdir()
    (other / "b.md").write_text("b")
    (other / "self").symlink_to(other)
    (place.root / "linked").symlink_to(other)
    changes = told(place.connector())
    assert "linked/b.md" in nodes(changes)
    assert skipped(changes) == {"linked/self": disk.LOOP}


def test_hidden_files_and_those_of_editors_are_left_out(place: Disk) -> None:
    for name in (".git/config", ".env", "~$letter.docx", "Thumbs.db", "ok.md"):
        place.write(name, b"x")
    assert set(nodes(told(place.connector()))) == {"ok.md"}


def test_pipes_are_skipped_and_do_not_hang(place: Disk) -> None:
    os.mkfifo(place.root / "pipe.txt")
    assert skipped(told(place.connector())) == {"pipe.txt": disk.SPECIAL}


def test_a_name_that_is_no_text_is_skipped_with_the_reason(place: Disk) -> None:
    with open(os.path.join(os.fsencode(place.root), b"caf\xe9.txt"), "wb") as file:
        file.write(b"x")
    changes = told(place.connector())
    assert skipped(changes) == {"caf\\xe9.txt": disk.BAD_NAME}


def test_an_unreadable_folder_holds_back_only_what_is_above_it(place: Disk) -> None:
    place.write("closed/in/a.md", b"a")
    place.write("open/b.md", b"b")
    place.write("closed/fine/c.md", b"c")
    place.break_below("closed/in")
    changes = told(place.connector())
    assert scopes(changes) == {"open", "closed/fine"}
    assert skipped(changes) == {"closed/in": disk.DENIED}


def test_patterns_choose_files_and_folders(place: Disk) -> None:
    for name in ("a.md", "b.pdf", "drafts/c.md", "reports/2024/d.MD", "reports/old/e.md"):
        place.write(name, b"x")
    place.config |= {"include": ["*.md"], "exclude": ["drafts", "reports/old/**"]}
    found = nodes(told(place.connector()))
    assert {key for key, node in found.items() if node.has_text} == {"a.md", "reports/2024/d.MD"}
    place.config |= {"include": 7}
    with pytest.raises(ConnectorError, match="list of patterns"):
        place.connector()


def test_archives_are_folders(place: Disk) -> None:
    inner = tarred({"deep/z.md": b"# Z"}, "w:gz")
    place.write("a.zip", zipped({"one.md": b"# One", "sub/two.md": b"# Two", "inner.tgz": inner}))
    connector = place.connector()
    changes = told(connector)
    found = nodes(changes)
    assert set(found) == {
        "a.zip",
        "a.zip!/one.md",
        "a.zip!/sub",
        "a.zip!/sub/two.md",
        "a.zip!/inner.tgz",
        "a.zip!/inner.tgz!/deep",
        "a.zip!/inner.tgz!/deep/z.md",
    }
    assert found["a.zip"].has_children
    assert not found["a.zip"].has_text
    assert found["a.zip!/inner.tgz!/deep"].parent == "a.zip!/inner.tgz"
    assert connector.fetch(found["a.zip!/sub/two.md"]).data == b"# Two"
    assert connector.fetch(found["a.zip!/inner.tgz!/deep/z.md"]).data == b"# Z"
    assert [node.title for node in connector.children("a.zip!/inner.tgz")] == ["deep"]
    assert Complete(None) in changes


def test_a_member_that_did_not_change_keeps_its_version(place: Disk) -> None:
    place.write("a.zip", zipped({"one.md": b"# One", "two.md": b"# Two"}))
    before = nodes(told(place.connector()))
    place.write("a.zip", zipped({"one.md": b"# One", "two.md": b"# Second"}))
    after = nodes(told(place.connector()))
    assert before["a.zip!/one.md"].version == after["a.zip!/one.md"].version
    assert before["a.zip!/two.md"].version != after["a.zip!/two.md"].version


def test_a_folder_whose_name_looks_like_an_archive_is_a_folder(place: Disk) -> None:
    place.write("odd.zip/a.md", b"a")
    place.write("b.zip!/c.md", b"c")
    connector = place.connector()
    found = nodes(told(connector))
    assert connector.fetch(found["odd.zip/a.md"]).data == b"a"
    assert connector.fetch(found["b.zip!/c.md"]).data == b"c"


def test_a_damaged_archive_is_told_with_the_reason(place: Disk) -> None:
    place.write("bad.zip", b"PK\x03\x04 nothing more")
    changes = told(place.connector())
    assert skipped(changes)["bad.zip"].startswith("Damaged")
    assert Complete(None) in changes


def test_what_is_too_large_or_no_text_is_refused_before_it_is_read(place: Disk) -> None:
    place.around = Around(place.around.archives, place.around.folder_roots, limits=Limits(file_bytes=10))
    place.write("big.md", b"x" * 11)
    place.write("film.mp4", b"x")
    connector = place.connector()
    found = nodes(told(connector))
    for name, reason in (("big.md", "Too large"), ("film.mp4", "Not a kind of file")):
        with pytest.raises(NodeError, match=reason) as caught:
            connector.fetch(found[name])
        assert caught.value.skip


def test_an_estimate_leaves_out_what_is_refused_by_name_and_knows_that_a_pdf_is_not_all_text(place: Disk) -> None:
    place.around = Around(place.around.archives, place.around.folder_roots, limits=Limits(file_bytes=100_000))
    for name, size in (
        ("a.md", 1000),
        ("b.pdf", 100_000),
        ("photo.jpg", 90_000),
        ("film.mp4", 9),
        ("huge.md", 100_001),
    ):
        place.write(name, b"x" * size)
    told = place.connector().estimate(ALL)
    assert (told.documents, told.bytes, told.exact) == (2, 101_000, True)
    assert told.text is not None
    assert 2000 < told.text < 12_000


def test_an_estimate_that_met_an_archive_is_not_exact(place: Disk) -> None:
    place.write("a.zip", zipped({"one.md": b"# One"}))
    assert not place.connector().estimate(ALL).exact


def test_what_is_inside_an_archive_can_be_chosen(place: Disk) -> None:
    place.write("a.zip", zipped({"in/one.md": b"# One", "two.md": b"# Two"}))
    found = nodes(told(place.connector(), [Chosen("a.zip!/in")]))
    assert set(found) == {"a.zip", "a.zip!/in", "a.zip!/in/one.md"}


def test_the_registry_knows_its_kinds() -> None:
    assert connector_class("folder") is Folder
    assert set(CONNECTORS) >= {"folder", "upload"}
    with pytest.raises(ConnectorError, match="folder, github"):
        connector_class("fax")


def test_deep_trees_end(place: Disk) -> None:
    place.write("/".join(["d"] * 120) + "/a.md", b"a")
    changes = told(place.connector())
    assert [reason for reason in skipped(changes).values() if "deep" in reason]
    assert isinstance(changes[0], Upsert)
