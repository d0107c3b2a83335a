"""Templates: those that come with the product, installing, updating, stars, and what the shelf shows."""

from __future__ import annotations

import shutil
import threading
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from assistants import lifecycle
from assistants.errors import Refused
from assistants.models import Assistant
from datasources import reading
from datasources.retrieval import remembering
from gallery.marketplace import approving, built_in, installing, meaning, rating, shelf, updating
from gallery.marketplace import blueprint as blueprints
from gallery.models import Installation, Template
from portal import plain_yaml
from portal.models import Budget, Credential, Membership, Notice, UsageRecord
from portal.providers.errors import ProviderError
from portal.providers.local import LocalEmbedder
from portal.spending.budgets import create_budget
from tests import factories
from tests.embedders import WordsEmbedder

FILES = sorted(built_in.FOLDER.glob("*.yaml"))
GUIDE = Path(__file__).parents[2] / "docs" / "user-guide"


def blueprint_of(path: Path) -> blueprints.Blueprint:
    return blueprints.read(plain_yaml.read(path.read_bytes(), most=built_in.MOST_BYTES))


def filled(template: Template) -> dict[str, str]:
    assert template.latest
    return {slot["name"]: f"Our {slot['name']}" for slot in template.latest.slots if slot["kind"] == "text"}


def install(template: Template, by: Membership, **more: object) -> Assistant:
    more = {"texts": filled(template), **more}
    return installing.install(template, workspace=by.workspace, by=by.user, **more)  # type: ignore[arg-type]


def all_of(source, *, inside=None, outside=()) -> dict[str, object]:
    return {
        "data_source": str(source.pk),
        "parents_in": None if inside is None else [str(node.pk) for node in inside],
        "parents_not_in": [str(node.pk) for node in outside],
    }


@pytest.fixture
def folder(tmp_path) -> Path:
    """A place for template files of a test's own, with two in it."""
    for name in ("sales-account-brief", "people-policies"):
        shutil.copy(built_in.FOLDER / f"{name}.yaml", tmp_path)
    return tmp_path


@pytest.fixture
def brief(cast, folder) -> Template:
    built_in.sync(folder)
    return Template.objects.select_related("latest").get(slug="sales-account-brief")


def test_what_means_the_same_is_found_after_what_has_the_words(cast, folder, monkeypatch):
    """Texts are embedded once in a process; where no embedder answers, words find alone."""
    built_in.sync(folder)
    words = WordsEmbedder("templates")
    monkeypatch.setattr(reading, "embedder_for", lambda workspace: words)
    remembering.forget_all()

    def found(text: str, **more: str) -> list[str]:
        alike = meaning.alike(cast.member, text)
        return [row.slug for row in shelf.found(cast.member, text, alike=alike, **more)]

    brief = Template.objects.get(slug="sales-account-brief").latest
    said = f"Zebra: {brief.description}"
    assert found(said) == ["sales-account-brief"]
    embedded = words.texts
    assert found("zebra stripes") == []
    assert found("policies")[0] == "people-policies"
    # Words of its instructions alone come after what means it.
    version = Template.objects.get(slug="people-policies").latest
    version.body["instructions"] += f" {said}"
    version.created = timezone.now()
    version.save()
    assert found(said) == ["sales-account-brief", "people-policies"]
    assert found(said, order="newest") == ["people-policies", "sales-account-brief"]
    assert words.texts == embedded
    assert meaning.alike(cast.member, "") == meaning.alike(cast.outsider, "abc") == []

    def away(workspace: object) -> None:
        raise ProviderError("It does not answer.", code="unavailable")

    monkeypatch.setattr(reading, "embedder_for", away)
    assert found(said) == ["people-policies"]
    assert found("account brief") == ["sales-account-brief"]


