"""What owners learn from use, and what stays with who asked."""

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from assistants import lifecycle
from assistants.insight import topics
from assistants.insight.of_one import insight
from assistants.models import UseDay
from portal.models import UsageRecord
from tests import factories
from tests.assistants.used import ask, published
from tests.callers import Caller

PAGE = "/w/acme/assistants/helper/insight/"


@pytest.fixture
def crowd(cast):
    """Four people beside the cast."""
    return [factories.member(cast.workspace) for _ in range(4)]


@pytest.fixture
def helper(cast):
    return published(cast.workspace, cast.builder.user, "helper")


def read(reader, helper, days=30):
    return insight(reader, helper, days)


def test_use_is_counted_by_day_and_never_across_workspaces(cast, crowd, helper):
    theirs = published(cast.elsewhere, cast.outsider.user, "helper")
    ask(cast.outsider, theirs)
    for person in crowd:
        ask(person, helper, days_ago=1)
    ask(crowd[0], helper, found=False)
    ask(crowd[0], helper, days_ago=40)
    found = read(cast.builder, helper)
    assert (list(found.use.people[-2:]), list(found.use.questions[-2:])) == ([4, 1], [4, 1])
    assert (found.use.unanswered[-1], found.use.everybody, found.unanswered.number) == (1, 4, 1)
    assert sum(read(cast.builder, helper, 90).use.questions) == 6
    assert found.use.weeks[-1][1] + found.use.weeks[-2][1] >= 4


def test_a_topic_is_told_only_where_three_people_share_it_and_its_words(cast, crowd, helper):
    for person, word in zip(crowd, ("Zurich", "Oslo", "Berlin", "Madrid"), strict=True):
        ask(person, helper, f"Who books the train to {word}?", topic=0)
    for _ in range(9):
        ask(crowd[0], helper, "May I leave because of my illness?", topic=1)
    ask(crowd[1], helper, "Illness and leave?", topic=1)
    found = read(cast.builder, helper).topics
    assert [(sorted(one.words), one.people, one.questions) for one in found.topics] == [(["books", "train"], 4, 4)]
    assert found.others == 10


@pytest.mark.parametrize(("alike", "shown"), [(2, []), (3, ["Where is the canteen?"])])
def test_what_found_no_answer_is_shown_only_where_three_people_asked_it(cast, crowd, helper, alike, shown):
    for person, text in zip(
        crowd[:alike], ("Where is the canteen?", "where is the  canteen", "Where is the canteen."), strict=False
    ):
        ask(person, helper, text, found=False)
    ask(crowd[3], helper, "Am I being dismissed?", found=False)
    found = read(cast.builder, helper).unanswered
    assert [one.text.rstrip(".?") for one in found.shown] == [text.rstrip("?") for text in shown]
    assert found.number == alike + 1
    assert found.hidden == found.number - (alike if shown else 0)


def test_what_its_author_shared_may_be_read(cast, crowd, helper):
    ask(crowd[0], helper, "Is the lift broken?", found=False, shared=True)
    ask(crowd[1], helper, "Is the gate broken?", found=False, comment="No!", up=False, include_conversation=True)
    ask(crowd[2], helper, "Is my heart broken?", found=False, comment="Hm.", up=False)
    found = read(cast.builder, helper)
    assert {one.text for one in found.unanswered.shown} == {"Is the lift broken?", "Is the gate broken?"}
    assert {(one.comment, one.question, one.who) for one in found.comments} == {
        ("No!", "Is the gate broken?", str(crowd[1].user)),
        ("Hm.", "", ""),
    }


def test_only_who_owns_the_conversation_can_send_it_along(cast, crowd, helper):
    from assistants.models import Feedback

    answer = ask(crowd[0], helper, "Is my heart broken?", found=False, shared=False)
    Feedback.objects.create(
        message=answer, version=answer.version, user=crowd[1].user, up=False, comment="x", include_conversation=True
    )
    found = read(cast.builder, helper)
    assert found.comments[0].question == ""
    assert found.unanswered.shown == []


