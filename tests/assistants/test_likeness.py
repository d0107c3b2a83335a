"""What assistants are like: described in the index, asked in the portal, and found by who may use them."""

from __future__ import annotations

import pytest
import yaml
from asgiref.sync import async_to_sync
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from assistants import lifecycle
from assistants.conversations import delete_conversation
from assistants.feedback import give_feedback, take_feedback_back
from assistants.likeness import fitting, rounds, similar_blocking
from assistants.likeness.collection import answered_space, does_space, findable_by, index_of
from assistants.likeness.describing import describe, stale
from assistants.models import Assistant, Conversation, Likeness, Message, QuestionVector, UseDay
from datasources import reading
from datasources.retrieval import remembering
from datasources.retrieval.edge_client import EdgeIndex
from datasources.retrieval.types import Selector
from datasources.retrieval.values import collection_name, is_aside
from portal.providers.local import LocalEmbedder
from tests import factories
from tests.assistants.asking import assistant
from tests.callers import Caller
from tests.embedders import WordsEmbedder


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    index = EdgeIndex(tmp_path_factory.mktemp("vectors"))
    yield index
    index.close()


@pytest.fixture(autouse=True)
def words(monkeypatch, vectors):
    """An embedder to which texts with the same words are alike, and a real index."""
    embedder = WordsEmbedder()
    monkeypatch.setattr(reading, "_index", vectors)
    monkeypatch.setattr(reading, "embedder_for", lambda workspace: embedder)
    remembering.forget_all()
    return embedder


LEAVE = {"name": "Leave desk", "description": "Holidays, sick leave and parental leave of employees."}
TRAVEL = {"name": "Travel desk", "description": "Trains, flights and hotels, and how travel is reimbursed."}


def points(workspace, space) -> set:
    return {point.id for point in index_of(workspace.pk).scroll(space, Selector())}


def asked(person, made, text, *, found=True, via="portal") -> Message:
    """A question and its finished answer, as a run leaves them."""
    conversation = Conversation.objects.create(workspace=person.workspace, owner=person.user, assistant=made)
    question = Message.objects.create(conversation=conversation, role="user", author=person.user, content=text, via=via)
    answer = Message.objects.create(
        conversation=conversation,
        parent=question,
        role="assistant",
        author=person.user,
        assistant=made,
        via=via,
        found=found,
        finished=timezone.now(),
    )
    if via == "portal":
        UseDay.objects.get_or_create(
            workspace=person.workspace, assistant=made, user=person.user, day=timezone.localdate()
        )
    return answer


def people(workspace, number):
    return [factories.member(workspace) for _ in range(number)]


# ---- What it does ------------------------------------------------------------------------------------------------


def test_only_what_is_said_anew_is_embedded_anew(cast, words):
    made = assistant(cast.builder, **LEAVE)

    rounds.keep_up(cast.workspace)
    assert points(cast.workspace, does_space(words.space)) == {made.pk}
    assert words.texts == 1
    lifecycle.save_version(made, cast.builder.user, temperature=0.2)
    lifecycle.publish(made, cast.builder.user)
    rounds.keep_up(cast.workspace)
    assert words.texts == 1
    (stored,) = index_of(cast.workspace.pk).scroll(does_space(words.space), Selector(node=made.pk))
    assert stored.payload["readers"] == ["everyone", f"user:{cast.builder.user_id}"]
    lifecycle.save_version(made, cast.builder.user, description="Who may take a day off, and when.")
    rounds.keep_up(cast.workspace)
    assert words.texts == 2


def test_what_an_assistant_is_told_to_do_is_found_only_where_everybody_may_read_it(cast, words):
    made = assistant(cast.builder, name="Desk", instructions="Never mention the severance budget of Oslo.")
    lifecycle.publish(made, cast.builder.user)

    def kept() -> list[float]:
        describe(cast.workspace, [made.pk])
        (stored,) = index_of(cast.workspace.pk).scroll(does_space(words.space), Selector(), with_vectors=True)
        return stored.dense

    alone = pytest.approx(words.embed_query("Desk").vectors[0], abs=1e-3)
    assert kept() == alone
    lifecycle.show_instructions(made, cast.builder.user, True)
    assert kept() != alone
    lifecycle.show_instructions(made, cast.builder.user, False)
    assert kept() == alone


