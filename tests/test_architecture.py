"""Imports go down only; and the checker that says so notices when they don't."""

from pathlib import Path

import pytest

from tests import architecture

ROOT = Path(__file__).resolve().parent.parent


def test_the_house_stands():
    found = architecture.modules(ROOT)
    assert len(found) > 60
    assert architecture.violations(found) == []


def house(tmp_path: Path, files: dict[str, str]) -> list[str]:
    for package in ("portal", "portal/providers", "datasources", "assistants", "gallery"):
        (tmp_path / package).mkdir(parents=True, exist_ok=True)
        (tmp_path / package / "__init__.py").touch()
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for parent in path.relative_to(tmp_path).parents:
            if parent != Path():
                (tmp_path / parent / "__init__.py").touch()
        path.write_text(text)
    return architecture.violations(architecture.modules(tmp_path))


MODELS = {"assistants/models.py": "", "datasources/models.py": "", "portal/models.py": ""}


def test_down_and_sideways_is_fine(tmp_path):
    told = house(
        tmp_path,
        {
            **MODELS,
            "gallery/ranking.py": "from portal.models import User\nfrom assistants import models",
            "assistants/views.py": "from .models import X\nfrom datasources.models import Node",
            "portal/people.py": "from portal.providers import types",
            "portal/providers/types.py": "import dataclasses",
            "portal/settings.py": "import portal.environment",
            "portal/environment.py": "import os\nos.environ['A']",
            "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'portal.settings')",
        },
    )
    assert told == []


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("datasources/sync.py", "from assistants.models import X", "a floor above"),
        ("datasources/sync.py", "def f():\n    import assistants.models", "a floor above"),
        ("datasources/sync.py", "from assistants import models", "a floor above"),
        (
            "portal/people.py",
            "from importlib import import_module\nimport_module('datasources.models')",
            "a floor above",
        ),
        ("assistants/deep/er.py", "from gallery import ranking", "a floor above"),
        ("portal/providers/openai.py", "from portal.models import User", "a floor above"),
        ("portal/providers/openai.py", "from django.conf import settings", "know nothing of Django"),
        ("portal/providers/openai.py", "def f():\n    import django", "know nothing of Django"),
        ("assistants/views.py", "from portal.settings import DATA", "composition root"),
        ("assistants/views.py", "from portal import settings", "composition root"),
        ("portal/people.py", "import portal.urls", "composition root"),
        ("datasources/retrieval/search.py", "from qdrant_client import models", "only the two indexes"),
        ("portal/people.py", "import qdrant_edge", "only the two indexes"),
        ("datasources/retrieval/search.py", "from datasources.models import Node", "know no rows"),
        ("datasources/connectors/folder.py", "from django.db import models", "know no rows"),
        ("datasources/ingestion/x.py", "def f():\n    from portal.models import User", "know no rows"),
        ("datasources/sync.py", "import os\nprint(os.environ['HOME'])", "reads the environment"),
        ("datasources/sync.py", "import os\nprint(os.getenv('HOME'))", "reads the environment"),
        ("datasources/sync.py", "from os import environ", "reads the environment"),
        ("manage.py", "import os\nos.environ['HOME']", "reads the environment"),
        ("manage.py", "import os\nos.environ.setdefault('HOME', '/')", "reads the environment"),
    ],
)
def test_a_breach_is_told(tmp_path, name, text, says):
    base = {**MODELS, "portal/settings.py": "", "portal/urls.py": "", "gallery/ranking.py": ""}
    told = house(tmp_path, {**base, name: text})
    assert len(told) == 1, told
    assert says in told[0]
    assert told[0].startswith(name.removesuffix(".py").replace("/", "."))


def test_what_only_a_type_checker_reads_may_name_rows(tmp_path):
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from datasources.models import Node"
    assert house(tmp_path, {**MODELS, "datasources/retrieval/search.py": text}) == []


def test_the_two_indexes_may_use_qdrant(tmp_path):
    files = {f"datasources/retrieval/{name}.py": "import qdrant_client" for name in ("edge", "server")}
    assert house(tmp_path, files) == []
