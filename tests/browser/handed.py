"""What no vendor is asked for: exports and files that people hand over, a folder of the server, and what programs write."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.browser.places import Place
from tests.datasources.documents import zipped

Members = Mapping[str, str]
HANDBOOK, LABS, LEAVE, PAY = (digit * 32 for digit in "abcd")


@contextmanager
def packed(members: Members) -> Iterator[Path]:
    """A person's download folder, with the export in it."""
    folder = Path(tempfile.mkdtemp(prefix="atrium-handed-"))
    pack(folder / "export.zip", members)
    yield folder
    shutil.rmtree(folder)


def pack(path: Path, members: Members) -> None:
    path.write_bytes(zipped(dict(members)))


def newer(members: Members) -> Callable[[Path], None]:
    """A later export, beside the first."""
    return lambda folder: pack(folder / "export-newer.zip", members)


def day(user: str, text: str, ts: str) -> str:
    return json.dumps([{"type": "message", "user": user, "text": text, "ts": ts}])


SLACK_EXPORT: Members = {
    "channels.json": json.dumps(
        [{"id": f"C{n}", "name": name} for n, name in enumerate(("deck", "galley", "salaries"))]
    ),
    "users.json": json.dumps([{"id": "U1", "name": "ann", "profile": {"real_name": "Ann Lee"}}]),
    "deck/2026-03-02.json": day("U1", "The deck is painted in May.", "1772442000.000001"),
    "galley/2026-03-03.json": day("U1", "Supper is at six.", "1772528400.000001"),
    "salaries/2026-03-04.json": day("U1", "Ann earns nine doubloons.", "1772614800.000001"),
}
NOTION_EXPORT: Members = {
    f"Handbook {HANDBOOK}.md": "# Handbook\n\nHow we do things.",
    f"Handbook {HANDBOOK}/Moorings {LEAVE}.md": "# Moorings\n\nMoorings are paid for a week.",
    f"Handbook {HANDBOOK}/Payroll {PAY}.md": "# Payroll\n\nPaid on the last of a month.",
    f"Labs {LABS}.md": "# Labs\n\nThe tide gauge hangs at pier four.",
}
FILES: Members = {
    "bicycles.md": "# Bicycles\n\nA bicycle costs 30 euros a month.\n",
    "parking.md": "# Parking\n\nCars park behind the sail loft.\n",
}
SHARED: Members = {
    "quay/cranes.md": "# Cranes\n\nThe crane lifts four tons.\n",
    "quay/ferry.md": "# Ferry\n\nThe ferry leaves at eight.\n",
    "ledger/tolls.md": "# Tolls\n\nBarges pay by length.\n",
    "vault/keys.md": "# Keys\n\nNobody may read this.\n",
}

HANDED = (
    Place(
        kind="slack_export",
        serve=lambda: packed(SLACK_EXPORT),
        ticked=(("deck",), ("galley",)),
        there=("2 March 2026", "3 March 2026"),
        absent="4 March 2026",
        change=newer(
            {**SLACK_EXPORT, "galley/2026-03-05.json": day("U1", "Supper is moved to the lighthouse.", "1772701200.1")}
        ),
        question="Where is supper moved to?",
        says="lighthouse",
    ),
    Place(
        kind="notion_export",
        serve=lambda: packed(NOTION_EXPORT),
        ticked=(("Handbook", "Moorings"), ("Labs",)),
        there=("Moorings", "Labs"),
        absent="Payroll",
        change=newer({**NOTION_EXPORT, f"Labs {LABS}.md": "# Labs\n\nThe tide gauge hangs in the boathouse now."}),
        question="Where does the tide gauge hang?",
        says="boathouse",
    ),
    Place(
        kind="upload",
        serve=lambda: packed(FILES),
        ticked=(),
        there=("bicycles.md", "parking.md"),
        absent="tolls.md",
        change=newer({"parking.md": "# Parking\n\nMotorbikes park beneath the watchtower.\n"}),
        question="Where do motorbikes park?",
        says="watchtower",
    ),
)


@contextmanager
def shared(root: Path) -> Iterator[Path]:
    """A folder of the server, below what its operator allows."""
    place = root / "shared"
    for path, text in SHARED.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
    yield place
    shutil.rmtree(place)


def folder(root: Path) -> Place:
    return Place(
        kind="folder",
        serve=lambda: shared(root),
        ticked=(("quay", "cranes.md"), ("ledger",)),
        there=("cranes.md", "tolls.md"),
        absent="keys.md",
        change=lambda place: (place / "ledger" / "pilots.md").write_text(
            "# Pilots\n\nPilots are paid in salted cod.\n"
        ),
        question="What are pilots paid in?",
        says="salted cod",
    )


WRITTEN = Place(
    kind="api",
    serve=lambda: None,
    ticked=(),
    there=("Opening hours", "Menu"),
    absent="Wages",
    change=lambda server: None,
    question="What does the canteen serve on Mondays?",
    says="bilberry soup",
)
