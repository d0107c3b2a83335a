"""Fields that look only at rows of the caller's workspace."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet
from rest_framework import serializers


class Within(serializers.PrimaryKeyRelatedField):
    """The id of a row of this workspace; one of another is the same as one that does not exist.

    ``lookup`` is the path from the model to its workspace.
    """

    def __init__(self, model: type[Model] | None = None, *, lookup: str = "workspace", **kwargs: Any) -> None:
        self._lookup = lookup
        if model is not None:
            kwargs["queryset"] = model._default_manager.all()
        super().__init__(**kwargs)

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        assert rows is not None
        return rows.filter(**{self._lookup: self.context["view"].workspace})
