"""Assistants, conversations and answers through the API."""

import asyncio
import json

import pytest
from asgiref.sync import sync_to_async

from assistants import lifecycle, planning
from assistants.models import Assistant, Conversation, Message
from assistants.runs import runner
from datasources import reading
from portal.providers.types import Delta, Finish, Usage
from tests import factories
from tests.assistants.asking import model
from tests.callers import ALL, AsyncCaller, Caller, key
from tests.embedders import InstantEmbedder
from tests.portal.test_api import problem
from tests.vendors.server import Script


def assistant(membership, handle="greeter", **fields):
    return lifecycle.create_assistant(
        workspace=membership.workspace, by=membership.user, handle=handle, **{"knowledge": [], **fields}
    )


def test_an_assistant_is_made_changed_published_vetted_and_archived(cast):
    source = factories.source(cast.workspace)
    folder = factories.node(source, "hr")
    knowledge = [{"data_source": str(source.pk), "parents_in": [str(folder.pk)], "parents_not_in": []}]
    mine = Caller(cast.member)
    made = mine.post(
        "assistants/",
        {"handle": "leave", "name": "Leave", "instructions": "Be brief.", "knowledge": knowledge, "model": ""},
    )
    assert made.status_code == 201, made.content
    body = made.json()
    assert (body["handle"], body["scope"], body["live_version"]) == ("leave", "personal", 1)
    assert body["knowledge"] == knowledge
    assert body["version"]["instructions"] == "Be brief."
    problem(Caller(cast.builder).get("assistants/leave/"), 404, "not_found")

    changed = mine.patch("assistants/leave/", {"description": "Answers about leave.", "stage": "stable"}).json()
    assert (changed["latest_version"], changed["stage"]) == (2, "stable")
    assert [v["number"] for v in mine.get("assistants/leave/versions/").json()["results"]] == [2, 1]
    assert mine.post("assistants/leave/versions/1/restore/").json()["latest_version"] == 3

    problem(mine.post("assistants/leave/vet/"), 403, "permission_denied")
    assert mine.post("assistants/leave/publish/").json()["scope"] == "published"
    other = Caller(cast.builder).get("assistants/leave/").json()
    assert (other["editable"], other["instructions"]) == (False, None)
    problem(Caller(cast.builder).patch("assistants/leave/", {"name": "X"}), 403, "not_yours")
    told = Caller(cast.builder).get("assistants/leave/versions/").json()["results"]
    assert [(version["number"], version["instructions"]) for version in told] == [(3, None)]
    admin = Caller(cast.admin)
    assert admin.post("assistants/leave/vet/").json()["scope"] == "workspace"
    assert admin.get("assistants/", scope="workspace").json()["results"][0]["handle"] == "leave"
    assert admin.post("assistants/leave/unvet/").json()["scope"] == "published"
    assert mine.delete("assistants/leave/").status_code == 204
    problem(mine.get("assistants/leave/"), 404, "not_found")


def test_a_change_that_is_refused_in_part_changes_nothing(cast):
    made = assistant(cast.member, "leave")
    mine = Caller(cast.member)
    for refused in (
        {"handle": "holidays", "stage": "alpha", "credential": None, "model": "not-offered"},
        {"name": "New", "shows_instructions": True, "handle": "X"},
        {"name": "New", "handle": "holidays", "owners": [cast.outsider.user_id]},
    ):
        assert mine.patch("assistants/leave/", refused).status_code == 400
        made.refresh_from_db()
        assert (made.handle, made.stage, made.shows_instructions, made.latest.number) == ("leave", "beta", False, 1)
        assert list(made.owners.all()) == [cast.member.user]
    # What one leaves to others goes last, so that the rest of it is done.
    left = mine.patch("assistants/leave/", {"name": "New", "handle": "holidays", "owners": [cast.builder.user_id]})
    assert left.status_code == 204
    assert Caller(cast.builder).get("assistants/holidays/").json()["name"] == "New"


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"handle": "a", "name": "x"}, "handle"),
        ({"handle": "good", "knowledge": [{"data_source": "7d4b1b0e-0000-4000-8000-000000000000"}]}, "knowledge"),
        ({"handle": "good", "temperature": 9}, "temperature"),
        ({"handle": "good", "credential": "7d4b1b0e-0000-4000-8000-000000000000", "model": "x"}, "credential"),
    ],
)
def test_what_is_wrong_with_an_assistant_is_told_by_field(cast, data, field):
    body = problem(Caller(cast.member).post("assistants/", data), 400, "invalid")
    assert field in body["errors"], body


