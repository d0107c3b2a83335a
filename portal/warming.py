"""What the first question and the first page would otherwise wait for. Higher floors add theirs to the registry."""

from __future__ import annotations

from django.template.loader import get_template

from portal.credentials import NO_MODEL
from portal.models import Credential
from portal.providers import registry
from portal.registry import registries


def _vendors() -> None:
    """The SDKs of those vendors of models that a key was entered for; others are imported in a thread when one is."""
    entered = Credential.objects.filter(kind__in=registry.VENDORS).order_by()
    registry.warm_up({NO_MODEL, *entered.values_list("kind", flat=True).distinct()})


def _templates() -> None:
    """The frame of every page: compiling it, and finding all tags, takes a good part of a second."""
    get_template("base.html")


registries.warm_ups.add("vendors", _vendors)
registries.warm_ups.add("templates", _templates)
