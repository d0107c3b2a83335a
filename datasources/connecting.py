"""Connecting a place: the draft that waits until somebody has chosen, its credential, and the go.

For every kind from what its connector says of itself. Portal, admin and API call these; access is theirs to check. What
was entered is checked in entered.py, and offered here too: one place to look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from datasources import oauth, sources
from datasources.choosing import store
from datasources.connectors.base import Chosen
from datasources.connectors.registry import CONNECTORS, about
from datasources.entered import Entered, kept_secrets, read_entered, usable_credentials
from datasources.models import DataSource, Grant, Level, SyncRun
from datasources.runs import request_sync
from datasources.uploads import discard
from portal import audit
from portal.models import Credential, Space, User, Workspace

__all__ = [
    "Entered",
    "allowed",
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


# ---- Trying and keeping ------------------------------------------------------------------------------------------


def try_entered(workspace: Workspace, kind: str, entered: Entered, source: DataSource | None = None) -> str:
    """What the place answers. Nothing is kept. Raises ValidationError with what to do."""
    trial = DataSource(workspace=workspace, kind=kind, name="Test", config=dict(entered.config))
    if source is not None:
        trial.pk = source.pk
    trial.credential = _unsaved(workspace, kind, entered)
    sources.must_fit(trial)
    if lacks_files(source, kind):
        return "Files are handed over in the next step."
    return sources.check_connection(trial)


def _unsaved(workspace: Workspace, kind: str, entered: Entered) -> Credential | None:
    if entered.credential is not None or not entered.secret:
        return entered.credential
    made = Credential(workspace=workspace, kind=kind, base_url=str(entered.config.get("base_url") or ""))
    oauth.keep(made, entered.secret)
    return made


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
        if source is None:
            source = DataSource(workspace=workspace, kind=kind, created_by=by, state=State.DRAFT)
            source.name = name or _name(kind, entered)
        else:
            source = _locked_draft(source)
        new = source._state.adding
        _moved(source, entered)
        source.config = dict(entered.config)
        source.credential = _keep_credential(source, entered, by)
        source.full_clean(exclude=["workspace", "created_by", "credential"])
        source.save()
        if new:
            audit.record("source.begin", workspace=workspace, actor=by, target=source, after={"kind": kind})
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
    row.base_url = address
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
            source.cursor = {}
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
    source: DataSource, *, by: User, name: str, spaces: Iterable[Space], schedule: str = "off", mirror: bool = False
) -> DataSource:
    """A draft becomes a source: granted whole to these spaces, and its first sync begins. Raises ValidationError."""
    granted = list(spaces)
    if not granted:
        raise ValidationError({"spaces": "Choose at least one space."})
    if any(space.workspace_id != source.workspace_id for space in granted):
        raise ValidationError({"spaces": "Data can only be given to spaces of its own workspace."})
    told = about(source.kind)
    if oauth.flow_of(source) and not oauth.is_allowed(source):
        raise ValidationError(f"{told.label} has not allowed access yet. Go back one step, and allow it there.")
    if not lacks_files(source, source.kind):
        sources.check_connection(source)
    with transaction.atomic():
        source = _locked_draft(source)
        source.name, source.state = name.strip(), State.NEW
        source.schedule = schedule if schedule in told.schedules else DataSource.Schedule.OFF
        source.mirror = mirror and told.mirrors
        source.next_run = source.run_after(timezone.now())
        source.full_clean(exclude=["workspace", "created_by", "credential"])
        source.save()
        Grant.objects.bulk_create(Grant(space=space, source=source) for space in granted)
        after = {"kind": source.kind, "spaces": [space.name for space in granted], "schedule": source.schedule}
        audit.record("source.create", workspace=source.workspace, actor=by, target=source, after=after)
        if has_something(source):
            request_sync(source, by=by, trigger=SyncRun.Trigger.FIRST)
    return source


@transaction.atomic
def connect(
    *,
    workspace: Workspace,
    by: User,
    kind: str,
    name: str,
    entered: Entered,
    spaces: Iterable[Space] | None = None,
    schedule: str = "off",
    mirror: bool = False,
    choose: Callable[[DataSource], Sequence[Chosen]] = lambda source: (),
) -> DataSource:
    """The whole way at once, for integrations; ``spaces`` None is the open space Company. Raises ValidationError."""
    if entered.waits:
        raise ValidationError(
            {"auth": "Signing in at the vendor takes a browser: connect it there, or name a credential that is there."}
        )
    source = save_draft(workspace=workspace, by=by, kind=kind, entered=entered, name=name)
    store(source, choose(source))
    granted = [sources.company_of(workspace)] if spaces is None else spaces
    return go(source, by=by, name=name, spaces=granted, schedule=schedule, mirror=mirror)


def has_something(source: DataSource) -> bool:
    """Whether there is something to look for at once; what people or integrations hand over comes with them."""
    return bool(about(source.kind).schedules) or source.uploads.exists()


def lacks_files(source: DataSource | None, kind: str) -> bool:
    """Whether people have still to hand over what it reads, so that there is nothing to try."""
    return about(kind).files and (source is None or not source.uploads.exists())


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


def test_credential(credential: Credential) -> str:
    """For the admin: try it on a source that uses it. Raises ValidationError with what to do."""
    source = credential.data_sources.select_related("workspace", "credential").first()
    if source is None:
        told = about(credential.kind)
        trial = DataSource(workspace=credential.workspace, kind=credential.kind, name="Test", credential=credential)
        trial.config = {"base_url": credential.base_url} if credential.base_url else {}
        if any(setting.required for setting in told.settings):
            raise ValidationError("No source uses it, so there is nothing to try it on.")
        return sources.check_connection(trial)
    return sources.check_connection(source)
