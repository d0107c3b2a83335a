"""What holds in the whole workspace, on one page: its name, what money is counted in, and who and what answers by default."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from portal import workspaces
from portal.admin.forms import show_refusal
from portal.credentials import offered_models
from portal.models import Credential, Workspace
from portal.registry import registries


class WorkspaceForm(forms.Form):
    name = forms.CharField(
        max_length=80,
        widget=UnfoldAdminTextInputWidget,
        help_text="What people see. The address stays, and with it every link.",
    )
    default_model = forms.ChoiceField(
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Answers where an assistant names no model of its own. Models are listed once a credential was tested.",
    )
    default_assistant = forms.ChoiceField(
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Answers where no assistant was chosen. It has to be vetted. A space can have another one.",
    )
    vetting_days = forms.IntegerField(
        label="A vetting lasts, in days",
        required=False,
        min_value=1,
        max_value=workspaces.MOST_VETTING_DAYS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Empty: for good. A vetting that is over then ends within the hour, and owners are told two weeks before.",
    )
    currency = forms.CharField(
        min_length=3,
        max_length=3,
        widget=UnfoldAdminTextInputWidget,
        help_text="Three letters, such as USD or EUR. Of all prices and budgets: numbers that are there stay as they are.",
    )

    def __init__(self, data: Any, *, workspace: Workspace) -> None:
        self.workspace = workspace
        super().__init__(data, initial=_now(workspace))
        self.fields["default_model"].choices = _models(workspace)  # type: ignore[attr-defined]
        self.fields["default_assistant"].choices = _assistants(workspace)  # type: ignore[attr-defined]

    def change(self) -> workspaces.Change:
        """What was typed, as the verb takes it."""
        given = self.cleaned_data
        key, _, model = given["default_model"].partition("|")
        credential = Credential.objects.get(pk=UUID(key), workspace=self.workspace) if key else None
        return {
            "name": given["name"],
            "currency": given["currency"],
            "vetting_days": given["vetting_days"],
            "default_credential": credential,
            "default_model": model,
            "default_assistant": given["default_assistant"],
        }


def _now(workspace: Workspace) -> dict[str, Any]:
    return {
        "name": workspace.name,
        "currency": workspace.currency,
        "vetting_days": workspace.vetting_days,
        "default_model": _model_key(workspace),
        "default_assistant": workspaces.default_assistant(workspace),
    }


def _model_key(workspace: Workspace) -> str:
    key = workspace.default_credential_id
    return f"{key}|{workspace.default_model}" if key else ""


def _models(workspace: Workspace) -> list[Any]:
    """By credential, as vendors listed them last; and the one that is chosen, should it not be among them any more."""
    groups: list[Any] = [
        (row.name, [(f"{row.pk}|{model['name']}", model.get("label") or model["name"]) for model in models])
        for row, models in offered_models(workspace)
    ]
    chosen = _model_key(workspace)
    if chosen and not any(chosen == value for _name, models in groups for value, _label in models):
        groups.append((chosen, f"{workspace.default_model} (no longer listed)"))
    return [("", "None: passages are quoted"), *groups]


def _assistants(workspace: Workspace) -> list[tuple[str, str]]:
    hook = registries.default_assistant
    known = hook.choices(workspace) if hook is not None else []
    return [("", "The plain one: it searches all that whoever asks may read"), *known]


def workspace_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """``context``: the site's. Saving does all of it or nothing; what was refused is shown at its field."""
    workspace: Workspace | None = request.workspace  # type: ignore[attr-defined]
    if workspace is None:
        raise Http404
    form = WorkspaceForm(request.POST or None, workspace=workspace)
    if request.method == "POST" and form.is_valid():
        try:
            workspaces.change_workspace(workspace, form.change(), by=request.user)  # type: ignore[arg-type]
        except ValidationError as error:
            show_refusal(form, error)
        else:
            messages.success(request, "Saved.")
            return HttpResponseRedirect(reverse("admin:workspace"))
    about = {
        "form": form,
        "here": workspace,
        "title": "Workspace",
        "changes": reverse("admin:portal_auditevent_changelist"),
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "portal/govern/workspace.html", {**context, **about}, status=status)
