"""The socket of a page."""

import asyncio
import json
import uuid

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.routing import URLRouter
from django.test import AsyncClient

from assistants import conversations
from assistants.consumers import NOT_HERE, AnswersConsumer
from assistants.models import Conversation, Message
from assistants.urls import sockets
from portal import people
from portal.spending.offers import set_offer
from tests.assistants import threads
from tests.assistants.asking import assistant, model
from tests.vendors.server import Script

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("runs")]
db = sync_to_async


class Page:
    """A page's end of a socket."""

    def __init__(self, membership, slug="acme"):
        scope = {"type": "websocket", "path": f"/ws/w/{slug}/answers/", "headers": [], "user": membership.user}
        self.socket = ApplicationCommunicator(URLRouter(sockets), scope)
        self.code = None

    async def __aenter__(self):
        await self.socket.send_input({"type": "websocket.connect"})
        output = await self.socket.receive_output(10)
        self.code = output.get("code") if output["type"] == "websocket.close" else None
        return self

    async def __aexit__(self, *exc):
        await self.socket.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.socket.wait(10)

    async def say(self, **frame):
        await self.send(json.dumps(frame))

    async def send(self, text):
        await self.socket.send_input({"type": "websocket.receive", "text": text})

    async def hear(self):
        return json.loads((await self.socket.receive_output(10))["text"])

    async def until(self, wanted):
        """Frames up to the first for which ``wanted`` is true."""
        frames = []
        while not frames or not wanted(frames[-1]):
            frames.append(await self.hear())
        return frames


def ended(frame):
    return frame.get("type") in ("completed", "stopped", "error") or "refused" in frame


def text(frames):
    return "".join(f["data"]["text"] for f in frames if f.get("type") == "token")


async def test_asking_streams_the_answer_to_the_page(cast, vendor, handbook):
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(text="Thirty days [1].")
    async with Page(cast.member) as page:
        await page.say(ask="How many days?", ref="a1")
        frames = await page.until(ended)

    assert frames[0]["ref"] == "a1"
    ids = frames[0]["asked"]
    assert [f["type"] for f in frames[1:4]] == ["started", "step", "passages"]
    assert {f["answer"] for f in frames[1:]} == {ids["answer"]}
    assert text(frames) == "Thirty days [1]."
    assert (await Message.objects.aget(pk=ids["answer"])).conversation_id == uuid.UUID(ids["conversation"])


async def test_a_page_comes_back_and_gets_the_rest(cast, vendor, handbook):
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(tokens=60, delay=0.02)
    async with Page(cast.member) as page:
        await page.say(ask="How many days?")
        first = await page.until(lambda f: f.get("type") == "token" and f["seq"] > 8)
    answer, seen = first[0]["asked"]["answer"], first[-1]["seq"]

    async with Page(cast.member) as page:
        await page.say(follow=answer, after=seen)
        rest = await page.until(ended)

    assert min(f["seq"] for f in rest) > seen
    assert text(first) + text(rest) == "".join(f"token{n} " for n in range(60))


async def test_one_socket_follows_many_answers_and_lets_go_of_them(cast, vendor, handbook):
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(tokens=30, delay=0.01)
    answers = [(await conversations.aask(cast.member, None, f"Question {n}?"))[1].pk for n in range(3)]
    async with Page(cast.member) as page:
        for answer in answers:
            await page.say(follow=str(answer))
        await page.say(unfollow=str(answers[2]))
        over, frames = set(), []
        while len(over) < 2:
            frames.append(await page.hear())
            if ended(frames[-1]):
                over.add(frames[-1]["answer"])
    for answer in answers[:2]:
        assert text([f for f in frames if f["answer"] == str(answer)]).endswith("token29 ")
    assert str(answers[2]) not in over


async def test_a_second_tab_hears_of_the_question_and_can_stop_the_answer(cast, vendor, handbook):
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(tokens=500, delay=0.02)
    row = await db(conversations.start_conversation)(cast.member)
    async with Page(cast.member) as first, Page(cast.member) as second:
        await second.say(watch=str(row.pk))
        await asyncio.sleep(0.2)
        await first.say(ask="How many days?", conversation=str(row.pk))
        notice = await second.hear()
        assert notice["changed"] == str(row.pk)
        await second.say(follow=notice["answer"])
        await second.until(lambda f: f.get("type") == "token")
        await second.say(stop=notice["answer"])
        assert (await second.until(ended))[-1]["type"] == "stopped"
        assert (await first.until(ended))[-1]["type"] == "stopped"


