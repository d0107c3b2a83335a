"""Slack against its loopback server: the contract, and what is particular to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
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
    NodeError,
    RemoteNode,
    Skipped,
    Upsert,
)
from datasources.connectors.slack import quiet, run
from datasources.connectors.slack.choice import digest_of
from datasources.connectors.slack.connector import Slack
from datasources.ingestion.extract import Extractor
from datasources.ingestion.results import Limits
from tests.contracts.vendor import ALL, Seen, VendorContract, VendorPlace
from tests.vendors.places.slack import SIGNING_SECRET, TOKEN, SlackServer, event, signed
from tests.vendors.places.slack_held import APP_USER, MadeUp, Workspace, days_ago


def day_of(ts: str) -> str:
    return datetime.fromtimestamp(float(ts), UTC).date().isoformat()


class Place(VendorPlace):
    """#general with a thread, two days and a file; #support with a thread; a private #board with a day."""

    branches = ("channel:C01", "channel:C02")

    def __init__(self, server: SlackServer, archives: Extractor) -> None:
        self.server: SlackServer = server
        self.slack: Workspace = server.workspace  # type: ignore[assignment]
        self.around = Around(archives)
        self.config: dict[str, Any] = {"base_url": server.base_url}
        self.held: dict[str, str] = {}
        self._fill()

    def _fill(self) -> None:
        slack = self.slack
        slack.person("U1", "Ann Lee", "ann@acme.example")
        slack.person("U2", "Ben Ode", "ben@acme.example")
        slack.person("U4", "Pager", bot=True)
        slack.open("C01", "general")
        slack.open("C02", "support")
        slack.open("C04", "board", private=True)
        self.lonely = slack.say("C01", "The heating is off until noon", at=days_ago(3))
        plan = slack.share("C01", "plan.txt", b"The kitchen moves upstairs")
        slack.say("C01", "Here is the plan", at=days_ago(2), files=[plan], subtype="file_share")
        slack.say("C01", "<@U1> thank you", user="U2", at=days_ago(2, 11))
        slack.say("C01", "<@U2> has joined the channel", user="U2", at=days_ago(2, 12), subtype="channel_join")
        self.thread = slack.say("C01", "Where are the *keys*?", at=days_ago(1))
        for hour, text in enumerate(("In the drawer", "Not there", "Then with Ben")):
            self.reply = slack.say("C01", text, user="U2", at=days_ago(1, 11 + hour), thread=self.thread)
        question = slack.say("C02", "How long is a refund possible?", at=days_ago(40))
        slack.say("C02", "Sixty days", user="U2", at=days_ago(40, 12), thread=question)
        slack.say("C04", "The merger is signed in June", at=days_ago(4))
        self.held = {
            f"day:C01:{day_of(self.lonely)}": "heating",
            f"day:C01:{day_of(str(days_ago(2)))}": "@Ann Lee thank you",
            "file:C01:F001": "kitchen",
            f"thread:C01:{self.thread}": "Then with Ben",
            f"thread:C02:{question}": "Sixty days",
            f"day:C04:{day_of(str(days_ago(4)))}": "merger",
        }

    def connector(self) -> Slack:
        return Slack(self.config, {"auth": "token", "token": TOKEN}, self.around)

    def documents(self) -> dict[str, str]:
        return dict(self.held)

    def edit(self) -> str:
        """The hardest one: a reply, of which the history says nothing."""
        self.slack.edit("C01", self.reply, "Cleo has them")
        self.held[f"thread:C01:{self.thread}"] = "Cleo has them"
        return f"thread:C01:{self.thread}"

    def add(self) -> str:
        begun = self.slack.say("C01", "Who waters the plants?")
        self.slack.say("C01", "I do", user="U2", thread=begun)
        self.held[f"thread:C01:{begun}"] = "plants"
        return f"thread:C01:{begun}"

    def delete(self) -> str:
        self.slack.remove("C01", self.lonely)
        gone = f"day:C01:{day_of(self.lonely)}"
        del self.held[gone]
        return gone

    def branch_of(self, external_id: str) -> str:
        channel = f"channel:{external_id.split(':')[1]}"
        return channel if channel in self.branches else ""

    def deliver(self, external_id: str) -> Delivery:
        message = dict(self.slack.message("C01", self.reply))
        inner = {"type": "message", "subtype": "message_changed", "channel": "C01", "message": message}
        return self.delivery(inner)

    def delivery(self, inner: dict[str, Any]) -> Delivery:
        return self.sent(event(inner))

    def sent(self, body: bytes, *, age: float = 0) -> Delivery:
        now = datetime.now(UTC)
        headers = signed(body, at=now.timestamp() - age)
        return Delivery("POST", headers, {}, body, SIGNING_SECRET, now)

    def fetched(self, external_id: str) -> str:
        connector = self.connector()
        node = Seen().run(connector).nodes[external_id]
        return connector.fetch(node).markdown or ""


@pytest.fixture(scope="module")
def archives() -> Iterator[Extractor]:
    with Extractor() as extractor:
        yield extractor


@pytest.fixture
def place(archives: Extractor) -> Iterator[Place]:
    with SlackServer(Workspace(), page=2) as server:
        yield Place(server, archives)


class TestSlack(VendorContract):
    pass


