"""Who has to do something about a source is told: by mail, and on their home page as long as it lasts."""

from __future__ import annotations

from smtplib import SMTPException
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse

from datasources.models import DataSource
from portal import events
from portal.models import Membership, Workspace
from portal.registry import Panel, registries

log = structlog.get_logger(__name__)

MOST_SHOWN = 5


def people_of(source: DataSource) -> list[Membership]:
    """Who connected it, if they are still here, and the admins."""
    rows = Membership.objects.active().filter(workspace=source.workspace_id).select_related("user")
    return list(rows.filter(Q(role="admin") | Q(user=source.created_by_id)).order_by("user__email"))


@events.handles(events.SourceBroken)
def tell_people(event: events.SourceBroken) -> None:
    """After the transaction: a mail server that does not answer undoes nothing, and the home page says it, too."""
    source = DataSource.objects.select_related("workspace").get(pk=event.source)
    transaction.on_commit(lambda: _mail(source, event.reason))


def _mail(source: DataSource, reason: str) -> None:
    link = settings.BASE_URL + reverse("data_source", args=[source.workspace.slug, source.pk])
    for person in people_of(source):
        context = {"source": source, "reason": reason, "link": link, "person": person.user}
        text = render_to_string("datasources/mail/broken.txt", context)
        try:
            # A name may have a line end in it, where a subject can't.
            send_mail(" ".join(f"{source} needs attention".split()), text, None, [person.user.email])
        except (SMTPException, OSError) as error:
            log.error("a mail about a broken source could not be sent", source=str(source.pk), error=str(error))


def broken_for(request: HttpRequest, workspace: Workspace) -> dict[str, Any] | None:
    """The home page's notice: sources that need this person, or None."""
    membership: Membership = request.membership  # type: ignore[attr-defined]
    rows = DataSource.objects.manageable_by(membership).exclude(broken_since=None)
    rows = rows.exclude(state=DataSource.State.DELETING)
    if not membership.is_admin:
        rows = rows.filter(created_by=membership.user_id)
    found = list(rows.order_by("broken_since")[: MOST_SHOWN + 1])
    return {"sources": found[:MOST_SHOWN], "more": len(found) > MOST_SHOWN} if found else None


registries.panel("home").add("broken sources", Panel("datasources/broken.html", broken_for, weight=-10))
