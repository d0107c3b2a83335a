"""SQL is the record, the index follows: after moves, after crashes, and after somebody lost the index's files."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F, Sum

from datasources.models import Document, Node, RunItem
from datasources.retrieval.types import Selector
from datasources.syncing.embedding import node_payload
from datasources.syncing.job import Job

log = structlog.get_logger(__name__)

BATCH = 200
_TOLD = ("parents", "tags", "readers", "modified", "remote_created")
"""What node_payload reads."""


def follow_moves(job: Job) -> None:
    """Set parents, tags, readers and times in the index where SQL has newer ones; no passage is embedded again for them."""
    behind = Node.objects.filter(source=job.source, document__behind=True).select_related("document")
    behind = behind.only(*_TOLD, "document__indexed_space").order_by("pk")
    last = UUID(int=0)
    # Each batch begins after the one before: rows that are done are not passed again and again.
    while nodes := list(behind.filter(pk__gt=last)[:BATCH]):
        last = nodes[-1].pk
        job.lease.check()
        changes: dict[str, list[tuple[Selector, dict[str, Any]]]] = defaultdict(list)
        for node in nodes:
            space = node.document.indexed_space or job.space
            changes[space].append((Selector(source=job.source.pk, node=node.pk), node_payload(node)))
        for space, some in changes.items():
            job.patiently(lambda s=space, some=some: job.index.set_payloads(s, some))  # type: ignore[misc]
        with transaction.atomic():
            Document.objects.filter(pk__in=[node.pk for node in nodes]).update(behind=False)
            job.lease.write(attempts=0)
        job.notice()


def reconcile(job: Job) -> int:
    """How many documents the index holds otherwise than SQL says; they lose their mark, so that they are done again.

    One count where all is well. Passages that belong to no document go.
    """
    whole = Selector(source=job.source.pk)
    documents = Document.objects.filter(node__source=job.source, indexed_space=job.space)
    recorded = documents.aggregate(all=Sum("passages"))["all"] or 0
    if job.patiently(lambda: job.index.count(job.space, whole)) == recorded:
        return 0
    numbers: Counter[UUID] = Counter()
    last: Counter[UUID] = Counter()
    for point in job.index.scroll(job.space, whole):
        node = UUID(point.payload["node"])
        numbers[node] += 1
        last[node] = max(last[node], point.payload["position"])
    passages = dict(documents.values_list("pk", "passages"))
    wrong = [n for n, count in passages.items() if count and (numbers[n], last[n]) != (count, count - 1)]
    if orphans := [node for node in numbers if node not in passages]:
        job.forget_points(orphans, (job.space,))
    for first in range(0, len(wrong), BATCH):
        batch = wrong[first : first + BATCH]
        job.forget_points(batch, (job.space,))
        Document.objects.filter(pk__in=batch).update(indexed_hash="", passages=0)
    log.warning("index and database differed", source=str(job.source.pk), documents=len(wrong), orphans=len(orphans))
    return len(wrong)


def list_again(job: Job) -> int:
    """Put documents that lost their mark on the list, also those that the run had ended with already. How many."""
    nodes = Node.objects.filter(source=job.source, document__indexed_hash="", gone=Node.Gone.NO)
    paths = dict(nodes.exclude(status=Node.Status.FAILED).values_list("pk", "path"))
    if not paths:
        return 0
    number = len(paths)
    with transaction.atomic():
        counts: Counter[str] = Counter()
        done = RunItem.objects.filter(run=job.run, node__in=list(paths))
        for item in done:
            paths.pop(item.node)
            if item.outcome != RunItem.Outcome.WAITING:
                counts[str(item.outcome)] -= 1
        done.update(outcome=RunItem.Outcome.WAITING, reason="")
        RunItem.objects.bulk_create(RunItem(run=job.run, node=pk, path=path) for pk, path in paths.items())
        counts["discovered"] += len(paths)
        job.lease.write(**{name: F(name) + number for name, number in counts.items() if number})
    return number
