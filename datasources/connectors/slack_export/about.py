"""What is asked for to read the zip of a workspace export."""

from datasources.connectors.about import About, Auth, Setting
from datasources.connectors.slack.about import SINCE, TEXT_SETTINGS

ABOUT = About(
    kind="slack_export",
    label="Slack export",
    icon="archive-box",
    words="The zip that Slack gives when a workspace is exported, channel by channel.",
    auths=(
        Auth(
            "none",
            "A file",
            steps=(
                "In Slack, as an owner or admin, open the workspace's settings at slack.com/services/export.",
                "Choose the dates (Entire history takes all) and start the export; Slack mails when it is ready.",
                "Download the zip; the next step takes it as it is. A newer export takes the place of an older one.",
            ),
        ),
    ),
    settings=(
        *TEXT_SETTINGS,
        Setting(
            "workspace_url",
            "Address of the workspace",
            kind="url",
            placeholder="https://acme.slack.com",
            help="Makes links to the messages at Slack. The export itself does not hold it.",
        ),
    ),
    options=(SINCE,),
    schedules=(),
    files=True,
    unit="threads, days and files",
)