def test_passages_show_to_who_may_read_them_and_sources_that_are_never_cited(cast, crowd):
    open_source = factories.source(cast.workspace, name="Handbook")
    board = factories.space(cast.workspace, cast.admin, name="Board")
    secret_source = factories.source(cast.workspace, name="Board minutes", grant_to=board)
    idle = factories.source(cast.workspace, name="Archive")
    page = factories.node(open_source, "leave.md", text="Sixteen weeks of leave.")
    secret = factories.node(secret_source, "minutes.md", text="We sell the company.")
    parts = [{"data_source": str(s.pk), "parents_in": None} for s in (open_source, secret_source, idle)]
    helper = published(cast.workspace, cast.admin.user, "helper", knowledge=parts)
    helper.owners.add(cast.builder.user)
    for person in crowd[:3]:
        ask(person, helper, cites=page)
        ask(person, helper, cites=secret)
    few = factories.node(open_source, "rare.md", text="For one person alone.")
    ask(crowd[0], helper, cites=few)

    found = read(cast.builder, helper).cited
    assert [(one.source.title, one.answers, one.people) for one in found.passages] == [("leave", 3, 3)]
    assert (found.withheld, found.few, found.hidden) == (1, 1, 1)
    assert [source.name for source in found.unused] == ["Archive"]
    assert {one.source.title for one in read(cast.admin, helper).cited.passages} == {"leave", "minutes"}


def test_its_page_and_its_endpoint_are_for_owners_and_admins(cast, client, crowd, helper):
    ask(crowd[0], helper, "My secret", found=False, topic=0, comment="<b>No</b>", up=False)
    for membership, code in ((cast.builder, 200), (cast.admin, 200), (cast.member, 404), (cast.outsider, 404)):
        client.force_login(membership.user)
        response = client.get(PAGE)
        assert response.status_code == code
        assert "My secret" not in response.content.decode()
        call = Caller(membership, slug="acme").get("assistants/helper/insight/", days=7)
        assert call.status_code == code
    client.force_login(cast.builder.user)
    html = client.get(f"{PAGE}?days=7").content.decode()
    assert "&lt;b&gt;No" in html
    rare = factories.node(factories.source(cast.workspace, name="Rare"), "rare.md", text="For one person alone.")
    ask(crowd[0], helper, cites=rare)
    assert "1 cited, each for fewer than three people" in client.get(PAGE).content.decode()
    assert "<table>" in html
    assert PAGE in client.get("/w/acme/assistants/helper/").content.decode()
    body = Caller(cast.builder).get("assistants/helper/insight/", days=7).json()
    assert (len(body["by_day"]), body["unanswered_number"], body["unanswered"]) == (7, 1, [])
    assert body["comments"][0]["comment"] == "<b>No</b>"
    assert "who" not in body["comments"][0]
    refused = Caller(cast.builder).get("assistants/helper/insight/", days="x")
    assert (refused.status_code, refused.json()["errors"]) == (400, {"days": ["It takes one of 7, 30, 90."]})


def test_the_page_asks_a_constant_number_of_questions(cast, client, crowd):
    source = factories.source(cast.workspace)
    part = [{"data_source": str(source.pk), "parents_in": None}]
    helper = published(cast.workspace, cast.builder.user, "helper", knowledge=part)
    client.force_login(cast.builder.user)

    def grow(number):
        for n in range(number):
            node = factories.node(source, f"{number}-{n}.md", text="**A** few words of a page.")
            for person in crowd:
                ask(
                    person, helper, f"Question {n}?", topic=n % 8, found=n % 2 == 0, cites=node, days_ago=n,
                    comment="Well.", up=True, include_conversation=True,
                )  # fmt: skip

    def asked():
        with CaptureQueriesContext(connection) as queries:
            assert client.get(PAGE).status_code == 200
        return len(queries)

    grow(2)
    asked()
    few = asked()
    grow(6)
    assert asked() == few < 45
    html = client.get(PAGE).content.decode()
    assert ">A few" in html
    assert "**A**" not in html


