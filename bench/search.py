"""Search through the API against the bare hybrid call of the index plus one embedding, query by query in turn."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from uuid import UUID

import httpx

from bench.product import Portal, portal
from bench.report import Part, both, percentile
from bench.words import questions

SIZES = (1_000, 10_000, 50_000)
WARM = 20
QUERIES = 200
CANDIDATES = 100


class Bare:
    """A copy of the portal's index in this process, and its embedder: no process, no socket, no database between."""

    def __init__(self, vectors: Path, models: Path, workspace: UUID) -> None:
        from datasources.retrieval.edge import Engine
        from portal.providers.local import LocalEmbedder

        self._engine = Engine(vectors, "english")
        self._embedder = LocalEmbedder(models)
        self._where = {"must": [{"key": "workspace", "match": {"value": str(workspace)}}]}

    def search(self, query: str) -> float:
        """Seconds."""
        from datasources.retrieval import wire

        began = time.perf_counter()
        dense = wire.pack_vector(self._embedder.embed_query(query).vectors[0])
        asked = wire.Search(self._embedder.space, dense, query, self._where, self._where, CANDIDATES)
        found = self._engine.handle(asked)
        took = time.perf_counter() - began
        assert found.dense
        return took

    def close(self) -> None:
        self._engine.close()


def measure(sizes: tuple[int, ...] = SIZES) -> Part:
    part = Part(
        "Search",
        "`POST search/` with an API key, ten results, one at a time, against the index's hybrid query (both halves, 100 candidates "
        "each) plus the embedding of the question, called in a process that does nothing else on a copy of the same index. "
        f"{QUERIES} questions each, in turn; p50/p95 in ms.",
        ("passages", "bare index + embedding", "through the API", "added", "ratio of p50"),
    )
    with portal() as running:
        filled = 0
        for size in sizes:
            running.stop()
            running.python("-m", "bench.filling", f"Up to {size:,}", str(size - filled))
            filled = size
            copy = Path(tempfile.mkdtemp(prefix="atrium-bench-"))
            try:
                shutil.copytree(running.data / "vectors", copy / "vectors", ignore=shutil.ignore_patterns("*.sock"))
                running.start()
                _compare(part, size, running, copy / "vectors")
            finally:
                shutil.rmtree(copy, ignore_errors=True)
    return part


def _compare(part: Part, size: int, running: Portal, vectors: Path) -> None:
    workspace = running.python("manage.py", "shell", "-v0", "-c", _WORKSPACE).splitlines()[-1]
    bare = Bare(vectors, running.data / "models", UUID(workspace))
    alone, through = [], []
    with running.client() as api:
        for number, query in enumerate(questions(WARM + QUERIES, seed=size)):
            once, whole = bare.search(query), _asked(api, query)
            if number >= WARM:
                alone.append(once)
                through.append(whole)
    bare.close()
    added = [percentile(through, share) - percentile(alone, share) for share in (0.5, 0.95)]
    ratio = percentile(through, 0.5) / percentile(alone, 0.5)
    part.add(f"{size:,}", both(alone), both(through), f"{1000 * added[0]:+.0f}/{1000 * added[1]:+.0f}", f"{ratio:.1f}")
    if size == 10_000:
        part.goal("search at 10,000 passages, p95 added", 1000 * added[1], 30, "ms")


_WORKSPACE = "from portal.models import Workspace; print(Workspace.objects.get(slug='demo').pk)"


def _asked(api: httpx.Client, query: str) -> float:
    began = time.perf_counter()
    answer = api.post("search/", json={"query": query, "limit": 10})
    took = time.perf_counter() - began
    assert answer.raise_for_status().json()["results"]
    return took
