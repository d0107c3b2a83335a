"""The demo goes again, whole or half made: what was indexed, the workspace with all its rows, and people who are nowhere else."""

from __future__ import annotations

from django.db import transaction

from datasources.erasing import erase_source
from datasources.models import DataSource
from portal.models import User, Workspace


def remove(slug: str, domain: str) -> bool:
    """False where there is none, or where a worker has not let go of a source yet."""
    workspace = Workspace.objects.filter(slug=slug).first()
    if workspace is None:
        return False
    sources = DataSource.objects.filter(workspace=workspace)
    sources.update(state=DataSource.State.DELETING, next_run=None)
    if not all(erase_source(source) for source in sources.select_related("workspace")):
        return False
    with transaction.atomic():
        workspace.delete()
        User.objects.filter(email__endswith=f"@{domain}", memberships__isnull=True, is_superuser=False).delete()
    return True
