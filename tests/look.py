"""``python -m tests.look <source>``: SQL and index of a portal that is down, passage by passage.

Prints the number of passages, or ends with what differs.
"""

from __future__ import annotations

import sys


def main() -> None:
    import django

    from portal import postgres

    django.setup()
    postgres.start()
    from datasources.models import DataSource
    from datasources.reading import close_index, embedder_for
    from tests.datasources.syncing import assert_exact

    source = DataSource.objects.select_related("workspace").get(pk=sys.argv[1])
    try:
        sys.stdout.write(f"{assert_exact(source, embedder_for(source.workspace).space)}\n")
    finally:
        close_index()


if __name__ == "__main__":
    main()