def test_other_words_find_what_the_guide_says_they_find(cast, tmp_path, monkeypatch, minilm_cache):
    for name in ("finance-expenses", "people-policies", "people-onboarding", "legal-privacy", "support-escalations"):
        shutil.copy(built_in.FOLDER / f"{name}.yaml", tmp_path)
    built_in.sync(tmp_path)
    local = LocalEmbedder(minilm_cache)
    monkeypatch.setattr(reading, "embedder_for", lambda workspace: local)
    remembering.forget_all()
    found = Template.objects.filter(pk__in=meaning.alike(cast.member, "hotel bill"))
    assert [row.slug for row in found] == ["finance-expenses"]
    assert '"hotel bill" finds what says travel and expenses' in (GUIDE / "templates.md").read_text()


def test_nobody_waits_for_what_many_templates_mean(cast, monkeypatch):
    """In a process that has just begun a thread makes their vectors; words find meanwhile."""
    built_in.sync()
    words = WordsEmbedder("waits-templates")
    may_go, began = threading.Event(), threading.Event()

    def slow(texts):
        began.set()
        assert may_go.wait(10)
        return WordsEmbedder.embed_documents(words, texts)

    monkeypatch.setattr(words, "embed_documents", slow)
    monkeypatch.setattr(reading, "embedder_for", lambda workspace: words)
    said = Template.objects.get(slug="sales-account-brief").latest.description
    assert meaning.alike(cast.member, said) == []
    assert began.wait(10)
    assert meaning.alike(cast.member, said) == []
    (thread,) = [one for one in threading.enumerate() if one.name == "template-meanings"]
    may_go.set()
    thread.join(10)
    assert meaning.alike(cast.member, said)[0] == Template.objects.get(slug="sales-account-brief").pk


@pytest.mark.django_db(transaction=True)
def test_what_a_vendor_embeds_for_a_search_by_meaning_is_on_the_account(cast, folder, monkeypatch):
    """The question on its asker's, templates and what the model sees as usual on the workspace's: nothing goes unrecorded."""
    built_in.sync(folder)
    words = WordsEmbedder("paid-templates")
    monkeypatch.setattr(reading, "embedder_for", lambda workspace: words)
    credential = Credential.objects.create(workspace=cast.workspace, kind="openai", name="Key")
    cast.workspace.embedding_credential = cast.member.workspace.embedding_credential = credential
    cast.workspace.save()
    create_budget(workspace=cast.workspace, by=None, covers="workspace", period="day", unit="tokens", limit=Decimal(1))
    assert meaning.alike(cast.member, "policies of people") == []
    assert (words.texts, UsageRecord.objects.count()) == (0, 0)
    Budget.objects.update(limit=Decimal(10**6))
    assert meaning.alike(cast.member, "policies of people")
    spent = list(UsageRecord.objects.filter(purpose="embed", credential=credential).order_by("pk"))
    assert [row.user for row in spent] == [None, cast.member.user, None]
    assert all(row.input_tokens for row in spent)


def test_a_template_of_another_workspace_is_not_found_by_its_meaning(cast, folder, monkeypatch):
    built_in.sync(folder)
    monkeypatch.setattr(reading, "embedder_for", lambda workspace: WordsEmbedder("templates"))
    row = Template.objects.get(slug="sales-account-brief")
    assert row.pk in meaning.alike(cast.member, row.latest.description)
    Template.objects.filter(pk=row.pk).update(state="workspace", workspace=cast.elsewhere)
    assert row.pk not in meaning.alike(cast.member, row.latest.description)
    assert row.pk in meaning.alike(cast.outsider, row.latest.description)


