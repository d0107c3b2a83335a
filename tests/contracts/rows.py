"""What every contract of a connector asks: it knows the place, and nothing of our database."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path


def assert_knows_no_rows(connector: object) -> None:
    """No module in the folder of its class imports Django or a model."""
    folder = Path(inspect.getfile(type(connector))).parent
    for source in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.startswith("django") or ".models" in name], source
