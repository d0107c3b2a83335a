"""Connecting a place: its kind, what proves who we are, and signing in at the vendor.

From the second step on it is a source in state draft, which can be left and taken up again. A source that is there is
connected anew on the same pages.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from datasources import connecting, oauth, suggesting
from datasources.connectors.about import About
from datasources.forms import ConnectionForm, needs_connecting
from datasources.models import DataSource
from datasources.steps import DRAFT, about_of, after, grouped, hint, refusal, resume, steps_of
from datasources.views.choose import finish
from datasources.views.source import address, manageable
from portal.access import WorkspaceRequest, workspace_view
from portal.pages import done, page, sentence

PROBLEM = "data_sign_in_problem"
"""In the session: why signing in at the vendor did not end well, until it is told where it can be put right."""

# ---- The kind, and what proves who we are --------------------------------------------------------------------------


@workspace_view("datasource.create")
@require_http_methods(["GET", "HEAD", "POST"])
def data_new(request: WorkspaceRequest) -> HttpResponse:
    """First the grid of kinds; with ``?kind=`` what one of them has to be told; posting it begins a draft."""
    kind = request.GET.get("kind", "")
    if not kind:
        drafts = DataSource.objects.manageable_by(request.membership).filter(state=DRAFT).order_by("-created")
        return render(request, "datasources/connect_kinds.html", {"groups": grouped(), "drafts": drafts})
    about = about_of(kind)
    if not needs_connecting(about):
        return finish(request, about, None)
    form = _connection_form(request, about, None)
    if request.method == "POST" and form.is_valid():
        assert form.entered is not None
        try:
            source = connecting.save_draft(
                workspace=request.workspace, by=request.user, kind=kind, entered=form.entered
            )
        except ValidationError as error:
            form.refuse(error)
        else:
            waits = form.entered.waits
            return HttpResponseRedirect(
                address(request, source, "data_connect") if waits else after(request, source, "connect")
            )
    return _connect_page(request, about, form, None)


def _connection_form(request: WorkspaceRequest, about: About, source: DataSource | None) -> ConnectionForm:
    keys = connecting.usable_credentials(request.membership, about.kind) if about.asks_secret else ()
    others = [key for key in keys if source is None or key.pk != source.credential_id]
    return ConnectionForm(about, request.POST if request.method == "POST" else None, source=source, keys=others)


def _connect_page(
    request: WorkspaceRequest, about: About, form: ConnectionForm, source: DataSource | None, **more: Any
) -> HttpResponse:
    slug = request.workspace.slug
    failed = request.method == "POST"
    test = (
        reverse("data_test", args=[slug, about.kind])
        if source is None
        else address(request, source, "data_connect_test")
    )
    context = {
        "about": about,
        "form": form,
        "source": source,
        "draft": source is None or source.state == DRAFT,
        "steps": steps_of(request, about, "connect", source),
        "refusal": refusal(about.kind),
        "hint": hint(about.kind),
        "redirect_address": oauth.redirect_address(slug),
        "test_url": test,
        "waits": source is not None and oauth.flow_of(source) is not None and not oauth.is_allowed(source),
        "next_url": resume(request, source) if source is not None and source.state == DRAFT else "",
        **more,
    }
    return page(request, "datasources/connect.html", context, partial="form", status=422 if failed else 200)


@workspace_view("datasource.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def data_connect(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """What proves who we are, of a draft or, to connect it anew, of a source that is there."""
    source = manageable(request, pk)
    about = about_of(source.kind)
    if not needs_connecting(about):
        raise Http404
    form = _connection_form(request, about, source)
    if request.method == "POST" and form.is_valid():
        assert form.entered is not None
        draft = source.state == DRAFT
        try:
            source = connecting.reconnect(source, by=request.user, entered=form.entered)
        except ValidationError as error:
            form.refuse(error)
        else:
            if form.entered.waits:
                return HttpResponseRedirect(address(request, source, "data_connect"))
            if draft:
                return HttpResponseRedirect(after(request, source, "connect"))
            return done(request, "Connected anew. It is looked at now.", address(request, source))
    return _connect_page(request, about, form, source, problem=_problem_of(request, source))


@workspace_view("datasource.create")
@require_POST
def data_test(request: WorkspaceRequest, kind: str) -> HttpResponse:
    """Try what the form says, before anything is kept."""
    return _test(request, about_of(kind), None)


@workspace_view("datasource.manage")
@require_POST
def data_connect_test(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    source = manageable(request, pk)
    return _test(request, about_of(source.kind), source)


def _test(request: WorkspaceRequest, about: About, source: DataSource | None) -> HttpResponse:
    form = _connection_form(request, about, source)
    if not form.is_valid():
        return _tested(request, ok=False, words=_first_problem(form))
    assert form.entered is not None
    if form.entered.waits:
        return _tested(request, ok=True, words=f"Go on: {about.label} asks you next whether this is allowed.")
    try:
        words = connecting.try_entered(request.workspace, about.kind, form.entered, source)
    except ValidationError as error:
        return _tested(request, ok=False, words=sentence(error))
    choices = connecting.choices_for(request.workspace, about.kind, form.entered, source)
    several = suggesting.written_out(about, choices)
    return _tested(request, ok=True, words=words, choices=choices, several=several)


def _first_problem(form: ConnectionForm) -> str:
    asked = [form.where, *([form.way] if form.way is not None else []), form.settings]
    return next((str(words[0]) for one in asked for words in one.errors.values()), "Something is missing.")


def _tested(request: WorkspaceRequest, *, ok: bool, words: str, **more: Any) -> HttpResponse:
    return render(request, "datasources/test_result.html", {"ok": ok, "words": words, **more})


# ---- Signing in at the vendor --------------------------------------------------------------------------------------


@workspace_view("datasource.manage")
@require_GET
def data_sign_in(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """Send the person to the vendor, who asks whether this is allowed."""
    source = manageable(request, pk)
    if not needs_connecting(about_of(source.kind)):
        raise Http404
    try:
        return HttpResponseRedirect(oauth.begin(request.session, source, request.workspace.slug))
    except oauth.Unfinished as error:
        return _back(request, source, str(error))


@workspace_view("datasource.create")
@require_GET
def data_oauth(request: WorkspaceRequest) -> HttpResponse:
    """Where the vendor sends the person back to."""
    source = None
    try:
        pk, code, verifier = oauth.returned(request.session, request.GET.dict())
        source = manageable(request, pk)
        tokens = oauth.fetch_tokens(source, code, verifier, request.workspace.slug)
        source = connecting.allowed(source, tokens, by=request.user)
    except oauth.Unfinished as error:
        source = source or (manageable(request, error.source) if error.source else None)
        return _back(request, source, str(error))
    except ValidationError as error:
        return _back(request, source, sentence(error))
    if source.state == DRAFT:
        return HttpResponseRedirect(after(request, source, "connect"))
    return done(request, "Connected anew. It is looked at now.", address(request, source))


def _back(request: WorkspaceRequest, source: DataSource | None, problem: str) -> HttpResponse:
    """Tell what went wrong where it can be put right."""
    if source is None:
        return render(request, "datasources/sign_in_failed.html", {"problem": problem}, status=400)
    request.session[PROBLEM] = {"source": str(source.pk), "words": problem}
    return HttpResponseRedirect(address(request, source, "data_connect"))


def _problem_of(request: WorkspaceRequest, source: DataSource) -> str:
    """What came back from the vendor just now, told once."""
    known = request.session.get(PROBLEM)
    if not known or known["source"] != str(source.pk):
        return ""
    del request.session[PROBLEM]
    return str(known["words"])
