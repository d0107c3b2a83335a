"""What higher floors hang up on this one: menu items, home cards, panels, readiness checks, sockets, warm-ups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from django.http import HttpRequest

if TYPE_CHECKING:
    from portal.models import Credential, Membership, Workspace

T = TypeVar("T")


class Registry(Generic[T]):
    """Named entries in the order of their weight. Adding a name twice replaces it, so that reloads are harmless."""

    def __init__(self) -> None:
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> T:
        self._entries[name] = entry
        return entry

    def get(self, name: str) -> T | None:
        return self._entries.get(name)

    def __iter__(self) -> Iterator[T]:
        return iter(sorted(self._entries.values(), key=lambda e: getattr(e, "weight", 0)))

    def items(self) -> list[tuple[str, T]]:
        return sorted(self._entries.items(), key=lambda pair: getattr(pair[1], "weight", 0))


@dataclass(frozen=True, slots=True)
class MenuItem:
    """A line of the left rail. ``action``: who sees it. ``route``: a URL name that takes the workspace's slug."""

    label: str
    route: str
    icon: str
    action: str
    weight: int = 0
    section: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A template that a higher floor shows on a lower floor's page. ``context`` gets the request and the page's object."""

    template: str
    context: Callable[[HttpRequest, Any], dict[str, Any] | None]
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """``run`` returns a sentence on what it found and raises with a sentence on what to do. ``ready``: /readyz needs it."""

    label: str
    run: Callable[[], str]
    ready: bool = True
    weight: int = 0


@dataclass(frozen=True, slots=True)
class RailSection:
    """Entries for the rail that depend on the person (recent conversations, favourite assistants)."""

    template: str
    context: Callable[[HttpRequest], dict[str, Any]]
    weight: int = 0


@dataclass(frozen=True, slots=True)
class PaletteSource:
    """What Cmd/Ctrl-K finds: (label, url, hint) for a text."""

    label: str
    find: Callable[[HttpRequest, str], list[tuple[str, str, str]]]
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a new workspace's path. ``action``: who can take it. ``done``: the workspace has it behind itself.

    ``blocks``: nothing can be asked before it, so that home begins with the path rather than with the composer.
    """

    label: str
    words: str
    button: str
    route: str
    action: str
    done: Callable[[Workspace], bool]
    weight: int = 0
    blocks: Callable[[Workspace], bool] | None = None


@dataclass(frozen=True, slots=True)
class CredentialKind:
    """A kind of credential that a higher floor enters and uses; here it is listed, renamed, tested and forgotten.

    ``test`` returns what the vendor answered and raises ValidationError with what to do. ``entered``: where its secret is
    entered anew, in words.
    """

    label: str
    test: Callable[[Credential], str]
    entered: str


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """What only somebody who leaves looks after, in words ("2 assistants: @hr-leave, @travel"), and how many that are.

    Whoever takes it over is named in ``events.MemberLeft.hand_over_to``.
    """

    words: str
    count: int


@dataclass(frozen=True, slots=True)
class Assistants:
    """Assistants, which live on a higher floor, by the plain ids that rows here hold.

    ``names``: ``@handle`` by id, of those of a workspace that are there. ``by_handle``: the id, or None.
    """

    names: Callable[[UUID, Sequence[UUID]], dict[UUID, str]]
    by_handle: Callable[[UUID, str], UUID | None]


@dataclass(slots=True)
class Registries:
    menu: Registry[MenuItem] = field(default_factory=Registry)
    rail: Registry[RailSection] = field(default_factory=Registry)
    panels: dict[str, Registry[Panel]] = field(default_factory=dict)
    steps: Registry[Step] = field(default_factory=Registry)
    checks: Registry[Check] = field(default_factory=Registry)
    palette: Registry[PaletteSource] = field(default_factory=Registry)
    # By the kind of the credential.
    credential_kinds: Registry[CredentialKind] = field(default_factory=Registry)
    # What a person would leave behind in their workspace, for whoever lets them go; none where there is nothing.
    leaving: Registry[Callable[[Membership], LeftBehind | None]] = field(default_factory=Registry)
    assistants: Assistants | None = None
    # Called (or awaited) once before "ready" is printed: imports and models that the first question would wait for.
    warm_ups: Registry[Callable[[], Any]] = field(default_factory=Registry)
    # Called on the way down, last added first.
    shut_downs: Registry[Callable[[], Any]] = field(default_factory=Registry)

    def panel(self, page: str) -> Registry[Panel]:
        return self.panels.setdefault(page, Registry())


registries = Registries()
