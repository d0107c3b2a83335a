"""What this app hangs up in the shell: rules, menu items, checks, warm-ups."""

from assistants import (
    closing,
    defaults_by_handle,  # noqa: F401  (the workspace's own page and endpoint)
    expiring,  # noqa: F401  (what happens to sources, and how long vettings last)
    handing_over,  # noqa: F401  (who leaves)
    hanging,  # noqa: F401  (the pages' parts of the shell)
)
from assistants.runs import runner
from portal.access import register
from portal.models import Role
from portal.registry import registries

register("assistant.view", Role.MEMBER, "read", "see assistants")
register("assistant.keep", Role.MEMBER, "write", "keep assistants at hand")
# Which assistants a person may edit: Assistant.objects.editable_by.
register("assistant.edit", Role.MEMBER, "write", "make and change assistants")
register("assistant.publish", Role.MEMBER, "write", "publish assistants")
register("assistant.vet", Role.ADMIN, "admin", "offer an assistant to the whole workspace")
# Hide, take over, choose defaults. Whose assistants: Assistant.objects.governed_by.
register("assistant.govern", Role.ADMIN, "admin", "govern assistants")
register("conversation.view", Role.MEMBER, "read", "read conversations")
register("conversation.ask", Role.MEMBER, "ask", "ask questions")
register("conversation.manage", Role.MEMBER, "ask", "rename, share and delete conversations")
register("prompt.view", Role.MEMBER, "read", "see one’s saved prompts")
register("prompt.manage", Role.MEMBER, "write", "save prompts")
register("feedback.give", Role.MEMBER, "ask", "say what an answer was worth")
register("insight.view", Role.ADMIN, "admin", "see how assistants are used")


async def _serve() -> None:
    """Answers run on this loop from now on; those that a dead server left open are closed first."""
    from django.conf import settings

    from portal.threads import in_database

    # In the embedded profile no second portal can be running: whatever is open, nobody writes any more.
    await in_database(closing.close_interrupted, everything=settings.PROFILE == "embedded" and not settings.REDIS_URL)
    await runner.serve_here()


registries.warm_ups.add("answers", _serve)
registries.shut_downs.add("answers", runner.close)
