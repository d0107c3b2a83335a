"""What a reader may see of an old answer."""

import threading
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext

from assistants import conversations, following
from assistants.api.shapes import shown_to
from assistants.errors import Refused
from assistants.feedback import give_feedback, take_feedback_back
from assistants.following import follow
from assistants.models import Conversation, EventBatch, Feedback, Message
from assistants.presenting import WITHHELD, Source, shown_answers, withhold
from assistants.runs import runner
from datasources.models import Document, Grant, Node
from portal.models import AuditEvent
from tests import factories
from tests.assistants import threads
from tests.assistants.asking import all_events, model, text_of
from tests.vendors.server import Script

db = sync_to_async
OPEN, HIDDEN = Source(n=1, cited=True), Source(n=2, cited=True, withheld=True)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("All open [1].", "All open [1]."),
        ("Open [1].\n\nHidden [2].\n\nOpen again [1].", f"Open [1].\n\n{WITHHELD}\n\nOpen again [1]."),
        ("Hidden [2].\n\nHidden too [2].", WITHHELD),
        ("It says:\n\n> Hidden [2]\n\nAnd:\n\n> Open [1]", f"{WITHHELD}\n\nAnd:\n\n> Open [1]"),
        ("Mixed [1][2].\n\nOpen [1].", f"{WITHHELD}\n\nOpen [1]."),
        ("Open [1].\n\n```\nsecret\n\ncode [1]\n```\n\nfrom [2].", f"Open [1].\n\n{WITHHELD}"),
        ("Open [1].\n\nHidden [2].\n\nTherefore, so.", f"Open [1].\n\n{WITHHELD}"),
        ("No marker at all, from who knows what.", WITHHELD),
        ("", ""),
    ],
)
def test_a_paragraph_goes_with_the_source_that_it_rests_on(content, shown):
    assert withhold(content, [OPEN, HIDDEN]) == shown


def test_nothing_is_withheld_where_everything_may_be_read():
    content = "A [1].\n\nB, without one."
    assert withhold(content, [OPEN]) == content


@pytest.fixture
def quoted(cast):
    """An answer of the builder that quotes an open and a restricted document, shared with the workspace."""
    company = factories.source(cast.workspace, name="Handbook")
    board = factories.source(
        cast.workspace, name="Board", grant_to=factories.space(cast.workspace, cast.builder, name="Leadership")
    )
    public = factories.node(company, "sick.md", text="Thirty days of sick leave.")
    secret = factories.node(board, "swan.md", text="Forty people will be laid off.")
    row = threads.conversation(cast.builder, shared_with_workspace=True)
    answer = threads.exchange(
        row, "**Sick**\n\n> Thirty days. [1]\n\n**Project Swan**\n\n> Forty people will be laid off. [2]"
    )
    threads.cite(answer, public, 1)
    threads.cite(answer, secret, 2)
    return answer, public, secret


def shown(membership, answer):
    return shown_answers(membership, [answer])[answer.pk]


def test_neither_whole_documents_nor_cursors_are_loaded_to_show_what_was_cited(cast, quoted):
    answer, _public, _secret = quoted
    with CaptureQueriesContext(connection) as asked:
        assert shown(cast.builder, answer).sources[0].source_name == "Handbook"
    told = [query["sql"].partition(" FROM ")[0] for query in asked.captured_queries]
    assert not [sql for sql in told if '"cursor"' in sql or '"datasources_document"."text"' in sql]


def test_a_reader_of_a_shared_answer_sees_no_more_than_they_may_read(cast, quoted):
    answer, _public, _secret = quoted

    theirs = shown(cast.member, answer)
    assert [s.withheld for s in theirs.sources] == [False, True]
    assert theirs.sources[0].title == "sick"
    assert theirs.sources[1].as_json() == {"n": 2, "withheld": True}
    assert "Swan" not in theirs.content
    assert "laid off" not in theirs.content
    assert "> Thirty days. [1]" in theirs.content

    mine = shown(cast.builder, answer)
    assert mine.content == answer.content
    assert not any(s.withheld for s in mine.sources)


