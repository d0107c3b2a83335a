"""Budgets, prices, and which models are offered to whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from portal.admin.base import GovernAdmin, Refusable
from portal.admin.overview import TEMPLATE, Number, Waiting, panel
from portal.admin.site import site
from portal.models import Budget, Credential, Membership, ModelOffer, Price, User, Workspace
from portal.registry import Panel, registries
from portal.spending import budgets, offers, prices, standing
from portal.spending.accounts import amount

SECTION = "Spending"


def bar(one: standing.Standing) -> SafeString:
    """How full a budget is, drawn and said."""
    return format_html(
        '<span class="govern-bar"><span class="govern-track" {} aria-hidden="true"><i style="width: {}%"></i></span> '
        "<span>{} % spent, {} left</span></span>",
        mark_safe("data-near") if one.is_near else "",
        one.percent,
        one.percent,
        one.left_words,
    )


class BudgetForm(Refusable):
    who = forms.CharField(
        required=False,
        label="Whom",
        widget=UnfoldAdminTextInputWidget,
        help_text="A person’s e-mail address, or an assistant’s @handle. Empty: each of them has this much. "
        "A budget for one takes the place of those for each, of the same period and unit.",
    )
    ask = forms.CharField(
        required=False,
        label="Whom to ask for more",
        widget=UnfoldAdminTextInputWidget,
        help_text="An e-mail address of somebody here. Empty: the admins.",
    )

    class Meta:
        model = Budget
        fields = ("covers", "period", "unit", "limit")
        help_texts: ClassVar = {
            "period": "By the calendar of the server’s time zone (ATRIUM_TIME_ZONE).",
            "unit": "Money needs the prices of all models that are used.",
            "limit": "Before a call, the most that it can take is reserved: about four times what it takes in the end. "
            "Leave room for that.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.contact is not None:
            self.fields["ask"].initial = self.instance.contact.email
        if self.instance.limit is not None:
            self.initial["limit"] = f"{self.instance.limit.normalize():f}"


def _person(workspace: Workspace, address: str, name: str) -> User | None:
    if not address:
        return None
    row = Membership.objects.active().filter(workspace=workspace, user__email__iexact=address).select_related("user")
    found = row.first()
    if found is None:
        raise ValidationError({name: f"Nobody here has the address {address}."})
    return found.user


def _assistant(workspace: Workspace, handle: str) -> UUID | None:
    if not handle:
        return None
    hook = registries.assistants
    found = hook.by_handle(workspace.pk, handle.removeprefix("@")) if hook is not None else None
    if found is None:
        raise ValidationError({"who": f"There is no assistant @{handle.removeprefix('@')}."})
    return found


@admin.register(Budget, site=site)
class BudgetAdmin(GovernAdmin):
    section, icon, weight = SECTION, "savings", 70
    form = BudgetForm
    may_add = may_change = may_delete = True
    list_display = ("what", "period", "limit_words", "fullest", "contact")
    list_filter = ("covers", "period", "unit")
    list_select_related = ("workspace", "user", "contact")
    add_fieldsets = ((None, {"fields": ("covers", "who", "period", "unit", "limit", "ask")}),)
    fieldsets = (
        (None, {"fields": ("what", "period", "unit", "limit", "ask")}),
        ("Now", {"fields": ("now",)}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets if obj is not None else self.add_fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return ("what", "period", "unit", "now") if obj is not None else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Budget]:
        return super().get_queryset(request).select_related("workspace", "user", "contact")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        made = super().get_form(request, obj, change, **kwargs)
        if change:
            made.base_fields.pop("who", None)
        return made

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """What the rows show besides themselves, for all of them together."""
        changes = super().get_changelist_instance(request)
        rows = list(changes.result_list)
        fullest = standing.fullest(rows)
        found = [
            standing.Standing(row, s.subject, s.starts, s.spent, s.held)
            for row in rows
            if (s := fullest.get(row.pk)) is not None
        ]
        by_budget = {one.budget.pk: one for one in standing.named(found)}
        handles: dict[UUID, str] = {}
        for workspace in {row.workspace for row in rows}:
            handles |= budgets.names_of(workspace, [r.assistant for r in rows if r.assistant])
        for row in rows:
            row.fullest_now, row.handle = by_budget.get(row.pk), handles.get(row.assistant or UUID(int=0), "")
        changes.result_list = rows
        return changes

    @admin.display(description="budget", ordering="covers")
    def what(self, row: Any) -> str:
        if row.covers == Budget.Covers.WORKSPACE:
            return "The whole workspace"
        if row.covers == Budget.Covers.PERSON:
            return str(row.user) if row.user else "Each person"
        if row.assistant is None:
            return "Each assistant"
        known = getattr(row, "handle", None)
        return known or budgets.names_of(row.workspace, [row.assistant]).get(row.assistant, "A deleted assistant")

    @admin.display(description="limit", ordering="limit")
    def limit_words(self, row: Budget) -> str:
        return amount(row, row.limit)

    @admin.display(description="spent most now")
    def fullest(self, row: Any) -> str:
        one = row.fullest_now
        if one is None:
            return "Nothing yet"
        return format_html("{} {}", bar(one), one.name) if one.name and not (row.user_id or row.assistant) else bar(one)

    @admin.display(description="")
    def now(self, row: Budget) -> str:
        found = standing.spendings_of(row)
        if not found:
            return "Nothing was spent in the period that runs."
        return format_html_join("", "<p>{} {}</p>", ((one.name, bar(one)) for one in found))

    def save_row(self, request: HttpRequest, row: Any, data: dict[str, Any], *, change: bool) -> Budget:
        by: Any = request.user
        contact = _person(row.workspace, data["ask"].strip(), "ask")
        try:
            if change:
                return budgets.change_budget(row, by=by, limit=data["limit"], contact=contact)
            who, covers = data["who"].strip(), data["covers"]
            named: dict[str, Any] = {}
            if covers == Budget.Covers.PERSON:
                named["user"] = _person(row.workspace, who, "who")
            elif covers == Budget.Covers.ASSISTANT:
                named["assistant"] = _assistant(row.workspace, who)
            elif who:
                raise ValidationError({"who": "A budget of the whole workspace names nobody."})
            same = {name: data[name] for name in ("covers", "period", "unit", "limit")}
            return budgets.create_budget(workspace=row.workspace, by=by, contact=contact, **same, **named)
        except ValidationError as error:
            raise _at_fields(error, {"user": "who", "assistant": "who", "contact": "ask"}) from error

    def delete_row(self, request: HttpRequest, row: Any) -> None:
        budgets.remove_budget(row, by=request.user)  # type: ignore[arg-type]

    def losses(self, row: Any) -> list[str]:
        return ["Nothing holds this spending back any more, at once. What was spent stays in the usage."]


def _at_fields(error: ValidationError, names: dict[str, str]) -> ValidationError:
    """What a verb says of its arguments, at the form's fields."""
    if not hasattr(error, "error_dict"):
        return error
    return ValidationError({names.get(name, name): errors for name, errors in error.error_dict.items()})


