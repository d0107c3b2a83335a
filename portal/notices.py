"""What people are told of what happened elsewhere: a line in the portal and, where it should not wait, a mail."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta
from smtplib import SMTPException

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.template.loader import render_to_string
from django.utils import timezone

from portal import audit
from portal.models import Membership, Notice, Role, User, Workspace

log = structlog.get_logger(__name__)

KEPT = timedelta(days=90)
"""How long a notice stays, read or not: what still matters by then stands where it belongs."""


KINDS = {
    "vetting": "Vetting: what waits for you, what was decided, and what ends",
    "assistants": "Assistants that you look after: handed over to you, or a source of theirs is broken",
    "templates": "Templates: what waits for you, and what became of yours",
}
"""Of notices that come by mail as well, with what they are about."""


def tell(
    workspace: Workspace,
    users: Iterable[User | int | None],
    words: str,
    path: str = "",
    *,
    mail: str = "",
    kind: str = "assistants",
) -> list[Notice]:
    """Tell these people, as far as they are in the workspace: once each. Call it inside the transaction of the deed.

    ``words``: a sentence or two, at most 400 characters. ``path``: where to go, below the workspace's own address, such as
    ``assistants/hr-leave/``. ``mail``: the subject of a mail that says the same, to whoever takes mails of this ``kind``
    (of KINDS); empty sends none. A mail server that does not answer undoes nothing.
    """
    if kind not in KINDS:
        raise ValueError(f"There is no kind of notice {kind!r}; there are {', '.join(KINDS)}.")
    ids = {user.pk if isinstance(user, User) else user for user in users if user is not None}
    if not ids:
        return []
    here = Membership.objects.active().filter(workspace=workspace, user__in=ids).select_related("user")
    people = [membership.user for membership in here]
    told = [Notice(workspace=workspace, user=user, words=words[:400], path=path) for user in people]
    Notice.objects.bulk_create(told)
    mailed = [user for user in people if kind not in user.unmailed]
    if mail and mailed:
        transaction.on_commit(lambda: _mail(workspace, mailed, mail, words, path))
    return told


def mailed_kinds(user: User) -> list[str]:
    """The kinds of notices that also come by mail to this person, in every workspace."""
    return [kind for kind in KINDS if kind not in user.unmailed]


@transaction.atomic
def choose_mails(user: User, kinds: Collection[str]) -> None:
    """These kinds also come by mail from now on, and no others. Raises ValidationError by field."""
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise ValidationError({"mails": f"There is no kind {unknown[0]!r}. Choose from {', '.join(KINDS)}."})
    before = mailed_kinds(user)
    user.unmailed = [kind for kind in KINDS if kind not in kinds]
    if (after := mailed_kinds(user)) == before:
        return
    user.save(update_fields=["unmailed"])
    audit.record(
        "user.mails", workspace=None, actor=user, target=user, before={"mails": before}, after={"mails": after}
    )


def admins_of(workspace: Workspace) -> list[int]:
    """Whom to tell what takes an admin."""
    rows = Membership.objects.active().filter(workspace=workspace, role=Role.ADMIN)
    return list(rows.values_list("user", flat=True))


def address(notice: Notice) -> str:
    """Where it leads; its workspace has to be there."""
    return f"/w/{notice.workspace.slug}/{notice.path}"


def notices_of(membership: Membership) -> QuerySet[Notice]:
    """What this person was told in this workspace, newest first. Never of another one."""
    rows = Notice.objects.filter(workspace=membership.workspace_id, user=membership.user_id)
    return rows.select_related("workspace").order_by("-id")


def unread_of_each() -> Coalesce:
    """How many notices wait for the person of a membership: an annotation, so that no page asks once more."""
    waiting = Notice.objects.filter(workspace=OuterRef("workspace"), user=OuterRef("user"), read=None).order_by()
    counted = waiting.values("user").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def mark_read(membership: Membership, ids: Iterable[int] | None = None) -> int:
    """Those that were named, or all; how many there were. Naming somebody else's does nothing."""
    rows = notices_of(membership).filter(read=None).order_by()
    if ids is not None:
        rows = rows.filter(pk__in=list(ids))
    return rows.update(read=timezone.now())


def forget_old() -> int:
    return Notice.objects.filter(created__lt=timezone.now() - KEPT).delete()[0]


def _mail(workspace: Workspace, people: list[User], subject: str, words: str, path: str) -> None:
    link = f"{settings.BASE_URL}/w/{workspace.slug}/{path}"
    mails = [
        EmailMessage(
            " ".join(subject.split()),
            render_to_string(
                "portal/mail/notice.txt",
                {
                    "person": user,
                    "words": words,
                    "link": link,
                    "workspace": workspace,
                    "me": f"{settings.BASE_URL}/me/",
                },
            ),
            None,
            [user.email],
        )
        for user in people
    ]
    try:
        get_connection().send_messages(mails)
    except (SMTPException, OSError) as error:
        log.error("notices could not be mailed", workspace=str(workspace.pk), subject=subject, error=str(error))