def test_being_an_admin_opens_nothing(cast, quoted):
    answer = quoted[0]
    assert "laid off" not in shown(cast.admin, answer).content


def test_a_revoked_source_is_withheld_from_the_one_who_asked_too(cast, quoted):
    answer, _public, secret = quoted
    Grant.objects.filter(source=secret.source).delete()
    assert "laid off" not in shown(cast.builder, answer).content


def test_a_changed_document_is_marked_and_shows_no_wrong_snippet(cast, quoted):
    answer, public, _ = quoted
    Document.objects.filter(node=public).update(text="All is new here now.", content_hash="other")
    source = shown(cast.builder, answer).sources[0]
    assert (source.stale, source.gone, source.snippet) == (True, False, "")
    assert "hash=" in source.href


def test_a_deleted_document_is_marked_and_its_answer_stays_with_who_asked(cast, quoted):
    answer, _public, secret = quoted
    Node.objects.filter(pk=secret.pk).delete()
    mine = shown(cast.builder, answer)
    assert (mine.sources[1].gone, mine.sources[1].stale, mine.sources[1].withheld) == (True, True, False)
    assert "laid off" in mine.content
    # Whoever could not read its source still can't read what was written from it.
    assert "laid off" not in shown(cast.member, answer).content


def test_a_document_that_was_unticked_is_gone_before_a_worker_comes(cast, quoted):
    answer, public, secret = quoted
    Node.objects.filter(pk__in=[public.pk, secret.pk]).update(gone=Node.Gone.AGREED)
    mine = shown(cast.builder, answer)
    assert [(s.gone, s.title, s.snippet, s.text) for s in mine.sources] == [(True, "", "", "")] * 2
    assert shown(cast.member, answer).sources[1].withheld
    # It may be at its source as ever: it was only taken out here.
    panel = render_to_string("assistants/_source.html", {"source": mine.sources[0]})
    assert "no longer in Atrium" in panel
    assert "deleted" not in panel


def test_many_answers_cost_no_more_queries_than_one(cast, quoted, django_assert_max_num_queries):
    answer, public, _ = quoted
    row = answer.conversation
    more = [threads.exchange(row, f"More [{1}].") for _ in range(5)]
    for other in more:
        threads.cite(other, public)
    with django_assert_max_num_queries(8):
        shown_answers(cast.member, [answer, *more])


def test_why_a_passage_was_found_goes_by_the_question_of_its_own_branch(cast, quoted):
    """An edited question stands beside the first one, and owes it nothing. A page of messages may begin in the middle."""
    public, row = quoted[1], threads.conversation(cast.member)
    first = threads.exchange(row, "Thirty [1].")
    Message.objects.filter(pk=first.parent_id).update(content="Sick days?")
    edited = threads.answer(row, threads.question(row, "Anything else?", parent=None), "No [1].")
    later = threads.answer(row, threads.question(row, "And then?", parent=first), "Thirty still [1].")
    for answer in (first, edited, later):
        threads.cite(answer, public, 1)
    rows = list(row.messages.select_related("version").order_by("created"))

    def told(messages):
        shown = shown_to(cast.member, messages)["shown"]
        return [shown[m.pk].sources[0].why for m in messages if m.pk in shown]

    assert told(rows) == ["Has “Sick”, “days”", "Close in meaning", "Has “Sick”, “days”"]
    assert told(rows[-1:]) == ["Has “Sick”, “days”"]


@pytest.mark.django_db(transaction=True)
async def test_why_goes_by_the_question_and_not_by_what_another_answered_before(cast, quoted):
    """Its text may be withheld from who reads along, and no word of it may come out by the way."""
    answer, public, _secret = quoted
    second = await db(threads.answer)(await db(lambda: answer.conversation)(), answer, "Thirty days [1].")
    document = await Document.objects.aget(node=public)
    await Document.objects.filter(pk=document.pk).aupdate(text="Thirty days of sick leave for all people.")
    reference = {"n": 1, "source": str(public.source_id), "node": str(public.pk), "start": 0, "end": 40, "score": 0.9}
    passages = {"relevant": True, "passages": [{**reference, "hash": document.content_hash}]}
    events = [("passages", passages), ("token", {"text": "Thirty days [1]."}), ("completed", {"status": "completed"})]
    stored = [{"seq": n, "type": type_, "data": data} for n, (type_, data) in enumerate(events, 1)]
    await EventBatch.objects.acreate(message=second, first=1, last=3, events=stored)

    told = [event async for event in follow(cast.member, second.pk)]
    assert [p["why"] for p in told[0].data["passages"]] == ["Has “days”"]


