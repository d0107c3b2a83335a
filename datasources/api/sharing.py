"""What a space sees of a source, as an integration says it: all, or parts that need not have come in yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from rest_framework import serializers

from datasources.granting import Parts
from datasources.models import DataSource, node_id
from portal.api.fields import Within
from portal.models import Space


class GrantRequest(serializers.Serializer[Any]):
    """Name parts by the ids of their nodes, by external ids, or both; neither is all of the source."""

    space = Within(Space)
    parents_in = serializers.ListField(
        child=serializers.UUIDField(), allow_null=True, required=False, help_text="Null or left out: all of the source."
    )
    external_ids = serializers.ListField(
        child=serializers.CharField(max_length=1024),
        required=False,
        help_text="The same, as the place calls them (see browse/); also before any of it came in.",
    )


def part_of(source: DataSource, given: Mapping[str, Any]) -> tuple[list[UUID] | None, list[UUID]]:
    """(what the space sees: nodes, or None for all; those of them that were named by external id)."""
    named = [node_id(source.pk, external_id) for external_id in given.get("external_ids") or ()]
    parents = given.get("parents_in")
    if parents is None and "external_ids" not in given:
        return None, []
    return [*(parents or ()), *named], named


def shared(given: dict[str, Any]) -> list[dict[str, Any]]:
    """Takes ``grants`` out of a request, and puts the spaces of them into ``spaces``."""
    grants = list(given.pop("grants", ()))
    if not grants:
        return []
    spaces = [*given.get("spaces", ()), *(grant["space"] for grant in grants)]
    if len({space.pk for space in spaces}) != len(spaces):
        raise serializers.ValidationError({"grants": "Name each space once."})
    given["spaces"] = spaces
    return grants


def parts_by_space(source: DataSource, grants: Iterable[Mapping[str, Any]]) -> tuple[Parts, set[UUID]]:
    """(the parts of those spaces that do not see all, the nodes of them that were named by external id)."""
    found = {grant["space"].pk: part_of(source, grant) for grant in grants}
    parts = {space: part for space, (part, _) in found.items() if part is not None}
    return parts, {key for _, named in found.values() for key in named}