def test_conversations_are_ones_own(cast):
    mine = Caller(cast.member)
    assistant(cast.member)
    made = mine.post("conversations/", {"assistant": "@greeter", "title": "Hello"})
    assert made.status_code == 201
    assert (made.json()["assistant"], made.json()["title"], made.json()["messages"]) == ("greeter", "Hello", [])
    path = f"conversations/{made.json()['id']}/"
    for other in (cast.admin, cast.builder):
        problem(Caller(other).get(path), 404, "not_found")
    shared = mine.patch(path, {"title": "Hi", "shared_with_workspace": True})
    assert shared.json()["title"] == "Hi"
    assert Caller(cast.builder).get(path).status_code == 200
    problem(Caller(cast.builder).patch(path, {"title": "Mine"}), 403, "not_yours")
    problem(Caller(cast.builder).delete(path), 403, "not_yours")
    problem(mine.patch(path, {"shared_with": [cast.outsider.user_id]}), 400, "invalid")
    assert mine.patch(path, {"shared_with": [cast.builder.user_id]}).json()["shared_with"] == [cast.builder.user_id]
    assert Caller(cast.builder).get(path).json()["shared_with"] is None
    mine.patch(path, {"archived": True})
    assert mine.get("conversations/").json()["results"] == []
    assert len(mine.get("conversations/", archived="true").json()["results"]) == 1
    assert mine.delete(path).status_code == 204
    assert not Conversation.objects.exists()
    problem(mine.post("conversations/", {"assistant": "nobody"}), 400, "invalid")


def test_lists_ask_a_constant_number_of_questions(cast, django_assert_max_num_queries):
    for number in range(12):
        made = assistant(cast.member, f"helper-{number}")
        row = Conversation.objects.create(workspace=cast.workspace, owner=cast.member.user, assistant=made)
    for _ in range(20):
        question = Message.objects.create(conversation=row, role="user", content="?", author=cast.member.user)
        answer = Message.objects.create(conversation=row, role="assistant", parent=question, author=cast.member.user)
    Conversation.objects.filter(pk=row.pk).update(head=answer)
    call = Caller(cast.member)
    call.get("me/")
    with django_assert_max_num_queries(8):
        assert len(call.get("assistants/").json()["results"]) == 12
    with django_assert_max_num_queries(6):
        assert len(call.get("conversations/").json()["results"]) == 12
    with django_assert_max_num_queries(8):
        call.get(f"conversations/{row.pk}/")
    with django_assert_max_num_queries(8):
        assert len(call.get(f"conversations/{row.pk}/messages/").json()["results"]) == 40


class Writer:
    """A model that says these words, one at a time, and waits for ``go`` before the last."""

    vendor, model = "test", "writer"

    def __init__(self, *words):
        self.words = words
        self.go = asyncio.Event()
        self.go.set()

    async def stream(self, request):
        for number, word in enumerate(self.words):
            if number == len(self.words) - 1:
                await self.go.wait()
            yield Delta(word)
        yield Finish("stop", Usage(3, len(self.words)))


@pytest.fixture
def writer(monkeypatch):
    made = Writer("Good ", "day ", "to ", "you.")
    monkeypatch.setattr(planning, "chat_model", lambda workspace, credential, model: made)
    monkeypatch.setattr(reading, "embedder_for", lambda workspace: InstantEmbedder())
    return made


@pytest.fixture
async def call(cast, writer):
    await sync_to_async(assistant)(cast.member)
    text = await sync_to_async(key)(cast.member, *ALL)
    yield AsyncCaller("acme", text)
    writer.go.set()
    await runner.Runner.here().close()


async def begin(call):
    made = await call.post("conversations/", {"assistant": "greeter"})
    return f"conversations/{made.json()['id']}/messages/"


async def events_of(response):
    """(number, type, data) of each server-sent event."""
    text = b"".join([part async for part in response.streaming_content]).decode()
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