class TestSlackInSmallSteps(VendorContract):
    """With a checkpoint after every day and channel, so that a listing goes on in the middle of a channel."""

    @pytest.fixture(autouse=True)
    def _small_steps(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(run, "NODES_A_CHECKPOINT", 1)
        monkeypatch.setattr(run, "CHANNELS_A_CHECKPOINT", 1)
        monkeypatch.setattr(run, "SECONDS_A_CHECKPOINT", 0)


# what a document is


def test_messages_outside_of_threads_are_one_document_a_day(place: Place) -> None:
    seen = Seen().run(place.connector())
    node = seen.nodes[f"day:C01:{day_of(str(days_ago(2)))}"]
    text = place.fetched(node.external_id)
    assert text.index("Here is the plan") < text.index("thank you")
    first = next(m for m in place.slack.messages("C01") if m["text"] == "Here is the plan")
    assert node.url == f"https://acme.slack.com/archives/C01/p{first['ts'].replace('.', '')}"
    assert node.parent == "channel:C01"
    assert node.title.startswith("#general, ")
    assert node.created is not None
    assert node.created.tzinfo is not None


def test_a_thread_is_one_document_with_all_its_replies(place: Place) -> None:
    key = f"thread:C01:{place.thread}"
    text = place.fetched(key)
    said = [text.index(words) for words in ("Where are the **keys**", "In the drawer", "Not there", "Then with Ben")]
    assert said == sorted(said)
    node = Seen().run(place.connector()).nodes[key]
    assert node.title == "#general: Where are the keys?"
    assert node.author == "Ann Lee"


def test_a_reply_that_is_shown_in_the_channel_stays_in_its_thread(place: Place) -> None:
    place.slack.say("C01", "For all: Ben has them", at=days_ago(1, 15), thread=place.thread, subtype="thread_broadcast")
    seen = Seen().run(place.connector())
    assert seen.documents() == set(place.documents())
    assert "For all" in place.fetched(f"thread:C01:{place.thread}")


def test_a_message_that_gets_its_first_reply_leaves_its_day(place: Place) -> None:
    seen = Seen().run(place.connector())
    place.slack.say("C01", "It is on again", user="U2", thread=place.lonely)
    seen.run(place.connector())
    assert f"day:C01:{day_of(place.lonely)}" not in seen.nodes
    assert f"thread:C01:{place.lonely}" in seen.documents()


def test_a_thread_whose_replies_are_all_gone_is_a_message_of_its_day_again(place: Place) -> None:
    seen = Seen().run(place.connector())
    for message in [m for m in place.slack.messages("C01") if m.get("thread_ts") == place.thread != m["ts"]]:
        place.slack.remove("C01", message["ts"])
    seen.run(place.connector())
    assert f"thread:C01:{place.thread}" not in seen.nodes
    assert "keys" in place.fetched(f"day:C01:{day_of(place.thread)}")


def test_a_thread_stays_when_its_first_message_is_deleted(place: Place) -> None:
    seen = Seen().run(place.connector())
    place.slack.remove("C01", place.thread)
    seen.run(place.connector())
    text = place.fetched(f"thread:C01:{place.thread}")
    assert "keys" not in text
    assert "(deleted)" in text
    assert "In the drawer" in text


def test_names_come_from_one_paged_listing_and_never_for_each_message(place: Place) -> None:
    place.slack.say("C01", "<@U2>, <@U2> and <@U1|annie>", at=days_ago(2, 13))
    assert "@Ben Ode, @Ben Ode and @Ann Lee" in place.fetched(f"day:C01:{day_of(str(days_ago(2)))}")
    place.server.requests.clear()
    connector = place.connector()
    seen = Seen().run(connector)
    for key in seen.documents():
        connector.fetch(seen.nodes[key])
    asked = [path for _, path in place.server.requests]
    assert asked.count("/api/users.list") == 3
    assert "/api/users.info" not in asked


def test_who_is_of_another_workspace_is_asked_for_once(place: Place) -> None:
    for _ in range(3):
        place.slack.say("C01", "Hello from <@UX>", user="UX", at=days_ago(2, 14))
    assert "**UX**" in place.fetched(f"day:C01:{day_of(str(days_ago(2)))}")
    place.server.requests.clear()
    Seen().run(place.connector())
    assert [path for _, path in place.server.requests].count("/api/users.info") == 1


def test_bots_are_left_out_and_said_to_be(place: Place) -> None:
    key = f"day:C02:{day_of(str(days_ago(6)))}"
    place.slack.say("C02", "", user="U4", at=days_ago(6), bot_id="B9", subtype="bot_message", username="Pager",
                    attachments=[{"title": "db-2", "title_link": "https://pager.example/1", "text": "Disk at 91 %"}])  # fmt: skip
    seen = Seen().run(place.connector())
    assert key not in seen.documents()
    assert [c.reason for c in seen.changes if isinstance(c, Skipped) and c.node.external_id == key]
    place.config["bots"] = True
    text = place.fetched(key)
    assert "**Pager**" in text
    assert "> [db-2](https://pager.example/1)" in text
    assert "> Disk at 91 %" in text


def test_what_a_bot_said_stays_where_people_answered(place: Place) -> None:
    alert = place.slack.say("C02", "Disk at 91 %", user="U4", at=days_ago(6), bot_id="B9", subtype="bot_message")
    place.slack.say("C02", "I clean it up", user="U2", at=days_ago(6, 11), thread=alert)
    place.slack.say("C02", "Disk at 50 %", user="U4", at=days_ago(6, 12), thread=alert, bot_id="B9")
    text = place.fetched(f"thread:C02:{alert}")
    assert "Disk at 91 %" in text
    assert "I clean it up" in text
    assert "Disk at 50 %" not in text


def test_notices_come_in_where_they_are_wanted(place: Place) -> None:
    key = f"day:C01:{day_of(str(days_ago(2)))}"
    assert "has joined" not in place.fetched(key)
    place.config["notices"] = True
    assert "has joined" in place.fetched(key)


# files


def test_a_file_is_downloaded_with_the_token(place: Place) -> None:
    seen = Seen().run(place.connector())
    node = seen.nodes["file:C01:F001"]
    assert (node.kind, node.title, node.tags) == ("file", "plan.txt", ("txt",))
    content = place.connector().fetch(node)
    assert (content.data, content.filename, content.mime) == (b"The kitchen moves upstairs", "plan.txt", "text/plain")


def test_files_of_replies_come_in_too(place: Place) -> None:
    file = place.slack.share("C01", "keys.txt", b"Drawer")
    place.slack.say("C01", "See here", at=days_ago(1, 14), thread=place.thread, files=[file])
    assert f"file:C01:{file['id']}" in Seen().run(place.connector()).documents()


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ({"mode": "external", "is_external": True, "external_type": "gdrive"}, "gdrive"),
        ({"mode": "hidden_by_limit"}, "plan"),
        ({"mode": "list", "filetype": "list"}, "export it there as CSV"),
        ({"mode": "quip", "is_external": True, "external_type": "quip"}, "only links to quip"),
        ({"file_access": "access_denied"}, "does not let"),
    ],
)
def test_files_that_can_not_come_in_are_told_with_the_reason(place: Place, file: dict[str, Any], said: str) -> None:
    shared = place.slack.share("C01", "other.txt", b"x", **file)
    place.slack.say("C01", "See", at=days_ago(2, 15), files=[shared])
    seen = Seen().run(place.connector())
    reasons = {c.node.external_id: c.reason for c in seen.changes if isinstance(c, Skipped)}
    assert said in reasons[f"file:C01:{shared['id']}"]


