"""Budgets, prices, and which models are offered to whom; and what one spent oneself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.base import WorkspaceAPI
from portal.api.fields import Within
from portal.api.shapes import PersonShape, SpaceName
from portal.models import Budget, Credential, Membership, ModelOffer, Price, Role, Space, User
from portal.spending import budgets, offers, prices, standing


class LeftShape(serializers.Serializer[Any]):
    """What is left in the period that runs, in the budget's unit. ``held`` is reserved for calls under way."""

    budget = serializers.UUIDField(source="budget.pk")
    title = serializers.CharField()
    covers = serializers.ChoiceField(Budget.Covers.choices, source="budget.covers")
    period = serializers.ChoiceField(Budget.Period.choices, source="budget.period")
    unit = serializers.ChoiceField(Budget.Unit.choices, source="budget.unit")
    limit = serializers.DecimalField(18, 6, source="budget.limit")
    spent = serializers.DecimalField(18, 6)
    held = serializers.DecimalField(18, 6)
    left = serializers.DecimalField(18, 6)
    anew = serializers.DateTimeField(help_text="When it begins anew.")
    ask = serializers.CharField(help_text="Whom to ask for more, in a sentence.")


class BudgetShape(serializers.ModelSerializer[Budget]):
    """``user`` and ``assistant`` null: each of them has this much, where it covers people or assistants."""

    user = PersonShape(allow_null=True)
    contact = PersonShape(allow_null=True)
    fullest = serializers.SerializerMethodField()

    class Meta:
        model = Budget
        fields = ["id", "covers", "user", "assistant", "period", "unit", "limit", "contact", "fullest", "created"]
        read_only_fields = fields

    @extend_schema_field(LeftShape(allow_null=True))
    def get_fullest(self, row: Budget) -> Any:
        """Who has spent most of it now; null where nobody has."""
        spent = self.context["fullest"].get(row.pk)
        if spent is None:
            return None
        at, contacts = (spent.subject, spent.starts, spent.spent, spent.held), self.context["contacts"]
        return LeftShape(standing.Standing(row, *at, contacts=contacts)).data


def _now(rows: Sequence[Budget]) -> dict[str, Any]:
    """What BudgetShape tells of these besides themselves."""
    return {"fullest": standing.fullest(rows), "contacts": standing.Contacts(rows)}


class BudgetRequest(serializers.Serializer[Any]):
    covers = serializers.ChoiceField(Budget.Covers.choices)
    period = serializers.ChoiceField(Budget.Period.choices)
    unit = serializers.ChoiceField(Budget.Unit.choices)
    limit = serializers.DecimalField(18, 6)
    user = serializers.IntegerField(required=False, allow_null=True, help_text="A person’s id; left out: each person.")
    assistant = serializers.UUIDField(required=False, allow_null=True, help_text="Left out: each assistant.")
    contact = serializers.IntegerField(
        required=False, allow_null=True, help_text="Whom people ask for more; left out: the admins."
    )


class BudgetChange(serializers.Serializer[Any]):
    limit = serializers.DecimalField(18, 6, required=False)
    contact = serializers.IntegerField(required=False, allow_null=True)


class Budgets(WorkspaceAPI):
    access = {"GET": "budget.manage", "POST": "budget.manage"}

    @extend_schema(operation_id="budgets_list", responses=BudgetShape(many=True))
    def get(self, request: Request, slug: str) -> Response:
        rows = self.workspace.budgets.select_related("user", "contact", "workspace")
        return self.listed(BudgetShape, rows, ordering=("created", "pk"), context=_now)

    @extend_schema(operation_id="budgets_create", request=BudgetRequest, responses={201: BudgetShape})
    def post(self, request: Request, slug: str) -> Response:
        """What the period has spent so far counts."""
        given = self.parsed(BudgetRequest)
        people: dict[str, Any] = {name: _person(self, given.pop(name, None), name) for name in ("user", "contact")}
        row = budgets.create_budget(workspace=self.workspace, by=self.person, **given, **people)
        return self.shown(BudgetShape, row, status.HTTP_201_CREATED, **_now([row]))


