"""Which assistants read a source: on its pages, in the admin and in the API, as far as each may know."""

from __future__ import annotations

import pytest
from django.urls import reverse

from assistants import lifecycle
from assistants.reading_sources import part_of
from datasources.uses import used_by
from tests import factories
from tests.assistants import asking
from tests.callers import Caller


@pytest.fixture
def handbook(cast):
    return factories.source(cast.workspace, name="Handbook")


@pytest.fixture
def readers(cast, handbook):
    """@travel is published, @mine and @theirs are personal, @all searches everything; @other reads another source."""
    whole = [{"data_source": str(handbook.pk), "parents_in": None}]
    elsewhere = [{"data_source": str(factories.source(cast.workspace).pk), "parents_in": None}]
    for membership, handle, knowledge in (
        (cast.builder, "travel", whole),
        (cast.member, "mine", whole),
        (cast.builder, "theirs", whole),
        (cast.builder, "everything", None),
        (cast.builder, "other", elsewhere),
    ):
        made = asking.assistant(membership, handle, name=f"The {handle} one", knowledge=knowledge)
        if handle in ("travel", "everything", "other"):
            lifecycle.publish(made, membership.user)


def told(membership, source) -> tuple[list[str], int | None]:
    found = used_by(membership, [source])[source.pk]
    return [use.handle for use in found.seen], found.personal


def test_each_learns_of_those_that_they_may_see_and_admins_how_many_more(cast, handbook, readers):
    assert told(cast.member, handbook) == (["everything", "mine", "travel"], None)
    assert told(cast.builder, handbook) == (["everything", "theirs", "travel"], None)
    assert told(cast.admin, handbook) == (["everything", "travel"], 2)
    assert told(None, handbook) == (["everything", "travel"], 2)


def test_what_reads_no_more_or_is_archived_is_not_told(cast, handbook, readers):
    from assistants.models import Assistant

    travel = Assistant.objects.get(handle="travel")
    lifecycle.save_version(travel, cast.builder.user, knowledge=[])
    lifecycle.archive(Assistant.objects.get(handle="mine"), cast.member.user)
    assert told(cast.member, handbook) == (["everything"], None)
    assert told(cast.admin, handbook) == (["everything"], 1)


def test_another_workspace_is_told_nothing_of_it(cast, handbook, readers):
    theirs = factories.source(cast.elsewhere)
    assert told(cast.outsider, theirs) == ([], 0)


def test_it_costs_as_many_queries_for_many_sources_and_assistants(cast, handbook, readers, django_assert_num_queries):
    sources = [handbook]
    for number in range(10):
        sources.append(factories.source(cast.workspace))
        knowledge = [{"data_source": str(sources[-1].pk), "parents_in": None}]
        asking.assistant(cast.builder, f"more-{number}", knowledge=knowledge)
    with django_assert_num_queries(2):
        assert used_by(cast.admin, sources)[sources[5].pk].personal == 1
    with django_assert_num_queries(2):
        used_by(cast.member, sources)


def test_the_part_that_it_was_given_is_told_in_words(cast, handbook):
    pay, leave = factories.node(handbook, "pay"), factories.node(handbook, "leave")
    for handle, inside, outside, words in (
        ("one", None, [], "All of it"),
        ("two", None, [pay], "All of it, but for 1"),
        ("three", [leave], [], "1 part of it"),
        ("four", [leave, pay], [], "2 parts of it"),
    ):
        entry = {
            "data_source": str(handbook.pk),
            "parents_in": None if inside is None else [str(node.pk) for node in inside],
            "parents_not_in": [str(node.pk) for node in outside],
        }
        assert part_of(asking.assistant(cast.member, handle, knowledge=[entry]), handbook) == words


def test_its_tab_names_them(client, cast, handbook, readers):
    address = reverse("data_source_used", args=["acme", handbook.pk])
    client.force_login(cast.member.user)
    html = client.get(address).content.decode()
    assert "The travel one" in html
    assert "The mine one" in html
    assert "The theirs one" not in html
    assert "personal assistant" not in html
    assert "@everything" in html

    client.force_login(cast.admin.user)
    html = client.get(address).content.decode()
    assert "2 personal assistants of other people read it" in html
    assert "mine" not in html

    secret = factories.source(cast.workspace, grant_to=factories.space(cast.workspace, cast.builder))
    client.force_login(cast.member.user)
    assert client.get(reverse("data_source_used", args=["acme", secret.pk])).status_code == 404


def test_a_source_that_nothing_reads_says_so(client, cast, handbook):
    client.force_login(cast.member.user)
    html = client.get(reverse("data_source_used", args=["acme", handbook.pk])).content.decode()
    assert "No assistant reads this source yet." in html


def test_who_deletes_a_source_learns_what_will_be_missed(client, cast, handbook, readers):
    client.force_login(cast.admin.user)
    html = " ".join(client.get(reverse("data_source_delete", args=["acme", handbook.pk])).content.decode().split())
    assert "what <strong>3</strong> assistants read there" in html
    assert "@travel</a> and 2 that are somebody's own" in html.replace("&#x27;", "'")
    assert "@mine" not in html

    client.force_login(cast.builder.user)
    html = client.get(reverse("data_source_delete", args=["acme", handbook.pk])).content.decode()
    assert "what <strong>2</strong> assistants read there" in html


def test_the_admin_says_so_before_it_deletes(client, cast, handbook, readers):
    client.force_login(cast.admin.user)
    below = f"/w/acme/govern/datasources/datasource/{handbook.pk}"
    for page in ("delete", "change"):
        html = client.get(f"{below}/{page}/").content.decode()
        assert "1 assistant reads it: @travel." in html
        assert "2 personal assistants read it." in html
        assert "@theirs" not in html


def test_the_api_tells_of_one_source(cast, handbook, readers):
    told = Caller(cast.member).get(f"data-sources/{handbook.pk}/").json()["used_by"]
    assert told["personal"] is None
    assert {"kind": "assistant", "handle": "mine", "name": "The mine one", "everything": False} in told["seen"]
    assert [use["handle"] for use in told["seen"] if use["everything"]] == ["everything"]
    assert Caller(cast.admin).get(f"data-sources/{handbook.pk}/").json()["used_by"]["personal"] == 2
    assert "used_by" not in Caller(cast.admin).get("data-sources/").json()["results"][0]
