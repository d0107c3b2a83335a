"""Ingestion: a folder of generated pages through the product, against the embedder alone on the same passages.

``python -m bench.ingestion <folder> <model directory>`` is the embedder alone, in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx

from bench.product import ROOT, portal
from bench.report import Part
from bench.words import folder

FILES = 200
FILES_AT_ONCE = 1000
ROUNDS = 2
BATCH = 64


def measure() -> Part:
    part = Part(
        "Ingestion",
        "A folder of 4 KB Markdown files, connected over the API; the time is the run's own, from its start to its account. "
        "“Embedder alone” embeds the very same passages in the same batches in a process that does nothing else, before and "
        "after each round of the product. “At once” is the product with an embedder that answers without thinking.",
        ("what", "files", "passages", "seconds", "files/s", "passages/s", "of the embedder's own"),
    )
    with tempfile.TemporaryDirectory(prefix="atrium-bench-") as place:
        _embedded(part, Path(place))
        _at_once(part, Path(place))
    return part


def _embedded(part: Part, place: Path) -> None:
    shares = []
    with portal(ATRIUM_FOLDER_ROOTS=str(place)) as running, running.client() as api:
        models = running.data / "models"
        # What a first run makes once (connections, the readers' processes) is none of the rate's business.
        synced(api, folder(place / "first", 10, seed=1))
        for number in range(ROUNDS):
            pages = folder(place / f"pages-{number}", FILES, seed=10 + number)
            before = alone(pages, models)
            files, passages, seconds = synced(api, pages)
            after = alone(pages, models)
            if passages != before[0]:
                raise RuntimeError(f"{passages} passages came in of {before[0]}")
            bare = 2 * passages / (before[1] + after[1])
            shares.append(passages / seconds / bare)
            part.add("embedder alone, before", "", *_rates(0, *before), "")
            part.add("the product", *_row(files, passages, seconds), f"{shares[-1]:.0%}")
            part.add("embedder alone, after", "", *_rates(0, *after), "")
        memory = running.memory()
    detail = ", ".join(f"{name} {mb:.0f}" for name, mb in memory.items() if name != "all")
    part.add("memory after it, MB", f"{memory['all']:.0f} in all", detail, "", "", "", "")
    part.goal("ingestion, share of the embedder's own speed", sum(shares) / len(shares), 0.9, "%", below=False)
    part.goal("memory of all processes after a sync", memory["all"], 700, "MB")


def _at_once(part: Part, place: Path) -> None:
    best = 0.0
    with portal("bench.instant", ATRIUM_FOLDER_ROOTS=str(place)) as running, running.client() as api:
        synced(api, folder(place / "again", 10, seed=1))
        for number in range(ROUNDS):
            found = synced(api, folder(place / f"quick-{number}", FILES_AT_ONCE, seed=20 + number))
            part.add("the product, embeddings at once", *_row(*found), "")
            best = max(best, found[0] / found[2])
    part.goal("ingestion with embeddings at once, better of two", best, 60, "files/s", below=False)


def _row(files: int, passages: int, seconds: float) -> tuple[str, ...]:
    return (str(files), *_rates(files, passages, seconds))


def _rates(files: int, passages: int, seconds: float) -> tuple[str, ...]:
    return str(passages), f"{seconds:.1f}", f"{files / seconds:.1f}" if files else "", f"{passages / seconds:.1f}"


def synced(api: httpx.Client, pages: Path) -> tuple[int, int, float]:
    """Files, passages and seconds of the folder's first run."""
    config = {"path": str(pages)}
    source = api.post("data-sources/", json={"kind": "folder", "name": pages.name, "config": config})
    source.raise_for_status()
    for run in _runs(api, source.json()["id"]):
        if run["state"] in ("done", "partial", "failed", "stopped"):
            break
    if run["state"] != "done" or run["failed"] or run["skipped"]:
        raise RuntimeError(f"The run of {pages.name} did not come out whole: {run}")
    started, finished = (datetime.fromisoformat(run[key]) for key in ("started", "finished"))
    return run["indexed"], run["passages"], (finished - started).total_seconds()


def _runs(api: httpx.Client, source: str) -> Iterator[dict]:
    # Seldom: asking costs the portal time that is measured here.
    while True:
        yield api.get(f"data-sources/{source}/runs/").raise_for_status().json()["results"][0]
        time.sleep(1)


def alone(pages: Path, models: Path) -> tuple[int, float]:
    """Passages and seconds of the embedder by itself."""
    command = [sys.executable, "-m", "bench.ingestion", str(pages), str(models)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    passages, seconds = json.loads(done.stdout.splitlines()[-1])
    return passages, seconds


def _alone(pages: Path, models: Path) -> tuple[int, float]:
    from datasources.ingestion.chunking import chunk, embed_text
    from datasources.ingestion.extract import Extractor
    from datasources.ingestion.results import Extracted
    from portal.providers.local import LocalEmbedder

    embedder = LocalEmbedder(models)
    extractor = Extractor()
    texts: list[str] = []
    for path in sorted(pages.rglob("*.md")):
        result = extractor.extract(path.read_bytes(), path.name, "text/markdown")
        assert isinstance(result, Extracted)
        text = result.markdown
        pieces = chunk(text, embedder.token_spans, embedder.window, result.title or path.name)
        texts += [embed_text(piece.title, piece.heading, text[piece.start : piece.end]) for piece in pieces]
    extractor.close()
    embedder.embed_documents(texts[:BATCH])
    began = time.perf_counter()
    for at in range(0, len(texts), BATCH):
        embedder.embed_documents(texts[at : at + BATCH])
    return len(texts), time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps(_alone(Path(sys.argv[1]), Path(sys.argv[2]))))
