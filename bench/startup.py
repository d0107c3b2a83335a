"""Start-up: from the command to the line that says it is ready, and what an idle portal holds in memory."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from bench.product import Portal
from bench.report import Part, percentile

AGAIN = 5


def measure() -> Part:
    part = Part(
        "Start-up",
        "From `python -m portal.embedded` to “Atrium is ready”. The first start makes the database, builds the embedding model's "
        "graph and indexes the user guide. Memory is the sum of all processes' proportional set sizes.",
        ("start", "seconds", "processor seconds of the portal", "memory, all processes, MB"),
    )
    data = Path(tempfile.mkdtemp(prefix="atrium-bench-"))
    portal = Portal(data)
    seconds: list[float] = []
    try:
        for number in range(1 + AGAIN):
            took = portal.start()
            cpu, memory = portal.cpu(), portal.memory()
            portal.stop()
            if number:
                seconds.append(took)
            name = f"again {number}" if number else "first"
            part.add(name, f"{took:.1f}", f"{cpu:.1f}", f"{memory['all']:.0f}")
    finally:
        portal.stop()
        shutil.rmtree(data, ignore_errors=True)
    part.goal("second start, median", percentile(seconds, 0.5), 6, "s")
    return part