@pytest.mark.django_db(transaction=True)
async def test_an_answer_comes_finished_as_json(call):
    path = await begin(call)
    response = await call.post(path, {"content": "Good day?"})
    assert response.status_code == 201, response.content
    body = response.json()
    assert (body["role"], body["status"], body["content"]) == ("assistant", "completed", "Good day to you.")
    assert (body["assistant"], body["version"], body["error"]) == ("greeter", 1, None)
    assert body["usage"]["output_tokens"] >= 4
    assert body["last_seq"] > 0
    rows = (await call.get(path)).json()["results"]
    assert [row["role"] for row in rows] == ["user", "assistant"]
    assert await sync_to_async(lambda: Message.objects.filter(via="api").count())() >= 1


@pytest.mark.django_db(transaction=True)
async def test_an_answer_comes_as_events_and_is_resumed_by_number(call):
    path = await begin(call)
    response = await call.post(path, {"content": "Good day?"}, accept="text/event-stream")
    assert response.status_code == 200
    assert response["Content-Type"] == "text/event-stream"
    events = await events_of(response)
    assert events[0][1] == "started"
    assert events[-1][1] == "completed"
    assert "".join(data["text"] for _, kind, data in events if kind == "token") == "Good day to you."
    numbers = [number for number, _, _ in events]
    assert numbers == sorted(set(numbers))

    answer = events[0][2]["answer"]
    middle = next(number for number, kind, _ in events if kind == "started")
    again = await events_of(await call.get(f"messages/{answer}/events/", after=middle, accept="*/*"))
    assert again[0][0] > middle
    assert "".join(data["text"] for _, kind, data in again if kind == "token") == "Good day to you."
    problem(await call.get(f"messages/{answer}/events/", after="x"), 400, "invalid")
    problem(await call.get("messages/7d4b1b0e-0000-4000-8000-000000000000/events/"), 404, "not_found")


@pytest.mark.django_db(transaction=True)
async def test_leaving_does_not_end_the_answer_and_stopping_does(call, writer):
    writer.go.clear()
    path = await begin(call)
    response = await call.post(path, {"content": "Good day?"}, accept="text/event-stream")
    stream = aiter(response.streaming_content)
    first = await anext(stream)
    answer = json.loads(first.decode().split("data: ", 1)[1])["answer"]
    await stream.aclose()
    await asyncio.sleep(0.05)
    row = (await call.get(f"messages/{answer}/")).json()
    assert row["status"] in {"queued", "running"}
    problem(await call.post(path, {"content": "And?"}), 409, "answer_running")
    stopped = await call.post(f"messages/{answer}/stop/", {})
    assert stopped.status_code == 202
    events = await events_of(await call.get(f"messages/{answer}/events/", accept="text/event-stream"))
    assert events[-1][1] == "stopped"
    body = (await call.get(f"messages/{answer}/")).json()
    assert body["status"] == "stopped"
    assert body["content"].startswith("Good")
    assert (await call.post(f"messages/{answer}/stop/", {})).status_code == 202


@pytest.mark.django_db(transaction=True)
async def test_a_question_is_edited_an_answer_made_again_and_judged(call):
    path = await begin(call)
    answer = (await call.post(path, {"content": "Good day?"})).json()
    edited = (await call.post(f"messages/{answer['parent']}/edit/", {"content": "Good night?"})).json()
    again = (await call.post(f"messages/{edited['id']}/again/", {})).json()
    assert again["parent"] == edited["parent"] != answer["parent"]
    judged = await call.post(f"messages/{again['id']}/feedback/", {"up": False, "reason": "wrong"})
    assert judged.json()["reason"] == "wrong"
    assert (await call.post(f"messages/{again['id']}/feedback/", {"up": True})).json()["id"] == judged.json()["id"]
    problem(await call.post(f"messages/{edited['parent']}/feedback/", {"up": True}), 404, "not_found")


