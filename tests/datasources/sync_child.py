"""A worker in a process of its own, for tests that kill it: ``python -m tests.datasources.sync_child <run>``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import tests.environment  # noqa: F401  (the data directory of the test that started this)


def main() -> None:
    import django
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE"]
    django.setup()
    from datasources import reading, sync
    from datasources.models import SyncRun
    from datasources.retrieval.edge_client import EdgeIndex
    from datasources.syncing.leases import free_dead_leases
    from tests.embedders import InstantEmbedder

    reading._index = EdgeIndex(Path(os.environ["TEST_VECTORS"]), lock_wait=20.0)
    sync.embedder_for = lambda workspace: InstantEmbedder()  # type: ignore[assignment]
    free_dead_leases()
    sys.stdout.write("working\n")
    sys.stdout.flush()
    sync.sync_source(SyncRun.objects.get(pk=sys.argv[1]))
    reading.close_index()


if __name__ == "__main__":
    main()
