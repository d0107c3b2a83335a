"""What templates say on the page on adoption: for each team without an assistant, one that fits what it is called."""

from __future__ import annotations

import re
from typing import Any

from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.urls import reverse

from assistants.admin.adoption import teams_without
from gallery.models import Installation, Template
from portal.admin.adoption import TEMPLATE, Row, Suggestion, section
from portal.models import Workspace
from portal.registry import Panel, registries

# What companies call their departments, beside the department's own name.
CALLED = {
    "sales": {"sales", "accounts", "crm", "partners", "vertrieb"},
    "support": {"support", "service", "helpdesk", "success", "customer", "customers", "kundendienst"},
    "engineering": {
        "engineering",
        "engineers",
        "development",
        "developers",
        "dev",
        "it",
        "platform",
        "ops",
        "entwicklung",
    },
    "product": {"product", "products", "design", "ux", "research", "produkt"},
    "marketing": {"marketing", "brand", "communications", "comms", "pr", "content"},
    "people": {"people", "hr", "talent", "recruiting", "personnel", "personal"},
    "finance": {"finance", "accounting", "controlling", "procurement", "purchasing", "finanzen", "einkauf"},
    "legal": {"legal", "compliance", "privacy", "contracts", "recht"},
}
MOST = 3


def department_of(name: str) -> str:
    """The department that a space's name speaks of, or nothing."""
    words = set(re.findall(r"\w+", name.lower()))
    return next((department for department, called in CALLED.items() if words & called), "")


def _templates(request: HttpRequest, workspace: Workspace) -> dict[str, Any] | None:
    teams = [(team, department_of(team.space.name)) for team in teams_without(workspace)]
    here = Installation.objects.filter(template=OuterRef("pk"), assistant__workspace=workspace)
    fitting: dict[str, Template] = {}
    wanted = {department for _team, department in teams if department}
    rows = Template.objects.on_shelf(workspace).filter(~Exists(here), department__in=wanted).select_related("latest")
    for template in rows.order_by("-featured", "-installs", "slug") if wanted else ():
        fitting.setdefault(template.department, template)
    offers = [(team, fitting[department]) for team, department in teams if department in fitting]
    if not offers:
        return None
    return section(
        "Templates that fit",
        "For teams without an assistant, by what they are called.",
        [Row(str(_name(one)), f"for {team.space}", _address(workspace, one)) for team, one in offers],
        nothing="",
        suggestions=[
            Suggestion(
                f"“{_name(one)}” is a template that {team.space} could start with.",
                "Look at it",
                _address(workspace, one),
                10,
            )
            for team, one in offers[:MOST]
        ],
    )


def _name(template: Template) -> str:
    return template.latest.name if template.latest else template.slug


def _address(workspace: Workspace, template: Template) -> str:
    return reverse("template", args=[workspace.slug, template.pk])


registries.panel("adoption").add("templates", Panel(TEMPLATE, _templates, weight=15))
