"""Where vetting is asked for and decided: the portal's page, the admin's queue, the API."""

import pytest

from assistants import lifecycle
from assistants.models import VettingRequest
from portal.models import Space, Workspace
from portal.registry import Panel, Registry, registries
from tests import factories
from tests.assistants.lives import below, now_of, published, vetted, whole
from tests.assistants.used import ask
from tests.callers import Caller

QUEUE = "/w/acme/govern/assistants/vettingrequest/"


@pytest.fixture
def asked(cast):
    made = vetted(cast.member, cast.admin, instructions="Be brief.", name="Leave desk")
    lifecycle.save_version(made, cast.member.user, instructions="Be <kind>.")
    return lifecycle.request_vetting(made, cast.member.user, "For everybody on leave.")


def test_the_queue_shows_what_a_decision_is_made_on(cast, client, asked):
    client.force_login(cast.admin.user)
    assert "@leave" in client.get(QUEUE).content.decode()
    page = f"{QUEUE}{asked.pk}/"
    html = client.get(f"{page}change/").content.decode()
    for words in ("For everybody on leave.", "No sources", "Be brief.", "Be &lt;kind&gt;.", "Approve version 2"):
        assert words in html
    refused = client.post(f"{page}decide/", {"do": "decline", "comment": " "})
    assert refused.status_code == 422
    assert "Say why not." in refused.content.decode()
    assert client.post(f"{page}decide/", {"do": "approve", "comment": "Good."})["Location"] == QUEUE
    assert now_of(asked.assistant).live.number == 2
    again = client.post(f"{page}decide/", {"do": "approve"})
    assert "not open any more" in again.content.decode()
    assert "Approve version" not in client.get(f"{page}change/").content.decode()


def test_the_queue_shows_what_people_said_and_leads_on(cast, client, asked):
    """What its page on use shows, by the same rules: names and questions only of what was sent along."""
    made = asked.assistant
    for person, more in ((cast.builder, {"include_conversation": True}), (cast.admin, {})):
        ask(person, made, f"Am I dismissed, {person.user}?", up=False, comment=f"From a {person.role}.", **more)
    client.force_login(cast.admin.user)
    page = f"{QUEUE}{asked.pk}/change/"
    html = client.get(page).content.decode()
    for words in ("What people said last", "From a builder.", "From a admin.", "Bea Builder, version 1"):
        assert words in html
    assert "Ada Admin, version" not in html
    assert "Am I dismissed" not in html
    leads = (
        "assistants/leave/edit/?version=2",
        "assistants/leave/insight/",
        "assistants/leave/",
        "assistants/leave/publishing/",
    )
    for path in leads:
        assert f'href="/w/acme/{path}"' in html
        assert client.get(f"/w/acme/{path}").status_code == 200
    told = Caller(cast.admin).get(f"vetting-requests/{asked.pk}/").json()["considered"]["comments"]
    assert {(one["comment"], one["question"]) for one in told} == {
        ("From a builder.", "Am I dismissed, Bea Builder?"),
        ("From a admin.", ""),
    }
    client.force_login(factories.user("operator@example.com", is_superuser=True))
    assert "insight/" not in client.get(page).content.decode()


def test_others_hang_up_more_on_the_page_of_a_request(cast, client, asked, monkeypatch):
    monkeypatch.setitem(registries.panels, "vetting", Registry())
    panel = Panel("assistants/_request_changes.html", lambda _request, row: {"changes": []} if row == asked else None)
    registries.panel("vetting").add("set", panel)
    client.force_login(cast.admin.user)
    response = client.get(f"{QUEUE}{asked.pk}/change/")
    assert [template for template, _data in response.context["panels"]] == ["assistants/_request_changes.html"]


def test_several_are_sent_back_at_once_with_one_comment(cast, client, asked):
    other = lifecycle.request_vetting(published(cast.builder, "other"), cast.builder.user)
    client.force_login(cast.admin.user)
    chosen = {"action": "ask_changes", "_selected_action": [asked.pk, other.pk]}
    assert "version 2: back to its owners" in client.post(QUEUE, chosen).content.decode()
    client.post(QUEUE, {**chosen, "confirmed": "yes", "answer": "Name the country."})
    states = VettingRequest.objects.filter(pk__in=[asked.pk, other.pk]).values_list("state", "comment")
    assert set(states) == {("changes", "Name the country.")}


def test_how_long_a_vetting_lasts_is_set_above_the_queue_and_by_the_api(cast, client):
    client.force_login(cast.admin.user)
    client.post(f"{QUEUE}lasts/", {"days": "365"})
    assert Workspace.objects.get(slug="acme").vetting_days == 365
    assert 'value="365"' in client.get(QUEUE).content.decode()
    assert "1 to 3650" in client.post(f"{QUEUE}lasts/", {"days": "0"}, follow=True).content.decode()
    assert Caller(cast.admin).patch("", {"vetting_days": None}).json()["vetting_days"] is None
    assert Caller(cast.member).patch("", {"vetting_days": 1}).status_code == 403


