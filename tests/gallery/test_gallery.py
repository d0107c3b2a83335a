"""The gallery: what stands in it, in which order, and how it is searched."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from assistants import at_hand, lifecycle
from assistants.models import Assistant, LivePart, UseDay
from assistants.needs import spaces_needed
from assistants.reads import what_it_reads
from assistants.reads_tree import tree_of
from datasources.models import DataSource, Grant, Node
from datasources.retrieval.types import IndexUnavailable
from gallery import explaining, searching, standing, views
from gallery.for_you import Nearby, used_nearby
from gallery.listing import Wanted, found, loaded
from gallery.models import Standing
from portal.models import Membership, Space
from tests import factories


def offer(by: Membership, handle: str, *, vetted_by: Membership | None = None, **fields: object) -> Assistant:
    assistant = lifecycle.create_assistant(workspace=by.workspace, by=by.user, handle=handle, **fields)
    lifecycle.publish(assistant, by.user)
    if vetted_by:
        lifecycle.vet(assistant, vetted_by.user)
    return assistant


@pytest.fixture(autouse=True)
def _no_index(monkeypatch):
    """What means the same is found by the index, which has tests of its own."""
    monkeypatch.setattr(searching, "near_blocking", lambda *_: [])


@pytest.fixture
def shown(client, cast):
    client.force_login(cast.member.user)

    def shown(**query: str) -> str:
        return client.get(reverse("assistants", args=["acme"]), query).content.decode()

    return shown


def used(assistant: Assistant, *people: Membership, days_ago: int = 0) -> None:
    day = timezone.localdate() - timedelta(days=days_ago)
    UseDay.objects.bulk_create(
        UseDay(workspace=assistant.workspace, assistant=assistant, user=p.user, day=day, questions=1) for p in people
    )


def handles(membership: Membership, **wanted: object) -> list[str]:
    return [row.handle for row in loaded(membership, found(membership, Wanted(**wanted)))]


def test_with_no_use_vetted_ones_come_first_then_the_newest(cast):
    offer(cast.builder, "vetted", vetted_by=cast.admin)
    offer(cast.builder, "older")
    offer(cast.builder, "newer")
    assert handles(cast.member) == ["vetted", "newer", "older"]


def test_orders(cast):
    for handle in ("liked", "used", "fresh"):
        offer(cast.builder, handle)
    liked, used_most = Assistant.objects.get(handle="liked"), Assistant.objects.get(handle="used")
    day = timezone.localdate()
    for row, score, approval in ((liked, 1.0, 0.9), (used_most, 5.0, 0.6)):
        Standing.objects.create(assistant=row, workspace=cast.workspace, score=score, approval=approval, on=day)
    assert handles(cast.member, order="used") == ["used", "liked", "fresh"]
    assert handles(cast.member, order="rated") == ["liked", "fresh", "used"]
    assert handles(cast.member, order="new") == ["fresh", "used", "liked"]


def test_personal_ones_are_their_owners_alone(cast, shown):
    lifecycle.create_assistant(workspace=cast.workspace, by=cast.builder.user, handle="secret-draft", name="Draft")
    lifecycle.create_assistant(workspace=cast.workspace, by=cast.member.user, handle="my-own", name="My own")
    html = shown()
    assert "secret-draft" not in html
    assert "my-own" in html
    assert handles(cast.outsider) == []


def test_the_search_takes_words_of_the_task(cast, shown):
    offer(cast.builder, "leave-policy", name="Leave", description="Answers questions on holidays", tags=["people"])
    offer(cast.builder, "travel", name="Travel", starters=["What does a hotel cost?"])
    assert "@leave-policy" in shown(q="holidays")
    assert "@travel" not in shown(q="holidays")
    assert "@travel" in shown(q="hotel cost")
    assert "No assistant fits “zebra”" in shown(q="zebra")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("holiday", ["leave-policy"]),  # the stem
        ("holi", ["leave-policy"]),  # the beginning, while it is typed
        ("@leave-pol", ["leave-policy"]),
        ("people", ["leave-policy"]),  # a tag
        ("L", ["leave-policy"]),
        ("travel holiday", []),  # each word has to be somewhere
        ("'); drop table :* & | !", []),
        ("reimbursement", []),
    ],
)
def test_what_is_found_while_typing(cast, text, expected):
    offer(cast.builder, "leave-policy", name="Leave", description="Answers questions on holidays", tags=["people"])
    offer(cast.builder, "travel", name="Travel", starters=["What does a hotel cost?"])
    assert handles(cast.member, text=text) == expected


def test_instructions_are_searched_only_for_those_who_may_read_them(cast):
    told = offer(cast.builder, "told", instructions="Mention the reimbursement form.")
    offer(cast.builder, "kept", instructions="Mention the reimbursement form.")
    Assistant.objects.filter(pk=told.pk).update(shows_instructions=True)
    assert handles(cast.member, text="reimbursement") == ["told"]
    assert sorted(handles(cast.builder, text="reimbursement")) == ["kept", "told"]
    assert sorted(handles(cast.admin, text="reimbursement")) == ["kept", "told"]


def test_what_means_the_same_is_found_and_the_name_comes_first(cast, monkeypatch):
    alike, named = offer(cast.builder, "time-off", name="Absences"), offer(cast.builder, "vacation", name="Vacation")
    offer(cast.builder, "says-so", description="Not on vacation")
    monkeypatch.setattr(searching, "near_blocking", lambda *_: [(alike.pk, 0.7), (named.pk, 0.6)])
    assert handles(cast.member, text="vacation") == ["vacation", "says-so", "time-off"]

    def away(*_: object) -> None:
        raise IndexUnavailable("The index does not answer.")

    monkeypatch.setattr(searching, "near_blocking", away)
    assert handles(cast.member, text="vacation") == ["vacation", "says-so"]


def test_filters(cast):
    team = factories.space(cast.workspace, cast.member, cast.builder)
    wiki = factories.source(cast.workspace, kind="notion", grant_to=team)
    knowledge = [{"data_source": str(wiki.pk), "parents_in": None, "parents_not_in": []}]
    reads = offer(cast.builder, "reads", knowledge=knowledge, tags=["sales"], stage="alpha", vetted_by=cast.admin)
    offer(cast.member, "own")
    hidden = offer(cast.builder, "hidden")
    Assistant.objects.filter(pk=hidden.pk).update(hidden=timezone.now())
    at_hand.keep(cast.member, reads)
    only = [
        {"scope": "vetted"},
        {"stage": "alpha"},
        {"tag": "sales"},
        {"space": team.pk},
        {"kind": "notion"},
        {"favourites": True},
    ]
    for wanted in only:
        assert handles(cast.member, **wanted) == ["reads"], wanted
    assert handles(cast.member, scope="published") == ["own"]
    for person in (cast.member, cast.builder):
        lifecycle.create_assistant(workspace=cast.workspace, by=person.user, handle=f"of-{person.user_id}")
    assert handles(cast.member, scope="personal") == [f"of-{cast.member.user_id}"]
    assert handles(cast.admin, scope="personal") == []
    Assistant.objects.filter(scope="personal").delete()
    assert handles(cast.member, mine=True) == ["own"]
    assert handles(cast.member, kind="slack") == []
    # A space that one is not in says nothing of what it sees.
    assert handles(cast.admin, space=team.pk) == []
    assert handles(cast.admin, hidden=True) == ["hidden"]
    assert handles(cast.member, hidden=True) == []
    assert handles(cast.builder, mine=True) == ["reads", "hidden"]


def test_for_me_is_what_colleagues_of_my_spaces_use_and_i_do_not(cast):
    others = [factories.member(cast.workspace) for _ in range(6)]
    factories.space(cast.workspace, cast.member, *others[:3])
    near, mine, popular = (offer(cast.builder, handle) for handle in ("near", "mine", "popular"))
    used(near, *others[:3])
    used(mine, cast.member, *others[:3])
    used(popular, *others[3:], cast.builder, cast.admin)
    standing.refresh(cast.workspace.pk)
    assert handles(cast.member, order="you") == ["near", "popular", "mine"]
    used(near, cast.member)
    assert handles(cast.member, order="you") == ["popular", "mine", "near"]
    # Who is in no restricted space gets what three or more used and they did not, then the others.
    assert handles(cast.builder, order="you") == ["mine", "near", "popular"]


def test_with_open_spaces_alone_for_me_is_what_three_others_use_and_i_do_not(cast, shown):
    others = [factories.member(cast.workspace) for _ in range(3)]
    many, mine, few, _unused = (offer(cast.builder, handle) for handle in ("many", "mine", "few", "unused"))
    used(many, *others, days_ago=20)
    used(mine, cast.member, *others)
    used(few, *others[:2])
    standing.refresh(cast.workspace.pk)
    assert handles(cast.member) == ["mine", "few", "many", "unused"]
    assert handles(cast.member, order="you") == ["many", "few", "unused", "mine"]
    assert used_nearby(cast.member) == Nearby((many.pk,), ((many.pk, 3),))
    told = "Nothing is known yet of what colleagues"
    html = shown(order="you")
    assert "3 people of your spaces" in html
    assert told not in html
    used(many, cast.member)
    assert told in shown(order="you")
    assert told not in shown()
    Space.objects.filter(workspace=cast.workspace).update(kind=Space.Kind.RESTRICTED)
    assert used_nearby(cast.builder).order == ()


@pytest.mark.parametrize("kind", ["", "local", "notion"])
def test_the_space_filter_goes_by_what_an_assistant_needs(cast, kind):
    """The same as the assistant's own page says of it, for each space and each assistant."""
    team, other = (factories.space(cast.workspace, cast.member, cast.builder) for _ in range(2))
    files, wiki = (
        factories.source(cast.workspace, grant_to=team),
        factories.source(cast.workspace, kind="notion", grant_to=other),
    )
    inside, beside = factories.node(files, "inside"), factories.node(files, "beside")
    below = factories.node(files, "below", parent=inside)
    Grant.objects.create(source=files, space=other, parents_in=[inside.pk])
    gone = factories.source(cast.workspace, grant_to=other, state=DataSource.State.DELETING)

    def part(source: DataSource, *nodes: Node) -> dict[str, object]:
        inside = [str(node.pk) for node in nodes] or None
        return {"data_source": str(source.pk), "parents_in": inside, "parents_not_in": []}

    given = {
        "whole": [part(files)],
        "below": [part(files, below)],
        "beside": [part(files, beside)],
        "both": [part(files, beside), part(wiki)],
        "nothing": [],
    }
    rows = [
        offer(cast.builder, handle, knowledge=knowledge, vetted_by=cast.admin) for handle, knowledge in given.items()
    ]
    rows.append(offer(cast.builder, "gone", knowledge=None, vetted_by=cast.admin))
    LivePart.objects.create(assistant=rows[-1], source=gone.pk)
    kinds = {source.pk: source.kind for source in (files, wiki, gone)}
    for space in Space.objects.filter(workspace=cast.workspace):
        expected = {
            row.handle
            for row in rows
            for need in spaces_needed(row.live)
            if space in need.spaces and (not kind or kind in {kinds[key] for key in need.sources})
        }
        assert set(handles(cast.member, space=space.pk, kind=kind)) == expected, space
    if not kind:
        assert set(handles(cast.member, space=other.pk)) == {"below", "both"}


