"""A document opens at the passage that was cited, for those who may read it."""

import re

import pytest
from django.urls import reverse

from datasources.models import Document, Grant
from datasources.retrieval.types import Hit, IndexUnavailable, point_id
from tests import factories

pytestmark = pytest.mark.django_db
TEXT = (
    "# Krankheit 🤒\n\nMelde dich früh. Das Attest kommt am dritten Tag. Siehe [Urlaub](urlaub.md) und [x](weg.md).\n"
)


@pytest.fixture
def node(cast):
    source = factories.source(cast.workspace, name="Handbuch")
    folder = factories.node(source, "abwesenheit")
    factories.node(source, "abwesenheit/urlaub.md", parent=folder, text="# Urlaub")
    return factories.node(source, "abwesenheit/krank.md", parent=folder, text=TEXT, url="https://wiki.example/krank")


@pytest.fixture
def reader(cast, client):
    client.force_login(cast.member.user)
    return client


def address(node, query=""):
    return reverse("document", args=["acme", node.pk]) + query


def cited(words):
    start = TEXT.index(words)
    return f"?start={start}&end={start + len(words)}"


def test_the_cited_passage_is_highlighted_by_code_points(reader, node):
    words = "Das Attest kommt am dritten Tag."
    page = reader.get(address(node, cited(words))).content.decode()
    assert re.findall(r"<mark[^>]*>(.*?)</mark>", page) == [words]
    assert 'id="passage"' in page
    assert "has changed since" not in page


def test_a_document_that_has_changed_says_so(reader, node):
    now = node.document.indexed_hash
    assert (
        "has changed since it was cited"
        not in reader.get(address(node, cited("Attest") + f"&hash={now}")).content.decode()
    )
    assert "has changed since it was cited" in reader.get(address(node, cited("Attest") + "&hash=old")).content.decode()


@pytest.mark.parametrize(
    "query",
    [
        "?start=5",
        "?start=a&end=b",
        "?start=9&end=3",
        "?start=-1&end=4",
        "?start=99999&end=100000",
        f"?start={'9' * 50}&end=1",
    ],
)
def test_a_place_that_is_none_still_opens_the_document(reader, node, query):
    answer = reader.get(address(node, query))
    assert answer.status_code == 200
    assert "<mark" not in answer.content.decode()


def test_it_says_where_it_is_and_who_can_read_it_and_why(reader, node):
    page = reader.get(address(node)).content.decode()
    assert "abwesenheit / krank.md" in page
    assert "Company" in page
    assert "every member" in page
    assert 'href="https://wiki.example/krank"' in page


def test_the_rail_marks_data(reader, node):
    marked = re.findall(
        r'<a class="rail-link"[^>]*title="(\w+)" aria-current="page"', reader.get(address(node)).content.decode()
    )
    assert marked == ["Data"]


def test_an_address_that_is_no_web_address_is_no_link(reader, node):
    type(node).objects.filter(pk=node.pk).update(url="javascript:alert(1)")
    assert "javascript:" not in reader.get(address(node)).content.decode()


def test_links_lead_to_neighbours_that_one_may_read(cast, reader, node):
    page = reader.get(address(node)).content.decode()
    neighbour = type(node).objects.get(external_id="abwesenheit/urlaub.md")
    assert reverse("document", args=["acme", neighbour.pk]) in page
    assert "<span>x</span>" in page
    Grant.objects.filter(source=node.source).update(parents_in=[node.pk])
    assert reverse("document", args=["acme", neighbour.pk]) not in reader.get(address(node)).content.decode()


def test_governing_a_source_is_not_reading_it(cast, client, node):
    Grant.objects.filter(source=node.source).update(space=factories.space(cast.workspace, cast.member))
    client.force_login(cast.admin.user)
    assert client.get(address(node)).status_code == 404
    client.force_login(cast.member.user)
    assert client.get(address(node)).status_code == 200


def test_a_folder_is_no_document(reader, node):
    assert reader.get(reverse("document", args=["acme", node.parent_id])).status_code == 404


def test_a_long_document_opens_in_the_part_of_the_passage(reader, node):
    text = "".join(f"Absatz {number} mit Worten.\n\n" for number in range(20_000))
    Document.objects.filter(pk=node.pk).update(text=text)
    start = text.index("Absatz 15000 mit")
    page = reader.get(address(node, f"?start={start}&end={start + 16}")).content.decode()
    assert "Absatz 15000 mit</mark>" in page
    assert "Absatz 0 mit" not in page
    assert "Part 3 of" in page
    assert "Part 1 of" in reader.get(address(node, "?part=zzz")).content.decode()


class _Index:
    def __init__(self, hits=None):
        self.hits = hits

    def for_workspace(self, workspace):
        return self

    async def fetch(self, space, ids, filter):
        if self.hits is None:
            raise IndexUnavailable("gone")
        return [hit for hit in self.hits if hit.id in ids]


def test_passages_are_shown_in_the_margin_on_demand(reader, node, monkeypatch):
    Document.objects.filter(pk=node.pk).update(indexed_space="minilm", passages=2)
    second = TEXT.index("Melde")
    cut = [(0, 14), (second, len(TEXT))]
    common = {"node": str(node.pk), "source": str(node.source_id), "text": "…"}
    hits = [
        Hit(point_id(node.pk, number), {**common, "position": number, "start": start, "end": end})
        for number, (start, end) in enumerate(cut)
    ]
    monkeypatch.setattr("datasources.reading.open_index", lambda: _Index(hits))
    assert "passage-at" not in reader.get(address(node)).content.decode()
    page = reader.get(address(node, "?passages=1")).content.decode()
    assert 'data-n="1"' in page
    assert re.search(r'data-n="2"></span>Melde', page)


def test_an_index_that_does_not_answer_is_told_and_the_text_stays(reader, node, monkeypatch):
    Document.objects.filter(pk=node.pk).update(indexed_space="minilm", passages=1)
    monkeypatch.setattr("datasources.reading.open_index", lambda: _Index())
    page = reader.get(address(node, "?passages=1")).content.decode()
    assert "The index does not answer now" in page
    assert "Melde dich" in page
