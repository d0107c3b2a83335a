"""Connecting a place: the draft that waits until somebody has chosen, its credential, and the go.

For every kind from what its connector says of itself. Portal, admin and API call these; access is theirs to check. What
was entered is checked in entered.py and tried in trying.py, and offered here too: one place to look.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from datasources import oauth, sources
from datasources.choosing import store
from datasources.connectors.about import About
from datasources.connectors.base import Chosen
from datasources.connectors.registry import CONNECTORS, about
from datasources.entered import Entered, kept_secrets, read_entered, usable_credentials
from datasources.granting import Parts, grant_first
from datasources.models import DataSource, Level, SyncRun
from datasources.runs import begin_anew, request_sync
from datasources.trying import choices_for, lacks_files, test_credential, tested, trial_of, try_entered
from datasources.uploads import discard
from portal import audit
from portal.models import Credential, Space, User, Workspace

__all__ = [
    "Entered",
    "allowed",
    "begin",
    "choices_for",
    "connect",
    "forget_draft",
    "forget_old_drafts",
    "go",
    "has_something",
    "kept_secrets",
    "read_entered",
    "reconnect",
    "save_draft",
    "test_credential",
    "try_entered",
    "usable_credentials",
]

State = DataSource.State
KEPT_DRAFTS = timedelta(days=30)


# ---- Keeping -----------------------------------------------------------------------------------------------------


def save_draft(
    *,
    workspace: Workspace,
    by: User,
    kind: str,
    entered: Entered,
    source: DataSource | None = None,
    name: str = "",
) -> DataSource:
    """Keep what was entered as a source that is not finished yet. Tested first, unless the vendor has to be asked. Raises
    ValidationError."""
    if not entered.waits:
        try_entered(workspace, kind, entered, source)
    with transaction.atomic():
        made = _new(workspace, by, kind, name, entered) if source is None else _locked_draft(source)
        return _kept(made, entered, by)


def _new(workspace: Workspace, by: User, kind: str, name: str, entered: Entered) -> DataSource:
    named = name or _name(kind, entered)
    return DataSource(workspace=workspace, kind=kind, created_by=by, state=State.DRAFT, name=named)


def _kept(source: DataSource, entered: Entered, by: User) -> DataSource:
    """The draft with what was entered, saved in the transaction of whoever calls."""
    new = source._state.adding
    _moved(source, entered)
    source.config = dict(entered.config)
    source.credential = _keep_credential(source, entered, by)
    source.full_clean(exclude=["workspace", "created_by", "credential"])
    source.save()
    if new:
        audit.record("source.begin", workspace=source.workspace, actor=by, target=source, after={"kind": source.kind})
    return source


def _name(kind: str, entered: Entered) -> str:
    path = str(entered.config.get("path") or "").rstrip("/")
    return (path.rpartition("/")[2] or about(kind).label)[:120]


def _locked_draft(source: DataSource) -> DataSource:
    found = DataSource.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=source.pk)
    if found.state != State.DRAFT:
        raise ValidationError("This source is connected already. Change it under Settings.")
    return found


def _moved(source: DataSource, entered: Entered) -> None:
    """Another place: what was seen and ticked of the old one says nothing about it.

    At the same place, another key may see other things, and what failed may go well now: such levels are asked for again.
    """
    if source._state.adding:
        return
    if source.config != dict(entered.config):
        source.levels.all().delete()
        return
    key = entered.credential or source.credential
    same = key == source.credential and (entered.credential or oauth.secret_of(key) == dict(entered.secret))
    again = source.levels.filter(state=Level.State.FAILED) if same else source.levels.exclude(state=Level.State.READING)
    again.update(state=Level.State.READ, read=None, error="")


def _keep_credential(source: DataSource, entered: Entered, by: User | None) -> Credential | None:
    """The credential of what was entered: the source's own, changed, where nothing else lives at another address."""
    if entered.credential is not None or not entered.secret:
        return entered.credential
    address = str(entered.config.get("base_url") or "")
    row = source.credential
    if row is not None:
        row = Credential.objects.select_for_update().get(pk=row.pk)
        shared = row.data_sources.exclude(pk=source.pk).exists()
        if shared and row.base_url != address:
            row = None
    new = row is None
    if row is None:
        row = Credential(workspace=source.workspace, kind=source.kind, name=about(source.kind).label, created_by=by)
    # Tokens may have been renewed since they were read, and each renewal counts once.
    held = not new and entered.is_held_by(row)
    row.base_url = address
    if not held:
        oauth.keep(row, entered.secret)
    row.check_ok, row.check_message, row.checked = (None, "", None) if entered.waits else (True, "", timezone.now())
    row.full_clean(exclude=["secret_encrypted", "check_ok", "created_by"])
    row.save()
    audit.record(
        "credential.create" if new else "credential.update",
        workspace=source.workspace,
        actor=by,
        target=row,
        after={"kind": row.kind, "base_url": row.base_url, "key": "entered"},
    )
    return row


