"""Templates on the three surfaces: pages, admin and API call the same verbs."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from assistants import lifecycle
from assistants.api import trying as api_trial
from assistants.errors import Refused
from assistants.models import Assistant
from assistants.views import trial
from gallery.marketplace import approving, built_in, installing, meaning, offering, packs
from gallery.models import Template
from tests import factories
from tests.assistants.lives import published
from tests.callers import Caller
from tests.portal.test_api import problem

WORDS = {"team": "North", "product": "pumps"}


@pytest.fixture(autouse=True)
def _words_alone(monkeypatch):
    """What means the same is found by an embedder, which test_templates.py has."""
    monkeypatch.setattr(meaning, "alike", lambda *_: [])


@pytest.fixture
def brief(cast, tmp_path) -> Template:
    shutil.copy(built_in.FOLDER / "sales-account-brief.yaml", tmp_path)
    built_in.sync(tmp_path)
    return Template.objects.select_related("latest").get()


@pytest.fixture
def own(cast) -> Assistant:
    return lifecycle.create_assistant(
        workspace=cast.workspace,
        by=cast.builder.user,
        handle="deals",
        name="Deals",
        description="What stands where.",
        instructions="Be brief.",
        knowledge=[],
    )


def page(name: str, *args: object) -> str:
    return reverse(name, args=["acme", *args])


def test_the_marketplace_finds_as_one_types(client, cast, brief):
    client.force_login(cast.member.user)
    html = client.get(page("templates")).content.decode()
    assert "Account brief" in html
    assert "Needs your CRM folder and 1 more" in html
    found = client.get(page("templates"), {"q": "zebra"}, headers={"HX-Request": "true"}).content.decode()
    assert "No template fits “zebra”" in found
    assert "<html" not in found
    assert "Account brief" in client.get(page("templates"), {"department": "sales"}).content.decode()
    assert "Account brief" not in client.get(page("templates"), {"department": "legal"}).content.decode()


def test_templates_are_found_where_one_starts_and_in_the_palette(client, cast, brief):
    client.force_login(cast.member.user)
    for html in (client.get(page("assistant_start")), client.get(page("palette"), {"q": "brief"})):
        assert page("template", brief.pk) in html.content.decode()


def test_the_marketplace_asks_as_often_for_many_as_for_few(client, cast, brief, own):
    client.force_login(cast.member.user)

    def counted() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get(page("templates"))
        return len(queries)

    counted()
    before = counted()
    version = brief.latest
    for number in range(12):
        row = Template.objects.create(slug=f"more-{number}", state="everywhere", featured=True)
        version.pk, version.template = None, row
        version._state.adding = True
        version.save()
        Template.objects.filter(pk=row.pk).update(latest=version)
    assert counted() == before


def test_what_waits_for_an_admin_is_listed_with_as_many_queries_for_many_people_as_for_few(client, cast):
    client.force_login(cast.admin.user)

    def counted(people: int) -> list[int]:
        for _ in range(people):
            by = factories.member(cast.workspace)
            row = published(by, f"made-{by.user_id}", name="Made", description="It helps.")
            lifecycle.request_vetting(row, by.user)
            Template.objects.create(workspace=cast.workspace, slug=f"t-{by.user_id}", offered_by=by.user)
        numbers = []
        for queue in ("assistants/vettingrequest", "gallery/template"):
            with CaptureQueriesContext(connection) as queries:
                assert client.get(f"/w/acme/govern/{queue}/").status_code == 200
            numbers.append(len(queries))
        return numbers

    counted(1)
    assert counted(1) == counted(9)


def test_which_company_it_is_nobody_has_to_type(client, cast):
    built_in.sync()
    client.force_login(cast.member.user)
    row = Template.objects.get(slug="finance-expenses")
    html = client.get(page("template_install", row.pk)).content.decode()
    assert re.search(r'name="text-company"[^>]*value="Acme"|value="Acme"[^>]*name="text-company"', html)


def test_installing_takes_three_steps(client, cast, brief):
    client.force_login(cast.member.user)
    source = factories.source(cast.workspace, name="CRM export")
    url = page("template_install", brief.pk)
    assert "Your deal channels" in client.get(url).content.decode()
    ticked = json.dumps([{"data_source": str(source.pk), "parents_in": None, "parents_not_in": []}])
    filled = {f"text-{name}": value for name, value in WORDS.items()} | {"knowledge-crm": ticked, "step": "preview"}

    wrong = client.post(url, filled | {"text-team": ""})
    assert wrong.status_code == 422
    assert "Fill in: Your sales team." in wrong.content.decode()
    nothing = client.post(url, filled | {"knowledge-crm": "[]"})
    assert "Tick what it reads, or leave its knowledge for later." in nothing.content.decode()
    look = client.post(url, filled).content.decode()
    assert "people of North, who sell pumps" in look
    assert "CRM export" in look
    assert "@account-brief is free." in look
    assert not Assistant.objects.exists()
    assert 'value="North"' in client.post(url, filled | {"step": "back"}).content.decode()

    taken = client.post(url, filled | {"step": "install", "name": "Mine", "handle": "new"})
    assert "word of the product" in taken.content.decode()
    done = client.post(url, filled | {"step": "install", "name": "Mine", "handle": "my-brief"})
    assert done.url == page("assistant_edit", "my-brief")
    made = Assistant.objects.get()
    assert (made.latest.name, made.template) == ("Mine", brief.pk)


@pytest.mark.django_db(transaction=True)
def test_the_preview_has_a_trial_of_what_would_come_of_it(client, cast, brief, monkeypatch):
    """From the filled slots, with nothing saved. What the trial answers with is the builder's own."""
    client.force_login(cast.member.user)
    filled = {f"text-{name}": value for name, value in WORDS.items()} | {"skip": "1", "step": "preview"}
    html = client.post(page("template_install", brief.pk), filled).content.decode()
    assert f'data-try="{page("template_try", brief.pk)}"' in html
    assert "It answers as it will once it is installed." in html

    tried = []

    async def try_draft(membership, fields, content, history, *, of):
        tried.append((membership.user, fields, content, history, of))
        raise Refused("no_model", "There is no model.")

    monkeypatch.setattr(trial, "try_draft", try_draft)
    source = factories.source(cast.workspace)
    ticked = json.dumps([{"data_source": str(source.pk), "parents_in": None, "parents_not_in": []}])
    history = json.dumps([{"role": "user", "text": "Hello?"}])
    sent = {**filled, "content": "Who?", "history": history, "knowledge-crm": ticked}
    del sent["skip"]
    answer = client.post(page("template_try", brief.pk), sent)
    assert answer.content == b"There is no model."
    ((who, fields, content, said, of),) = tried
    assert (who, content, said[0].text, of) == (cast.member.user, "Who?", "Hello?", None)
    assert "people of North, who sell pumps" in fields["instructions"]
    assert [part["data_source"] for part in fields["knowledge"]] == [str(source.pk)]

    monkeypatch.setattr(api_trial, "try_draft", try_draft)
    asked = {"content": "Who?", "texts": WORDS, "knowledge": {"crm": json.loads(ticked)}}
    asked["history"] = json.loads(history)
    problem(Caller(cast.member).post(f"templates/{brief.pk}/try/", asked), 400, "no_model")
    second = tried[1]
    assert (second[0], second[2:]) == (cast.member.user, (content, [*said], None))
    assert second[1] == fields
    tried.pop()
    problem(Caller(cast.member).post(f"templates/{brief.pk}/try/", {"content": "Who?"}), 400, "invalid")
    problem(Caller(cast.outsider, slug="acme").post(f"templates/{brief.pk}/try/", asked), 404, "not_found")

    wrong = client.post(page("template_try", brief.pk), sent | {"text-team": ""})
    assert (wrong.status_code, wrong.content) == (400, b"Fill in: Your sales team.")
    assert len(tried) == 1
    assert not Assistant.objects.exists()
    Template.objects.filter(pk=brief.pk).update(state="withdrawn")
    assert client.post(page("template_try", brief.pk), sent).status_code == 404


