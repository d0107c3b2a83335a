"""Jira: cloud, data center and OAuth; JQL, fields, both formats of rich text, and what only some may see."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from datasources.connectors.around import Around
from datasources.connectors.base import (
    Checkpoint,
    Chosen,
    Complete,
    ConnectorError,
    Delete,
    Delivery,
    DeliveryRefused,
    Skipped,
    Upsert,
)
from datasources.connectors.jira import adf, wiki
from datasources.connectors.jira.about import ABOUT
from datasources.connectors.jira.connector import Jira
from datasources.connectors.jira.query import minutes_since, narrow, of_projects
from datasources.ingestion.extract import Extractor
from tests.contracts.vendor import ALL, Seen, VendorContract, VendorPlace
from tests.vendors.places.jira import BEARER, EMAIL, PAT, TOKEN, JiraServer, fernholt

SECRET = "the hook's secret"


class Tokens:
    """As the portal keeps them for OAuth; the first one has run out."""

    def __init__(self) -> None:
        self.renewed = 0

    def access(self, *, renew: bool = False) -> str:
        self.renewed += renew
        return BEARER if self.renewed else "run out"


class Place(VendorPlace):
    """Of the cloud."""

    branches = ("project:10000", "project:10001")
    exact_deletes = False
    secret = {"auth": "token", "email": EMAIL, "token": TOKEN}

    def __init__(self, server: JiraServer) -> None:
        self.server: JiraServer = server
        self.words = {
            "issue:10201": "marzipan",
            "issue:10202": "Romansh",
            "issue:10203": "startles",
            "issue:10204": "platinum",
            "issue:10205": "silica",
        }

    def connector(self, **config: Any) -> Jira:
        given = {"base_url": self.server.base_url, **config}
        return Jira(given, self.secret, Around(Extractor(workers=1), tokens=Tokens()))

    def documents(self) -> dict[str, str]:
        return dict(self.words)

    def branch_of(self, external_id: str) -> str:
        return f"project:{self.server.issues_held[external_id.split(':')[1]]['project']}"

    def edit(self) -> str:
        self.touch("10202", description="Into Ladin, too.")
        self.words["issue:10202"] = "Ladin"
        return "issue:10202"

    def add(self) -> str:
        number = self.server.issue("10000", "New", "A brandnew wish", at=datetime.now(UTC))
        self.words[f"issue:{number}"] = "brandnew"
        return f"issue:{number}"

    def delete(self) -> str:
        del self.server.issues_held["10203"], self.words["issue:10203"]
        return "issue:10203"

    def move(self) -> tuple[str, str] | None:
        self.touch("10202", project="10001", key="LAB-3")
        return "issue:10202", "project:10001"

    def deliver(self, external_id: str) -> Delivery | None:
        return delivery(
            {"webhookEvent": "jira:issue_updated", "issue": {"id": external_id.split(":")[1], "key": "SCALE-2"}}
        )

    def touch(self, number: str, **changed: Any) -> None:
        self.server.issues_held[number] |= {"updated": datetime.now(UTC), **changed}


class CenterPlace(Place):
    secret = {"auth": "personal", "token": PAT}


class OAuthPlace(Place):
    secret = {"auth": "oauth", "client_id": "x", "client_secret": "y"}


def delivery(told: dict[str, Any], secret: str = SECRET) -> Delivery:
    body = json.dumps({"timestamp": 1767225600000, **told}).encode()
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"x-hub-signature": signature, "x-atlassian-webhook-identifier": "hook-1"}
    return Delivery("POST", headers, {}, body, SECRET, datetime.now(UTC))


@pytest.fixture
def server() -> Iterator[JiraServer]:
    with fernholt(JiraServer()) as running:
        running.page_size = 2
        yield running


@pytest.fixture
def place(server: JiraServer) -> VendorPlace:
    return Place(server)


@pytest.fixture
def center(server: JiraServer) -> CenterPlace:
    return CenterPlace(server)


class TestCloud(VendorContract):
    pass


class TestDataCenter(VendorContract):
    @pytest.fixture
    def place(self, server: JiraServer) -> VendorPlace:
        return CenterPlace(server)


class TestOAuth(VendorContract):
    @pytest.fixture
    def place(self, server: JiraServer) -> VendorPlace:
        return OAuthPlace(server)

    def test_a_rate_limit_is_told_with_the_vendors_wait(self, place: VendorPlace) -> None:
        """Without the call that is made twice because the token has run out."""
        place.server.refuse(429, headers={"Retry-After": "7"}, times=None)
        with pytest.raises(ConnectorError) as caught:
            Seen().run(place.connector())
        assert caught.value.retry_after == 7
        assert len(place.server.requests) == 1


def text_of(place: Place, number: str, **config: Any) -> str:
    connector = place.connector(**config)
    return connector.fetch(Seen().run(connector).nodes[f"issue:{number}"]).markdown or ""


def test_fields_are_tags_and_links_lead_to_the_issue(place: Place) -> None:
    nodes = Seen().run(place.connector()).nodes
    assert nodes["issue:10201"].tags == ("Task", "To Do", "Medium", "faq")
    assert nodes["issue:10202"].tags == ("Task", "Done", "Medium", "Ben Birch")
    assert "Firmware" in nodes["issue:10203"].tags
    assert nodes["issue:10201"].title == "SCALE-1 Display flickers in the cold"
    assert nodes["issue:10201"].url == f"{place.server.base_url}/browse/SCALE-1"
    assert nodes["issue:10201"].author == "Ann Arbour"


def test_with_oauth_links_lead_to_the_site_and_not_to_the_gateway(server: JiraServer) -> None:
    place = OAuthPlace(server)
    assert Seen().run(place.connector()).nodes["issue:10204"].url == "https://fernholt.atlassian.net/browse/LAB-1"
    assert all(path.startswith(("/ex/jira/cloud-1/", "/oauth/")) for _, path in server.requests)


def test_consent_is_given_at_atlassian_whatever_the_site() -> None:
    flow = next(auth.oauth for auth in ABOUT.auths if auth.oauth)
    assert flow.at("https://acme.atlassian.net")[0] == "https://auth.atlassian.com/authorize"
    assert flow.at("http://127.0.0.1:8202") == ("http://127.0.0.1:8202/authorize", "http://127.0.0.1:8202/oauth/token")


def test_jql_of_a_project_and_of_the_source_both_hold(place: Place) -> None:
    line = Chosen("project:10000", options={"jql": "labels = faq ORDER BY rank"})
    assert Seen().run(place.connector(), [line]).documents() == {"issue:10201"}
    assert Seen().run(place.connector(jql="status = Done"), [line]).documents() == set()
    assert Seen().run(place.connector(jql="status = Done")).documents() == {"issue:10202"}


def test_an_issue_that_no_longer_matches_the_jql_goes_with_the_next_run(place: Place) -> None:
    line = Chosen("project:10000", options={"jql": "status != Done"})
    seen = Seen().run(place.connector(), [line])
    assert seen.documents() == {"issue:10201", "issue:10203"}
    place.touch("10203", status="Done")
    place.touch("10202", status="To Do")
    seen.run(place.connector(), [line])
    assert seen.documents() == {"issue:10201", "issue:10202"}
    place.touch("10201", status="Done")
    assert Delete("issue:10201") in list(place.connector().look(["issue:10201"], [line]))


def test_a_mistake_in_the_jql_is_told_with_the_project(place: Place) -> None:
    with pytest.raises(ConnectorError, match="In project Scales: .*Field 'colour' does not exist") as caught:
        Seen().run(place.connector(), [Chosen("project:10000", options={"jql": "colour = red"})])
    assert caught.value.permanent


def test_a_project_that_went_while_it_was_read_is_skipped_and_nothing_is_pruned(place: Place) -> None:
    seen = Seen().run(place.connector())
    known = seen.documents()
    changes = place.connector().changes({}, ALL)
    seen.told, seen.scopes = set(), []
    seen.take(next(changes))
    del place.server.projects_held["10001"]
    for number in ("10204", "10205"):
        del place.server.issues_held[number]
    seen.take_all(changes)
    assert None not in seen.scopes
    seen.prune()
    assert seen.documents() == known


def test_one_ticked_issue_comes_with_its_project_alone(place: Place) -> None:
    seen = Seen().run(place.connector(), [Chosen("issue:10204")])
    assert seen.documents() == {"issue:10204"}
    assert set(seen.nodes) == {"issue:10204", "project:10001"}
    place.touch("10204", description="Use brass.")
    before = seen.versions()
    assert seen.run(place.connector(), [Chosen("issue:10204")]).versions() != before


def test_what_was_added_later_stays_out_where_it_is_not_wanted(place: Place) -> None:
    line = Chosen("project:10000", future=False, options={"chosen_at": datetime.now(UTC).isoformat()})
    added = place.server.issue("10000", "Later", "x", at=datetime.now(UTC) + timedelta(seconds=2))
    found = Seen().run(place.connector(), [line]).documents()
    assert f"issue:{added}" not in found
    assert len(found) == 3


def test_an_issue_with_a_security_level_comes_only_where_that_is_wanted(place: Place) -> None:
    place.server.issues_held["10205"]["security"] = {"id": "1", "name": "Board only"}
    seen = Seen().run(place.connector())
    assert "issue:10205" not in seen.documents()
    reasons = [change.reason for change in seen.changes if isinstance(change, Skipped)]
    assert len(reasons) == 1
    assert "Board only" in reasons[0]
    assert "issue:10205" in Seen().run(place.connector(secured=True)).documents()


def test_comments_of_all_pages_come_and_restricted_ones_do_not(place: Place) -> None:
    for number in range(5):
        place.server.comment("10202", "cid", f"remark {number}")
    place.server.comment("10202", "ann", "salaries", visibility={"type": "role", "value": "Administrators"})
    place.server.comment("10202", "ann", "internal", jsdPublic=False)
    text = text_of(place, "10202")
    assert [line for line in text.split("\n") if line.startswith("remark")] == [f"remark {n}" for n in range(5)]
    assert "## Comment by Cid Cedar, 2026-03-02" in text
    assert "salaries" not in text
    assert "internal" not in text
    assert "2 comments that only some people may see at Jira are left out" in text


def test_the_text_names_fields_links_and_attachments(place: Place) -> None:
    issue = place.server.issues_held["10204"]
    issue["links"] = [
        {"type": {"outward": "blocks"}, "outwardIssue": {"key": "SCALE-1", "fields": {"summary": "Display"}}}
    ]
    text = text_of(place, "10204")
    assert text.startswith("Task · To Do · Priority: Medium · Reported by: Ann Arbour")
    assert "- blocks SCALE-1 Display" in text
    assert "## Attachments\n\n- mass.pdf (2.3 MB)" in text


def test_further_fields_stand_in_the_text_where_they_are_named(place: Place) -> None:
    place.server.issues_held["10204"]["more"] = {"customfield_10050": [{"value": "Within 2 µg"}, {"value": "Twice"}]}
    assert "Within" not in text_of(place, "10204")
    assert "## Acceptance criteria\n\nWithin 2 µg, Twice" in text_of(place, "10204", fields=["acceptance Criteria"])


def test_mentions_of_a_data_center_get_their_names(center: CenterPlace) -> None:
    center.server.issues_held["10205"]["description"] = "Ask [~cid] or [~nobody]."
    assert "Ask @Cid Cedar or @nobody." in text_of(center, "10205")


def test_nothing_slips_through_where_an_issue_is_deleted_while_a_data_center_is_read(center: CenterPlace) -> None:
    seen = Seen()
    for change in center.connector().changes({}, ALL):
        seen.take(change)
        if isinstance(change, Checkpoint) and change.cursor.get("at"):
            center.server.issues_held.pop("10201", None)
    assert {"issue:10202", "issue:10203"} <= seen.documents()


def test_a_place_that_the_cloud_has_forgotten_means_the_beginning(place: Place) -> None:
    changes = list(place.connector().changes({}, ALL))
    cursor = next(c.cursor for c in changes if isinstance(c, Checkpoint) and c.cursor.get("at"))
    rest = list(place.connector().changes({**cursor, "at": "forgotten"}, ALL))
    assert {c.node.external_id for c in rest if isinstance(c, Upsert)} >= set(place.documents())
    assert rest[-1] == Complete(None)


def test_a_run_with_nothing_new_is_two_questions(place: Place) -> None:
    seen = Seen().run(place.connector())
    place.server.requests.clear()
    seen.run(place.connector())
    assert [path for _, path in place.server.requests] == [
        "/rest/api/3/project/search?startAt=0&maxResults=50&orderBy=name",
        "/rest/api/3/search/jql",
    ]


def test_the_window_is_counted_in_whole_minutes_and_overlaps() -> None:
    now = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
    assert minutes_since(now - timedelta(seconds=61), now) == 7
    assert minutes_since(now + timedelta(minutes=3), now) == 5
    asked = of_projects(
        ["1", "2"], narrow("a = b", {"jql": "c = d order by rank", "date_from": "2026-01-02"}), "updated >= -7m"
    )
    assert asked == 'project in (1, 2) AND updated >= -7m AND (a = b) AND (c = d) AND updated >= "2026-01-02"'
    assert narrow('summary ~ "order by mail"', {}).jql == 'summary ~ "order by mail"'


def test_an_issue_is_found_by_its_key(place: Place) -> None:
    assert [node.external_id for node in place.connector().find("lab-2")] == ["issue:10205"]
    assert [node.external_id for node in place.connector().find("laborat")] == ["project:10001"]


@pytest.mark.parametrize(
    ("told", "nodes"),
    [
        ({"webhookEvent": "comment_deleted", "issue": {"id": "10201"}}, ("issue:10201",)),
        ({"webhookEvent": "jira:issue_deleted", "issue": {"id": "10201"}}, ("issue:10201",)),
        ({"webhookEvent": "project_deleted", "project": {"id": 10001}}, ("project:10001",)),
        (
            {"webhookEvent": "issuelink_created", "issueLink": {"sourceIssueId": 1, "destinationIssueId": 2}},
            ("issue:1", "issue:2"),
        ),
        ({"webhookEvent": "sprint_started", "sprint": {"id": 5}}, ()),
    ],
)
def test_an_event_names_what_it_is_about(place: Place, told: dict[str, Any], nodes: tuple[str, ...]) -> None:
    heard = place.connector().webhook(delivery(told))
    assert (heard.key, heard.nodes) == ("hook-1", nodes)


def test_an_event_without_a_signature_is_refused(place: Place) -> None:
    good = delivery({"issue": {"id": "1"}})
    with pytest.raises(DeliveryRefused):
        place.connector().webhook(Delivery("POST", {}, {}, good.body, SECRET, good.now))
    unset = delivery({"issue": {"id": "1"}}, "")
    with pytest.raises(DeliveryRefused):
        place.connector().webhook(Delivery("POST", unset.headers, {}, unset.body, "", unset.now))


def test_an_address_with_no_jira_says_so(place: Place) -> None:
    wrong = place.connector(base_url=f"{place.server.base_url}/nothing")
    with pytest.raises(ConnectorError, match="no Jira at this address") as caught:
        wrong.test()
    assert caught.value.permanent
    with pytest.raises(ConnectorError, match="Enter the address"):
        place.connector(base_url="").test()


def test_an_account_that_may_browse_nothing_is_told_so(place: Place) -> None:
    place.server.projects_held.clear()
    result = place.connector().test()
    assert not result.ok
    assert "Browse projects" in result.message


def doc(*content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "doc", "version": 1, "content": list(content)}


def text(words: str, *marks: dict[str, Any]) -> dict[str, Any]:
    return {"type": "text", "text": words, "marks": list(marks)}


def node(sort: str, *content: dict[str, Any], **attrs: Any) -> dict[str, Any]:
    return {"type": sort, "attrs": attrs, "content": list(content)}


def test_a_document_of_the_cloud_becomes_markdown() -> None:
    link = {"type": "link", "attrs": {"href": "https://a.example/x y"}}
    evil = {"type": "link", "attrs": {"href": "javascript:alert(1)"}}
    document = doc(
        node("heading", text("Steps"), level=2),
        node(
            "paragraph",
            text("Press "),
            text("hard", {"type": "strong"}),
            text(" on <b>"),
            node("hardBreak"),
            text("docs", link),
        ),
        node("paragraph", node("mention", text="@Ann"), text(" "), node("status", text="LATE"), text("click", evil)),
        node(
            "orderedList",
            node(
                "listItem",
                node("paragraph", text("one")),
                node("bulletList", node("listItem", node("paragraph", text("in")))),
            ),
            node("listItem", node("paragraph", text("two"))),
        ),
        node("taskList", node("taskItem", text("done"), state="DONE"), node("taskItem", text("open"), state="TODO")),
        node("codeBlock", text("a < b ```"), language="python"),
        node("panel", node("paragraph", text("Mind the gap")), panelType="warning"),
        node(
            "table",
            node(
                "tableRow",
                node("tableHeader", node("paragraph", text("A|B"))),
                node("tableHeader", node("paragraph", text("C"))),
            ),
            node(
                "tableRow",
                node("tableCell", node("paragraph", text("1"))),
                node("tableCell", node("paragraph", text("2"))),
            ),
        ),
        node("somethingNew", node("paragraph", text("kept"))),
        node("paragraph", node("date", timestamp="1767225600000"), node("inlineCard", url="https://b.example")),
    )
    assert adf.markdown(document) == (
        "#### Steps\n\nPress **hard** on \\<b>  \n[docs](https://a.example/x%20y)\n\n@Ann [LATE]click\n\n"
        "1. one\n\n   - in\n2. two\n\n- [x] done\n- [ ] open\n\n````python\na < b ```\n````\n\n> Mind the gap\n\n"
        "| A\\|B | C |\n| --- | --- |\n| 1 | 2 |\n\nkept\n\n2026-01-01[https://b.example](https://b.example)"
    )
    assert adf.markdown(None) == ""
    assert adf.markdown({"content": "no list"}) == ""


def test_wiki_markup_of_a_data_center_becomes_markdown() -> None:
    written = (
        "h2. Steps\n# first *bold* and _em_\n## deeper [docs|https://a.example]\n* see [~jo] and {{x *y*}}\n"
        "3 * 4 - 5, well-known <b>\n||a||b||\n|1|[x|https://b.example]|\n{code:java|title=x}\nint *a*;\n{code}\n"
        "{panel:title=Note}inside\n{noformat}*raw*{noformat}\n{panel}\nafter [^log.txt] [bad|javascript:x]\n----\nbq. said"
    )
    assert wiki.markdown(written, lambda key: {"jo": "Joan"}.get(key, key)) == (
        "#### Steps\n\n1. first **bold** and *em*\n   1. deeper [docs](https://a.example)\n- see @Joan and `x *y*`\n\n"
        "3 \\* 4 - 5, well-known \\<b>\n\n| a | b |\n| --- | --- |\n| 1 | [x](https://b.example) |\n\n"
        "```java\nint *a*;\n```\n\n> **Note**\n>\n> inside\n>\n> ```\n> *raw*\n> ```\n\n"
        "after log.txt [bad|javascript:x]\n\n---\n\n> said"
    )
