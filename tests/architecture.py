"""The checker behind test_architecture: reads source with ``ast``, so that imports inside functions count too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Ground floor last; an import may go to the same floor or below, never up.
FLOORS = ("composition", "gallery", "assistants", "datasources", "portal", "providers")
COMPOSITION = frozenset({"portal.settings", "portal.urls", "portal.asgi", "portal.celery", "portal.embedded"})
# ``celery -A portal`` looks for the app in the package itself.
EXEMPT = frozenset({("portal", "portal.celery")})
QDRANT = frozenset(f"datasources.retrieval.{name}" for name in ("edge", "server", "server_handle", "server_queries"))
NO_ORM = ("datasources.connectors", "datasources.ingestion", "datasources.retrieval")
ENVIRONMENT = frozenset({"portal.environment"})
# They name the settings module before Django is there, which is all that they may do with the environment.
ENTRY_POINTS = frozenset({"manage", "portal.asgi", "portal.celery", "portal.embedded"})


@dataclass(frozen=True, slots=True)
class Module:
    name: str
    path: Path
    tree: ast.Module

    @property
    def package(self) -> str:
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Import:
    """``target`` is the dotted name as written, made absolute; it may name something inside a module."""

    target: str
    line: int
    typing_only: bool


def modules(root: Path, packages: tuple[str, ...] = ("portal", "datasources", "assistants", "gallery")) -> list[Module]:
    """Every module of the product below ``root``, migrations left out, and manage.py where there is one."""
    found = []
    files = [p for package in packages for p in sorted((root / package).rglob("*.py"))]
    for path in [*files, *root.glob("manage.py")]:
        parts = path.relative_to(root).with_suffix("").parts
        if "migrations" in parts:
            continue
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(name, path, ast.parse(path.read_text(encoding="utf-8"), str(path))))
    return found


def imports(module: Module) -> Iterator[Import]:
    yield from _imports(module, module.tree, typing_only=False)


def _imports(module: Module, node: ast.AST, *, typing_only: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, typing_only) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = _absolute(module, child)
            yield from (Import(f"{base}.{alias.name}", child.lineno, typing_only) for alias in child.names)
        elif isinstance(child, ast.Call) and (name := _imported_by_name(child)):
            yield Import(name, child.lineno, typing_only)
        guarded = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        yield from _imports(module, child, typing_only=typing_only or guarded)


def _imported_by_name(call: ast.Call) -> str:
    """``import_module("x.y")`` and ``import_string("x.y.z")`` with a name that is written there."""
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if function in {"import_module", "import_string", "__import__"} and call.args:
        first = call.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            return first.value
    return ""


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def resolve(target: str, known: frozenset[str]) -> str | None:
    """The module of ours that an import reaches, or None for somebody else's."""
    while target:
        if target in known:
            return target
        target = target.rpartition(".")[0]
    return None


def floor(module: str) -> int:
    if module in COMPOSITION or module == "manage":
        return FLOORS.index("composition")
    if module == "portal.providers" or module.startswith("portal.providers."):
        return FLOORS.index("providers")
    return FLOORS.index(module.split(".")[0])


def _inside(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def _names(target: str, packages: tuple[str, ...]) -> bool:
    return _inside(target, packages)


def violations(found: list[Module]) -> list[str]:
    """Every breach in words: ``datasources.sync:12 imports assistants.models, which is a floor above``."""
    known = frozenset(module.name for module in found)
    told = []
    for module in found:
        for one in imports(module):
            where = f"{module.name}:{one.line}"
            told += [f"{where} {breach}" for breach in _breaches(module.name, one, known)]
        told += [
            f"{module.name}:{line} reads the environment; only portal.environment may" for line in _environ(module)
        ]
    return told


def _breaches(name: str, one: Import, known: frozenset[str]) -> Iterator[str]:
    ours = resolve(one.target, known)
    if ours is not None and ours != name and (name, ours) not in EXEMPT:
        if ours in COMPOSITION and floor(name) != 0:
            yield f"imports {ours}, which is the composition root"
        elif floor(ours) < floor(name):
            yield f"imports {ours}, which is a floor above"
    if _inside(name, ("portal.providers",)) and _names(one.target, ("django", "rest_framework", "channels")):
        yield f"imports {one.target}; adapters to vendors know nothing of Django"
    if _names(one.target, ("qdrant_client", "qdrant_edge")) and name not in QDRANT:
        yield f"imports {one.target}; only the two indexes may"
    if _inside(name, NO_ORM) and not one.typing_only and _is_orm(one.target):
        yield f"imports {one.target}; connectors, ingestion and retrieval know no rows"


def _is_orm(target: str) -> bool:
    parts = target.split(".")
    ours = parts[0] in {"portal", "datasources", "assistants", "gallery"} and "models" in parts
    return ours or _names(target, ("django.db", "django.apps", "django.contrib"))


def _environ(module: Module) -> Iterator[int]:
    if module.name in ENVIRONMENT:
        return
    for node in ast.walk(module.tree):
        reads = isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv", "os.environb"}
        named = (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and any(alias.name in {"environ", "getenv", "environb"} for alias in node.names)
        )
        if (reads or named) and not (module.name in ENTRY_POINTS and _names_settings(module, node.lineno)):
            yield node.lineno


def _names_settings(module: Module, line: int) -> bool:
    """Whether the statement on this line is ``os.environ.setdefault("DJANGO_SETTINGS_MODULE", …)``."""
    return any(
        isinstance(node, ast.Call)
        and node.lineno == line
        and ast.unparse(node.func) == "os.environ.setdefault"
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value == "DJANGO_SETTINGS_MODULE"
        for node in ast.walk(module.tree)
    )