def test_knowledge_can_be_left_for_later(client, cast, brief):
    """A workspace without data, and somebody who skips: what was ticked before does not come along."""
    client.force_login(cast.member.user)
    url = page("template_install", brief.pk)
    assert "There is no data that you may read yet" in client.get(url).content.decode()
    source = factories.source(cast.workspace)
    ticked = json.dumps([{"data_source": str(source.pk), "parents_in": None, "parents_not_in": []}])
    filled = {f"text-{name}": value for name, value in WORDS.items()} | {"knowledge-crm": ticked, "skip": "1"}
    assert "Nothing yet." in client.post(url, filled | {"step": "preview"}).content.decode()
    client.post(url, filled | {"step": "install", "name": "Mine", "handle": "my-brief"})
    assert Assistant.objects.get().latest.knowledge == []


def test_texts_of_templates_are_never_html(client, cast, own):
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    row = {"name": evil[:60], "description": evil, "department": "sales", "task": "answer", "instructions": evil}
    row |= {"starters": [evil], "sample": {"question": evil, "answer": f"{evil} [x](javascript:alert(3))"}}
    row |= {"slots": [{"name": "a", "kind": "text", "label": evil.replace('"', ""), "help": evil}]}
    pack = packs.plain_yaml.write({"format": packs.FORMAT, "templates": [row]})
    (made,) = packs.bring_in(cast.workspace, cast.admin.user, pack, approved=True).made
    client.force_login(cast.admin.user)
    pages = [page("templates"), page("template", made.pk), page("template_install", made.pk), page("template_packs")]
    pages.append(f"/w/acme/govern/gallery/template/{made.pk}/change/")
    for address in pages:
        html = client.get(address).content.decode()
        assert "&lt;script&gt;" in html, address
        assert "<script>alert" not in html
        assert "<img" not in html
        assert "javascript:alert" not in html.replace("[x](javascript:alert(3))", "")


