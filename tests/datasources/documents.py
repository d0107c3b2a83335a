"""Small files of many kinds, made by hand, so that no fixture of anyone else's is needed."""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import zipfile
import zlib
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


def locked_zip(files: dict[str, bytes], password: bytes, *, encrypted: bool = True, method: int = 0) -> bytes:
    """As old zip programs encrypt: PKWARE's APPNOTE, section 6.1. ``method``: how it says that it is packed (99: AES)."""
    out, listed = b"", b""
    for name, data in files.items():
        check = zlib.crc32(data)
        packed = _zip_crypto(bytes(11) + bytes([check >> 24]) + data, password) if encrypted else data
        fields = struct.pack(
            "<HHHHHIIIHH", 20, int(encrypted), method, 0, 0x21, check, len(packed), len(data), len(name), 0
        )
        listed += b"PK\x01\x02" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, len(out))
        listed += name.encode()
        out += b"PK\x03\x04" + fields + name.encode() + packed
    end = struct.pack("<HHHHIIH", 0, 0, len(files), len(files), len(listed), len(out), 0)
    return out + listed + b"PK\x05\x06" + end


def _zip_crypto(plain: bytes, password: bytes) -> bytes:
    keys = [0x12345678, 0x23456789, 0x34567890]

    def step(key: int, byte: int) -> int:
        return zlib.crc32(bytes([byte]), key ^ 0xFFFFFFFF) ^ 0xFFFFFFFF

    def update(byte: int) -> None:
        keys[0] = step(keys[0], byte)
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = step(keys[2], keys[1] >> 24)

    for byte in password:
        update(byte)
    hidden = bytearray()
    for byte in plain:
        mask = keys[2] | 2
        hidden.append(byte ^ ((mask * (mask ^ 1)) >> 8 & 0xFF))
        update(byte)
    return bytes(hidden)


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


def pdf(*pages: list[str], password: bytes | None = None) -> bytes:
    """Each page a list of lines, set in Helvetica; a page without lines holds no text. ``password``: encrypted, to be opened with it."""
    lock = None if password is None else _PdfLock(password)
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
        stream = lock.hide(stream, len(objects) + 1) if lock else stream
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        kids.append(len(objects) + 1)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % len(objects)
        )
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids))
    if lock:
        objects.append(lock.described)
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    locked = b"/Encrypt %d 0 R /ID [<00><00>]" % len(objects) if lock else b""
    end = b"trailer << /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n"
    return out + end % (len(objects) + 1, locked, start)


class _PdfLock:
    """The first and weakest way to encrypt a PDF: ISO 32000-1, section 7.6.3."""

    padding = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")

    def __init__(self, password: bytes) -> None:
        padded = (password + self.padding)[:32]
        owner = _rc4(_md5(b"owner" + self.padding[:27])[:5], padded)
        self.key = _md5(padded + owner + struct.pack("<i", -4) + b"\x00")[:5]
        user = _rc4(self.key, self.padding)
        self.described = b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>" % (
            owner.hex().encode(),
            user.hex().encode(),
        )

    def hide(self, stream: bytes, number: int) -> bytes:
        return _rc4(_md5(self.key + struct.pack("<I", number)[:3] + b"\x00\x00")[:10], stream)


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _rc4(key: bytes, data: bytes) -> bytes:
    state, at = list(range(256)), 0
    for n in range(256):
        at = (at + state[n] + key[n % len(key)]) % 256
        state[n], state[at] = state[at], state[n]
    out, one, other = bytearray(), 0, 0
    for byte in data:
        one = (one + 1) % 256
        other = (other + state[one]) % 256
        state[one], state[other] = state[other], state[one]
        out.append(byte ^ state[(state[one] + state[other]) % 256])
    return bytes(out)


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