def reconnect(source: DataSource, *, by: User, entered: Entered) -> DataSource:
    """A source that is there, with other rights or at another address: tested, kept, and synced. Raises ValidationError."""
    if source.state == State.DRAFT:
        return save_draft(workspace=source.workspace, by=by, kind=source.kind, entered=entered, source=source)
    if not entered.waits:
        try_entered(source.workspace, source.kind, entered, source)
    with transaction.atomic():
        source = DataSource.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=source.pk)
        elsewhere = source.config != dict(entered.config)
        _moved(source, entered)
        source.config, source.credential = dict(entered.config), _keep_credential(source, entered, by)
        if elsewhere:
            begin_anew(source)
        source.full_clean(exclude=["workspace", "created_by", "credential"])
        source.save(update_fields=["config", "credential", "cursor"])
        audit.record("source.reconnect", workspace=source.workspace, actor=by, target=source)
        if not entered.waits:
            _well_again(source, by)
    return source


def _well_again(source: DataSource, by: User | None) -> None:
    resting = State.OK if source.last_synced else State.NEW
    DataSource.objects.filter(pk=source.pk, state=State.NEEDS_ATTENTION).update(state=resting, state_detail="")
    request_sync(source, by=by, again=True)


def allowed(source: DataSource, tokens: Mapping[str, Any], *, by: User) -> DataSource:
    """The vendor gave access: keep it, and go on where the source stood. Raises ValidationError where it does not work."""
    with transaction.atomic():
        oauth.allow(source, tokens, by=by)
    source = DataSource.objects.select_related("workspace", "credential").get(pk=source.pk)
    sources.check_connection(source)
    if source.state != State.DRAFT:
        _well_again(source, by)
    return source


# ---- The go, and the end of drafts ---------------------------------------------------------------------------------


def go(
    source: DataSource,
    *,
    by: User,
    name: str,
    spaces: Iterable[Space],
    schedule: str | None = None,
    mirror: bool = False,
    parts: Parts | None = None,
    named: Collection[UUID] = (),
) -> DataSource:
    """A draft becomes a source: these spaces see it, or just their ``parts`` of it, and its first sync begins.

    ``schedule`` None: what is usual for its kind. ``named``: see ``grant_access``. Raises ValidationError.
    """
    granted = _spaces(source.workspace_id, spaces)
    told = about(source.kind)
    if oauth.flow_of(source) and not oauth.is_allowed(source):
        raise ValidationError(f"{told.label} has not allowed access yet. Go back one step, and allow it there.")
    if not lacks_files(source, source.kind):
        sources.check_connection(source)
    with transaction.atomic():
        return _begun(_locked_draft(source), by, name, granted, schedule, mirror, parts or {}, named)


def _spaces(workspace: UUID, spaces: Iterable[Space]) -> list[Space]:
    granted = list(dict.fromkeys(spaces))
    if not granted:
        raise ValidationError({"spaces": "Choose at least one space."})
    if any(space.workspace_id != workspace for space in granted):
        raise ValidationError({"spaces": "Data can only be given to spaces of its own workspace."})
    return granted