async def test_editing_and_asking_again_over_the_socket(cast, vendor, handbook):
    await db(model)(cast.workspace, vendor.base_url)
    async with Page(cast.member) as page:
        await page.say(ask="How many days?")
        asked = (await page.until(ended))[0]["asked"]
        await page.say(edit=asked["question"], content="How many weeks?", ref=2)
        edited = (await page.until(ended))[0]
        await page.say(again=asked["answer"], ref=3)
        again = (await page.until(ended))[0]
    assert edited["ref"] == 2
    assert edited["asked"]["conversation"] == asked["conversation"]
    assert again["asked"]["question"] == asked["question"]


async def test_a_draft_is_tried(cast, vendor, handbook):
    credential = await db(model)(cast.workspace, vendor.base_url, default=False)
    fields = {"name": "P", "instructions": "Rhyme.", "credential": str(credential.pk), "model": "m", "knowledge": None}
    async with Page(cast.member) as page:
        await page.say(**{"try": "How many days?", "fields": fields, "ref": 1})
        frames = await page.until(ended)
        assert text(frames) == "The answer is forty-two."
        assert "Rhyme." in vendor.requests[0].body["messages"][0]["content"]
        await page.say(**{"try": "How?", "fields": {"name": "P", "temperature": 9}, "ref": 2})
        refused = await page.hear()
    assert refused["refused"]["code"] == "invalid"
    assert "between 0 and 2" in refused["refused"]["detail"]


async def test_a_draft_names_only_an_assistant_that_one_may_change(cast, vendor, handbook, monkeypatch):
    """Whose budget pays. The page of the builder does the same."""
    from assistants.views import trial

    paying = []

    async def tried(*arguments, of):
        paying.append(of)
        raise conversations.Refused("invalid", "Enough.")

    monkeypatch.setattr(conversations, "try_draft", tried)
    monkeypatch.setattr(trial, "try_draft", tried)
    mine = await db(assistant)(cast.member, "mine")
    async with Page(cast.member) as page, Page(cast.builder) as other:
        for handle, asker in (("Mine", page), ("", page), ("mine", other)):
            await asker.say(**{"try": "How?", "fields": {"name": "P"}, "assistant": handle})
            said = (await asker.hear())["refused"]["code"]
            assert said == ("not_found" if asker is other else "invalid")
    client = AsyncClient()
    form = {"name": "P", "colour": "teal", "stage": "beta", "searches": "all", "knowledge": "[]", "content": "How?"}
    for person in (cast.member, cast.builder):
        await client.aforce_login(person.user)
        await client.post("/w/acme/building/try/", {**form, "assistant": "mine"})
    assert paying == [mine.pk, None, mine.pk, None]


async def test_what_a_colleague_put_in_may_stay_while_it_is_tried(cast, vendor, handbook, monkeypatch):
    """As where it is saved, and as the builder's page and the API try it."""
    tried = []

    async def keep(membership, fields, *_more, of):
        tried.append((fields["knowledge"], fields["model"], of))
        raise conversations.Refused("invalid", "Enough.")

    monkeypatch.setattr(conversations, "try_draft", keep)
    credential = await db(model)(cast.workspace, vendor.base_url, default=False)
    board = str(handbook[2].source_id)
    knowledge = [{"data_source": board, "parents_in": None, "parents_not_in": []}]
    asked = {"credential": str(credential.pk), "model": "m", "knowledge": knowledge}
    made = await db(assistant)(cast.builder, "board", **asked)
    await db(made.owners.add)(cast.member.user)
    await db(set_offer)(credential, "m", least="admin", by=None)
    async with Page(cast.member) as page:
        for more in ({"assistant": "board"}, {}):
            await page.say(**{"try": "How?", "fields": {"name": "P", **asked}, **more})
            said = (await page.hear())["refused"]["detail"]
            assert (said == "Enough.") is bool(more)
    assert tried == [(knowledge, "m", made.pk)]


async def test_the_named_assistant_answers(cast, vendor, handbook):
    await db(model)(cast.workspace, vendor.base_url)
    made = await db(assistant)(cast.member, "pirate", instructions="Arr.")
    async with Page(cast.member) as page:
        await page.say(ask="How?", assistant="Pirate")
        asked = (await page.until(ended))[0]["asked"]
        await page.say(ask="How?", assistant="nobody")
        assert (await page.hear())["refused"]["code"] == "not_found"
    assert (await Message.objects.aget(pk=asked["answer"])).assistant_id == made.pk


