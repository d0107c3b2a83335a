"""Intercom: conversations with their parts, articles below their collections, and what only teammates wrote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from datasources.connectors.around import Around
from datasources.connectors.base import Chosen, Complete, ConnectorError, Delete, NodeError, Skipped, Upsert
from datasources.connectors.bodies import markdown, words
from datasources.connectors.intercom import connector
from datasources.connectors.intercom.client import Client
from datasources.connectors.intercom.connector import Intercom
from datasources.ingestion.extract import Extractor
from tests.contracts.vendor import ALL, Seen, VendorContract, VendorPlace
from tests.vendors.places.intercom import TOKEN, IntercomServer, filled


class Tokens:
    """As the portal keeps them for OAuth."""

    def access(self, *, renew: bool = False) -> str:
        return TOKEN


class Place(VendorPlace):
    branches = ("team:11", "collection:21")
    exact_deletes = False

    def __init__(self, server: IntercomServer) -> None:
        self.server: IntercomServer = server
        self.words: dict[str, str] = {}

    def connector(self, **config: Any) -> Intercom:
        given = {"base_url": self.server.base_url, **config}
        return Intercom(given, {"auth": "token", "token": TOKEN}, Around(Extractor(workers=1)))

    def documents(self) -> dict[str, str]:
        found = {
            f"conversation:{key}": item["source"]["body"].removeprefix("<p>").removesuffix("</p>").split()[1]
            for key, item in self.server.conversations.items()
        }
        found |= {
            f"article:{key}": item["body"] for key, item in self.server.articles.items() if item["state"] != "draft"
        }
        return found | {key: word for key, word in self.words.items() if key in found}

    def edit(self) -> str:
        self.server.reply("101", "<p>It was a typing-mistake.</p>")
        self.words["conversation:101"] = "typing-mistake"
        return "conversation:101"

    def add(self) -> str:
        self.server.add_conversation("900", "Brand new", "11")
        return "conversation:900"

    def delete(self) -> str:
        del self.server.conversations["102"]
        return "conversation:102"

    def move(self) -> tuple[str, str]:
        self.server.assign("102", "12")
        return "conversation:102", "team:12"

    def branch_of(self, external_id: str) -> str:
        kind, _, key = external_id.partition(":")
        if kind == "article":
            return "collection:21" if self.server.articles[key]["parent_id"] in (21, 22) else ""
        return "team:11" if self.server.conversations[key]["team_assignee_id"] == 11 else ""

    def deliver(self, external_id: str) -> Any:
        key = external_id.partition(":")[2]
        return self.server.notification("conversation.admin.replied", {"type": "conversation", "id": key})


@pytest.fixture
def place() -> Iterator[Place]:
    with filled() as server:
        yield Place(server)


class TestIntercom(VendorContract):
    pass


def text_of(place: Place, key: str, **config: Any) -> str:
    connector = place.connector(**config)
    return str(connector.fetch(Seen().run(connector).nodes[key]).markdown)


def test_a_conversation_is_one_document_with_its_parts_in_order(place: Place) -> None:
    text = text_of(place, "conversation:101")
    assert text.index("My invoice is wrong") < text.index("We have **corrected** it.")
    assert "**Carla Ruiz** (customer), 2025-10-" in text
    assert "**Ann Kaur** (teammate), " in text
    assert "Invoice 7" in text


def test_internal_notes_stay_out_unless_they_are_asked_for(place: Place) -> None:
    assert "difficult" not in text_of(place, "conversation:101")
    assert "(teammate, internal note)" in text_of(place, "conversation:101", notes=True)


def test_the_notes_setting_reads_conversations_anew(place: Place) -> None:
    without = Seen().run(place.connector()).versions()
    with_notes = Seen().run(place.connector(notes=True)).versions()
    assert without["conversation:101"] != with_notes["conversation:101"]
    assert without["article:31"] == with_notes["article:31"]


def test_conversations_have_author_times_tags_and_a_link(place: Place) -> None:
    node = Seen().run(place.connector()).nodes["conversation:101"]
    assert (node.title, node.author, node.tags) == ("Invoice 7", "Carla Ruiz", ("billing", "open"))
    assert node.url == "https://app.intercom.com/a/apps/loop1/inbox/inbox/conversation/101"
    assert node.modified is not None
    assert node.created is not None
    assert node.modified > node.created


def test_articles_lie_below_their_collections(place: Place) -> None:
    nodes = Seen().run(place.connector()).nodes
    assert nodes["article:31"].parent == "collection:22"
    assert nodes["collection:22"].parent == "collection:21"
    assert nodes["article:33"].parent == "collection:none"
    assert nodes["article:31"].author == "Ann Kaur"


def test_an_article_is_found_by_its_name_with_what_it_lies_in(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [node.external_id for node in place.connector().find("my BILLS")]
    assert found[-1].startswith("article:")
    assert found[0].startswith("collection:")
    assert len(found) == len(set(found))
    monkeypatch.setattr(connector, "_MANY_ARTICLES", 1)
    assert not list(place.connector().find("my BILLS"))


def test_articles_are_counted_for_what_is_chosen(place: Place) -> None:
    whole = place.connector().estimate(ALL).documents or 0
    assert (place.connector().estimate([Chosen("collection:22")]).documents or 0) < whole
    told = Seen().run(place.connector(), [Chosen("collection:22")])
    assert place.connector().estimate([Chosen("collection:22")]).documents == len(told.documents())


def test_drafts_are_skipped_by_name(place: Place) -> None:
    skipped = [c for c in place.connector().changes({}, ALL) if isinstance(c, Skipped)]
    assert [c.node.external_id for c in skipped] == ["article:34"]
    assert "draft" in skipped[0].reason


def test_an_article_that_was_deleted_shows_in_the_next_run(place: Place) -> None:
    seen = Seen().run(place.connector())
    del place.server.articles["31"]
    changes = list(place.connector().changes(seen.cursor, ALL))
    assert Complete("collection:21") in changes
    assert Complete(None) not in changes
    seen.run(place.connector())
    assert seen.documents() == set(place.documents())


def test_articles_deleted_while_they_are_listed_let_none_be_missed(place: Place) -> None:
    changes = place.connector().changes({}, ALL)
    told = {next(changes).node.external_id for _ in range(20)}  # type: ignore[union-attr]
    newest = max(place.server.articles.values(), key=lambda item: item["updated_at"])["id"]
    del place.server.articles[newest]
    told |= {c.node.external_id for c in changes if isinstance(c, Upsert)}
    assert set(place.documents()) <= told


def test_a_conversation_that_leaves_a_chosen_team_goes_at_once(place: Place) -> None:
    chosen = [Chosen("team:11")]
    seen = Seen().run(place.connector(), chosen)
    place.server.assign("102", "12")
    seen.run(place.connector(), chosen)
    assert seen.documents() == {"conversation:101"}


def test_only_the_chosen_half_is_asked_for(place: Place) -> None:
    Seen().run(place.connector(), [Chosen("team:11")])
    assert not [path for _, path in place.server.requests if "article" in path or "collections" in path]
    place.server.requests.clear()
    Seen().run(place.connector(), [Chosen("collection:23")])
    assert not [path for _, path in place.server.requests if "conversations" in path or "teams" in path]


def test_all_teams_but_one_and_a_single_conversation_can_be_chosen(place: Place) -> None:
    chosen = [Chosen(None), Chosen("team:12", include=False), Chosen("conversation:103")]
    documents = Seen().run(place.connector(), chosen).documents()
    assert {"conversation:101", "conversation:103", "conversation:104"} <= documents
    assert "conversation:2000" not in documents


def test_children_of_a_team_begin_with_the_newest(place: Place) -> None:
    found = [node.external_id for node in place.connector().children("team:11")]
    assert found == ["conversation:102", "conversation:101"]
    assert [node.title for node in place.connector().children("team:none")] == ["Nobody has this one"]
    assert "collection:22" in {node.external_id for node in place.connector().children("collection:21")}


def test_what_is_added_later_stays_out_where_the_line_says_so(place: Place) -> None:
    chosen = [Chosen("team:11", future=False, options={"chosen_at": "2030-01-01T00:00:00+00:00"})]
    assert Seen().run(place.connector(), chosen).documents() == {"conversation:101", "conversation:102"}
    early = [Chosen("team:11", future=False, options={"chosen_at": "2020-01-01T00:00:00+00:00"})]
    assert Seen().run(place.connector(), early).documents() == set()


def test_conversations_from_a_date(place: Place) -> None:
    chosen = [Chosen("team:11")]
    assert Seen().run(place.connector(since="2030-01-01"), chosen).documents() == set()
    assert len(Seen().run(place.connector(since="2020-01-01"), chosen).documents()) == 2


def test_a_missing_permission_is_named(place: Place) -> None:
    place.server.forbidden = "/articles"
    with pytest.raises(ConnectorError, match="Read and list articles") as caught:
        Seen().run(place.connector())
    assert caught.value.permanent


def test_a_deleted_conversation_is_heard_of(place: Place) -> None:
    connector = place.connector()
    delivery = place.server.notification("conversation.deleted", {"conversation_id": "102", "type": "conversation"})
    del place.server.conversations["102"]
    heard = connector.webhook(delivery)
    assert heard.nodes == ("conversation:102",)
    assert list(connector.look(heard.nodes, ALL)) == [Delete("conversation:102")]


def test_a_ping_is_of_no_interest(place: Place) -> None:
    heard = place.connector().webhook(place.server.notification("ping", {"type": "ping", "id": "1"}))
    assert heard.key
    assert heard.nodes == ()
    assert not heard.everything


def test_a_document_that_went_is_skipped(place: Place) -> None:
    connector = place.connector()
    seen = Seen().run(connector)
    node = seen.nodes[place.delete()]
    with pytest.raises(NodeError) as caught:
        connector.fetch(node)
    assert caught.value.skip


@pytest.mark.parametrize("region", ["", "eu.", "au."])
def test_the_address_decides_the_region(region: str) -> None:
    api, app = f"https://api.{region}intercom.io", f"https://app.{region}intercom.com"
    client = Client({"base_url": api}, {"token": "x"}, Around(Extractor(workers=1)))
    assert client.app_url == app
    auth = Intercom.about.auth("oauth")
    assert auth is not None
    assert auth.oauth is not None
    assert auth.oauth.at(api) == (f"{app}/oauth", f"{api}/auth/eagle/token")
    assert auth.oauth.at("http://127.0.0.1:9")[0] == "http://127.0.0.1:9/oauth"


def test_oauth_takes_its_token_from_the_portal(place: Place) -> None:
    around = Around(Extractor(workers=1), tokens=Tokens())
    assert Intercom({"base_url": place.server.base_url}, {"auth": "oauth"}, around).test().ok


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>Hi <b>Ann</b>,<br>see <a href='https://x.example'>this</a></p>", "Hi **Ann**,\nsee this"),
        ("<ul><li>one<ul><li>in</li></ul></li><li>two</li></ul>", "- one\n  - in\n- two"),
        ("<script>alert(1)</script><p>ok</p>", "ok"),
        ("<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>", "\\<script>alert(1)\\</script>"),
        ("plain &lt;b&gt; text\n# no heading", "plain \\<b> text\n\\# no heading"),
        ("<p># no heading</p>", "\\# no heading"),
        ("<pre><code>a\n b</code></pre>", "```\na\n b\n```"),
        ("<h2>Title</h2><blockquote><p>said</p></blockquote>", "**Title**\n\n> said"),
        (
            "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2|3</td></tr></table>",
            "| a | b |\n| --- | --- |\n| 1 | 2\\|3 |",
        ),
        ("", ""),
    ],
)
def test_bodies_keep_words_and_structure_and_nothing_else(html: str, expected: str) -> None:
    assert markdown(html) == expected


def test_titles_are_plain_and_short() -> None:
    assert words("<p>Hello <b>there</b> &lt;you&gt;</p>") == "Hello there <you>"
    assert len(words("word " * 100)) <= 81