def _begun(
    source: DataSource,
    by: User,
    name: str,
    spaces: Sequence[Space],
    schedule: str | None,
    mirror: bool,
    parts: Parts,
    named: Collection[UUID],
) -> DataSource:
    """A locked draft as a source, in the transaction of whoever calls; it was tested before."""
    told = about(source.kind)
    source.name, source.state = name.strip(), State.NEW
    source.schedule = usual_schedule(told) if schedule is None else schedule
    sources.must_offer(source)
    source.mirror = mirror and told.mirrors
    source.next_run = source.run_after(timezone.now())
    source.full_clean(exclude=["workspace", "created_by", "credential"])
    source.save()
    grant_first(source, spaces, parts, named)
    after = {"kind": source.kind, "spaces": [space.name for space in spaces], "schedule": source.schedule}
    audit.record("source.create", workspace=source.workspace, actor=by, target=source, after=after)
    if has_something(source):
        request_sync(source, by=by, trigger=SyncRun.Trigger.FIRST)
    return source


Choose = Callable[[DataSource], Sequence[Chosen]]
"""What comes in of a source that is not saved yet: what is named in it may have to be asked for at the place."""


def begin(
    *,
    workspace: Workspace,
    by: User,
    kind: str,
    name: str,
    entered: Entered,
    choose: Choose = lambda source: (),
) -> DataSource:
    """A draft with what was chosen so far, for integrations that look around before they ``go``. Raises ValidationError."""
    source = _new(workspace, by, kind, name, entered)
    lines = _tried(source, entered, choose)
    with transaction.atomic():
        _kept(source, entered, by)
        store(source, lines)
    return source


def connect(
    *,
    workspace: Workspace,
    by: User,
    kind: str,
    name: str,
    entered: Entered,
    spaces: Iterable[Space] | None = None,
    schedule: str | None = None,
    mirror: bool = False,
    choose: Choose = lambda source: (),
    share: Callable[[DataSource], tuple[Parts, Collection[UUID]]] = lambda source: ({}, ()),
) -> DataSource:
    """The whole way at once, for integrations; ``spaces`` None is the open space Company. Raises ValidationError.

    The place is asked before anything is written: however slow it is, no row is locked meanwhile. ``share``: the parts of single
    spaces, by the ids that the nodes will have, and those of them that were named by external id; told of the source that is made.
    """
    if entered.waits:
        words = f"Signing in at {about(kind).label} takes a browser: connect it in the portal, or name a credential that is there."
        raise ValidationError({"auth": words})
    granted = _spaces(workspace.pk, [sources.company_of(workspace)] if spaces is None else spaces)
    source = _new(workspace, by, kind, name, entered)
    lines = _tried(source, entered, choose)
    with transaction.atomic():
        _kept(source, entered, by)
        store(source, lines)
        return _begun(source, by, name, granted, schedule, mirror, *share(source))


def _tried(source: DataSource, entered: Entered, choose: Choose) -> Sequence[Chosen]:
    """Ask the place whether what was entered works, and what of it is chosen. Nothing is kept. Raises ValidationError."""
    trial = trial_of(source.workspace, source.kind, entered, source)
    if not entered.waits:
        tested(trial, None)
    return choose(trial)


def usual_schedule(about: About) -> str:
    """How it is kept fresh where nobody says otherwise: every day, where there is anything to look for."""
    offered = (*about.schedules, DataSource.Schedule.OFF)
    return str(DataSource.Schedule.DAILY if DataSource.Schedule.DAILY in offered else offered[0])


def has_something(source: DataSource) -> bool:
    """Whether there is something to look for at once; what people or integrations hand over comes with them."""
    return bool(about(source.kind).schedules) or source.uploads.exists()


def forget_draft(source: DataSource, *, by: User | None) -> None:
    """As if it had never been begun; its credential goes too, where nothing else uses it. Raises ValidationError."""
    with transaction.atomic():
        source = _locked_draft(source)
        credential = source.credential
        audit.record("source.forget", workspace=source.workspace, actor=by, target=source, before={"kind": source.kind})
        stored = list(source.uploads.values_list("stored", flat=True))
        transaction.on_commit(lambda: discard(stored))
        source.delete()
        if credential is None or credential.kind not in CONNECTORS or credential.data_sources.exists():
            return
        audit.record("credential.remove", workspace=credential.workspace, actor=by, target=credential)
        credential.delete()


def forget_old_drafts() -> int:
    """Drafts that nobody finished in 30 days. How many."""
    old = DataSource.objects.filter(state=State.DRAFT, created__lt=timezone.now() - KEPT_DRAFTS)
    rows = list(old.select_related("workspace", "credential"))
    for source in rows:
        forget_draft(source, by=None)
    return len(rows)
