"""One question narrowed to a source or a folder: what may be named, what is searched then, and how it is kept and shown."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from django.urls import reverse

from assistants import conversations, planning
from assistants.errors import Refused
from assistants.models import Conversation, Message
from datasources import narrowing
from datasources.access import readable_branches
from datasources.models import Grant
from datasources.reading import Knowledge, open_reader
from datasources.retrieval.types import Branch
from datasources.scope import scope_of
from tests import factories
from tests.assistants import asking, threads
from tests.callers import Caller
from tests.portal.test_api import problem

FRAGMENT = {"HX-Request": "true"}


class Handbook:
    """leave/sick.md and travel/rail.md, for everybody; Board papers with swan.md, for the builder alone."""

    def __init__(self, cast) -> None:
        self.source = factories.source(cast.workspace, name="Handbook")
        leadership = factories.space(cast.workspace, cast.builder, name="Leadership")
        self.board = factories.source(cast.workspace, name="Board papers", grant_to=leadership)
        self.leave = factories.node(self.source, "leave", title="Leave")
        self.travel = factories.node(self.source, "travel", title="Travel and expenses")
        self.sick = factories.node(self.source, "leave/sick.md", parent=self.leave, text="Thirty days of sick leave.")
        self.rail = factories.node(self.source, "travel/rail.md", parent=self.travel, text="Trains in second class.")
        self.swan = factories.node(self.board, "swan.md", text="Forty people will be laid off.")

    def branch(self, *nodes) -> Branch:
        return Branch(self.source.pk, tuple(node.pk for node in nodes) or None)

    def entry(self, *nodes) -> dict[str, object]:
        return {"data_source": str(self.source.pk), "parents_in": [str(node.pk) for node in nodes] or None}


@pytest.fixture
def handbook(cast, index) -> Handbook:
    made = Handbook(cast)
    index.nodes = [made.sick, made.rail, made.swan]
    return made


@pytest.fixture
def leave_helper(cast, handbook):
    return asking.assistant(cast.member, "leave-helper", knowledge=[handbook.entry(handbook.leave)])


# ---- What may be named -----------------------------------------------------------------------------------------------


def test_what_one_may_read_can_be_named_one_entry_a_source(cast, handbook):
    allowed = readable_branches(cast.member)
    two = (handbook.branch(handbook.leave), handbook.branch(handbook.travel), handbook.branch(handbook.leave))
    assert narrowing.checked(two, allowed) == [handbook.entry(handbook.leave, handbook.travel)]
    assert narrowing.checked((*two, handbook.branch()), allowed) == [handbook.entry()]


def test_a_folder_above_or_below_what_is_granted_can_be_named_and_no_other(cast, handbook):
    Grant.objects.filter(source=handbook.source).update(parents_in=[handbook.sick.pk])
    allowed = readable_branches(cast.member)
    for branch in (handbook.branch(), handbook.branch(handbook.leave), handbook.branch(handbook.sick)):
        assert narrowing.checked((branch,), allowed)
    with pytest.raises(narrowing.OutOfReach, match="not for you"):
        narrowing.checked((handbook.branch(handbook.travel),), allowed)


@pytest.mark.parametrize("what", ["board", "its node", "nobody's", "node of another source", "elsewhere"])
def test_what_one_may_not_read_is_as_if_it_were_not_there(cast, handbook, what):
    elsewhere = factories.source(cast.elsewhere)
    branch = {
        "board": Branch(handbook.board.pk),
        "its node": Branch(handbook.board.pk, (handbook.swan.pk,)),
        "nobody's": Branch(uuid4()),
        "node of another source": handbook.branch(handbook.swan),
        "elsewhere": Branch(elsewhere.pk),
    }[what]
    with pytest.raises(Refused) as refusal:
        planning.plan_question(cast.member, None, "Anything?", narrow=(handbook.branch(handbook.travel), branch))
    assert (refusal.value.code, refusal.value.status) == ("not_found", 404)


def test_naming_nothing_or_too_much_is_refused_in_words(cast, handbook):
    allowed = readable_branches(cast.member)
    with pytest.raises(narrowing.OutOfReach, match="at least one folder"):
        narrowing.checked((Branch(handbook.source.pk, ()),), allowed)
    many = Branch(handbook.source.pk, tuple(uuid4() for _ in range(narrowing.MOST_PLACES + 1)))
    with pytest.raises(narrowing.OutOfReach, match="at most 20 places"):
        narrowing.checked((many,), allowed)


# ---- What is searched then -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("narrow", "wanted", "folders", "empty"),
    [
        ("leave", None, 1, False),
        ("leave", "leave", 1, False),
        ("sick", "leave", 1, False),
        ("leave", "sick", 1, False),
        ("travel", "leave", 0, True),
    ],
)
def test_the_scope_is_what_grants_knowledge_and_narrowing_share(cast, handbook, narrow, wanted, folders, empty):
    branches = (handbook.branch(getattr(handbook, wanted)),) if wanted else None
    knowledge = Knowledge(branches, narrow=(handbook.branch(getattr(handbook, narrow)),))
    scope = scope_of(readable_branches(cast.member), knowledge.branches, knowledge.narrow)
    assert (scope.folders, scope.empty, scope.missing, scope.narrowed) == (folders, empty, 0, True)


def test_an_assistant_without_knowledge_gets_none_by_narrowing(cast, handbook):
    knowledge = Knowledge((), narrow=(handbook.branch(handbook.leave),))
    reader = open_reader(cast.member, knowledge)
    assert reader.scope.empty
    assert not reader.reads_nothing  # it is told, rather than answered without sources


def test_what_is_left_out_of_knowledge_is_not_searched_when_named(cast, handbook):
    knowledge = Knowledge(
        (Branch(handbook.source.pk, None, (handbook.travel.pk,)),), narrow=(handbook.branch(handbook.travel),)
    )
    assert scope_of(readable_branches(cast.member), knowledge.branches, knowledge.narrow).empty


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("runs")
class TestAsking:
    async def test_a_narrowed_question_finds_only_what_lies_there(self, cast, handbook, index, vendor):
        await sync_to_async(asking.model)(cast.workspace, vendor.base_url)
        narrow = (handbook.branch(handbook.travel),)
        question, answer = await conversations.aask(cast.member, None, "How do I travel?", narrow=narrow)
        events = await asking.all_events(cast.member, answer.pk)

        read = next(event for event in events if event.type == "passages").data["passages"]
        assert [passage["document"]["id"] for passage in read] == [str(handbook.rail.pk)]
        assert index.filters[0].narrow == narrow
        assert question.narrow == [handbook.entry(handbook.travel)]
        step = next(event for event in events if event.type == "step")
        assert step.data["text"] == "Searching 1 folder"

    async def test_an_assistant_that_reads_leave_finds_nothing_in_travel(self, cast, handbook, leave_helper, index):
        narrow = (handbook.branch(handbook.travel),)
        _, answer = await conversations.aask(
            cast.member, None, "How do I travel?", assistant="leave-helper", narrow=narrow
        )
        events = await asking.all_events(cast.member, answer.pk)

        assert "lies outside what I search for you" in asking.text_of(events)
        assert "passages" not in asking.types_of(events)
        assert index.queries == []
        stored = await Message.objects.aget(pk=answer.pk)
        assert (stored.status, stored.found) == ("completed", False)

    async def test_it_is_never_widened_to_what_the_assistant_does_not_read(self, cast, handbook, leave_helper):
        """Narrowed to a whole source, the assistant still reads its own part of it."""
        _, answer = await conversations.aask(
            cast.member, None, "How do I travel?", assistant="leave-helper", narrow=(handbook.branch(),)
        )
        events = await asking.all_events(cast.member, answer.pk)
        read = next(event for event in events if event.type == "passages").data["passages"]
        assert [passage["document"]["id"] for passage in read] == [str(handbook.sick.pk)]

    async def test_asking_again_stays_narrowed_also_when_the_grant_is_gone(self, cast, handbook, index):
        narrow = (handbook.branch(handbook.travel),)
        _, first = await conversations.aask(cast.member, None, "How do I travel?", narrow=narrow)
        await asking.all_events(cast.member, first.pk)

        first = await sync_to_async(conversations.answer_of)(cast.member, first.pk)
        _, second = await conversations.aask_again(cast.member, first)
        await asking.all_events(cast.member, second.pk)
        assert [filter.narrow for filter in index.filters] == [narrow, narrow]

        await Grant.objects.filter(source=handbook.source).adelete()
        second = await sync_to_async(conversations.answer_of)(cast.member, second.pk)
        _, third = await conversations.aask_again(cast.member, second)
        events = await asking.all_events(cast.member, third.pk)
        assert "lies outside what I search for you" in asking.text_of(events)
        assert len(index.filters) == 2

    async def test_a_follow_up_looks_everywhere_again(self, cast, handbook):
        question, answer = await conversations.aask(
            cast.member, None, "How do I travel?", narrow=(handbook.branch(handbook.travel),)
        )
        await asking.all_events(cast.member, answer.pk)
        following, _ = await conversations.aask(cast.member, question.conversation_id, "And by car?")
        assert following.narrow == []


# ---- The portal ------------------------------------------------------------------------------------------------------


@pytest.fixture
def page(client, cast):
    client.force_login(cast.member.user)
    return client


def html_of(client, row: Conversation) -> str:
    return client.get(reverse("conversation", args=["acme", row.pk])).content.decode()


def test_the_form_narrows_by_ids_of_folders_and_sources_and_the_question_says_so(page, handbook):
    other = factories.source(handbook.source.workspace, name="Wiki")
    ids = [str(handbook.travel.pk), str(other.pk)]
    response = page.post(reverse("ask_new", args=["acme"]), {"content": "How do I travel?", "narrow": ids})

    row = Conversation.objects.get()
    assert response.url == reverse("conversation", args=["acme", row.pk])
    question = row.messages.get(role="user")
    assert question.narrow == [
        handbook.entry(handbook.travel),
        {"data_source": str(other.pk), "parents_in": None},
    ]
    html = html_of(page, row)
    assert 'title="Handbook / Travel and expenses">Travel and expenses</span>, ' in html
    assert 'title="Wiki">Wiki</span>' in html
    assert f'name="narrow" value="{handbook.travel.pk}" checked' in html


@pytest.mark.parametrize(
    ("narrow", "words", "status"), [("board", "not for you", 404), ("rubbish", "did not arrive whole", 400)]
)
def test_what_may_not_be_named_begins_nothing(page, cast, handbook, narrow, words, status):
    named = str(handbook.board.pk) if narrow == "board" else narrow
    begun = page.post(reverse("ask_new", args=["acme"]), {"content": "Who goes?", "narrow": named}, follow=True)
    assert words in begun.content.decode()
    assert not Conversation.objects.exists()

    row = threads.conversation(cast.member)
    address = reverse("ask", args=["acme", row.pk])
    followed = page.post(address, {"content": "Who goes?", "narrow": named}, headers=FRAGMENT)
    assert followed.status_code == status
    assert words in followed.content.decode()


@pytest.mark.parametrize(("sent", "kept"), [({}, True), ({"narrowed": "1"}, False)])
def test_an_edited_question_stays_narrowed_unless_the_form_says_otherwise(page, cast, handbook, sent, kept):
    row = threads.conversation(cast.member)
    first = threads.exchange(row)
    Message.objects.filter(pk=first.parent_id).update(narrow=[handbook.entry(handbook.travel)])

    page.post(reverse("question_edit", args=["acme", row.pk, first.parent_id]), {"content": "By train?", **sent})

    assert row.messages.get(content="By train?").narrow == ([handbook.entry(handbook.travel)] if kept else [])


def test_who_reads_along_learns_no_name_that_is_not_for_them(client, cast, handbook):
    row = threads.conversation(cast.builder, shared_with_workspace=True)
    first = threads.exchange(row)
    narrow = [{"data_source": str(handbook.board.pk), "parents_in": None}, handbook.entry(handbook.travel)]
    Message.objects.filter(pk=first.parent_id).update(narrow=narrow)
    client.force_login(cast.member.user)

    html = html_of(client, row)

    assert "Board papers" not in html
    assert "A place that is gone, or that you may not see" in html
    assert "Travel and expenses" in html


def test_where_narrowing_found_nothing_one_can_ask_without_it(page, cast, handbook, leave_helper):
    row = threads.conversation(cast.member)
    asked = threads.question(row, "How do I travel?")
    Message.objects.filter(pk=asked.pk).update(narrow=[handbook.entry(handbook.travel)])
    threads.answer(row, asked, "Nothing.", found=False, assistant=leave_helper, version=leave_helper.live)

    html = html_of(page, row)

    assert "Ask without narrowing" in html
    assert '<input type="hidden" name="assistant" value="leave-helper">' in html


def test_narrowed_questions_are_named_in_as_many_queries_for_many_as_for_one(page, cast, handbook):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    row = threads.conversation(cast.member)

    def counted(exchanges: int) -> int:
        for _ in range(exchanges):
            threads.exchange(row)
        row.messages.filter(role="user").update(narrow=[handbook.entry(handbook.travel)])
        html_of(page, row)
        with CaptureQueriesContext(connection) as queries:
            html_of(page, row)
        return len(queries)

    assert counted(1) == counted(6)


# ---- What # offers ---------------------------------------------------------------------------------------------------


def offered(client, typed: str, **more: str) -> list[str]:
    answered = client.get(reverse("ask_places", args=["acme"]), {"q": typed, **more})
    assert answered.status_code == 200
    return [f"{place['above']} > {place['name']}" for place in answered.json()["results"]]


def test_sources_and_folders_are_offered_by_what_was_typed(page, cast, handbook):
    deep = factories.node(handbook.source, "travel/abroad", parent=handbook.travel, title="Abroad")
    assert offered(page, "trav") == ["Handbook > Travel and expenses"]
    assert offered(page, "travel-expenses") == ["Handbook > Travel and expenses"]
    assert offered(page, "travel/ab") == ["Handbook / Travel and expenses > Abroad"]
    assert offered(page, "hand") == [" > Handbook"]
    assert offered(page, "")[0] == " > Handbook"
    assert offered(page, "rail") == []  # a document is not a folder
    first = page.get(reverse("ask_places", args=["acme"]), {"q": "abroad"}).json()["results"][0]
    assert UUID(first["id"]) == deep.pk


def test_only_what_one_may_read_is_offered(client, cast, handbook):
    factories.node(handbook.board, "minutes", title="Minutes")
    Grant.objects.filter(source=handbook.source).update(parents_in=[handbook.sick.pk])
    client.force_login(cast.admin.user)  # who governs the restricted space does not read in it
    assert offered(client, "board") == offered(client, "minutes") == offered(client, "travel") == []
    assert offered(client, "leave") == ["Handbook > Leave"]
    client.force_login(cast.builder.user)
    assert offered(client, "minutes") == ["Board papers > Minutes"]
    client.force_login(cast.outsider.user)
    assert client.get(reverse("ask_places", args=["acme"]), {"q": "leave"}).status_code == 404


def test_with_an_assistant_only_its_own_places_are_offered(page, cast, handbook, leave_helper):
    assert offered(page, "travel", assistant="leave-helper") == []
    assert offered(page, "leave", assistant="leave-helper") == ["Handbook > Leave"]
    assert offered(page, "hand", assistant="leave-helper") == [" > Handbook"]
    row = threads.conversation(cast.member, assistant=leave_helper)
    assert offered(page, "travel", conversation=str(row.pk)) == []
    assert offered(page, "travel", assistant="nobody") == []


def test_offering_asks_as_often_for_many_folders_as_for_few(page, cast, handbook, django_assert_max_num_queries):
    for number in range(30):
        source = factories.source(cast.workspace, name=f"Trips {number}")
        factories.node(source, "trips", title="Trips")
    offered(page, "trips")
    with django_assert_max_num_queries(12):
        assert len(offered(page, "trips")) == narrowing.MOST_SUGGESTED


# ---- The API ------------------------------------------------------------------------------------------------------------


def test_the_api_refuses_what_may_not_be_read_and_what_is_no_place(cast, handbook):
    call = Caller(cast.member)
    row = threads.conversation(cast.member)
    path = f"conversations/{row.pk}/messages/"
    foreign = {"data_source": str(handbook.board.pk), "parents_in": None}
    problem(call.post(path, {"content": "Who goes?", "narrow": [foreign]}), 404, "not_found")
    empty = {"data_source": str(handbook.source.pk), "parents_in": []}
    problem(call.post(path, {"content": "Who goes?", "narrow": [empty]}), 400, "invalid")
    problem(call.post(path, {"content": "Who goes?", "narrow": [{"data_source": "travel"}]}), 400, "invalid")
    assert not Message.objects.exists()


def test_the_api_tells_what_a_question_was_narrowed_to(cast, handbook):
    row = threads.conversation(cast.member)
    first = threads.exchange(row)
    Message.objects.filter(pk=first.parent_id).update(narrow=[handbook.entry(handbook.travel)])
    told = Caller(cast.member).get(f"conversations/{row.pk}/messages/").json()["results"]
    assert [message["narrow"] for message in told] == [[handbook.entry(handbook.travel)], []]