@pytest.mark.parametrize("verb", ["show", "publish", "hide", "unhide"])
def test_a_round_finds_what_changed_where_the_task_was_lost(cast, words, verb):
    """Nothing hears of these deeds: the index has them from the next round, and embeds only what is said anew."""
    made = assistant(cast.builder, name="Desk", instructions="Never mention the severance budget of Oslo.")
    if verb in ("hide", "unhide"):
        lifecycle.publish(made, cast.builder.user)
    if verb == "unhide":
        lifecycle.hide(made, cast.admin.user)
    rounds.keep_up(cast.workspace)
    before = words.texts

    def stored():
        (point,) = index_of(cast.workspace.pk).scroll(does_space(words.space), Selector(), with_vectors=True)
        return point.dense, point.payload["readers"]

    vector, readers = stored()
    deeds = {
        "show": lambda: lifecycle.show_instructions(made, cast.builder.user, True),
        "publish": lambda: lifecycle.publish(made, cast.builder.user),
        "hide": lambda: lifecycle.hide(made, cast.admin.user),
        "unhide": lambda: lifecycle.unhide(made, cast.admin.user),
    }
    deeds[verb]()
    rounds.keep_up(cast.workspace)
    assert (stored()[0] != vector) == (verb == "show")
    assert (stored()[1] != readers) == (verb != "show")
    assert words.texts - before == (1 if verb == "show" else 0)
    assert not stale(cast.workspace, words.space).exists()


def test_every_verb_has_the_index_follow(cast, monkeypatch, django_capture_on_commit_callbacks):
    sent = []
    monkeypatch.setattr("celery.current_app.send_task", lambda task, args: sent.append((task, args)))
    with django_capture_on_commit_callbacks(execute=True):
        made = assistant(cast.builder, **LEAVE)
        lifecycle.publish(made, cast.builder.user)
        lifecycle.archive(made, cast.builder.user)
    assert sent.count(("assistants.describe", [str(made.pk)])) == 3


def test_an_archived_one_is_forgotten_and_a_restored_one_found_again(cast, words):
    made = assistant(cast.builder, **LEAVE)
    describe(cast.workspace, [made.pk])
    lifecycle.archive(made, cast.builder.user)
    rounds.keep_up(cast.workspace)
    assert not points(cast.workspace, does_space(words.space))
    assert not Likeness.objects.exists()
    lifecycle.restore(made, cast.builder.user)
    rounds.describe_one(made.pk)
    assert points(cast.workspace, does_space(words.space)) == {made.pk}


def test_another_embedding_model_describes_all_of_it_anew(cast, words, monkeypatch):
    made = assistant(cast.builder, **LEAVE)
    for person in people(cast.workspace, 3):
        asked(person, made, "How many holidays do employees have?")
    rounds.keep_up(cast.workspace)
    other = WordsEmbedder("others", size=64)
    monkeypatch.setattr(reading, "embedder_for", lambda workspace: other)

    rounds.keep_up(cast.workspace)
    for space in (does_space, answered_space):
        assert not points(cast.workspace, space(words.space))
        assert points(cast.workspace, space(other.space)) == {made.pk}
    assert set(QuestionVector.objects.values_list("space", flat=True)) == {other.space}


def test_what_the_index_lost_is_made_again(cast, words):
    made, gone = assistant(cast.builder, **LEAVE), assistant(cast.builder, "gone", **TRAVEL)
    describe(cast.workspace, [made.pk, gone.pk])
    index_of(cast.workspace.pk).delete(does_space(words.space), Selector(node=made.pk))
    Likeness.objects.filter(pk=gone.pk).delete()
    Assistant.objects.filter(pk=gone.pk).delete()

    rounds.keep_up(cast.workspace)
    assert points(cast.workspace, does_space(words.space)) == {made.pk}


