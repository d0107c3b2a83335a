"""What integrations write is there at once: nothing to connect, nothing to schedule, and nothing to choose beforehand."""

from datasources.connectors.about import About

ABOUT = About(
    kind="api",
    label="Written by API",
    icon="code-bracket",
    words="Documents, folders and table rows that your own programs write through the REST API.",
    also="json integration",
    schedules=(),
    tree=False,
)