def test_offering_asks_and_the_admin_decides(client, cast, own):
    client.force_login(cast.builder.user)
    url = page("template_offer", "deals")
    assert client.get(url).status_code == 200
    texts = {
        "name": "Deals",
        "description": "What stands where.",
        "department": "sales",
        "task": "answer",
        "instructions": "Ask Max Member. You work for {{team}} with {{knowledge: “your wiki”}}.",
        "slot-name": [],
        "do": "check",
    }
    html = client.post(url, texts).content.decode()
    assert "<mark>Max Member</mark>" in html
    assert 'name="slot-name" value="team"' in html
    assert 'value="your wiki"' in html
    slots = {
        "slot-name": ["team", "knowledge_2", "contact"],
        "slot-kind": ["text", "knowledge", "text"],
        "slot-label": ["Your team", "your wiki", "Whom to ask"],
        "slot-help": ["", "Any wiki", ""],
        "slot-example": ["North", "", ""],
    }
    assert "Whom to ask" not in client.post(url, texts | slots).content.decode()  # none of the texts has it
    refused = client.post(url, texts | slots | {"do": "offer"})
    assert refused.status_code == 422
    assert "1 thing may belong to your company alone" in refused.content.decode()
    done = client.post(
        url, texts | slots | {"do": "offer", "instructions": texts["instructions"].replace("Max Member", "them")}
    )
    made = Template.objects.get()
    assert [slot["name"] for slot in made.offered.slots] == ["team", "knowledge_2"]
    assert done.url == page("template", made.pk)
    assert "waits for an admin" in client.get(done.url).content.decode()

    client.force_login(cast.admin.user)
    change = f"/w/acme/govern/gallery/template/{made.pk}/change/"
    assert "waits for a decision" in client.get("/w/acme/govern/").content.decode()
    assert "You work for {{team}}" in client.get(change).content.decode()
    decide = f"/w/acme/govern/gallery/template/{made.pk}/decide/"
    assert "Say why" in client.post(decide, {"do": "decline"}).content.decode()
    client.post(decide, {"do": "approve", "comment": "Good."})
    client.post(decide, {"do": "feature"})
    made.refresh_from_db()
    assert (made.state, made.featured, made.comment) == ("workspace", True, "Good.")
    listed = client.get("/w/acme/govern/gallery/template/").content.decode()
    assert "featured" in listed
    assert ">Sales<" in re.sub(r"\s*([<>])\s*", r"\1", listed)  # as the marketplace calls it
    shown = client.get(page("template", made.pk)).content.decode()
    assert "Govern it" in shown
    assert "Decide about it" not in shown  # nothing waits
    client.force_login(cast.member.user)
    assert "Featured" in client.get(page("templates")).content.decode()
    assert client.get(page("template_offer", "deals")).status_code == 404


