"""Google Drive: the contract, and what only Drive does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources
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
    Skipped,
    Upsert,
)
from datasources.connectors.google_drive import connector as connector_module
from datasources.connectors.google_drive.about import ABOUT, READ
from datasources.connectors.google_drive.about import LABELS as LABELS_SCOPE
from datasources.connectors.google_drive.connector import GoogleDrive
from datasources.connectors.google_drive.items import EXPORTS, FIELDS, MIRRORED
from datasources.connectors.google_drive.labels import LABELLED, SHAPE
from datasources.connectors.google_drive.tree import SHARED
from datasources.ingestion.extract import Extractor
from tests.contracts.vendor import ALL, Seen, VendorContract, VendorPlace
from tests.vendors.places.drive_items import APPS, DriveItem, stamp
from tests.vendors.places.drive_query import fields_of
from tests.vendors.places.google_drive import (
    MAIL,
    ROOT,
    GoogleDriveServer,
    filled,
    folder,
    made_up,
    note,
    service_account,
    shortcut,
)

NOW = datetime(2026, 2, 1, tzinfo=UTC)


class Place(VendorPlace):
    branches = (ROOT, "drive-sales")

    def __init__(self, server: GoogleDriveServer) -> None:
        self.server: GoogleDriveServer = server
        self.around = Around(Extractor(workers=1))

    def connector(self, **config: Any) -> GoogleDrive:
        around = replace(self.around, mirror=bool(config.pop("mirror", False)))
        secret = {"auth": "service_account", "service_account": service_account()}
        return GoogleDrive({"base_url": self.server.base_url, **config}, secret, around)

    def documents(self) -> dict[str, str]:
        found = {}
        for item in self.server.shelf.items.values():
            text = next(iter(item.exports.values()), item.content).decode()
            if text and not item.trashed:
                found[item.id] = text.split()[-1]
        return found

    def edit(self) -> str:
        self.server.edit("d-leave", b"# Leave\n\nEveryone has thirty-two.")
        return "d-leave"

    def add(self) -> str:
        self.server.put(note("t-new", "new.md", ROOT, "Something that is brand-new"))
        return "t-new"

    def delete(self) -> str:
        self.server.delete("t-rail")
        return "t-rail"

    def move(self) -> tuple[str, str]:
        self.server.move("t-hotels", "f-handbook")
        return "t-hotels", "f-handbook"

    def branch_of(self, external_id: str) -> str:
        item = self.server.shelf.items[external_id]
        return item.drive or (ROOT if item.parents else "")

    def deliver(self, external_id: str) -> Delivery:
        headers = {
            "x-goog-channel-id": "8bd90be9",
            "x-goog-message-number": "7",
            "x-goog-resource-state": "update",
            "x-goog-resource-uri": f"https://www.googleapis.com/drive/v3/files/{external_id}?alt=json",
            "x-goog-channel-token": "ours",
        }
        return Delivery("POST", headers, {}, b"", "ours", NOW)


@pytest.fixture
def place() -> Iterator[Place]:
    with filled() as server:
        yield Place(server)


class TestGoogleDrive(VendorContract):
    pass


def reasons(seen: Seen) -> dict[str, str]:
    return {change.node.external_id: change.reason for change in seen.changes if isinstance(change, Skipped)}


def told(seen: Seen) -> list[str]:
    return [change.node.external_id for change in seen.changes if isinstance(change, Upsert)]


# ---- What comes in


def test_googles_own_kinds_are_exported(place: Place) -> None:
    place.server.put(
        DriveItem("g-sheet", "Plan", APPS + "spreadsheet", [ROOT], exports={EXPORTS["spreadsheet"][0][0]: b"PK sheet"})
    )
    place.server.put(
        DriveItem("g-deck", "Pitch", APPS + "presentation", [ROOT], exports={EXPORTS["presentation"][0][0]: b"PK deck"})
    )
    place.server.put(DriveItem("g-form", "Survey", APPS + "form", [ROOT]))
    connector = place.connector()
    seen = Seen().run(connector)
    sheet, deck = connector.fetch(seen.nodes["g-sheet"]), connector.fetch(seen.nodes["g-deck"])
    assert (sheet.filename, sheet.data) == ("Plan.xlsx", b"PK sheet")
    assert (deck.filename, deck.data) == ("Pitch.pptx", b"PK deck")
    assert seen.nodes["g-sheet"].tags == ("spreadsheet",)
    assert reasons(seen) == {"g-form": "Google Forms can't be exported as text"}


def test_past_the_export_limit_a_document_comes_as_text_and_a_sheet_says_why_not(place: Place) -> None:
    place.server.shelf.items["d-leave"].too_large = {"text/markdown"}
    sheet = place.server.put(DriveItem("g-sheet", "Plan", APPS + "spreadsheet", [ROOT]))
    sheet.too_large = {EXPORTS["spreadsheet"][0][0]}
    connector = place.connector()
    seen = Seen().run(connector)
    assert connector.fetch(seen.nodes["d-leave"]).filename == "Leave.txt"
    with pytest.raises(NodeError, match="at most 10 MB") as caught:
        connector.fetch(seen.nodes["g-sheet"])
    assert caught.value.skip


def test_pictures_inside_a_document_are_left_out(place: Place) -> None:
    text = b"# Map\n\n![][image1] Turn left.\n\n[image1]: <data:image/png;base64,AAAA>\n"
    place.server.put(DriveItem("d-map", "Map", APPS + "document", [ROOT], exports={"text/markdown": text}))
    connector = place.connector()
    data = connector.fetch(Seen().run(connector).nodes["d-map"]).data
    assert b"base64" not in data
    assert b"Turn left." in data


def test_a_file_past_the_limit_is_not_downloaded(place: Place) -> None:
    connector = place.connector()
    seen = Seen().run(connector)
    place.server.requests.clear()
    with pytest.raises(NodeError) as caught:
        connector.fetch(replace(seen.nodes["t-rail"], size=200 * 1024 * 1024))
    assert caught.value.skip
    assert place.server.requests == []


def test_what_may_not_be_downloaded_is_skipped(place: Place) -> None:
    place.server.shelf.items["t-rail"].more = {"capabilities": {"canDownload": False}}
    assert "turned off downloading" in reasons(Seen().run(place.connector()))["t-rail"]


def test_what_is_in_the_trash_does_not_come_in(place: Place) -> None:
    place.server.trash("f-travel")
    assert {"t-rail", "t-hotels"}.isdisjoint(Seen().run(place.connector()).documents())


def test_what_others_shared_hangs_in_its_own_place(place: Place) -> None:
    connector = place.connector()
    assert Seen().run(connector).nodes["x-shared"].parent == SHARED
    assert [node.external_id for node in connector.children(SHARED)] == ["x-shared"]


def test_of_several_parents_one_that_is_chosen_counts(place: Place) -> None:
    place.server.shelf.items["t-rail"].parents = ["f-handbook", "f-travel"]
    seen = Seen().run(place.connector(), [Chosen("f-travel")])
    assert seen.nodes["t-rail"].parent == "f-travel"
    assert seen.documents() == {"t-rail", "t-hotels"}


def test_single_folders_are_read_without_listing_the_rest(place: Place) -> None:
    seen = Seen().run(place.connector(), [Chosen("f-handbook"), Chosen("f-travel", include=False), Chosen("s-offer")])
    assert seen.documents() == {"d-leave", "s-offer"}
    assert {"f-travel", "drive-people"}.isdisjoint(seen.nodes)
    assert seen.nodes["f-handbook"].parent == ROOT
    assert seen.nodes["s-offer"].parent == "s-offers"
    asked = " ".join(path for _, path in place.server.requests)
    assert "driveId=drive-people" not in asked
    assert "f-travel%27+in+parents" not in asked


def test_only_what_existed_comes_in_where_later_things_are_not_wanted(place: Place) -> None:
    line = Chosen(ROOT, future=False, options={"chosen_at": stamp(place.server.clock)})
    before = Seen().run(place.connector(), [line]).documents()
    assert "t-rail" in before
    place.server.put(note("t-late", "late.md", "f-travel", "Too late."))
    assert Seen().run(place.connector(), [line]).documents() == before


# ---- Shortcuts


def test_a_shortcut_to_what_comes_in_anyway_brings_it_in_once(place: Place) -> None:
    place.server.put(shortcut("l-rail", "Rail", "drive-sales", "t-rail"))
    place.server.put(shortcut("l-up", "Up", "f-travel", "f-handbook"))
    seen = Seen().run(place.connector())
    assert told(seen).count("t-rail") == 1
    assert "own place" in reasons(seen)["l-rail"]
    assert "lies in itself" in reasons(seen)["l-up"]
    assert seen.documents() == set(place.documents())


def test_a_shortcut_out_of_what_is_chosen_brings_its_target(place: Place) -> None:
    place.server.put(shortcut("l-1", "Prices", "f-handbook", "s-prices"))
    place.server.put(shortcut("l-2", "Prices too", "f-travel", "s-prices"))
    place.server.put(shortcut("l-3", "Offers", "f-travel", "s-offers"))
    place.server.put(shortcut("l-4", "Nothing", "f-travel", "no-such"))
    chosen = [Chosen("f-handbook")]
    seen = Seen().run(place.connector(), chosen)
    assert seen.nodes["s-prices"].parent == "f-handbook"
    assert seen.nodes["s-offers"].parent == "f-travel"
    assert seen.nodes["s-terms"].parent == "s-offers"
    assert told(seen).count("s-terms") == told(seen).count("s-prices") == 1
    assert reasons(seen).keys() == {"l-2", "l-4"}
    place.server.trash("l-3")
    seen.run(place.connector(), chosen)
    assert {"s-offers", "s-terms"}.isdisjoint(seen.nodes)
    assert "s-prices" in seen.nodes


def test_two_folders_that_lead_to_each_other_end(place: Place) -> None:
    place.server.put(shortcut("l-1", "Offers", "f-travel", "s-offers"))
    place.server.put(shortcut("l-2", "Travel", "s-offers", "f-travel"))
    seen = Seen().run(place.connector(), [Chosen("f-travel")])
    assert seen.documents() == {"t-rail", "t-hotels", "s-offer", "s-terms"}
    assert "l-2" in reasons(seen)


# ---- The feed


def test_a_folder_that_moves_is_told_alone(place: Place) -> None:
    seen = Seen().run(place.connector())
    place.server.move("f-travel", ROOT)
    seen.run(place.connector())
    assert seen.nodes["f-travel"].parent == ROOT
    assert "t-rail" not in told(seen)
    assert seen.documents() == set(place.documents())


def test_a_folder_comes_back_from_the_trash_with_what_is_in_it(place: Place) -> None:
    seen = Seen().run(place.connector())
    place.server.trash("f-travel")
    seen.run(place.connector())
    assert "t-rail" not in seen.documents()
    place.server.trash("f-travel", False)
    seen.run(place.connector())
    assert seen.documents() == set(place.documents())


def test_what_moves_into_and_out_of_what_is_chosen(place: Place) -> None:
    chosen = [Chosen("f-handbook")]
    seen = Seen().run(place.connector(), chosen)
    place.server.put(folder("f-old", "Old", ROOT))
    place.server.put(note("t-old", "old.md", "f-old", "Old rules."))
    seen.run(place.connector(), chosen)
    assert "t-old" not in seen.nodes
    place.server.move("f-old", "f-handbook")
    place.server.move("t-hotels", ROOT)
    seen.run(place.connector(), chosen)
    assert seen.documents() == {"d-leave", "t-rail", "t-old"}


def test_what_moves_between_drives_is_there_once(place: Place) -> None:
    seen = Seen().run(place.connector())
    place.server.move("t-rail", "drive-people")
    place.server.move("s-offer", "f-travel")
    seen.run(place.connector())
    assert seen.nodes["t-rail"].parent == "drive-people"
    assert seen.nodes["s-offer"].parent == "f-travel"
    assert not [change for change in seen.changes if isinstance(change, Delete)]


def test_a_new_shared_drive_is_listed_and_one_that_is_gone_goes(place: Place) -> None:
    seen = Seen().run(place.connector())
    place.server.drives["drive-new"] = "Workshop"
    place.server.put(note("w-lathe", "lathe.md", "drive-new", "Goggles on."))
    seen.run(place.connector())
    assert "w-lathe" in seen.documents()
    del place.server.drives["drive-new"]
    del place.server.shelf.items["w-lathe"]
    seen.run(place.connector())
    assert {"w-lathe", "drive-new"}.isdisjoint(seen.nodes)


def test_a_feed_that_google_has_forgotten_is_a_listing_of_everything(place: Place) -> None:
    seen = Seen().run(place.connector())
    place.server.delete("t-rail")
    place.server.forget_tokens()
    seen.run(place.connector())
    assert seen.scopes == [None]
    assert seen.documents() == set(place.documents())


def test_a_page_that_google_has_forgotten_begins_that_listing_anew(place: Place) -> None:
    seen = Seen()
    for change in place.connector().changes({}, ALL):
        seen.take(change)
        if isinstance(change, Checkpoint) and seen.cursor["listing"].get("page"):
            break
    seen.cursor = {**seen.cursor, "listing": {**seen.cursor["listing"], "page": "stale"}}
    seen.take_all(place.connector().changes(seen.cursor, ALL))
    assert seen.documents() == set(place.documents())
    assert isinstance(seen.changes[-1], Complete)


def test_many_folders_are_listed_by_pages_and_a_move_is_one_change() -> None:
    with made_up(folders=2_000, files=4_000) as server:
        server.keep_requests = True
        place = Place(server)
        seen = Seen().run(place.connector())
        assert len(seen.documents()) == 4_000
        assert len(server.requests) < 20
        server.move("made-000000", "made-001000")
        server.revise(range(40))
        server.requests.clear()
        seen.run(place.connector())
        assert seen.nodes["made-000000"].parent == "made-001000"
        assert len([key for key in told(seen) if key.startswith("mfil-")]) == 40
        assert len(server.requests) < 45


# ---- Errors and access


@pytest.mark.parametrize("reason", ["rateLimitExceeded", "userRateLimitExceeded"])
def test_a_403_that_means_slow_down_is_tried_again(place: Place, reason: str) -> None:
    place.server.error = lambda status, headers, *a, **k: GoogleDriveServer.error(place.server, 403, headers, reason)
    place.server.refuse(403, path="/drive/v3/files", times=None)
    with pytest.raises(ConnectorError, match="slow down") as caught:
        Seen().run(place.connector())
    assert not caught.value.permanent


def test_a_403_that_means_no_is_for_a_person_or_for_one_file(place: Place) -> None:
    connector = place.connector()
    seen = Seen().run(connector)
    place.server.refuse(403, path="/drive/v3/files/t-rail", times=None)
    with pytest.raises(NodeError) as one:
        connector.fetch(seen.nodes["t-rail"])
    assert one.value.skip
    place.server.error = lambda status, headers, *a, **k: GoogleDriveServer.error(
        place.server, 403, headers, "accessNotConfigured"
    )
    place.server.refuse(403, times=None, path="/drive/v3/drives")
    with pytest.raises(ConnectorError, match="enable it") as caught:
        place.connector().test()
    assert caught.value.permanent


def test_a_service_account_asks_for_exact_scopes_and_may_read_in_a_persons_name(place: Place) -> None:
    place.server.delegated = {"admin@acme.com"}
    assert MAIL in place.connector().test().message
    place.connector(subject="admin@acme.com", groups=True).test()
    plain, delegated = place.server.grants
    assert plain["scope"] == "https://www.googleapis.com/auth/drive.readonly"
    assert "sub" not in plain
    assert delegated["sub"] == "admin@acme.com"
    assert delegated["scope"].endswith("admin.directory.group.member.readonly")
    with pytest.raises(ConnectorError, match="domain-wide delegation") as caught:
        place.connector(subject="eve@acme.com").test()
    assert caught.value.permanent


def test_a_key_that_is_none_is_refused_at_once(place: Place) -> None:
    for text in ("", "{}", "not json", '{"client_email": "a@b", "private_key": "x"}'):
        with pytest.raises(ConnectorError, match="whole text of the JSON file"):
            GoogleDrive({}, {"auth": "service_account", "service_account": text}, place.around)


class Signed:
    """Tokens of a person who signed in; the first is refused by now."""

    def __init__(self) -> None:
        self.asked: list[bool] = []

    def access(self, *, renew: bool = False) -> str:
        self.asked.append(renew)
        return "good" if renew else "old"


def test_a_token_that_ended_is_renewed_once(place: Place) -> None:
    place.server.tokens["good"] = "https://www.googleapis.com/auth/drive.readonly"
    signed = Signed()
    connector = GoogleDrive(
        {"base_url": place.server.base_url}, {"auth": "oauth"}, replace(place.around, tokens=signed)
    )
    assert connector.test().ok
    assert signed.asked[:2] == [False, True]
    place.server.tokens.clear()
    with pytest.raises(ConnectorError) as caught:
        connector.test()
    assert caught.value.permanent


# ---- Readers


def test_who_may_read_is_mirrored_and_what_is_not_known_is_nobody(place: Place) -> None:
    ann = {"type": "user", "emailAddress": "Ann@acme.com"}
    items = place.server.shelf.items
    items["d-leave"].permissions = [ann, {"type": "domain", "domain": "acme.com"}]
    items["t-rail"].permissions = [ann, {"type": "group", "emailAddress": "travel@acme.com"}]
    items["t-hotels"].permissions = [
        {"type": "user", "emailAddress": "old@acme.com", "expirationTime": "2020-01-01T00:00:00Z"},
        {"type": "user", "emailAddress": "gone@acme.com", "deleted": True},
    ]
    items["t-notes"].permissions = [{"type": "anyone"}]
    items["s-offer"].permissions, items["s-offer"].augmented = [ann], True
    place.server.drive_permissions["drive-sales"] = [{"type": "group", "emailAddress": "sales@acme.com"}]
    nodes = Seen().run(place.connector(mirror=True)).nodes
    assert nodes["d-leave"].readers == ("domain:acme.com", "mail:ann@acme.com")
    assert nodes["t-rail"].readers == ("group:travel@acme.com", "mail:ann@acme.com")
    assert nodes["t-hotels"].readers == ()
    assert nodes["t-notes"].readers == ("everyone",)
    assert nodes["x-shared"].readers == ()
    assert nodes["drive-sales"].readers == ("group:sales@acme.com",)
    assert nodes["drive-people"].readers == ()
    assert nodes["s-terms"].readers is None
    assert nodes["s-offer"].readers == ("mail:ann@acme.com",)
    strict = Seen().run(place.connector(mirror=True, links="named")).nodes
    assert strict["t-notes"].readers == ()
    assert Seen().run(place.connector()).nodes["t-notes"].readers is None


def test_members_of_a_group_are_looked_up_only_with_the_scope(place: Place) -> None:
    place.server.groups["travel@acme.com"] = [
        {"type": "USER", "email": f"P{number}@acme.com", "status": "ACTIVE"} for number in range(5)
    ] + [{"type": "USER", "email": "off@acme.com", "status": "SUSPENDED"}, {"type": "GROUP", "email": "x@acme.com"}]
    assert list(place.connector(groups=True).members("travel@acme.com")) == [f"p{n}@acme.com" for n in range(5)]
    assert list(place.connector().members("travel@acme.com")) == []
    with pytest.raises(ConnectorError, match=r"admin\.directory\.group\.member\.readonly"):
        list(place.connector(groups=True).members("unknown@acme.com"))


# ---- Webhook


def test_the_beginning_of_a_channel_says_nothing_and_a_feed_says_everything(place: Place) -> None:
    connector, delivery = place.connector(), place.deliver("t-rail")
    begun = replace(delivery, headers={**delivery.headers, "x-goog-resource-state": "sync"})
    assert not connector.webhook(begun).key
    feed = {"x-goog-resource-state": "change", "x-goog-resource-uri": "https://www.googleapis.com/drive/v3/changes?x=1"}
    assert connector.webhook(replace(delivery, headers={**delivery.headers, **feed})).everything
    for secret, token in (("", ""), ("ours", ""), ("", "ours")):
        headers = {**delivery.headers, "x-goog-channel-token": token}
        with pytest.raises(DeliveryRefused):
            connector.webhook(replace(delivery, headers=headers, secret=secret))


def test_who_reads_a_folder_is_told_anew_for_all_below_it(place: Place) -> None:
    seen = Seen()
    for item in place.server.shelf.items.values():
        item.permissions = [{"type": "anyone"}]
    seen.run(place.connector(mirror=True))
    for key in ("f-travel", "t-rail", "t-hotels"):
        place.server.shelf.items[key].permissions = [{"type": "user", "emailAddress": "ann@acme.com"}]
    place.server.changed("f-travel", "")
    seen.run(place.connector(mirror=True))
    assert seen.nodes["t-rail"].readers == ("mail:ann@acme.com",)


def test_what_a_shortcut_brings_in_is_not_read_by_whoever_reads_the_shortcut(place: Place) -> None:
    items = place.server.shelf.items
    items["f-handbook"].permissions = [{"type": "anyone"}]
    place.server.put(shortcut("l-1", "Prices", "f-handbook", "s-prices"))
    place.server.put(shortcut("l-2", "Offers", "f-handbook", "s-offers"))
    items["s-prices"].permissions = [{"type": "user", "emailAddress": "ann@acme.com"}]
    nodes = Seen().run(place.connector(mirror=True), [Chosen("f-handbook")]).nodes
    assert nodes["f-handbook"].readers == ("everyone",)
    assert nodes["s-prices"].readers == ("mail:ann@acme.com",)
    assert nodes["s-offers"].readers == ()
    assert nodes["s-terms"].readers is None


def test_what_is_asked_for_is_what_google_documents() -> None:
    """Against the descriptions of the APIs that Google's own client carries."""

    def unknown(fields: dict[str, Any], known: dict[str, Any]) -> list[str]:
        missing = [name for name in fields if name not in known]
        for name, inner in fields.items():
            described = known.get(name, {})
            described = described.get("items", described)
            if inner:
                properties = (
                    schemas[described["$ref"]]["properties"] if "$ref" in described else described["properties"]
                )
                missing += unknown(inner, properties)
        return missing

    described = resources.files("googleapiclient") / "discovery_cache" / "documents"
    schemas = json.loads((described / "drive.v3.json").read_text())["schemas"]
    assert unknown(fields_of(FIELDS + MIRRORED + LABELLED), schemas["File"]["properties"]) == []
    schemas = json.loads((described / "drivelabels.v2.json").read_text())["schemas"]
    assert unknown(fields_of(SHAPE), schemas["GoogleAppsDriveLabelsV2ListLabelsResponse"]["properties"]) == []


