"""Assistants as YAML files: out and back changes nothing; a file that is none, or that is malice, is refused in words."""

from __future__ import annotations

import io

import pytest
import yaml
from django.core.exceptions import ValidationError
from django.urls import reverse

from assistants import lifecycle
from assistants.drafts import FIELDS, free_handle
from assistants.exporting import to_yaml
from assistants.importing import MOST_BYTES, from_yaml
from assistants.models import Assistant
from assistants.pictures import keep_picture
from portal.models import Credential
from tests import factories
from tests.assistants.pictured import a_picture
from tests.callers import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def source(cast):
    made = factories.source(cast.workspace, name="Handbook")
    leave = factories.node(made, "leave", title="Leave")
    factories.node(made, "leave/sick", parent=leave, title="Sick")
    return made


@pytest.fixture
def full(cast, source):
    """One that has something in every field."""
    leave, sick = source.nodes.order_by("depth")
    credential = Credential.objects.create(
        workspace=cast.workspace, kind="openai", name="OpenAI", offered=[{"name": "gpt-5", "label": "", "kind": "chat"}]
    )
    return lifecycle.create_assistant(
        workspace=cast.workspace,
        by=cast.builder.user,
        handle="leave-policy",
        stage="stable",
        name="Leave: “policy”",
        description="- not a list # nor a comment",
        emoji="🌴",
        colour="green",
        instructions="Be kind.\n\n  - indented\ttab\n#: no comment\n{{reader.name}}: ok\u2028\u0085 odd breaks \n",
        credential=credential,
        model="gpt-5",
        temperature=0.25,
        knowledge=[
            {"data_source": str(source.pk), "parents_in": [str(leave.pk)], "parents_not_in": [str(sick.pk)]},
        ],
        tags_all=["policy"],
        tags_none=["yes", "2024"],
        since="2026-01-01T00:00:00+02:00",
        queries_tables=False,
        starters=["How many days?", "null"],
        retrieval="newest",
        tags=["hr"],
        picture=keep_picture(cast.builder, a_picture()),
    )


def fields_of(version) -> dict[str, object]:
    return {name: getattr(version, name) for name in FIELDS}


def test_out_and_back_changes_nothing(cast, full):
    text = to_yaml(cast.builder, full, full.latest)
    draft = from_yaml(cast.builder, text)
    assert draft.fields == fields_of(full.latest)
    assert (draft.stage, draft.handle) == ("stable", "leave-policy-2")
    assert draft.notes == (
        "@leave-policy is taken here, so this one is called @leave-policy-2. Nothing is overwritten.",
    )


@pytest.mark.parametrize("knowledge", [None, []])
def test_everything_and_nothing_come_back_as_such(cast, knowledge):
    made = lifecycle.create_assistant(
        workspace=cast.workspace, by=cast.builder.user, handle="plain", knowledge=knowledge
    )
    assert from_yaml(cast.builder, to_yaml(cast.builder, made, made.latest)).fields == fields_of(made.latest)


def test_another_place_matches_by_names_and_paths_and_tells_what_it_has_not(cast, full):
    text = to_yaml(cast.builder, full, full.latest)
    there = factories.source(cast.elsewhere, name="Handbook")
    leave = factories.node(there, "elsewhere/leave", title="Leave")
    draft = from_yaml(cast.outsider, text)
    assert draft.fields["knowledge"] == [
        {"data_source": str(there.pk), "parents_in": [str(leave.pk)], "parents_not_in": []}
    ]
    assert draft.handle == "leave-policy"
    assert draft.fields["model"] == ""
    told = " ".join(draft.notes)
    assert "gpt-5 is not offered here" in told
    assert "picture is not in this workspace" in told
    assert "“Leave / Sick” is not there, or not for you" in told


def test_a_file_names_and_brings_nothing_that_its_reader_may_not_read(cast, source, full):
    board = factories.source(
        cast.workspace, name="Board papers", grant_to=factories.space(cast.workspace, cast.builder)
    )
    entry = {"data_source": str(board.pk), "parents_in": None, "parents_not_in": []}
    lifecycle.save_version(full, cast.builder.user, knowledge=[*full.latest.knowledge, entry])
    full.refresh_from_db()
    text = to_yaml(cast.member, full, full.latest)
    assert "Board papers" not in text
    assert "Be kind" not in text
    draft = from_yaml(cast.member, to_yaml(cast.builder, full, full.latest))
    assert [row["data_source"] for row in draft.fields["knowledge"]] == [str(source.pk)]
    assert "There is no source “Board papers” that you may read" in " ".join(draft.notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x [1]\nb: *x", "Line 1: Anchors and aliases"),
        ("name: *x", "Anchors and aliases"),
        ("name: !!python/object/apply:os.system ['true']", "Tags"),
        ("name: !!str x", "Tags"),
        ("name: a\nname: b", "A key stands there twice"),
        ("<<: {name: a}", "A key stands there twice"),
        ("[" * 2000 + "]" * 2000, "nested too deeply"),
        ("- a\n- b", "not an assistant"),
        ("just text", "not an assistant"),
        ("name: [", "while parsing|expected"),
        ("format: other/9\nname: x", "Its format is other/9"),
        ("name: x\ninstructions: [1]", "is not a text"),
        ("name: x\nretrieval: guess", "one of search"),
        ("name: x\nknowledge: 5", "a list of at most"),
        ("name: x\nstarters: what", "list of texts"),
        ("name: x\ninstructions: '{{nothing}}'", "Nothing can be put in"),
        ("name: " + "1" * 5000, "not a text|cannot be read|can be read"),
        ("x" * (MOST_BYTES + 1), "at most 256 KB"),
        ("name: \x00", "can be read|special characters"),
    ],
)
def test_what_is_no_assistant_is_refused_in_words(cast, text, words):
    with pytest.raises(ValidationError, match=words):
        from_yaml(cast.member, text)


