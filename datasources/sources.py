"""What people do with sources: connect, change, delete. Portal, admin and API call these.

Verbs over runs (runs.py) and over uploaded files (uploads.py) are offered here too: one place to look.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from datasources.connectors.around import Around
from datasources.connectors.base import Chosen, Connector, ConnectorError
from datasources.connectors.registry import about, connector_class
from datasources.ingestion.results import Limits
from datasources.models import DataSource, Grant, Selection, SyncRun, node_id
from datasources.oauth import StoredTokens
from datasources.reading import embedder_for
from datasources.runs import (
    approve_deletions,
    must_live,
    pause_run,
    reject_deletions,
    request_sync,
    resume_run,
    retry_failed,
    stop_run,
    tell_after,
)
from datasources.syncing.queueing import enqueue_deletion
from datasources.syncing.reading import extractor
from datasources.uploads import Uploads, add_upload, remove_upload
from datasources.written import KIND, Kept
from portal import audit, net
from portal.credentials import secret_of
from portal.models import Credential, Space, User, Workspace
from portal.providers.errors import ProviderError

__all__ = [
    "add_upload",
    "approve_deletions",
    "check_connection",
    "choose_embedder",
    "connector_for",
    "create_source",
    "delete_source",
    "pause_run",
    "reembed",
    "reject_deletions",
    "remove_upload",
    "request_sync",
    "resume_run",
    "retry_failed",
    "stop_run",
    "update_source",
]

State = DataSource.State
Trigger = SyncRun.Trigger


def connector_for(source: DataSource) -> Connector:
    """The source's connector, made from its config and its secret. Raises ConnectorError."""
    make, told = connector_class(source.kind), about(source.kind)
    try:
        secret = json.loads(secret_of(source.credential) or "{}") if source.credential is not None else {}
    except ProviderError as error:
        raise ConnectorError(str(error), permanent=True) from error
    around = Around(
        archives=extractor(),
        folder_roots=settings.FOLDER_ROOTS,
        data_dir=settings.DATA,
        uploads=Uploads(source) if told.files else None,
        limits=replace(Limits(), file_bytes=settings.MAX_FILE_BYTES),
        network=net.network(),
        tokens=StoredTokens(source) if secret.get("auth") == "oauth" and source.credential_id else None,
        mirror=source.mirror,
        written=Kept(source) if source.kind == KIND else None,
    )
    return make(source.config, secret, around)


def check_connection(source: DataSource) -> str:
    """What the source answers to a test. Raises ValidationError with what to do. The source may be unsaved."""
    try:
        result = connector_for(source).test()
    except ConnectorError as error:
        raise ValidationError(str(error)) from error
    if not result.ok:
        raise ValidationError(result.message)
    return result.message


def create_source(
    *,
    workspace: Workspace,
    by: User | None,
    kind: str,
    name: str,
    config: Mapping[str, Any],
    spaces: Iterable[Space] | None = None,
    schedule: str = DataSource.Schedule.OFF,
    credential: Credential | None = None,
    selection: Sequence[Chosen] = (),
    start: bool = True,
) -> DataSource:
    """Connect a source, grant it whole to the open space Company or to ``spaces``, and start its first sync.

    Uploads start with their first file. Raises ValidationError with a sentence.
    """
    source = DataSource(
        workspace=workspace,
        name=name.strip(),
        kind=kind,
        config=dict(config),
        credential=credential,
        schedule=schedule,
        created_by=by,
    )
    _validate(source)
    check_connection(source)
    granted = [company_of(workspace)] if spaces is None else list(spaces)
    if any(space.workspace_id != workspace.pk for space in granted):
        raise ValidationError("Data can only be given to spaces of its own workspace.")
    with transaction.atomic():
        source.next_run = source.run_after(timezone.now())
        source.save()
        Grant.objects.bulk_create(Grant(space=space, source=source) for space in granted)
        _select(source, selection)
        audit.record(
            "source.create",
            workspace=workspace,
            actor=by,
            target=source,
            after={"kind": kind, "spaces": [space.name for space in granted], "schedule": schedule},
        )
        if start and not about(kind).files:
            request_sync(source, by=by, trigger=Trigger.FIRST)
    return source


