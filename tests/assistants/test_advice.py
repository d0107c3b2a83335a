"""Advice while building: what is said beside which field, to whom, and what is not said."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse
from django.utils import timezone

from assistants import advice, lifecycle
from assistants.advice import Draft, advise
from assistants.likeness.describing import describe
from assistants.models import Citation, Conversation, Message, UseDay
from assistants.where_cited import gathered, where_cited
from datasources import reading
from datasources.models import Node
from datasources.reading import branch_of
from datasources.retrieval.edge_client import EdgeIndex
from datasources.retrieval.types import Branch
from portal.credentials import create_credential
from portal.models import ModelOffer
from tests import factories
from tests.assistants.asking import assistant
from tests.callers import Caller
from tests.embedders import WordsEmbedder

WHOLE = Draft("Leave", "On leave.", "You answer.", ("How many days?",))


@pytest.fixture
def alone(monkeypatch):
    """No other assistant is like it."""
    monkeypatch.setattr(advice, "similar_blocking", lambda *_: [])


def codes(membership, draft, made=None) -> list[str]:
    return [one.code for one in advise(membership, draft, made)]


@pytest.mark.parametrize(
    ("draft", "said"),
    [
        (Draft(), []),
        (Draft(name="Leave"), []),
        (Draft("Leave", "On leave."), ["no_instructions", "no_starters"]),
        (Draft("Leave", "", "You answer."), ["no_description", "no_starters"]),
        (WHOLE, []),
        (Draft("Leave", "On leave.", "x" * (advice.LONG + 1), ("How?",)), ["long_instructions"]),
    ],
)
def test_what_is_missing_is_said_once_there_is_something(cast, alone, draft, said):
    assert codes(cast.builder, draft) == said


def test_knowledge_that_is_too_wide_is_counted_as_far_as_its_editor_reads(cast, alone, monkeypatch):
    monkeypatch.setattr(advice, "WIDE", 2)
    source = factories.source(cast.workspace)
    folder = factories.node(source, "leave")
    for number in range(3):
        factories.node(source, f"leave/{number}.md", parent=folder, text="Days.")
    factories.node(source, "other.md", text="Other.")
    secret = factories.source(cast.workspace, grant_to=factories.space(cast.workspace, cast.admin))
    factories.node(secret, "board.md", text="Secret.")

    def said(membership, *branches, everything=False):
        draft = Draft("Leave", "On leave.", "You answer.", ("How?",), None if everything else branches)
        return [one.words for one in advise(membership, draft)]

    assert said(cast.builder, Branch(source.pk)) == ["It searches 4 pages; narrower answers better."]
    assert said(cast.builder, Branch(source.pk, (folder.pk,))) == ["It searches 3 pages; narrower answers better."]
    assert said(cast.builder, Branch(source.pk, None, (folder.pk,))) == []
    assert said(cast.builder, Branch(secret.pk)) == []
    assert said(cast.builder, everything=True)[0].startswith("It searches 4 ")
    assert said(cast.admin, everything=True)[0].startswith("It searches 5 ")
    Node.objects.filter(external_id="leave/0.md").update(gone="agreed")
    assert said(cast.builder, Branch(source.pk)) == ["It searches 3 pages; narrower answers better."]
    Node.objects.update(gone="")
    monkeypatch.setattr(advice, "COUNTED", 3)
    assert said(cast.builder, everything=True)[0].startswith("It searches more than 3 ")


def test_branches_are_gathered_below_what_was_chosen_and_deeper_where_one_holds_all():
    top, a, b, c = "top", "a", "b", "c"
    chains = {"1": ("1", a, top), "2": ("2", b, top), "3": ("3", c, top)}
    times = {"1": 5, "2": 4, "3": 3, "4": 1}
    assert gathered(chains, times, set()) == [(a, 5), (b, 4), (c, 3)], "top holds all of them"
    assert gathered(chains | {"4": ("4", "x")}, times, set()) == [(top, 12), ("x", 1)]
    assert gathered({"1": ("1", a, top), "2": ("2", a, top)}, times, {a}) == [("1", 5), ("2", 4)]
    assert gathered({"1": ("1", a, top), "2": ("2", a, top)}, times, {top}) == [(a, 9)], "pages are no branches"
    assert gathered({"1": ("1", a, top), "2": ("2", b, top)}, times, {top}) == [(a, 5), (b, 4)]
    assert gathered({"4": ("4", "x")}, times, set()) == [("x", 1)]
    assert gathered({}, {}, set()) == []


def test_where_answers_were_found_is_an_aggregate_of_what_its_editor_reads(cast):
    source = factories.source(cast.workspace)
    leave, travel = factories.node(source, "leave"), factories.node(source, "travel")
    sick = factories.node(source, "leave/sick.md", parent=leave, text="Thirty days.")
    rail = factories.node(source, "travel/rail.md", parent=travel, text="Second class.")
    board = factories.source(cast.workspace, grant_to=factories.space(cast.workspace, cast.admin))
    layoffs = factories.node(board, "layoffs.md", text="Forty people.")
    made = assistant(cast.builder)

    def answered(person, *nodes, via="portal"):
        conversation = Conversation.objects.create(workspace=cast.workspace, owner=person.user)
        answer = Message.objects.create(
            conversation=conversation, role="assistant", author=person.user, assistant=made, via=via
        )
        for n, node in enumerate(nodes, 1):
            Citation.objects.create(
                message=answer, n=n, cited=True, source=node.source_id, node=node.pk, start=0, end=5, content_hash="h"
            )

    def shown(membership):
        found = where_cited(membership, made, (Branch(source.pk),))
        assert sorted(found, key=lambda one: -one.times) == list(found)
        return {one.path: one.times for one in found}

    answered(cast.builder, sick, rail)
    assert shown(cast.builder) == {"leave": 1, "travel": 1}, "of oneself one may know"
    assert shown(cast.admin) == {}
    answered(cast.member, sick, layoffs)
    assert shown(cast.builder) == {}, "two people are too few"
    answered(cast.admin, sick, layoffs)
    answered(factories.member(cast.workspace), rail, rail.parent, via="api")
    assert shown(cast.builder) == {"leave": 3, "travel": 1}
    assert shown(cast.admin)["layoffs.md"] == 2


def test_a_model_that_is_not_offered_any_more(cast, alone):
    credential = create_credential(
        workspace=cast.workspace, by=None, kind="openai_compatible", base_url="http://localhost:11434/v1"
    )

    def said(model):
        draft = Draft(**{**{f: getattr(WHOLE, f) for f in ("name", "description", "instructions", "starters")}},
                      credential=credential.pk, model=model)  # fmt: skip
        return [one.words for one in advise(cast.member, draft)]

    assert said("small") == [], "it lists nothing, so that nobody can tell"
    credential.offered = [{"name": "small", "kind": "chat"}, {"name": "large", "kind": "chat"}]
    credential.save()
    ModelOffer.objects.create(workspace=cast.workspace, credential=credential, model="large", least="admin")
    assert said("small") == []
    assert said("large") == ["large is not offered to you. Choose another model, or leave it to the workspace."]
    assert said("old") == ["old is not offered any more. Choose another model, or leave it to the workspace."]


@pytest.mark.django_db(transaction=True)
def test_one_that_does_the_same_is_named_with_its_people_in_page_and_api(cast, client, monkeypatch, tmp_path):
    embedder, index = WordsEmbedder(), EdgeIndex(tmp_path / "vectors")
    monkeypatch.setattr(reading, "embedder_for", lambda workspace: embedder)
    monkeypatch.setattr(reading, "_index", index)
    text = {"name": "Leave desk", "description": "Holidays, sick leave and parental leave of employees."}
    there = assistant(cast.admin, "hr-leave", **text)
    lifecycle.publish(there, cast.admin.user)
    own = assistant(cast.builder, "my-leave", instructions="You answer.", starters=["How many?"], **text)
    describe(cast.workspace, [there.pk, own.pk])
    for person in (cast.admin, cast.member, cast.builder):
        for day in (timezone.localdate(), timezone.localdate() - timezone.timedelta(days=3)):
            UseDay.objects.create(workspace=cast.workspace, assistant=there, user=person.user, day=day)

    client.force_login(cast.builder.user)
    form = {**text, "instructions": "", "knowledge": json.dumps([]), "searches": "chosen", "model": ""}
    html = client.post(reverse("assistant_advice", args=["acme"]), {**form, "assistant": "my-leave"}).content.decode()
    assert "@hr-leave</a>, used by 3 people" in html
    assert "@my-leave" not in html
    assert "It has no instructions" in html
    assert html.count("hx-swap-oob") == 5
    UseDay.objects.filter(user=cast.member.user).delete()
    html = client.post(reverse("assistant_advice", args=["acme"]), {**form, "assistant": "my-leave"}).content.decode()
    assert "@hr-leave</a>. Perhaps" in html, "of two people nothing is told"
    UseDay.objects.create(workspace=cast.workspace, assistant=there, user=cast.member.user, day=timezone.localdate())

    results = Caller(cast.builder).get("assistants/my-leave/advice/").json()["results"]
    assert [(row["code"], row["alike"]) for row in results] == [("similar", [{"handle": "hr-leave", "people": 3}])]
    unsaved = {"instructions": "", "assistant": "my-leave"}
    codes = [row["code"] for row in Caller(cast.builder).post("assistant-advice/", unsaved).json()["results"]]
    assert codes == ["no_instructions", "similar"]
    found = (
        Caller(cast.member).post("assistant-advice/", {**text, "knowledge": [], "retrieval": "none"}).json()["results"]
    )
    assert [row["code"] for row in found] == ["no_instructions", "no_starters", "similar"]
    assert Caller(cast.member).post("assistant-advice/", {"assistant": "hr-leave"}).status_code == 403
    assert Caller(cast.member, "read").post("assistant-advice/", {}).status_code == 403
    assert Caller(cast.member).get("assistants/hr-leave/advice/").status_code == 403
    assert Caller(cast.member).get("assistants/my-leave/advice/").status_code == 404
    index.close()


def test_advice_reads_a_version_as_it_stands(cast):
    source = factories.source(cast.workspace)
    entry = {"data_source": str(source.pk), "parents_in": None, "parents_not_in": []}
    made = assistant(cast.builder, knowledge=[entry], starters=["How?"])
    assert Draft.of(made.latest).branches == (branch_of(entry),)
    assert Draft.of(assistant(cast.builder, "reads-all").latest).branches is None
