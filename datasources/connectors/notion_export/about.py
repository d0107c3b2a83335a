"""What is asked for to read an export of a Notion workspace: nothing but the file."""

from datasources.connectors.about import About, Auth

ABOUT = About(
    kind="notion_export",
    label="Notion export",
    icon="archive-box",
    words="The zip that Notion makes of a workspace or a page: Markdown and CSV, or HTML.",
    auths=(
        Auth(
            name="none",
            label="A file",
            steps=(
                "In Notion open “Settings” → “General” → “Export all workspace content” (or ••• → “Export” at one page).",
                "Choose “Markdown & CSV” (or HTML), “Include databases: everything”, and “Include subpages”.",
                "Notion mails a link; download the zip. It may hold further zips: leave them as they are.",
                "The next step takes the zip. A newer export takes the place of an older one, page by page.",
            ),
        ),
    ),
    schedules=(),
    files=True,
    unit="pages",
)