def canvas_in(place: Place, text: str) -> dict[str, Any]:
    shown = {"mimetype": "application/vnd.slack-docs", "filetype": "quip", "mode": "quip", "title": "Kitchen plan v1.2"}
    made = place.slack.share("C01", "Kitchen_plan_v1.2", text.encode(), **{**shown, "mime": shown.pop("mimetype")})
    place.slack.say("C01", "See the canvas", at=days_ago(2, 15), files=[made])
    return made


def test_a_canvas_is_a_page_with_people_and_channels_by_name(place: Place) -> None:
    made = canvas_in(place, "# Kitchen\n\n![](@U1) asks in ![](#C01), not in ![](#C0GONE).\n\n- [ ] Move the oven")
    connector = place.connector()
    node = Seen().run(connector).nodes[f"file:C01:{made['id']}"]
    assert (node.kind, node.title, node.tags) == ("page", "Kitchen plan v1.2", ("canvas",))
    text = connector.fetch(node).markdown
    assert text is not None
    assert "@Ann Lee asks in #general, not in #a channel." in text
    assert "- [ ] Move the oven" in text


def test_the_canvas_in_a_channels_tab_comes_in_although_no_message_tells_of_it(place: Place) -> None:
    shown = {"filetype": "quip", "mode": "quip", "title": "", "channels": []}
    made = place.slack.share("C02", "tab", b"Refunds are *quick*", mime="application/vnd.slack-docs", **shown)
    support = place.slack.channel("C02")
    assert support is not None
    support["properties"] = {"canvas": {"file_id": made["id"], "is_empty": False}}
    connector = place.connector()
    key = f"file:C02:{made['id']}"
    node = Seen().run(connector).nodes[key]
    assert node.title == "Canvas of #support"
    assert connector.fetch(node).markdown == "Refunds are *quick*"
    assert key in {below.external_id for below in connector.children("channel:C02")}
    assert key in {c.node.external_id for c in connector.look([key], []) if isinstance(c, Upsert)}
    place.server.scopes = place.server.scopes.replace(",files:read", "")
    skipped = {c.node.external_id: c.reason for c in Seen().run(connector).changes if isinstance(c, Skipped)}
    assert "files:read" in skipped[key]
    support["properties"]["canvas"]["is_empty"] = True
    assert key not in Seen().run(connector).nodes


def test_a_canvas_that_slack_does_not_give_is_skipped_with_what_to_do(place: Place) -> None:
    made = canvas_in(place, "# Kitchen")
    connector = place.connector()
    node = Seen().run(connector).nodes[f"file:C01:{made['id']}"]
    small = replace(place.around, limits=Limits(file_bytes=5))
    place.around = small
    with pytest.raises(NodeError, match="Too large"):
        place.connector().fetch(node)
    place.slack.remove_file(made["id"])
    with pytest.raises(NodeError, match="no longer there") as gone:
        connector.fetch(node)
    place.server.scopes = place.server.scopes.replace(",canvases:read", "")
    with pytest.raises(NodeError, match="canvases:read") as refused:
        connector.fetch(node)
    assert gone.value.skip
    assert refused.value.skip


def test_a_file_that_is_too_large_is_refused_before_it_is_asked_for(place: Place) -> None:
    node = Seen().run(place.connector()).nodes["file:C01:F001"]
    place.around = replace(place.around, limits=Limits(file_bytes=5))
    place.server.requests.clear()
    with pytest.raises(NodeError, match="Too large"):
        place.connector().fetch(node)
    assert not place.server.requests
    with pytest.raises(NodeError, match="Too large"):
        place.connector().fetch(replace(node, size=None))


def test_without_files_read_the_sign_in_page_is_not_taken_for_the_file(place: Place) -> None:
    node = Seen().run(place.connector()).nodes["file:C01:F001"]
    place.server.scopes = place.server.scopes.replace(",files:read", "")
    with pytest.raises(NodeError, match="files:read"):
        place.connector().fetch(node)


def test_the_token_goes_to_slack_alone(place: Place) -> None:
    place.config = {}
    node = RemoteNode(
        "file:C01:F9", "file", "x.txt", extra={"url": "https://slack.com.evil.example/x.txt", "name": "x.txt"}
    )
    with pytest.raises(NodeError, match="does not lie at Slack"):
        place.connector().fetch(node)