def test_clusters_are_the_same_for_the_same_rows_and_part_what_differs():
    chance = np.random.default_rng(3)
    rows = np.concatenate([np.eye(16)[axis] + chance.normal(size=(40, 16)) * 0.05 for axis in range(4)])
    found = topics.clusters(rows)
    assert np.array_equal(found, topics.clusters(rows))
    for axis in range(4):
        own = set(found[axis * 40 : axis * 40 + 40])
        rest = set(np.delete(found, np.s_[axis * 40 : axis * 40 + 40]))
        assert own.isdisjoint(rest)


def test_vectors_that_say_nothing_are_counted_and_break_nothing():
    asked = [topics.Question(n, "Where is the canteen?") for n in range(3)]
    assert topics.topics_of(asked, np.zeros((3, 4))) == topics.Topics([], 3)
    assert topics.topics_of([], np.zeros((0, 4))) == topics.Topics([], 0)


# ---- The admin's pages ----------------------------------------------------------------------------------------------


@pytest.fixture
def admin(cast, client):
    client.force_login(cast.admin.user)
    return client


def test_the_first_page_draws_this_workspace_alone_and_names_no_personal_assistant(cast, admin, crowd, helper):
    from assistants import lifecycle

    diary = lifecycle.create_assistant(workspace=cast.workspace, by=crowd[0].user, handle="diary", knowledge=[])
    theirs = published(cast.elsewhere, cast.outsider.user, "umbra-helper")
    ask(cast.outsider, theirs)
    ask(crowd[0], diary, "Dear diary")
    ask(crowd[1], None)
    for person in crowd[:3]:
        ask(person, helper, found=False, comment="Bad", up=False)
    html = admin.get("/w/acme/govern/").content.decode()
    for words in ("@helper", "Personal assistants", "No assistant chosen", "3 in all", "5, 60\u202f% found nothing"):
        assert words in html
    for words in ("diary", "umbra", "Bad"):
        assert words not in html.lower()
    assert 'aria-current="page">90 days' in admin.get("/w/acme/govern/?days=90").content.decode()
    told = Caller(cast.admin).get("insight/", days=7).json()
    assert (told["people"], len(told["by_day"]), len(told["by_week"])) == (3, 7, 8)
    today = {"people": 3, "questions": 5, "unanswered": 3, "ups": 0, "downs": 3}
    assert told["by_day"][-1] == {"day": timezone.localdate().isoformat(), **today}
    assert {(one["name"], one["kind"], one["people"], one["questions"]) for one in told["assistants"]} == {
        ("@helper", "offered", 3, 3),
        ("Personal assistants", "personal", 1, 1),
        ("No assistant chosen", "none", 1, 1),
    }
    assert [one["assistant"] for one in told["assistants"] if one["kind"] != "offered"] == [None, None]


def test_what_was_spent_is_told_by_model_assistant_and_person_and_names_nothing_personal(cast, crowd, helper):
    from assistants import lifecycle

    diary = lifecycle.create_assistant(workspace=cast.workspace, by=crowd[0].user, handle="diary", knowledge=[])
    gone = factories.user(name="Gone Before")
    for model, user, assistant, cost in (
        ("big", crowd[0].user, helper.pk, "2"),
        ("big", gone, diary.pk, "3"),
        ("small", None, None, None),
    ):
        UsageRecord.objects.create(
            workspace=cast.workspace,
            user=user,
            purpose="answer",
            vendor="v",
            model=model,
            assistant=assistant,
            input_tokens=10,
            cost=cost,
        )
    call = Caller(cast.admin)
    told = call.get("spending/").json()
    assert [(one["name"], one["calls"], one["cost"], one["unpriced"]) for one in told["results"]] == [
        ("big", 2, "5.00000000", 0),
        ("small", 1, "0.00000000", 1),
    ]
    assert (told["currency"], told["others"]["calls"]) == ("USD", 0)
    told = call.get("spending/", by="assistant", days=7).json()
    assert [one["name"] for one in told["results"]] == ["@helper", "No assistant chosen"]
    assert told["others"]["cost"] == "3.00000000"
    assert str(diary.pk) not in str(told)
    told = call.get("spending/", by="person").json()
    assert [one["name"] for one in told["results"]] == [str(crowd[0].user), "Nobody: syncs and the like"]
    assert (told["others"]["cost"], told["others"]["calls"]) == ("3.00000000", 1)
    assert call.get("spending/", by="mood").status_code == 400
    for address in ("spending/", "insight/", "adoption/"):
        assert Caller(cast.builder).get(address).status_code == 403
        assert Caller(cast.admin, "read").get(address).status_code == 403