def test_an_operator_looks_and_an_admin_of_elsewhere_does_not(cast, client, asked):
    client.force_login(factories.user("operator@example.com", is_superuser=True))
    assert client.get(f"{QUEUE}{asked.pk}/change/").status_code == 200
    client.force_login(cast.outsider.user)
    address = f"/w/umbra/govern/assistants/vettingrequest/{asked.pk}/"
    assert client.get(f"{address}change/").status_code == 404
    assert client.post(f"{address}decide/", {"do": "approve"}).status_code == 404


def test_owners_ask_on_a_page_of_their_own_and_read_the_comment_there(cast, client, asked):
    lifecycle.ask_changes(asked, cast.admin.user, "Name the country.")
    client.force_login(cast.member.user)
    page = "/w/acme/assistants/leave/publishing/"
    html = client.get(page).content.decode()
    for words in ("Name the country.", "people still get the vetted version", "Ask for vetting", "No restricted space"):
        assert words in html
    assert "Approve version" not in html
    client.post(page, {"do": "request_vetting", "note": "Now with countries."})
    assert VettingRequest.objects.get(state="open").note == "Now with countries."
    assert client.post(page, {"do": "nonsense"}).status_code == 404
    client.force_login(cast.builder.user)
    assert client.get(page).status_code == 404


def test_what_was_archived_is_brought_back_from_its_page(cast, client):
    lifecycle.archive(published(cast.member, name="Leave desk"), cast.member.user)
    client.force_login(cast.member.user)
    assert "Leave desk" in client.get("/w/acme/assistants/archived/").content.decode()
    assert "Bring it back" in client.get("/w/acme/assistants/leave/publishing/").content.decode()
    client.force_login(cast.builder.user)
    assert "Leave desk" not in client.get("/w/acme/assistants/archived/").content.decode()
    assert [a["handle"] for a in Caller(cast.member).get("assistants/", archived="true").json()["results"]] == ["leave"]


def test_the_api_lists_requests_with_what_they_change(cast, asked):
    (one,) = Caller(cast.admin).get("vetting-requests/", state="open").json()["results"]
    assert (one["assistant"], one["version"], one["note"]) == ("leave", 2, "For everybody on leave.")
    found = Caller(cast.member).get(f"vetting-requests/{one['id']}/").json()["considered"]
    assert (found["vetted_before"], [change["field"] for change in found["changes"]]) == (1, ["instructions"])
    assert found["reads"] == {"everything": False, "nothing": True, "parts": [], "hidden_sources": 0}
    assert Caller(cast.builder).get(f"vetting-requests/{one['id']}/").status_code == 404
    stale = Caller(cast.admin).post("assistants/leave/vet/", {"version": 1})
    assert (stale.status_code, stale.json()["code"]) == (409, "changed_since")


def test_the_api_tells_what_it_reads_as_far_as_one_may_know(cast):
    board = factories.space(cast.workspace, cast.member, name="Board")
    handbook = factories.source(cast.workspace, name="Handbook")
    people = factories.node(handbook, "people", title="People")
    old = factories.node(handbook, "old", parent=people, title="Old")
    minutes = factories.source(cast.workspace, name="Minutes", grant_to=board)
    knowledge = below(handbook, people, without=[old]) + whole(minutes)
    asked = lifecycle.request_vetting(published(cast.member, knowledge=knowledge), cast.member.user)
    reads = Caller(cast.member).get(f"vetting-requests/{asked.pk}/").json()["considered"]["reads"]
    assert [(part["name"], part["whole"], part["hidden"]) for part in reads["parts"]] == [
        ("Handbook", False, 0),
        ("Minutes", True, 0),
    ]
    first = reads["parts"][0]
    assert (first["data_source"], first["kind"]) == (str(handbook.pk), "upload")
    assert (first["inside"], first["outside"]) == (
        [{"id": str(people.pk), "path": "People"}],
        [{"id": str(old.pk), "path": "People / Old"}],
    )
    lifecycle.add_owner(asked.assistant, cast.member.user, cast.builder.user)
    reads = Caller(cast.builder).get(f"vetting-requests/{asked.pk}/").json()["considered"]["reads"]
    assert ([part["name"] for part in reads["parts"]], reads["hidden_sources"]) == (["Handbook"], 1)


def test_the_api_tells_needs_and_defaults(cast):
    hr = factories.space(cast.workspace, cast.member, name="HR")
    pay = factories.source(cast.workspace, grant_to=hr)
    knowledge = [{"data_source": str(pay.pk), "parents_in": None, "parents_not_in": []}]
    vetted(cast.member, cast.admin, knowledge=knowledge)
    (need,) = Caller(cast.member).get("assistants/leave/needs/").json()
    assert ([space["name"] for space in need["spaces"]], need["everybody"], need["others"]) == (["HR"], False, 0)
    (need,) = Caller(cast.builder).get("assistants/leave/needs/").json()
    assert (need["spaces"], need["others"]) == ([], 1)
    company = Space.objects.get(workspace=cast.workspace, name="Company")
    admin = Caller(cast.admin)
    admin._send("put", "assistant-defaults/", {"assistant": "leave"})
    told = admin._send("put", "assistant-defaults/", {"assistant": "@leave", "space": str(company.pk)}).json()
    assert [(row["space"] and row["space"]["name"], row["assistant"]) for row in told] == [
        (None, "leave"),
        ("Company", "leave"),
    ]
