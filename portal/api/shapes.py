"""Shapes that several endpoints share."""

from __future__ import annotations

from rest_framework import serializers

from portal.models import Space, User


class PersonShape(serializers.ModelSerializer[User]):
    """Who did it. A person's id is the same in every workspace that they are in."""

    class Meta:
        model = User
        fields = ["id", "name", "email"]
        read_only_fields = fields


class SpaceName(serializers.ModelSerializer[Space]):
    class Meta:
        model = Space
        fields = ["id", "name", "kind"]
        read_only_fields = fields
