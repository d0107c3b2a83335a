"""Tables for tests: files in a place that the test makes up, and rows that a sync makes of them."""

from __future__ import annotations

import hashlib
import io
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import replace

from django.db import transaction

from datasources.connectors.base import Content
from datasources.ingestion.describing import with_descriptions
from datasources.ingestion.extract import Extractor
from datasources.ingestion.results import Extracted
from datasources.models import Document, Node, Table
from datasources.syncing.tabling import put_away, write_tables
from datasources.titles import title_of
from tests.datasources.syncing import FakePlace

ORDERS = (
    "order id,customer,Amount,ordered\n1,ALFKI,12.50,2024-01-02\n2,BONAP,3.00,2024-01-03\n3,ALFKI,7.25,2024-02-01\n"
)
CUSTOMERS = "customer,country\nALFKI,Germany\nBONAP,France\n"


def serve(place: FakePlace, contents: dict[str, Content | str | bytes]) -> None:
    """Let the place hold these: texts and bytes are files, by their names."""
    place.files = {path: repr(content) for path, content in contents.items()}

    def fetch(node):
        place.fetched.append(node.external_id)
        if place.errors.get(node.external_id):
            raise place.errors[node.external_id].pop(0)
        content = contents[node.external_id]
        if isinstance(content, Content):
            return content
        data = content.encode() if isinstance(content, str) else content
        return Content(data=data, filename=node.external_id.rpartition("/")[2])

    place.fetch = fetch  # type: ignore[method-assign]


def table_of(title: str, label: str = "") -> Table:
    return Table.objects.select_related("node").get(node__title=title, label=label)


def types_of(table: Table) -> dict[str, str]:
    return {column["name"]: column["type"] for column in table.columns}


def xlsx(sheets: dict[str, Sequence[Sequence[object]]], styles: Sequence[str] = ()) -> bytes:
    """A workbook. A cell is None, a text, a number, a bool, or (number, style), a style being a place in ``styles``."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        names = list(sheets)
        listed = "".join(f'<sheet name="{n}" sheetId="{i}" r:id="rId{i}"/>' for i, n in enumerate(names, 1))
        main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        rel = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        archive.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="xml" ContentType="application/xml"/>'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
            'spreadsheetml.sheet.main+xml"/>'
            + "".join(
                f'<Override PartName="/xl/worksheets/sheet{i}.xml" ContentType="application/vnd.openxmlformats-'
                'officedocument.spreadsheetml.worksheet+xml"/>'
                for i in range(1, len(names) + 1)
            )
            + "</Types>",
        )
        archive.writestr(
            "_rels/.rels",
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            f'<Relationship Id="rId1" Type="{rel}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{rel}"><sheets>{listed}</sheets></workbook>'
        )
        targets = "".join(
            f'<Relationship Id="rId{i}" Type="{rel}/worksheet" Target="worksheets/sheet{i}.xml"/>'
            for i in range(1, len(names) + 1)
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{targets}</Relationships>',
        )
        formats = "".join(f'<numFmt numFmtId="{164 + i}" formatCode="{c}"/>' for i, c in enumerate(styles))
        xfs = '<xf numFmtId="0"/>' + "".join(f'<xf numFmtId="{164 + i}"/>' for i in range(len(styles)))
        archive.writestr(
            "xl/styles.xml",
            f'<styleSheet xmlns="{main}"><numFmts count="{len(styles)}">{formats}</numFmts>'
            f'<cellXfs count="{len(styles) + 1}">{xfs}</cellXfs></styleSheet>',
        )
        for i, rows in enumerate(sheets.values(), 1):
            body = "".join(f'<row r="{r}">{_cells(row, r)}</row>' for r, row in enumerate(rows, 1))
            archive.writestr(
                f"xl/worksheets/sheet{i}.xml", f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>'
            )
    return out.getvalue()


def _cells(row: Sequence[object], r: int) -> str:
    out = []
    for at, cell in enumerate(row):
        place = f"{chr(65 + at)}{r}"
        if cell is None:
            continue
        if isinstance(cell, bool):
            out.append(f'<c r="{place}" t="b"><v>{int(cell)}</v></c>')
        elif isinstance(cell, tuple):
            out.append(f'<c r="{place}" s="{cell[1] + 1}"><v>{cell[0]}</v></c>')
        elif isinstance(cell, str):
            out.append(f'<c r="{place}" t="inlineStr"><is><t>{cell}</t></is></c>')
        else:
            out.append(f'<c r="{place}"><v>{cell}</v></c>')
    return "".join(out)


def ods(sheets: dict[str, Sequence[Sequence[object]]]) -> bytes:
    """An OpenDocument sheet of texts, numbers and (type, value) cells such as ("date", "2024-01-31")."""
    office = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
    table = "urn:oasis:names:tc:opendocument:xmlns:table:1.0"
    text = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"
    body = ""
    for name, rows in sheets.items():
        lines = "".join(f"<table:table-row>{''.join(_ods_cell(c) for c in row)}</table:table-row>" for row in rows)
        # What a program writes below the last row: the sheet's whole height, empty.
        rest = '<table:table-row table:number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="16000"/></table:table-row>'
        body += f'<table:table table:name="{name}">{lines}{rest}</table:table>'
    content = (
        f'<office:document-content xmlns:office="{office}" xmlns:table="{table}" xmlns:text="{text}" office:version="1.3">'
        f"<office:body><office:spreadsheet>{body}</office:spreadsheet></office:body></office:document-content>"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
            '<manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/>'
            "</manifest:manifest>",
        )
        archive.writestr("content.xml", content)
    return out.getvalue()


def _ods_cell(cell: object) -> str:
    if isinstance(cell, tuple):
        kind, value = cell
        key = {"date": "date-value", "boolean": "boolean-value"}.get(kind, "value")
        return f'<table:table-cell office:value-type="{kind}" office:{key}="{value}"><text:p>{value}</text:p></table:table-cell>'
    if isinstance(cell, str):
        return f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>'
    return (
        f'<table:table-cell office:value-type="float" office:value="{cell}"><text:p>{cell}</text:p></table:table-cell>'
    )


def give_table(node: Node, text: str, label: str = "") -> Table:
    """A table as a sync would have made it of a CSV, for a node whose document says what it holds."""
    with Extractor() as extractor, tempfile.TemporaryFile() as parquet:
        read = extractor.extract(text.encode(), "rows.csv", "", parquet)
        assert isinstance(read, Extracted)
        found = [replace(table, label=label) for table in read.tables]
        source = node.source
        with transaction.atomic():
            write_tables({node.pk: put_away(source, node, found, parquet)})
        described = with_descriptions(read.markdown, title_of("", node.title, node.kind), found)
    digest = hashlib.sha256(described.encode()).hexdigest()
    Document.objects.filter(node=node).update(text=described, content_hash=digest, indexed_hash=digest)
    return Table.objects.select_related("node").get(node=node, label=label)