def test_the_call_that_is_shown_asks_for_a_channel_that_lasts() -> None:
    """Google ends a channel that asks for nothing sooner than one would call again."""
    assert ABOUT.webhook is not None
    assert '"expiration": ' in " ".join(ABOUT.webhook.steps)


def test_what_is_found_comes_with_the_folders_that_lead_there(place: Place) -> None:
    found = list(place.connector().find("rail"))
    assert [node.title for node in found] == ["My Drive", "Handbook", "Travel", "rail.md"]
    assert [node.parent for node in found] == [None, *(node.external_id for node in found[:-1])]


def test_so_many_hits_are_not_all_led_to_one_by_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector_module, "_MOST_CLIMBED", 0)
    assert [node.title for node in place.connector().find("rail")] == ["rail.md"]


# ---- Labels

CONTRACT = {
    "id": "L-contract",
    "properties": {"title": "Contract"},
    "fields": [
        {
            "id": "F-state",
            "properties": {"displayName": "State"},
            "selectionOptions": {"choices": [{"id": "C-signed", "properties": {"displayName": "Signed"}}]},
        },
        {"id": "F-until", "properties": {"displayName": "Until"}},
        {"id": "F-who", "properties": {"displayName": "Owner"}},
    ],
}
SIGNED = {
    "id": "L-contract",
    "fields": {
        "F-state": {"id": "F-state", "valueType": "selection", "selection": ["C-signed"]},
        "F-until": {"id": "F-until", "valueType": "dateString", "dateString": ["2027-03-31"]},
        "F-who": {"id": "F-who", "valueType": "user", "user": [{"displayName": "Ann Weaver"}]},
    },
}
AS_TAGS = ("Contract", "Contract: Signed", "Contract: 2027-03-31", "Contract: Ann Weaver")


