"""The gallery by API: what the page lists, where one assistant stands and why, and what the caller keeps at hand."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from assistants import at_hand
from assistants.models import Assistant
from datasources.connectors.registry import CONNECTORS
from gallery import listing
from gallery.cards import Card, cards
from gallery.explaining import Why, why
from gallery.for_you import used_nearby
from portal.api.base import WorkspaceAPI
from portal.api.pagination import ByPlace
from portal.api.shapes import PersonShape

_FEW = "Null where it is one or two people and the assistant is not the caller's."


class CardSource(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.CharField()


class CardShape(serializers.Serializer[Any]):
    """An assistant as the gallery shows it. Of its sources, those that the caller may know of."""

    id = serializers.UUIDField(source="assistant.id")
    handle = serializers.CharField(source="assistant.handle")
    name = serializers.CharField(source="version.name")
    description = serializers.CharField(source="version.description")
    emoji = serializers.CharField(source="version.emoji")
    colour = serializers.CharField(source="version.colour")
    picture = serializers.UUIDField(source="version.picture_id", allow_null=True)
    tags = serializers.ListField(source="version.tags", child=serializers.CharField())
    starters = serializers.ListField(source="version.starters", child=serializers.CharField())
    scope = serializers.ChoiceField(source="assistant.scope", choices=Assistant.Scope.choices)
    stage = serializers.ChoiceField(source="assistant.stage", choices=Assistant.Stage.choices)
    vetted = serializers.DateTimeField(source="assistant.vetted", allow_null=True)
    vetted_until = serializers.DateTimeField(source="assistant.vetted_until", allow_null=True)
    owners = PersonShape(many=True)
    reads_all = serializers.BooleanField(source="version.reads_all")
    sources = CardSource(many=True)
    mine = serializers.BooleanField()
    favourite = serializers.BooleanField(source="kept")
    people = serializers.IntegerField(
        source="told.people", allow_null=True, help_text=f"Distinct people of the last 30 days. {_FEW}"
    )
    people_of_my_spaces = serializers.SerializerMethodField(
        help_text="Of those who asked it in the last 30 days and whom the caller shares a space with, where the caller has not "
        "asked it yet. Null where it is fewer than three."
    )
    unused = serializers.BooleanField(source="told.unused", help_text="Nobody asked it in the last 30 days.")
    trend = serializers.ListField(
        source="told.trend",
        child=serializers.IntegerField(),
        help_text="People in each of the last ten spans of three days, oldest first; empty where people is null.",
    )
    approval = serializers.IntegerField(
        source="told.approval",
        allow_null=True,
        help_text="Percent of thumbs that are up; null where there are too few.",
    )
    thumbs = serializers.IntegerField(source="told.thumbs", help_text="How many people judged it.")
    hidden = serializers.DateTimeField(source="assistant.hidden", allow_null=True)
    created = serializers.DateTimeField(source="assistant.created")

    def get_people_of_my_spaces(self, card: Card) -> int | None:
        return card.nearby or None


class DayShape(serializers.Serializer[Any]):
    day = serializers.DateField()
    people = serializers.IntegerField()


class FormulaShape(serializers.Serializer[Any]):
    """score = (sum over people of 0.5 ** (days since each last asked / half_life_days)) * approval, over window_days;
    approval = (thumbs up + prior * prior_thumbs) / (thumbs + prior_thumbs)."""

    window_days = serializers.IntegerField(source="window")
    half_life_days = serializers.IntegerField(source="half_life")
    prior = serializers.FloatField()
    prior_thumbs = serializers.IntegerField()


class StandingShape(serializers.Serializer[Why]):
    """Where it stands among what the caller may use, and the numbers of the formula. The numbers are null where the caller is
    told none: with one or two people, to others than its owners."""

    place = serializers.IntegerField()
    among = serializers.IntegerField()
    unused = serializers.BooleanField(source="told.unused")
    people = serializers.IntegerField(source="standing.people", default=None, allow_null=True)
    damped = serializers.FloatField(source="standing.damped", default=None, allow_null=True)
    ups = serializers.IntegerField(source="standing.ups", default=None, allow_null=True)
    downs = serializers.IntegerField(source="standing.downs", default=None, allow_null=True)
    approval = serializers.FloatField(source="standing.approval", default=None, allow_null=True)
    score = serializers.FloatField(source="standing.score", default=None, allow_null=True)
    computed_for = serializers.DateField(source="standing.on", default=None, allow_null=True)
    days = DayShape(many=True)
    formula = FormulaShape(source="*")


class GalleryAPI(WorkspaceAPI):
    pagination_class = ByPlace

    def cards(self, wanted: listing.Wanted) -> Response:
        nearby = used_nearby(self.membership)
        page = self.paginate_queryset(listing.found(self.membership, wanted, nearby=nearby))
        assert page is not None
        shown = cards(self.membership, listing.loaded(self.membership, page), dict(nearby.people))
        shapes = CardShape(shown, many=True, context=self.get_serializer_context())
        return self.get_paginated_response(shapes.data)

    def row(self, handle: str) -> Assistant:
        return get_object_or_404(Assistant.objects.visible_to(self.membership), handle__iexact=handle)


_YES = "Any value but an empty one, 0, false or no asks for it."


class Gallery(GalleryAPI):
    access = "assistant.view"

    @extend_schema(
        operation_id="gallery_list",
        responses=CardShape(many=True),
        parameters=[
            OpenApiParameter("q", str, description="Words, or what it should do in other words."),
            OpenApiParameter(
                "scope", str, enum=list(listing.SCOPES), description="Of personal ones, the caller's own."
            ),
            OpenApiParameter("stage", str, enum=Assistant.Stage.values),
            OpenApiParameter("tag", str),
            OpenApiParameter(
                "space", str, description="Needs this space of the caller's: it reads what the space is granted."
            ),
            OpenApiParameter("kind", str, enum=list(CONNECTORS), description="Reads a source of this kind."),
            OpenApiParameter("mine", str, description=f"The caller is an owner. {_YES}"),
            OpenApiParameter("favourites", str, description=f"The caller keeps it at hand. {_YES}"),
            OpenApiParameter("hidden", str, description=f"For admins: what was taken out of the gallery. {_YES}"),
            OpenApiParameter(
                "order", str, enum=list(listing.ORDERS), description="Left out: what fits q best, or the most used."
            ),
        ],
    )
    def get(self, request: Request, slug: str) -> Response:
        """What the caller may use, the most used first, or as they ask. See /standing/ of one for why."""
        self.asked(scope=listing.SCOPES, stage=Assistant.Stage.values, kind=CONNECTORS, order=listing.ORDERS)
        wanted = listing.Wanted.read(request.query_params)
        if request.query_params.get("space") and wanted.space is None:
            raise ValidationError({"space": "It takes the id of a space, as spaces/ lists them."})
        return self.cards(wanted)


class Favourites(GalleryAPI):
    access = "assistant.view"

    @extend_schema(operation_id="favourites_list", responses=CardShape(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """What the caller keeps at hand, the most used first."""
        return self.cards(listing.Wanted(favourites=True))


class OneFavourite(GalleryAPI):
    access = {"PUT": "assistant.keep", "DELETE": "assistant.keep"}

    @extend_schema(operation_id="favourites_keep", request=None, responses={204: None})
    def put(self, request: Request, slug: str, handle: str) -> Response:
        """Keep it at hand. Twice is once."""
        at_hand.keep(self.membership, self.row(handle))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="favourites_let_go", responses={204: None})
    def delete(self, request: Request, slug: str, handle: str) -> Response:
        """Not at hand any more. Harmless where it was not."""
        at_hand.let_go(self.membership, self.row(handle))
        return Response(status=status.HTTP_204_NO_CONTENT)


class OneStanding(GalleryAPI):
    access = "assistant.view"

    @extend_schema(operation_id="assistants_standing", responses=StandingShape)
    def get(self, request: Request, slug: str, handle: str) -> Response:
        """Why it is ranked where it is, with its own numbers."""
        return self.shown(StandingShape, why(self.membership, self.row(handle)))