def test_a_deleted_file_goes(place: Place) -> None:
    seen = Seen().run(place.connector())
    place.slack.remove_file("F001")
    seen.run(place.connector())
    assert "file:C01:F001" not in seen.nodes


# channels


def test_a_public_channel_is_joined_and_read_whole(place: Place) -> None:
    seen = Seen().run(place.connector())
    place.slack.open("C09", "late", member=False)
    old = place.slack.say("C09", "Said long ago", at=days_ago(300))
    seen.run(place.connector())
    assert f"day:C09:{day_of(old)}" in seen.documents()


def test_an_invitation_brings_in_all_that_was_said_before(place: Place) -> None:
    place.slack.open("C09", "late", private=True, member=False)
    old = place.slack.say("C09", "Said long ago", at=days_ago(300))
    seen = Seen().run(place.connector())
    assert "channel:C09" not in seen.nodes
    place.slack.invite("C09")
    seen.run(place.connector())
    assert f"day:C09:{day_of(old)}" in seen.documents()


@pytest.mark.parametrize("why", ["archived", "setting", "scope"])
def test_a_channel_that_the_app_is_not_in_is_told_with_what_to_do(place: Place, why: str) -> None:
    place.slack.open("C09", "late", member=False)
    if why == "archived":
        place.slack.archive("C09")
    elif why == "setting":
        place.config["join"] = False
    else:
        place.server.scopes = place.server.scopes.replace(",channels:join", "")
    seen = Seen().run(place.connector())
    reasons = {c.node.external_id: c.reason for c in seen.changes if isinstance(c, Skipped)}
    assert ("archived" if why == "archived" else "invite") in reasons["channel:C09"]
    assert None in seen.scopes


def test_a_channel_that_can_not_be_read_stops_no_other(place: Place) -> None:
    place.server.dead_channels.add("C02")
    seen = Seen().run(place.connector())
    assert "channel:C02" not in seen.nodes
    assert f"thread:C01:{place.thread}" in seen.documents()


def test_channels_that_are_not_chosen_are_not_asked_for(place: Place) -> None:
    Seen().run(place.connector(), [Chosen("channel:C02")])
    place.server.requests.clear()
    Seen().run(place.connector(), [Chosen("channel:C02")])
    asked = [path for _, path in place.server.requests]
    assert asked.count("/api/conversations.history") == 1


def test_single_documents_can_be_chosen(place: Place) -> None:
    chosen = [Chosen(f"thread:C01:{place.thread}"), Chosen("file:C01:F001")]
    assert Seen().run(place.connector(), chosen).documents() == {line.external_id for line in chosen}
    rest = Seen().run(place.connector(), [Chosen(None), Chosen("file:C01:F001", include=False)]).documents()
    assert rest == set(place.documents()) - {"file:C01:F001"}


def test_messages_from_a_date_on(place: Place) -> None:
    since = day_of(str(days_ago(2)))
    seen = Seen().run(place.connector(), [Chosen(None, options={"since": since})])
    assert seen.documents() == {key for key in place.documents() if "C01" in key} - {f"day:C01:{day_of(place.lonely)}"}
    seen.run(place.connector(), [Chosen(None, options={"since": since})])
    assert f"day:C01:{day_of(place.lonely)}" not in seen.documents()


def test_what_is_added_later_stays_out_where_it_is_not_wanted(place: Place) -> None:
    chosen = [Chosen(None, future=False, options={"chosen_at": datetime.now(UTC).isoformat()})]
    before = Seen().run(place.connector(), chosen).documents()
    place.slack.open("C09", "late", created=datetime.now(UTC).timestamp() + 5)
    thread = place.slack.say("C01", "Later", at=datetime.now(UTC).timestamp() + 5)
    place.slack.say("C01", "Much later", at=datetime.now(UTC).timestamp() + 6, thread=thread)
    assert Seen().run(place.connector(), chosen).documents() == before


def asked_whole(place: Place, seen: Seen, chosen: list[Chosen]) -> list[str]:
    """A run; the channels whose histories it asked for from their beginning on, one call a page."""
    place.server.spans.clear()
    seen.run(place.connector(), chosen)
    return sorted({channel for channel, oldest in place.server.spans if not oldest})


def test_a_changed_choice_reads_only_what_it_adds(place: Place) -> None:
    seen = Seen()
    assert asked_whole(place, seen, [Chosen("channel:C01")]) == ["C01"]
    assert asked_whole(place, seen, [Chosen("channel:C01")]) == []
    assert asked_whole(place, seen, [Chosen("channel:C01"), Chosen("channel:C02")]) == ["C02"]
    assert any(":C02:" in key for key in seen.documents())
    assert seen.scopes == ["channel:C02"]
    assert asked_whole(place, seen, [Chosen(None)]) == ["C04"]
    assert seen.documents() == set(place.documents())
    asked = [path for _, path in place.server.requests]
    assert asked_whole(place, seen, [Chosen(None), Chosen("channel:C04", include=False)]) == []
    assert not any("C04" in key for key in seen.nodes)
    assert asked_whole(place, seen, [Chosen(None)]) == ["C04"]
    assert seen.documents() == set(place.documents())
    assert len(place.server.requests) > len(asked)


def test_quiet_channels_stay_so_when_the_choice_changes(place: Place) -> None:
    seen = Seen().run(place.connector(), [Chosen("channel:C01"), Chosen("channel:C04")])
    seen.run(place.connector(), [Chosen("channel:C01"), Chosen("channel:C02"), Chosen("channel:C04")])
    told = {c.node.external_id for c in seen.changes if isinstance(c, Upsert)}
    assert not any(key.startswith(("day:C01", "day:C04")) for key in told)


