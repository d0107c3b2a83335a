"""Packs: templates as one YAML file, from one company to another. What comes in is a stranger's text and is checked whole.

A pack holds what a blueprint holds and nothing else: no ids, no names of who made it, no installs, no stars.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from gallery.marketplace import blueprint as blueprints
from gallery.marketplace.approving import approve, may_decide
from gallery.marketplace.blueprint import Blueprint, of_version
from gallery.marketplace.offering import make_template, put_forward
from gallery.models import Template
from portal import audit, plain_yaml
from portal.models import User, Workspace

FORMAT = "atrium-templates/1"
"""Stands at the head of each file."""
MOST_BYTES = 1024 * 1024
MOST_TEMPLATES = 200


@dataclass(slots=True)
class Imported:
    """What became of a pack: templates that are new here, that have a newer version now, and that were here as they are."""

    made: list[Template] = field(default_factory=list)
    newer: list[Template] = field(default_factory=list)
    same: list[Template] = field(default_factory=list)

    @property
    def words(self) -> str:
        counts = ((self.made, "new"), (self.newer, "newer than what was here"), (self.same, "as before"))
        return ", ".join(f"{len(rows)} {what}" for rows, what in counts if rows) or "Nothing was in it"


def export(templates: Iterable[Template]) -> str:
    """These templates, as people install them, or as they wait where they were never approved. Their versions fetched along."""
    found = [of_version(row, row.shown).as_data() for row in templates if row.shown is not None]
    return plain_yaml.write({"format": FORMAT, "templates": found})


def read(raw: bytes | str) -> list[Blueprint]:
    """The blueprints in a file. Raises ValidationError with everything that is wrong, a sentence each, and where."""
    try:
        data = plain_yaml.read(raw, most=MOST_BYTES)
    except plain_yaml.NotPlain as error:
        raise ValidationError(str(error)) from error
    rows = _rows(data)
    found, wrong = [], []
    for at, row in enumerate(rows, 1):
        try:
            found.append(blueprints.read(row))
        except ValidationError as error:
            name = row.get("name") if isinstance(row, dict) else None
            called = f" ({name[:40]})" if isinstance(name, str) and name else ""
            wrong += [f"Template {at}{called}: {words}" for words in error.messages]
    slugs = [one.slug for one in found]
    wrong += [f"{slug} stands in it twice." for slug in sorted({slug for slug in slugs if slugs.count(slug) > 1})]
    if wrong:
        raise ValidationError(wrong)
    return found


def _rows(data: Any) -> list[Any]:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValidationError(f"That is no pack of templates: one begins with “format: {FORMAT}”.")
    if strange := [str(name)[:40] for name in data if name not in {"format", "templates"}]:
        raise ValidationError(f"A pack has format and templates, and nothing called {', '.join(strange[:5])}.")
    rows = data.get("templates")
    if not isinstance(rows, list) or not rows or len(rows) > MOST_TEMPLATES:
        raise ValidationError(f"templates: it takes a list of 1 to {MOST_TEMPLATES}.")
    return rows


@transaction.atomic
def bring_in(workspace: Workspace | None, by: User, raw: bytes | str, *, approved: bool = False) -> Imported:
    """Put a pack's templates into a workspace, each to wait for an admin's decision or, ``approved``, on the shelf at once.

    One that is here under the same slug gets a newer version. ``workspace`` None: for every workspace, by the platform operator.
    All of it comes in or nothing. Raises ValidationError and Refused.
    """
    may_decide(workspace, by)
    found = read(raw)
    out = Imported()
    here = {row.slug: row for row in Template.objects.filter(workspace=workspace).select_related("latest", "offered")}
    for one in found:
        _bring_one(workspace, by, one, here.get(one.slug), out, approved=approved or workspace is None)
    counts = {"made": len(out.made), "newer": len(out.newer), "same": len(out.same), "approved": approved}
    audit.record("template.import", workspace=workspace, actor=by, after=counts)
    return out


def _bring_one(
    workspace: Workspace | None, by: User, one: Blueprint, row: Template | None, out: Imported, *, approved: bool
) -> None:
    newest = row.offered or row.latest if row else None
    if newest is not None and newest.digest:
        raise ValidationError(f"{one.slug} comes with Atrium: give yours another slug.")
    if row is not None and newest is not None and of_version(row, newest).as_data() == one.as_data():
        out.same.append(row)
        return
    template = row or make_template(workspace, one.slug)
    template.department, template.task, template.offered_by = one.department, one.task, template.offered_by or by
    put_forward(template, one)
    template.save()
    if approved:
        template = approve(template, by, everywhere=workspace is None)
    (out.newer if row else out.made).append(template)