def update_source(
    source: DataSource,
    *,
    by: User | None,
    name: str | None = None,
    config: Mapping[str, Any] | None = None,
    schedule: str | None = None,
    mirror: bool | None = None,
    credential: Credential | None = None,
    selection: Sequence[Chosen] | None = None,
) -> DataSource:
    """Change what is given; a changed config is tested, a changed choice or config synced. Raises ValidationError."""
    must_live(source)
    before = {"name": source.name, "schedule": source.schedule, "mirror": source.mirror}
    mirrors = mirror is not None and mirror != source.mirror and about(source.kind).mirrors
    source.mirror = bool(mirror) if mirrors else source.mirror
    changed = (config is not None and dict(config) != source.config) or credential is not None
    source.name = name.strip() if name is not None else source.name
    source.config = dict(config) if config is not None else source.config
    source.credential = credential or source.credential
    if schedule is not None and schedule != source.schedule:
        source.schedule = schedule
        source.next_run = source.run_after(timezone.now())
    _validate(source)
    if changed:
        check_connection(source)
        # Another place, or other rights: what a listing of the old one said of changes does not hold for it.
        source.cursor = {}
    with transaction.atomic():
        source.save(update_fields=["name", "config", "schedule", "mirror", "credential", "next_run", "cursor"])
        if selection is not None:
            _select(source, selection)
        after = {"name": source.name, "schedule": source.schedule, "mirror": source.mirror}
        audit.record("source.update", workspace=source.workspace, actor=by, target=source, before=before, after=after)
        if selection is not None or mirrors:
            # All of it is listed anew: who may read it is told, what stays chosen is found unchanged, and the rest goes.
            request_sync(source, by=by, trigger=Trigger.FULL, again=True, full=True)
        elif changed:
            request_sync(source, by=by, again=True)
    return source


def choose_embedder(
    workspace: Workspace, *, credential: Credential | None, model: str, by: User | None
) -> list[SyncRun]:
    """Let another model embed the workspace's passages; None is the one on this machine. Returns the runs that do it.

    The model is tried first. Until a source's run has ended, questions find only what it has reached of it. Raises
    ValidationError with a sentence.
    """
    if credential is not None and credential.workspace_id != workspace.pk:
        raise ValidationError("The credential belongs to another workspace.")
    before = {"credential": str(workspace.embedding_credential or ""), "model": workspace.embedding_model}
    workspace.embedding_credential, workspace.embedding_model = credential, model if credential else ""
    try:
        embedder_for(workspace).embed_query("Is this model there?")
    except ProviderError as error:
        raise ValidationError(str(error)) from error
    with transaction.atomic():
        workspace.save(update_fields=["embedding_credential", "embedding_model"])
        after = {"credential": str(credential or ""), "model": workspace.embedding_model}
        audit.record(
            "workspace.choose_embedder", workspace=workspace, actor=by, target=workspace, before=before, after=after
        )
        return reembed(workspace, by=by)


def reembed(workspace: Workspace, *, by: User | None) -> list[SyncRun]:
    """Embed everything with the model that the workspace uses now; nothing is fetched from the sources for it."""
    living = workspace.data_sources.exclude(state__in=[State.DELETING, State.DRAFT])
    return [request_sync(source, by=by, trigger=Trigger.EMBEDDER, again=True) for source in living]


def delete_source(source: DataSource, *, by: User | None) -> None:
    """The source is gone for everybody at once; a worker takes out its passages, documents, files, and then its row."""
    with transaction.atomic():
        source = DataSource.objects.select_for_update().get(pk=source.pk)
        if source.state == State.DELETING:
            return
        source.state, source.next_run = State.DELETING, None
        source.save(update_fields=["state", "next_run"])
        source.runs.filter(state__in=SyncRun.RUNNABLE).update(wish="stop")
        audit.record("source.delete", workspace=source.workspace, actor=by, target=source, before={"kind": source.kind})
        enqueue_deletion(source.pk)
        tell_after(source.pk)


def _validate(source: DataSource) -> None:
    source.full_clean(exclude=["workspace", "created_by", "credential"])
    must_fit(source)


def must_fit(source: DataSource) -> None:
    """A key goes only to the address and the kind of place that it was entered for. Raises ValidationError."""
    credential = source.credential
    if credential is None:
        return
    if credential.workspace_id != source.workspace_id:
        raise ValidationError("The credential belongs to another workspace.")
    if credential.kind != source.kind:
        raise ValidationError({"credential": "This credential is for another kind of place."})
    if credential.base_url != str(source.config.get("base_url") or ""):
        raise ValidationError({"base_url": "The address changes, so enter the key again."})


def company_of(workspace: Workspace) -> Space:
    """The open space that every workspace is made with; the oldest, should it have been renamed."""
    space = Space.objects.filter(workspace=workspace, kind=Space.Kind.OPEN).order_by("created").first()
    if space is None:
        raise ValidationError("This workspace has no open space. Choose who may see the data.")
    return space


def _select(source: DataSource, selection: Sequence[Chosen]) -> None:
    source.selections.all().delete()
    Selection.objects.bulk_create(
        Selection(
            source=source,
            node=node_id(source.pk, line.external_id) if line.external_id else None,
            external_id=line.external_id or "",
            include=line.include,
            future=line.future,
            options=dict(line.options),
        )
        for line in selection
    )
