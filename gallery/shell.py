"""What this app hangs up in the shell: rules, menu items, checks, warm-ups."""

from portal.registry import MenuItem, registries

registries.menu.add(
    "assistants", MenuItem("Assistants", "assistants", icon="squares-2x2", action="assistant.view", weight=10)
)
