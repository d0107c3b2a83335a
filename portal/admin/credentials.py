"""Vendors' keys. A key is typed in, tested, replaced and forgotten; it is never shown."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget

from portal import credentials
from portal.admin.base import GovernAdmin, Refusable
from portal.admin.deeds import Deed
from portal.admin.site import site
from portal.models import Credential, User
from portal.registry import registries


class CredentialForm(Refusable):
    kind = forms.ChoiceField(choices=(), widget=UnfoldAdminSelectWidget)
    api_key = forms.CharField(
        label="API key",
        required=False,
        max_length=4000,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="Kept encrypted, never shown again. Leave it empty to keep the one that is stored; "
        "a new address needs the key again.",
    )
    default_model = forms.ChoiceField(
        label="Default model of the workspace",
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Answers where an assistant names no model of its own. One credential gives it.",
    )

    class Meta:
        model = Credential
        fields = ("kind", "name", "base_url")
        labels: ClassVar = {"base_url": "Address"}
        help_texts: ClassVar = {
            "base_url": "Empty for the vendor's own. A model server of yours: http://localhost:11434/v1"
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kind" in self.fields:
            self.fields["kind"].choices = [(vendor.kind, vendor.label) for vendor in credentials.model_kinds()]  # type: ignore[attr-defined]
        self.fields["name"].required = False
        if "default_model" in self.fields:
            chosen = _default_of(self.instance)
            listed = [(model["name"], model["label"] or model["name"]) for model in _writing(self.instance)]
            if chosen and chosen not in dict(listed):
                listed.append((chosen, f"{chosen} (no longer listed)"))
            self.fields["default_model"].choices = [("", "None of this credential"), *listed]  # type: ignore[attr-defined]
            self.fields["default_model"].initial = chosen


def _writing(row: Credential) -> list[dict[str, Any]]:
    return [model for model in row.offered if model.get("kind", "chat") == "chat"]


def _default_of(row: Credential) -> str:
    """The workspace's default model, where this credential gives it."""
    return row.workspace.default_model if row.workspace.default_credential_id == row.pk else ""


def _test(row: Credential, by: User) -> str:
    before = _default_of(row)
    credentials.check_credential(row, by=by)
    told = f"{row.name}: {'it works' if row.check_ok else 'refused'}. {row.check_message}"
    now = _default_of(row)
    return told if now == before else f"{told} {now} is now the workspace's default model."


@admin.register(Credential, site=site)
class CredentialAdmin(GovernAdmin):
    section, icon, weight = "Data", "key", 60
    form = CredentialForm
    may_add = may_change = may_delete = True
    list_display = ("name", "kind_label", "address", "key_hint", "works", "default", "checked")
    list_select_related = ("workspace",)
    list_filter = ("kind", "check_ok")
    search_fields = ("name", "base_url")
    add_fieldsets = ((None, {"fields": ("kind", "name", "base_url", "api_key")}),)
    fieldsets = (
        (None, {"fields": ("kind_label", "name", "base_url", "api_key", "key_hint", "default_model")}),
        ("Last test", {"fields": ("check_ok", "check_message", "checked", "models_offered")}),
    )
    readonly_fields = ("kind_label", "key_hint", "check_ok", "check_message", "checked", "models_offered")
    deeds = (Deed("test", "Test", _test),)

    @admin.display(description="kind", ordering="kind")
    def kind_label(self, row: Credential) -> str:
        return credentials.kind_label(row.kind)

    @admin.display(description="address", ordering="base_url", empty_value="the vendor's own")
    def address(self, row: Credential) -> str | None:
        return row.base_url or None

    @admin.display(description="works", boolean=True, ordering="check_ok")
    def works(self, row: Credential) -> bool | None:
        return row.check_ok

    @admin.display(description="default model")
    def default(self, row: Credential) -> str:
        return _default_of(row)

    @admin.display(description="models")
    def models_offered(self, row: Credential) -> str:
        return ", ".join(model["name"] for model in row.offered) or "None yet: test it."

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        made = super().get_form(request, obj, change, **kwargs)
        # A kind is for good: another vendor is another credential. Its models are known once it was tested.
        made.base_fields.pop("kind" if change else "default_model", None)
        return made

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """What another floor enters is named, tested and forgotten here; its secret is entered there."""
        kept = registries.credential_kinds.get(obj.kind) if obj is not None else None
        if kept is None:
            return super().get_fieldsets(request, obj)
        told = {"fields": ("kind_label", "name", "address", "key_hint"), "description": f"Entered {kept.entered}."}
        return ((None, told), ("Last test", {"fields": ("check_ok", "check_message", "checked")}))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*super().get_readonly_fields(request, obj), "address")

    def save_row(self, request: HttpRequest, row: Any, data: dict[str, Any], *, change: bool) -> Credential:
        by: Any = request.user
        if change and registries.credential_kinds.get(row.kind):
            return credentials.update_credential(row, by=by, name=data["name"])
        given = {"name": data["name"], "base_url": data["base_url"], "api_key": data["api_key"]}
        if change:
            chosen, before = data.get("default_model", ""), _default_of(row)
            changed = credentials.update_credential(row, by=by, **given)
            if chosen != before:
                credentials.set_default_model(row.workspace, changed if chosen else None, chosen, by=by)
            return changed
        return credentials.create_credential(workspace=row.workspace, by=by, kind=data["kind"], **given)

    def delete_row(self, request: HttpRequest, row: Any) -> None:
        credentials.remove_credential(row, by=request.user)  # type: ignore[arg-type]

    def losses(self, row: Any) -> list[str]:
        return ["The key is forgotten. Assistants that use it fall back to the workspace's default model."]