@pytest.mark.parametrize(
    "frame",
    [
        "nonsense",
        "[1]",
        "{}",
        '{"follow": "x"}',
        '{"follow": "00000000-0000-0000-0000-000000000000", "after": -1}',
        '{"ask": 5}',
        '{"ask": ""}',
        '{"ask": "Hi?", "conversation": "00000000-0000-0000-0000-000000000000"}',
        '{"watch": "00000000-0000-0000-0000-000000000000"}',
        '{"again": "00000000-0000-0000-0000-000000000000"}',
        '{"stop": "00000000-0000-0000-0000-000000000000"}',
        '{"try": "x", "fields": 3}',
        '{"try": "x", "fields": {}, "history": 3}',
    ],
)
async def test_bad_frames_get_a_sentence_and_the_socket_lives_on(cast, index, frame):
    async with Page(cast.member) as page:
        await page.send(frame)
        refused = (await page.hear())["refused"]
        assert refused["code"] in ("invalid", "not_found", "empty")
        assert refused["detail"].endswith(".")
        await page.say(ask="")
        assert (await page.hear())["refused"]["code"] == "empty"


async def test_outsiders_and_strangers_are_not_let_in(cast):
    async with Page(cast.outsider) as page:
        assert page.code == NOT_HERE
    async with Page(cast.member, "nowhere") as page:
        assert page.code == NOT_HERE


async def test_an_answer_of_somebody_else_is_not_there(cast, vendor, handbook):
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(tokens=100, delay=0.02)
    _, answer = await conversations.aask(cast.member, None, "How many days?")
    async with Page(cast.admin) as page:
        await page.say(follow=str(answer.pk))
        refused = await page.hear()
        await page.say(stop=str(answer.pk))
        assert (await page.hear())["refused"]["code"] == "not_found"
    assert (refused["refused"]["code"], refused["answer"]) == ("not_found", str(answer.pk))


async def test_who_leaves_the_workspace_is_shown_out_in_mid_answer(cast, vendor, handbook, monkeypatch):
    monkeypatch.setattr(AnswersConsumer, "look_again", 0.1)
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(tokens=500, delay=0.02)
    async with Page(cast.member) as page:
        await page.say(ask="How many days?")
        await page.until(lambda f: f.get("type") == "token")
        await db(lambda: people.deactivate(cast.member, by=cast.admin.user))()
        async with asyncio.timeout(10):
            while (output := await page.socket.receive_output(10))["type"] != "websocket.close":
                pass
    assert output["code"] == NOT_HERE


async def test_a_conversation_that_is_shared_no_more_is_let_go(cast, vendor, handbook, monkeypatch):
    monkeypatch.setattr(AnswersConsumer, "look_again", 0.1)
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(tokens=500, delay=0.02)
    row = await db(lambda: threads.conversation(cast.member, shared_with_workspace=True))()
    _, answer = await conversations.aask(cast.member, row, "How many days?")
    async with Page(cast.builder) as page:
        await page.say(watch=str(row.pk))
        await page.say(follow=str(answer.pk))
        await page.until(lambda f: f.get("type") == "token")
        await Conversation.objects.filter(pk=row.pk).aupdate(shared_with_workspace=False)
        await asyncio.sleep(0.5)
        while not await page.socket.receive_nothing(0.01):
            await page.socket.receive_output(1)
        assert await page.socket.receive_nothing(0.5)


async def test_a_question_over_the_socket_can_be_narrowed(cast, handbook):
    """Two documents of the handbook are readable; the question is confined to one."""
    sick = handbook[0]
    place = {"data_source": str(sick.source_id), "parents_in": [str(sick.pk)]}
    async with Page(cast.member) as page:
        await page.say(ask="How many days?", narrow=[place])
        frames = await page.until(ended)
        read = next(frame for frame in frames if frame.get("type") == "passages")["data"]["passages"]
        assert [passage["document"]["id"] for passage in read] == [str(sick.pk)]
        question = await Message.objects.aget(role="user")
        assert question.narrow == [place]

        secret = {"data_source": str(handbook[2].source_id)}
        for narrow, code in (([secret], "not_found"), ("leave", "invalid"), ([{"data_source": "leave"}], "invalid")):
            await page.say(ask="How many days?", narrow=narrow, ref=code)
            assert (await page.hear())["refused"]["code"] == code
