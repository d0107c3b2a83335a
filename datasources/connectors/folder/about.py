"""What is asked for to read a folder on the server."""

from datasources.connectors.about import About, Setting

ABOUT = About(
    kind="folder",
    label="Folder on the server",
    icon="folder",
    words="A directory on the machine that Atrium runs on, also a mounted share.",
    also="nas network drive pdf word excel csv",
    settings=(
        Setting("path", "Folder", required=True),
        Setting(
            "include",
            "Only these files",
            kind="lines",
            placeholder="*.md\nreports/**",
            help="Patterns, one a line. Empty takes everything.",
        ),
        Setting("exclude", "Not these files", kind="lines", placeholder="drafts/**\n*.tmp"),
    ),
    unit="files",
)
