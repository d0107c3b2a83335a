"""The gallery through the API: the same list, why one stands where it does, and favourites."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from assistants import lifecycle
from assistants.models import Assistant, UseDay
from assistants.pictures import keep_picture
from gallery import searching, standing
from portal.models import Membership
from tests import factories
from tests.assistants.pictured import a_picture
from tests.callers import Caller
from tests.portal.test_api import problem


@pytest.fixture(autouse=True)
def _no_index(monkeypatch):
    monkeypatch.setattr(searching, "near_blocking", lambda *_: [])


@pytest.fixture
def offered(cast):
    """Three that everybody may use; ``first`` is used by three people, ``second`` by one."""
    rows = {}
    for handle in ("first", "second", "third"):
        rows[handle] = lifecycle.create_assistant(
            workspace=cast.workspace, by=cast.builder.user, handle=handle, knowledge=[], tags=["sales"]
        )
        lifecycle.publish(rows[handle], cast.builder.user)
    for person in (factories.member(cast.workspace), cast.admin, cast.builder):
        used(rows["first"], person)
    used(rows["second"], cast.admin)
    standing.refresh(cast.workspace.pk)
    return rows


def used(assistant: Assistant, person: Membership) -> None:
    yesterday = timezone.localdate() - timedelta(days=1)
    UseDay.objects.create(workspace=assistant.workspace, assistant=assistant, user=person.user, day=yesterday)


def handles(answer) -> list[str]:
    return [row["handle"] for row in answer.json()["results"]]


def test_the_list_is_ranked_filtered_and_paged(cast, offered):
    member = Caller(cast.member)
    answer = member.get("gallery/")
    assert handles(answer) == ["first", "second", "third"]
    first, second, third = answer.json()["results"]
    assert (first["people"], sum(first["trend"]), first["unused"], first["favourite"]) == (3, 3, False, False)
    assert (second["people"], second["trend"], second["unused"]) == (None, [], False)
    assert (third["people"], third["unused"], third["tags"]) == (None, True, ["sales"])
    assert [row["people"] for row in Caller(cast.builder).get("gallery/").json()["results"]] == [3, 1, 0]

    assert handles(member.get("gallery/", q="sec")) == ["second"]
    assert handles(member.get("gallery/", tag="sales", order="new")) == ["third", "second", "first"]
    assert handles(member.get("gallery/", scope="vetted")) == []
    assert Caller(cast.outsider).get("gallery/").json()["results"] == []

    page = member.get("gallery/", limit=2)
    assert handles(page) == ["first", "second"]
    assert page.json()["previous"] is None
    rest = member.client.get(page.json()["next"], headers=member.headers)
    assert handles(rest) == ["third"]
    assert rest.json()["next"] is None
    assert handles(member.client.get(rest.json()["previous"], headers=member.headers)) == ["first", "second"]


@pytest.mark.parametrize("wrong", ["scope", "stage", "kind", "order", "space"])
def test_a_filter_that_there_is_not_is_told_and_not_passed_over(cast, offered, wrong):
    told = problem(Caller(cast.member).get("gallery/", **{wrong: "vettd"}), 400, "invalid")
    assert "It takes" in str(told["errors"][wrong])


def test_no_is_no(cast, offered):
    member = Caller(cast.member)
    for no in ("", "0", "false", "No"):
        assert handles(member.get("gallery/", mine=no, favourites=no, hidden=no)) == ["first", "second", "third"]
    assert handles(member.get("gallery/", mine="true")) == []


def test_a_card_tells_of_its_vetting_its_picture_and_colleagues(cast, offered):
    lifecycle.vet(offered["first"], cast.admin.user)
    picture = keep_picture(cast.builder, a_picture())
    lifecycle.save_version(offered["second"], cast.builder.user, picture=picture)
    first, second = Caller(cast.member).get("gallery/").json()["results"][:2]
    row = Assistant.objects.get(handle="first")
    assert row.vetted is not None
    assert parse_datetime(first["vetted"]) == row.vetted
    assert (first["vetted_until"], first["people_of_my_spaces"], first["picture"]) == (None, 3, None)
    told = (second["vetted"], second["people_of_my_spaces"], second["picture"])
    assert told == (None, None, str(picture.pk))
    (mine,) = Caller(cast.admin).get("gallery/", q="first").json()["results"]
    assert mine["people_of_my_spaces"] is None, "who asked it already is told nothing of others"

    shown = Caller(cast.member).get("assistants/first/").json()
    assert (shown["vetted_by"]["name"], shown["shows_instructions"], shown["template"]) == ("Ada Admin", False, None)


def test_why_one_stands_where_it_does(cast, offered):
    why = Caller(cast.member).get("assistants/first/standing/").json()
    assert (why["place"], why["among"], why["people"], why["ups"], why["downs"]) == (1, 3, 3, 0, 0)
    formula = why["formula"]
    damped = 3 * 0.5 ** (1 / formula["half_life_days"])
    assert why["damped"] == pytest.approx(damped)
    assert why["approval"] == formula["prior"] == 0.8
    assert why["score"] == pytest.approx(damped * 0.8)
    assert [day["people"] for day in why["days"]] == [0] * 28 + [3, 0]

    few = Caller(cast.member).get("assistants/second/standing/").json()
    assert (few["place"], few["people"], few["score"], few["days"], few["unused"]) == (2, None, None, [], False)
    assert Caller(cast.builder).get("assistants/second/standing/").json()["people"] == 1
    problem(Caller(cast.outsider, slug="umbra").get("assistants/second/standing/"), 404, "not_found")


def test_favourites(cast, offered):
    member, reader = Caller(cast.member), Caller(cast.member, "read")
    address = member.address("assistants/second/favourite/")
    for _ in range(2):
        assert member.client.put(address, headers=member.headers).status_code == 204
    assert handles(member.get("favourites/")) == ["second"]
    assert handles(member.get("gallery/", favourites="1")) == ["second"]
    assert handles(Caller(cast.admin).get("favourites/")) == []
    problem(reader.client.put(address, headers=reader.headers), 403, "scope_missing")
    lifecycle.unpublish(offered["second"], cast.builder.user)
    assert handles(member.get("favourites/")) == []
    problem(member.delete("assistants/second/favourite/"), 404, "not_found")
    lifecycle.publish(offered["second"], cast.builder.user)
    assert member.delete("assistants/second/favourite/").status_code == 204
    assert handles(member.get("favourites/")) == []
