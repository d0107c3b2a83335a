"""Building an assistant: the form, its states, the trial's checks, and the page of the one that was built."""

from __future__ import annotations

import json
import re

import pytest
from django.urls import reverse

from assistants import lifecycle
from assistants.models import Assistant
from assistants.pictures import keep_picture
from tests import factories
from tests.assistants.pictured import a_picture


@pytest.fixture(autouse=True)
def _signed_in(client, cast):
    client.force_login(cast.builder.user)


@pytest.fixture
def source(cast):
    made = factories.source(cast.workspace, name="Handbook")
    factories.node(made, "leave", title="Leave")
    return made


def filled(source=None, **more: object) -> dict[str, object]:
    entry = {"data_source": str(source.pk), "parents_in": None, "parents_not_in": []} if source else None
    return {
        "name": "Leave policy",
        "handle": "leave-policy",
        "emoji": "🌴",
        "colour": "green",
        "stage": "beta",
        "searches": "chosen" if source else "all",
        "knowledge": json.dumps([entry] if entry else []),
        "starters": "How many days?\nWho approves?",
        **more,
    }


def build(client, **fields: object):
    return client.post(reverse("assistant_new", args=["acme"]), fields)


def made() -> Assistant:
    return Assistant.objects.get(handle="leave-policy")


def edit(client, **fields: object):
    return client.post(reverse("assistant_edit", args=["acme", "leave-policy"]), fields, follow=True)


