"""``make bench``: every part, or those that are named, into artifacts/bench.md.

python -m bench [startup] [ingestion] [search] [streaming] [places] [governing] [--share 0.1]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

from bench import governing, ingestion, places, report, search, startup, streaming
from bench.product import ROOT

PARTS: dict[str, Callable[[], report.Part]] = {
    "startup": startup.measure,
    "search": search.measure,
    "streaming": streaming.measure,
    "ingestion": ingestion.measure,
    "places": places.measure,
    "governing": governing.measure,
}
SHARED: dict[str, Callable[[float], report.Part]] = {"places": places.measure, "governing": governing.measure}
"""Those whose made-up companies ``--share`` makes smaller."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures the product; see bench/README.md.")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all where none is named")
    parser.add_argument("--to", type=Path, default=ROOT / "artifacts" / "bench.md", help="where the report goes")
    parser.add_argument("--share", type=float, default=1.0, help=f"of what {' and '.join(SHARED)} make up")
    options = parser.parse_args()
    if unknown := [name for name in options.parts if name not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}; known are {', '.join(PARTS)}")
    uvloop.install()
    began, done = time.monotonic(), []
    for name in options.parts or PARTS:
        print(f"{name} …", flush=True)
        done.append(SHARED[name](options.share) if name in SHARED else PARTS[name]())
        report.write(done, time.monotonic() - began, options.to)
    print(f"\nReport: {options.to}")
    missed = [goal for part in done for goal in part.goals if not goal.met]
    for goal in missed:
        print(f"missed: {goal.row()}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