def test_the_admin_shows_only_its_own_workspace(client, cast, own, brief):
    made = offering.offer(own, cast.builder.user, offering.drafted(own))
    client.force_login(cast.outsider.user)
    assert client.get(f"/w/umbra/govern/gallery/template/{made.pk}/change/").status_code == 404
    assert "Deals" not in client.get("/w/umbra/govern/gallery/template/").content.decode()
    client.force_login(cast.admin.user)
    listed = client.get("/w/acme/govern/gallery/template/").content.decode()
    assert "Deals" in listed
    assert "Account brief" not in listed
    assert page("template_packs") in listed


def test_an_assistants_page_tells_of_its_template_and_of_a_newer_one(client, cast, brief):
    made = installing.install(brief, workspace=cast.workspace, by=cast.member.user, texts=WORDS)
    client.force_login(cast.member.user)
    shown = page("assistant", made.handle)
    assert "Made from the template" in client.get(shown).content.decode()
    version = brief.latest
    version.pk, version.number, version.description, version.note = None, 2, "Two lines.", "Says more"
    version._state.adding = True
    version.save()
    Template.objects.filter(pk=brief.pk).update(latest=version)
    told = client.get(shown).content.decode()
    assert "Its template has a newer version." in told
    assert "“Says more”. What you changed yourself stays" in told
    url = page("template_update", made.handle)
    assert "What is new: “Says more”. Ticked is" in client.get(url).content.decode()
    assert "<ins>Two lines.</ins>" in client.get(url).content.decode()
    assert client.post(url, {"do": "take", "take": ["description"]}).url == shown
    made.refresh_from_db()
    assert made.latest.description == "Two lines."
    assert "It has what its template says now." in client.get(url).content.decode()


def test_stars_are_given_on_its_page(client, cast, brief):
    client.force_login(cast.member.user)
    assert "Who has installed it can give stars." in client.get(page("template", brief.pk)).content.decode()
    installing.install(brief, workspace=cast.workspace, by=cast.member.user, texts=WORDS)
    client.post(page("template_rate", brief.pk), {"stars": "4"})
    assert brief.ratings.get().stars == 4
    client.post(page("template_rate", brief.pk), {"stars": ""})
    assert not brief.ratings.exists()


def test_packs_by_hand(client, cast, own):
    made = approving.approve(offering.offer(own, cast.builder.user, offering.drafted(own)), cast.admin.user)
    client.force_login(cast.builder.user)
    assert client.get(page("template_packs")).status_code == 403
    assert page("template_packs") not in client.get(page("templates")).content.decode()
    client.force_login(cast.admin.user)
    assert page("template_packs") in client.get(page("templates")).content.decode()
    file = client.get(page("template_export"), {"template": str(made.pk)}).content
    assert b"format: atrium-templates/1" in file
    client.force_login(cast.outsider.user)
    url = reverse("template_packs", args=["umbra"])
    wrong = client.post(url, {"pack": SimpleUploadedFile("x.yaml", b"a: &a [*a]")})
    assert "aliases" in wrong.content.decode()
    client.post(url, {"pack": SimpleUploadedFile("x.yaml", file)})
    assert Template.objects.get(workspace=cast.elsewhere).state == "offered"


