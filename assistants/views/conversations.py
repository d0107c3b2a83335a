"""The conversation screen: the thread, asking in it, other branches, sharing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET, require_POST

from assistants import conversations as verbs
from assistants.answerers import choose
from assistants.errors import Refused
from assistants.forms import AskForm, NarrowForm, ShareForm
from assistants.models import Conversation, Feedback, Message
from assistants.rendering import answer_html
from assistants.thread import Entry, Skeleton, entries
from assistants.views.assistants import choices
from portal.access import WorkspaceRequest, may, workspace_view
from portal.credentials import NO_MODEL
from portal.models import Membership, User
from portal.pages import is_fragment
from portal.people import colleagues
from portal.spending.offers import models_for


def home_context(request: HttpRequest, workspace: Any) -> dict[str, Any]:
    """For the home page: what the composer needs. One query, those of who answers by default, and that of the models."""
    membership: Membership = request.membership  # type: ignore[attr-defined]
    found = choices(membership)
    asked = request.GET.get("assistant", "")
    by_default = choose(membership, None)
    default = by_default.version
    return {
        # Who answers by default stands first in the list already, and is not said twice.
        "assistants": [a for a in found if a != by_default.assistant or a.handle == asked],
        "chosen": asked,
        "content": request.GET.get("q", ""),
        "none_label": f"{default.emoji} {default.name}".strip() if default else "",
        **model_state(membership),
    }


def model_state(membership: Membership) -> dict[str, Any]:
    """Whether anything can write here, and where an admin changes that."""
    workspace = membership.workspace
    return {
        "no_model": not (workspace.default_credential_id and workspace.default_model),
        "is_admin": may(membership, "credential.manage"),
        "govern_credentials": f"/w/{workspace.slug}/govern/portal/credential/",
    }


@workspace_view("conversation.ask")
@require_POST
def ask_new(request: WorkspaceRequest) -> HttpResponse:
    """A question that begins a conversation; its page follows the answer."""
    form = AskForm(request.POST, membership=request.membership)
    if form.is_valid():
        try:
            question, _answer = verbs.ask(
                request.membership,
                None,
                form.cleaned_data["content"],
                assistant=form.cleaned_data["assistant"],
                narrow=form.cleaned_data["narrow"],
            )
        except Refused as error:
            messages.error(request, str(error))
        else:
            return redirect("conversation", request.workspace.slug, question.conversation_id)
    else:
        messages.error(request, " ".join(str(e) for errors in form.errors.values() for e in errors))
    return redirect("home", request.workspace.slug)


def _visible(request: WorkspaceRequest, conversation: UUID) -> Conversation:
    rows = Conversation.objects.visible_to(request.membership).select_related("assistant__live", "owner", "head")
    return get_object_or_404(rows, pk=conversation)


def _own(request: WorkspaceRequest, conversation: UUID) -> Conversation:
    """For what only its owner does; those who read along get the 404 of something that is not there."""
    rows = Conversation.objects.visible_to(request.membership).select_related("assistant__live", "owner", "head")
    return get_object_or_404(rows, pk=conversation, owner=request.user)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def thread_context(
    request: WorkspaceRequest, conversation: Conversation, at: UUID | None = None, after: UUID | None = None
) -> dict[str, Any]:
    """What the thread's template needs. ``at``: show the branch through this message. ``after``: only down to this answer,
    which the next question is to follow (``from_here`` says whether anything was left out).
    """
    skeleton = Skeleton(conversation)
    cut = after is not None and bool(skeleton.children.get(after)) and _is_answer(conversation, after)
    leaf = after if cut else skeleton.newest_leaf(at) if at in skeleton.parent else conversation.head_id
    shown = entries(request.membership, conversation, skeleton, skeleton.branch(leaf))
    for entry in shown:
        _dress(entry, conversation)
    mine = conversation.owner_id == request.user.pk
    return {
        "conversation": conversation,
        "entries": shown,
        "leaf": shown[-1].message.pk if shown else "",
        "from_here": cut,
        "open_answer": any(entry.is_open for entry in shown),
        "may_ask": mine and may(request.membership, "conversation.ask"),
        "may_rate": may(request.membership, "feedback.give"),
        "reasons": Feedback.Reason.choices,
        "models": models_for(request.membership),
    }


def _is_answer(conversation: Conversation, message: UUID) -> bool:
    return conversation.messages.filter(pk=message, role=Message.Role.ASSISTANT).exists()


def _dress(entry: Entry, conversation: Conversation) -> None:
    """The HTML of an answer."""
    if entry.shown is not None:
        entry.html = answer_html(entry.shown.content, entry.sources, entry.message.pk)


@workspace_view("conversation.view")
@require_GET
def conversation(request: WorkspaceRequest, conversation: UUID) -> HttpResponse:
    """The page; for htmx and the page's own scripts the thread alone.

    ``at``: another branch, which its owner then keeps. ``after``: down to this answer, from which its owner goes on; what came
    later stays where it is until they have asked.
    """
    row = _visible(request, conversation)
    mine = row.owner_id == request.user.pk
    at, after = _uuid(request.GET.get("at", "")), _uuid(request.GET.get("after", ""))
    context = thread_context(request, row, at, after if mine else None)
    if mine and at and not context["from_here"] and context["leaf"] and context["leaf"] != row.head_id:
        verbs.choose_branch(request.membership, context["entries"][-1].message)
    fragment = is_fragment(request)
    if not fragment:
        last = context["entries"][-1].message if context["entries"] else None
        quoted = last is not None and last.model.startswith(f"{NO_MODEL}/")
        context |= _page_context(request, row, mine, quoted)
    response = render(request, "assistants/_thread.html" if fragment else "assistants/conversation.html", context)
    patch_vary_headers(response, ["HX-Request"])
    response["Cache-Control"] = "no-store"
    return response


def _page_context(request: WorkspaceRequest, row: Conversation, mine: bool, quoted: bool) -> dict[str, Any]:
    slug = request.workspace.slug
    context = {
        "assistants": choices(request.membership, row.assistant) if mine else [],
        "none_label": _answers_here(row),
        "socket": f"/ws/w/{slug}/answers/",
        "may_share": mine and may(request.membership, "conversation.manage"),
        "shared_by": "" if mine else row.owner,
        **model_state(request.membership),
    }
    context["no_model"] = context["no_model"] and quoted
    return context | (_share_context(request, row) if mine else {})


def _answers_here(row: Conversation) -> str:
    """Who answers a follow-up where nobody else is named."""
    live = row.assistant.live if row.assistant else None
    return f"{live.emoji} {live.name}".strip() if live else ""


@workspace_view("conversation.view")
@require_GET
def title(request: WorkspaceRequest, conversation: UUID) -> HttpResponse:
    return HttpResponse(str(_visible(request, conversation)), content_type="text/plain; charset=utf-8")


def thread_response(request: WorkspaceRequest, row: Conversation) -> HttpResponse:
    """After a change: the thread for the page's scripts, else the page."""
    if is_fragment(request):
        row.refresh_from_db(fields=["head"])
        return render(request, "assistants/_thread.html", thread_context(request, row))
    return redirect("conversation", request.workspace.slug, row.pk)


