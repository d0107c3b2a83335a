"""What the gallery hangs up in the shell: rules of templates, a menu item, panels, the palette's finds, and what a start brings up to
date."""

from __future__ import annotations

from gallery import palette, views_templates
from gallery.marketplace import built_in
from portal.access import register
from portal.models import Role
from portal.registry import MenuItem, PaletteSource, Panel, registries

register("template.view", Role.MEMBER, "read", "see templates")
register("template.install", Role.MEMBER, "write", "install templates")
register("template.rate", Role.MEMBER, "write", "give stars to templates")
register("template.offer", Role.MEMBER, "write", "offer an assistant as a template")
register("template.manage", Role.ADMIN, "admin", "decide about templates")

registries.menu.add(
    "templates", MenuItem("Templates", "templates", icon="rectangle-stack", action="template.view", weight=12)
)
registries.palette.add("assistants", PaletteSource("Assistants", palette.assistants, weight=20))
registries.palette.add("templates", PaletteSource("Templates", palette.templates, weight=45))
registries.panel("assistant").add("template", Panel("gallery/_origin.html", views_templates.origin, weight=30))
registries.panel("assistant_start").add(
    "templates", Panel("gallery/templates/_start.html", views_templates.to_start_from, weight=0)
)


def _templates() -> None:
    """Those that come with the product; a start that finds nothing new asks one query."""
    built_in.sync()


registries.warm_ups.add("templates that come with the product", _templates)
