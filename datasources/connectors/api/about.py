"""What integrations write is there at once, so there is nothing to connect and nothing to schedule."""

from datasources.connectors.about import About

ABOUT = About(
    kind="api",
    label="Written by API",
    icon="code-bracket",
    words="Documents, folders and table rows that your own programs write through the REST API.",
    schedules=(),
)