def test_another_date_reads_that_channel_whole_and_lets_go_what_is_older(place: Place) -> None:
    since = day_of(str(days_ago(2)))
    seen = Seen().run(place.connector(), [Chosen(None)])
    chosen = [Chosen(None), Chosen("channel:C01", options={"since": since})]
    place.server.spans.clear()
    seen.run(place.connector(), chosen)
    assert {channel for channel, oldest in place.server.spans if oldest == f"{days_ago(2, 0):.6f}"} == {"C01"}
    assert f"day:C01:{day_of(place.lonely)}" not in seen.documents()
    assert len(seen.documents()) == len(place.documents()) - 1
    assert asked_whole(place, seen, [Chosen(None)]) == ["C01"]
    assert seen.documents() == set(place.documents())


def test_a_document_that_is_left_out_reads_its_channel_alone(place: Place) -> None:
    seen = Seen().run(place.connector(), [Chosen(None)])
    chosen = [Chosen(None), Chosen("file:C01:F001", include=False)]
    assert asked_whole(place, seen, chosen) == ["C01"]
    assert seen.documents() == set(place.documents()) - {"file:C01:F001"}


def test_other_settings_read_everything_anew(place: Place) -> None:
    seen = Seen().run(place.connector())
    place.config["notices"] = True
    assert asked_whole(place, seen, [Chosen(None)]) == ["C01", "C02", "C04"]
    assert seen.scopes == [None]


def test_a_choice_that_shares_nothing_with_the_one_before_is_a_first_run(place: Place) -> None:
    seen = Seen().run(place.connector(), [Chosen("channel:C01")])
    assert asked_whole(place, seen, [Chosen("channel:C02")]) == ["C02"]
    assert seen.scopes == [None]
    assert set(seen.nodes) == {"channel:C02", *(key for key in place.documents() if ":C02:" in key)}


def test_a_choice_that_changes_while_a_run_is_broken_off_loses_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "CHANNELS_A_CHECKPOINT", 1)
    monkeypatch.setattr(run, "SECONDS_A_CHECKPOINT", 0)
    since = day_of(str(days_ago(2)))
    narrow = [Chosen(None), Chosen("channel:C01", options={"since": since})]
    for path in ("C01", "C02", "C04"):
        seen = Seen()
        steps = place.connector().changes({}, narrow)
        for change in steps:
            seen.take(change)
            if isinstance(change, Checkpoint) and change.cursor["after"] == path:
                break
        steps.close()
        seen.take_all(place.connector().changes(seen.cursor, [Chosen(None)]))
        seen.prune()
        assert asked_whole(place, seen, [Chosen(None)]) == ["C01"]
        assert seen.documents() == set(place.documents()), path


def test_a_channel_that_could_not_be_read_whole_is_read_so_the_next_time(place: Place) -> None:
    seen = Seen().run(place.connector(), [Chosen("channel:C01")])
    place.server.dead_channels.add("C02")
    seen.run(place.connector(), [Chosen("channel:C01"), Chosen("channel:C02")])
    assert "channel:C02" not in seen.nodes
    place.server.dead_channels.clear()
    assert asked_whole(place, seen, [Chosen("channel:C01"), Chosen("channel:C02")]) == ["C02"]
    assert any(":C02:" in key for key in seen.documents())


def test_a_single_document_in_a_channel_that_can_not_be_read_stops_no_other(place: Place) -> None:
    place.server.dead_channels.add("C02")
    thread = next(key for key in place.documents() if key.startswith("thread:C02"))
    seen = Seen().run(place.connector(), [Chosen(thread), Chosen("channel:C04")])
    assert any(isinstance(c, Skipped) and c.node.external_id == "channel:C02" for c in seen.changes)
    assert any(":C04:" in key for key in seen.documents())


def test_a_cursor_of_an_earlier_version_is_understood(place: Place) -> None:
    seen = Seen().run(place.connector())
    older = {key: value for key, value in seen.cursor.items() if key not in ("lines", "unread")}
    seen.cursor = {**older, "digest": digest_of(ALL, place.config)}
    assert asked_whole(place, seen, list(ALL)) == []
    seen.cursor = {**older, "digest": digest_of([Chosen("channel:C01")], place.config)}
    assert asked_whole(place, seen, list(ALL)) == ["C01", "C02", "C04"]
    assert None in seen.scopes


def test_where_slack_asks_to_slow_down_the_run_goes_on_just_there(place: Place) -> None:
    for number in range(10, 50):
        place.slack.open(f"C{number}", f"more-{number}")
    seen = Seen()
    place.server.refuse(429, after=30, path="conversations.history")
    with pytest.raises(ConnectorError):
        seen.take_all(place.connector().changes({}, ALL))
    assert seen.cursor["after"] > "C30"
    place.server.spans.clear()
    seen.take_all(place.connector().changes(seen.cursor, ALL))
    assert min(channel for channel, _ in place.server.spans) > "C30"


def test_a_renamed_channel_keeps_its_id(place: Place) -> None:
    seen = Seen().run(place.connector())
    place.slack.rename("C01", "all-hands")
    seen.run(place.connector())
    assert seen.nodes["channel:C01"].title == "all-hands"


def test_five_thousand_channels_are_listed_page_by_page(archives: Extractor) -> None:
    with SlackServer(MadeUp(5000)) as server:
        connector = Slack({"base_url": server.base_url}, {"auth": "token", "token": TOKEN}, Around(archives))
        tree = connector.children(None)
        next(tree)
        assert [path for _, path in server.requests] == ["/api/auth.test", "/api/conversations.list"]
        assert 1 + sum(1 for _ in tree) == 5000
        assert len(server.requests) == 7
        assert "5,000 channels" in connector.test().message


# freshness


