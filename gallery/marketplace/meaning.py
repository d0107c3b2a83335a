"""Templates that do what a text says in other words. Blocking: it embeds, with the workspace's model.

They are few and seldom change, so that their vectors are kept in the process and compared here, with no collection of their own.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from uuid import UUID

import numpy as np
import structlog
from django.db import connections

from assistants.likeness.describing import told
from assistants.likeness.embedding import asked, embedded, on_account
from assistants.likeness.finding import usual_likeness
from datasources import reading
from gallery.models import Template
from gallery.searching import ALIKE, LONG_ENOUGH
from portal.models import Membership, Workspace
from portal.providers.errors import ProviderError
from portal.providers.types import Embedder

log = structlog.get_logger(__name__)

MOST_COMPARED = 1000
MOST_ALIKE = 12
AT_ONCE = 8
"""That are embedded while somebody waits. Where more are missing, as in a process that has just begun, a thread does it."""
MOST_KEPT = 4000
"""Vectors; of 1,536 numbers each they take 25 MB, of the local model's 6."""

_Vector = np.ndarray
_kept: OrderedDict[tuple[str, str], _Vector | None] = OrderedDict()
_lock = threading.Lock()
_under_way: set[str] = set()
"""Embedding spaces of which a thread makes vectors."""


def alike(membership: Membership, text: str) -> list[UUID]:
    """Templates on the shelf, best first. None where the text says too little, the embedder is away, or what they do is only being
    embedded: words find then, too."""
    text = text.strip()
    if len(text) < LONG_ENOUGH:
        return []
    rows = list(_texts(membership))
    try:
        embedder = reading.embedder_for(membership.workspace)
        texts = [said for _key, said in rows]
        if len(_missing(embedder.space, texts)) > AT_ONCE:
            _begin(membership.workspace, embedder, texts)
            return []
        vectors = _vectors(membership.workspace, embedder, texts)
        query = _unit(asked(membership, embedder, text))
        with on_account(membership.workspace, embedder) as metered:
            usual = usual_likeness(metered)
    except ProviderError as error:
        log.warning("templates searched by words alone", error=str(error))
        return []
    scores = [
        ((float(vector @ query) - usual) / (1 - usual), key)
        for (key, _said), vector in zip(rows, vectors, strict=True)
        if vector is not None
    ]
    good = sorted((pair for pair in scores if pair[0] >= ALIKE), key=lambda pair: (-pair[0], pair[1]))
    return [key for _score, key in good[:MOST_ALIKE]]


def _texts(membership: Membership) -> Iterable[tuple[UUID, str]]:
    """What each template does, as assistants tell it; not its instructions, which are much alike. One query."""
    fields = ("latest__name", "latest__description", "latest__sample_question", "latest__body__starters")
    rows = Template.objects.on_shelf(membership.workspace_id).order_by("-installs", "pk")
    for key, name, description, question, starters in rows.values_list("pk", *fields)[:MOST_COMPARED]:
        yield key, told(name, description, [question, *(starters or ())], "")


def _missing(space: str, texts: Iterable[str]) -> list[str]:
    with _lock:
        return [text for text in dict.fromkeys(texts) if (space, text) not in _kept]


def _begin(workspace: Workspace, embedder: Embedder, texts: Sequence[str]) -> None:
    """Nobody who types waits for what takes seconds; the next words find by meaning, too."""
    space = embedder.space
    with _lock:
        if space in _under_way:
            return
        _under_way.add(space)
    threading.Thread(target=_made, args=(workspace, embedder, texts), name="template-meanings", daemon=True).start()


def _made(workspace: Workspace, embedder: Embedder, texts: Sequence[str]) -> None:
    try:
        _vectors(workspace, embedder, texts)
    except ProviderError as error:
        log.warning("templates not embedded yet", error=str(error))
    finally:
        with _lock:
            _under_way.discard(embedder.space)
        connections.close_all()


def _vectors(workspace: Workspace, embedder: Embedder, texts: Sequence[str]) -> list[_Vector | None]:
    """Embeds what is not at hand. None for a text that the model refuses."""
    space = embedder.space
    missing = _missing(space, texts)
    made = dict(zip(missing, embedded(workspace, embedder, missing), strict=True))
    with _lock:
        for text, vector in made.items():
            _kept[space, text] = None if vector is None else _unit(vector)
        found = [_kept.get((space, text)) for text in texts]
        for text in texts:
            if (space, text) in _kept:
                _kept.move_to_end((space, text))
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    return found


def _unit(vector: Sequence[float]) -> _Vector:
    made = np.asarray(vector, np.float32)
    return made / (float(np.linalg.norm(made)) or 1.0)
