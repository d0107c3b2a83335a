"""What is loaded before the first request."""

from __future__ import annotations

from typing import Any

import pytest

from portal.models import Credential
from portal.providers import registry
from portal.registry import registries

pytestmark = pytest.mark.django_db


def test_a_portal_starts_again_with_keys_of_places_as_of_models(cast: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(registry, "_load", lambda vendor: loaded.append(vendor.kind))
    for kind in ("slack", "google_drive", "openai"):
        Credential.objects.create(workspace=cast.workspace, kind=kind, name=kind)
    dict(registries.warm_ups.items())["vendors"]()
    assert "openai" in loaded
    assert "slack" not in loaded