def test_all_that_is_wrong_with_a_file_is_told_at_once(cast, client):
    text = "name: Helper\ninstructions: [1]\nsince: [1]\nmodel: [1]\nknowledge: some\nstarters: many\ntemperature: hot"
    with pytest.raises(ValidationError) as error:
        from_yaml(cast.member, text)
    wrong = {"instructions", "since", "model", "knowledge", "starters", "temperature"}
    assert set(error.value.message_dict) == wrong
    client.force_login(cast.member.user)
    address = reverse("assistant_import", args=["acme"])
    html = client.post(address, {"yaml": text}).content.decode()
    assert [name for name in wrong if f"<p>{name}: " not in html] == []
    assert client.get(address).url == reverse("assistant_start", args=["acme"])


def test_what_no_assistant_has_is_left_out_and_told(cast):
    draft = from_yaml(cast.member, "name: Helper\nowner: me\nshows_instructions: yes please\nstage: golden")
    assert draft.notes == (
        "Left out, as no assistant has it: owner.",
        "“golden” is no stage (alpha, beta, stable): it is a beta.",
    )
    assert (draft.handle, draft.stage, draft.shows_instructions) == ("helper", "beta", False)


@pytest.mark.parametrize(
    ("wanted", "free"),
    [
        ("Leave Policy", "leave-policy"),
        ("helper", "helper-2"),
        ("new", "new-2"),
        ("Über uns!", "uber-uns"),
        ("42", "assistant-1"),
        ("x" * 60, "x" * 40),
    ],
)
def test_the_nearest_free_handle(cast, wanted, free):
    lifecycle.create_assistant(workspace=cast.workspace, by=cast.member.user, handle="helper")
    assert free_handle(cast.workspace, wanted) == free


def test_a_file_fills_the_form_and_saves_nothing(client, cast, full):
    client.force_login(cast.builder.user)
    exported = client.get(reverse("assistant_export", args=["acme", "leave-policy"]))
    assert exported["Content-Disposition"] == 'attachment; filename="leave-policy-v1.yaml"'
    assert yaml.safe_load(exported.content)["handle"] == "leave-policy"
    url = reverse("assistant_import", args=["acme"])
    html = client.post(url, {"file": io.BytesIO(exported.content)}).content.decode()
    assert 'value="leave-policy-2"' in html
    assert "Nothing is overwritten" in html
    assert "Be kind." in html
    assert f'action="{reverse("assistant_new", args=["acme"])}"' in html
    assert Assistant.objects.count() == 1
    refused = client.post(url, {"yaml": "name: *x"})
    assert refused.status_code == 422
    assert "Anchors and aliases" in refused.content.decode()
    client.force_login(cast.member.user)
    assert client.get(reverse("assistant_export", args=["acme", "leave-policy"])).status_code == 404


def test_files_over_the_api(cast, full):
    mine = Caller(cast.builder)
    exported = mine.get("assistants/leave-policy/export/")
    assert exported["Content-Type"].startswith("application/yaml")
    text = exported.content.decode()
    checked = mine.post("assistants/import/", {"yaml": text, "check": True})
    assert (checked.status_code, checked.json()["assistant"]) == (200, None)
    assert Assistant.objects.count() == 1
    made = mine.post("assistants/import/", {"yaml": text, "handle": "leave-too"})
    assert made.status_code == 201
    assert made.json()["assistant"]["scope"] == "personal"
    assert fields_of(Assistant.objects.get(handle="leave-too").latest) == fields_of(full.latest)
    again = mine.post("assistants/import/", {"yaml": text, "handle": "leave-too"})
    assert (again.status_code, Assistant.objects.count()) == (400, 2)
    assert "taken" in str(again.json())
    assert mine.post("assistants/import/", {"yaml": "name: *x"}).status_code == 400
