"""What is asked for to read a web site."""

from datasources.connectors.about import About, Setting

ABOUT = About(
    kind="website",
    label="Web site",
    icon="globe-alt",
    words="Pages, PDFs and office files of a site, from a start address on.",
    also="homepage documentation intranet",
    asks_address=True,
    of_page=True,
    address="Of the page to begin with, such as https://docs.acme.com/.",
    settings=(
        Setting(
            "scope",
            "How far to go",
            kind="choice",
            initial="below",
            choices=(
                ("below", "Only below the start address"),
                ("host", "The whole site of that name"),
                ("domain", "That name and all names below it (docs.acme.com for acme.com)"),
            ),
        ),
        Setting(
            "depth",
            "How many links away from the start page",
            kind="number",
            initial=5,
            help="0 reads the start page alone.",
        ),
        Setting("pages", "At most so many pages", kind="number", initial=2000),
        Setting(
            "sitemap",
            "Sitemap",
            kind="choice",
            initial="also",
            choices=(
                ("also", "Use it, and follow links"),
                ("only", "Only what is in it"),
                ("off", "Don't use it"),
            ),
        ),
        Setting(
            "sitemap_url", "Address of the sitemap", kind="url", help="Empty: the one in robots.txt, or /sitemap.xml."
        ),
        Setting(
            "include",
            "Only these pages",
            kind="lines",
            placeholder="docs/**\nblog/2026/*",
            help="Patterns of paths, one a line.",
        ),
        Setting("exclude", "Not these pages", kind="lines", placeholder="archive/**\n*print=*"),
        Setting("files", "PDFs and office files, too", kind="bool", initial=True),
        Setting(
            "pace",
            "Seconds between two requests",
            kind="number",
            initial=0.2,
            help="If robots.txt asks for more, that counts, up to 10 seconds.",
        ),
    ),
    # A site is walked page by page each time: not every quarter of an hour.
    schedules=("off", "hourly", "daily"),
    unit="pages",
)