@pytest.mark.django_db(transaction=True)
async def test_the_sentence_of_a_citation_is_looked_for_off_the_event_loop(cast, quoted, monkeypatch):
    answer, public, _secret = quoted
    text = (await Document.objects.aget(node=public)).text
    where = {
        "source": str(public.source_id),
        "node": str(public.pk),
        "start": 0,
        "end": len(text),
        "hash": "",
        "score": 1,
    }
    passages = {"relevant": True, "passages": [{"n": 1, **where}]}
    said = [("passages", passages), ("token", {"text": f"{text} [1]."}), ("citation", {"n": 1})]
    stored = [{"seq": n, "type": type_, "data": data} for n, (type_, data) in enumerate(said, 1)]
    await EventBatch.objects.acreate(message=answer, first=1, last=3, events=stored)
    real, threads_of_it = following.sentence_for, []

    def sentence_for(passage, claim):
        threads_of_it.append(threading.get_ident())
        return real(passage, claim)

    monkeypatch.setattr(following, "sentence_for", sentence_for)
    cited = [event async for event in follow(cast.member, answer.pk)][-1]
    assert cited.data["sentence"] in text
    assert len(threads_of_it) == 1
    assert threading.get_ident() not in threads_of_it


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("runs")
async def test_a_colleague_follows_a_shared_answer_without_what_is_withheld(cast, vendor, handbook):
    """Live, from the stored record, and from any number: the same."""
    await db(model)(cast.workspace, vendor.base_url)
    row = await db(lambda: threads.conversation(cast.builder, shared_with_workspace=True))()
    vendor.script = Script(text="Thirty days [1].\n\nForty people will be laid off [3].", delay=0.02)
    _, answer = await conversations.aask(cast.builder, row, "What is new?")
    live = await all_events(cast.member, answer.pk)
    mine = await all_events(cast.builder, answer.pk)

    assert text_of(mine) == "Thirty days [1].\n\nForty people will be laid off [3]."
    assert text_of(live) == f"Thirty days [1].\n\n{WITHHELD}"
    assert "Swan" not in str(live)
    assert "laid off" not in str(live)
    said = [e.data.get("sentence") for e in mine if e.type == "citation"]
    assert said == ["You get thirty days of paid sick leave each year.", "Forty people will be laid off in March."]
    assert not any("sentence" in e.data for e in live if e.type == "citation")  # it may rest on what is withheld
    passages = next(e for e in mine if e.type == "passages").data["passages"]
    assert [p["why"] for p in passages] == ["Close in meaning"] * 3
    passages = next(e for e in live if e.type == "passages").data
    assert passages["passages"][2] == {"n": 3, "withheld": True}
    assert "1 of 3 passages are withheld" in passages["note"]
    assert [(e.data["n"], e.data["withheld"]) for e in live if e.type == "citation"] == [(1, False), (3, True)]
    assert runner.find(answer.pk) is None
    for after in range(live[-1].seq):
        rest = await all_events(cast.member, answer.pk, after)
        seen = text_of([e for e in live if e.seq <= after])
        assert seen + text_of(rest) == text_of(live)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("runs")