def test_home_shows_vetted_ones_then_what_colleagues_use_and_counts_from_three_on(cast, client):
    others = [factories.member(cast.workspace) for _ in range(3)]
    factories.space(cast.workspace, cast.member, *others)
    near, rare = offer(cast.builder, "near", starters=["What is new?"]), offer(cast.builder, "rare")
    offer(cast.builder, "vetted", vetted_by=cast.admin)
    used(near, *others)
    used(rare, others[0])
    cards = views.for_home(cast.member)
    assert [card.assistant.handle for card in cards] == ["vetted", "near", "rare"]
    assert [card.nearby for card in cards] == [0, 3, 0]
    client.force_login(cast.member.user)
    html = client.get(reverse("home", args=["acme"])).content.decode()
    assert "3 people of your spaces use it" in html
    assert "What is new?" in html


def test_a_card_names_only_sources_that_one_may_see(cast, shown):
    here = factories.source(cast.workspace, name="Handbook")
    hidden = factories.source(
        cast.workspace, name="Board papers", grant_to=factories.space(cast.workspace, cast.builder)
    )
    knowledge = [{"data_source": str(s.pk), "parents_in": None, "parents_not_in": []} for s in (here, hidden)]
    offer(cast.builder, "both", knowledge=knowledge, vetted_by=cast.admin)
    html = shown()
    assert "Reads Handbook" in html
    assert "Board papers" not in html


