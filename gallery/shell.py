"""What this app hangs up in the shell: rules, menu items, checks, warm-ups."""

from gallery import (
    hanging,  # noqa: F401  (templates)
    standing,  # noqa: F401  (hears of thumbs)
    views,
)
from portal.registry import MenuItem, Panel, registries

registries.menu.add(
    "assistants", MenuItem("Assistants", "assistants", icon="squares-2x2", action="assistant.view", weight=10)
)
registries.panel("home").add("assistants", Panel("gallery/_home.html", views.home, weight=10))
registries.panel("assistant").add("standing", Panel("gallery/_standing.html", views.standing, weight=20))
