"""What people do with sources: connect, change, delete. Portal, admin and API call these.

Verbs over runs (runs.py) and over uploaded files (uploads.py) are offered here too: one place to look.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from datasources.connectors.around import Around
from datasources.connectors.base import Connector, ConnectorError
from datasources.connectors.registry import about, connector_class
from datasources.ingestion.results import Limits
from datasources.models import DataSource, Grant, SyncRun
from datasources.oauth import StoredTokens
from datasources.reading import embedder_for
from datasources.runs import (
    approve_deletions,
    begin_anew,
    must_live,
    pause_run,
    reject_deletions,
    request_sync,
    resume_run,
    retry_failed,
    retry_nodes,
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
from portal.spending.accounts import Account

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
    "retry_nodes",
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
        folder_roots=_folder_roots(source),
        data_dir=settings.DATA,
        uploads=Uploads(source) if told.files else None,
        limits=replace(Limits(), file_bytes=settings.MAX_FILE_BYTES),
        network=net.network(),
        tokens=StoredTokens(source) if secret.get("auth") == "oauth" and source.credential_id else None,
        mirror=source.mirror,
        written=Kept(source) if source.kind == KIND else None,
    )
    return make(source.config, secret, around)


def _folder_roots(source: DataSource) -> list[Path]:
    """What the operator allows; and the user guide, which is nobody's, for itself alone."""
    guide = settings.GUIDE_DIR
    is_guide = source.kind == "folder" and source.config.get("path") == str(guide)
    return [*settings.FOLDER_ROOTS, *([guide] if is_guide else [])]


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
) -> DataSource:
    """Change what is given and is not as ``source`` says already: what others changed since it was read stays as they left it,
    of the config setting by setting. Returns it as it is now.

    A changed config is tested, before anything is locked, and synced. Raises ValidationError.
    """
    must_live(source)
    told = {
        "name": None if name is None else name.strip(),
        "config": None if config is None else dict(config),
        "schedule": schedule,
        "mirror": mirror,
        "credential": credential,
    }
    edit = {field: value for field, value in told.items() if value is not None and value != getattr(source, field)}
    if "mirror" in edit and not about(source.kind).mirrors:
        del edit["mirror"]
    trial = copy(source)
    _edit(trial, source.config, edit)
    if _leads_elsewhere(edit):
        check_connection(trial)
    return _write(source, edit, by)


def _leads_elsewhere(edit: Mapping[str, Any]) -> bool:
    """Whether it may be another place, or another part of it, that is read from then on."""
    return bool({"config", "credential"} & set(edit))


@transaction.atomic
def _write(seen: DataSource, edit: Mapping[str, Any], by: User | None) -> DataSource:
    """The edit of whoever has ``seen`` it, put into the row as it is now; returns that. Raises ValidationError."""
    rows = DataSource.objects.select_for_update(of=("self",)).select_related("workspace", "credential")
    row = rows.get(pk=seen.pk)
    must_live(row)
    before = _in_words(row)
    written = _edit(row, seen.config, edit)
    if _leads_elsewhere(edit):
        begin_anew(row)
        # A run that has ended meanwhile wrote how far it came.
        written.append("cursor")
    row.save(update_fields=written)
    audit.record("source.update", workspace=row.workspace, actor=by, target=row, before=before, after=_in_words(row))
    if "mirror" in edit:
        # All of it is listed anew: who may read it is told, and what is there is found unchanged.
        request_sync(row, by=by, trigger=Trigger.FULL, again=True, full=True)
    elif _leads_elsewhere(edit):
        request_sync(row, by=by, again=True)
    return row


def _edit(row: DataSource, seen: Mapping[str, Any], edit: Mapping[str, Any]) -> list[str]:
    """Put the edit in; which fields it changes. ``seen``: the config that it was made from. Raises ValidationError."""
    for field, value in edit.items():
        setattr(row, field, _merged(row.config, seen, value) if field == "config" else value)
    fields = list(edit)
    if "schedule" in edit:
        row.next_run = row.run_after(timezone.now())
        fields.append("next_run")
        must_offer(row)
    _validate(row)
    return fields


def _merged(now: Mapping[str, Any], seen: Mapping[str, Any], edited: Mapping[str, Any]) -> dict[str, Any]:
    """``now`` with what somebody who saw ``seen`` made of it."""
    kept = {name: value for name, value in now.items() if name in edited or name not in seen}
    return kept | {name: value for name, value in edited.items() if name not in seen or seen[name] != value}


def _in_words(source: DataSource) -> dict[str, Any]:
    return {"name": source.name, "schedule": source.schedule, "mirror": source.mirror}


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
    _try_embedder(workspace, by)
    with transaction.atomic():
        workspace.save(update_fields=["embedding_credential", "embedding_model"])
        after = {"credential": str(credential or ""), "model": workspace.embedding_model}
        audit.record(
            "workspace.choose_embedder", workspace=workspace, actor=by, target=workspace, before=before, after=after
        )
        return reembed(workspace, by=by)


def _try_embedder(workspace: Workspace, by: User | None) -> None:
    """One call to the model that was chosen; a vendor's is on the account of whoever chose it. Raises ValidationError."""
    asked, account = "Is this model there?", Account.opened(workspace, by)
    try:
        embedder = embedder_for(workspace)
        if workspace.embedding_credential is None:
            embedder.embed_query(asked)
        else:
            account.embed(embedder, workspace.embedding_credential, [asked], query=True)
    except ProviderError as error:
        raise ValidationError(str(error)) from error
    finally:
        account.record()


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
    # Of the cursor, which is large, nobody enters anything.
    source.full_clean(exclude=["workspace", "created_by", "credential", "cursor"])
    must_fit(source)


def must_offer(source: DataSource) -> None:
    """Its kind can be asked as often as its schedule says. Raises ValidationError."""
    offered = dict.fromkeys((DataSource.Schedule.OFF, *about(source.kind).schedules))
    if source.schedule not in offered:
        raise ValidationError({"schedule": f"This kind of place takes one of {', '.join(offered)}."})


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
