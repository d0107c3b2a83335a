"""Stars: one to five, one rating for each person, from those who installed the template."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction

from assistants.errors import Refused
from gallery.models import Installation, Rating, Template
from portal.models import Membership

# As if five people had given three and a half: one happy person does not make the best template of all.
PRIOR_PEOPLE, PRIOR_STARS = 5, 3.5


def smoothed(total: int, people: int) -> float:
    """The mean of the stars, drawn towards PRIOR_STARS as long as few have rated."""
    return (PRIOR_PEOPLE * PRIOR_STARS + total) / (PRIOR_PEOPLE + people)


def may_rate(membership: Membership, template: Template) -> bool:
    """Who installed it, or looks after something that was."""
    return Installation.objects.filter(template=template, by=membership.user_id).exists() or (
        Installation.objects.filter(template=template, assistant__owners=membership.user_id).exists()
    )


@transaction.atomic
def rate(template: Template, membership: Membership, stars: int | None) -> None:
    """Give it one to five stars in place of what was given before; None takes them back. Raises Refused, ValidationError."""
    if stars is not None and stars not in range(1, 6):
        raise ValidationError({"stars": "It takes one to five."})
    if not may_rate(membership, template):
        raise Refused("not_allowed", "Install it first: stars come from those who have tried it.")
    if stars is None:
        Rating.objects.filter(template=template, user=membership.user_id).delete()
        return
    Rating.objects.update_or_create(template=template, user_id=membership.user_id, defaults={"stars": stars})
