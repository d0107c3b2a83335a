"""``python -m tests.corpora.halves <source> <collection>``: what each half of a portal's search finds, and both together.

For a portal that is down: the index has one owner. Prints JSON: bm25, dense, hybrid → query → ids of documents in rank
order. A document's id is the stem of its file's name.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

WEIGHTS = {"bm25": 0.0, "dense": 1.0, "hybrid": None}
LIMIT = 50


def main() -> None:
    import django

    from portal import postgres

    django.setup()
    postgres.start()
    from datasources.models import DataSource
    from datasources.reading import close_index

    source = DataSource.objects.select_related("workspace").get(pk=sys.argv[1])
    names = {pk: Path(id).stem for pk, id in source.nodes.values_list("pk", "external_id")}
    try:
        found = asyncio.run(_rankings(source, names))
    finally:
        close_index()
    sys.stdout.write(json.dumps(found))


async def _rankings(source, names) -> dict[str, dict[str, list[str]]]:  # type: ignore[no-untyped-def]  # models load after django.setup
    from datasources.reading import embedder_for, open_index
    from datasources.retrieval.search import search
    from datasources.retrieval.types import Branch, Filter
    from tests.corpora.cranfield import collection

    embedder = embedder_for(source.workspace)
    handle = open_index().for_workspace(source.workspace_id)
    everything = Filter((Branch(source.pk),))
    found: dict[str, dict[str, list[str]]] = {name: {} for name in WEIGHTS}
    for id, query in collection(Path(sys.argv[2])).queries.items():
        for name, weight in WEIGHTS.items():
            results = await search(
                handle, embedder, embedder.space, query, everything, LIMIT, tokens=sys.maxsize, dense_weight=weight
            )
            found[name][id] = list(dict.fromkeys(names[passage.node] for passage in results.passages))
    return found


if __name__ == "__main__":
    main()
