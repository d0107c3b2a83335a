"""What higher floors hang up on this one: menu items, deeds, panels, readiness checks, sockets, warm-ups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from django.http import HttpRequest

if TYPE_CHECKING:
    from portal.models import Credential, Membership, User, Workspace

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
    """A line of the left rail. ``action``: who sees it. ``route``: a URL name that takes the workspace's slug.

    ``also``: names of pages that belong to it and lie at addresses of their own.
    """

    label: str
    route: str
    icon: str
    action: str
    weight: int = 0
    section: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """A template that a higher floor shows on a lower floor's page. ``context`` gets the request and the page's object."""

    template: str
    context: Callable[[HttpRequest, Any], dict[str, Any] | None]
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """``run`` returns a sentence on what it found and raises with a sentence on what to do.

    ``ready``: /readyz asks it too, not ``manage.py doctor`` alone. ``seconds``: how long it may take. ``hint``: what to do where
    it takes longer, or fails in words that are not ours.
    """

    label: str
    run: Callable[[], str]
    ready: bool = True
    weight: int = 0
    needs_database: bool = False
    seconds: float = 10.0
    hint: str = ""


@dataclass(frozen=True, slots=True)
class RailSection:
    """Entries for the rail that depend on the person (recent conversations, favourite assistants)."""

    template: str
    context: Callable[[HttpRequest], dict[str, Any]]
    weight: int = 0


@dataclass(frozen=True, slots=True)
class PaletteSource:
    """What Cmd/Ctrl-K finds: (label, url, hint) for a text. A url such as ``#theme-dark`` presses that element of the page."""

    label: str
    find: Callable[[HttpRequest, str], list[tuple[str, str, str]]]
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Deed:
    """Something to begin from the palette. ``action``: who may. ``route``: a URL name that takes the workspace's slug.

    ``words``: other words that people look for it by.
    """

    label: str
    route: str
    action: str
    words: str = ""
    hint: str = ""
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


@dataclass(frozen=True, slots=True)
class DefaultAssistant:
    """Who answers in a workspace where no assistant was chosen, by handle; empty is the plain one.

    ``choices``: (handle, in words) of those that can. ``choose`` raises ValidationError by field.
    """

    now: Callable[[Workspace], str]
    choices: Callable[[Workspace], list[tuple[str, str]]]
    choose: Callable[[Workspace, str, User], None]


@dataclass(frozen=True, slots=True)
class Embedding:
    """How a workspace's passages are embedded. ``weight``: (documents, passages, tokens, roughly) that another model would have to
    embed. ``choose``: (workspace, credential or None for the model on this machine, model, by) gives the number of data sources
    that are embedded anew; it calls the vendor, and raises ValidationError by field.
    """

    weight: Callable[[Workspace], tuple[int, int, int]]
    choose: Callable[[Workspace, Credential | None, str, User], int]


@dataclass(slots=True)
class Registries:
    menu: Registry[MenuItem] = field(default_factory=Registry)
    # Tabs of the pages on oneself that belong to a workspace.
    mine: Registry[MenuItem] = field(default_factory=Registry)
    rail: Registry[RailSection] = field(default_factory=Registry)
    panels: dict[str, Registry[Panel]] = field(default_factory=dict)
    steps: Registry[Step] = field(default_factory=Registry)
    checks: Registry[Check] = field(default_factory=Registry)
    palette: Registry[PaletteSource] = field(default_factory=Registry)
    deeds: Registry[Deed] = field(default_factory=Registry)
    # By the kind of the credential.
    credential_kinds: Registry[CredentialKind] = field(default_factory=Registry)
    # What a person would leave behind in their workspace, for whoever lets them go; none where there is nothing.
    leaving: Registry[Callable[[Membership], LeftBehind | None]] = field(default_factory=Registry)
    assistants: Assistants | None = None
    default_assistant: DefaultAssistant | None = None
    embedding: Embedding | None = None
    # Called (or awaited) once before "ready" is printed: imports and models that the first question would wait for.
    warm_ups: Registry[Callable[[], Any]] = field(default_factory=Registry)
    # Called on the way down, last added first.
    shut_downs: Registry[Callable[[], Any]] = field(default_factory=Registry)

    def panel(self, page: str) -> Registry[Panel]:
        return self.panels.setdefault(page, Registry())


registries = Registries()
