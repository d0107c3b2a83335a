"""What settings of a place, or options at something ticked in it, can be: as the place itself tells, so that nobody types
names from memory. Asked when somebody looks, kept nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from django.core.exceptions import ValidationError

from datasources import offering, sources
from datasources.connectors.about import About, Setting
from datasources.connectors.base import Chosen, ConnectorError, Offers
from datasources.connectors.registry import about
from datasources.models import DataSource

MOST = 300
"""Names that are told of one setting: enough to pick from, little enough to send."""
MOST_SHOWN = 30
"""Names that are written out."""
Choices = Mapping[str, Sequence[str]]


def choices_of(source: DataSource, node: str = "") -> Choices:
    """By name: of the options at this node, or of the settings where it is empty. The source may be unsaved.

    Raises ConnectorError where the place does not tell, ValidationError where there is nothing of this id.
    """
    told = about(source.kind)
    asked = told.options if node else told.settings
    external_id = offering.parent_of(source, node) if node else None
    if node and external_id is None:
        raise ValidationError({"node": "There is nothing of this id. Look at the tree again."})
    if not any(setting.offered for setting in asked):
        return {}
    connector = sources.connector_for(source)
    if not isinstance(connector, Offers):
        return {}
    found = connector.choices(external_id)
    return {name: tuple(found[name])[:MOST] for name in _offered(asked) if found.get(name)}


def written_out(told: About, found: Choices) -> list[tuple[str, Sequence[str]]]:
    """(label, names) of settings with several lines: a browser offers nothing in those."""
    return [(s.label, found[s.name][:MOST_SHOWN]) for s in told.settings if s.kind == "lines" and found.get(s.name)]


def must_be_there(source: DataSource, lines: Iterable[Chosen]) -> None:
    """What options name has to be at the place. Asks it only where such an option is set. Raises ValidationError."""
    names = _offered(about(source.kind).options)
    asked = [line for line in lines if line.include and any(line.options.get(name) for name in names)]
    if not asked:
        return
    try:
        connector = sources.connector_for(source)
        if not isinstance(connector, Offers):
            return
        for line in asked:
            connector.check(line.external_id, line.options)
    except ConnectorError as error:
        # What the place can't say just now is no reason to refuse: the sync says it, too.
        if error.permanent:
            raise ValidationError(str(error)) from error


def _offered(asked: Iterable[Setting]) -> list[str]:
    return [setting.name for setting in asked if setting.offered]
