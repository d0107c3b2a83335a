"""Files to Markdown: each kind, each refusal, and a child that no file can turn against the portal."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from datasources.ingestion import archives, pdf, textual
from datasources.ingestion import extract as extract_module
from datasources.ingestion.extract import Extractor, ReaderUnavailable
from datasources.ingestion.results import (
    CRASHED,
    EMPTY,
    ENCRYPTED,
    SCANNED,
    TOO_HUNGRY,
    TOO_SLOW,
    UNREADABLE_KIND,
    Extracted,
    Failed,
    Limits,
    Skipped,
)
from tests.datasources import documents


@pytest.fixture(scope="module")
def reader() -> Iterator[Extractor]:
    with Extractor() as extractor:
        yield extractor


def text(result: object) -> str:
    assert isinstance(result, Extracted), result
    return result.markdown


# Kinds


def test_markdown_stays_as_it_is_without_its_front_matter(reader: Extractor) -> None:
    result = reader.extract(b"\xef\xbb\xbf---\ntitle: 'Leave'\ntags: [a]\n---\n\n# Asking\r\n\nEarly.\n", "leave.md")
    assert text(result) == "# Asking\n\nEarly.\n"
    assert result.title == "Leave"
    assert result.metadata["front_matter"] == "title: 'Leave'\ntags: [a]"


def test_titles_come_from_the_first_heading_or_are_empty(reader: Extractor) -> None:
    assert reader.extract(b"```\n# no\n```\n# The *real* one\n", "a.md").title == "The real one"
    assert reader.extract(b"just words", "in/notes.txt").title == ""


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("Grüße aus Köln, über alles", "cp1252"),
        ("Grüße", "utf-16"),
        ("Grüße, an even text", "utf-16-le"),
        ("Plain text of a memo...", "utf-16-be"),
        ("名前,年齢\n佐藤太郎,三十\n住所,東京都", "cp932"),
        ("Съешь же ещё этих мягких французских булок, да выпей чаю", "cp1251"),
    ],
)
def test_encodings_are_found(reader: Extractor, data: str, encoding: str) -> None:
    assert text(reader.extract(data.encode(encoding), "a.txt")).strip() == data


def test_html_keeps_what_a_person_reads(reader: Extractor) -> None:
    page = """<html><head><title>Leave &amp; more</title><script>steal()</script><style>p{}</style></head><body>
    <nav><a href="/">Home</a></nav><h1>Leave</h1><p>Ask <a href="https://x.example/form">the form</a> early.</p>
    <ul><li>one</li><li>two</li></ul><p hidden>not this</p><div style="display:none">nor this</div>
    <table><tr><th>Days</th><th>Who</th></tr><tr><td>25</td><td>all</td></tr></table>
    <form><input value="x"><button>Send</button></form><img src="http://tracker.example/a.png" alt="A long corridor">
    <script>alert("again")</script></body></html>"""
    result = reader.extract(page.encode(), "leave.html")
    assert result.title == "Leave & more"
    body = text(result)
    assert "# Leave" in body
    assert "Ask the form early." in body
    assert "- one\n- two" in body
    assert "| Days | Who |\n| --- | --- |\n| 25 | all |" in body
    assert "A long corridor" in body
    for word in ("steal", "alert", "not this", "nor this", "Home", "Send", "tracker", "http", "p{}"):
        assert word not in body


def test_html_says_its_encoding(reader: Extractor) -> None:
    page = '<meta charset="shift_jis"><p>日本語の文章です</p>'.encode("cp932")
    assert "日本語の文章です" in text(reader.extract(page, "a.html"))


def test_layout_tables_of_old_pages_become_paragraphs(reader: Extractor) -> None:
    page = b"<table><tr><td><table><tr><td><h2>Essay</h2><p>First words.</p></td></tr></table></td></tr></table>"
    assert text(reader.extract(page, "a.html")) == "## Essay\n\nFirst words.\n"


def test_docx_keeps_headings_and_tables(reader: Extractor) -> None:
    data = documents.docx(("Heading1", "Leave"), ("Normal", "Ask early."), table=[["Days", "Who"], ["25", "all"]])
    result = reader.extract(data, "a.docx")
    assert text(result) == "# Leave\n\nAsk early.\n\n| Days | Who |\n| --- | --- |\n| 25 | all |\n"
    assert result.title == "Leave"


def test_xlsx_becomes_tables(reader: Extractor) -> None:
    body = text(reader.extract(documents.xlsx([["Name", "City"], ["Ada", "London"]]), "a.xlsx"))
    assert "## People" in body
    assert "| Name | City |\n| --- | --- |\n| Ada | London |" in body


def test_pptx_becomes_slides_also_where_a_picture_is_broken(reader: Extractor) -> None:
    body = text(reader.extract(documents.pptx(("Plan", "Grow slowly"), ("End", "Thanks")), "a.pptx"))
    assert "## Plan" in body
    assert "Grow slowly" in body
    broken = reader.extract(documents.pptx(("Plan", "Grow slowly"), broken_picture=True), "a.pptx")
    assert "## Plan\n\nGrow slowly" in text(broken)


def test_the_notes_of_a_speaker_come_in(reader: Extractor) -> None:
    body = text(reader.extract(documents.pptx(("Plan", "Grow"), notes="Smile here"), "a.pptx"))
    assert "## Notes\n\n**Notes on slide 1:** Smile here\n" in body
    assert body.count("Smile here") == 1


def test_odt_rtf_and_epub(reader: Extractor) -> None:
    assert "# Heading\n\nOne.\n\nTwo." in text(reader.extract(documents.odt("One.", "Two."), "a.odt"))
    assert "Hello there" in text(reader.extract(rb"{\rtf1\ansi Hello there\par Second}", "a.rtf"))
    book = reader.extract(documents.epub("A Book", "<h1>One</h1><p>Words.</p>"), "b.epub")
    assert book.title == "A Book"
    assert "One" in text(book)
    assert "Words." in text(book)


def test_pdf_joins_lines_closes_hyphens_and_knows_its_pages(reader: Extractor) -> None:
    first = [
        "Employees who would like to take some leave ask for it in writ-",
        "ing, and as early as they can, because others have to plan for it",
        "and for the work that will be waiting when they come back again.",
    ]
    result = reader.extract(documents.pdf(first, ["Second page of it."]), "a.pdf")
    body = text(result)
    assert "ask for it in writing, and as early as they can, because" in body
    pages = result.metadata["pages"]
    assert body[pages[1] :].startswith("Second page")


def test_a_pdf_that_opens_with_the_empty_password_is_read(reader: Extractor) -> None:
    assert text(reader.extract(documents.pdf(["Open to all."], password=b""), "a.pdf")) == "Open to all.\n"


def test_csv_becomes_a_table_whatever_its_separator(reader: Extractor) -> None:
    body = text(reader.extract(b'Name;Note\nAda;"a;b|c"\nBob\n', "a.csv"))
    assert body == "| Name | Note |\n| --- | --- |\n| Ada | a;b\\|c |\n| Bob |  |\n"


def test_a_long_csv_is_cut_and_says_so() -> None:
    rows = "a,b\n" + "1,2\n" * 50
    result = textual.separated(rows, Limits(table_rows=10))
    assert result.markdown.count("\n| 1 |") == 10
    assert result.warnings == ("Only the first 10 rows were taken in; 40 more were left out",)
    assert "40 more rows, which were left out" in result.markdown


def test_a_message_with_attachments(reader: Extractor) -> None:
    data = documents.eml("Minutes", "We met.", {"notes.md": b"# Decided\n\nYes.", "pic.png": b"\x89PNG\r\n"})
    result = reader.extract(data, "m.eml")
    body = text(result)
    assert result.title == "Minutes"
    assert "**From:** Ada <ada@example.com>" in body
    assert "We met." in body
    assert "## Attachment: notes.md\n\n# Decided\n\nYes." in body
    assert result.warnings == (f"The attachment pic.png was left out: {UNREADABLE_KIND}",)


def test_a_message_in_html_alone(reader: Extractor) -> None:
    body = text(reader.extract(documents.eml("Hi", "", html="<p>Dear <b>all</b></p><script>x()</script>"), "m.eml"))
    assert "Dear **all**" in body
    assert "x()" not in body


def test_the_first_bytes_tell_where_the_name_is_wrong(reader: Extractor) -> None:
    assert "Inside." in text(reader.extract(documents.pdf(["Inside."]), "a.txt"))


@pytest.mark.parametrize("deep", [30, 70, 300, 1_500])
def test_deeply_nested_pages_keep_their_words(reader: Extractor, deep: int) -> None:
    page = "<p>Before</p>" + "<div>" * deep + "the words" + "</div>" * deep + "<p>After</p>"
    assert text(reader.extract(page.encode(), "a.html")) == "Before\n\nthe words\n\nAfter\n"
    steps = "".join(f"<div>step {n}" for n in range(deep)) + "<b>last</b>" + "</div>" * deep
    body = text(reader.extract(steps.encode(), "a.html"))
    assert all(f"step {n}" in body for n in range(deep))
    assert "last" in body


def test_a_page_that_even_the_parser_cuts_says_so(reader: Extractor) -> None:
    result = reader.extract(b"<p>Before</p>" + b"<div>" * 100_000 + b"the words", "a.html")
    assert isinstance(result, Extracted)
    assert result.warnings == ("The page is nested so deep that part of it was left out",)


# Refusals


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.md", b"", Skipped(EMPTY)),
        ("a.md", b" \n\t", Skipped(EMPTY)),
        ("a.docx", b"", Skipped(EMPTY)),
        ("a.html", b"<script>x</script>", Skipped(EMPTY)),
        ("a.eml", b"Subject: hi\n\n", Skipped(EMPTY)),
        ("a.bin", os.urandom(200), Skipped(UNREADABLE_KIND)),
        ("a", b"\x00\x01\x02\x9f" * 100, Skipped(UNREADABLE_KIND)),
        ("a.png", b"\x89PNG\r\n\x1a\n", Skipped(UNREADABLE_KIND)),
        ("a.odt", documents.odt("x", encrypted=True), Skipped(ENCRYPTED)),
        ("a.pdf", documents.pdf([], []), Skipped(SCANNED)),
        ("a.pdf", documents.pdf(["secret"], password=b"tide"), Skipped(ENCRYPTED)),
    ],
)
def test_what_can_not_come_in_says_why(reader: Extractor, name: str, data: bytes, expected: Skipped) -> None:
    assert reader.extract(data, name) == expected


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.xlsx", "a.pptx", "a.epub", "a.odt"])
def test_damaged_files_fail_in_plain_words(reader: Extractor, name: str) -> None:
    head = b"%PDF-1.7\n" if name == "a.pdf" else b"PK\x03\x04"
    result = reader.extract(head + b"\x00garbage\xff" * 50, name)
    assert isinstance(result, Failed)
    assert result.reason.startswith("Damaged")


def test_old_office_files_that_can_not_be_read_say_what_to_do(reader: Extractor) -> None:
    result = reader.extract(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "old.doc")
    assert isinstance(result, Skipped)
    assert "save it as .docx" in result.reason


def test_too_large_says_how_large() -> None:
    with Extractor(Limits(file_bytes=1024 * 1024)) as reader:
        assert reader.extract(b"x" * (2 * 1024 * 1024), "a.txt") == Skipped("Too large: 2.0 MB, the limit is 1.0 MB")


def test_too_much_text_is_cut_and_says_so() -> None:
    with Extractor(Limits(text_chars=1000)) as reader:
        result = reader.extract(b"A line of text.\n" * 500, "a.txt")
        assert 900 < len(text(result)) <= 1000
        assert "Only the first" in result.warnings[0]


def test_entity_bombs_and_foreign_entities_are_harmless(reader: Extractor) -> None:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE d [<!ENTITY l0 "lol"><!ENTITY f SYSTEM "file:///etc/passwd">{levels}]>'
    begun = time.monotonic()
    result = reader.extract(documents.docx(("Normal", "before &l11; &f; after"), entities=bomb), "a.docx")
    assert time.monotonic() - begun < 10
    assert not isinstance(result, Extracted) or ("root:" not in result.markdown and len(result.markdown) < 10_000)
    assert "root:" not in text(reader.extract(f"{bomb}<p>&f; ok</p>".encode(), "a.html"))


def test_a_picture_elsewhere_is_not_fetched_and_leaves_no_address(reader: Extractor) -> None:
    body = text(reader.extract(b"<p>Words</p><img src='http://127.0.0.1:9/x.png'>", "a.html"))
    assert body == "Words\n"


# Archives


def test_members_of_archives_keep_their_folders(reader: Extractor) -> None:
    data = documents.zipped(
        {"a/b.md": b"b", "c.tar": documents.tarred({"d/e.md": b"e"}), "__MACOSX/x": b"", ".git/y": b""}
    )
    found = reader.members(data, "x.zip")
    assert isinstance(found, list)
    assert [(m.path, m.archive) for m in found] == [("a/b.md", False), ("c.tar", True), ("c.tar!/d/e.md", False)]
    assert reader.member(data, "c.tar!/d/e.md") == b"e"
    assert reader.member(data, "nothing") == Failed("No longer in its archive")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tars_of_every_make(reader: Extractor, mode: str) -> None:
    data = documents.tarred({"a.md": b"hello"}, mode)
    assert [m.path for m in reader.members(data)] == ["a.md"]  # type: ignore[union-attr]
    assert reader.member(data, "a.md") == b"hello"


@pytest.mark.parametrize("name", ["../out.md", "/etc/out.md", "a/../../out.md", "C:\\out.md", "..\\out.md"])
def test_members_that_lead_out_are_refused(reader: Extractor, name: str) -> None:
    for data in (documents.zipped({name: b"x"}), documents.tarred({name: b"x"})):
        found = reader.members(data)
        assert isinstance(found, Skipped)
        assert "outside its folder" in found.reason


def test_encrypted_members_say_so(reader: Extractor) -> None:
    data = bytearray(documents.zipped({"a.md": b"secret"}, zipfile.ZIP_STORED))
    data[6] |= 1
    data[data.find(b"PK\x01\x02") + 8] |= 1
    (member,) = reader.members(bytes(data))  # type: ignore[misc]
    assert member.reason == ENCRYPTED
    assert reader.member(bytes(data), "a.md") == Skipped(ENCRYPTED)


def test_a_zip_that_opens_with_the_empty_password_is_read(reader: Extractor) -> None:
    inner = documents.locked_zip({"deep.md": b"deep"}, b"")
    data = documents.locked_zip({"a.md": b"# Open\n\nTo all.", "in.zip": inner}, b"")
    found = reader.members(data)
    assert isinstance(found, list)
    assert [(m.path, m.reason) for m in found] == [("a.md", ""), ("in.zip", ""), ("in.zip!/deep.md", "")]
    assert reader.member(data, "a.md") == b"# Open\n\nTo all."
    assert reader.member(data, "in.zip!/deep.md") == b"deep"


@pytest.mark.parametrize("method", [0, 99], ids=["ZipCrypto", "AES"])
def test_a_zip_with_a_password_says_so(reader: Extractor, method: int) -> None:
    data = documents.locked_zip({"a.md": b"secret" * 20}, b"tide", method=method)
    (member,) = reader.members(data)  # type: ignore[misc]
    assert member.reason == ENCRYPTED
    assert reader.member(data, "a.md") == Skipped(ENCRYPTED)


def test_a_password_that_only_the_end_tells_apart_says_so_too(reader: Extractor) -> None:
    """One password in 256 passes for the empty one in the first bytes."""
    passing = (documents.locked_zip({"a.md": b"secret" * 20}, str(n).encode()) for n in range(5_000))
    data = next(data for data in passing if not archives.list_members(io.BytesIO(data), Limits())[0].reason)
    assert reader.member(data, "a.md") == Skipped(ENCRYPTED)


def test_a_member_that_is_packed_in_an_unknown_way_says_what_to_do(reader: Extractor) -> None:
    data = documents.locked_zip({"a.md": b"deflated, but otherwise"}, b"", encrypted=False, method=9)
    result = reader.member(data, "a.md")
    assert result == Skipped("Packed in a way that can't be read here: unpack it and add the folder")


@pytest.mark.parametrize("name", ["a.docx", "a.xlsx", "a.pptx"])
def test_office_files_with_a_password_say_so(reader: Extractor, name: str) -> None:
    """They are no zips, but hold one, encrypted: [MS-OFFCRYPTO], section 2.3.1."""
    data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "EncryptedPackage".encode("utf-16-le") + bytes(600)
    assert reader.extract(data, name) == Skipped(ENCRYPTED)


def test_nesting_stops(reader: Extractor) -> None:
    data = documents.zipped({"a.md": b"a"})
    for _ in range(6):
        data = documents.zipped({"in.zip": data})
    found = reader.members(data)
    assert isinstance(found, list)
    assert len(found) == 3
    assert found[-1].reason == "Archive nested more than 3 deep"


def test_bombs_are_refused() -> None:
    limits = Limits(archive_bytes=20 * 1024 * 1024, archive_members=100)
    with Extractor(limits) as reader:
        zeros = b"\x00" * (8 * 1024 * 1024)
        (member,) = reader.members(documents.zipped({"a.txt": zeros}))  # type: ignore[misc]
        assert "times its size" in member.reason
        many = reader.members(documents.zipped({f"{n}.txt": b"" for n in range(101)}))
        assert isinstance(many, Skipped)
        assert "more than 100 files" in many.reason
        noise = os.urandom(1024 * 1024) * 30
        big = reader.members(documents.tarred({"a.txt": noise}, "w:gz"))
        assert isinstance(big, Skipped)
        assert "more than 20 MB" in big.reason


def test_a_damaged_archive_fails(reader: Extractor) -> None:
    for data in (
        b"PK\x03\x04 no",
        b"not a tar at all" * 100,
        b"\x1f\x8b\x08 broken",
        documents.zipped({"a": b"b"})[:-10],
    ):
        result = reader.members(data)
        assert isinstance(result, Failed), data[:10]
        assert result.reason.startswith("Damaged")


# The child


class Misbehaving(Extractor):
    """A reader whose child runs ``code`` instead of reading."""

    def __init__(self, code: str, monkeypatch: pytest.MonkeyPatch, limits: Limits) -> None:
        boot = (
            "import sys; sys.path.insert(0, sys.argv[1]); from datasources.ingestion import child\n"
            f"def act(request, opened, limits):\n    {code}\n"
            "child._DOES['extract'] = act\nchild.serve(int(sys.argv[2]), sys.argv[3])"
        )
        monkeypatch.setattr(extract_module, "_BOOT", boot)
        super().__init__(limits)


def outcome(code: str, monkeypatch: pytest.MonkeyPatch, **limits: float) -> object:
    with Misbehaving(code, monkeypatch, Limits(**limits)) as reader:  # type: ignore[arg-type]
        return reader.extract(b"%PDF-1.4 x", "a.pdf")


def test_a_file_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.monotonic()
    assert outcome("import time; time.sleep(60)", monkeypatch, seconds=1.0) == Failed(TOO_SLOW)
    assert time.monotonic() - begun < 10


def test_a_file_that_burns_the_processor_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome("while True: pass", monkeypatch, cpu_seconds=1, seconds=30.0) == Failed(TOO_SLOW)


def test_a_file_that_eats_memory_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "b'x' * (800 * 1024 * 1024)"
    assert outcome(code, monkeypatch, memory_bytes=200 * 1024 * 1024) == Failed(TOO_HUNGRY)


@pytest.mark.parametrize(
    "code", ["import os; os.abort()", "import ctypes; ctypes.string_at(0)", "import os; os._exit(3)"]
)
def test_a_file_that_breaks_the_reader_fails_and_the_next_is_read(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Misbehaving(code, monkeypatch, Limits()) as reader:
        assert reader.extract(b"%PDF-1.4 x", "a.pdf") == Failed(CRASHED)
        monkeypatch.undo()
        assert "fine" in text(reader.extract(documents.pdf(["All is fine."]), "b.pdf"))


def test_a_library_that_raises_anything_fails_that_file_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome("raise LookupError('odd')", monkeypatch) == Failed(CRASHED)


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")
@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('127.0.0.1', 80), 1)",
        "import socket; socket.socket()",
        "import subprocess; subprocess.run(['/bin/true'])",
        "import os; os.kill(os.getppid(), 0)",
        "open('/etc/hostname')",
        "open('/etc/passwd')",
        "open('/proc/self/environ')",
        "open('/tmp/written-by-a-reader', 'w')",
        "import os; os.listdir('/')",
    ],
)
def test_the_child_reaches_nothing(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    caught = (
        f"try:\n        {code}\n    except OSError as error:\n        return {{'skipped': {{'reason': f'refused {{error.errno}}'}}}}\n"
        "    return {'failed': {'reason': 'it worked'}}"
    )
    result = outcome(caught, monkeypatch)
    assert isinstance(result, Skipped), result
    assert result.reason in ("refused 1", "refused 13")


def test_the_child_sees_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "very secret")
    code = "import os; return {'skipped': {'reason': ' '.join(sorted(os.environ))}}"
    result = outcome(code, monkeypatch)
    assert isinstance(result, Skipped)
    assert "SECRET_KEY" not in result.reason
    assert set(result.reason.split()) <= {"TMPDIR", "MALLOC_ARENA_MAX", "LC_CTYPE", "LD_LIBRARY_PATH"}


def test_a_child_that_died_in_its_sleep_is_replaced(reader: Extractor) -> None:
    reader.extract(documents.pdf(["One."]), "a.pdf")
    child = reader._idle.get()
    assert child is not None
    os.kill(child.process.pid, signal.SIGKILL)
    child.process.wait()
    reader._idle.put(child)
    assert "Two." in text(reader.extract(documents.pdf(["Two."]), "a.pdf"))


def test_a_child_is_replaced_after_enough_files() -> None:
    with Extractor(Limits(files_per_child=2)) as reader:
        pids = set()
        for _ in range(4):
            reader.extract(documents.pdf(["One."]), "a.pdf")
            child = reader._idle.queue[-1]
            pids.add(child.process.pid if child else None)
        assert None in pids


def test_a_child_that_grew_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "request['kept'] = child.kept = b'y' * (300 * 1024 * 1024); return {'skipped': {'reason': 'read'}}"
    with Misbehaving(code, monkeypatch, Limits()) as reader:
        assert reader.extract(b"%PDF-1.4 x", "a.pdf") == Skipped("read")
        assert reader._idle.queue == [None]


def test_a_large_portal_does_not_make_its_children_look_large() -> None:
    code = (
        "import sys; large = b'x' * (400 * 1024 * 1024)\n"
        "from datasources.ingestion.extract import Extractor\n"
        "with Extractor() as reader:\n"
        "    reader.extract(b'<p>x</p>', 'a.html')\n"
        "    sys.exit(reader._idle.queue[-1] is None)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0


def test_many_threads_share_one_child(reader: Extractor) -> None:
    results: dict[int, object] = {}

    def read(number: int) -> None:
        results[number] = reader.extract(documents.pdf([f"Number {number}."]), f"{number}.pdf")

    threads = [threading.Thread(target=read, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(f"Number {n}." in text(results[n]) for n in range(12))


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    with Extractor(scratch=tmp_path) as reader:
        assert text(reader.extract(documents.pdf(["One."]), "a.pdf"))
        child = reader._idle.queue[-1]
        assert child is not None
        assert oct((next(tmp_path.iterdir())).stat().st_mode)[-3:] == "700"
    assert list(tmp_path.iterdir()) == []
    assert child.process.poll() is not None
    with pytest.raises(ReaderUnavailable, match="closed"):
        reader.extract(documents.pdf(["One."]), "a.pdf")


def test_a_reader_that_can_not_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract_module, "_BOOT", "raise SystemExit('no such library')")
    with Extractor() as reader, pytest.raises(ReaderUnavailable, match="no such library"):
        reader.extract(documents.pdf(["One."]), "a.pdf")


def test_the_portal_imports_no_parser() -> None:
    code = (
        "import sys; import datasources.ingestion.extract; "
        "print([n for n in ('kreuzberg', 'lxml', 'charset_normalizer', 'django') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_small_markdown_needs_no_child() -> None:
    with Extractor() as reader:
        begun = time.perf_counter()
        for number in range(500):
            reader.extract(b"# Title\n\n" + b"Some words in a row. " * 200, f"{number}.md")
        assert reader._idle.queue == [None]
        assert 500 / (time.perf_counter() - begun) > 300


# Pages of a PDF


def test_running_heads_and_page_numbers_go() -> None:
    pages = [f"Annual report\nText of page {n} that says something.\n{n}" for n in range(1, 6)]
    body, starts = pdf.to_markdown(pages)
    assert body.count("Annual report") == 1
    assert len(starts) == 5
    assert all(f"Text of page {n}" in body for n in range(1, 6))
    assert "\n5\n" not in body


def test_a_hyphen_that_is_written_elsewhere_stays() -> None:
    body, _ = pdf.to_markdown(["A dual\x02encoder is used. The dual-encoder learns. It is effi\x02cient."])
    assert "A dual-encoder is used." in body
    assert "efficient" in body


def test_headings_come_from_the_hints_and_from_numbers() -> None:
    page = "Leave policy\nAsk for leave early and in writing, please, as others plan.\n1 Scope\nAll staff.\n2 Rules\nBe kind."
    body, _ = pdf.to_markdown([page], "# Leave policy\n\n## nonsense that is not there\n")
    assert body.startswith("## Leave policy\n\nAsk for leave")
    assert "\n\n## 1 Scope\n\nAll staff." in body


def test_addresses_keep_their_lines_and_japanese_gets_no_spaces() -> None:
    long = "This line is as long as the column is wide, which is how one knows that it flows"
    body, _ = pdf.to_markdown([f"{long}\non into the next one.\nHigh Street 1\nNorwich"])
    assert f"{long} on into" in body
    assert "High Street 1\nNorwich" in body
    japanese = "これは日本語の文章でありとても長い行なので次の行へと続いていくことになる"
    assert f"{japanese}はずである" in pdf.to_markdown([f"{japanese}\nはずである。"])[0]
