"""What was ticked is named with what is above it: many places have parts of the same name."""

import json

import pytest
from django.urls import reverse

from datasources import choosing, connecting, offering
from datasources.connectors.base import Chosen
from datasources.models import Grant, node_id
from portal.models import Space
from tests import factories
from tests.datasources.places import TOKEN, page, wiki  # noqa: F401

pytestmark = pytest.mark.django_db


def url(name, *args):
    return reverse(name, args=["acme", *args])


@pytest.fixture
def draft(cast, client, wiki):  # noqa: F811
    """``hr/leave`` was ticked in a tree that was opened that far, and ``it/vpn`` was found by its name."""
    client.force_login(cast.admin.user)
    entered = connecting.read_entered("wiki", config={}, auth="token", fields={"token": TOKEN})
    draft = connecting.save_draft(workspace=cast.workspace, by=cast.admin.user, kind="wiki", entered=entered)
    for parent in ("", "hr"):
        offering.read_level(offering.ask(draft, parent))
    offering.find_there(draft, "vpn")
    return choosing.choose(draft, [Chosen("hr/leave"), Chosen("it/vpn", future=False)], by=cast.admin.user)


def test_the_way_there_is_told_wherever_the_choice_is_shown(client, draft):
    leave = str(node_id(draft.pk, "hr/leave"))
    finish = client.get(url("data_finish", draft.pk)).content.decode()
    assert finish.count("People / Leave") == 2  # what it brings, and what of it a space may see
    assert finish.count("Machines / VPN") == 2
    picker = choosing.remote_picker(draft, None, name="choice")
    assert json.loads(picker.paths)[leave] == "People / Leave"


def test_what_came_in_is_told_by_its_path_and_so_is_what_a_space_sees(cast, client, draft):
    people = factories.node(draft, "hr")
    leave = factories.node(draft, "hr/leave", parent=people, text="Words.")
    Grant.objects.create(
        space=Space.objects.get(workspace=cast.workspace, name="Company"),
        source=draft,
        parents_in=[leave.pk, node_id(draft.pk, "it/vpn")],
    )
    assert offering.paths_of(draft, [leave.pk]) == {leave.pk: leave.path}
    shown = client.get(url("data_source_access", draft.pk)).content.decode()
    assert leave.path in shown
    assert "Machines / VPN" in shown


def test_what_leads_to_a_hit_is_shown_above_it_and_is_no_hit(draft, wiki, monkeypatch):  # noqa: F811
    led = [page("ops", "Operations", children=True), page("ops/night", "Night shift", parent="ops")]
    monkeypatch.setattr(wiki, "find", lambda self, text: iter(led))
    (top,) = offering.find_there(draft, "night")
    assert (top.item.title, top.found) == ("Operations", False)
    assert [(row.item.title, row.found) for row in top.below] == [("Night shift", True)]


def test_a_vendor_that_finds_nothing_by_a_name_is_not_said_to_have_nothing_of_it(client, draft):
    asked = f"{url('data_offered', draft.pk)}?q=zeppelin&there=1"
    shown = client.get(asked).content.decode()
    assert "finds nothing more for “zeppelin”" in shown
    assert "in its name" not in shown