def test_labels_and_what_is_filled_in_on_them_become_tags(place: Place) -> None:
    place.server.labels = [{"id": f"L-{n}", "properties": {"title": f"Label {n}"}} for n in range(5)] + [CONTRACT]
    place.server.shelf.items["s-terms"].labels = [SIGNED, {"id": "L-secret-to-us"}]
    connector = place.connector(labels=True)
    assert connector.test().message.endswith("6 labels can come in as tags.")
    seen = Seen().run(connector)
    assert seen.nodes["s-terms"].tags == ("markdown", *AS_TAGS)
    assert seen.nodes["s-offer"].tags == ("markdown",)
    assert Seen().run(place.connector()).nodes["s-terms"].tags == ("markdown",), "only where it is asked for"


def test_a_label_that_is_put_on_later_is_in_the_feed(place: Place) -> None:
    place.server.labels = [CONTRACT]
    seen = Seen().run(place.connector(labels=True))
    before = seen.versions()
    place.server.shelf.items["t-rail"].labels = [SIGNED]
    place.server.changed("t-rail", "")
    seen.run(place.connector(labels=True))
    assert told(seen)[-1] == "t-rail"
    assert seen.nodes["t-rail"].tags == ("markdown", *AS_TAGS)
    assert seen.versions() == before, "its text is not fetched for that"


def test_labels_that_may_not_be_read_say_what_to_allow(place: Place) -> None:
    place.server.refuse(403, path="/v2/labels", times=None)
    with pytest.raises(ConnectorError, match=r"drive\.labels\.readonly") as caught:
        place.connector(labels=True).test()
    assert caught.value.permanent
    place.server.heal()
    place.connector(labels=True).test()
    assert place.server.grants[-1]["scope"].split()[1:] == ["https://www.googleapis.com/auth/drive.labels.readonly"]


def test_who_signs_in_is_asked_for_labels_only_where_they_are_wanted() -> None:
    flow = ABOUT.auths[1].oauth
    assert flow is not None
    assert flow.asked({}) == READ
    assert flow.asked({"labels": True}) == f"{READ} {LABELS_SCOPE}"