@pytest.mark.django_db(transaction=True)
async def test_what_is_not_saved_and_what_is_old_is_tried(cast, call, writer):
    """As JSON and as events, for who may change the assistant; nothing is kept."""
    await sync_to_async(
        lambda: lifecycle.save_version(
            Assistant.objects.get(handle="greeter"), cast.member.user, instructions="Be loud."
        )
    )()
    asked = []
    stream = writer.stream
    writer.stream = lambda request: asked.append(request) or stream(request)
    history = [{"role": "user", "text": "Hello?"}, {"role": "assistant", "text": "Hello."}]

    draft = {"content": "Good day?", "fields": {"instructions": "Rhyme.", "knowledge": []}, "history": history}
    response = await call.post("assistant-trials/", draft)
    assert response.status_code == 200, response.content
    body = response.json()
    assert (body["status"], body["content"], body["error"]) == ("completed", "Good day to you.", None)
    assert (body["model"], body["citations"], body["tables"]) == ("test/writer", [], [])
    assert "Rhyme." in str(asked[-1])
    assert "Hello." in str(asked[-1])
    for old, words in ((1, False), (2, True), (None, True)):
        tried = {"content": "?", "assistant": "@greeter"} | ({"version": old} if old else {})
        assert (await call.post("assistant-trials/", tried)).status_code == 200
        assert ("Be loud." in str(asked[-1])) is words
    over = {"content": "?", "assistant": "greeter", "fields": {"name": "Other"}}
    response = await call.post("assistant-trials/", over, accept="text/event-stream")
    events = await events_of(response)
    assert events[-1][1] == "completed"
    assert "Be loud." in str(asked[-1])
    stopped = await call.post(f"assistant-trials/{response['X-Trial']}/stop/", {})
    assert stopped.status_code == 202

    other = AsyncCaller("acme", await sync_to_async(key)(cast.builder, *ALL))
    problem(await other.post("assistant-trials/", tried), 404, "not_found")
    await sync_to_async(lambda: lifecycle.publish(Assistant.objects.get(), cast.member.user))()
    problem(await other.post("assistant-trials/", tried), 403, "not_yours")
    reader = AsyncCaller("acme", await sync_to_async(key)(cast.member, "read"))
    problem(await reader.post("assistant-trials/", draft), 403, "scope_missing")
    problem(await call.post("assistant-trials/", {**tried, "version": 9}), 404, "not_found")
    problem(await call.post("assistant-trials/", {"content": "?", "version": 1}), 400, "invalid")
    wrong = problem(
        await call.post("assistant-trials/", {"content": "?", "fields": {"temperature": 9}}), 400, "invalid"
    )
    assert "fields" in wrong["errors"]
    assert await sync_to_async(Message.objects.count)() == 0
    assert await sync_to_async(lambda: Assistant.objects.get().versions.count())() == 2


@pytest.mark.django_db(transaction=True)
async def test_a_trial_tells_what_it_read_and_is_stopped(cast, vendor, handbook, runs):
    await sync_to_async(model)(cast.workspace, vendor.base_url)
    caller = AsyncCaller("acme", await sync_to_async(key)(cast.member, *ALL))
    vendor.script = Script(text="Thirty days [1].")
    body = (await caller.post("assistant-trials/", {"content": "How many days of sick leave?"})).json()
    assert body["content"] == "Thirty days [1]."
    assert [(source["n"], source["document"]["title"]) for source in body["citations"]] == [(1, "sick")]
    assert [source["n"] for source in body["read"]] == [2]
    assert "Project Swan" not in json.dumps(body)
    vendor.script = Script(tokens=1000, delay=0.05)
    response = await caller.post("assistant-trials/", {"content": "How many?"}, accept="text/event-stream")
    stream = aiter(response.streaming_content)
    await anext(stream)
    other = AsyncCaller("acme", await sync_to_async(key)(cast.admin, *ALL))
    assert (await other.post(f"assistant-trials/{response['X-Trial']}/stop/", {})).json() == {"stopped": False}
    assert (await caller.post(f"assistant-trials/{response['X-Trial']}/stop/", {})).json() == {"stopped": True}
    assert b"event: stopped" in b"".join([part async for part in stream])


@pytest.mark.django_db(transaction=True)
async def test_only_who_may_ask_asks(cast, call):
    path = await begin(call)
    reader = AsyncCaller("acme", await sync_to_async(key)(cast.member, "read"))
    other = AsyncCaller("acme", await sync_to_async(key)(cast.builder, *ALL))
    problem(await reader.post(path, {"content": "?"}), 403, "scope_missing")
    problem(await other.post(path, {"content": "?"}), 404, "not_found")
    problem(await call.post(path, {"content": "?"}, accept="image/png"), 406, "not_acceptable")
    problem(await call.post(path, {"content": ""}, accept="text/event-stream"), 400, "invalid")
    problem(await call.post(path, {"content": "?", "assistant": "nobody"}), 400, "invalid")
    assert await sync_to_async(Assistant.objects.count)() == 1
