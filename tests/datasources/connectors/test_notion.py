"""Notion against its loopback server: the contract, and what is particular to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from datasources.connectors.around import Around
from datasources.connectors.base import (
    Chosen,
    ConnectorError,
    Delete,
    Delivery,
    DeliveryRefused,
    NodeError,
    RemoteNode,
    Skipped,
    Upsert,
)
from datasources.connectors.notion.about import ABOUT
from datasources.connectors.notion.blocks import markdown
from datasources.connectors.notion.connector import NotionConnector
from datasources.ingestion.extract import Extractor
from tests.contracts.vendor import Seen, VendorContract, VendorPlace
from tests.vendors.places.notion import TOKEN, NotionServer, below, block, rich, uid

SECRET = "secret_verification"


class Place(VendorPlace):
    exact_deletes = False

    def __init__(self, server: NotionServer, archives: Extractor) -> None:
        self.server: NotionServer = server
        self.around = Around(archives)
        self.branches = (f"page:{uid('Handbook')}", f"page:{uid('Engineering')}")
        self.words = {
            "Handbook": "Harbour Lane",
            "Leave": "Twenty-eight",
            "Office": "harbour",
            "Parking": "warehouse",
            "Engineering": "engineers",
            "Releases": "make release",
            "Crane monitor": "Crane monitor notes",
            "Berth planner": "8500.5",
            "Tide alarm": "Planned",
            "Guest Wi-Fi": "lantern",
        }
        self.below = {"Handbook": ["Handbook", "Leave", "Office", "Parking"]}
        self.below["Engineering"] = ["Engineering", "Releases", "Crane monitor", "Berth planner", "Tide alarm"]

    def connector(self) -> NotionConnector:
        secret = {"auth": "token", "token": TOKEN}
        return NotionConnector({"base_url": self.server.base_url}, secret, self.around)

    def documents(self) -> dict[str, str]:
        return {f"page:{uid(name)}": word for name, word in self.words.items()} | {
            f"database:{uid('Projects')}": "What is built"
        }

    def edit(self) -> str:
        page = uid("Leave")
        self.server.put_blocks(page, [block("paragraph", "Thirty days from now on.")])
        self.server.touch(page)
        self.words["Leave"] = "Thirty"
        return f"page:{page}"

    def add(self) -> str:
        self.server.tick(days=1)
        page = self.server.add_page("Travel", below(uid("Handbook")), block("paragraph", "By train."))
        self.words["Travel"] = "By train"
        self.below["Handbook"].append("Travel")
        return f"page:{page}"

    def delete(self) -> str:
        self.server.trash(uid("Leave"))
        del self.words["Leave"]
        return f"page:{uid('Leave')}"

    def move(self) -> tuple[str, str]:
        self.server.pages[uid("Leave")]["parent"] = below(uid("Engineering"))
        self.server.touch(uid("Leave"))
        return f"page:{uid('Leave')}", f"page:{uid('Engineering')}"

    def branch_of(self, external_id: str) -> str:
        if external_id.startswith("database:"):
            return self.branches[1]
        for name, names in self.below.items():
            if external_id in {f"page:{uid(one)}" for one in names}:
                return f"page:{uid(name)}"
        return ""

    def deliver(self, external_id: str) -> Delivery:
        event = {
            "id": "367cba44-b6f3-4c92-81e7-6a2e9659efd4",
            "type": "page.content_updated",
            "entity": {"id": external_id.partition(":")[2], "type": "page"},
            "data": {"updated_blocks": []},
        }
        return self.delivery(event)

    def delivery(self, event: dict[str, Any], secret: str = SECRET) -> Delivery:
        body, headers = self.server.signed(event, SECRET)
        return Delivery("POST", headers, {}, body, secret, datetime.now(UTC))


@pytest.fixture(scope="module")
def archives() -> Iterator[Extractor]:
    with Extractor() as extractor:
        yield extractor


@pytest.fixture
def place(archives: Extractor) -> Iterator[Place]:
    with NotionServer(page_size=3) as server:
        yield Place(server, archives)


class TestNotion(VendorContract):
    pass


def fetched(place: Place, name: str) -> str:
    content = place.connector().fetch(RemoteNode(f"page:{uid(name)}", "page", name))
    assert content.markdown is not None
    return content.markdown


# pages and what lies above them


def test_a_page_whose_parent_is_not_shared_has_a_place_of_its_own(place: Place) -> None:
    seen = Seen().run(place.connector())
    guest = seen.nodes[f"page:{uid('Guest Wi-Fi')}"]
    assert guest.parent == "unshared"
    assert seen.nodes["unshared"].title == "Pages whose parent is not shared"
    connector = place.connector()
    assert "unshared" in {node.external_id for node in connector.children(None)}
    assert [node.title for node in connector.children("unshared")] == ["Guest Wi-Fi"]


def test_a_database_and_a_row_whose_parent_is_not_shared_are_not_lost(place: Place) -> None:
    server = place.server
    ships = server.add_database("Ships", below(uid("Board papers")), {"Ships": {}})
    server.add_row(ships, "Aurora", {})
    seen = Seen().run(place.connector())
    assert seen.nodes[f"database:{ships}"].parent == "unshared"
    assert seen.nodes[f"page:{uid('Aurora')}"].parent == f"database:{ships}"
    server.hidden.add(ships)
    seen = Seen().run(place.connector())
    assert f"database:{ships}" not in seen.nodes
    assert seen.nodes[f"page:{uid('Aurora')}"].parent == "unshared"


def test_the_place_is_not_shown_where_every_parent_is_shared(place: Place) -> None:
    place.server.hidden.clear()
    assert "unshared" not in {node.external_id for node in place.connector().children(None)}


def test_a_page_in_a_column_hangs_below_its_page(place: Place) -> None:
    seen = Seen().run(place.connector())
    assert seen.nodes[f"page:{uid('Parking')}"].parent == f"page:{uid('Office')}"
    inside = list(place.connector().children(f"page:{uid('Office')}"))
    assert [(node.title, node.parent) for node in inside] == [("Parking", f"page:{uid('Office')}")]


def test_what_search_leaves_out_is_found_above_what_it_gives(place: Place) -> None:
    """Notion does not promise that search gives everything; a page that others lie in is asked for by its id."""
    page = place.server.pages[uid("Office")]
    place.server.unindexed.add(page["id"])
    seen = Seen().run(place.connector())
    assert seen.documents() == set(place.documents())
    assert seen.nodes[f"page:{page['id']}"].has_text


def test_a_child_that_was_edited_before_its_parent_comes_after_it(place: Place) -> None:
    place.server.touch(uid("Handbook"))
    seen = Seen().run(place.connector())
    assert seen.order.index(f"page:{uid('Handbook')}") < seen.order.index(f"page:{uid('Leave')}")
    assert seen.documents() == set(place.documents())


def test_a_cursor_that_has_expired_begins_the_listing_anew(place: Place) -> None:
    seen = Seen()
    seen.cursor = {"whole": {"step": "pages", "at": "expired", "newest": ""}}
    assert seen.run(place.connector()).documents() == set(place.documents())
    assert None in seen.scopes


def test_a_page_made_after_the_choice_stays_out_where_that_was_wanted(place: Place) -> None:
    chosen_at = (place.server.clock + timedelta(minutes=1)).isoformat()
    chosen = [Chosen(f"page:{uid('Handbook')}", future=False, options={"chosen_at": chosen_at})]
    added = place.add()
    told = Seen().run(place.connector(), chosen).documents()
    assert added not in told
    assert f"page:{uid('Leave')}" in told


def test_two_edits_in_one_minute_are_both_seen(place: Place) -> None:
    """Notion rounds to the minute, so a page edited just now gets its final version a little later."""
    place.server.clock = datetime.now(UTC) - timedelta(days=1)
    place.server.touch(uid("Leave"))
    connector = place.connector()
    first = Seen().run(connector).versions()[f"page:{uid('Leave')}"]
    assert first != place.server.pages[uid("Leave")]["last_edited_time"]


def test_people_whose_names_are_not_told_stop_nothing(place: Place) -> None:
    seen = Seen().run(place.connector())
    assert seen.nodes[f"page:{uid('Leave')}"].author == "Ann Okafor"
    place.server.people_are_told = False
    assert Seen().run(place.connector()).nodes[f"page:{uid('Leave')}"].author == ""


def test_a_page_that_is_in_the_trash_is_not_fetched(place: Place) -> None:
    place.server.trash(uid("Leave"))
    with pytest.raises(NodeError) as caught:
        fetched(place, "Leave")
    assert caught.value.skip


def test_nothing_shared_is_said_with_what_to_do(place: Place) -> None:
    place.server.pages.clear()
    place.server.sources.clear()
    result = place.connector().test()
    assert not result.ok
    assert "Connections" in result.message


# databases


def test_a_database_is_a_table_and_its_rows_are_pages(place: Place) -> None:
    connector = place.connector()
    seen = Seen().run(connector)
    database = seen.nodes[f"database:{uid('Projects')}"]
    (table,) = connector.fetch(database).tables
    assert table.columns == ("Name", "Status", "Budget", "Due", "Due (end)")
    rows = [tuple(row) for row in table.rows]
    assert ("Crane monitor", "Planned", 12000, date(2026, 3, 1), date(2026, 4, 15)) in rows
    assert ("Tide alarm", "Planned", 300, None, None) in rows
    row = seen.nodes[f"page:{uid('Berth planner')}"]
    assert (row.parent, row.tags) == (database.external_id, ("Done",))
    assert "**Budget:** 8500.5" in fetched(place, "Berth planner")


def test_a_row_that_changes_changes_the_table_too_and_only_it_is_told(place: Place) -> None:
    seen = Seen().run(place.connector())
    before = seen.versions()
    place.server.pages[uid("Tide alarm")]["properties"]["Budget"]["number"] = 450
    place.server.touch(uid("Tide alarm"))
    after = seen.run(place.connector()).versions()
    changed = {key for key in after if after[key] != before[key]}
    assert changed == {f"page:{uid('Tide alarm')}", f"database:{uid('Projects')}"}
    assert f"page:{uid('Crane monitor')}" not in seen.told
    assert Seen().run(place.connector()).versions() == after, "a whole listing sees the same version"


def test_a_row_that_goes_changes_the_table(place: Place) -> None:
    before = Seen().run(place.connector()).versions()
    place.server.trash(uid("Tide alarm"))
    after = Seen().run(place.connector()).versions()
    assert after[f"database:{uid('Projects')}"] != before[f"database:{uid('Projects')}"]


def test_a_database_with_several_data_sources_gives_a_table_for_each(place: Place) -> None:
    server = place.server
    stock = server.add_database("Stock", below(uid("Handbook")), {"Ropes": {}, "Anchors": {}})
    server.add_row(stock, "Hemp", {})
    server.add_row(stock, "Grapnel", {}, source=1)
    connector = place.connector()
    node = Seen().run(connector).nodes[f"database:{stock}"]
    tables = connector.fetch(node).tables
    assert [(table.name, [tuple(row) for row in table.rows]) for table in tables] == [
        ("Ropes", [("Hemp",)]),
        ("Anchors", [("Grapnel",)]),
    ]
    assert {node.title for node in connector.children(f"database:{stock}")} == {"Hemp", "Grapnel"}


def test_relations_are_told_by_title_also_those_that_the_page_holds_in_part(place: Place) -> None:
    server = place.server
    source = server.databases[uid("Projects")]["data_sources"][0]["id"]
    plan = {"id": "pl", "type": "relation", "relation": {"data_source_id": source}}
    plans = server.add_database("Plans", below(uid("Engineering")), {"Plans": {"Projects": plan}})
    both = [{"id": uid("Crane monitor")}, {"id": uid("Tide alarm")}]
    value = {"id": "pl", "type": "relation", "relation": both[:1], "has_more": True, "all": both}
    server.add_row(plans, "Spring", {"Projects": value})
    assert "**Projects:** Crane monitor, Tide alarm" in fetched(place, "Spring")
    connector = place.connector()
    (table,) = connector.fetch(RemoteNode(f"database:{plans}", "database", "Plans")).tables
    assert [tuple(row) for row in table.rows] == [("Spring", "Crane monitor")]


def test_a_view_of_a_database_elsewhere_is_not_a_second_one(place: Place) -> None:
    place.server.blocks[uid("Handbook")].append(
        {"object": "block", "id": uid("a view"), "type": "child_database", "child_database": {"title": ""}}
    )
    inside = {node.external_id for node in place.connector().children(f"page:{uid('Handbook')}")}
    assert inside == {f"page:{uid('Leave')}", f"page:{uid('Office')}"}


def test_a_database_whose_rows_are_refused_is_named(place: Place) -> None:
    place.server.refuse(403, path="/query", times=None)
    changes = list(place.connector().changes({}, [Chosen(None)]))
    skipped = [change for change in changes if isinstance(change, Skipped)]
    assert [change.node.external_id for change in skipped] == [f"database:{uid('Projects')}"]
    told = {change.node.external_id for change in changes if isinstance(change, Upsert)}
    assert f"page:{uid('Tide alarm')}" in told


# blocks


def rendered(*blocks: dict[str, Any]) -> str:
    """Blocks with what is below them under ``below``."""
    inside: dict[str, list[dict[str, Any]]] = {}

    def put(many: list[dict[str, Any]], parent: str) -> None:
        inside[parent] = many
        for number, one in enumerate(many):
            one["id"] = f"{parent}.{number}"
            one["has_children"] = "below" in one
            put(one.pop("below", []), one["id"])

    put(list(blocks), "page")
    return markdown("page", lambda key: inside[key])


def test_every_kind_of_block_is_written() -> None:
    cells = [[rich("Port"), rich("Depth | m")], [rich("Rotterdam"), rich("24")]]
    text = rendered(
        block("heading_1", "Harbour"),
        block("paragraph", "Deep <b>water</b>"),
        block("bulleted_list_item", "one", below=[block("numbered_list_item", "inner")]),
        block("to_do", "done", checked=True),
        block("to_do", "open", checked=False),
        block("toggle", "More", below=[block("paragraph", "hidden words")]),
        block("quote", "said", below=[block("paragraph", "and on")]),
        block("callout", "Mind the step", icon={"type": "emoji", "emoji": "⚠️"}),
        block("code", "a < b", language="python", caption=rich("a test")),
        block("equation", expression="e=mc^2"),
        block("divider"),
        {
            "type": "column_list",
            "column_list": {},
            "below": [{"type": "column", "column": {}, "below": [block("paragraph", "left")]}],
        },
        {
            "type": "table",
            "table": {"has_column_header": True},
            "below": [{"type": "table_row", "table_row": {"cells": row}} for row in cells],
        },
        block("bookmark", url="https://example.com/a", caption=rich("a page")),
        block("pdf", type="file", name="tides.pdf", file={"url": "https://s3/tides.pdf?X-Amz-Signature=1"}),
        block("image", type="external", external={"url": "https://example.com/crane.png"}, caption=rich("The crane")),
        block("child_database", title="Ships"),
        block("synced_block", synced_from=None, below=[block("paragraph", "in sync")]),
        block("meeting_notes", title=rich("Monday"), below=[block("paragraph", "we met")]),
        block("table_of_contents"),
    )
    for part in (
        "## Harbour",
        "Deep \\<b>water\\</b>",
        "- one\n    1. inner\n- [x] done\n- [ ] open",
        "More\n\n  hidden words",
        "> said\n>\n> and on",
        "> ⚠️ Mind the step",
        "```python\na < b\n```\n\na test",
        "$$\ne=mc^2\n$$",
        "left",
        "| Port | Depth \\| m |\n| --- | --- |\n| Rotterdam | 24 |",
        "Bookmark: [https://example.com/a](https://example.com/a)\n\na page",
        "[PDF: tides.pdf]",
        "The crane",
        "Database below: Ships",
        "in sync",
        "**Meeting notes: Monday**\n\n  we met",
    ):
        assert part in text, f"{part}\n\nis not in\n\n{text}"
    assert "X-Amz-Signature" not in text


def test_a_block_that_the_api_does_not_give_is_named() -> None:
    text = rendered(block("unsupported", block_type="button"), block("hologram", "words in it"))
    assert "[A block that Notion's API does not give: button]" in text
    assert "[A block of the kind “hologram”] words in it" in text


def test_numbers_of_a_list_go_on_and_begin_anew_after_something_else() -> None:
    many = [block("numbered_list_item", "a"), block("numbered_list_item", "b"), block("paragraph", "x")]
    assert rendered(*many, block("numbered_list_item", "c")) == "1. a\n2. b\n\nx\n\n1. c"


def test_mentions_marks_and_links_are_words() -> None:
    mention = {"type": "user", "user": {"id": "u", "name": "Ann Okafor"}}
    parts = [
        {"type": "mention", "mention": mention, "plain_text": "@Anonymous", "annotations": {}},
        {"type": "text", "plain_text": " bold ", "annotations": {"bold": True}},
        {"type": "text", "plain_text": "here", "annotations": {}, "href": "https://example.com/x"},
        {"type": "text", "plain_text": "bad", "annotations": {}, "href": "javascript:alert(1)"},
        {"type": "equation", "equation": {"expression": "x^2"}, "plain_text": "x^2", "annotations": {}},
    ]
    text = rendered({"type": "paragraph", "paragraph": {"rich_text": parts}})
    assert text == "@Ann Okafor **bold** [here](https://example.com/x)bad$x^2$"


def test_words_are_not_taken_for_headings_or_lists() -> None:
    assert rendered(block("paragraph", "# not a heading\n- nor a list\n1. nor this")) == (
        "\\# not a heading\n\\- nor a list\n1\\. nor this"
    )


# webhooks and keys


def test_the_handshake_gives_the_secret_once(place: Place) -> None:
    body = json.dumps({"verification_token": "secret_new"}).encode()
    connector = place.connector()
    first = Delivery("POST", {}, {}, body, "", datetime.now(UTC))
    heard = connector.webhook(first)
    assert heard.secret == "secret_new"
    assert not heard.nodes
    with pytest.raises(DeliveryRefused):
        connector.webhook(replace(first, secret=SECRET))


def test_an_event_before_the_handshake_is_refused(place: Place) -> None:
    with pytest.raises(DeliveryRefused):
        place.connector().webhook(replace(place.deliver("page:x"), secret=""))


def test_an_event_of_a_data_source_names_its_database(place: Place) -> None:
    entity = {"id": "s", "type": "data_source"}
    data = {"parent": {"id": uid("Projects"), "type": "database"}}
    heard = place.connector().webhook(place.delivery({"id": "e", "entity": entity, "data": data}))
    assert heard.nodes == (f"database:{uid('Projects')}",)
    heard = place.connector().webhook(place.delivery({"id": "e", "entity": entity, "data": {}}))
    assert heard.everything


def test_a_comment_is_of_no_interest(place: Place) -> None:
    heard = place.connector().webhook(place.delivery({"id": "e", "entity": {"id": "c", "type": "comment"}}))
    assert not heard.nodes
    assert not heard.everything


def test_looking_brings_what_is_above_and_leaves_out_what_is_not_chosen(place: Place) -> None:
    connector = place.connector()
    told = list(connector.look([f"page:{uid('Tide alarm')}"], [Chosen(None)]))
    titles = [change.node.title for change in told if isinstance(change, Upsert)]
    assert titles == ["Engineering", "Projects", "Tide alarm"]
    assert list(connector.look([f"page:{uid('Leave')}"], [Chosen(f"page:{uid('Engineering')}")])) == []
    place.server.trash(uid("Leave"))
    assert list(place.connector().look([f"page:{uid('Leave')}"], [Chosen(None)])) == [Delete(f"page:{uid('Leave')}")]


class Renewing:
    """Tokens of which the first has run out."""

    def __init__(self) -> None:
        self.renewed = 0

    def access(self, *, renew: bool = False) -> str:
        self.renewed += renew
        return TOKEN if self.renewed else "ran out"


def test_an_oauth_token_that_ran_out_is_renewed(place: Place) -> None:
    tokens = Renewing()
    around = replace(place.around, tokens=tokens)
    connector = NotionConnector({"base_url": place.server.base_url}, {"auth": "oauth"}, around)
    assert connector.test().ok
    assert tokens.renewed == 1


def test_a_source_without_a_key_says_so(place: Place) -> None:
    with pytest.raises(ConnectorError, match="integration secret"):
        NotionConnector({"base_url": place.server.base_url}, {"auth": "token"}, place.around).test()


def test_the_steps_name_what_is_to_be_allowed_as_notion_does() -> None:
    for way in ABOUT.auths:
        assert way.scopes
        assert all(f"“{scope}”" in " ".join(way.steps) for scope in way.scopes)


def test_a_refused_key_is_told_so_that_it_fits_the_first_time_too(place: Place) -> None:
    """Who has just typed it has nothing to connect anew."""
    place.server.refuse(401, times=None)
    with pytest.raises(ConnectorError, match="mistyped, has ended or was revoked") as refused:
        place.connector().test()
    assert refused.value.permanent
