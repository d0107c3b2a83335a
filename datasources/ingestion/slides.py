"""What the library leaves of a PowerPoint: the speaker's notes; and all of its text where a broken picture stops it."""

from __future__ import annotations

import io
import re
import zipfile

from lxml import etree

from datasources.ingestion.results import CORRUPT, Extracted, fail

_SLIDE = re.compile(r"ppt/slides/slide(\d+)\.xml$")
_NOTES = re.compile(rb'Target="[^"]*?(notesSlides/notesSlide\d+\.xml)"')
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_LARGEST_PART = 20 * 1024 * 1024


def read(data: bytes) -> Extracted:
    """Raises Refusal where not even the zip opens."""
    blocks = []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = sorted((int(m[1]), name) for name in archive.namelist() if (m := _SLIDE.match(name)))
            for number, name in found:
                if archive.getinfo(name).file_size <= _LARGEST_PART:
                    blocks += _slide(archive.read(name), number)
    except (zipfile.BadZipFile, etree.XMLSyntaxError, RuntimeError, ValueError, EOFError, OSError) as error:
        raise fail(CORRUPT) from error
    warnings = ("Parts of the slides are damaged; only their text was taken in",)
    return Extracted("\n\n".join(blocks) + "\n", "", "pptx", warnings, {"slides": len(found)})


def notes(data: bytes) -> str:
    """The speaker's notes by slide, as Markdown; empty where there are none or they can't be read."""
    blocks = []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
            for number, name in sorted((int(m[1]), name) for name in names if (m := _SLIDE.match(name))):
                rels = name.replace("slides/", "slides/_rels/") + ".rels"
                found = _NOTES.search(archive.read(rels)) if rels in names else None
                part = f"ppt/{found[1].decode()}" if found else ""
                if part in names and archive.getinfo(part).file_size <= _LARGEST_PART:
                    text = _notes_text(archive.read(part))
                    blocks += [f"**Notes on slide {number}:** {text}"] if text else []
    except (zipfile.BadZipFile, etree.XMLSyntaxError, RuntimeError, ValueError, EOFError, OSError):
        return ""
    return "\n\n".join(["## Notes", *blocks]) if blocks else ""


def _notes_text(xml: bytes) -> str:
    root = etree.fromstring(xml, parser=_parser())
    lines = []
    for shape in root.iter(f"{_P}sp") if root is not None else ():
        kind = shape.find(f".//{_P}ph")
        if kind is not None and kind.get("type") == "body":
            lines += ["".join(run.text or "" for run in para.iter(f"{_A}t")).strip() for para in shape.iter(f"{_A}p")]
    return "\n".join(line for line in lines if line)


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True)


def _slide(xml: bytes, number: int) -> list[str]:
    root = etree.fromstring(xml, parser=_parser())
    if root is None:
        return []
    title, rest = "", []
    for shape in root.iter(f"{_P}sp", f"{_A}tc"):
        lines = ["".join(run.text or "" for run in para.iter(f"{_A}t")).strip() for para in shape.iter(f"{_A}p")]
        text = "\n".join(line for line in lines if line)
        kind = shape.find(f".//{_P}ph")
        if not title and kind is not None and kind.get("type") in ("title", "ctrTitle"):
            title = " ".join(text.split())
        elif text:
            rest.append(text)
    return [f"## {title or f'Slide {number}'}", *rest] if title or rest else []
