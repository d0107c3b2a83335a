"""Source code into Markdown that is cut at its definitions, with not a line lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasources.ingestion.chunking import chunk
from datasources.ingestion.code import code
from datasources.ingestion.extract import Extractor
from datasources.ingestion.results import Extracted, Skipped

ROOT = Path(__file__).resolve().parents[2]
PAD = "    # a remark that makes this class a long one\n" * 80

LANGUAGES = {
    "a.py": ("import os\n\n@cache\ndef load(): pass\n\nclass Box:\n    def _open_(self): pass\n", ["load", "Box"]),
    "a.js": ("const f = () => 1;\nexports.g = function () {};\nclass K { m() {} }\n", ["f", "exports.g", "K"]),
    "a.ts": (
        "export interface I { a: string }\nnamespace N {\n  export function g() {}\n}\nexport type T = string;\n",
        ["I", "N.g", "T"],
    ),
    "a.tsx": ("export default function App() { return <p>hello</p>; }\n", ["App"]),
    "A.java": ("package a;\n/** Says it. */\n@X public class A<T> { void m() {} }\nenum E { B }\n", ["A", "E"]),
    "a.go": (
        "package a\n\ntype S struct{}\n\n// Start it.\nfunc (s *S) Start() {}\nfunc Run() {}\n",
        ["S", "S.Start", "Run"],
    ),
    "a.rs": ("struct S;\nimpl Show for S { fn a() {} }\nmod m {\n  fn t() {}\n}\n", ["S", "S as Show", "m::t"]),
    "a.c": ("#include <a.h>\nstruct s;\nstruct p { int x; };\nint *f(int a) { return 0; }\n", ["p", "f"]),
    "a.cpp": (
        "namespace n {\ntemplate <class T>\nclass K { int a; };\nint K::b() { return 0; }\n}\n",
        ["n::K", "n::K::b"],
    ),
    "a.cs": ("namespace A.B {\n  public class C { void M() {} }\n}\n", ["A.B.C"]),
    "a.rb": ("module M\n  class C\n    def a; end\n  end\nend\n", ["M::C"]),
    "a.php": ("<?php\nnamespace A;\nfunction f() {}\ninterface I { function m(); }\n", ["f", "I"]),
    "a.sh": ("#!/bin/bash\n# Greets.\nhello() {\n  echo hi\n}\nhello\n", ["hello"]),
}


def fenced(markdown: str) -> list[str]:
    """The lines inside the fences, blank ones left out."""
    inside, fence = [], ""
    for line in markdown.split("\n"):
        if not fence and (mark := re.match(r"`{3,}", line)):
            fence = mark[0]
        elif fence and line == fence:
            fence = ""
        elif fence:
            inside.append(line)
    return [line for line in inside if line.strip()]


def headings(markdown: str) -> list[str]:
    return [line.lstrip("# ").replace("\\", "") for line in re.sub(r"(?s)```.*?```", "", markdown).split("\n") if line]


def spans(text: str) -> list[tuple[int, int]]:
    return [found.span() for found in re.finditer(r"\w+|[^\w\s]", text)]


@pytest.mark.parametrize("filename", LANGUAGES)
def test_each_language_is_cut_at_its_definitions(filename: str) -> None:
    text, names = LANGUAGES[filename]
    found = code(text, filename)
    assert found is not None
    assert [name for name in headings(found.markdown) if name != "Top level"] == names
    assert fenced(found.markdown) == [line for line in text.split("\n") if line.strip()]


def test_a_long_class_is_cut_at_its_methods_and_a_short_one_is_not() -> None:
    short = "class Box:\n    def open(self):\n        return 1\n\n    def shut(self):\n        return 0\n"
    long = short.replace("class Box:\n", f"class Box:\n{PAD}")
    assert headings(code(short, "a.py").markdown) == ["Box"]
    assert headings(code(long, "a.py").markdown) == ["Box", "Box.open", "Box.shut"]


def test_a_passage_carries_the_qualified_name_and_points_at_the_stored_text() -> None:
    text = f"class Box:\n{PAD}    def __init__(self):\n        self.colour = 'vermilion'\n{PAD}"
    markdown = code(text, "box.py").markdown
    chunks = chunk(markdown, spans, 120, "box")
    found = next(c for c in chunks if "vermilion" in markdown[c.start : c.end])
    assert found.heading_path[-1] == "Box.__init__"


def test_remarks_above_a_definition_belong_to_it() -> None:
    markdown = code("import os\n\n# Opens the gate.\n# Slowly.\ndef gate(): pass\n", "a.py").markdown
    assert markdown.index("## gate") < markdown.index("# Opens the gate.")


def test_backticks_in_code_do_not_end_its_fence() -> None:
    text = 'def f():\n    return """\n```\nnot the end\n```\n"""\n'
    markdown = code(text, "a.py").markdown
    assert markdown.count("````") == 2
    assert fenced(markdown) == [line for line in text.split("\n") if line.strip()]


def test_a_header_of_cplusplus_is_read_as_such() -> None:
    found = code("class K {\n public:\n  int a();\n};\n", "k.h")
    assert found.metadata["language"] == "cpp"
    assert headings(found.markdown) == ["K"]


def test_what_a_program_wrote_and_unknown_languages_stay_as_they_are() -> None:
    assert code("a=1;" * 3000, "bundle.js") is None
    assert code("x <- 1", "a.r") is None


@given(
    st.lists(
        st.sampled_from(["def f():", "    pass", "class A:", "    def m(self): pass", "", "}", "x = (", "@d", "\t# é"])
    )
)
@settings(max_examples=60, deadline=None)
def test_no_line_is_lost_however_broken_the_code(lines: list[str]) -> None:
    text = "\n".join(lines)
    for filename in ("a.py", "a.js", "a.rb"):
        assert fenced(code(text, filename).markdown) == [line for line in lines if line.strip()]


def test_every_connectors_files_are_cut_so_and_a_video_called_ts_is_not_code() -> None:
    with Extractor() as extractor:
        found = extractor.extract((ROOT / "datasources/ingestion/code.py").read_bytes(), "code.py")
        assert isinstance(found, Extracted)
        assert "## code\n\n```python\ndef code(text: str, filename: str)" in found.markdown
        assert found.title == ""
        assert isinstance(extractor.extract(b"G@\x11\x10\x00B\xf0%\x00\x01" * 200, "film.ts"), Skipped)
