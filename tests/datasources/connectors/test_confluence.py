"""Confluence against its loopback server, as Cloud and as Data Center: the contract, and what is particular to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from datasources.connectors.around import Around
from datasources.connectors.base import (
    Change,
    Chosen,
    ConnectorError,
    Delivery,
    DeliveryRefused,
    NodeError,
    Skipped,
    Upsert,
)
from datasources.connectors.confluence import client
from datasources.connectors.confluence.about import ABOUT
from datasources.connectors.confluence.connector import ConfluenceConnector
from datasources.connectors.confluence.storage import markdown
from datasources.ingestion.extract import Extractor
from datasources.ingestion.results import Limits
from tests.contracts.vendor import ALL, Seen, VendorContract, VendorPlace
from tests.vendors.places.confluence import EMAIL, TOKEN, ConfluenceServer

SECRET = "a secret of ours"


class Place(VendorPlace):
    exact_deletes = False

    def __init__(self, server: ConfluenceServer, archives: Extractor) -> None:
        self.server: ConfluenceServer = server
        self.around = Around(archives)
        self.branches = ("space:HB", "space:ENG")
        self.words = {
            "Handbook home": "Harbour Lane",
            "Leave": "Twenty-eight",
            "Parental leave": "Sixteen weeks",
            "Pay": "last working day",
            "Bonus": "spring",
            "rota.txt": "rota of the harbour",
            "Ship launched": "Aurora",
            "Engineering home": "engineers",
            "Releases": "Tuesday",
        }

    def connector(self, **config: Any) -> ConfluenceConnector:
        secret = {"auth": "token" if self.server.cloud else "personal", "email": EMAIL, "token": TOKEN}
        known = {"base_url": self.server.base_url, "restricted": True}
        return ConfluenceConnector({**known, **config}, secret, self.around)

    def key(self, title: str) -> str:
        key = self.server.by_title(title)
        kind = self.server.contents[key]["type"]
        return f"{'blog' if kind == 'blogpost' else kind}:{key}"

    def documents(self) -> dict[str, str]:
        return {self.key(title): word for title, word in self.words.items()}

    def edit(self) -> str:
        self.server.edit(self.server.by_title("Leave"), "<p>Thirty days from now on.</p>")
        self.words["Leave"] = "Thirty"
        return self.key("Leave")

    def add(self) -> str:
        self.server.tick(days=1)
        self.server.add("Travel", "HB", "<p>By train.</p>", parent=self.server.by_title("Handbook home"))
        self.words["Travel"] = "By train"
        return self.key("Travel")

    def delete(self) -> str:
        deleted = self.key("Releases")
        self.server.contents[self.server.by_title("Releases")]["status"] = "trashed"
        del self.words["Releases"]
        return deleted

    def move(self) -> tuple[str, str]:
        content = self.server.contents[self.server.by_title("Releases")]
        content |= {"parent": self.server.by_title("Handbook home"), "space": "HB", "when": self.server.tick(days=1)}
        return self.key("Releases"), self.key("Handbook home")

    def branch_of(self, external_id: str) -> str:
        return f"space:{self.server.contents[external_id.partition(':')[2]]['space']}"

    def deliver(self, external_id: str) -> Delivery:
        page = {"id": int(external_id.partition(":")[2]), "contentType": "page", "spaceKey": "HB"}
        return self.delivery({"timestamp": 1, "event": "page_updated", "page": page})

    def delivery(self, event: dict[str, Any]) -> Delivery:
        now = datetime.now(UTC)
        body, headers = self.server.signed(event | {"timestamp": int(now.timestamp() * 1000)}, SECRET)
        return Delivery("POST", headers, {}, body, SECRET, now)


@pytest.fixture(scope="module")
def archives() -> Iterator[Extractor]:
    with Extractor() as extractor:
        yield extractor


@pytest.fixture
def place(archives: Extractor) -> Iterator[Place]:
    with ConfluenceServer(page_size=3) as server:
        yield Place(server, archives)


@pytest.fixture
def datacenter(archives: Extractor) -> Iterator[Place]:
    with ConfluenceServer(page_size=3, cloud=False) as server:
        yield Place(server, archives)


class TestConfluenceCloud(VendorContract):
    pass


class TestConfluenceDataCenter(VendorContract):
    @pytest.fixture
    def place(self, datacenter: Place) -> Place:
        return datacenter


def text_of(place: Place, title: str) -> str:
    connector = place.connector()
    content = connector.fetch(Seen().run(connector).nodes[place.key(title)])
    return content.markdown if content.markdown is not None else content.data.decode()


# what comes in


def test_pages_hang_as_in_the_wiki_with_labels_authors_and_links(place: Place) -> None:
    seen = Seen().run(place.connector())
    leave = seen.nodes[place.key("Leave")]
    assert (leave.parent, leave.tags, leave.author) == (
        place.key("Handbook home"),
        ("people", "policy"),
        "Ann of Harbour",
    )
    assert leave.url == f"{place.server.base_url}/wiki/spaces/HB/page/{place.server.by_title('Leave')}"
    assert seen.nodes[place.key("Handbook home")].parent == "space:HB"
    assert seen.nodes[place.key("Ship launched")].kind == "article"


def test_an_attachment_is_a_document_below_its_page(place: Place) -> None:
    connector = place.connector()
    node = Seen().run(connector).nodes[place.key("rota.txt")]
    assert (node.parent, node.kind, node.size) == (place.key("Leave"), "file", 30)
    content = connector.fetch(node)
    assert (content.data, content.filename, content.mime) == (
        b"The rota of the harbour office",
        "rota.txt",
        "text/plain",
    )
    assert place.key("rota.txt") not in Seen().run(place.connector(attachments=False)).nodes


def test_an_attachment_that_is_too_large_is_not_downloaded(place: Place) -> None:
    place.around = replace(place.around, limits=Limits(file_bytes=10))
    connector = place.connector()
    node = Seen().run(connector).nodes[place.key("rota.txt")]
    place.server.requests.clear()
    with pytest.raises(NodeError, match="Too large"):
        connector.fetch(node)
    assert not place.server.requests
    with pytest.raises(NodeError, match="Too large"):
        connector.fetch(replace(node, size=None))


def test_an_attachment_that_changes_brings_its_page_along(place: Place) -> None:
    seen = Seen().run(place.connector())
    key = place.server.by_title("rota.txt")
    place.server.contents[key]["data"] = b"A new rota of the harbour"
    place.server.edit(key)
    before = seen.versions()
    after = seen.run(place.connector()).versions()
    assert {one for one in after if after[one] != before[one]} == {place.key("rota.txt")}
    assert place.key("Leave") in seen.told


def test_a_whiteboard_is_named_with_the_reason(place: Place) -> None:
    place.server.add("Ideas", "HB", kind="whiteboard", parent=place.server.by_title("Leave"))
    changes = list(place.connector().changes({}, ALL))
    skipped = [change for change in changes if isinstance(change, Skipped)]
    assert [(change.node.title, change.reason) for change in skipped] == [
        ("Ideas", "Confluence does not give the text of whiteboards")
    ]


def test_a_page_that_the_index_lacks_is_found_above_what_it_gives(place: Place) -> None:
    """A chosen page whose parent is told later still comes after it."""
    server = place.server
    moved = server.contents[server.by_title("Leave")]
    moved["created"] = server.tick(days=2)
    seen = Seen().run(place.connector())
    assert seen.order.index(place.key("Leave")) < seen.order.index(place.key("Parental leave"))
    assert seen.documents() == set(place.documents())


def test_a_page_and_what_is_below_it_can_be_chosen_in_a_space_that_is_not(place: Place) -> None:
    leave = place.key("Leave")
    place.server.requests.clear()
    seen = Seen().run(place.connector(), [Chosen(leave)])
    assert seen.documents() == {leave, place.key("Parental leave"), place.key("rota.txt")}
    assert not seen.nodes[place.key("Handbook home")].has_text
    assert not [path for _, path in place.server.requests if "space+%3D" in path], (
        "the rest of the space is not asked for"
    )
    without = [Chosen("space:HB"), Chosen(leave, include=False)]
    documents = Seen().run(place.connector(), without).documents()
    assert leave not in documents
    assert place.key("Pay") in documents


def test_an_estimate_counts_pages_beside_a_space_and_not_those_left_out_in_one(place: Place) -> None:
    leave, connector = place.key("Leave"), place.connector()
    inside = [Chosen("space:HB"), Chosen(leave, include=False), Chosen(place.key("Parental leave"))]
    beside = [Chosen("space:ENG"), Chosen(leave), Chosen(place.key("Parental leave"), include=False)]
    twice = [Chosen("space:HB"), Chosen(leave)]
    for chosen, number in ((inside, 5), (beside, 4), (twice, 7), ([Chosen(leave)], 3)):
        assert connector.estimate(chosen).documents == number
        assert len(Seen().run(place.connector(), chosen).documents()) == number


def test_an_attachment_alone_can_be_chosen(place: Place) -> None:
    seen = Seen().run(place.connector(), [Chosen(place.key("rota.txt"))])
    assert seen.documents() == {place.key("rota.txt")}
    assert seen.nodes[place.key("rota.txt")].parent == place.key("Leave")
    assert not seen.nodes[place.key("Leave")].has_text


def test_folders_are_containers(place: Place) -> None:
    server = place.server
    folder = server.add("Archive", "HB", kind="folder")
    server.add("Old rules", "HB", "<p>No longer.</p>", parent=folder)
    seen = Seen().run(place.connector())
    assert seen.nodes[place.key("Old rules")].parent == f"folder:{folder}"
    assert (seen.nodes[f"folder:{folder}"].title, seen.nodes[f"folder:{folder}"].has_text) == ("Archive", False)
    assert f"folder:{folder}" in {node.external_id for node in place.connector().children("space:HB")}
    assert [node.title for node in place.connector().children(f"folder:{folder}")] == ["Old rules"]
    assert Seen().run(place.connector(), [Chosen(f"folder:{folder}")]).documents() == {place.key("Old rules")}


def test_the_tree_opens_page_by_page(place: Place) -> None:
    connector = place.connector()
    assert {node.title for node in connector.children("space:HB")} == {"Handbook home", "Ship launched"}
    assert {node.title for node in connector.children(place.key("Leave"))} == {"Parental leave", "rota.txt"}


def test_find_looks_at_titles_with_quotes_in_them(place: Place) -> None:
    place.server.add('The "Aurora" plan', "ENG")
    assert [node.title for node in place.connector().find('"aurora"')] == ["Engineering", 'The "Aurora" plan']


def test_what_is_found_comes_with_what_leads_there(place: Place) -> None:
    found = list(place.connector().find("parental"))
    assert [node.title for node in found] == ["Handbook", "Handbook home", "Leave", "Parental leave"]
    assert [node.parent for node in found] == [None, *(node.external_id for node in found[:-1])]
    assert found[1].external_id == place.key("Handbook home")


def test_a_site_behind_a_sign_in_page_is_said_so(place: Place) -> None:
    place.server.sign_in_page = True
    with pytest.raises(ConnectorError, match="page instead of data") as caught:
        place.connector().test()
    assert caught.value.permanent


# the ways to connect


class Tokens:
    def __init__(self) -> None:
        self.renewed = 0

    def access(self, *, renew: bool = False) -> str:
        self.renewed += renew
        return TOKEN if self.renewed else "ran out"


def test_oauth_goes_through_the_gateway_and_renews_its_token(place: Place) -> None:
    tokens = Tokens()
    tokens.renewed = 1
    around = replace(place.around, tokens=tokens)
    connector = ConfluenceConnector({"base_url": place.server.base_url}, {"auth": "oauth"}, around)
    assert connector.test().ok
    assert any(path.startswith("/ex/confluence/") for _, path in place.server.requests)
    fresh = Tokens()
    around = replace(place.around, tokens=fresh)
    assert ConfluenceConnector({"base_url": place.server.base_url}, {"auth": "oauth"}, around).test().ok
    assert fresh.renewed


def test_oauth_for_a_site_that_is_not_allowed_names_those_that_are(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "API", place.server.base_url)  # what stands in for Atlassian's gateway
    around = replace(place.around, tokens=Tokens())
    around.tokens.access(renew=True)  # type: ignore[union-attr]
    with pytest.raises(ConnectorError, match=r"harbour\.atlassian\.net"):
        ConfluenceConnector({"base_url": "https://other.atlassian.net"}, {"auth": "oauth"}, around).test()
    found = ConfluenceConnector({"base_url": "https://harbour.atlassian.net"}, {"auth": "oauth"}, around).test()
    assert found.ok


@pytest.mark.parametrize(
    "copied",
    ["https://harbour.atlassian.net/wiki", "https://harbour.atlassian.net/wiki/spaces/HB/overview?mode=global"],
)
def test_the_address_of_any_page_of_the_site_will_do(
    place: Place, monkeypatch: pytest.MonkeyPatch, copied: str
) -> None:
    monkeypatch.setattr(client, "API", place.server.base_url)  # what stands in for Atlassian's gateway
    around = replace(place.around, tokens=Tokens())
    around.tokens.access(renew=True)  # type: ignore[union-attr]
    assert ConfluenceConnector({"base_url": copied}, {"auth": "oauth"}, around).test().ok


def test_what_a_proxy_has_behind_its_host_is_not_said_twice(place: Place) -> None:
    assert place.connector(base_url=f"{place.server.base_url}/wiki/").test().ok


def test_consent_for_a_site_of_the_cloud_is_given_at_atlassians_own_address() -> None:
    oauth = ABOUT.auth("oauth").oauth  # type: ignore[union-attr]
    assert oauth.at("https://acme.atlassian.net")[0] == "https://auth.atlassian.com/authorize"
    assert oauth.at("http://127.0.0.1:81")[1] == "http://127.0.0.1:81/oauth/token"


@pytest.mark.parametrize(
    ("secret", "missing"),
    [({"auth": "token"}, "e-mail"), ({"auth": "personal"}, "token"), ({"auth": "oauth"}, "connect it anew")],
)
def test_what_is_missing_is_said(place: Place, secret: dict[str, str], missing: str) -> None:
    with pytest.raises(ConnectorError, match=missing) as caught:
        ConfluenceConnector({"base_url": place.server.base_url}, secret, place.around).test()
    assert caught.value.permanent
    with pytest.raises(ConnectorError, match="address"):
        ConfluenceConnector({}, {"auth": "personal", "token": "x"}, place.around).test()


# who may read


def readers(place: Place, **config: Any) -> dict[str, tuple[str, ...] | None]:
    place.around = replace(place.around, mirror=True)
    nodes = Seen().run(place.connector(**config)).nodes.values()
    return {node.title: node.readers for node in nodes}


def test_readers_are_not_told_unless_they_are_mirrored(place: Place) -> None:
    assert {node.readers for node in Seen().run(place.connector()).nodes.values()} == {None}


def left_out(changes: list[Change]) -> set[str]:
    told = [change for change in changes if isinstance(change, Skipped)]
    return {change.node.external_id for change in told if "only to some people" in change.reason}


def test_restricted_pages_stay_out_with_all_below_unless_they_are_asked_for(place: Place) -> None:
    place.server.attach("scale.txt", place.server.by_title("Pay"), b"The scale of pay")
    seen = Seen().run(place.connector(restricted=False))
    out = {place.key(title) for title in ("Pay", "Bonus", "scale.txt")}
    assert left_out(seen.changes) == out
    assert seen.documents() == set(place.documents()) - out
    assert out <= Seen().run(place.connector()).documents()
    alone = Seen().run(place.connector(restricted=False), [Chosen(place.key("Bonus"))])
    assert (alone.documents(), left_out(alone.changes)) == (set(), {place.key("Bonus")})
    for changes in (seen.changes, alone.changes):
        told = repr([change.node for change in changes if isinstance(change, Upsert | Skipped)])
        assert not [word for word in ("Pay", "Bonus", "scale.txt") if word in told], "their names are seen by everybody"
    assert f"Restricted page {place.server.by_title('Pay')}" in repr(alone.changes)
    # Below a restriction that search leaves out, or of a page that it lacks, just the same.
    place.server.search_tells_restrictions = False
    place.server.unindexed.add(place.server.by_title("Pay"))
    assert place.key("Bonus") not in Seen().run(place.connector(restricted=False)).documents()


def test_a_page_that_is_restricted_later_goes_when_it_is_told_of(datacenter: Place) -> None:
    leave = datacenter.server.by_title("Leave")
    connector = datacenter.connector(restricted=False)
    datacenter.server.contents[leave]["restricted"] = ["group:leads"]
    changes = list(connector.look([f"below:page:{leave}"], ALL))
    assert left_out(changes) == {datacenter.key(title) for title in ("Leave", "Parental leave", "rota.txt")}


def test_a_restriction_is_for_its_page_and_all_below(place: Place) -> None:
    told = readers(place)
    assert told["Handbook"] == ("group:id-staff",)
    assert told["Pay"] == ("mail:ann@harbour.example", "mail:ben@harbour.example"), "leads, as far as they are staff"
    assert told["Leave"] is None
    assert told["Bonus"] is None, "as its parent"
    assert told["rota.txt"] is None


def test_a_restriction_below_another_opens_for_those_alone_who_are_on_both(place: Place) -> None:
    bonus = place.server.contents[place.server.by_title("Bonus")]
    bonus["restricted"] = ["group:finance", "user:ann"]
    assert readers(place)["Bonus"] == ("mail:ann@harbour.example", "mail:ben@harbour.example")
    bonus["restricted"] = ["group:finance"]
    assert readers(place)["Bonus"] == ("mail:ben@harbour.example",)
    bonus["restricted"] = ["user:cleo"]
    assert readers(place)["Bonus"] == ()


def test_people_whose_e_mail_is_not_told_may_not_read(place: Place) -> None:
    place.server.contents[place.server.by_title("Bonus")]["restricted"] = ["user:dan"]
    assert readers(place)["Bonus"] == ()


def test_readers_are_the_same_after_a_listing_that_was_broken_off_anywhere(place: Place) -> None:
    place.around = replace(place.around, mirror=True)
    place.server.contents[place.server.by_title("Bonus")]["restricted"] = ["group:finance"]
    whole = Seen().run(place.connector())
    number = len(place.server.requests)
    for after in range(number):
        place.server.cut(after=after)
        seen = Seen()
        with pytest.raises(ConnectorError):
            seen.take_all(place.connector().changes({}, ALL))
        place.server.heal()
        seen.take_all(place.connector().changes(seen.cursor, ALL))
        told = {key: node.readers for key, node in seen.nodes.items()}
        assert told == {key: node.readers for key, node in whole.nodes.items()}, f"request {after}"


def test_the_same_group_on_two_levels_stays_a_group(place: Place) -> None:
    place.server.contents[place.server.by_title("Pay")]["restricted"] = ["group:staff"]
    assert readers(place)["Pay"] == ("group:id-staff",)


def test_a_restriction_that_names_more_than_fit_is_read_whole(place: Place) -> None:
    server = place.server
    server.people |= {f"p{number}": f"p{number}@harbour.example" for number in range(60)}
    server.groups["staff"] += [f"p{number}" for number in range(60)]
    server.contents[server.by_title("Pay")]["restricted"] = [f"user:p{number}" for number in range(60)]
    assert len(readers(place)["Pay"] or ()) == 60


def test_a_restriction_that_search_leaves_out_is_asked_for(place: Place) -> None:
    whole = readers(place)
    place.server.search_tells_restrictions = False
    assert readers(place) == whole
    place.server.refuse(403, path="/restriction/", times=None)
    assert readers(place)["Leave"] == (), "nobody, where it can't be known"


def test_a_group_that_is_not_told_is_nobody(place: Place) -> None:
    place.server.contents[place.server.by_title("Pay")]["restricted"] = ["group:ghosts"]
    assert readers(place)["Pay"] == ()


def test_members_are_e_mails(place: Place) -> None:
    assert sorted(place.connector().members("id-staff")) == [
        "ann@harbour.example",
        "ben@harbour.example",
        "cleo@harbour.example",
    ]


def test_data_center_makes_e_mails_of_user_names_where_a_domain_is_given(datacenter: Place) -> None:
    datacenter.server.contents[datacenter.server.by_title("Bonus")]["restricted"] = ["user:ann"]
    assert readers(datacenter)["Bonus"] == ()
    told = readers(datacenter, mail_domain="harbour.example")
    assert told["Bonus"] == ("mail:ann@harbour.example",)
    assert told["Handbook"] == ("group:staff",)


def test_a_data_center_that_does_not_tell_who_sees_a_space_fails_closed(datacenter: Place) -> None:
    datacenter.server.refuse(404, path="/permissions", times=None)
    assert readers(datacenter)["Handbook"] == ()
    told = readers(datacenter, space_readers="granted", mail_domain="harbour.example")
    assert told["Handbook"] == ("everyone",)
    assert told["Pay"] == ("group:leads",)


def test_a_changed_restriction_is_seen_below_it_after_its_webhook(datacenter: Place) -> None:
    config = {"mail_domain": "harbour.example"}
    bonus = datacenter.server.contents[datacenter.server.by_title("Bonus")]
    bonus["restricted"] = ["group:finance"]
    assert readers(datacenter, **config)["Bonus"] == ("mail:ben@harbour.example",)
    pay = datacenter.server.by_title("Pay")
    datacenter.server.contents[pay]["restricted"] = ["user:cleo"]
    event = {"event": "content_permissions_updated", "content": {"id": int(pay), "contentType": "page"}}
    connector = datacenter.connector(**config)
    heard = connector.webhook(datacenter.delivery(event))
    told = {c.node.title: c.node.readers for c in connector.look(heard.nodes, ALL) if isinstance(c, Upsert)}
    assert told["Pay"] == told["Bonus"] == ("mail:cleo@harbour.example",)


# webhooks


def test_clouds_automation_is_known_by_the_secret_in_its_header(place: Place) -> None:
    body = json.dumps({"id": place.server.by_title("Leave"), "type": "page"}).encode()
    now = datetime.now(UTC)
    delivery = Delivery("POST", {"x-atrium-secret": SECRET}, {}, body, SECRET, now)
    connector = place.connector()
    heard = connector.webhook(delivery)
    assert heard.nodes == (place.key("Leave"),)
    assert connector.webhook(delivery).key == heard.key
    assert connector.webhook(replace(delivery, now=now + timedelta(minutes=2))).key != heard.key
    for headers in ({}, {"x-atrium-secret": "guessed"}):
        with pytest.raises(DeliveryRefused):
            connector.webhook(replace(delivery, headers=headers))
    with pytest.raises(DeliveryRefused):
        connector.webhook(replace(delivery, secret=""))


def test_a_delivery_of_last_week_is_refused(datacenter: Place) -> None:
    event = {"event": "page_updated", "page": {"id": 1}}
    with pytest.raises(DeliveryRefused, match="old"):
        datacenter.connector().webhook(replace(datacenter.delivery(event), now=datetime.now(UTC) + timedelta(days=7)))


def test_an_attachments_event_names_its_page(datacenter: Place) -> None:
    page = {"id": 7, "contentType": "page"}
    heard = datacenter.connector().webhook(
        datacenter.delivery({"event": "attachment_created", "attachments": [{"id": 9}], "attachedTo": page})
    )
    assert heard.nodes == ("page:7",)
    assert datacenter.connector().webhook(datacenter.delivery({"event": "attachment_removed"})).everything
    assert datacenter.connector().webhook(datacenter.delivery({"event": "space_removed"})).everything


def test_a_page_that_the_index_does_not_know_yet_is_not_taken_for_deleted(place: Place) -> None:
    place.server.unindexed.add(place.server.by_title("Leave"))
    assert list(place.connector().look([place.key("Leave")], ALL)) == []


# the storage format


def rendered(body: str) -> str:
    return markdown(body, lambda kind, value: {"u1": "Ann Okafor"}.get(value, ""))


def macro(name: str, inner: str = "", **given: str) -> str:
    parameters = "".join(f'<ac:parameter ac:name="{key}">{value}</ac:parameter>' for key, value in given.items())
    return f'<ac:structured-macro ac:name="{name}">{parameters}{inner}</ac:structured-macro>'


def rich(body: str) -> str:
    return f"<ac:rich-text-body>{body}</ac:rich-text-body>"


def plain(body: str) -> str:
    return f"<ac:plain-text-body><![CDATA[{body}]]></ac:plain-text-body>"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<h1>Tides</h1><p>High&nbsp;&amp; low &ndash; <b>spring</b></p>", "## Tides\n\nHigh & low – **spring**"),
        ("<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>", "- a\n  - b\n- c"),
        ("<ol><li><p>one</p></li><li>two</li></ol>", "1. one\n2. two"),
        (
            "<table><tbody><tr><th>Port</th><th>m</th></tr><tr><td><p>A|B</p></td><td>4</td></tr></tbody></table>",
            "| Port | m |\n| --- | --- |\n| A\\|B | 4 |",
        ),
        (macro("code", plain("if a < b:\n  pass"), language="python"), "```python\nif a < b:\n  pass\n```"),
        (macro("noformat", plain("x")), "```\nx\n```"),
        (macro("info", rich("<p>Mind this</p>"), title="Note well"), "> **Info: Note well**\n>\n> Mind this"),
        (macro("panel", rich("<p>In it</p>")), "> In it"),
        (macro("expand", rich("<p>Hidden</p>"), title="More of it"), "**More of it**\n\nHidden"),
        (macro("toc") + "<p>x</p>", "x"),
        (macro("children", all="true"), "[Macro: children]"),
        (macro("team-radar", rich("<p>Words in it</p>")), "[Macro: team-radar]\n\nWords in it"),
        (macro("old-plugin", plain("select 1")), "[Macro: old-plugin]\n\n```\nselect 1\n```"),
        (f"<p>It is {macro('status', title='DONE', colour='Green')} now</p>", "It is [DONE] now"),
        (f"<p>See {macro('jira', key='HB-12')}</p>", "See Jira HB-12"),
        (
            macro(
                "include",
                '<ac:parameter ac:name=""><ac:link><ri:page ri:content-title="Terms"/></ac:link></ac:parameter>',
            ),
            "[Includes the page “Terms”]",
        ),
        (
            "<ac:task-list><ac:task><ac:task-status>complete</ac:task-status><ac:task-body>Paint</ac:task-body></ac:task>"
            "<ac:task><ac:task-status>incomplete</ac:task-status><ac:task-body>Sand</ac:task-body></ac:task></ac:task-list>",
            "- [x] Paint\n- [ ] Sand",
        ),
        (
            '<p>Ask <ac:link><ri:user ri:account-id="u1"/></ac:link> or <ac:link><ri:user ri:account-id="u9"/></ac:link></p>',
            "Ask @Ann Okafor or @a person",
        ),
        (
            '<p><ac:link><ri:page ri:content-title="Leave"/><ac:plain-text-link-body><![CDATA[here]]></ac:plain-text-link-body>'
            "</ac:link></p>",
            "here",
        ),
        (
            '<p><a href="https://example.com/x">there</a> <a href="javascript:x">bad</a></p>',
            "[there](https://example.com/x) bad",
        ),
        ('<ac:image ac:alt="The crane"><ri:attachment ri:filename="crane.png"/></ac:image>', "[Image: The crane]"),
        ('<ac:image><ri:attachment ri:filename="crane.png"/></ac:image>', "[Image: crane.png]"),
        (
            '<ac:layout><ac:layout-section ac:type="two_equal"><ac:layout-cell><p>left</p></ac:layout-cell>'
            "<ac:layout-cell><p>right</p></ac:layout-cell></ac:layout-section></ac:layout>",
            "left\n\nright",
        ),
        ('<p>By <time datetime="2026-03-01"/></p>', "By 2026-03-01"),
        ("<p>&lt;script&gt; is text</p>", "\\<script> is text"),
        ("<p>broken <b>bold</p><p>more", "broken **bold**\n\nmore"),
        ("", ""),
    ],
)
def test_storage_format_becomes_markdown(body: str, text: str) -> None:
    assert rendered(body) == text


def test_entities_that_call_files_are_not_followed() -> None:
    body = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><p>a &f; b</p>'
    assert "root:" not in rendered(body)


def test_what_is_nested_without_end_is_still_read() -> None:
    assert "deep" in rendered("<div>" * 3000 + "deep" + "</div>" * 3000)
