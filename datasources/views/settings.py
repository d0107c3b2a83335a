"""One source's settings, its webhook, and taking it along."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from datasources import choosing, exporting, hooks, sources, written
from datasources.connectors.about import About
from datasources.connectors.registry import CONNECTORS
from datasources.entering import AskedForm
from datasources.forms import SETTINGS, SettingsForm
from datasources.models import DataSource
from datasources.oauth import secret_of
from datasources.views.source import address, frame_of, manageable, visible, write_address
from portal.access import WorkspaceRequest, workspace_view
from portal.pages import done, page, sentence


@workspace_view("datasource.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def source_settings(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    source = manageable(request, pk)
    about = CONNECTORS.get(source.kind)
    data = request.POST if request.method == "POST" else None
    form = SettingsForm(data, source=source)
    asked = AskedForm(about.settings if about else (), data, prefix=SETTINGS, initial=source.config)
    if request.method == "POST":
        valid = [form.is_valid(), asked.is_valid()]
        if all(valid):
            try:
                _save(request, source, form.cleaned_data, asked)
            except ValidationError as error:
                form.add_error(None, sentence(error))
            else:
                return done(request, "Saved.", address(request, source, "data_source_settings"))
    return _settings(request, source, form, asked)


def _save(request: WorkspaceRequest, source: DataSource, fields: dict[str, Any], asked: AskedForm) -> None:
    # What is asked for here; the address and what proves who we are stay.
    beside = {name: value for name, value in source.config.items() if name not in asked.fields}
    sources.update_source(
        source,
        by=request.user,
        name=fields["name"],
        schedule=fields.get("schedule"),
        mirror=fields.get("mirror"),
        config={**beside, **asked.values} if asked.fields else None,
    )


def _settings(
    request: WorkspaceRequest, source: DataSource, form: SettingsForm, asked: AskedForm, **more: Any
) -> HttpResponse:
    about = CONNECTORS.get(source.kind)
    credential = source.credential
    way = about.auth(str(secret_of(credential).get("auth", ""))) if about and credential else None
    failed = bool(form.errors or asked.errors or more.get("hook_problem"))
    context = {
        **frame_of(request, source, "settings"),
        "form": form,
        "asked": asked,
        "offers": about is not None and any(setting.offered for setting in about.settings),
        "way": way,
        "address": _place(source, about),
        "lines": choosing.shown_lines(source),
        "hook_help": hooks.help_of(source),
        "hook": hooks.hook_of(source),
        "hook_has_secret": hooks.has_secret(source),
        "only_here": hooks.only_here(),
        **more,
    }
    return page(request, "datasources/settings.html", context, partial="settings", status=422 if failed else 200)


def _place(source: DataSource, about: About | None) -> str:
    """Where it reads or, of what programs write, where they write."""
    if source.kind == written.KIND:
        return write_address(source)
    return str(source.config.get("base_url") or (about.base_url if about else ""))


@workspace_view("datasource.manage")
@require_POST
def webhook(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """Make the address that the vendor calls, change what it signs with, or close it. A new secret is shown once."""
    source = manageable(request, pk)
    action = request.POST.get("action", "")
    more: dict[str, Any] = {}
    try:
        if action == "open":
            more["hook"] = hooks.open_hook(source, by=request.user)
        elif action == "rotate":
            more["hook"] = hooks.rotate_hook_secret(source, by=request.user)
        elif action == "secret":
            hooks.set_hook_secret(source, request.POST.get("secret", ""), by=request.user)
        elif action == "close":
            hooks.close_hook(source, by=request.user)
        else:
            more["hook_problem"] = "There is no such action."
    except ValidationError as error:
        more["hook_problem"] = sentence(error)
    if not more:
        return done(request, "Saved.", address(request, source, "data_source_settings"))
    source.refresh_from_db()
    about = CONNECTORS.get(source.kind)
    asked = AskedForm(about.settings if about else (), prefix=SETTINGS, initial=source.config)
    return _settings(request, source, SettingsForm(None, source=source), asked, **more)


@workspace_view("datasource.view")
@require_GET
def export(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """All of the source that the person may read, as a zip."""
    source = visible(request, pk)
    stream = exporting.as_zip(request.membership, source)
    response = StreamingHttpResponse(stream, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{exporting.file_name(source)}"'
    response["X-Content-Type-Options"] = "nosniff"
    exporting.note(source, by=request.user)
    return response  # type: ignore[return-value]  # it is streamed, which the type of views does not know