def test_a_new_reply_in_a_thread_of_the_last_days_is_seen(place: Place) -> None:
    begun = place.slack.say("C02", "Who orders paper?", at=days_ago(9))
    place.slack.say("C02", "Ann", at=days_ago(9, 11), thread=begun)
    seen = Seen().run(place.connector())
    place.slack.say("C02", "No, Ben", thread=begun)
    before = seen.versions()
    after = seen.run(place.connector()).versions()
    assert {key for key in after if before.get(key) != after[key]} == {f"thread:C02:{begun}"}


def test_a_channel_in_which_nothing_changed_is_not_told(place: Place) -> None:
    seen = Seen().run(place.connector())
    told = [c.node.external_id for c in seen.run(place.connector()).changes if isinstance(c, Upsert)]
    assert told == ["channel:C01", f"thread:C01:{place.thread}"], "the thread may have an edited reply"
    place.slack.rename("C02", "help")
    told = [c.node.external_id for c in seen.run(place.connector()).changes if isinstance(c, Upsert)]
    assert told == ["channel:C01", f"thread:C01:{place.thread}", "channel:C02"]
    place.slack.say("C04", "And dropped in July", at=days_ago(4, 11))
    changes = seen.run(place.connector()).changes
    assert {c.node.external_id.split(":")[1] for c in changes if isinstance(c, Upsert)} == {"C01", "C04"}
    assert {c.external_id.split(":")[1] for c in changes if isinstance(c, Delete)} == {"C04"}


def test_people_who_are_renamed_are_renamed_in_quiet_channels_too(place: Place) -> None:
    seen = Seen().run(place.connector())
    place.slack.person("U2", "Ben Odermatt", "ben@acme.example")
    before = seen.versions()
    after = seen.run(place.connector()).versions()
    day = f"day:C01:{day_of(str(days_ago(2)))}"
    assert {day, f"thread:C01:{place.thread}"} <= {key for key in after if before.get(key) != after[key]}


def test_what_was_said_and_taken_back_around_a_broken_run_leaves_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "NODES_A_CHECKPOINT", 1)
    monkeypatch.setattr(run, "SECONDS_A_CHECKPOINT", 0)
    seen = Seen().run(place.connector())
    slip = place.slack.say("C01", "Our password is hunter2", at=days_ago(3, 11))
    steps = place.connector().changes(seen.cursor, ALL)
    day = f"day:C01:{day_of(slip)}"
    for change in steps:
        if isinstance(change, Checkpoint) and day in {
            c.node.external_id for c in seen.changes if isinstance(c, Upsert)
        }:
            break
        seen.take_all(iter([change]))
    seen.take_all(iter([change]))
    steps.close()
    seen.take_all(place.connector().changes(seen.cursor, ALL))
    place.slack.remove("C01", slip)
    before = seen.versions()[day]
    assert seen.run(place.connector()).versions()[day] != before


def test_a_deleted_reply_shows_in_the_history(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "MOST_THREADS", 0)
    seen = Seen().run(place.connector())
    before = seen.versions()
    place.slack.remove("C01", place.reply)
    after = seen.run(place.connector()).versions()
    assert {key for key in after if before.get(key) != after[key]} == {f"thread:C01:{place.thread}"}


def test_where_quiet_threads_are_many_a_run_reads_some_and_the_next_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet, "MOST_THREADS", 2)
    replies = {}
    for number in range(5):
        channel = place.slack.open(f"C5{number}", f"busy-{number}")
        begun = place.slack.say(channel, "Who is on call?", at=days_ago(1))
        replies[channel] = place.slack.say(channel, "Ann", at=days_ago(1, 11), thread=begun)
    seen = Seen().run(place.connector())
    for channel, reply in replies.items():
        place.slack.edit(channel, reply, "Ben")
    found = []
    for _ in range(3):
        place.server.requests.clear()
        before = seen.versions()
        after = seen.run(place.connector()).versions()
        found.append({key.split(":")[1] for key in after if before.get(key) != after[key]})
        assert sum(path.endswith("conversations.replies") for _, path in place.server.requests) <= 3
    # The first turn also looks at the thread of #general, which has two pages.
    assert found == [{"C50"}, {"C51", "C52"}, {"C53", "C54"}]
    assert seen.run(place.connector()).cursor["turn"] in ("C50", "")


def test_a_channel_that_is_joined_brings_in_its_old_threads(place: Place) -> None:
    seen = Seen().run(place.connector())
    place.slack.open("C09", "late", member=False)
    begun = place.slack.say("C09", "How did it begin?", at=days_ago(300))
    place.slack.say("C09", "In a shed", at=days_ago(300, 11), thread=begun)
    seen.run(place.connector())
    assert f"thread:C09:{begun}" in seen.documents()


def test_a_shown_reply_brings_in_its_thread_however_old(place: Place) -> None:
    seen = Seen().run(place.connector())
    old = next(key for key in place.documents() if key.startswith("thread:C02"))
    before = seen.versions()[old]
    place.slack.say("C02", "Now ninety days", thread=old.split(":")[2], subtype="thread_broadcast")
    assert seen.run(place.connector()).versions()[old] != before


def test_what_polling_can_not_see_is_seen_when_everything_is_read_anew(place: Place) -> None:
    seen = Seen().run(place.connector())
    old = next(key for key in place.documents() if key.startswith("thread:C02"))
    reply = next(m for m in place.slack.messages("C02") if m.get("thread_ts") != m["ts"])
    place.slack.edit("C02", reply["ts"], "Ninety days")
    before = seen.versions()[old]
    assert seen.run(place.connector()).versions()[old] == before
    seen.cursor = {}
    assert seen.run(place.connector()).versions()[old] != before


def test_an_edit_that_says_the_same_is_no_change(place: Place) -> None:
    seen = Seen().run(place.connector())
    before = seen.versions()
    place.slack.edit("C01", place.reply, "Then with Ben")
    assert seen.run(place.connector()).versions() == before


