"""Deciding about templates: for a workspace its admins, for every workspace of the installation the platform operator."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction

from assistants.errors import Refused
from gallery.marketplace.blueprint import of_version
from gallery.marketplace.checking import Finding, check
from gallery.marketplace.updating import tell_of_newer
from gallery.models import Template
from portal import audit
from portal.models import Membership, User, Workspace
from portal.notices import tell

State = Template.State
LONGEST_COMMENT = 2000


def findings_for(membership: Membership, template: Template) -> list[Finding]:
    """What an admin should look at before approving: with their eyes, which see all spaces of the workspace."""
    return check(membership, of_version(template, template.offered)) if template.offered else []


@transaction.atomic
def approve(template: Template, by: User, *, everywhere: bool = False, comment: str = "") -> Template:
    """Put what was offered on the shelf: of its workspace or, by the platform operator, of every workspace here.

    One that every workspace has stays the operator's to decide; one of the product that was taken off comes back. Its owners and, of what was installed from an older version,
    theirs are told. Raises Refused.
    """
    template = _to_decide(template, by)
    _require_operator_for_all(template, by)
    everywhere = everywhere or template.state == State.EVERYWHERE or template.workspace_id is None
    if everywhere and not by.is_superuser:
        raise Refused("not_allowed", "Every workspace here would have it: that is for the platform operator to decide.")
    back = template.workspace_id is None and template.state == State.WITHDRAWN and template.latest is not None
    if template.offered is None and not back and not (everywhere and template.state == State.WORKSPACE):
        raise Refused("invalid", "Nothing of it waits for a decision.")
    before = _told(template)
    newer = template.offered is not None and template.latest is not None
    template.latest, template.offered = template.offered or template.latest, None
    template.state = State.EVERYWHERE if everywhere else State.WORKSPACE
    if everywhere:
        template.wants_everywhere = False
    _decide(template, by, comment)
    _record("template.approve", template, by, before)
    _tell_offerer(
        template, by, "is on the shelf" if template.state == State.WORKSPACE else "is offered in every workspace here"
    )
    if newer:
        tell_of_newer(template)
    return template


@transaction.atomic
def decline(template: Template, by: User, comment: str) -> Template:
    """Say no to what was offered, and why. What people install stays. Raises Refused and ValidationError."""
    template = _to_decide(template, by)
    _require_operator_for_all(template, by)
    if template.offered is None:
        raise Refused("invalid", "Nothing of it waits for a decision.")
    if not comment.strip():
        raise ValidationError({"comment": "Say why, so that it can be offered better."})
    before, template.offered = _told(template), None
    if not template.is_on_shelf:
        template.state = State.DECLINED
    _decide(template, by, comment)
    _record("template.decline", template, by, before)
    _tell_offerer(template, by, f"was declined: {template.comment}")
    return template


@transaction.atomic
def take_back(template: Template, by: User) -> Template:
    """Whoever offered it does not any more: what waits is dropped, and what is on the shelf stays there. Twice is once."""
    template = _locked(template)
    if template.offered_by_id != by.pk:
        _require_admin(template, by)
    if template.offered is None:
        return template
    before, template.offered = _told(template), None
    if not template.is_on_shelf:
        template.state = State.WITHDRAWN
    template.save()
    _record("template.take_back", template, by, before)
    return template


@transaction.atomic
def withdraw(template: Template, by: User) -> Template:
    """Take it off the shelf. What was installed from it stays as it is. Whoever offered it may, and who decides about it; what
    every workspace has, only the operator takes from them. Raises Refused."""
    template = _locked(template)
    if template.offered_by_id != by.pk:
        _require_admin(template, by)
    _require_operator_for_all(template, by)
    before = _told(template)
    template.state, template.offered, template.featured = State.WITHDRAWN, None, False
    template.decided_by = by
    template.save()
    _record("template.withdraw", template, by, before)
    return template


@transaction.atomic
def feature(template: Template, by: User, featured: bool) -> Template:
    """Whether it stands in the row on top. Of what every workspace has, the operator decides."""
    template = _locked(template)
    _require_admin(template, by)
    _require_operator_for_all(template, by)
    if featured and not template.is_on_shelf:
        raise Refused("invalid", "Only what people can install can be featured.")
    before, template.featured = {"featured": template.featured}, featured
    template.save(update_fields=["featured", "updated"])
    audit.record(
        "template.feature",
        workspace=template.workspace,
        actor=by,
        target=template,
        before=before,
        after={"featured": featured},
    )
    return template


def may_decide(workspace: Workspace | None, by: User) -> None:
    """Raises Refused for who may not decide about templates of this workspace; of none, it takes the operator."""
    if by.is_superuser and by.is_active:
        return
    here = Membership.objects.active().filter(workspace=workspace, user=by).first() if workspace else None
    if here is None:
        raise Refused("not_found", "There is no such template.")
    if not here.is_admin:
        raise Refused("not_allowed", "To decide about templates, you need to be an admin.")


# ---- Inside ------------------------------------------------------------------------------------------------------


def _locked(template: Template) -> Template:
    rows = Template.objects.select_for_update(of=("self",)).select_related("workspace", "latest", "offered")
    return rows.get(pk=template.pk)


def _to_decide(template: Template, by: User) -> Template:
    template = _locked(template)
    _require_admin(template, by)
    return template


def _require_admin(template: Template, by: User) -> None:
    may_decide(template.workspace, by)


def _require_operator_for_all(template: Template, by: User) -> None:
    if (template.workspace_id is None or template.state == State.EVERYWHERE) and not by.is_superuser:
        raise Refused("not_allowed", "Every workspace here has it: that is for the platform operator to decide.")


def _decide(template: Template, by: User, comment: str) -> None:
    template.comment, template.decided_by = comment.strip()[:LONGEST_COMMENT], by
    template.save()


def _record(action: str, template: Template, by: User, before: dict[str, object]) -> None:
    audit.record(action, workspace=template.workspace, actor=by, target=template, before=before, after=_told(template))


def _told(template: Template) -> dict[str, object]:
    return {
        "state": str(template.state),
        "version": template.latest.number if template.latest else None,
        "offered": template.offered.number if template.offered else None,
    }


def _tell_offerer(template: Template, by: User, what: str) -> None:
    if template.workspace is None or template.offered_by_id in (None, by.pk):
        return
    shown = template.latest or template.versions.first()
    words = f"Your template “{shown.name if shown else template.slug}” {what}"
    tell(
        template.workspace,
        [template.offered_by_id],
        words,
        f"templates/{template.pk}/",
        mail=words[:80],
        kind="templates",
    )
