"""Several things about an assistant changed at once: all of it or, where one is refused, none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction

from assistants import lifecycle
from assistants.models import Assistant
from portal.models import User


@transaction.atomic
def change_assistant(
    assistant: Assistant,
    by: User,
    fields: Mapping[str, Any],
    *,
    note: str = "",
    handle: str | None = None,
    stage: str | None = None,
    shows_instructions: bool | None = None,
    owners: Iterable[User] | None = None,
) -> Assistant:
    """What is None stays. ``fields`` and ``note``: as ``save_version`` takes them; without fields no version is made.

    Raises Refused and ValidationError; then nothing has changed.
    """
    if fields:
        lifecycle.save_version(assistant, by, note=note, **fields)
    if stage is not None:
        lifecycle.set_stage(assistant, by, stage)
    if shows_instructions is not None:
        lifecycle.show_instructions(assistant, by, shows_instructions)
    if handle is not None:
        lifecycle.rename_handle(assistant, by, handle)
    if owners is not None:
        # Last, as one may leave it to others.
        lifecycle.set_owners(assistant, by, owners)
    return Assistant.objects.select_related("workspace", "live", "latest").get(pk=assistant.pk)
