"""Which members a person looks for, and the page that imports them: shared by the portal, the admin and the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from portal import importing
from portal.models import Membership, Role, Workspace

SEEN = {"7": "In the last 7 days", "30": "In the last 30 days", "away": "Not for 30 days", "never": "Never"}


def found(rows: QuerySet[Membership], *, text: str = "", role: str = "", seen_when: str = "") -> QuerySet[Membership]:
    """Those whose name or address has the text, of this role, seen then; what is empty or unknown does not narrow."""
    if text:
        rows = rows.filter(Q(user__name__icontains=text) | Q(user__email__icontains=text))
    if role in Role.values:
        rows = rows.filter(role=role)
    return seen(rows, seen_when)


def seen(rows: QuerySet[Membership], when: str) -> QuerySet[Membership]:
    """``when``: 7 or 30 (days), away, or never."""
    now = timezone.now()
    if when in {"7", "30"}:
        return rows.filter(last_seen__gte=now - timedelta(days=int(when)))
    if when == "away":
        return rows.filter(Q(last_seen__lt=now - timedelta(days=30)) | Q(last_seen=None))
    return rows.filter(last_seen=None) if when == "never" else rows


def imported(request: HttpRequest, workspace: Workspace) -> dict[str, Any]:
    """The context of an import's page: nothing yet, what the file would do, or what it did.

    The file comes up once; to do it, the page sends its text back.
    """
    context: dict[str, Any] = {"most_lines": importing.MOST_LINES, "most_kilobytes": importing.MOST_BYTES // 1024}
    if request.method != "POST":
        return context
    upload = request.FILES.get("file")
    try:
        if request.POST.get("confirmed"):
            done = importing.import_people(workspace, request.POST.get("csv", ""), by=request.user)  # type: ignore[arg-type]
            return {**context, "done": done, "lines": done.lines, "problems": _problems(done.lines)}
        if upload is not None and upload.size and upload.size > importing.MOST_BYTES:
            raise ValidationError(f"The file is larger than {importing.MOST_BYTES // 1024} KB.")
        data: bytes | str = upload.read() if upload is not None else request.POST.get("csv", "")
        lines = importing.read_people(workspace, data)
    except ValidationError as error:
        return {**context, "problem": " ".join(error.messages), "csv": request.POST.get("csv", "")}
    changes = sum(1 for line in lines if line.changes and not line.problem)
    text = importing.text_of(data)
    return {**context, "lines": lines, "changes": changes, "problems": _problems(lines), "csv": text}


def _problems(lines: Any) -> int:
    return sum(1 for line in lines if line.problem)