class OneBudget(WorkspaceAPI):
    access = {"GET": "budget.manage", "PATCH": "budget.manage", "DELETE": "budget.manage"}

    def _row(self, pk: Any) -> Budget:
        return get_object_or_404(self.workspace.budgets.select_related("user", "contact", "workspace"), pk=pk)

    @extend_schema(operation_id="budgets_get", responses=BudgetShape)
    def get(self, request: Request, slug: str, pk: str) -> Response:
        row = self._row(pk)
        return self.shown(BudgetShape, row, **_now([row]))

    @extend_schema(operation_id="budgets_change", request=BudgetChange, responses=BudgetShape)
    def patch(self, request: Request, slug: str, pk: str) -> Response:
        """Another limit, at once, or somebody else to ask. What it covers stays."""
        row, given = self._row(pk), self.parsed(BudgetChange)
        contact = _person(self, given["contact"], "contact") if "contact" in given else row.contact
        row = budgets.change_budget(row, by=self.person, limit=given.get("limit", row.limit), contact=contact)
        return self.shown(BudgetShape, row, **_now([row]))

    @extend_schema(operation_id="budgets_remove", responses={204: None})
    def delete(self, request: Request, slug: str, pk: str) -> Response:
        budgets.remove_budget(self._row(pk), by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _person(view: WorkspaceAPI, pk: int | None, name: str) -> User | None:
    if pk is None:
        return None
    row = Membership.objects.active().filter(workspace=view.workspace, user=pk).select_related("user").first()
    if row is None:
        raise serializers.ValidationError({name: "There is nobody of that id here."})
    return row.user


class UsedShape(serializers.Serializer[Any]):
    """This month. ``cost`` is of the calls whose model has a price; ``unpriced`` are the others."""

    calls = serializers.IntegerField()
    tokens = serializers.IntegerField()
    cost = serializers.DecimalField(18, 8)
    currency = serializers.CharField()
    unpriced = serializers.IntegerField()


class SpendingShape(serializers.Serializer[Any]):
    used = UsedShape()
    budgets = LeftShape(many=True)


class MySpending(WorkspaceAPI):
    access = "budget.view"

    @extend_schema(operation_id="me_spending", responses=SpendingShape)
    def get(self, request: Request, slug: str) -> Response:
        """What the caller spent this month, and what the budgets have left that their questions fall under."""
        found = {
            "used": standing.used(self.workspace, self.person),
            "budgets": standing.of_person(self.membership),
        }
        return Response(SpendingShape(found).data)


class PriceShape(serializers.ModelSerializer[Price]):
    class Meta:
        model = Price
        fields = ["id", "credential", "model", "input_per_million", "output_per_million"]
        read_only_fields = fields


class PriceRequest(serializers.Serializer[Any]):
    credential = Within(Credential)
    model = serializers.CharField(max_length=120)
    input_per_million = serializers.DecimalField(12, 4, help_text="In the workspace’s currency.")
    output_per_million = serializers.DecimalField(12, 4)


class Prices(WorkspaceAPI):
    access = {"GET": "budget.manage", "PUT": "budget.manage"}

    @extend_schema(operation_id="prices_list", responses=PriceShape(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return self.listed(PriceShape, self.workspace.prices.all(), ordering=("model", "pk"))

    @extend_schema(operation_id="prices_set", request=PriceRequest, responses=PriceShape)
    def put(self, request: Request, slug: str) -> Response:
        """What a model costs from now on; the calls before keep their cost."""
        return self.shown(PriceShape, prices.set_price(**self.parsed(PriceRequest), by=self.person))


class OnePrice(WorkspaceAPI):
    access = {"DELETE": "budget.manage"}

    @extend_schema(operation_id="prices_remove", responses={204: None})
    def delete(self, request: Request, slug: str, pk: int) -> Response:
        prices.remove_price(get_object_or_404(self.workspace.prices.all(), pk=pk), by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)


class OfferShape(serializers.ModelSerializer[ModelOffer]):
    """Who may build with a model, and ask again with it: people of ``least`` or more, of ``spaces`` where some are named."""

    spaces = SpaceName(many=True)

    class Meta:
        model = ModelOffer
        fields = ["id", "credential", "model", "least", "spaces"]
        read_only_fields = fields


class OfferRequest(serializers.Serializer[Any]):
    credential = Within(Credential)
    model = serializers.CharField(max_length=120)
    least = serializers.ChoiceField(Role.choices)
    spaces: Any = Within(Space, many=True, required=False)


class Offers(WorkspaceAPI):
    access = {"GET": "budget.manage", "PUT": "budget.manage"}

    @extend_schema(operation_id="model_offers_list", responses=OfferShape(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Models that are not offered to everybody."""
        rows = self.workspace.model_offers.prefetch_related("spaces")
        return self.listed(OfferShape, rows, ordering=("model", "pk"))

    @extend_schema(operation_id="model_offers_set", request=OfferRequest, responses=OfferShape)
    def put(self, request: Request, slug: str) -> Response:
        return self.shown(OfferShape, offers.set_offer(**self.parsed(OfferRequest), by=self.person))


class OneOffer(WorkspaceAPI):
    access = {"DELETE": "budget.manage"}

    @extend_schema(operation_id="model_offers_remove", responses={204: None})
    def delete(self, request: Request, slug: str, pk: int) -> Response:
        """The model is offered to everybody again."""
        offers.remove_offer(get_object_or_404(self.workspace.model_offers.all(), pk=pk), by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)
