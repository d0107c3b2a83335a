"""Asking a place with what was entered, before anything is kept or locked: however long it takes, nobody waits for it."""

from __future__ import annotations

from django.core.exceptions import ValidationError

from datasources import oauth, sources
from datasources.connectors.base import ConnectorError
from datasources.connectors.registry import about
from datasources.entered import Entered
from datasources.models import DataSource
from datasources.suggesting import Choices, choices_of
from portal.models import Credential, Workspace


def try_entered(workspace: Workspace, kind: str, entered: Entered, source: DataSource | None = None) -> str:
    """What the place answers. Nothing is kept. Raises ValidationError with what to do."""
    return tested(trial_of(workspace, kind, entered, source), source)


def trial_of(workspace: Workspace, kind: str, entered: Entered, source: DataSource | None) -> DataSource:
    """As the source would be, with its id where there is one. Not saved. Raises ValidationError."""
    trial = DataSource(workspace=workspace, kind=kind, name="Test", config=dict(entered.config))
    if source is not None:
        trial.pk = source.pk
    trial.credential = _on_trial(workspace, kind, entered, source)
    sources.must_fit(trial)
    return trial


def tested(trial: DataSource, source: DataSource | None) -> str:
    """What the place answers to it. ``source``: whose trial it is, where that is saved. Raises ValidationError."""
    if lacks_files(source, trial.kind):
        return "Files are handed over in the next step."
    return sources.check_connection(trial)


def choices_for(workspace: Workspace, kind: str, entered: Entered, source: DataSource | None = None) -> Choices:
    """What the settings can be, as the place tells with what was entered; none where it does not tell. Nothing is kept."""
    trial = DataSource(workspace=workspace, kind=kind, name="Test", config=dict(entered.config))
    trial.credential = _on_trial(workspace, kind, entered, source)
    try:
        return choices_of(trial)
    except ConnectorError:
        return {}


def _on_trial(workspace: Workspace, kind: str, entered: Entered, source: DataSource | None) -> Credential | None:
    """Not saved, unless it is what the source holds: access that is renewed meanwhile has to be kept there."""
    if entered.credential is not None or not entered.secret:
        return entered.credential
    if source is not None and source.credential is not None and entered.is_held_by(source.credential):
        return source.credential
    made = Credential(workspace=workspace, kind=kind, base_url=str(entered.config.get("base_url") or ""))
    oauth.keep(made, entered.secret)
    return made


def lacks_files(source: DataSource | None, kind: str) -> bool:
    """Whether people have still to hand over what it reads, so that there is nothing to try."""
    return about(kind).files and (source is None or not source.uploads.exists())


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
