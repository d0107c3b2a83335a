"""What people hand over changes only when they hand over more, so there is nothing to schedule and nothing to choose."""

from datasources.connectors.about import About

ABOUT = About(
    kind="upload",
    label="Uploaded files",
    icon="arrow-up-tray",
    words="Files, folders and zips that you drop into the browser.",
    also="pdf word excel csv powerpoint spreadsheets",
    schedules=(),
    tree=False,
    files=True,
    unit="files",
)
