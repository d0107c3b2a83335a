"""Connecting a place, the rest of the way: files, the choice in the tree, what it will cost, and the go.

Choosing is the same page for a source that is there.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from datasources import choosing, connecting, estimating, offering, suggesting
from datasources.connectors.about import About
from datasources.connectors.base import ConnectorError
from datasources.forms import FinishForm
from datasources.models import DataSource
from datasources.steps import DRAFT, about_of, after, draft_of, resume, spaces_for, steps_of
from datasources.views.source import address, manageable
from portal.access import WorkspaceRequest, workspace_view
from portal.pages import done, page, sentence

# ---- Files, the choice, and what it will cost ----------------------------------------------------------------------


@workspace_view("datasource.manage")
@require_GET
def data_files(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """Hand over what the place is read from, such as the zip of an export."""
    source = draft_of(request, pk)
    about = about_of(source.kind)
    if not about.files:
        raise Http404
    context = {
        "source": source,
        "about": about,
        "steps": steps_of(request, about, "files", source),
        "files": source.uploads.order_by("path")[:50],
        "next_url": after(request, source, "files"),
    }
    return page(request, "datasources/connect_files.html", context, partial="files")


@workspace_view("datasource.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def data_choose(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """Tick in the tree what comes in, of a draft or, later, of a source that is there."""
    source = manageable(request, pk)
    about = about_of(source.kind)
    if not about.tree:
        raise Http404
    draft = source.state == DRAFT
    sent: str | None = None
    problem = ""
    if request.method == "POST":
        sent = _sent(request, source)
        try:
            choosing.choose(source, choosing.read_ticks(source, sent), by=request.user)
        except ValidationError as error:
            problem = sentence(error)
        else:
            if draft:
                return HttpResponseRedirect(after(request, source, "choose"))
            return done(
                request, "Saved. What is new comes in, and what is no longer ticked goes.", address(request, source)
            )
    picker = choosing.remote_picker(source, sent, name="choice")
    context = {
        "source": source,
        "about": about,
        "draft": draft,
        "steps": steps_of(request, about, "choose", source) if draft else [],
        "picker": picker,
        "plain": offering.listed(source),
        "problem": problem,
        "nothing_ticked": picker.value == "[]",
    }
    return page(request, "datasources/choose.html", context, partial="form", status=422 if problem else 200)


def _sent(request: WorkspaceRequest, source: DataSource) -> str:
    """What was ticked; without scripts, boxes of the top level, or everything."""
    if request.POST.get("plain") is None:
        return request.POST.get("choice", "")
    ticked = request.POST.getlist("tick") if request.POST["plain"] == "some" else None
    return choosing.written(source, ticked)


@workspace_view("datasource.manage")
@require_GET
def data_choices(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """What settings can be, as the place tells: a ``<datalist>`` each. ``?node=``: options at what is ticked there."""
    source = manageable(request, pk)
    node = request.GET.get("node", "")
    try:
        found = suggesting.choices_of(source, node)
    except (ConnectorError, ValidationError):
        # It can still be typed, and saving says what is wrong.
        found = {}
    several = () if node else suggesting.written_out(about_of(source.kind), found)
    return render(request, "datasources/choices.html", {"choices": found, "several": several})


@workspace_view("datasource.manage")
@require_GET
def data_estimate(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """How much the stored choice is, and what embedding it takes. Asks the place."""
    source = manageable(request, pk)
    context: dict[str, Any] = {"source": source}
    try:
        context["forecast"] = estimating.forecast(source)
    except ConnectorError as error:
        context["problem"] = str(error)
    return render(request, "datasources/estimate.html", context)


# ---- The go --------------------------------------------------------------------------------------------------------


@workspace_view("datasource.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def data_finish(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """Name, spaces and schedule, with the estimate; posting it starts the first sync."""
    source = draft_of(request, pk)
    return finish(request, about_of(source.kind), source)


def finish(request: WorkspaceRequest, about: About, source: DataSource | None) -> HttpResponse:
    data = request.POST if request.method == "POST" else None
    initial = {"name": source.name if source is not None else ""}
    parts = choosing.parts_of(source) if source is not None else ()
    form = FinishForm(data, about=about, spaces=spaces_for(request), parts=parts, initial=initial)
    if request.method == "POST" and form.is_valid():
        fields = form.cleaned_data
        try:
            begun = source or connecting.save_draft(
                workspace=request.workspace,
                by=request.user,
                kind=about.kind,
                entered=connecting.Entered({}),
                name=fields["name"],
            )
            begun = connecting.go(
                begun,
                by=request.user,
                name=fields["name"],
                spaces=fields["spaces"],
                schedule=fields.get("schedule", "off"),
                mirror=fields.get("mirror", False),
                parts=fields["parts"],
            )
        except ValidationError as error:
            form.add_error(None, sentence(error))
        else:
            words = "The first sync has begun." if connecting.has_something(begun) else "It is ready."
            return done(request, f"Connected. {words}", address(request, begun))
    context = {
        "about": about,
        "source": source,
        "form": form,
        "lines": choosing.shown_lines(source) if source is not None else [],
        "steps": steps_of(request, about, "finish", source),
    }
    return page(request, "datasources/finish.html", context, partial="form", status=422 if form.errors else 200)


@workspace_view("datasource.manage")
@require_GET
def data_resume(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """A draft is taken up where it was left."""
    return HttpResponseRedirect(resume(request, draft_of(request, pk)))


@workspace_view("datasource.manage")
@require_POST
def data_forget(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """A draft is given up."""
    source = draft_of(request, pk)
    connecting.forget_draft(source, by=request.user)
    return done(
        request, f"{source} is forgotten; nothing of it had come in.", reverse("data", args=[request.workspace.slug])
    )


# ---- Levels of what is offered -------------------------------------------------------------------------------------


@workspace_view("datasource.manage")
@require_GET
def offered(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """Lines of one level of the place itself, as ``<li>`` for the ``<ul>`` that asks.

    ``?parent=`` a node's id (none: the top), from ``?first=``; ``?anew=1`` asks the vendor again. ``?q=`` what has the words
    in its name, of what is known; with ``&there=1`` what the vendor's own search finds besides.
    """
    source = manageable(request, pk)
    text = request.GET.get("q", "").strip()
    context: dict[str, Any] = {"source": source, "text": text}
    if text and request.GET.get("there"):
        context["there"] = True
        try:
            context["rows"] = offering.find_there(source, text)
        except ConnectorError as error:
            context["problem"] = str(error)
    elif text:
        rows, total = offering.find(source, text)
        context |= {
            "rows": rows,
            "total": total,
            "most": offering.MOST_FOUND,
            "also": not offering.is_all_known(source),
        }
    else:
        first = request.GET.get("first", "0")
        parent = offering.parent_of(source, request.GET.get("parent", ""))
        if parent is None:
            raise Http404
        listed = offering.listed(
            source, parent, int(first) if first.isdecimal() else 0, anew=bool(request.GET.get("anew"))
        )
        context |= {"listed": listed, "rows": listed.rows, "level": listed.level, "first": first}
    return render(request, "datasources/offered_level.html", context)
