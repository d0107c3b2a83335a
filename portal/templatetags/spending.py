"""What stands beside a composer of a budget that is nearly spent."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import template

from portal.spending import standing

register = template.Library()


@register.simple_tag(takes_context=True)
def nearest_end(context: Any, assistant: str = "") -> standing.Standing | None:
    """The fullest of the budgets that a question of this person falls under, once it is nearly spent. One query without budgets."""
    membership = getattr(context.get("request"), "membership", None)
    key = UUID(assistant) if assistant else None
    found = standing.of_person(membership, key) if membership is not None else []
    return found[0] if found and found[0].is_near else None