# ---- What it answered well ---------------------------------------------------------------------------------------


def test_questions_of_people_are_kept_and_weighed_by_person(cast, words):
    made = assistant(cast.builder, **LEAVE)
    first, second, third = people(cast.workspace, 3)
    for text in ["How is overtime paid?"] * 9:
        asked(first, made, text)
    asked(second, made, "What is parental leave?")
    asked(third, made, "When does parental leave begin?", via="api")
    asked(third, made, "Who cleans the windows?", found=False)
    rounds.keep_up(cast.workspace)
    assert QuestionVector.objects.count() == 11
    assert QuestionVector.objects.filter(well=True).count() == 10
    assert not points(cast.workspace, answered_space(words.space)), "two people are too few"

    asked(third, made, "When does parental leave begin?")
    rounds.keep_up(cast.workspace)
    likeness = Likeness.objects.get()
    assert likeness.answered_count == 11
    (stored,) = index_of(cast.workspace.pk).scroll(answered_space(words.space), Selector(), with_vectors=True)

    def like(text: str) -> float:
        return sum(x * y for x, y in zip(stored.dense, words.embed_query(text).vectors[0], strict=True))

    assert like("parental leave") > 1.3 * like("overtime paid"), "nine questions of one person are one person's"


def test_a_workspace_that_is_filled_from_elsewhere_has_its_old_questions_kept(cast, words):
    made = assistant(cast.builder, **LEAVE)
    rounds.keep_up(cast.workspace)
    asked(cast.member, made, "What is parental leave?")
    month = timezone.timedelta(days=30)
    Message.objects.update(created=timezone.now() - month)
    UseDay.objects.update(day=timezone.localdate() - month)
    rounds.keep_up(cast.workspace)
    assert QuestionVector.objects.count() == 1


def test_a_quarter_of_old_questions_is_kept_over_rounds_each_going_on_where_the_last_stopped(cast, monkeypatch):
    for number in range(3):
        made = assistant(cast.builder, f"desk-{number}", **LEAVE)
        for day in range(2):
            asked(cast.member, made, f"Question {number} of day {day}")
    month = timezone.timedelta(days=30)
    Message.objects.update(created=timezone.now() - month)
    UseDay.objects.update(day=timezone.localdate() - month)
    looked_through = []
    unkept = rounds.questions.unkept

    def told(assistants, space, days, limit):
        looked_through.append(tuple(assistants))
        return unkept(assistants, space, days, limit)

    monkeypatch.setattr(rounds.questions, "unkept", told)
    for name, value in {"SECONDS": 0.0, "AT_ONCE": 1, "ASKED_AT_ONCE": 1}.items():
        monkeypatch.setattr(rounds, name, value)

    kept = []
    for _ in range(10):
        rounds.keep_up(cast.workspace)
        kept.append(QuestionVector.objects.count())
    assert kept[0] == 1, "a round stops when its time is up"
    assert kept[-1] == 6
    everybody = [(key,) for key in sorted(Assistant.objects.values_list("pk", flat=True))]
    assert list(dict.fromkeys(looked_through)) == everybody, "one after another"
    assert looked_through == sorted(looked_through), "and none again that was done with"
    done = len(looked_through)
    rounds.keep_up(cast.workspace)
    assert len(looked_through) == done, "all of it is kept: until tomorrow only today's are looked at"


def test_a_thumb_down_takes_a_question_out_and_taken_back_puts_it_in(cast, words):
    made = assistant(cast.builder, **LEAVE)
    answers = [asked(person, made, "What is parental leave?") for person in people(cast.workspace, 3)]
    rounds.keep_up(cast.workspace)
    assert points(cast.workspace, answered_space(words.space))

    give_feedback(cast.member, answers[0], up=False)
    rounds.keep_up(cast.workspace)
    assert not points(cast.workspace, answered_space(words.space))
    take_feedback_back(cast.member, answers[0])
    rounds.keep_up(cast.workspace)
    assert points(cast.workspace, answered_space(words.space))


