"""For templates of the admin."""

from __future__ import annotations

from typing import Any

from django import template
from django.db.models import Model

register = template.Library()


@register.filter
def as_in_menu(title: Any) -> Any:
    """A list by the name that the menu has for it, where a library names it after its rows; anything else as it is."""
    from portal.admin.site import site

    if isinstance(title, Model):
        return title
    names = {
        str(model._meta.verbose_name_plural): getattr(admin, "title", "") for model, admin in site._registry.items()
    }
    return names.get(str(title)) or title
