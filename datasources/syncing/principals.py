"""Who may read what at the vendor, as sync keeps it: principals of nodes, and who is in the groups that they name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import connection
from django.utils import timezone

from datasources.connectors.base import ConnectorError, Mirrors
from datasources.models import DataSource, SourceGroup
from datasources.syncing.hierarchy import storable
from datasources.syncing.job import Job

log = structlog.get_logger(__name__)

LONGEST = 320
"""Of one principal; a longer one lets nobody in."""
LONGEST_EMAIL = 254
KEPT = timedelta(hours=24)
"""So long what was known of a group counts after it could not be read; then nobody is in it."""
FRESH = timedelta(hours=1)
"""A run that looks at a few nodes only reads a group again when what is known of it is older."""
GROUP = "group:"


def normal(readers: Iterable[str] | None) -> list[str] | None:
    """Principals as they are compared: addresses and domains in lower case, each once, in order. None stays None."""
    if readers is None:
        return None
    found = set()
    for reader in readers:
        reader = storable(reader).strip()
        sort, _, rest = reader.partition(":")
        if sort in ("mail", "domain"):
            reader = f"{sort}:{rest.strip().lower()}"
        if reader and len(reader) <= LONGEST:
            found.add(reader)
    return sorted(found)


def refresh_groups(job: Job) -> str:
    """Ask the vendor who is in each group that some node names. A sentence about those that could not be read, or ``""``."""
    source = job.source
    if not source.mirror or not isinstance(job.connector, Mirrors):
        return ""
    named = _named_groups(source.pk)
    known = {group.external_id: group for group in SourceGroup.objects.filter(source=source)}
    SourceGroup.objects.filter(source=source).exclude(external_id__in=named).delete()
    unread = []
    for name in named:
        group = known.get(name)
        if job.run.hints and group is not None and group.updated > timezone.now() - FRESH:
            continue
        job.lease.check()
        job.lease.alive()
        try:
            emails = _emails(job.connector.members(name))
        except ConnectorError as error:
            log.warning("a group could not be read", source=str(source.pk), group=name, error=str(error))
            unread.append(name)
            continue
        SourceGroup.objects.update_or_create(source=source, external_id=name, defaults={"emails": emails})
    forgotten = expire_groups(source, unread)
    return _sentence(unread, forgotten)


def expire_groups(source: DataSource, unread: Sequence[str] | None = None) -> int:
    """Nobody is in these groups (None: in any of the source) any more that could not be read for too long. How many."""
    old = SourceGroup.objects.filter(source=source, updated__lt=timezone.now() - KEPT).exclude(emails=[])
    if unread is not None:
        old = old.filter(external_id__in=unread)
    # Not through save: when it was last read stays known.
    return old.update(emails=[])


def _named_groups(source: UUID) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT substr(reader, 7) FROM datasources_node node, unnest(node.told_readers) AS reader
            WHERE node.source_id = %s AND reader LIKE 'group:%%' ORDER BY 1
            """,
            [source],
        )
        return [name for (name,) in cursor.fetchall() if len(name) <= 300]


def _emails(members: Iterable[str]) -> list[str]:
    found = {storable(member).strip().lower() for member in members}
    return sorted(email for email in found if email and len(email) <= LONGEST_EMAIL)


def _sentence(unread: Sequence[str], forgotten: int) -> str:
    if not unread:
        return ""
    names = ", ".join(unread[:3]) + (" …" if len(unread) > 3 else "")
    one = len(unread) == 1
    words = f"{'A group' if one else f'{len(unread)} groups'} of the source could not be read ({names})"
    if forgotten:
        return f"{words}. For {forgotten} of them that is longer than 24 hours: nobody counts as in there."
    return f"{words}. Who was in there counts for 24 hours more, then nobody does."
