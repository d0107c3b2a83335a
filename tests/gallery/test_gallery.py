"""The gallery: what stands in it, in which order, and how it is searched."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from assistants import lifecycle
from assistants.models import Assistant
from gallery.listing import found
from portal.models import Membership
from tests import factories


def offer(by: Membership, handle: str, *, vetted_by: Membership | None = None, **fields: object) -> Assistant:
    assistant = lifecycle.create_assistant(workspace=by.workspace, by=by.user, handle=handle, **fields)
    lifecycle.publish(assistant, by.user)
    if vetted_by:
        lifecycle.vet(assistant, vetted_by.user)
    return assistant


@pytest.fixture
def shown(client, cast):
    client.force_login(cast.member.user)

    def shown(**query: str) -> str:
        return client.get(reverse("assistants", args=["acme"]), query).content.decode()

    return shown


def test_vetted_ones_come_first_then_the_newest(cast):
    offer(cast.builder, "vetted", vetted_by=cast.admin)
    offer(cast.builder, "older")
    offer(cast.builder, "newer")
    assert [a.handle for a in found(cast.member)] == ["vetted", "newer", "older"]


def test_personal_ones_are_their_owners_alone(cast, shown):
    lifecycle.create_assistant(workspace=cast.workspace, by=cast.builder.user, handle="secret-draft", name="Draft")
    lifecycle.create_assistant(workspace=cast.workspace, by=cast.member.user, handle="my-own", name="My own")
    html = shown()
    assert "secret-draft" not in html
    assert "my-own" in html
    assert [a.handle for a in found(cast.outsider)] == []


def test_the_search_takes_words_of_the_task(cast, shown):
    offer(cast.builder, "leave-policy", name="Leave", description="Answers questions on holidays")
    offer(cast.builder, "travel", name="Travel", starters=["What does a hotel cost?"])
    assert "@leave-policy" in shown(q="holidays")
    assert "@travel" not in shown(q="holidays")
    assert "@travel" in shown(q="hotel cost")
    assert "No assistant fits “zebra”" in shown(q="zebra")


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


def test_an_empty_gallery_shows_the_next_step(shown):
    html = shown()
    assert "There are no assistants yet." in html
    assert reverse("assistant_new", args=["acme"]) in html
    assert "No assistant is vetted yet." in shown(show="vetted")
    assert "You have not made an assistant yet." in shown(show="mine")


def test_the_number_of_queries_does_not_depend_on_how_many_there_are(cast, shown):
    source = factories.source(cast.workspace)
    knowledge = [{"data_source": str(source.pk), "parents_in": None, "parents_not_in": []}]

    def counted(names: str) -> int:
        for name in names:
            offer(cast.builder, f"assistant-{name}", knowledge=knowledge)
        with CaptureQueriesContext(connection) as queries:
            shown()
        return len(queries)

    shown()  # the first page of a session does more
    assert counted("a") == counted("bcdefg")
