"""Small files of many kinds, made by hand, so that no fixture of anyone else's is needed."""

from __future__ import annotations

import io
import tarfile
import zipfile
from email.message import EmailMessage

_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "application/vnd.openxmlformats-officedocument"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'


def zipped(files: dict[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_700_000_000
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _package(main: str, part: str, kind: str, parts: dict[str, bytes | str], overrides: str = "") -> bytes:
    types = (
        f'{_HEAD}<Types xmlns="{_TYPES}"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/{main}" ContentType="{_MAIN}.{kind}.main+xml"/>{overrides}</Types>'
    )
    rels = (
        f'{_HEAD}<Relationships xmlns="{_RELS}"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/officeDocument" Target="{main}"/></Relationships>'
    )
    return zipped({"[Content_Types].xml": types, "_rels/.rels": rels, main: part, **parts})


def docx(*paragraphs: tuple[str, str], table: list[list[str]] | None = None, entities: str = "") -> bytes:
    """``paragraphs``: (style, text); style ``Heading1`` is a heading."""
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'
        for style, text in paragraphs
    )
    if table:
        rows = "".join(
            "<w:tr>" + "".join(f"<w:tc><w:p><w:r><w:t>{c}</w:t></w:r></w:p></w:tc>" for c in row) + "</w:tr>"
            for row in table
        )
        body += f"<w:tbl>{rows}</w:tbl>"
    document = f'{_HEAD}{entities}<w:document xmlns:w="{space}"><w:body>{body}</w:body></w:document>'
    styles = (
        f'{_HEAD}<w:styles xmlns:w="{space}"><w:style w:type="paragraph" w:styleId="Heading1">'
        f'<w:name w:val="heading 1"/><w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style></w:styles>'
    )
    rels = (
        f'{_HEAD}<Relationships xmlns="{_RELS}"><Relationship Id="rId1" Type="{_OFFICE}/styles" '
        f'Target="styles.xml"/></Relationships>'
    )
    override = f'<Override PartName="/word/styles.xml" ContentType="{_MAIN}.wordprocessingml.styles+xml"/>'
    parts: dict[str, bytes | str] = {"word/styles.xml": styles, "word/_rels/document.xml.rels": rels}
    return _package("word/document.xml", document, "wordprocessingml.document", parts, override)


def xlsx(rows: list[list[str]]) -> bytes:
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    cells = "".join(
        f'<row r="{r}">'
        + "".join(f'<c r="{chr(65 + c)}{r}" t="inlineStr"><is><t>{text}</t></is></c>' for c, text in enumerate(row))
        + "</row>"
        for r, row in enumerate(rows, 1)
    )
    book = (
        f'{_HEAD}<workbook xmlns="{space}" xmlns:r="{_OFFICE}"><sheets>'
        f'<sheet name="People" sheetId="1" r:id="rId1"/></sheets></workbook>'
    )
    rels = (
        f'{_HEAD}<Relationships xmlns="{_RELS}"><Relationship Id="rId1" Type="{_OFFICE}/worksheet" '
        f'Target="worksheets/sheet1.xml"/></Relationships>'
    )
    sheet = f'{_HEAD}<worksheet xmlns="{space}"><sheetData>{cells}</sheetData></worksheet>'
    override = f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_MAIN}.spreadsheetml.worksheet+xml"/>'
    parts: dict[str, bytes | str] = {"xl/_rels/workbook.xml.rels": rels, "xl/worksheets/sheet1.xml": sheet}
    return _package("xl/workbook.xml", book, "spreadsheetml.sheet", parts, override)


