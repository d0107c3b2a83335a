"""Some weeks of use: who asked what when, what they were answered, and what they thought of it.

Each thing that people want to know was asked once for real (gallery/demo/asking.py). Who asked it in other words, or on another
day, has that answer with the same passages: rows as real use leaves them, and no citation that leads nowhere.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from assistants import uses
from assistants.answering.titles import title_from
from assistants.models import AssistantVersion, Citation, Conversation, Feedback, Message
from gallery import standing
from gallery.demo.asking import Topic
from gallery.demo.company import Company
from portal.models import Membership, UsageRecord

EAGERNESS = 0.16
"""Questions that somebody of weight 1 has on a working day."""
THUMBS = 0.3
"""How many answers are judged."""
TALKATIVE = 0.3
"""How often a question is followed by another in the same conversation."""


@dataclass(frozen=True, slots=True)
class Asked:
    who: str
    topic: Topic
    words: str
    at: datetime


def spread(
    company: Company, told: Mapping[str, Any], topics: Iterable[Topic], thumbs: Mapping[str, Any], share: float = 1.0
) -> None:
    """Weeks of it, and all that is counted from it. ``share`` of the usual eagerness."""
    topics = list(topics)
    plan = _planned(company, told, topics, share)
    company.say(f"Some weeks of use: {len(plan)} more questions by {len({one.who for one in plan})} people…")
    with transaction.atomic():
        _remember(company, plan)
        _move_back(company, topics)
        _judge(company, thumbs)
        _last_seen(company)
    uses.rebuild(company.workspace)
    standing.refresh(company.workspace.pk)


def _planned(company: Company, told: Mapping[str, Any], topics: list[Topic], share: float) -> list[Asked]:
    """Who asks what when: more from week to week, nobody at weekends, some away for a while. Oldest first."""
    chance = random.Random(23)
    by_handle: dict[str, list[Topic]] = defaultdict(list)
    for topic in topics:
        by_handle[topic.assistant.handle].append(topic)
    begins = {short: chance.randint(12, 33) for short in company.people}
    away = {short: chance.randint(2, 25) for short in company.people}
    plan: list[Asked] = []
    for handle, mine in by_handle.items():
        ends = max(told[handle].get("archived", 0), told[handle].get("hidden", 0))
        for who, weight in told[handle]["asked_by"].items():
            gone = company.people[who].get("left", 0)
            for ago in range(told[handle]["made"] - 1, max(ends, gone) - 1, -1):
                day = company.calendar.today - timedelta(days=ago)
                if day.weekday() > 4 or ago > begins[who] or away[who] - 4 <= ago <= away[who]:
                    continue
                often = weight * EAGERNESS * share * (1.25 - ago / 40)
                for _ in range(int(often) + (chance.random() < often % 1)):
                    topic = chance.choice(mine)
                    at = company.calendar.moment(ago, f"{chance.randint(8, 17):02}:{chance.randint(0, 59):02}")
                    plan.append(Asked(who, topic, chance.choice(topic.words), at))
    return sorted(plan, key=lambda asked: asked.at)


def _remember(company: Company, plan: list[Asked]) -> None:
    """Their rows, in a handful of statements."""
    chance = random.Random(5)
    rows = list(_rows(company, plan, chance))
    talks = {id(talk): talk for talk, _, _ in rows}.values()
    messages = [message for _, question, answer in rows for message in (question, answer)]
    heads = {talk.pk: talk.head_id for talk in talks}
    dated = {talk.pk: (talk.created, talk.updated) for talk in talks}
    for talk in talks:
        talk.head = None
    Conversation.objects.bulk_create(talks)
    times = {message.pk: message.created for message in messages}
    Message.objects.bulk_create(messages, batch_size=500)
    for message in messages:
        message.created = times[message.pk]
    for talk in talks:
        talk.head_id, (talk.created, talk.updated) = heads[talk.pk], dated[talk.pk]
    Message.objects.bulk_update(messages, ["created"], batch_size=500)
    Conversation.objects.bulk_update(talks, ["head", "created", "updated"], batch_size=500)
    originals = dict(zip((answer.pk for _, _, answer in rows), (asked.topic.answer.pk for asked in plan), strict=True))
    _copy_passages(originals)
    _copy_usage(company, [answer for _, _, answer in rows], originals)


def _rows(
    company: Company, plan: list[Asked], chance: random.Random
) -> Iterator[tuple[Conversation, Message, Message]]:
    last: dict[tuple[str, Any], tuple[Conversation, Message]] = {}
    versions: dict[Any, list[AssistantVersion]] = defaultdict(list)
    for version in AssistantVersion.objects.filter(assistant__workspace=company.workspace).order_by("-number"):
        versions[version.assistant_id].append(version)
    for asked in plan:
        topic, member = asked.topic, company.members[asked.who]
        key = (asked.who, topic.assistant.pk)
        talk, before = last.get(key, (None, None))
        if talk is None or talk.updated.date() != asked.at.date() or chance.random() > TALKATIVE:
            talk, before = _talk(member, asked), None
        question = Message(
            conversation=talk,
            parent=before,
            role=Message.Role.USER,
            author=member.user,
            content=asked.words,
            created=asked.at,
        )
        ended = asked.at + timedelta(seconds=chance.uniform(0.4, 2.2))
        answer = _again(topic, versions[topic.assistant.pk], question, ended)
        talk.head, talk.updated = answer, ended
        last[key] = (talk, answer)
        yield talk, question, answer


def _talk(member: Membership, asked: Asked) -> Conversation:
    return Conversation(
        workspace=member.workspace, owner=member.user, title=title_from(asked.words), assistant=asked.topic.assistant,
        created=asked.at, updated=asked.at,
    )  # fmt: skip


def _again(topic: Topic, versions: list[AssistantVersion], question: Message, ended: datetime) -> Message:
    """``versions``: newest first."""
    first = topic.answer
    version = next((one for one in versions if one.created <= question.created), versions[-1])
    return Message(
        conversation=question.conversation, parent=question, role=Message.Role.ASSISTANT, author=question.author,
        assistant=topic.assistant, version=version, model=first.model, content=first.content,
        status=first.status, usage=first.usage, scope=first.scope, found=first.found, created=question.created, finished=ended,
    )  # fmt: skip


def _copy_passages(originals: Mapping[Any, Any]) -> None:
    of: dict[Any, list[Citation]] = defaultdict(list)
    for row in Citation.objects.filter(message__in=set(originals.values())):
        of[row.message_id].append(row)
    copies = [_copied(row, copy) for copy, original in originals.items() for row in of[original]]
    Citation.objects.bulk_create(copies, batch_size=1000)


def _copied(row: Citation, message: Any) -> Citation:
    told = {
        name: getattr(row, name)
        for name in ("n", "cited", "asked", "source", "node", "start", "end", "content_hash", "score")
    }
    return Citation(message_id=message, **told)


def _copy_usage(company: Company, answers: list[Message], originals: Mapping[Any, Any]) -> None:
    of: dict[Any, list[UsageRecord]] = defaultdict(list)
    for row in UsageRecord.objects.filter(message__in=set(originals.values())):
        of[row.message].append(row)
    copies = []
    for answer in answers:
        for row in of[originals[answer.pk]]:
            told = {
                name: getattr(row, name)
                for name in ("purpose", "vendor", "model", "input_tokens", "output_tokens", "exact")
            }
            copies.append(
                (
                    answer,
                    UsageRecord(
                        workspace=company.workspace,
                        user=answer.author,
                        assistant=answer.assistant_id,
                        message=answer.pk,
                        **told,
                    ),
                )
            )
    made = UsageRecord.objects.bulk_create([row for _, row in copies], batch_size=1000)
    for (answer, _), row in zip(copies, made, strict=True):
        row.at = answer.finished or answer.created
    UsageRecord.objects.bulk_update(made, ["at"], batch_size=1000)


def _move_back(company: Company, topics: list[Topic]) -> None:
    """What was asked for real just now was asked when its assistant was new."""
    chance = random.Random(11)
    for topic in topics:
        answer, question = topic.answer, topic.answer.parent
        assert question is not None
        day = max(0, (timezone.now() - topic.assistant.created).days - 1)
        at = company.calendar.moment(
            chance.randint(max(0, day - 6), day), f"{chance.randint(9, 16):02}:{chance.randint(0, 59):02}"
        )
        Message.objects.filter(pk=question.pk).update(created=at)
        Message.objects.filter(pk=answer.pk).update(created=at, finished=at + timedelta(seconds=1))
        Conversation.objects.filter(pk=answer.conversation_id).update(created=at, updated=at + timedelta(seconds=1))
        UsageRecord.objects.filter(message=answer.pk).update(at=at)


def _judge(company: Company, thumbs: Mapping[str, Any]) -> None:
    """Some of the answers got a thumb; mostly up, and mostly down where nothing was found."""
    chance = random.Random(2)
    answers = Message.objects.filter(conversation__workspace=company.workspace, role="assistant")
    rows: list[Feedback] = []
    times: list[datetime] = []
    for answer in answers.order_by("created", "pk").select_related("author"):
        if chance.random() > THUMBS or answer.author is None or answer.finished is None:
            continue
        told = _thumb(answer.found is not False, chance, thumbs)
        rows.append(Feedback(message=answer, version_id=answer.version_id, user=answer.author, **told))
        times.append(answer.finished)
    for row, at in zip(Feedback.objects.bulk_create(rows), times, strict=True):
        row.created = at
    Feedback.objects.bulk_update(rows, ["created"], batch_size=500)


def _thumb(found: bool, chance: random.Random, thumbs: Mapping[str, Any]) -> dict[str, Any]:
    up, said = chance.random() < (0.94 if found else 0.3), chance.random() < 0.35
    if not said:
        return {"up": up}
    words = {"comment": chance.choice(thumbs["thumbs_up"])} if up else chance.choice(thumbs["thumbs_down"])
    return {"up": up, **words}


def _last_seen(company: Company) -> None:
    for member in company.members.values():
        newest = (
            Conversation.objects.filter(owner=member.user_id, workspace=company.workspace).order_by("-updated").first()
        )
        seen = newest.updated if newest else member.created
        Membership.objects.filter(pk=member.pk).update(last_seen=seen)