def test_how_many_people_use_it_is_told_from_three_on(cast, shown):
    few, many = offer(cast.builder, "few"), offer(cast.builder, "many")
    others = [factories.member(cast.workspace) for _ in range(3)]
    used(few, *others[:2])
    used(many, *others)
    standing.refresh(cast.workspace.pk)
    html = shown()
    assert "3 people" in html
    assert "2 people" not in html.replace("1–2 people", "")
    page = {
        (who, handle): explaining.why(getattr(cast, who), Assistant.objects.get(handle=handle)).standing
        for who in ("member", "builder")
        for handle in ("few", "many")
    }
    assert page["member", "few"] is None
    assert page["builder", "few"].people == 2  # its owner
    assert page["member", "many"].people == 3


def test_the_page_says_why_it_is_ranked_there(cast, client):
    first, second = offer(cast.builder, "first"), offer(cast.builder, "second")
    others = [factories.member(cast.workspace) for _ in range(4)]
    used(first, *others, days_ago=10)
    used(second, *others[:3], days_ago=0)
    standing.refresh(cast.workspace.pk)
    client.force_login(cast.member.user)
    html = client.get(reverse("assistant", args=["acme", "first"])).content.decode()
    assert "number 2 of the 2 assistants" in html
    assert "4 people asked it in the last 30 days" in html
    assert ">2.00</td>" in html  # four times a half
    assert "× 0.80" in html
    assert ">1.60</td>" in html


