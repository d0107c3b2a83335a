"""What a document is called, and that its readers see the same name everywhere."""

from __future__ import annotations

import pytest

from assistants.models import Citation
from assistants.presenting import sources_of
from datasources.models import Document
from datasources.reading import open_reader
from datasources.retrieval.joining import FoundPassage
from datasources.titles import title_of
from tests import factories
from tests.callers import Caller
from tests.datasources.syncing import account, in_index, synced


@pytest.mark.parametrize(
    ("own", "name", "kind", "title"),
    [
        ("Connect a folder", "connect-a-folder.md", "file", "Connect a folder"),
        ("", "connect-a-folder.md", "file", "connect a folder"),
        ("", "travel_costs__abroad.csv", "file", "travel costs abroad"),
        ("", "Minutes - 2024-05-03.txt", "file", "Minutes - 2024-05-03"),
        ("", "report-2024-05.pdf", "file", "report-2024-05"),
        ("", "Version 2.0", "file", "Version 2.0"),
        ("", ".env", "file", ".env"),
        ("", "Node.js", "page", "Node.js"),
        ("", "roll_out-plan", "page", "roll_out-plan"),
    ],
)
def test_a_title_is_the_text_s_own_else_a_readable_name(own: str, name: str, kind: str, title: str) -> None:
    assert title_of(own, name, kind) == title


def test_a_document_without_a_title_is_embedded_under_its_readable_name_once(source, place, embedder):
    place.files.update({"guide/travel-costs.md": "Trains are booked through the travel desk."})
    synced(source)
    document = Document.objects.select_related("node").get()
    assert (document.title, document.shown_title, document.node.title) == ("", "travel costs", "travel-costs.md")
    assert {payload["title"] for payload in in_index(source, embedder.space).values()} == {"travel costs"}
    assert account(synced(source)) == {"discovered": 1, "unchanged": 1}


def test_readers_see_the_title_where_a_document_is_cited_and_the_name_in_its_path(cast, monkeypatch):
    source = factories.source(cast.workspace)
    node = factories.node(source, "connect-a-folder.md", text="# Connect a folder\n\nOpen Data.")
    Document.objects.filter(node=node).update(title="Connect a folder")
    found = FoundPassage(node.pk, source.pk, "Connect a folder", "", "Open Data.", 20, 30, 0.9, ())
    monkeypatch.setattr("datasources.reading.embedder_for", lambda workspace: None)
    (passage,) = open_reader(cast.member).check((found,))
    assert (passage.title, passage.path) == ("Connect a folder", "connect-a-folder.md")
    (cited,) = sources_of(cast.member, [Citation(n=1, node=node.pk, source=source.pk, start=20, end=30)])
    assert (cited.title, cited.path) == ("Connect a folder", "connect-a-folder.md")
    read = Caller(cast.member).get(f"documents/{node.pk}/").json()
    assert (read["title"], read["path"]) == ("Connect a folder", "connect-a-folder.md")
