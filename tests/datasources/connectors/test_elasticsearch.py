"""An index that a company already has: its fields, its pages, and what two products and older clusters do otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from datasources.connectors.around import Around
from datasources.connectors.base import Checkpoint, Chosen, Complete, ConnectorError, NodeError, Skipped, Upsert
from datasources.connectors.elasticsearch.connector import Elasticsearch
from datasources.connectors.elasticsearch.fields import value_of
from datasources.ingestion.extract import Extractor
from tests.contracts.vendor import ALL, Seen, VendorContract, VendorPlace
from tests.vendors.places.elasticsearch import KEY, PASSWORD, USER, ElasticsearchServer, filled

FIELDS = {
    "title_field": "title",
    "text_fields": ["content"],
    "link_field": "url",
    "time_field": "updated_at",
    "tag_fields": ["category"],
}


class Place(VendorPlace):
    branches = ("index:handbook", "index:tickets-2026")
    exact_deletes = False

    def __init__(self, server: ElasticsearchServer) -> None:
        self.server: ElasticsearchServer = server

    def connector(self, secret: dict[str, str] | None = None, **config: Any) -> Elasticsearch:
        given = {"base_url": self.server.base_url, "index": "*", **FIELDS, **config}
        return Elasticsearch(given, secret or {"auth": "api_key", "key": KEY}, Around(Extractor(workers=1)))

    def documents(self) -> dict[str, str]:
        return {
            f"doc:{index}/{key}": source["content"].split()[1]
            for index, sources in self.server.indices.items()
            for key, source in sources.items()
        }

    def edit(self) -> str:
        self.server.indices["handbook"]["pay"].update(
            content="Salaries come-on-the-last-day now.", updated_at="2026-05-01T09:00:00Z"
        )
        return "doc:handbook/pay"

    def add(self) -> str:
        self.server.indices["handbook"]["travel"] = {
            "title": "Travel",
            "content": "By train.",
            "updated_at": "2026-05-01T09:00:00Z",
        }
        return "doc:handbook/travel"

    def delete(self) -> str:
        del self.server.indices["handbook"]["pay"]
        return "doc:handbook/pay"

    def branch_of(self, external_id: str) -> str:
        return "index:" + external_id.removeprefix("doc:").split("/")[0]


@pytest.fixture(params=["elasticsearch", "opensearch", "none"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with filled(request.param) as server:
        yield Place(server)


@pytest.fixture
def elastic() -> Iterator[Place]:
    with filled() as server:
        yield Place(server)


class TestElasticsearch(VendorContract):
    """Against Elasticsearch, OpenSearch, and a cluster that has no points in time."""


def test_user_and_password_are_taken_too(elastic: Place) -> None:
    secret = {"auth": "password", "username": USER, "password": PASSWORD}
    assert "Elasticsearch 8.15.0" in elastic.connector(secret).test().message


def test_a_cluster_without_keys_is_read(elastic: Place) -> None:
    with pytest.raises(ConnectorError):
        elastic.connector({"auth": "none"}).test()
    elastic.server.open_access = True
    assert elastic.connector({"auth": "none"}).test().ok


def test_fields_become_title_link_time_and_tags(elastic: Place) -> None:
    node = Seen().run(elastic.connector()).nodes["doc:handbook/pay"]
    assert (node.title, node.url, node.tags) == ("Pay", "https://wiki.acme.example/pay", ("people", "policy"))
    assert node.modified is not None
    assert node.modified.isoformat() == "2026-03-01T09:00:00+00:00"


def test_a_link_that_is_no_web_address_is_left_out(elastic: Place) -> None:
    elastic.server.indices["handbook"]["pay"]["url"] = "javascript:alert(1)"
    assert Seen().run(elastic.connector()).nodes["doc:handbook/pay"].url == ""


def test_without_named_fields_all_text_is_read(elastic: Place) -> None:
    elastic.server.indices["handbook"]["pay"]["author"] = {"name": "Ann Kaur", "age": 41}
    connector = elastic.connector(text_fields=[], title_field="")
    seen = Seen().run(connector)
    text = str(connector.fetch(seen.nodes["doc:handbook/pay"]).markdown)
    assert "# Pay" in text
    assert "## author.name\n\nAnn Kaur" in text
    assert "2026-03-01" not in text


def test_text_that_looks_like_html_stays_text(elastic: Place) -> None:
    elastic.server.indices["handbook"]["pay"]["content"] = "<script>alert(1)</script>\n# not a heading"
    connector = elastic.connector()
    text = connector.fetch(Seen().run(connector).nodes["doc:handbook/pay"]).markdown
    assert text == "# Pay\n\n\\<script>alert(1)\\</script>\n\\# not a heading\n"


def test_html_goes_to_the_extractor(elastic: Place) -> None:
    connector = elastic.connector(text_format="html")
    content = connector.fetch(Seen().run(connector).nodes["doc:handbook/pay"])
    assert content.mime == "text/html"
    assert content.data == b"Salaries are paid on the 25th."


@pytest.mark.parametrize("where", ["settings", "line"])
def test_a_query_narrows_what_comes_in(elastic: Place, where: str) -> None:
    elastic.server.indices["handbook"]["pay"]["status"] = "draft"
    query = '{"query": {"term": {"status": "published"}}}'
    config: dict[str, Any] = {"query": query} if where == "settings" else {}
    options = {"query": query} if where == "line" else {}
    chosen = [Chosen("index:handbook", options=options)]
    assert Seen().run(elastic.connector(**config), chosen).documents() == {"doc:handbook/leave"}
    assert elastic.connector(**config).estimate(chosen).documents == 1


def test_a_query_that_is_no_json_says_so(elastic: Place) -> None:
    with pytest.raises(ConnectorError, match="not JSON") as caught:
        elastic.connector(query="{term:")
    assert caught.value.permanent


def test_an_index_that_is_not_there_says_so(elastic: Place) -> None:
    with pytest.raises(ConnectorError, match="There is no index handbok") as caught:
        elastic.connector(index="handbok").test()
    assert caught.value.permanent


def test_patterns_choose_indices(elastic: Place) -> None:
    assert [node.title for node in elastic.connector(index="hand*, none-*").children(None)] == ["handbook"]


def test_an_alias_stands_for_what_is_behind_it(elastic: Place) -> None:
    elastic.server.aliases["desk"] = ["tickets-2026"]
    connector = elastic.connector()
    assert [node.title for node in connector.children(None)] == ["desk", "handbook"]
    seen = Seen().run(connector)
    assert "25th" in str(connector.fetch(seen.nodes["doc:handbook/pay"]).markdown)
    before = seen.versions()["doc:desk/t001"]
    elastic.server.indices["tickets-v2"] = elastic.server.indices.pop("tickets-2026")
    elastic.server.aliases["desk"] = ["tickets-v2"]
    seen.cursor = {}
    assert seen.run(connector).versions()["doc:desk/t001"] == before
    assert "toner" in str(connector.fetch(seen.nodes["doc:desk/t001"]).markdown)


def test_a_closed_index_is_skipped_and_only_the_others_are_complete(elastic: Place) -> None:
    elastic.server.closed.add("handbook")
    changes = list(elastic.connector().changes({}, ALL))
    assert [c.node.external_id for c in changes if isinstance(c, Skipped)] == ["index:handbook"]
    assert [c.scope for c in changes if isinstance(c, Complete)] == ["index:tickets-2026"]


def test_only_what_has_a_newer_time_is_asked_for(elastic: Place) -> None:
    elastic.server.indices["handbook"]["leave"]["updated_at"] = "2026-01-01T09:00:00Z"
    seen = Seen().run(elastic.connector())
    elastic.server.indices["handbook"]["leave"]["content"] = "An edit that left its time as it was."
    edited = elastic.edit()
    changes = list(elastic.connector().changes(seen.cursor, ALL))
    assert edited in {c.node.external_id for c in changes if isinstance(c, Upsert)}
    assert not [c for c in changes if isinstance(c, Complete)]
    assert "doc:handbook/leave" not in {c.node.external_id for c in changes if isinstance(c, Upsert)}


def test_without_a_time_every_run_is_whole(elastic: Place) -> None:
    seen = Seen().run(elastic.connector(time_field=""))
    deleted = elastic.delete()
    seen.run(elastic.connector(time_field=""))
    assert deleted not in seen.documents()


def test_an_id_of_the_companys_own_survives_a_new_index(elastic: Place) -> None:
    seen = Seen().run(elastic.connector(id_field="slug"))
    assert "doc:handbook/pay" in seen.documents()
    sources = elastic.server.indices["handbook"]
    sources["other"] = sources.pop("pay")
    sources["unnamed"] = {"title": "No slug", "content": "x", "updated_at": "2026-05-01T09:00:00Z"}
    changes = list(elastic.connector(id_field="slug").changes({}, ALL))
    assert "doc:handbook/pay" in {c.node.external_id for c in changes if isinstance(c, Upsert)}
    (skipped,) = [c for c in changes if isinstance(c, Skipped)]
    assert "id" in skipped.reason


# ---- Fields to choose from


def test_fields_of_the_mapping_are_offered_by_their_type(elastic: Place) -> None:
    elastic.server.types = {"owner.name": "text", "code": "keyword", "size": "long"}
    found = elastic.connector().choices(None)
    assert {"title", "content", "url", "owner.name", "code"} <= set(found["text_fields"])
    assert "size" not in found["title_field"]
    assert found["time_field"] == ["updated_at"]
    assert found["id_field"] == ["code"]
    assert elastic.connector().choices("index:handbook") == {}


def test_a_field_that_no_index_has_is_said_with_those_that_there_are(elastic: Place) -> None:
    told = elastic.connector(time_field="updatd_at").test()
    assert not told.ok
    assert told.message == "No index has a field “updatd_at”. There are: updated_at"
    assert "“titel”" in elastic.connector(title_field="titel").test().message
    assert "“boddy”" in elastic.connector(text_fields=["content", "boddy"]).test().message
    elastic.server.types = {"owner.name": "text"}
    assert elastic.connector(text_fields=["owner"]).test().ok


def test_what_no_mapping_tells_of_is_taken_on_trust(elastic: Place) -> None:
    elastic.server.dynamic, elastic.server.types = False, {"title": "text"}
    assert elastic.connector(text_fields=["unmapped"]).test().ok
    elastic.server.dynamic = True
    elastic.server.refuse(403, path="_mapping", times=None)
    assert elastic.connector(text_fields=["unmapped"]).test().ok
    assert elastic.connector().choices(None)["title_field"] == []


def test_a_single_document_can_be_chosen(elastic: Place) -> None:
    chosen = [Chosen("doc:tickets-2026/t007")]
    assert Seen().run(elastic.connector(), chosen).documents() == {"doc:tickets-2026/t007"}
    assert not [path for _, path in elastic.server.requests if "handbook" in path]


def test_what_is_added_later_stays_out_where_the_line_says_so(elastic: Place) -> None:
    chosen = [Chosen("index:handbook", future=False, options={"chosen_at": "2026-04-01T00:00:00+00:00"})]
    elastic.add()
    assert Seen().run(elastic.connector(), chosen).documents() == {"doc:handbook/pay", "doc:handbook/leave"}


def test_a_point_in_time_that_expired_is_opened_anew(place: Place) -> None:
    changes = place.connector().changes({}, ALL)
    seen = Seen()
    for change in changes:
        seen.take(change)
        if isinstance(change, Checkpoint) and change.cursor.get("at") == "tickets-2026" and change.cursor.get("after"):
            break
    changes.close()  # type: ignore[attr-defined]
    place.server.pits.clear()
    seen.take_all(place.connector().changes(seen.cursor, ALL))
    seen.prune()
    assert seen.documents() == set(place.documents())


def test_points_in_time_are_closed(place: Place) -> None:
    Seen().run(place.connector())
    assert place.server.pits == {}


def test_titles_are_found(elastic: Place) -> None:
    assert {node.title for node in elastic.connector().find("TICKET 22")} >= {"Ticket 22", "Ticket 220"}


def test_a_document_that_went_is_skipped(elastic: Place) -> None:
    connector = elastic.connector()
    seen = Seen().run(connector)
    node = seen.nodes[elastic.delete()]
    with pytest.raises(NodeError) as caught:
        connector.fetch(node)
    assert caught.value.skip


def test_values_are_found_nested_dotted_and_in_lists() -> None:
    source = {"a": {"b": [{"c": 1}, {"c": 2}]}, "d.e": "x"}
    assert value_of(source, "a.b.c") == [1, 2]
    assert value_of(source, "d.e") == "x"
    assert value_of(source, "a.z") is None