def test_saving_makes_a_personal_assistant(client, cast, source):
    response = build(client, **filled(source))

    assistant = made()
    assert response.url == reverse("assistant_edit", args=["acme", "leave-policy"])
    assert assistant.scope == "personal"
    assert list(assistant.owners.all()) == [cast.builder.user]
    assert assistant.latest.starters == ["How many days?", "Who approves?"]
    assert assistant.latest.knowledge == [{"data_source": str(source.pk), "parents_in": None, "parents_not_in": []}]
    html = client.get(response.url).content.decode()
    assert "Saved: only its owners see it" in html
    assert 'value="publish"' in html


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "Give it a name."),
        ("handle", "Leave Policy!", "3 to 40 small letters"),
        ("handle", "new", "word of the product"),
        ("starters", "\n".join("abcdefg"), "These are 7 questions"),
        ("searches", "chosen", "Choose what it reads in the tree"),
        ("temperature", "3", "less than or equal to 2"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(client, field, value, words):
    response = build(client, **filled(None, **{field: value}))
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not Assistant.objects.exists()


def test_all_that_is_wrong_is_said_at_once(client, cast, source):
    """What the form finds by itself, what the rules of versions find, and that somebody else saved meanwhile."""
    wrong = {
        "name": "",
        "handle": "new",
        "starters": "\n".join("abcdefg"),
        "searches": "chosen",
        "knowledge": "[]",
        "instructions": "Greet {{nobody.knows}}.",
        "tags": ", ".join("x" * 41 for _ in range(2)),
        "time": "last",
        "last_days": "",
    }
    words = (
        "Give it a name.",
        "word of the product",
        "These are 7 questions",
        "Choose what it reads in the tree",
        "Nothing can be put in for {{nobody.knows}}",
        "each of at most 40 characters",
        "Say how many days",
    )
    html = build(client, **filled(None, **wrong)).content.decode()
    assert [word for word in words if word not in html] == []
    build(client, **filled(source))
    lifecycle.save_version(made(), cast.builder.user, name="Leave")
    html = edit(client, **filled(None, **wrong, based_on="1")).content.decode()
    assert [word for word in (*words, "saved version 2 while you were at it") if word not in html] == []
    assert made().latest.number == 2


def test_a_form_that_comes_back_keeps_what_was_ticked(client, source):
    html = build(client, **filled(source, name="")).content.decode()
    assert f"{source.pk}" in html[html.index("data-picker-value") - 400 : html.index("data-picker-value")]


def test_a_handle_is_checked_as_it_is_typed(client, source):
    build(client, **filled(source))
    url = reverse("assistant_handle", args=["acme"])
    assert client.get(url, {"handle": "leave-policy"}).json() == {
        "free": False,
        "words": "@leave-policy is taken. Choose another handle, such as @leave-policy-2.",
    }
    assert client.get(url, {"handle": "@Travel"}).json() == {"free": True, "words": "@travel is free."}
    assert client.get(url, {"handle": "leave-policy", "assistant": "leave-policy"}).json()["free"]


def test_knowledge_that_one_may_not_see_cannot_be_chosen(client, cast):
    hidden = factories.source(cast.workspace, grant_to=factories.space(cast.workspace, cast.admin))
    response = build(client, **filled(hidden))
    assert response.status_code == 422
    assert "not for you" in response.content.decode()


def test_publishing_vetting_and_review_show_in_the_bar(client, cast, source):
    build(client, **filled(source))

    published = edit(client, **filled(source, do="publish")).content.decode()
    assert "Published: whoever may read all that it needs can ask it" in published
    client.force_login(cast.admin.user)
    assert "Vetted: offered to everyone" in edit(client, **filled(source, do="vet")).content.decode()
    client.force_login(cast.builder.user)
    draft = edit(client, **filled(source, do="save", name="Leave")).content.decode()
    assert "Draft: people still get the vetted version" in draft
    assert made().live.name == "Leave policy"


def test_a_member_cannot_vet(client, cast, source):
    build(client, **filled(source))
    edit(client, **filled(source, do="publish"))
    html = edit(client, **filled(source, do="vet")).content.decode()
    assert "you need to be an admin" in html
    assert made().scope == "published"


def test_unpublishing_and_archiving_do_not_need_a_valid_form(client, source):
    build(client, **filled(source))
    edit(client, **filled(source, do="publish"))
    edit(client, do="unpublish", name="")
    assert made().scope == "personal"
    edit(client, do="archive")
    assert made().archived


def test_a_new_handle_and_stage_are_kept(client, source):
    build(client, **filled(source))
    edit(client, **filled(source, handle="holidays", stage="stable"))
    assistant = Assistant.objects.get()
    assert (assistant.handle, assistant.stage) == ("holidays", "stable")


def test_what_is_refused_of_a_form_saves_none_of_it(client, cast, source):
    build(client, **filled(source))
    edit(client, **filled(source, do="publish"))
    lifecycle.vet(made(), cast.admin.user)
    html = edit(client, **filled(source, name="Holidays", stage="stable", handle="holidays")).content.decode()
    assert "To change the handle of @leave-policy, which is vetted, you need to be an admin." in html
    assert (made().stage, made().latest.number) == ("beta", 1)
    assert "readonly" in html[html.index('name="handle"') :][:300]
    assert "It is vetted: an admin can change its handle." in html
    edit(client, **filled(source, name="Holidays", stage="stable"))
    assert (made().stage, made().live.number, made().latest.number) == ("stable", 1, 2)


def test_a_colour_that_nobody_chose_is_no_change_until_another_is_chosen(client, cast, source):
    knowledge = [{"data_source": str(source.pk), "parents_in": None, "parents_not_in": []}]
    lifecycle.create_assistant(
        workspace=cast.workspace, by=cast.builder.user, handle="leave-policy", name="Leave policy", knowledge=knowledge
    )
    page = client.get(reverse("assistant_edit", args=["acme", "leave-policy"])).content.decode()
    assert re.search(r'name="colour" value="teal" checked', page)

    edit(client, **filled(source, colour="teal"))
    assert made().latest.colour == ""
    edit(client, **filled(source, colour="pink"))
    edit(client, **filled(source, colour="teal"))
    assert made().latest.colour == "teal"


def test_an_old_version_can_be_brought_back(client, source):
    build(client, **filled(source))
    first = made().latest
    edit(client, **filled(source, name="Other name"))
    edit(client, do="roll_back", version=str(first.pk))
    assert made().latest.name == "Leave policy"
    assert made().latest.number == 3


def test_only_owners_and_admins_come_to_the_builder(client, cast, source):
    build(client, **filled(source))
    url = reverse("assistant_edit", args=["acme", "leave-policy"])
    client.force_login(cast.member.user)
    assert client.get(url).status_code == 404
    assert client.post(url, filled(source, do="publish")).status_code == 404
    client.force_login(cast.admin.user)
    assert client.get(url).status_code == 404  # personal: nobody's business
    client.force_login(cast.builder.user)
    edit(client, **filled(source, do="publish"))
    client.force_login(cast.admin.user)
    assert client.get(url).status_code == 200


def test_the_page_of_an_assistant_shows_instructions_to_its_owners_alone(client, cast, source):
    build(client, **filled(source, instructions="Be kind."))
    edit(client, **filled(source, instructions="Be kind.", do="publish"))
    url = reverse("assistant", args=["acme", "leave-policy"])
    assert "Be kind." in client.get(url).content.decode()

    client.force_login(cast.member.user)
    html = client.get(url).content.decode()

    assert "Be kind." not in html
    assert "How many days?" in html
    assert "Handbook" in html


def test_who_may_read_only_part_is_told(client, cast, source):
    folder = source.nodes.get()
    hidden = factories.source(
        cast.workspace, name="Board papers", grant_to=factories.space(cast.workspace, cast.builder)
    )
    assistant = lifecycle.create_assistant(
        workspace=cast.workspace,
        by=cast.builder.user,
        handle="both",
        name="Both",
        knowledge=[
            {"data_source": str(source.pk), "parents_in": [str(folder.pk)], "parents_not_in": []},
            {"data_source": str(hidden.pk), "parents_in": None, "parents_not_in": []},
        ],
    )
    lifecycle.publish(assistant, cast.builder.user)
    lifecycle.vet(assistant, cast.admin.user)
    client.force_login(cast.member.user)

    html = client.get(reverse("assistant", args=["acme", "both"])).content.decode()

    assert "1 source that you may not read" in html
    assert "Board papers" not in html


def test_naming_an_assistant_offers_those_that_one_may_ask(client, cast, source):
    build(client, **filled(source))
    url = reverse("assistant_suggest", args=["acme"])
    (row,) = client.get(url, {"q": "lea"}).json()["results"]
    assert (row["handle"], row["picture"]) == ("leave-policy", "")
    picture = keep_picture(cast.builder, a_picture())
    lifecycle.save_version(Assistant.objects.get(handle="leave-policy"), cast.builder.user, picture=picture)
    (row,) = client.get(url, {"q": "lea"}).json()["results"]
    assert row["picture"] == reverse("picture", args=["acme", picture.pk])
    client.force_login(cast.member.user)
    assert client.get(url, {"q": "lea"}).json()["results"] == []


@pytest.mark.django_db(transaction=True)
async def test_a_trial_says_what_is_wrong_with_the_form(async_client, cast):
    await async_client.aforce_login(cast.builder.user)
    response = await async_client.post(
        reverse("assistant_try", args=["acme"]), {**filled(None, temperature="9"), "content": "Hello"}
    )
    assert response.status_code == 400
    assert "Temperature" in response.content.decode()


def test_the_spaces_that_knowledge_needs_are_told_as_it_is_ticked(client, cast, source):
    leadership = factories.space(cast.workspace, cast.builder, name="Leadership")
    board = factories.source(cast.workspace, grant_to=leadership)
    theirs = factories.source(cast.workspace, grant_to=factories.space(cast.workspace, cast.admin, name="Takeover"))
    url = reverse("assistant_needs", args=["acme"])
    assert "Leadership" in client.post(url, filled(board)).content.decode()
    assert "have to be in" not in client.post(url, filled(source)).content.decode()
    assert "Leadership" not in client.post(url, filled(board, retrieval="none")).content.decode()
    assert "Takeover" not in client.post(url, filled(theirs)).content.decode()
    build(client, **filled(board))
    assert "Leadership" in client.get(reverse("assistant_edit", args=["acme", "leave-policy"])).content.decode()


def test_every_field_of_a_version_comes_back_into_the_form(client, source):
    fields = {"retrieval": "newest", "tags": "HR, travel", "shows_instructions": "on", "note": "First"}
    build(client, **filled(source, **fields))
    version = made().latest
    assert (version.retrieval, version.tags, version.note) == ("newest", ["hr", "travel"], "First")
    assert made().shows_instructions
    html = client.get(reverse("assistant_edit", args=["acme", "leave-policy"])).content.decode()
    assert 'value="newest" id="id_retrieval_1" checked' in html.replace(" required", "")
    assert 'value="hr, travel"' in html
    before = made().versions.count()
    edit(client, **filled(source, **{**fields, "tags": "hr, travel", "note": "Nothing changed"}))
    assert made().versions.count() == before
    edit(client, **filled(source, retrieval="none"))
    assert (made().latest.knowledge, made().latest.retrieval) == ([], "none")