def test_a_day_that_has_lost_its_last_message_goes_without_asking_twice(place: Place) -> None:
    seen = Seen().run(place.connector())
    gone = place.delete()
    changes = seen.run(place.connector()).changes
    assert Delete(gone) in changes
    assert None not in seen.scopes
    marks = [number for number, change in enumerate(changes) if isinstance(change, Checkpoint)]
    assert changes.index(Delete(gone)) < marks[-1]
    assert not [c for c in changes if isinstance(c, Complete)]


def test_a_run_that_was_broken_off_still_tells_of_emptied_days(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "NODES_A_CHECKPOINT", 1)
    monkeypatch.setattr(run, "SECONDS_A_CHECKPOINT", 0)
    whole = Seen().run(place.connector())
    gone = place.delete()
    cursor = whole.cursor
    place.server.requests.clear()
    list(place.connector().changes(cursor, ALL))
    for number in range(len(place.server.requests)):
        seen = Seen()
        seen.nodes, seen.cursor = dict(whole.nodes), cursor
        place.server.cut(after=number)
        with pytest.raises(ConnectorError):
            seen.take_all(place.connector().changes(seen.cursor, ALL))
        place.server.heal()
        seen.take_all(place.connector().changes(seen.cursor, ALL))
        assert gone not in seen.nodes, f"request {number}"


def test_a_run_that_is_broken_off_while_it_joins_still_reads_the_whole_channel(place: Place) -> None:
    known = Seen().run(place.connector())
    old = days_ago(300)
    number = 0
    while True:
        channel = place.slack.open(f"C9{number:02d}", f"late-{number}", member=False)
        key = f"day:{channel}:{day_of(place.slack.say(channel, 'Said long ago', at=old))}"
        seen = Seen()
        seen.cursor = known.cursor
        place.server.cut(after=number)
        try:
            seen.take_all(place.connector().changes(seen.cursor, ALL))
        except ConnectorError:
            place.server.heal()
            seen.take_all(place.connector().changes(seen.cursor, ALL))
            assert key in seen.nodes, f"request {number}"
            place.slack.close(channel)
            number += 1
            continue
        break
    assert number > 10


def test_an_estimate_comes_near(archives: Extractor) -> None:
    with SlackServer(MadeUp(50), page=30) as server:
        connector = Slack({"base_url": server.base_url}, {"auth": "token", "token": TOKEN}, Around(archives))
        assert connector.estimate(ALL).documents == 50 * 20
        assert connector.estimate([Chosen("channel:C000001")]).documents == 20


def test_before_the_app_has_joined_anything_the_estimate_says_so(place: Place) -> None:
    for channel in place.slack._channels.values():
        channel["is_member"] = False
    told = place.connector().estimate(ALL)
    assert (told.documents, told.exact) == (0, False)
    assert "only to those who joined it" in told.untold


# who may read


def test_private_channels_tell_their_readers_by_mail(place: Place) -> None:
    assert all(node.readers is None for node in Seen().run(place.connector()).nodes.values())
    place.around = replace(place.around, mirror=True)
    nodes = Seen().run(place.connector()).nodes
    assert nodes["channel:C01"].readers == ("everyone",)
    assert nodes["channel:C04"].readers == ("mail:ann@acme.example", "mail:ben@acme.example")
    assert all(node.readers is None for key, node in nodes.items() if not key.startswith("channel:"))


def test_who_may_read_is_told_where_nothing_else_changed(place: Place) -> None:
    place.around = replace(place.around, mirror=True)
    seen = Seen().run(place.connector())
    place.slack._members["C04"].remove("U2")
    assert seen.run(place.connector()).nodes["channel:C04"].readers == ("mail:ann@acme.example",)


def test_who_has_left_or_is_not_known_reads_nothing(place: Place) -> None:
    place.around = replace(place.around, mirror=True)
    place.slack.person("U1", "Ann Lee", "ann@acme.example", deleted=True)
    place.slack.person("U2", "Ben Ode", bot=True)
    assert Seen().run(place.connector()).nodes["channel:C04"].readers == ()


# the webhook


def test_the_challenge_is_answered(place: Place) -> None:
    heard = place.connector().webhook(
        place.sent(json.dumps({"type": "url_verification", "challenge": "3eZbrw"}).encode())
    )
    assert (heard.reply, heard.nodes, heard.everything) == ("3eZbrw", (), False)


def test_a_delivery_that_is_too_old_is_refused(place: Place) -> None:
    body = event({"type": "message", "channel": "C01", "ts": place.lonely})
    assert place.connector().webhook(place.sent(body, age=200)).nodes
    for age in (400, -400):
        with pytest.raises(DeliveryRefused):
            place.connector().webhook(place.sent(body, age=age))


@pytest.mark.parametrize("name", ["x-slack-signature", "x-slack-request-timestamp"])
@pytest.mark.parametrize("value", [None, "", "yesterday", "v0=00"])
def test_a_delivery_without_a_right_signature_is_refused(place: Place, name: str, value: str | None) -> None:
    sent = place.delivery({"type": "message", "channel": "C01", "ts": place.lonely})
    headers = {key: item for key, item in sent.headers.items() if key != name} | ({name: value} if value else {})
    with pytest.raises(DeliveryRefused):
        place.connector().webhook(replace(sent, headers=headers))
    with pytest.raises(DeliveryRefused):
        place.connector().webhook(replace(sent, secret=""))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"type": "event_callback"}', b'{"type": "event_callback", "event": []}']
)
def test_what_says_nothing_is_heard_as_nothing(place: Place, body: bytes) -> None:
    heard = place.connector().webhook(place.sent(body))
    assert (heard.nodes, heard.everything, heard.reply) == ((), False, "")


