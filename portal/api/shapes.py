"""Shapes that several endpoints share."""

from __future__ import annotations

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.models import Space, User


class PersonShape(serializers.ModelSerializer[User]):
    """Who did it. A person's id is the same in every workspace that they are in."""

    class Meta:
        model = User
        fields = ["id", "name", "email"]
        read_only_fields = fields


@extend_schema_field(serializers.CharField())
class Portrait(serializers.ReadOnlyField):
    """Where the API gives a person's picture; empty for those who have none."""

    def to_representation(self, value: User) -> str:
        slug = self.context["view"].workspace.slug
        return reverse("api:portrait", args=[slug, value.portrait]) if value.portrait else ""


class SpaceName(serializers.ModelSerializer[Space]):
    class Meta:
        model = Space
        fields = ["id", "name", "kind"]
        read_only_fields = fields