def test_the_page_shows_what_it_reads_as_a_tree_and_its_instructions_to_some(cast, client):
    source = factories.source(cast.workspace, name="Handbook")
    people = factories.node(source, "people")
    leave, secret = factories.node(source, "leave", parent=people), factories.node(source, "pay", parent=people)
    part = {"data_source": str(source.pk), "parents_in": [str(leave.pk)], "parents_not_in": [str(secret.pk)]}
    row = offer(cast.builder, "people", knowledge=[part], instructions="Say it **briefly**.")
    version = row.live
    (twig,) = tree_of(what_it_reads(cast.member, version).parts[0])
    assert (twig.title, twig.mark) == ("people", "")
    assert [(below.title, below.mark) for below in twig.below] == [("leave", "in"), ("pay", "out")]
    client.force_login(cast.member.user)
    address = reverse("assistant", args=["acme", "people"])
    assert "briefly" not in client.get(address).content.decode()
    Assistant.objects.filter(pk=row.pk).update(shows_instructions=True)
    assert "<strong>briefly</strong>" in client.get(address).content.decode()


def test_a_star_puts_an_assistant_into_the_rail(cast, client):
    offer(cast.builder, "hr-leave", name="Leave helper")
    client.force_login(cast.member.user)
    home, star = reverse("people", args=["acme"]), reverse("assistant_favourite", args=["acme", "hr-leave"])
    assert "Leave helper" not in client.get(home).content.decode()
    answer = client.post(star, {"keep": "yes"}, headers={"HX-Request": "true"})
    assert 'aria-pressed="true"' in answer.content.decode()
    assert answer["HX-Trigger-After-Settle"] == "favourites-changed"
    assert "Leave helper" in client.get(home).content.decode()
    assert client.post(star, {"keep": "no"}).status_code == 302
    assert "Leave helper" not in client.get(home).content.decode()


def test_the_rail_shows_what_one_asked_last_as_far_as_one_may_still(cast):
    mine, gone = offer(cast.builder, "mine"), offer(cast.builder, "gone")
    used(mine, cast.member, days_ago=2)
    used(gone, cast.member)
    assert [row.handle for row, _ in at_hand.at_hand(cast.member).recent] == ["gone", "mine"]
    lifecycle.unpublish(gone, cast.builder.user)
    at_hand.keep(cast.member, mine)
    shown = at_hand.at_hand(cast.member)
    assert [row.handle for row, _ in shown.kept] == ["mine"]
    assert shown.recent == []


def test_an_empty_gallery_shows_the_next_step(shown):
    html = shown()
    assert "There are no assistants yet." in html
    assert reverse("assistant_start", args=["acme"]) in html
    assert "No assistant is vetted yet." in shown(scope="vetted")
    assert "You have no assistant of your own that is not published." in shown(scope="personal")
    assert "You have not made an assistant yet." in shown(mine="1")


def test_more_of_the_list_comes_when_asked_for(cast, client, monkeypatch):
    monkeypatch.setattr(views, "PAGE", 3)
    for number in range(views.PAGE + 2):
        offer(cast.builder, f"assistant-{number}")
    client.force_login(cast.member.user)
    address = reverse("assistants", args=["acme"])
    first = client.get(address, {"stage": "beta"}).content.decode()
    assert first.count("<article") == views.PAGE
    assert f"{address}?stage=beta&amp;from={views.PAGE}" in first
    rest = client.get(address, {"stage": "beta", "from": views.PAGE}, headers={"HX-Request": "true"}).content.decode()
    assert rest.count("<article") == 2
    assert "gallery-find" not in rest
    typed = client.get(address, {"q": "assistant", "stage": "", "tag": ""}, headers={"HX-Request": "true"})
    assert typed["HX-Push-Url"] == f"{address}?q=assistant"


def test_the_number_of_queries_does_not_depend_on_how_many_there_are(cast, client):
    source = factories.source(cast.workspace)
    knowledge = [{"data_source": str(source.pk), "parents_in": None, "parents_not_in": []}]
    others = [factories.member(cast.workspace) for _ in range(3)]
    factories.space(cast.workspace, cast.member, *others)
    client.force_login(cast.member.user)
    addresses = [
        reverse("assistants", args=["acme"]),
        reverse("assistants", args=["acme"]) + "?order=you",
        reverse("home", args=["acme"]),
    ]

    def counted(names: str) -> list[int]:
        for name in names:
            row = offer(cast.builder, f"assistant-{name}", knowledge=knowledge, vetted_by=cast.admin)
            at_hand.keep(cast.member, row)
            used(row, cast.member, *others)
        standing.refresh(cast.workspace.pk)
        numbers = []
        for address in addresses:
            cache.clear()  # the tags, which are kept where finding them took long
            with CaptureQueriesContext(connection) as queries:
                client.get(address)
            numbers.append(len(queries))
        return numbers

    client.get(addresses[0])  # the first page of a session does more
    assert counted("ab") == counted("cdefg")