class OfModelForm(Refusable):
    """A row about one model of one credential."""

    of = forms.ChoiceField(label="Model", widget=UnfoldAdminSelectWidget)
    kinds: ClassVar[tuple[str, ...]] = ("chat", "embedding")
    workspace: ClassVar[Workspace | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "of" not in self.fields:
            return
        rows = Credential.objects.filter(workspace=self.workspace) if self.workspace else Credential.objects.none()
        known = set(self._meta.model.objects.filter(workspace=self.workspace).values_list("credential", "model"))
        self.rows = {str(row.pk): row for row in rows}
        self.fields["of"].choices = [  # type: ignore[attr-defined]
            (row.name, [(f"{row.pk}|{m['name']}", m["label"] or m["name"]) for m in self._listed(row, known)])
            for row in rows
            if self._listed(row, known)
        ]

    def _listed(self, row: Credential, known: set[tuple[UUID, str]]) -> list[dict[str, Any]]:
        """The models without such a row, as the vendor listed them last."""
        return [m for m in row.offered if m.get("kind", "chat") in self.kinds and (row.pk, m["name"]) not in known]

    def clean_of(self) -> tuple[Credential, str]:
        key, _, model = self.cleaned_data["of"].partition("|")
        return self.rows[key], model


class OfModelAdmin(GovernAdmin):
    may_add = may_change = may_delete = True
    search_fields = ("model", "credential__name")
    list_select_related = ("credential", "workspace")
    list_filter = ("credential",)
    about: ClassVar[tuple[str, ...]] = ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return (("credential", "model") if obj is not None else ("of",)) + self.about

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return ("credential", "model") if obj is not None else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        made = super().get_form(request, obj, change, **kwargs)
        if change:
            made.base_fields.pop("of", None)
        return type(made.__name__, (made,), {"workspace": request.workspace})  # type: ignore[attr-defined]


class PriceForm(OfModelForm):
    currency = forms.CharField(
        max_length=3,
        min_length=3,
        widget=UnfoldAdminTextInputWidget,
        help_text="Three letters, such as USD or EUR. Of all prices and budgets of this workspace: numbers that are there stay.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["currency"].initial = self.workspace.currency if self.workspace else ""

    class Meta:
        model = Price
        fields = ("input_per_million", "output_per_million")
        labels: ClassVar = {
            "input_per_million": "A million tokens in",
            "output_per_million": "A million tokens out",
        }
        help_texts: ClassVar = {
            "input_per_million": "In the workspace’s currency, as the vendor charges you. Zero where it costs nothing.",
            "output_per_million": "Zero for a model that embeds.",
        }


@admin.register(Price, site=site)
class PriceAdmin(OfModelAdmin):
    section, icon, weight = SECTION, "sell", 72
    form = PriceForm
    about = ("input_per_million", "output_per_million", "currency")
    list_display = ("model", "credential", "tokens_in", "tokens_out")
    ordering = ("credential__name", "model")

    @admin.display(description="a million tokens in", ordering="input_per_million")
    def tokens_in(self, row: Price) -> str:
        return f"{row.input_per_million.normalize():f} {row.workspace.currency}"

    @admin.display(description="a million tokens out", ordering="output_per_million")
    def tokens_out(self, row: Price) -> str:
        return f"{row.output_per_million.normalize():f} {row.workspace.currency}"

    def save_row(self, request: HttpRequest, row: Any, data: dict[str, Any], *, change: bool) -> Price:
        credential, model = (row.credential, row.model) if change else data["of"]
        by: Any = request.user
        prices.set_currency(credential.workspace, data["currency"], by=by)
        given = {name: data[name] for name in ("input_per_million", "output_per_million")}
        return prices.set_price(credential, model, by=by, **given)

    def delete_row(self, request: HttpRequest, row: Any) -> None:
        prices.remove_price(row, by=request.user)  # type: ignore[arg-type]

    def losses(self, row: Any) -> list[str]:
        return ["Its calls are recorded without a cost, and budgets in money refuse it."]


class OfferForm(OfModelForm):
    kinds = ("chat",)

    class Meta:
        model = ModelOffer
        fields = ("least", "spaces")
        labels: ClassVar = {"least": "From which role", "spaces": "Only in these spaces"}
        help_texts: ClassVar = {
            "least": "Who may choose it when building an assistant, and ask again with it. "
            "Whoever may use an assistant may do so whatever model it has.",
            "spaces": "None ticked: all of them. An open space is everybody’s.",
        }


@admin.register(ModelOffer, site=site)
class ModelOfferAdmin(OfModelAdmin):
    """Models without a row here are offered to everybody."""

    section, label, icon, weight = SECTION, "Models offered", "model_training", 74
    nothing = "Everybody may choose every model. Add one here to offer it only from a role on, or only in some spaces."
    form = OfferForm
    about = ("least", "spaces")
    list_display = ("model", "credential", "least", "where")
    ordering = ("credential__name", "model")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelOffer]:
        return super().get_queryset(request).prefetch_related("spaces")

    @admin.display(description="spaces")
    def where(self, row: ModelOffer) -> str:
        return ", ".join(space.name for space in row.spaces.all()) or "all"

    def save_row(self, request: HttpRequest, row: Any, data: dict[str, Any], *, change: bool) -> ModelOffer:
        credential, model = (row.credential, row.model) if change else data["of"]
        by: Any = request.user
        return offers.set_offer(credential, model, least=data["least"], spaces=data["spaces"], by=by)

    def delete_row(self, request: HttpRequest, row: Any) -> None:
        offers.remove_offer(row, by=request.user)  # type: ignore[arg-type]

    def losses(self, row: Any) -> list[str]:
        return ["The model is offered to everybody again."]


def _overview(request: HttpRequest, workspace: Workspace | None) -> dict[str, Any]:
    here = {} if workspace is None else {"workspace": workspace}
    near = standing.near_end(workspace.pk if workspace else None)
    address = reverse("admin:portal_budget_changelist")
    numbers = [Number("Budgets", Budget.objects.filter(**here).count(), address)]
    waiting = [
        Waiting(
            one.title,
            "has nothing left" if one.left <= 0 else f"has {one.left_words} left",
            reverse("admin:portal_budget_change", args=[one.budget.pk]),
        )
        for one in near
    ]
    return panel(SECTION, numbers, waiting, "No budget is near its end.")


registries.panel("govern").add("spending", Panel(TEMPLATE, _overview, weight=30))
