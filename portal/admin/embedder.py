"""Which model embeds the workspace's passages, and what another one would take."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget

from portal.admin.forms import show_refusal
from portal.charts import thin
from portal.credentials import offered_models
from portal.models import Credential, Workspace
from portal.registry import registries

HERE = "The model on this server"


class EmbedderForm(forms.Form):
    model = forms.ChoiceField(
        label="Embeds passages with",
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Models for embedding are listed once their credential was tested.",
    )

    def __init__(self, data: Any, *, workspace: Workspace) -> None:
        self.workspace = workspace
        super().__init__(data, initial={"model": _key(workspace)})
        self.fields["model"].choices = _models(workspace)  # type: ignore[attr-defined]

    def chosen(self) -> tuple[Credential | None, str]:
        key, _, model = self.cleaned_data["model"].partition("|")
        return (Credential.objects.get(pk=UUID(key), workspace=self.workspace) if key else None), model


def _key(workspace: Workspace) -> str:
    key = workspace.embedding_credential_id
    return f"{key}|{workspace.embedding_model}" if key else ""


def _models(workspace: Workspace) -> list[Any]:
    groups: list[Any] = [
        (row.name, [(f"{row.pk}|{model['name']}", model.get("label") or model["name"]) for model in models])
        for row, models in offered_models(workspace, "embedding")
    ]
    now = _key(workspace)
    if now and not any(now == value for _name, models in groups for value, _label in models):
        groups.append((now, f"{workspace.embedding_model} (no longer listed)"))
    return [("", HERE), *groups]


def embedder_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """``context``: the site's. The model is tried before anything changes; what was refused is shown at its field."""
    workspace: Workspace | None = request.workspace  # type: ignore[attr-defined]
    hook = registries.embedding
    if workspace is None or hook is None:
        raise Http404
    form = EmbedderForm(request.POST or None, workspace=workspace)
    if request.method == "POST" and form.is_valid():
        try:
            begun = hook.choose(workspace, *form.chosen(), request.user)  # type: ignore[arg-type]
        except ValidationError as error:
            show_refusal(form, error)
        else:
            messages.success(request, _outcome(begun))
            return HttpResponseRedirect(reverse("admin:embedder"))
    documents, passages, tokens = map(thin, hook.weight(workspace))
    about = {
        "form": form,
        "title": "Embedding",
        "documents": documents,
        "passages": passages,
        "tokens": tokens,
        "runs": reverse("admin:datasources_syncrun_changelist"),
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "portal/govern/embedder.html", {**context, **about}, status=status)


def _outcome(begun: int) -> str:
    if not begun:
        return "Saved. There is nothing to embed anew."
    return f"The model answers. {begun} data source{'' if begun == 1 else 's'} will be embedded anew; runs say how far they are."