def test_a_deleted_conversation_leaves_nothing_behind(cast, words):
    made = assistant(cast.builder, **LEAVE)
    members = people(cast.workspace, 3)
    answers = [asked(person, made, "What is parental leave?") for person in members]
    rounds.keep_up(cast.workspace)
    delete_conversation(members[0], answers[0].conversation)
    rounds.keep_up(cast.workspace)
    assert Likeness.objects.get().answered == b""
    assert not points(cast.workspace, answered_space(words.space))


def test_a_round_waits_while_an_answer_is_written_but_not_for_ever(cast, words, monkeypatch):
    assistant(cast.builder, **LEAVE)
    monkeypatch.setattr(rounds.runner, "under_way", lambda: True)
    for _ in range(rounds.MOST_PUT_OFF):
        rounds.keep_all()
    assert words.texts == 0
    rounds.keep_all()
    assert words.texts == 1


# ---- Found by whom -----------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_each_finds_what_they_may_use_and_nothing_else(cast, words):
    board = factories.source(cast.workspace, grant_to=factories.space(cast.workspace, cast.admin))
    knowledge = [{"data_source": str(board.pk)}]
    own = assistant(cast.builder, "own", **LEAVE)
    offered = assistant(cast.builder, "offered", **LEAVE)
    lifecycle.publish(offered, cast.builder.user)
    narrow = assistant(cast.admin, "narrow", knowledge=knowledge, **LEAVE)
    lifecycle.publish(narrow, cast.admin.user)
    hidden = assistant(cast.builder, "hidden", **LEAVE)
    lifecycle.publish(hidden, cast.builder.user)
    lifecycle.hide(hidden, cast.admin.user)
    elsewhere = assistant(cast.outsider, "elsewhere", **LEAVE)
    describe(cast.workspace, list(Assistant.objects.values_list("pk", flat=True)))
    describe(cast.elsewhere, [elsewhere.pk])
    # Since it was described, its owner took it back: SQL knows.
    late = assistant(cast.builder, "late", **LEAVE)
    lifecycle.publish(late, cast.builder.user)
    describe(cast.workspace, [late.pk])
    lifecycle.unpublish(late, cast.builder.user)

    def found_by(member) -> set:
        return {key for key, _score in similar_blocking(member, "leave of employees")}

    assert found_by(cast.builder) == {own.pk, offered.pk, late.pk}
    assert found_by(cast.admin) == {offered.pk, narrow.pk}
    assert found_by(cast.member) == {offered.pk}
    assert found_by(cast.outsider) == {elsewhere.pk}
    assert similar_blocking(cast.member, "  ") == []

    def passed_by_the_index(member) -> set:
        """So that thousands of others' never crowd out the few that one may use. Of what SQL knows better, it is behind."""
        vector = words.embed_query("leave of employees").vectors[0]
        search = async_to_sync(index_of(member.workspace_id).search)
        found = search(does_space(words.space), dense=vector, query="", filter=findable_by(member), limit=40)
        return {hit.id for hit in found.dense} - {late.pk}

    assert passed_by_the_index(cast.builder) == {own.pk, offered.pk}
    assert passed_by_the_index(cast.admin) == {offered.pk, narrow.pk}
    assert passed_by_the_index(cast.member) == {offered.pk}


