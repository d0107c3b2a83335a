"""What keeps the likenesses true: at once after an assistant changed, and in rounds that find whatever that missed.

Nothing here is on the way of an answer: a worker does it, and in the portal's own process only while no answer is written.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from uuid import UUID

import structlog
from django.core.cache import cache

from assistants.likeness import describing, questions, weighing
from assistants.likeness.collection import answered_space, does_space, index_of
from assistants.models import Assistant, Conversation, Likeness, Message, QuestionVector
from assistants.runs import runner
from datasources import reading
from datasources.retrieval.types import IndexUnavailable, Selector
from datasources.syncing.queueing import enqueue
from portal.models import Workspace
from portal.providers.errors import ProviderError
from portal.providers.types import Embedder

log = structlog.get_logger(__name__)

MOST_PUT_OFF = 5
"""Rounds in a row that are put off because an answer is being written in this process."""
AT_ONCE = 128
"""Assistants, or questions, at a time."""
ASKED_AT_ONCE = 100
"""Assistants whose questions are looked through in one statement: those of ten thousand take the database half a minute."""
SECONDS = 20.0
"""That a round takes for one workspace, or little more: the portal has few workers, and the next round goes on."""
DAY = 86_400
RECENT_DAYS = 1
"""Answers that every round looks through; those of ``questions.KEPT_DAYS`` once a day, and after another model was chosen."""
FIRST = UUID(int=0)
LEASE = 900
"""Seconds for which one worker has the rounds to itself; one that died holds the others up no longer."""


def changed(assistant: UUID) -> None:
    """It was saved, published, archived, given to others: after this transaction the index follows."""
    enqueue("assistants.describe", assistant)


def judged(answer: Message) -> None:
    """A thumb was given or taken back. One statement, and a second where that changed what counts as answered well."""
    if answer.parent_id is None:
        return
    if touched := questions.judge([answer.parent_id]):
        _weigh_again(touched)


def forgotten(conversation: Conversation) -> None:
    """It is about to be deleted: nothing of its questions stays in what assistants answered well."""
    asked = QuestionVector.objects.filter(message__conversation=conversation, well=True)
    _weigh_again(set(asked.values_list("assistant", flat=True)))


def _weigh_again(assistants: Collection[UUID]) -> None:
    """Their clock goes back to before every question, so that the next round weighs them."""
    if assistants:
        Likeness.objects.filter(pk__in=assistants).update(updated=describing.NEVER)


def describe_one(assistant: UUID) -> None:
    row = Assistant.objects.filter(pk=assistant).select_related("workspace__embedding_credential").first()
    if row is None:
        return
    try:
        describing.describe(row.workspace, [row.pk])
    except (ProviderError, IndexUnavailable) as error:
        log.warning("assistant not described yet; the next round tries again", assistant=str(row), error=str(error))


def keep_all() -> None:
    """A round over all workspaces; none where another worker is at it, or where people wait for answers."""
    if _put_off() or not cache.add("likeness:round", True, LEASE):
        return
    try:
        for workspace in Workspace.objects.select_related("embedding_credential").order_by("created"):
            try:
                keep_up(workspace)
            except (ProviderError, IndexUnavailable) as error:
                log.warning("likenesses wait", workspace=workspace.slug, error=str(error))
    finally:
        cache.delete("likeness:round")


def _put_off() -> bool:
    """Embedding takes the processors that an answer needs: later is soon enough, though not for ever."""
    if not runner.under_way():
        return False
    cache.add("likeness:put-off", 0, DAY)
    if cache.incr("likeness:put-off") <= MOST_PUT_OFF:
        return True
    cache.delete("likeness:put-off")
    return False


def keep_up(workspace: Workspace) -> None:
    """Describe what changed, keep the questions that were asked, weigh what was answered.

    Raises IndexUnavailable, and ProviderError where the embedder is a vendor's.
    """
    embedder = reading.embedder_for(workspace)
    until = time.monotonic() + SECONDS
    day, behind = (f"likeness:{word}:{workspace.pk}:{embedder.space}" for word in ("day", "behind"))
    if cache.add(day, True, DAY):
        cache.set(behind, FIRST, DAY)
        reconcile(workspace, embedder.space)
        questions.forget_old()
    describing.forget(workspace, describing.archived(workspace).values_list("pk", flat=True))
    _describe_stale(workspace, embedder, until)
    # Where what is behind was left. None at all is a workspace that was filled from elsewhere, or that chose another model just now.
    after = cache.get(behind) or (None if questions.kept_any(workspace, embedder.space) else FIRST)
    if _keep_asked(workspace, embedder, RECENT_DAYS, FIRST, until) is None and after is not None:
        left = _keep_asked(workspace, embedder, questions.KEPT_DAYS, after, until)
        if left is None:
            cache.delete(behind)
        else:
            cache.set(behind, left, DAY)
    if unweighed := weighing.unweighed(workspace, embedder.space):
        weighing.weigh(workspace, embedder.space, embedder.size, unweighed)


def _describe_stale(workspace: Workspace, embedder: Embedder, until: float) -> None:
    while rows := list(describing.stale(workspace, embedder.space).values_list("pk", flat=True)[:AT_ONCE]):
        describing.describe(workspace, rows)
        if len(rows) < AT_ONCE or time.monotonic() > until:
            return


def _keep_asked(workspace: Workspace, embedder: Embedder, days: int, after: UUID, until: float) -> UUID | None:
    """Keep what assistants past ``after`` were asked in the last so many days, in the order of their ids. None where that is all;
    where time ran out, after which assistant to go on."""
    used = sorted(key for key in questions.used_lately(workspace, days) if key > after)
    for at in range(0, len(used), ASKED_AT_ONCE):
        some = used[at : at + ASKED_AT_ONCE]
        while found := questions.unkept(some, embedder.space, days, AT_ONCE):
            kept = questions.keep(workspace, found)
            if len(found) < AT_ONCE or not kept:
                break
            if time.monotonic() > until:
                return after
        after = some[-1]
        if time.monotonic() > until and at + ASKED_AT_ONCE < len(used):
            return after
    return None


def reconcile(workspace: Workspace, space: str) -> None:
    """Points that belong to nothing go, those that are missing are made again, and who may find what is told anew.

    What is missing is an index that was lost or moved: SQL still says that all of it was described.
    """
    index = index_of(workspace.pk)
    kept = Likeness.objects.filter(assistant__workspace=workspace, space=space)
    counts = dict(kept.values_list("pk", "answered_count"))
    does, answered = _points(workspace, does_space(space)), _points(workspace, answered_space(space))
    if orphans := (does | answered) - counts.keys():
        for name in (does_space(space), answered_space(space)):
            index.delete(name, Selector(nodes=tuple(orphans)))
    kept.filter(pk__in=counts.keys() - does).update(described="")
    unweighed = {key for key, count in counts.items() if count} - answered
    _weigh_again(unweighed)
    rows = Assistant.objects.filter(likeness__in=kept).prefetch_related("owners").order_by("pk")
    for at in range(0, len(counts), AT_ONCE):
        describing.tell_readers(workspace, space, rows[at : at + AT_ONCE])


def _points(workspace: Workspace, space: str) -> set[UUID]:
    return {UUID(str(point.payload["node"])) for point in index_of(workspace.pk).scroll(space, Selector())}