def test_templates_by_api(cast, brief, own):
    mine, admin = Caller(cast.builder), Caller(cast.admin)
    (listed,) = mine.get("templates/", q="crm").json()["results"]
    assert (listed["id"], listed["stars"], listed["own"]) == (str(brief.pk), None, False)
    assert [slot["name"] for slot in listed["version"]["slots"]] == ["team", "product", "crm", "channels"]
    problem(mine.get("templates/", department="x"), 400, "invalid")
    problem(mine.post(f"templates/{brief.pk}/install/", {"texts": {}}), 400, "invalid")
    made = mine.post(f"templates/{brief.pk}/install/", {"texts": WORDS, "handle": "my-brief"}).json()
    assert (made["handle"], made["template_version"]) == ("my-brief", 1)
    assert mine.get("assistants/my-brief/template/").status_code == 204
    assert mine._send("put", f"templates/{brief.pk}/rating/", {"stars": 5}).json()["stars"] == 5.0
    problem(admin._send("put", f"templates/{brief.pk}/rating/", {"stars": 5}), 403, "not_allowed")

    asked = mine.post("assistants/deals/offer/", {"department": "sales", "instructions": "Ask Max Member."})
    told = problem(asked, 409, "unconfirmed")
    confirmed = [one["id"] for one in told["findings"]]
    assert [one["text"] for one in told["findings"]] == ["Max Member"]
    offer = {"department": "sales", "instructions": "Ask Max Member.", "confirmed": confirmed}
    waiting = mine.post("assistants/deals/offer/", offer).json()
    assert (waiting["state"], waiting["waits"]) == ("offered", True)
    problem(Caller(cast.member).get(f"templates/{waiting['id']}/"), 404, "not_found")
    problem(Caller(cast.outsider).get(f"templates/{waiting['id']}/"), 404, "not_found")
    problem(mine.post(f"templates/{waiting['id']}/approve/", {}), 403, "permission_denied")
    problem(admin.post(f"templates/{waiting['id']}/approve/", {"everywhere": True}), 403, "not_allowed")
    problem(admin.post(f"templates/{brief.pk}/approve/", {}), 404, "not_found")
    assert admin.post(f"templates/{waiting['id']}/approve/", {}).json()["state"] == "workspace"
    assert admin.post(f"templates/{waiting['id']}/feature/", {"featured": True}).json()["featured"]
    pack = admin.get("templates/packs/").content.decode()
    there = Caller(cast.outsider)
    assert len(there.post("templates/packs/", {"pack": pack}).json()["made"]) == 1
    problem(there.post("templates/packs/", {"pack": "a: &a b"}), 400, "invalid")
    assert mine.post(f"templates/{waiting['id']}/withdraw/").json()["state"] == "withdrawn"


def test_what_waits_is_looked_through_and_narrowed_as_the_rest(cast, brief, own):
    draft = replace(offering.drafted(own), department="people", task="answer", name="Leave", description="Days off.")
    waiting = offering.offer(own, cast.builder.user, draft)

    def found(**asked: str) -> set[str]:
        listed = Caller(cast.builder).get("templates/", **{"all": "true", **asked}).json()["results"]
        return {one["id"] for one in listed}

    shelf, mine = str(brief.pk), str(waiting.pk)
    assert found() == {shelf, mine}
    assert (found(q="days off"), found(q="brief crm"), found(q="zebra")) == ({mine}, {shelf}, set())
    assert (found(department="people"), found(department="sales")) == ({mine}, {shelf})
    assert (found(task="answer", q="leave"), found(task="answer", department="sales")) == ({mine}, set())
    assert (found(featured="true"), found(featured="true", q="zebra")) == ({shelf}, set())
    approving.approve(waiting, cast.admin.user)
    assert found(q="days off") == {mine}
    assert found(all="false", q="days off") == {mine}
