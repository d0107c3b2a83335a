"""Offering an assistant as a template: what stays at home, what is asked about, who decides, and packs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from django.core.exceptions import ValidationError

from assistants import lifecycle
from assistants.errors import Refused
from assistants.models import Assistant
from gallery.marketplace import approving, blueprint, checking, installing, offering, packs, shelf
from gallery.marketplace.blueprint import Blueprint
from gallery.models import Template
from portal import plain_yaml
from portal.models import Credential, Membership, Notice
from tests import factories

State = Template.State


@pytest.fixture
def assistant(cast) -> Assistant:
    """An assistant with everything that must stay at home."""
    source = factories.source(cast.workspace, name="Project Nightjar", kind="slack")
    hidden = factories.node(source, "C1", title="takeover-talks")
    key = Credential.objects.create(workspace=cast.workspace, kind="openai", name="Our key")
    return lifecycle.create_assistant(
        workspace=cast.workspace,
        by=cast.builder.user,
        handle="deals",
        name="Deals",
        description="What stands where.",
        instructions="Answer for {{reader.name}}. Be brief.",
        credential=key,
        model="gpt-secret",
        knowledge=[{"data_source": str(source.pk), "parents_in": [str(hidden.pk)], "parents_not_in": []}],
        tags_all=["nightjar"],
        since="2025-01-01T00:00:00Z",
        starters=["What is open?"],
    )


def offered(assistant: Assistant, by: Membership, *, everywhere: bool = False, **changes: object) -> Template:
    draft = offering.drafted(assistant)
    whole = blueprint.read(draft.as_data() | changes)
    findings = [one.id for one in checking.check(by, whole)]
    return offering.offer(assistant, by.user, whole, confirmed=findings, everywhere=everywhere)


def names(membership: Membership) -> list[str]:
    return [row.latest.name for row in shelf.found(membership) if row.latest]


def operator(cast) -> Membership:
    person = factories.user("operator@host.example", is_superuser=True, is_staff=True)
    return Membership(workspace=cast.workspace, user=person)


# ---- What goes along ---------------------------------------------------------------------------------------------


def test_nothing_of_the_company_goes_along(cast, assistant):
    made = offered(assistant, cast.builder)
    pack = packs.export([made])
    version = made.offered
    everything = f"{version.body} {version.slots} {version.name} {pack}"
    source, node = assistant.latest.knowledge[0]["data_source"], assistant.latest.knowledge[0]["parents_in"][0]
    for own in (
        *("Nightjar", "nightjar", "takeover", "gpt-secret", "Our key", source, node, "2025", "builder@acme"),
        *(str(assistant.pk), str(assistant.latest.credential_id), "Bea"),
    ):
        assert own not in everything, own
    (slot,) = version.slots
    assert (slot["kind"], slot["label"]) == ("knowledge", "your Slack channels")


def test_a_name_that_was_edited_away_is_not_in_the_packs_either(cast, assistant):
    lifecycle.save_version(assistant, cast.builder.user, name="Nightjar pricing")
    assistant.refresh_from_db()
    made = offered(assistant, cast.builder, name="Pricing")
    assert made.slug == "pricing"
    approving.approve(made, cast.admin.user)
    assert "nightjar" not in packs.export([made]).lower()


def test_a_name_without_latin_letters_can_be_offered(cast, assistant):
    lifecycle.save_version(assistant, cast.builder.user, name="価格")
    assistant.refresh_from_db()
    assert offered(assistant, cast.builder).slug == "template"


def test_all_that_is_found_is_asked_about_in_however_many_rounds(cast, assistant):
    text = "\n".join(f"Write to p{number}@ourcompany.test." for number in range(checking.MOST + 5))
    draft = replace(offering.drafted(assistant), instructions=text)
    confirmed: list[str] = []
    for left in (checking.MOST + 5, 5):
        with pytest.raises(offering.Unconfirmed, match=f"^{left} things") as refused:
            offering.offer(assistant, cast.builder.user, draft, confirmed=confirmed)
        confirmed += [one.id for one in refused.value.findings]
    assert offering.offer(assistant, cast.builder.user, draft, confirmed=confirmed)


def test_what_slots_were_filled_with_becomes_slots_again(cast, assistant):
    made = offered(
        assistant,
        cast.builder,
        instructions="Help {{team}} with {{what}}, in {{team}}'s words.",
        slots=[{"name": name, "kind": "text", "label": f"Your {name}"} for name in ("team", "what")],
    )
    approving.approve(made, cast.admin.user)
    texts = {"team": "North", "what": "North sea routes"}
    mine = installing.install(made, workspace=cast.workspace, by=cast.member.user, texts=texts)
    assert mine.latest.instructions == "Help North with North sea routes, in North's words."
    again = offering.drafted(mine)
    assert again.instructions == "Help {{team}} with {{what}}, in {{team}}'s words."
    assert [slot.name for slot in again.slots] == ["team", "what"]


LEAKS = [
    ("person", "Ask Max Member first.", "Max Member"),
    ("person", "Bea decides on discounts.", "Bea"),
    ("mail", "Write to sales@ourcompany.test for more.", "sales@ourcompany.test"),
    ("company", "You work for ACME and are proud.", "ACME"),
    ("place", "Everything is in the Project Nightjar channel.", "Project Nightjar"),
    ("place", "Post it in #deal-desk when done.", "#deal-desk"),
    ("assistant", "Send them to @deals for that.", "@deals"),
    ("link", "See https://wiki.corp/pricing?id=3 for prices.", "https://wiki.corp/pricing?id=3"),
    ("link", "The price list is on intranet.ourcompany.local.", "intranet.ourcompany.local"),
    ("link", "It runs on 10.1.2.3:8080 inside.", "10.1.2.3:8080"),
    ("secret", "Use sk-proj-abcdEFGH1234ijklMNOP as key.", "sk-proj-abcdEFGH1234ijklMNOP"),
    ("secret", "The password: Winter2024! opens it.", "password: Winter2024!"),
    ("secret", "Token 9fK2mQ7xR4tZ8vB1nC6pL3 works.", "9fK2mQ7xR4tZ8vB1nC6pL3"),
    ("phone", "Call +45 33 12 34 56 at once.", "+45 33 12 34 56"),
    ("phone", "Pay to DE89370400440532013000 only.", "DE89370400440532013000"),
]


def test_a_source_that_is_called_as_its_kind_is_nothing_of_the_company(cast, draft):
    for name in ("Slack", "Google Drive", "Slack Nordsee"):
        factories.source(cast.workspace, name=name)
    asked = replace(draft, instructions="Look into Slack and Google Drive first, then into Slack Nordsee.")
    assert [one.text for one in checking.check(cast.builder, asked)] == ["Slack Nordsee"]


@pytest.fixture
def draft() -> Blueprint:
    return Blueprint("a", "A template", "It helps.", "general", "answer", instructions="Help.")


def test_names_links_and_secrets_are_asked_about(cast, assistant, draft):
    for kind, text, found in LEAKS:
        told = checking.check(cast.builder, replace(draft, instructions=f"Be kind. {text} Be brief."))
        assert [(one.kind, one.text) for one in told] == [(kind, found)], text
        assert told[0].before.endswith(text[: text.index(found)])
        assert told[0].words


def test_ordinary_words_are_not_asked_about(cast, draft):
    text = """Answer in three steps, e.g. 1.5 hours on 12 May 2025, version 4.2, ISO 27001:2013, 84,000 a year, 10/12, and/or.
    Write `should_retry` and config/posting.yaml. The password is never repeated. If a token is missing, ask. Keep it to 350 words.
    Mention internationalisation_of_everything, {{team}} and {{knowledge: "your CRM folder"}}. An open question stays open."""
    assert checking.check(cast.member, replace(draft, instructions=text)) == []


def test_names_of_what_one_may_not_know_are_not_given_away(cast, draft):
    """The check of a member is no way to learn of spaces; the admin who decides is told."""
    factories.space(cast.workspace, cast.admin, name="Falcon")
    factories.source(cast.workspace, name="Osprey", grant_to=factories.space(cast.workspace, cast.admin))
    secret = replace(draft, instructions="Falcon and Osprey.")
    assert checking.check(cast.member, secret) == []
    assert {one.text for one in checking.check(cast.admin, secret)} >= {"Falcon"}


def test_each_finding_has_to_be_confirmed_or_edited_away(cast, assistant):
    draft = blueprint.read(offering.drafted(assistant).as_data() | {"instructions": "Ask Max Member or a@b.test."})
    with pytest.raises(offering.Unconfirmed) as asked:
        offering.offer(assistant, cast.builder.user, draft)
    assert {one.text for one in asked.value.findings} == {"Max Member", "a@b.test"}
    ids = [one.id for one in asked.value.findings]
    with pytest.raises(offering.Unconfirmed):
        offering.offer(assistant, cast.builder.user, draft, confirmed=ids[:1])
    assert not Template.objects.exists()
    # What was confirmed for one text says nothing of another.
    other = blueprint.read(draft.as_data() | {"instructions": "Ask Ada Admin or a@b.test."})
    with pytest.raises(offering.Unconfirmed):
        offering.offer(assistant, cast.builder.user, other, confirmed=ids)
    assert offering.offer(assistant, cast.builder.user, draft, confirmed=ids).state == State.OFFERED


# ---- Who decides -------------------------------------------------------------------------------------------------


def test_only_what_was_approved_is_on_the_shelf(cast, assistant):
    made = offered(assistant, cast.builder)
    assert names(cast.builder) == names(cast.admin) == []
    assert Template.objects.shown_to(cast.builder).filter(pk=made.pk).exists()
    assert not Template.objects.shown_to(cast.member).filter(pk=made.pk).exists()
    assert not Template.objects.shown_to(cast.outsider).filter(pk=made.pk).exists()
    assert "offers @deals" in Notice.objects.get(user=cast.admin.user).words

    approving.approve(made, cast.admin.user)

    assert names(cast.member) == ["Deals"]
    assert names(cast.outsider) == []
    assert "is on the shelf" in Notice.objects.get(user=cast.builder.user).words
    assert cast.workspace.audit.filter(action="template.approve").get().after["state"] == "workspace"


def test_people_keep_what_was_approved_while_something_newer_waits(cast, assistant):
    made = approving.approve(offered(assistant, cast.builder), cast.admin.user)
    mine = installing.install(made, workspace=cast.workspace, by=cast.member.user)
    again = offered(assistant, cast.builder, description="Better.", note="Better words")
    assert again.pk == made.pk
    assert [row.latest.description for row in shelf.found(cast.member)] == ["What stands where."]

    declined = approving.decline(again, cast.admin.user, "Not yet.")
    assert (declined.state, declined.latest.number, declined.offered) == (State.WORKSPACE, 1, None)
    approving.approve(offered(assistant, cast.builder, description="Best."), cast.admin.user)
    assert [row.latest.description for row in shelf.found(cast.member)] == ["Best."]
    assert f"@{mine.handle}" in Notice.objects.get(user=cast.member.user).words


def test_only_the_operator_approves_for_every_workspace(cast, assistant):
    made = approving.approve(offered(assistant, cast.builder, everywhere=True), cast.admin.user)
    with pytest.raises(Refused):
        approving.approve(made, cast.admin.user, everywhere=True)
    approving.approve(made, operator(cast).user, everywhere=True)
    assert names(cast.outsider) == ["Deals"]
    installing.install(made, workspace=cast.elsewhere, by=cast.outsider.user)
    # From then on, what others get is not for one company's admin to change.
    again = offered(assistant, cast.builder, description="Changed.")
    with pytest.raises(Refused):
        approving.approve(again, cast.admin.user)
    with pytest.raises(Refused):
        approving.feature(again, cast.admin.user, True)


def test_the_cast_against_every_decision(cast, assistant):
    """Who may do what about a template that waits: the admin of its workspace and the operator decide, nobody else."""
    made = offered(assistant, cast.builder)
    deciders = {
        "approve": lambda by: approving.approve(made, by),
        "decline": lambda by: approving.decline(made, by, "No."),
        "feature": lambda by: approving.feature(made, by, False),
        "withdraw": lambda by: approving.withdraw(made, by),
        "take_back": lambda by: approving.take_back(made, by),
    }
    for name, decide in deciders.items():
        for who in (cast.member, cast.outsider):
            with pytest.raises(Refused):
                decide(who.user)
        if name not in ("withdraw", "take_back"):
            with pytest.raises(Refused):
                decide(cast.builder.user)
    with pytest.raises(ValidationError):
        approving.decline(made, cast.admin.user, "  ")
    with pytest.raises(Refused):
        offering.offer(assistant, cast.admin.user, offering.drafted(assistant))
    assert approving.decline(made, cast.admin.user, "Too narrow.").state == State.DECLINED
    assert "Too narrow." in Notice.objects.get(user=cast.builder.user).words


def test_an_offer_can_be_taken_back_and_a_template_withdrawn(cast, assistant):
    made = approving.take_back(offered(assistant, cast.builder), cast.builder.user)
    assert made.state == State.WITHDRAWN
    made = approving.approve(offered(assistant, cast.builder), cast.admin.user)
    mine = installing.install(made, workspace=cast.workspace, by=cast.member.user)
    assert approving.take_back(offered(assistant, cast.builder), cast.builder.user).state == State.WORKSPACE
    approving.withdraw(made, cast.builder.user)
    assert names(cast.member) == []
    assert Assistant.objects.filter(pk=mine.pk).exists()


# ---- Packs -------------------------------------------------------------------------------------------------------


def test_a_pack_goes_out_and_comes_in_as_it_was(cast, assistant):
    made = approving.approve(
        offered(assistant, cast.builder, sample={"question": "Q?", "answer": "A [1]\n\n- b"}, temperature=0.5),
        cast.admin.user,
    )
    pack = packs.export([made])

    out = packs.bring_in(cast.elsewhere, cast.outsider.user, pack)

    (there,) = out.made
    assert (there.workspace, there.state, there.latest) == (cast.elsewhere, State.OFFERED, None)
    assert blueprint.of_version(there, there.offered) == blueprint.of_version(made, made.latest)
    approving.approve(there, cast.outsider.user)
    assert packs.export([Template.objects.select_related("latest").get(pk=there.pk)]) == pack
    assert [row.pk for row in packs.bring_in(cast.elsewhere, cast.outsider.user, pack).same] == [there.pk]
    newer = packs.bring_in(cast.elsewhere, cast.outsider.user, pack.replace("What stands", "Where"), approved=True)
    assert newer.newer[0].latest.number == 2
    with pytest.raises(Refused):
        packs.bring_in(cast.workspace, cast.builder.user, pack)
    with pytest.raises(Refused):
        packs.bring_in(None, cast.admin.user, pack)


ONE = {
    "name": "A",
    "description": "B",
    "department": "sales",
    "task": "answer",
    "instructions": "Do {{it}}.",
    "slots": [{"name": "it", "kind": "text", "label": "It"}],
}


def packed(**changes: object) -> str:
    return yaml.safe_dump({"format": packs.FORMAT, "templates": [ONE | changes]})


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("pack", "words"),
    [
        (BOMB, "Line 1: aliases and anchors"),
        ("x" * (packs.MOST_BYTES + 1), "at most 1,024 KB"),
        (b"\xff\xfe\x00", "no text in UTF-8"),
        ("format: [", "no YAML"),
        ("!!python/object/apply:os.system ['true']", "tags"),
        ("[" * 100, "more in this file than it could mean"),
        ("a: 1\n---\nb: 2", "second document"),
        ("format: a\nformat: b", "twice"),
        ("just words", "no pack of templates"),
        (yaml.safe_dump({"format": packs.FORMAT, "templates": []}), "1 to 200"),
        (yaml.safe_dump({"format": packs.FORMAT, "templates": [1]}), "Template 1: A template is a mapping"),
        (yaml.safe_dump({"format": packs.FORMAT, "templates": [ONE], "owner": 1}), "nothing called owner"),
        (plain_yaml.write({"format": packs.FORMAT, "templates": [ONE, ONE | {"task": "write"}]}), "twice"),
        (packed(credential="x"), "Template 1 (A): credential: a template has no such field"),
        (packed(name=["A"]), "name: it takes a text"),
        (packed(name="x" * 81), "81 characters, at most 80"),
        (packed(instructions="x" * 20_001), "at most 20,000"),
        (packed(temperature="hot"), "temperature: it takes a number"),
        (packed(temperature=float("nan")), "temperature"),
        (packed(last_days=True), "whole number"),
        (packed(queries_tables="no"), "true or false"),
        (packed(starters="Why?"), "starters: it takes a list of texts"),
        (packed(retrieval="magic"), "retrieval: it takes one of"),
        (packed(department="mischief"), "department: it takes one of"),
        (packed(slots=[]), "Nothing fills {{it}}"),
        (packed(slots=[{"name": "It!", "kind": "text", "label": "x"}]), "small letters"),
        (packed(slots=[{"name": "it", "kind": "sql", "label": "x"}]), "text or knowledge"),
        (packed(slots=[{"name": "it", "kind": "text", "label": "x", "id": 4}]), "a slot has"),
        (packed(description="Today is {{date}}."), "filled in instructions only"),
        (packed(sample={"question": "Q", "answer": 3}), "sample.answer: it takes a text"),
        (packed(slug="../../etc"), "slug"),
        (packed(colour="red;background:url(//x)"), "colour"),
        (packed(task=None), "task: it is missing"),
    ],
)
def test_a_file_that_is_wrong_says_what(pack, words):
    with pytest.raises(ValidationError) as told:
        packs.read(pack)
    assert words in " ".join(told.value.messages)


def test_all_of_a_pack_comes_in_or_nothing(cast):
    good, bad = ONE | {"slug": "good"}, ONE | {"slug": "bad", "temperature": 9}
    with pytest.raises(ValidationError):
        packs.bring_in(
            cast.workspace, cast.admin.user, plain_yaml.write({"format": packs.FORMAT, "templates": [good, bad]})
        )
    assert not Template.objects.exists()


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(ValidationError) as told:
        packs.read(packed(name="", temperature=9, colour="brown", more=1))
    assert len(told.value.messages) == 4