def refused(request: WorkspaceRequest, row: Conversation, words: str, status: int = 400) -> HttpResponse:
    """Why not, in a sentence: where it was tried."""
    if is_fragment(request):
        return HttpResponse(words, status=status, content_type="text/plain; charset=utf-8")
    messages.error(request, words)
    return redirect("conversation", request.workspace.slug, row.pk)


@workspace_view("conversation.ask")
@require_POST
def ask(request: WorkspaceRequest, conversation: UUID) -> HttpResponse:
    """A follow-up, after the message that ``parent`` names (the end of the shown branch)."""
    row = _own(request, conversation)
    form = AskForm(request.POST, membership=request.membership)
    if not form.is_valid():
        return refused(request, row, " ".join(str(e) for errors in form.errors.values() for e in errors))
    named = _uuid(request.POST.get("parent", ""))
    parent = row.messages.filter(pk=named, role=Message.Role.ASSISTANT).first() if named else None
    try:
        verbs.ask(
            request.membership,
            row,
            form.cleaned_data["content"],
            assistant=form.cleaned_data["assistant"],
            parent=parent,
            narrow=form.cleaned_data["narrow"],
        )
    except Refused as error:
        return refused(request, row, str(error), error.status)
    return thread_response(request, row)


@workspace_view("conversation.ask")
@require_POST
def edit_question(request: WorkspaceRequest, conversation: UUID, message: UUID) -> HttpResponse:
    """Another question in the place of this one; both stay, as branches. ``narrowed``: the form also says where to look."""
    row = _own(request, conversation)
    question = get_object_or_404(row.messages.select_related("conversation"), pk=message, role=Message.Role.USER)
    form = NarrowForm(request.POST, membership=request.membership)
    if not form.is_valid():
        return refused(request, row, " ".join(str(error) for error in form.errors["narrow"]))
    narrow = form.cleaned_data["narrow"] if "narrowed" in request.POST else None
    try:
        verbs.edit_question(request.membership, question, request.POST.get("content", ""), narrow)
    except Refused as error:
        return refused(request, row, str(error), error.status)
    return thread_response(request, row)


def _share_context(request: WorkspaceRequest, row: Conversation, form: ShareForm | None = None) -> dict[str, Any]:
    path = reverse("conversation", args=[request.workspace.slug, row.pk])
    if form is None:
        initial = {
            "people": ", ".join(row.shared_with.order_by("email").values_list("email", flat=True)),
            "workspace": row.shared_with_workspace,
        }
        form = ShareForm(initial=initial, membership=request.membership)
    others = colleagues(request.membership)
    return {
        "conversation": row,
        "share_form": form,
        "colleagues": others,
        "example_address": others[0].email if others else "colleague@example.com",
        "share_link": request.build_absolute_uri(path),
    }


@workspace_view("conversation.manage")
def share(request: WorkspaceRequest, conversation: UUID) -> HttpResponse:
    """With colleagues, with everyone here, or with nobody any more: the form says the whole of it."""
    row = _own(request, conversation)
    form = ShareForm(request.POST, membership=request.membership) if request.method == "POST" else None
    told = ""
    if form is not None and form.is_valid():
        people, everyone = form.cleaned_data["people"], form.cleaned_data["workspace"]
        verbs.share(request.membership, row, people=people, workspace=everyone)
        told = _who_reads(people, everyone)
        if not is_fragment(request):
            messages.success(request, told)
            return redirect("conversation", request.workspace.slug, row.pk)
        form = None
    context = {**_share_context(request, row, form), "shared_now": told}
    template = "assistants/share.html#form" if is_fragment(request) else "assistants/share.html"
    return render(request, template, context, status=422 if form is not None else 200)


def _who_reads(people: list[User], everyone: bool) -> str:
    if everyone:
        return "Everyone in the workspace who has the link can read it."
    if not people:
        return "Only you can read it."
    names = ", ".join(str(person) for person in people[:3])
    return f"{names}{f' and {len(people) - 3} more' if len(people) > 3 else ''} can read it."