def test_there_are_enough_for_every_department():
    found = [blueprint_of(path) for path in FILES]
    assert len(found) >= 24
    for department in blueprints.DEPARTMENTS:
        assert sum(one.department == department for one in found) >= 3, department
    assert len({one.name for one in found}) == len(found)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_template_installs(path, db, tmp_path):
    """Of each: it shows craft, it installs with knowledge in every slot, and nothing of it is left to be filled."""
    read = blueprint_of(path)
    assert read.slug == path.stem
    assert 150 <= len(read.instructions.split()) <= 400
    assert len(read.starters) >= 3
    assert all((read.tags, read.emoji, read.description, read.sample_question, read.knowledge))
    assert len(read.sample_answer) > 200
    assert all(slot.help for slot in read.slots)
    assert all(slot.example for slot in read.texts)
    shutil.copy(path, tmp_path)
    built_in.sync(tmp_path)
    template = Template.objects.select_related("latest").get(slug=path.stem)
    owner = factories.workspace().memberships.get()
    source = factories.source(owner.workspace)
    knowledge = {slot.name: [all_of(source)] for slot in read.knowledge}

    made = install(template, owner, knowledge=knowledge)

    version = made.latest
    assert version
    assert "{{" not in version.instructions.replace("{{reader.name}}", "").replace("{{date}}", "")
    assert version.retrieval == read.retrieval
    assert version.knowledge == [all_of(source)]
    assert (made.template, made.template_version, made.stage) == (template.pk, 1, read.stage)
    assert list(made.owners.all()) == [owner.user]


# ---- From files into rows ----------------------------------------------------------------------------------------


def test_a_second_start_asks_one_query(db, folder):
    assert built_in.sync(folder) == 2
    with CaptureQueriesContext(connection) as queries:
        assert built_in.sync(folder) == 0
    assert len(queries) == 1


def test_a_changed_file_is_a_new_version_and_its_owners_are_told(cast, brief, folder):
    made = install(brief, cast.member)
    path = folder / "sales-account-brief.yaml"
    path.write_text(path.read_text().replace("name: Account brief", "name: Account brief\nnote: Shorter"))

    assert built_in.sync(folder) == 1

    brief.refresh_from_db()
    assert brief.latest.number == 2
    assert brief.versions.count() == 2
    told = Notice.objects.get(user=cast.member.user)
    assert f"@{made.handle}" in told.words
    assert told.path == f"assistants/{made.handle}/template/"


def test_a_file_that_is_gone_leaves_the_shelf_and_comes_back(cast, brief, folder):
    text = (folder / "sales-account-brief.yaml").read_bytes()
    (folder / "sales-account-brief.yaml").unlink()
    built_in.sync(folder)
    assert [row.slug for row in Template.objects.on_shelf(cast.workspace)] == ["people-policies"]
    with pytest.raises(Refused):
        install(brief, cast.member)
    (folder / "sales-account-brief.yaml").write_bytes(text)
    built_in.sync(folder)
    assert Template.objects.on_shelf(cast.workspace).count() == 2


def test_what_the_operator_took_off_the_shelf_stays_off(cast, brief, folder):
    operator = factories.user(is_superuser=True)
    with pytest.raises(Refused):
        approving.withdraw(brief, cast.admin.user)
    approving.withdraw(brief, operator)
    assert built_in.sync(folder) == 0
    assert brief not in Template.objects.on_shelf(cast.workspace)
    approving.approve(brief, operator)
    assert brief in Template.objects.on_shelf(cast.workspace)
    assert brief.versions.count() == 1


# ---- Installing --------------------------------------------------------------------------------------------------


def test_installing_fills_the_slots_and_counts(cast, brief):
    source = factories.source(cast.workspace, name="CRM")
    accounts = factories.node(source, "accounts")
    entry = all_of(source, inside=[accounts])

    made = install(brief, cast.member, texts={"team": "North", "product": "pumps"}, knowledge={"crm": [entry]})

    assert made.handle == "account-brief"
    assert made.scope == "personal"
    version = made.latest
    assert version
    assert "people of North, who sell pumps" in version.instructions
    assert "your CRM folder and your deal channels" in version.instructions
    assert version.knowledge == [entry]
    brief.refresh_from_db()
    assert brief.installs == 1
    kept = Installation.objects.get(assistant=made)
    assert (kept.filled, kept.by) == ({"team": "North", "product": "pumps"}, cast.member.user)
    assert cast.workspace.audit.filter(action="template.install", object_id=str(made.pk)).exists()
    assert install(brief, cast.member).handle == "account-brief-2"
    # Nothing was ticked: it answers from no sources until it gets some.
    assert install(brief, cast.member).latest.knowledge == []