def test_the_page_on_adoption_says_what_is_missing_and_what_to_try(cast, admin, crowd):
    sales = factories.space(cast.workspace, crowd[0], crowd[1], name="Sales team")
    factories.source(cast.workspace, grant_to=sales)
    legal = factories.space(cast.workspace, crowd[2], name="Legal team")
    contracts = factories.source(cast.workspace, grant_to=legal)
    part = [{"data_source": str(contracts.pk), "parents_in": None}]
    served = published(cast.workspace, cast.admin.user, "contracts", knowledge=part)
    for person in crowd[:3]:
        ask(person, served, "What is the notice period?", found=False, topic=0)
    ask(crowd[3], served, "Will we be bought?", found=False, topic=1)
    html = admin.get("/w/acme/govern/adoption/").content.decode()
    assert "Sales team" in html
    assert "Legal team" not in html
    assert "What is the notice period?" in html
    assert "Will we be bought?" not in html
    assert "4 questions to @contracts found nothing" in html
    assert "/w/acme/govern/portal/membership/import/" not in html
    assert "umbra" not in html.lower()
    told = Caller(cast.admin).get("adoption/").json()
    parts = {one["name"]: one for one in told["sections"]}
    assert [row["name"] for row in parts["teams"]["rows"]] == ["Sales team"]
    assert parts["teams"]["rows"][0]["address"] == f"/w/acme/govern/portal/space/{sales.pk}/change/"
    assert {"unmet", "never asked", "unused", "invited", "away"} < set(parts)
    words = [row["name"] for row in parts["unmet"]["rows"]]
    assert "“What is the notice period?”" in words
    assert "Will we be bought?" not in str(told)
    assert [one["words"] in html for one in told["next"]] == [True] * len(told["next"])
    assert "4 questions to @contracts found nothing" in str(told["next"])


def test_what_waits_for_vetting_is_not_suggested_for_it(cast, crowd):
    liked = published(cast.workspace, cast.admin.user, "liked")
    for person in (*crowd, cast.member):
        ask(person, liked)

    def suggested():
        return "is not vetted" in str(Caller(cast.admin).get("adoption/").json()["next"])

    assert suggested()
    lifecycle.request_vetting(liked, cast.admin.user)
    assert not suggested()


def test_the_admins_pages_ask_a_constant_number_of_questions(cast, admin, crowd):
    def grow(number):
        for n in range(number):
            made = published(cast.workspace, cast.admin.user, f"helper-{number}-{n}")
            factories.source(cast.workspace, grant_to=factories.space(cast.workspace, *crowd))
            for person in (*crowd, factories.member(cast.workspace)):
                ask(person, made, topic=n, found=False, days_ago=n, comment="No", up=False)

    def asked(page):
        with CaptureQueriesContext(connection) as queries:
            assert admin.get(page, **(key if page.startswith("/api/") else {})).status_code == 200
        return len(queries)

    key = {"headers": Caller(cast.admin).headers}
    api = "/api/v1/workspaces/acme"
    pages = ("/w/acme/govern/", "/w/acme/govern/adoption/", f"{api}/insight/", f"{api}/adoption/")
    grow(2)
    [asked(page) for page in pages]
    few = [asked(page) for page in pages]
    grow(8)
    assert [asked(page) for page in pages] == few
    assert max(few) < 60
    assert UseDay.objects.filter(day=timezone.localdate()).exists()