def test_events_name_the_nodes_that_they_change(place: Place) -> None:
    thread, day = f"thread:C01:{place.thread}", f"day:C01:{day_of(place.thread)}"
    reply = {"ts": place.reply, "thread_ts": place.thread, "files": [{"id": "F7"}]}
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({"type": "message", "ts": place.lonely}, {f"day:C01:{day_of(place.lonely)}"}),
        ({"type": "message", "ts": place.reply, "thread_ts": place.thread}, {thread, day}),
        ({"type": "message", "subtype": "message_changed", "message": reply, "previous_message": reply},
         {thread, day, "file:C01:F7"}),
        ({"type": "message", "subtype": "message_deleted", "deleted_ts": place.lonely, "previous_message": {"ts": place.lonely}},
         {f"day:C01:{day_of(place.lonely)}"}),
        ({"type": "message", "subtype": "message_deleted", "deleted_ts": place.reply, "previous_message": reply},
         {thread, day, "file:C01:F7"}),
        ({"type": "channel_archive", "user": "U1"}, {"channel:C01"}),
        ({"type": "channel_rename", "channel": {"id": "C01", "name": "new", "created": 1}}, {"channel:C01"}),
        ({"type": "message", "channel_type": "im", "ts": place.lonely}, set()),
        ({"type": "member_joined_channel", "user": "U1"}, set()),
        ({"type": "reaction_added", "user": "U1"}, set()),
    ]  # fmt: skip
    for inner, expected in cases:
        heard = place.connector().webhook(place.delivery({"channel": "C01", **inner}))
        assert set(heard.nodes) == expected, inner
        assert heard.key == "Ev00000001"
        assert not heard.everything


@pytest.mark.parametrize(
    "inner",
    [
        {"type": "tokens_revoked", "tokens": {"bot": [APP_USER]}},
        {"type": "channel_created", "channel": {"id": "C77"}},
        {"type": "member_joined_channel", "channel": "C01", "user": APP_USER},
    ],
)
def test_events_that_need_a_run_over_everything(place: Place, inner: dict[str, Any]) -> None:
    assert place.connector().webhook(place.delivery(inner)).everything


def test_members_are_of_interest_where_access_is_mirrored(place: Place) -> None:
    place.around = replace(place.around, mirror=True)
    heard = place.connector().webhook(place.delivery({"type": "member_left_channel", "channel": "C04", "user": "U2"}))
    assert heard.nodes == ("channel:C04",)


def looked(place: Place, *external_ids: str, chosen: tuple[Chosen, ...] = ALL) -> list[Any]:
    return list(place.connector().look(external_ids, chosen))


def test_looking_tells_the_channel_first_and_just_what_was_asked(place: Place) -> None:
    changes = looked(place, f"thread:C01:{place.thread}", "file:C01:F001")
    assert [c.node.external_id for c in changes if isinstance(c, Upsert)] == [
        "channel:C01",
        f"thread:C01:{place.thread}",
        "file:C01:F001",
    ]


def test_looking_at_what_is_not_chosen_asks_for_nothing(place: Place) -> None:
    connector = place.connector()
    list(connector.look(["channel:C01"], [Chosen("channel:C01")]))
    place.server.requests.clear()
    assert not list(connector.look([f"thread:C01:{place.thread}", "channel:C01"], [Chosen("channel:C02")]))
    assert not place.server.requests


def test_looking_at_a_channel_that_is_gone_says_so(place: Place) -> None:
    place.slack.close("C01")
    assert looked(place, "channel:C01", f"thread:C01:{place.thread}") == [Delete("channel:C01")]


def test_looking_at_nonsense_harms_nothing(place: Place) -> None:
    assert looked(place, "", "day", "thread:", "thread:C01", "channel:C99")[1:] == [Delete("channel:C99")]


# the key


def test_the_connection_test_names_the_scopes_that_are_missing(place: Place) -> None:
    assert "3 channels are seen" in place.connector().test().message
    place.server.scopes = "channels:read,groups:read"
    result = place.connector().test()
    assert not result.ok
    assert "channels:history, users:read" in result.message


def test_without_the_scope_for_private_channels_public_ones_come_in(place: Place) -> None:
    place.server.scopes = place.server.scopes.replace("groups:read,", "")
    assert Seen().run(place.connector()).documents() == {key for key in place.documents() if ":C04:" not in key}


def test_a_missing_scope_is_named(place: Place) -> None:
    place.server.scopes = place.server.scopes.replace("users:read,", "")
    with pytest.raises(ConnectorError, match="users:read.*reinstall") as caught:
        Seen().run(place.connector())
    assert caught.value.permanent


def test_an_expired_oauth_token_is_renewed_once(place: Place) -> None:
    class Renewing:
        def __init__(self) -> None:
            self.renewed = 0

        def access(self, *, renew: bool = False) -> str:
            self.renewed += renew
            return TOKEN if self.renewed else "xoxe.xoxb-old"

    tokens = Renewing()
    around = replace(place.around, tokens=tokens)
    connector = Slack(place.config, {"auth": "oauth"}, around)
    assert Seen().run(connector).documents() == set(place.documents())
    assert tokens.renewed == 1
    place.server.token = "xoxb-another"
    with pytest.raises(ConnectorError) as caught:
        Seen().run(Slack(place.config, {"auth": "oauth"}, around))
    assert caught.value.permanent
    assert tokens.renewed == 2


def test_what_is_not_slack_is_told_so(place: Place) -> None:
    place.config = {"base_url": f"{place.server.base_url}/nothing/here"}
    with pytest.raises(ConnectorError, match="is not Slack") as caught:
        place.connector().test()
    assert caught.value.permanent
