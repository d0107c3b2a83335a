"""What is no longer at the source goes from here too, but never by mistake: absence alone deletes nothing."""

from __future__ import annotations

from collections import Counter

from django.db import transaction
from django.db.models import BooleanField, F, Q
from django.db.models.expressions import RawSQL

from datasources.models import Node, RunItem, SyncRun, node_id
from datasources.syncing.job import Job

BATCH = 500
FEW = 2
"""Documents that may go from a source of any size: of six files, one or two are a fifth and more, and nobody's accident."""
EXAMPLES = 5
Gone = Node.Gone


def decide(job: Job) -> None:
    """Mark what is gone: told as deleted, or not seen below a complete scope. More than a fifth of a source, and more than two documents, are held."""
    source = Node.objects.filter(source=job.source)
    with transaction.atomic():
        # A person unticked these: nobody has to be asked again.
        _unchosen(job).update(gone=Gone.AGREED)
        _unseen(job).update(gone=Gone.MISSING)
        documents = source.exclude(status=Node.Status.CONTAINER)
        missing, of = documents.filter(gone=Gone.MISSING), documents.count()
        number = missing.count()
        job.run.held = None
        if number <= FEW or number * 5 <= of:
            source.filter(gone=Gone.MISSING).update(gone=Gone.AGREED)
        else:
            examples = list(missing.order_by("path").values_list("path", flat=True)[:EXAMPLES])
            job.run.held = {"documents": number, "of": of, "examples": examples}
            source.filter(gone=Gone.MISSING).update(gone=Gone.HELD)
        job.lease.write(held=job.run.held)
        if job.run.held or not source.filter(gone=Gone.HELD).exists():
            # An older question is answered by this run, or asked again by it.
            SyncRun.objects.filter(source=job.source).exclude(pk=job.run.pk).exclude(held=None).update(held=None)


def _unseen(job: Job):  # type: ignore[no-untyped-def]
    scopes = job.run.scopes
    if not scopes:
        return Node.objects.none()
    unseen = Node.objects.filter(Q(seen_in=None) | ~Q(seen_in=job.run.pk), source=job.source)
    unseen = unseen.filter(gone__in=[Gone.NO, Gone.HELD])
    if None in scopes:
        return unseen
    roots = [node_id(job.source.pk, scope) for scope in scopes]
    return unseen.filter(parents__overlap=roots).exclude(pk__in=roots)


# The nearest line at or above a node decides; without one, all is chosen, unless some line chooses something.
_CHOSEN = """
COALESCE((
    SELECT line.include FROM unnest("datasources_node"."parents") WITH ORDINALITY AS above (id, place)
    JOIN datasources_selection line ON line.node = above.id AND line.source_id = %s
    ORDER BY above.place LIMIT 1
), %s)
"""


def _unchosen(job: Job):  # type: ignore[no-untyped-def]
    """What the listing did not tell of because it is not chosen. What it told of stays, whatever the lines say."""
    lines = list(job.source.selections.all())
    root = next((line.include for line in lines if line.node is None), not any(line.include for line in lines))
    if all(line.include for line in lines) and root:
        return Node.objects.none()
    chosen = RawSQL(_CHOSEN, [job.source.pk, root], BooleanField())  # noqa: S611  no value of anybody's is in the text
    return _unseen(job).annotate(chosen=chosen).filter(chosen=False)


def remove_agreed(job: Job) -> None:
    """Remove what is agreed to be gone: from the index first, so that no passage outlives its row."""
    while True:
        job.lease.check()
        nodes = list(Node.objects.filter(source=job.source, gone=Gone.AGREED).only("pk", "path", "status")[:BATCH])
        if not nodes:
            return
        job.forget_points([node.pk for node in nodes])
        with transaction.atomic():
            counts = _account(job.run, nodes)
            Node.objects.filter(pk__in=[node.pk for node in nodes]).delete()
            job.lease.write(**{name: F(name) + number for name, number in counts.items()}, attempts=0)
        job.notice()


def _account(run: SyncRun, nodes: list[Node]) -> Counter[str]:
    """Removed documents in the run's list; one that it told of before it went does not count as that any more."""
    counts: Counter[str] = Counter()
    documents = [node for node in nodes if node.status != Node.Status.CONTAINER]
    earlier = RunItem.objects.filter(run=run, node__in=[node.pk for node in documents])
    for item in earlier:
        counts["discovered"] -= 1
        if item.outcome != RunItem.Outcome.WAITING:
            counts[str(item.outcome)] -= 1
    earlier.delete()
    RunItem.objects.bulk_create(
        RunItem(run=run, node=node.pk, path=node.path, outcome=RunItem.Outcome.REMOVED) for node in documents
    )
    counts["removed"] += len(documents)
    return counts
