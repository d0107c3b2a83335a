"""What a decision on vetting is made on: what it reads, what changed since the last vetted version, who uses it and how it fares."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from assistants.differences import Change, differences
from assistants.insight.of_one import Comment, comments
from assistants.models import Assistant, AssistantVersion, Feedback, UseDay, VettingRequest
from assistants.needs import in_words, spaces_needed
from assistants.reads import Reads, names_for, what_it_reads
from portal.models import Membership

DAYS = 30
MOST_COMMENTS = 6


@dataclass(frozen=True, slots=True)
class Use:
    """Of the last 30 days: people and questions by hand, answers that found nothing, thumbs."""

    people: int
    questions: int
    unanswered: int
    ups: int
    downs: int


@dataclass(frozen=True, slots=True)
class Considered:
    """``before``: what was vetted last, None where nothing was; ``newer``: what was saved after the version in question.

    ``comments``: the newest thumbs that say more than up or down, as the page on its use shows them.
    """

    version: AssistantVersion
    before: AssistantVersion | None
    newer: AssistantVersion | None
    changes: list[Change]
    reads: Reads
    needs: list[str]
    use: Use
    comments: list[Comment]


def considered(assistant: Assistant, version: AssistantVersion, reader: Membership) -> Considered:
    """As this person may know it. Always as many queries."""
    before = vetted_before(assistant, version)
    newer = assistant.latest if assistant.latest and assistant.latest.number > version.number else None
    return Considered(
        version=version,
        before=before,
        newer=newer,
        changes=differences(before, version, names_for(reader, before, version)),
        reads=what_it_reads(reader, version),
        needs=in_words(spaces_needed(version), reader),
        use=use_of(assistant),
        comments=comments(reader, assistant, timezone.now() - timedelta(days=DAYS))[:MOST_COMMENTS],
    )


def vetted_before(assistant: Assistant, version: AssistantVersion) -> AssistantVersion | None:
    """What was approved last before this version."""
    approved = assistant.vetting_requests.filter(
        state=VettingRequest.State.APPROVED, version__number__lt=version.number
    )
    found = approved.select_related("version__credential").order_by("-decided").first()
    return found.version if found else None


def use_of(assistant: Assistant) -> Use:
    since = timezone.now() - timedelta(days=DAYS)
    days = UseDay.objects.filter(assistant=assistant, day__gte=since.date())
    used = days.aggregate(
        people=Count("user", distinct=True),
        questions=Sum("questions", default=0),
        unanswered=Sum("unanswered", default=0),
    )
    thumbs = Feedback.objects.filter(message__assistant=assistant, created__gte=since)
    judged = thumbs.aggregate(ups=Count("pk", filter=Q(up=True)), downs=Count("pk", filter=Q(up=False)))
    return Use(**used, **judged)


def requests_for(membership: Membership) -> QuerySet[VettingRequest]:
    """Those that this person made a say in: about their own assistants, and for admins all, newest first."""
    governed = Assistant.objects.governed_by(membership).values("pk")
    rows = VettingRequest.objects.filter(assistant__in=governed)
    return rows.select_related(
        "assistant__workspace",
        "assistant__live",
        "assistant__latest",
        "version__credential",
        "version__created_by",
        "asked_by",
        "decided_by",
    ).order_by("-asked", "-pk")