def test_two_slots_may_take_parts_of_one_source(cast, brief):
    source = factories.source(cast.workspace)
    sales = factories.node(source, "sales")
    old = factories.node(source, "sales/old", parent=sales)
    won = factories.node(source, "sales/old/won", parent=old)
    apart = factories.node(source, "apart")

    def reads(crm: dict, channels: dict) -> dict:
        made = install(brief, cast.member, knowledge={"crm": [crm], "channels": [channels]})
        assert made.latest
        (entry,) = made.latest.knowledge
        return {key: entry[key] and sorted(entry[key]) for key in ("parents_in", "parents_not_in")}

    both = reads(all_of(source, inside=[sales], outside=[old]), all_of(source, inside=[apart]))
    assert both == {"parents_in": sorted([str(sales.pk), str(apart.pk)]), "parents_not_in": [str(old.pk)]}
    # What one leaves out and the other takes comes in, also where it is something further below.
    assert reads(all_of(source, outside=[old]), all_of(source, inside=[won]))["parents_not_in"] == []
    assert reads(all_of(source, outside=[old]), all_of(source, outside=[old]))["parents_not_in"] == [str(old.pk)]


@pytest.mark.parametrize(
    ("more", "field", "words"),
    [
        ({"texts": {"team": "North"}}, "product", "Fill in: What you sell."),
        ({"texts": {"team": "x" * 201, "product": "y"}}, "team", "At most 200"),
        ({"texts": {"team": "{{date}}", "product": "y"}}, "team", "braces"),
        ({"texts": {"team": "a", "product": "b", "more": "c"}}, "more", "no such slot"),
        ({"knowledge": {"nothing": []}}, "nothing", "no such slot"),
        ({"handle": "New Thing"}, "handle", "small letters"),
    ],
)
def test_what_is_wrong_is_told_by_slot(cast, brief, more, field, words):
    with pytest.raises(ValidationError) as told:
        install(brief, cast.member, **more)
    assert words in " ".join(told.value.message_dict[field])
    assert not Assistant.objects.exists()
    brief.refresh_from_db()
    assert brief.installs == 0


def test_knowledge_that_one_may_not_read_fills_no_slot(cast, brief):
    hidden = factories.source(cast.workspace, grant_to=factories.space(cast.workspace, cast.admin))
    with pytest.raises(ValidationError) as told:
        install(brief, cast.member, knowledge={"crm": [all_of(hidden)]})
    assert "not for you" in str(told.value.message_dict["crm"])


# ---- Newer versions ----------------------------------------------------------------------------------------------


def newer(template: Template, **changes: object) -> None:
    """The template as it is with these changes, as its next version."""
    assert template.latest
    now = blueprints.of_version(template, template.latest)
    data = now.as_data() | changes
    version = template.versions.create(number=template.latest.number + 1, **blueprints.read(data).version_fields())
    template.latest = version
    template.save()


def test_only_what_its_owner_never_touched_is_taken_by_default(cast, brief):
    made = install(brief, cast.member, texts={"team": "North", "product": "pumps"})
    lifecycle.save_version(made, cast.member.user, instructions="All my own.", tags=["mine"])
    old = brief.latest
    newer(brief, instructions="For {{team}}: shorter.", description="Two lines.", temperature=0.5, note="Shorter")
    made.refresh_from_db()

    update = updating.update_of(made)

    assert update is not None
    assert (update.installed, update.newer.number) == (old, 2)
    assert {part.field: part.yours for part in update.parts} == {
        "description": False,
        "instructions": True,
        "temperature": False,
    }
    shown = next(part for part in update.parts if part.field == "instructions")
    assert shown.change.after == "For North: shorter."

    version = updating.take(made, cast.member.user)

    assert (version.instructions, version.description, version.temperature) == ("All my own.", "Two lines.", 0.5)
    assert version.tags == ["mine"]
    made.refresh_from_db()
    assert made.template_version == 2
    assert updating.update_of(made) is None
    with pytest.raises(Refused):
        updating.take(made, cast.member.user)


