"""Questions over real tables: the model writes the gold SQL, and the product gives the gold result.

The model is scripted, so this measures all but its wit: that the tables that a question needs are found among the others,
typed so that the query means what it says, named as one would name them, and joined.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.served import Served
from tests.vendors.openai import OpenAIServer
from tests.vendors.server import Script

pytestmark = [pytest.mark.corpora, pytest.mark.timeout(900)]

SHARE = 10 / 12
"""Of the questions, right with the gold SQL's result."""
_CREDENTIAL = """
import django; django.setup()
import sys
from portal.credentials import create_credential
from portal.models import User, Workspace
workspace = Workspace.objects.get(slug="demo")
made = create_credential(
    workspace=workspace, by=User.objects.get(), kind="openai_compatible", base_url=sys.argv[1], name="Scripted", api_key=""
)
workspace.default_credential, workspace.default_model = made, "gpt-5"
workspace.save()
"""


@pytest.fixture(scope="module")
def questions(corpora: Path) -> list[dict[str, Any]]:
    lines = (corpora / "tables" / "questions.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def test_the_gold_sql_gives_the_gold_result(
    corpora: Path, questions: list[dict[str, Any]], serve: Callable[[Path], Served]
) -> None:
    there = [q for q in questions if all((corpora / "tables" / name).exists() for name in q["files"])]
    missing = [q["id"] for q in questions if q not in there]
    assert there, "None of the questions has its files."

    def reply(body: dict[str, Any]) -> str:
        system, asked = body["messages"][0]["content"], body["messages"][-1]["content"]
        if "SQL query for DuckDB" not in system:
            return "The result says it [1]."
        return next((q["sql"] for q in there if q["question"] in asked), "NO TABLE")

    with OpenAIServer(Script(text=reply)) as vendor:
        served = serve(corpora / "tables")
        served.portal.python("-c", _CREDENTIAL, vendor.base_url)
        served.ended(served.connect("Tables", corpora / "tables"))
        outcomes = {q["id"]: _asked(served, q["question"]) for q in there}
    right = [q["id"] for q in there if _same(outcomes[q["id"]].get("rows"), q["answer"])]
    sys.stdout.write(f"\nright: {len(right)} of {len(there)}; without files: {missing or 'none'}\n")
    for q in there:
        if q["id"] not in right:
            sys.stdout.write(f"{q['id']} {q['question']}\n  wanted {q['answer']}, got {outcomes[q['id']]}\n")
    assert len(right) >= math.ceil(SHARE * len(there))


def _asked(served: Served, question: str) -> dict[str, Any]:
    """The first result of a table in the answer, as the API gives it; empty where none was asked."""
    message = served.answer(question)
    return message["tables"][0] if message["tables"] else {}


def _same(rows: Any, wanted: list[list[Any]]) -> bool:
    return (
        rows is not None
        and len(rows) == len(wanted)
        and all(
            len(a) == len(b) and all(_alike(x, y) for x, y in zip(a, b, strict=True))
            for a, b in zip(rows, wanted, strict=True)
        )
    )


def _alike(got: Any, wanted: Any) -> bool:
    if isinstance(wanted, float):
        return isinstance(got, int | float) and math.isclose(got, wanted, rel_tol=1e-9)
    return bool(got == wanted)