async def test_a_follow_up_does_not_hand_withheld_text_back_to_the_model(cast, vendor, handbook):
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(text="Forty people will be laid off [3].")
    _, answer = await conversations.aask(cast.builder, None, "What is new?")
    await all_events(cast.builder, answer.pk)
    await runner.Runner.here().settled()
    await Grant.objects.filter(source=handbook[2].source_id).adelete()
    vendor.requests.clear()

    row = await Conversation.objects.aget(pk=answer.conversation_id)
    _, second = await conversations.aask(cast.builder, row, "How many people was that?")
    await all_events(cast.builder, second.pk)
    assert vendor.requests
    assert "laid off" not in str([r.body for r in vendor.requests])


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("runs")
async def test_a_question_goes_on_from_an_answer_of_its_own_conversation_alone(cast, vendor, handbook):
    """What was said above it is told to the model: nobody may put somebody else's conversation there."""
    await db(model)(cast.workspace, vendor.base_url)
    theirs = await db(threads.conversation)(cast.builder)
    secret = await db(threads.question)(theirs, "Will Project Swan cost Ada her job?")
    told = await db(threads.answer)(theirs, secret, "It will.")
    mine = await db(threads.conversation)(cast.member)
    first = await db(threads.question)(mine)
    answer = await db(threads.answer)(mine, first)

    for parent in (told.pk, uuid4(), first.pk):
        with pytest.raises(Refused) as no:
            await conversations.aask(cast.member, mine.pk, "What was I asking?", parent=parent)
        assert no.value.code == "not_found"
    assert "Swan" not in str([request.body for request in vendor.requests])

    question, second = await conversations.aask(cast.member, mine.pk, "And then?", parent=answer.pk)
    await all_events(cast.member, second.pk)
    assert question.parent_id == answer.pk


def test_sharing_is_the_owners_and_within_the_workspace(cast):
    row = threads.conversation(cast.member)
    with pytest.raises(Refused):
        conversations.share(cast.admin, row, workspace=True)
    with pytest.raises(Refused):
        conversations.share(cast.member, row, people=[cast.outsider.user])

    conversations.share(cast.member, row, people=[cast.builder.user])
    assert row in Conversation.objects.visible_to(cast.builder)
    assert row not in Conversation.objects.visible_to(cast.admin)
    conversations.share(cast.member, row, people=[])
    assert row not in Conversation.objects.visible_to(cast.builder)
    event = AuditEvent.objects.filter(action="conversation.share").first()
    assert "Holidays" not in str(event.__dict__)


def test_a_thumb_can_change_and_names_the_version(cast):
    row = threads.conversation(cast.member, shared_with_workspace=True)
    answer = threads.exchange(row)
    give_feedback(cast.member, answer, up=False, reason="wrong", comment="No.", include_conversation=True)
    give_feedback(cast.member, answer, up=True, reason="wrong")
    mine = Feedback.objects.get(user=cast.member.user)
    assert (mine.up, mine.reason, mine.comment, mine.include_conversation) == (True, "", "", False)
    give_feedback(cast.builder, answer, up=False)
    assert answer.feedback.count() == 2
    with pytest.raises(Refused, match="Unknown reason"):
        give_feedback(cast.member, answer, up=False, reason="rude")
    with pytest.raises(Refused, match="began this conversation"):
        give_feedback(cast.builder, answer, up=False, include_conversation=True)
    take_feedback_back(cast.builder, answer)
    assert answer.feedback.count() == 1


def test_an_answer_under_way_is_not_judged_and_a_question_never(cast):
    row = threads.conversation(cast.member)
    question = threads.question(row)
    answer = threads.answer(row, question, status=Message.Status.RUNNING)
    for message in (question, answer):
        with pytest.raises(Refused):
            give_feedback(cast.member, message, up=True)


def test_what_is_not_shared_is_not_found(cast):
    answer = threads.exchange(threads.conversation(cast.member))
    for stranger in (cast.admin, cast.builder, cast.outsider):
        with pytest.raises(Refused) as refused:
            conversations.message_of(stranger, answer.pk)
        assert refused.value.code == "not_found"


def test_deleting_a_conversation_is_its_owners(cast):
    row = threads.conversation(cast.member, shared_with_workspace=True)
    with pytest.raises(Refused):
        conversations.delete_conversation(cast.admin, row)
    conversations.delete_conversation(cast.member, row)
    assert not Conversation.objects.exists()