def test_any_part_can_be_taken_or_none(cast, brief):
    one, two = install(brief, cast.member), install(brief, cast.member)
    newer(brief, instructions="Anew.", description="Two lines.")
    assert updating.take(one, cast.member.user, ["instructions"]).description == brief.versions.last().description
    before = two.latest
    assert updating.take(two, cast.member.user, []) == before
    two.refresh_from_db()
    assert two.template_version == 2
    newer(brief, description="Three lines.")
    with pytest.raises(ValidationError):
        updating.take(one, cast.member.user, ["knowledge"])
    with pytest.raises(Refused):
        updating.take(one, cast.builder.user)


def test_a_slot_that_is_new_has_to_be_filled(cast, brief):
    made = install(brief, cast.member)
    slots = [{"name": "tone", "kind": "text", "label": "Your tone"}]
    newer(brief, instructions="Speak {{tone}} to {{team}}.", slots=brief.latest.slots + slots)
    update = updating.update_of(made)
    assert [slot.name for slot in update.asked] == ["tone"]
    with pytest.raises(ValidationError, match="Your tone"):
        updating.take(made, cast.member.user, ["instructions"])
    version = updating.take(made, cast.member.user, ["instructions"], {"tone": "kindly"})
    assert version.instructions == "Speak kindly to Our team."


def test_a_vetted_assistant_takes_an_update_as_a_draft(cast, brief):
    made = install(brief, cast.member)
    lifecycle.publish(made, cast.member.user)
    lifecycle.vet(made, cast.admin.user)
    newer(brief, instructions="Anew.")
    updating.take(made, cast.member.user)
    made.refresh_from_db()
    assert made.live.instructions != "Anew."
    assert made.latest.instructions == "Anew."


# ---- The shelf and its stars -------------------------------------------------------------------------------------


def test_words_departments_and_tasks_find(cast, folder):
    built_in.sync(folder)

    def names(text="", **more) -> list[str]:
        return [row.slug for row in shelf.found(cast.member, text, **more)]

    assert names("crm meeting") == ["sales-account-brief"]
    assert set(names("people")) == {"people-policies", "sales-account-brief"}
    assert names("paragraph") == ["people-policies"]
    assert names(department="people") == ["people-policies"]
    assert names(task="prepare") == ["sales-account-brief"]
    assert names("zebra") == []


def test_only_who_installed_it_gives_stars_and_each_once(cast, brief):
    with pytest.raises(Refused):
        rating.rate(brief, cast.member, 5)
    install(brief, cast.member)
    rating.rate(brief, cast.member, 5)
    rating.rate(brief, cast.member, 4)
    row = shelf.rated(Template.objects.filter(pk=brief.pk)).get()
    assert (row.people, row.stars) == (1, 4)
    assert row.smoothed == pytest.approx(rating.smoothed(4, 1)) == pytest.approx((5 * 3.5 + 4) / 6)
    with pytest.raises(ValidationError):
        rating.rate(brief, cast.member, 6)
    rating.rate(brief, cast.member, None)
    assert not brief.ratings.exists()


def test_one_happy_person_does_not_outweigh_many(cast, folder):
    built_in.sync(folder)
    brief, policies = Template.objects.order_by("-slug")
    people = [cast.admin, cast.builder, cast.member, *(factories.member(cast.workspace) for _ in range(3))]
    for who in people:
        install(policies, who)
        rating.rate(policies, who, 5 if who is not cast.admin else 4)
    install(brief, cast.member)
    rating.rate(brief, cast.member, 5)
    assert [row.slug for row in shelf.found(cast.member)] == ["people-policies", "sales-account-brief"]