@pytest.mark.django_db(transaction=True)
def test_a_question_finds_who_fits_and_says_why(cast, words, client):
    leave, travel = assistant(cast.builder, "leave", **LEAVE), assistant(cast.builder, "travel", **TRAVEL)
    for made in (leave, travel):
        lifecycle.publish(made, cast.builder.user)
    rounds.keep_up(cast.workspace)

    def fits(member, text):
        return [(fit.assistant.handle, fit.why) for fit in async_to_sync(fitting)(member, text)]

    assert fits(cast.member, "How many holidays do employees have?") == [("leave", "does")]
    assert fits(cast.member, "Which compiler builds kernels?") == []
    # What it says of itself has no word of this; what three people asked it has.
    crowd = people(cast.workspace, 3)
    for person in crowd[:2]:
        asked(person, travel, "Where can bicycles be parked?")
    rounds.keep_up(cast.workspace)
    assert fits(cast.member, "Where are bicycles parked?") == []
    asked(crowd[2], travel, "Who parked bicycles here?")
    rounds.keep_up(cast.workspace)
    assert fits(cast.member, "Where are bicycles parked?") == [("travel", "answered")]
    assert fits(crowd[0], "Where can bicycles be parked?") == [("travel", "yours")]

    client.force_login(cast.member.user)
    html = client.post(reverse("ask_fits", args=["acme"]), {"text": "Where are bicycles parked?"}).content.decode()
    assert 'data-handle="travel"' in html
    assert "Answers such questions well" in html
    answer = Caller(cast.member).post("assistant-fits/", {"question": "How many holidays do employees have?"})
    assert [row["handle"] for row in answer.json()["results"]] == ["leave"]
    client.force_login(cast.outsider.user)
    assert client.post(reverse("ask_fits", args=["acme"]), {"text": "holidays"}).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_word_alone_finds_who_says_it_and_who_does_not_stays_away(cast, words):
    leave = assistant(cast.builder, "leave", **LEAVE)
    travel = assistant(cast.builder, "travel", tags=["rail"], **TRAVEL)
    private = assistant(cast.builder, "private", name="Private", description="My own sick days.")
    hidden = assistant(cast.builder, "hidden", name="Hidden", description="Sick days, too.")
    for made in (leave, travel, hidden):
        lifecycle.publish(made, cast.builder.user)
    lifecycle.hide(hidden, cast.admin.user)
    rounds.keep_up(cast.workspace)

    def fits(member, text):
        return [fit.assistant.handle for fit in async_to_sync(fitting)(member, text)]

    for text in ("sick", "Employee", "the holidays", "parental leave"):
        assert fits(cast.member, text) == ["leave"], text
    assert fits(cast.member, "rail") == ["travel"], "a tag, which is not embedded"
    for text in ("printer", "rail printer", "the", "how", "?", "", "' | &"):
        assert fits(cast.member, text) == [], text
    assert set(fits(cast.builder, "sick")) == {private.handle, leave.handle}
    assert fits(cast.outsider, "sick") == []


@pytest.mark.django_db(transaction=True)
def test_the_local_model_tells_words_that_fit_from_words_that_dont(cast, monkeypatch, minilm_cache):
    """Over the assistants of the demo, by what they say of themselves alone."""
    embedder = LocalEmbedder(minilm_cache)
    monkeypatch.setattr(reading, "embedder_for", lambda workspace: embedder)
    for handle, about in yaml.safe_load((settings.BASE_DIR / "deploy/demo/assistants.yaml").read_text()).items():
        if "name" in about:
            texts = {name: about.get(name, "") for name in ("name", "description")}
            assistant(cast.member, handle, starters=about.get("starters", []), **texts)
    describe(cast.workspace, list(Assistant.objects.values_list("pk", flat=True)))

    def first(text):
        return next((fit.assistant.handle for fit in async_to_sync(fitting)(cast.member, text)), "")

    wanted = {
        "sick": "time-off", "holidays": "time-off", "leave": "time-off", "sick days": "time-off", "vacation": "time-off",
        "expenses": "money-out", "hotel": "money-out", "nda": "contract-check", "newsletter": "plain-words",
        "first day": "first-week", "firmware": "firmware-notes",
    }  # fmt: skip
    assert {text: first(text) for text in wanted} == wanted
    for text in ("printer", "zebra", "coffee", "pizza", "football", "guitar", "thanks", "asdf", "how"):
        assert first(text) == "", text


def test_what_follows_a_source_passes_these_collections_over(words):
    for space in (does_space(words.space), answered_space(words.space)):
        assert is_aside(space)
        assert is_aside(f"atrium-{collection_name(space)}"), "as a server tells it"
    assert not is_aside(words.space)
