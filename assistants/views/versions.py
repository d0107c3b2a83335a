"""The versions of an assistant: who changed what and when, any two compared, an old one brought back; and the file of one."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from assistants.api.versions import yaml_response
from assistants.exporting import file_name, to_yaml
from assistants.history import Comparison, Seen, at_hand, compare, one_of_them, rows, seen_by, versions_for
from assistants.models import Assistant
from portal.access import WorkspaceRequest, workspace_view
from portal.models import Membership
from portal.pages import page, paged

ON_A_PAGE = 20


def _seen(membership: Membership, handle: str) -> Assistant:
    """One that this person may ask or change."""
    here = Assistant.objects.select_related("live__credential", "latest__credential", "workspace")
    found = here.filter(pk__in=Assistant.objects.visible_to(membership).values("pk"), handle__iexact=handle).first()
    editable = Assistant.objects.editable_by(membership).values("pk")
    return found or get_object_or_404(here.filter(pk__in=editable), handle__iexact=handle)


@workspace_view("assistant.view")
@require_GET
def versions(request: WorkspaceRequest, handle: str) -> HttpResponse:
    """The list, newest first; with ``old`` and ``new`` in the address, what changed between these two."""
    membership = request.membership
    assistant = _seen(membership, handle)
    seen = seen_by(membership, assistant)
    shown = paged(request, versions_for(assistant, seen), ON_A_PAGE)
    context: dict[str, Any] = {
        "assistant": assistant,
        "version": assistant.live or assistant.latest,
        "seen": seen,
        "page": shown,
        "rows": rows(membership, assistant, seen, list(shown)),
        "comparison": _compared(request, assistant, seen),
    }
    return page(request, "assistants/versions.html", context, partial="comparison")


def _compared(request: WorkspaceRequest, assistant: Assistant, seen: Seen) -> Comparison | None:
    old, new = (request.GET.get(name, "") for name in ("old", "new"))
    if not old or not new:
        return None
    if not all(value.isdecimal() and len(value) < 7 for value in (old, new)):
        raise Http404
    first, second = sorted((int(old), int(new)))
    return compare(request.membership, assistant, seen, first, second)


@workspace_view("assistant.view")
@require_GET
def export(request: WorkspaceRequest, handle: str) -> HttpResponse:
    """The assistant as a YAML file, as far as this person sees it; ``version`` names an older one."""
    assistant = _seen(request.membership, handle)
    seen, number = seen_by(request.membership, assistant), request.GET.get("version", "")
    version = one_of_them(assistant, seen, number) if number else at_hand(assistant, seen)
    if version is None:
        raise Http404
    return yaml_response(to_yaml(request.membership, assistant, version), file_name(assistant, version))
