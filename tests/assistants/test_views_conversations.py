"""The conversation screen: what is shown of a thread, to whom, and what one can do in it."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from assistants.models import Conversation, Feedback, Message
from datasources.models import Document, Grant
from tests import factories
from tests.assistants import threads

FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def mine(client, cast):
    client.force_login(cast.member.user)
    return threads.conversation(cast.member)


def page(client, row: Conversation, **query: object):
    return client.get(reverse("conversation", args=[row.workspace.slug, row.pk]), query)


def address(name: str, row: Conversation, *more: object) -> str:
    return reverse(name, args=[row.workspace.slug, row.pk, *more])


def test_an_answer_is_shown_as_html_with_chips_that_open_the_passage(client, cast, mine):
    node = factories.node(factories.source(cast.workspace), "leave.md", text="Everybody gets 27 days of leave.")
    given = threads.exchange(mine, "You have **27** days [1]. <script>alert(1)</script>")
    threads.cite(given, node)

    html = page(client, mine).content.decode()

    link = f"{reverse('document', args=['acme', node.pk])}?start=0&amp;end=20&amp;hash="
    assert "<strong>27</strong>" in html
    assert link in html
    assert "<script>alert(1)" not in html


def test_what_a_reader_may_not_read_is_withheld(client, cast):
    node = factories.node(
        factories.source(cast.workspace, grant_to=False), "secret.md", title="Merger plans", text="We buy Umbra in May."
    )
    row = threads.conversation(cast.builder, shared_with_workspace=True)
    given = threads.exchange(row, "In May [1].")
    threads.cite(given, node)
    client.force_login(cast.member.user)

    html = page(client, row).content.decode()

    assert "Withheld" in html
    assert "Merger plans" not in html
    assert "In May" not in html


def test_a_source_that_changed_since_says_so(client, cast, mine):
    node = factories.node(factories.source(cast.workspace), "leave.md", text="Everybody gets 27 days of leave.")
    threads.cite(threads.exchange(mine, "27 days [1]."), node)
    Document.objects.filter(node=node).update(text="Everybody gets 28 days of leave.", content_hash="other")

    assert "Changed since it was cited" in page(client, mine).content.decode()


def test_the_steps_come_from_the_stored_events_in_one_line(client, mine):
    given = threads.exchange(mine)
    threads.step(given, "Searching 2 folders")
    threads.step(given, "Reading 6 passages")

    html = page(client, mine).content.decode()

    assert "Searched 2 folders, read 6 passages" in html
    assert "a token" not in html


def test_what_the_run_notes_is_told_and_what_concerns_ones_access_to_oneself_alone(client, cast):
    row = threads.conversation(cast.member, shared_with_workspace=True)
    given = threads.exchange(row)
    threads.noted(given, "started", "You may read only part of it.")
    threads.noted(given, "completed", "The limit cut it short.")
    threads.noted(given, "started", "")
    for reader, told in ((cast.member, True), (cast.builder, False)):
        client.force_login(reader.user)
        html = page(client, row).content.decode()
        assert ("You may read only part of it." in html) is told
        assert html.count("answer-note") == 1 + told
        assert "The limit cut it short." in html


def test_the_number_of_queries_does_not_depend_on_the_length(client, cast, mine):
    node = factories.node(factories.source(cast.workspace), "leave.md", text="Everybody gets 27 days of leave.")

    def counted(exchanges: int) -> int:
        for _ in range(exchanges):
            threads.cite(threads.exchange(mine, "27 days [1]."), node)
        page(client, mine)
        with CaptureQueriesContext(connection) as queries:
            assert page(client, mine).status_code == 200
        return len(queries)

    assert counted(1) == counted(6)


def test_somebody_elses_conversation_is_not_there(client, cast):
    row = threads.conversation(cast.builder)
    given = threads.exchange(row)
    for other in (cast.member, cast.admin):
        client.force_login(other.user)
        assert page(client, row).status_code == 404
        assert client.get(address("answer", row, given.pk)).status_code == 404
        assert client.get(address("conversation_title", row)).status_code == 404
        for name, more in (
            ("ask", ()),
            ("conversation_share", ()),
            ("conversation_rename", ()),
            ("conversation_pin", ()),
            ("conversation_archive", ()),
            ("answer_again", (given.pk,)),
            ("answer_stop", (given.pk,)),
            ("answer_feedback", (given.pk,)),
            ("question_edit", (given.parent_id,)),
        ):
            assert client.post(address(name, row, *more), {"content": "x", "on": "1"}).status_code == 404, name


def test_who_reads_along_can_judge_but_not_ask(client, cast):
    row = threads.conversation(cast.builder)
    row.shared_with.add(cast.member.user)
    given = threads.exchange(row)
    client.force_login(cast.member.user)

    html = page(client, row).content.decode()

    assert "Bea Builder shared this conversation" in html
    assert "data-composer" not in html
    assert client.post(address("ask", row), {"content": "And me?"}).status_code == 404
    assert client.post(address("answer_feedback", row, given.pk), {"up": "1"}).status_code == 302
    assert Feedback.objects.get().user == cast.member.user


def test_a_question_begins_a_conversation_and_leads_to_its_page(client, cast):
    client.force_login(cast.member.user)

    response = client.post(reverse("ask_new", args=["acme"]), {"content": "How many days?"})

    row = Conversation.objects.get()
    assert response.url == reverse("conversation", args=["acme", row.pk])
    assert row.owner == cast.member.user
    asked, given = row.messages.order_by("created")
    assert (asked.content, given.status) == ("How many days?", "queued")
    html = client.get(response.url).content.decode()
    assert 'http-equiv="refresh"' in html  # without scripts, the page looks again by itself
    assert "Stop" in html


def test_an_empty_question_says_so_and_begins_nothing(client, cast):
    client.force_login(cast.member.user)
    response = client.post(reverse("ask_new", args=["acme"]), {"content": "  "}, follow=True)
    assert "Write a question first." in response.content.decode()
    assert not Conversation.objects.exists()


def test_an_assistant_that_one_may_not_use_cannot_be_asked(client, cast):
    from assistants.lifecycle import create_assistant

    create_assistant(workspace=cast.workspace, by=cast.builder.user, handle="private-one", name="Private")
    client.force_login(cast.member.user)
    response = client.post(
        reverse("ask_new", args=["acme"]), {"content": "Hello", "assistant": "private-one"}, follow=True
    )
    assert "There is no assistant @private-one that you may use." in response.content.decode()


def test_a_follow_up_comes_back_as_the_thread_for_scripts(client, mine):
    first = threads.exchange(mine)

    response = client.post(
        address("ask", mine), {"content": "And for apprentices?", "parent": str(first.pk)}, headers=FRAGMENT
    )

    html = response.content.decode()
    assert html.count("<article") == 4
    assert "And for apprentices?" in html
    assert mine.messages.get(content="And for apprentices?").parent == first


def test_a_second_question_waits_while_an_answer_is_written(client, mine):
    threads.exchange(mine, "27", status=Message.Status.RUNNING)
    response = client.post(address("ask", mine), {"content": "More?"}, headers=FRAGMENT)
    assert response.status_code == 409
    assert "Wait for it, or stop it first" in response.content.decode()


def test_editing_a_question_makes_a_branch_beside_it(client, mine):
    first = threads.exchange(mine)

    client.post(address("question_edit", mine, first.parent_id), {"content": "How many weeks?"})

    mine.refresh_from_db()
    html = page(client, mine).content.decode()
    assert "How many weeks?" in html
    assert "2/2" in html
    Message.objects.filter(pk=mine.head_id).update(status="completed")
    old = page(client, mine, at=first.parent_id).content.decode()
    assert "27 days." in old
    assert "1/2" in old
    mine.refresh_from_db()
    assert mine.head_id == first.pk  # the branch that was looked at last is the one that is shown


def test_an_earlier_answer_can_be_gone_on_from_and_nothing_is_lost(client, mine):
    first = threads.exchange(mine, "27 days.")
    last = threads.exchange(mine, "Ask the office.")

    html = page(client, mine).content.decode()
    assert html.count(f'data-after="{address("conversation", mine)}?after={first.pk}"') == 1
    assert f"?after={last.pk}" not in html  # the composer goes on from the last one anyway

    cut = page(client, mine, after=first.pk).content.decode()
    assert "27 days." in cut
    assert "Ask the office." not in cut
    assert f'name="parent" value="{first.pk}"' in cut
    mine.refresh_from_db()
    assert mine.head_id == last.pk  # looking changes nothing

    client.post(address("ask", mine), {"content": "And in March?", "parent": first.pk})
    asked = Message.objects.get(content="And in March?")
    assert asked.parent_id == first.pk
    html = page(client, mine).content.decode()
    assert "Ask the office." not in html
    assert "2/2" in html
    assert "Ask the office." in page(client, mine, at=last.pk).content.decode()


def test_only_its_owner_goes_on_from_an_answer(client, cast):
    row = threads.conversation(cast.builder, shared_with_workspace=True)
    first = threads.exchange(row, "27 days.")
    threads.exchange(row, "Ask the office.")
    client.force_login(cast.member.user)
    html = page(client, row, after=first.pk).content.decode()
    assert "Ask the office." in html
    assert "data-answer-menu" not in html


def test_asking_again_makes_a_second_answer(client, mine):
    first = threads.exchange(mine)
    client.post(address("answer_again", mine, first.pk), {})
    assert list(first.parent.replies.order_by("created").values_list("status", flat=True)) == ["completed", "queued"]


def test_a_model_that_is_not_offered_is_refused_in_words(client, mine):
    first = threads.exchange(mine)
    response = client.post(address("answer_again", mine, first.pk), {"model": "x|y"}, headers=FRAGMENT)
    assert response.status_code == 400
    assert "not offered any more" in response.content.decode()


def test_a_thumb_down_asks_why_and_can_be_taken_back(client, mine):
    given = threads.exchange(mine)
    url = address("answer_feedback", mine, given.pk)

    asked = client.post(url, {"up": "0"}, headers=FRAGMENT).content.decode()
    assert "What was wrong with it?" in asked
    assert "data-into-view" in asked
    told = client.post(
        url,
        {"up": "0", "reason": "wrong", "comment": "It is 28", "include_conversation": "1"},
        headers=FRAGMENT,
    ).content.decode()
    assert "Thank you" in told
    kept = Feedback.objects.get()
    assert (kept.up, kept.reason, kept.comment, kept.include_conversation) == (False, "wrong", "It is 28", True)
    client.post(url, {"up": ""}, headers=FRAGMENT)
    assert not Feedback.objects.exists()


def test_an_answer_that_broke_off_says_what_happened_and_offers_another_try(client, mine):
    given = threads.exchange(
        mine, "27", status=Message.Status.ERROR, error_code="timeout", error_detail="The model took too long."
    )
    html = page(client, mine).content.decode()
    assert "The model took too long." in html
    assert address("answer_again", mine, given.pk) in html
    assert "27" in html


def test_nothing_found_offers_three_ways_on(client, mine):
    threads.exchange(mine, "I found nothing.", found=False)
    html = page(client, mine).content.decode()
    assert html.count("btn btn-small", html.index("ways-on"), html.index("answer-foot")) == 3


def test_nothing_found_names_what_was_searched_and_leads_to_the_nearest_folder(client, cast, mine):
    source = factories.source(cast.workspace, name="Handbook")
    hidden = factories.source(cast.workspace, name="Board", grant_to=False)
    folder = factories.node(source, "leave", kind="folder")
    near = factories.node(source, "sick.md", parent=folder, text="Thirty days of sick leave.")
    scope = {"sources": [str(source.pk), str(hidden.pk)]}
    threads.cite(threads.exchange(mine, "I found nothing [1].", found=False, scope=scope), near)

    html = page(client, mine).content.decode()

    assert "Searched in Handbook and 1 more." in html
    assert "Board" not in html
    assert f"{reverse('data_source', args=['acme', source.pk])}?parent={folder.pk}" in html
    assert "Look in leave" in html
    assert "See what was searched" not in html


def test_sharing_is_with_people_of_this_workspace(client, cast, mine):
    url = address("conversation_share", mine)

    refused = client.post(url, {"people": "outsider@umbra.example"}, headers=FRAGMENT)
    assert refused.status_code == 422
    assert "Nobody here has the address outsider@umbra.example" in refused.content.decode()
    told = client.post(url, {"people": "builder@acme.example"}, headers=FRAGMENT).content.decode()

    assert "Bea Builder can read it." in told
    assert list(mine.shared_with.all()) == [cast.builder.user]
    client.force_login(cast.builder.user)
    assert page(client, mine).status_code == 200


def test_a_revoked_grant_withholds_an_old_answer(client, cast, mine):
    source = factories.source(cast.workspace)
    node = factories.node(source, "leave.md", title="Leave", text="Everybody gets 27 days of leave.")
    threads.cite(threads.exchange(mine, "You have 27 days [1]."), node)
    assert "You have 27 days" in page(client, mine).content.decode()
    Grant.objects.filter(source=source).delete()
    html = page(client, mine).content.decode()
    assert "You have 27 days" not in html
    assert "Withheld" in html
