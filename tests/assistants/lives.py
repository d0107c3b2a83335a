"""Assistants at every point of their life, for tests."""

from __future__ import annotations

from contextlib import contextmanager

from django.db import transaction

from assistants import lifecycle
from assistants.models import Assistant


class RolledBack(Exception):
    pass


@contextmanager
def rolled_back():
    """What happens inside has not happened after it."""
    try:
        with transaction.atomic():
            yield
            raise RolledBack
    except RolledBack:
        pass


def make(membership, handle="leave", **fields):
    fields.setdefault("knowledge", [])
    return lifecycle.create_assistant(workspace=membership.workspace, by=membership.user, handle=handle, **fields)


def published(membership, handle="leave", **fields):
    return lifecycle.publish(make(membership, handle, **fields), membership.user)


def vetted(membership, admin, handle="leave", **fields):
    return lifecycle.vet(published(membership, handle, **fields), admin.user)


def now_of(assistant):
    """The row as the database has it."""
    return Assistant.objects.select_related("live", "latest", "workspace").get(pk=assistant.pk)


def whole(*sources):
    return [{"data_source": str(source.pk), "parents_in": None, "parents_not_in": []} for source in sources]


def below(source, *nodes, without=()):
    parts = {"parents_in": [str(n.pk) for n in nodes], "parents_not_in": [str(n.pk) for n in without]}
    return [{"data_source": str(source.pk), **parts}]