def pptx(*slides: tuple[str, str], broken_picture: bool = False, notes: str = "") -> bytes:
    """``slides``: (title, text). ``notes``: what the speaker wrote below the first."""
    p = "http://schemas.openxmlformats.org/presentationml/2006/main"
    a = "http://schemas.openxmlformats.org/drawingml/2006/main"
    spaces = f'xmlns:p="{p}" xmlns:a="{a}" xmlns:r="{_OFFICE}"'
    picture = '<p:pic><p:nvPicPr><p:cNvPr id="9" name="x"/><p:cNvPicPr/><p:nvPr/></p:nvPicPr><p:spPr/></p:pic>'

    def shape(number: int, text: str, kind: str) -> str:
        mark = f'<p:ph type="{kind}"/>'
        return (
            f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="s"/><p:cNvSpPr/><p:nvPr>{mark}</p:nvPr></p:nvSpPr><p:spPr/>'
            f"<p:txBody><a:bodyPr/><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
        )

    parts: dict[str, bytes | str] = {}
    ids, links, overrides = "", "", ""
    for number, (title, text) in enumerate(slides, 1):
        body = shape(2, title, "title") + shape(3, text, "body") + (picture if broken_picture else "")
        parts[f"ppt/slides/slide{number}.xml"] = (
            f"{_HEAD}<p:sld {spaces}><p:cSld><p:spTree><p:nvGrpSpPr/><p:grpSpPr/>{body}</p:spTree></p:cSld></p:sld>"
        )
        ids += f'<p:sldId id="{255 + number}" r:id="rId{number}"/>'
        links += f'<Relationship Id="rId{number}" Type="{_OFFICE}/slide" Target="slides/slide{number}.xml"/>'
        overrides += (
            f'<Override PartName="/ppt/slides/slide{number}.xml" ContentType="{_MAIN}.presentationml.slide+xml"/>'
        )
    if notes:
        parts["ppt/notesSlides/notesSlide1.xml"] = (
            f"{_HEAD}<p:notes {spaces}><p:cSld><p:spTree>{shape(2, notes, 'body')}</p:spTree></p:cSld></p:notes>"
        )
        parts["ppt/slides/_rels/slide1.xml.rels"] = (
            f'{_HEAD}<Relationships xmlns="{_RELS}"><Relationship Id="rId1" Type="{_OFFICE}/notesSlide" '
            f'Target="../notesSlides/notesSlide1.xml"/></Relationships>'
        )
    parts["ppt/_rels/presentation.xml.rels"] = f'{_HEAD}<Relationships xmlns="{_RELS}">{links}</Relationships>'
    main = f"{_HEAD}<p:presentation {spaces}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>"
    return _package("ppt/presentation.xml", main, "presentationml.presentation", parts, overrides)


def odt(*paragraphs: str, encrypted: bool = False) -> bytes:
    office = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
    text = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"
    body = "".join(f"<text:p>{line}</text:p>" for line in paragraphs)
    content = (
        f'{_HEAD}<office:document-content xmlns:office="{office}" xmlns:text="{text}"><office:body><office:text>'
        f'<text:h text:outline-level="1">Heading</text:h>{body}</office:text></office:body></office:document-content>'
    )
    data = "<manifest:encryption-data/>" if encrypted else ""
    space = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
    manifest = f'{_HEAD}<manifest:manifest xmlns:manifest="{space}">{data}</manifest:manifest>'
    mime = "application/vnd.oasis.opendocument.text"
    return zipped({"mimetype": mime, "content.xml": content, "META-INF/manifest.xml": manifest})


def epub(title: str, *chapters: str) -> bytes:
    container = (
        f'{_HEAD}<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        f'<rootfile full-path="c.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    items = "".join(
        f'<item id="c{n}" href="c{n}.xhtml" media-type="application/xhtml+xml"/>' for n in range(len(chapters))
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    opf = (
        f'{_HEAD}<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="i"><metadata '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title><dc:identifier id="i">1</dc:identifier>'
        f"<dc:language>en</dc:language></metadata><manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    pages = {
        f"c{n}.xhtml": f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{chapter}</body></html>'
        for n, chapter in enumerate(chapters)
    }
    return zipped({"mimetype": "application/epub+zip", "META-INF/container.xml": container, "c.opf": opf, **pages})


def pdf(*pages: list[str]) -> bytes:
    """Each page a list of lines, set in Helvetica; a page without lines holds no text."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    objects.append(font)
    kids = []
    for lines in pages:
        drawn = b"BT /F1 11 Tf 14 TL 60 760 Td\n"
        for line in lines:
            safe = line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)").encode("cp1252")
            drawn += b"(" + safe + b") Tj T*\n"
        drawn += b"ET"
        stream = drawn if lines else b"0 0 100 100 re f"
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        kids.append(len(objects) + 1)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % len(objects)
        )
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids))
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    return out + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)


def eml(subject: str, body: str, attachments: dict[str, bytes] | None = None, html: str = "") -> bytes:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "Ada <ada@example.com>", "bob@example.com"
    if body:
        message.set_content(body)
    if html:
        message.set_content(html, subtype="html")
    for name, data in (attachments or {}).items():
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()
