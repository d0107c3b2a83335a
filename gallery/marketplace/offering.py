"""Offering an assistant as a template: its knowledge becomes slots, and nothing of the company goes along unasked.

Credential, model, sources, documents' tags, days of the calendar, owners and pictures are never part of a template at all.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from uuid import UUID

from django.db import IntegrityError, models, transaction
from django.utils.text import slugify

from assistants.acting import membership_in
from assistants.errors import Refused
from assistants.models import Assistant
from datasources.models import DataSource
from gallery.marketplace.blueprint import Blueprint, of_version
from gallery.marketplace.checking import MOST, Finding, check
from gallery.marketplace.slots import KNOWLEDGE, TEXT, Slot
from gallery.models import Installation, Template, TemplateVersion
from portal import audit
from portal.models import User, Workspace
from portal.notices import admins_of, tell

State = Template.State
_ELSEWHERE = "your documents"
# What a kind of source is to a stranger.
_PLACES = {
    "folder": "a folder of your documents",
    "google_drive": "your folders in Google Drive",
    "website": "your web pages",
    "api": "what your programs write in",
    "elasticsearch": "your search index",
    "notion": "your Notion pages",
    "notion_export": "your Notion pages",
    "slack": "your Slack channels",
    "slack_export": "your Slack channels",
    "intercom": "your Intercom conversations",
    "github": "your repositories",
    "jira": "your Jira projects",
    "salesforce": "your Salesforce records",
    "confluence": "your Confluence spaces",
}


class Unconfirmed(Refused):
    """Things that have to be looked at first: edited away, or confirmed one by one. ``findings``: the first of them."""

    def __init__(self, findings: list[Finding]) -> None:
        number = f"{len(findings)} thing{'' if len(findings) == 1 else 's'}"
        super().__init__("unconfirmed", f"{number} may belong to your company alone. Change or confirm each.")
        self.findings = findings[:MOST]


def drafted(assistant: Assistant) -> Blueprint:
    """The template that its latest version would be: to be looked over, completed and offered. A handful of queries.

    Where it was offered before, texts that only the template has (slots, sample, department) come from there. Where it was
    installed from a template itself, what its slots were filled with becomes slots again.
    """
    version = assistant.latest or assistant.live
    assert version is not None
    before = last_offer(assistant)
    old = of_version(before, newest) if before and (newest := before.versions.first()) else None
    slots, filled = _slots(assistant)

    def emptied(text: str) -> str:
        for name, value in filled.items():
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", f"{{{{{name}}}}}", text)
        return text

    return Blueprint(
        slug=before.slug if before else slug_of(version.name),
        name=emptied(version.name)[:80],
        description=emptied(version.description)[:300],
        department=before.department if before else "general",
        task=before.task if before else "answer",
        emoji=version.emoji,
        colour=version.colour,
        instructions=emptied(version.instructions),
        starters=tuple(emptied(starter)[:200] for starter in version.starters),
        tags=tuple(version.tags),
        retrieval=version.retrieval,
        temperature=version.temperature,
        queries_tables=version.queries_tables,
        last_days=version.last_days,
        stage=assistant.stage,
        slots=old.slots if old else slots,
        sample_question=old.sample_question if old else next(iter(version.starters), ""),
        sample_answer=old.sample_answer if old else "",
    )


def _slots(assistant: Assistant) -> tuple[tuple[Slot, ...], dict[str, str]]:
    """What it asks for, and what it was filled with here, the longest text first."""
    came_from = Installation.objects.select_related("template", "version").filter(assistant=assistant).first()
    if came_from is None:
        return _knowledge_slots(assistant), {}
    slots = of_version(came_from.template, came_from.version).slots
    names = {slot.name for slot in slots if slot.kind == TEXT}
    filled = {name: text for name, text in came_from.filled.items() if name in names and len(text) > 2}
    return slots, dict(sorted(filled.items(), key=lambda pair: -len(pair[1])))


def _knowledge_slots(assistant: Assistant) -> tuple[Slot, ...]:
    """One for each kind of source, named by its kind and never by its name."""
    version = assistant.latest or assistant.live
    assert version is not None
    if version.reads_all:
        return (Slot("knowledge_1", KNOWLEDGE, "what it should read", "Narrow is better: only what the task needs."),)
    ids = [UUID(str(row["data_source"])) for row in version.knowledge]
    kinds = DataSource.objects.filter(workspace=assistant.workspace_id, pk__in=ids).values_list("kind", flat=True)
    labels = list(dict.fromkeys(_PLACES.get(kind, _ELSEWHERE) for kind in sorted(kinds)))
    return tuple(
        Slot(f"knowledge_{at}", KNOWLEDGE, label, "Other places may fit as well.") for at, label in enumerate(labels, 1)
    )


def last_offer(assistant: Assistant) -> Template | None:
    """The template that was made of this assistant, whatever became of it."""
    rows = Template.objects.filter(workspace=assistant.workspace_id, assistant=assistant).order_by("-created")
    return rows.select_related("latest", "offered").first()


@transaction.atomic
def offer(
    assistant: Assistant,
    by: User,
    blueprint: Blueprint,
    *,
    confirmed: Collection[str] = (),
    everywhere: bool = False,
) -> Template:
    """Ask the admins to put this on the shelf. What people install meanwhile stays as it is.

    ``confirmed``: ids of findings that may go along. ``everywhere``: that the platform operator offer it in every workspace.
    Raises Unconfirmed and Refused.
    """
    membership = membership_in(assistant.workspace, by)
    owned = Assistant.objects.visible_to(membership).filter(owners=by)
    assistant = owned.select_for_update(of=("self",)).filter(pk=assistant.pk).first() or _not_yours()
    if open_findings := [one for one in check(membership, blueprint) if one.id not in set(confirmed)]:
        raise Unconfirmed(open_findings)
    template = last_offer(assistant)
    before = _told(template) if template else None
    template = template or _made(assistant, blueprint)
    template.department, template.task = blueprint.department, blueprint.task
    put_forward(template, blueprint)
    template.assistant, template.offered_by, template.wants_everywhere = assistant, by, everywhere
    template.comment, template.decided_by = "", None
    template.save()
    audit.record(
        "template.offer", workspace=assistant.workspace, actor=by, target=template, before=before, after=_told(template)
    )
    admins = [admin for admin in admins_of(assistant.workspace) if admin != by.pk]
    whom = "the platform operator, as every workspace here has it" if template.state == State.EVERYWHERE else "an admin"
    words = f"{by} offers @{assistant.handle} as a template, “{blueprint.name}”. It waits for {whom}."
    tell(
        assistant.workspace,
        admins,
        words,
        queue_path(template),
        mail=f"The template “{blueprint.name}” waits",
        kind="templates",
    )
    return template


def _told(template: Template) -> dict[str, object]:
    """``version``: the newest that was offered, whatever became of it."""
    newest = template.offered or template.versions.order_by("-number").first()
    return {"version": newest.number if newest else None, "everywhere": template.wants_everywhere}


def _not_yours() -> Assistant:
    raise Refused("not_yours", "Only its owners can offer an assistant as a template.")


def put_forward(template: Template, blueprint: Blueprint) -> TemplateVersion:
    """A version that waits for a decision. The caller saves the template."""
    number = (template.versions.aggregate(most=models.Max("number"))["most"] or 0) + 1
    template.offered = TemplateVersion.objects.create(template=template, number=number, **blueprint.version_fields())
    if not template.is_on_shelf:
        template.state = State.OFFERED
    return template.offered


def slug_of(name: str) -> str:
    """What a pack calls it. A name without a Latin letter gives none."""
    return slugify(name)[:60].strip("-") or "template"


def _made(assistant: Assistant, blueprint: Blueprint) -> Template:
    # Of the name that was looked over: that of the assistant may say what the template no longer does.
    return make_template(assistant.workspace, slug_of(blueprint.name), assistant=assistant)


def make_template(workspace: Workspace | None, slug: str, **fields: object) -> Template:
    """A row with this slug or, where it is taken, the next free one."""
    for at in range(1, 1000):
        try:
            with transaction.atomic():
                tried = slug if at == 1 else f"{slug[:55]}-{at}"
                return Template.objects.create(workspace=workspace, slug=tried, **fields)
        except IntegrityError:
            continue
    raise Refused("invalid", "There are too many templates of this name. Choose another.")


def queue_path(template: Template) -> str:
    """Where an admin decides, below the workspace's address."""
    return f"govern/gallery/template/{template.pk}/change/"
