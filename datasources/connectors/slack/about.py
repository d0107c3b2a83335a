"""What is asked for to read a Slack workspace, and how its app is made. Scopes: https://docs.slack.dev/reference/scopes"""

from datasources.connectors.about import About, Auth, OAuth, Setting, WebhookHelp

SCOPES = (
    "channels:read",
    "channels:history",
    "channels:join",
    "groups:read",
    "groups:history",
    "users:read",
    "users:read.email",
    "files:read",
    "canvases:read",
)
NEEDED = ("channels:read", "channels:history", "users:read")
"""Without these nothing can be read; what each of the others is for stands in docs/user-guide/connectors/slack.md."""

EVENTS = (
    "message.channels",
    "message.groups",
    "channel_created",
    "channel_rename",
    "channel_archive",
    "channel_unarchive",
    "channel_deleted",
    "group_rename",
    "group_archive",
    "group_unarchive",
    "group_deleted",
    "member_joined_channel",
    "member_left_channel",
    "tokens_revoked",
    "app_uninstalled",
)

_MAKE = "At api.slack.com/apps choose Create New App, From scratch, and the workspace. Keep the app internal: apps that are given to others may read only 15 messages a minute."
_SCOPES = "Under OAuth & Permissions, Bot Token Scopes, add the scopes that are listed here."

TEXT_SETTINGS = (
    Setting(
        "bots",
        "Messages of bots too",
        kind="bool",
        initial=False,
        help="Alerts and reminders drown what people wrote. A bot's message that people answered comes in anyway.",
    ),
    Setting(
        "notices",
        "Joins, topics and the like too",
        kind="bool",
        initial=False,
        help="What Slack itself writes into a channel. Days with nothing else are no documents.",
    ),
)
SINCE = Setting(
    "since", "Messages from", kind="date", help="Empty takes everything. A thread counts by its first message."
)

ABOUT = About(
    kind="slack",
    label="Slack",
    icon="chat-bubble-left-right",
    words="Channels of a Slack workspace: threads, messages by day, files and canvases.",
    also="chat",
    auths=(
        Auth(
            "oauth",
            "Sign in with Slack",
            steps=(
                _MAKE,
                "Under OAuth & Permissions, Redirect URLs, add the address that is shown here.",
                _SCOPES,
                "Copy the client ID and the client secret from Basic Information.",
            ),
            scopes=SCOPES,
            fields=(
                Setting("client_id", "Client ID", required=True),
                Setting("client_secret", "Client secret", secret=True, required=True),
            ),
            oauth=OAuth(
                "https://slack.com/oauth/v2/authorize",
                "https://slack.com/api/oauth.v2.access",
                SCOPES,
                scope_separator=",",
            ),
        ),
        Auth(
            "token",
            "Bot token",
            steps=(
                _MAKE,
                _SCOPES,
                "Choose Install to Workspace and allow it.",
                "Copy the Bot User OAuth Token; it begins with xoxb-.",
                "Invite the app into each private channel that may come in: /invite @ and the app's name.",
            ),
            scopes=SCOPES,
            fields=(Setting("token", "Bot token", secret=True, required=True, placeholder="xoxb-…"),),
        ),
    ),
    base_url="https://slack.com",
    settings=(
        *TEXT_SETTINGS,
        Setting(
            "join",
            "Join chosen public channels",
            kind="bool",
            initial=True,
            help="Slack lets an app read only channels that it is in. Off: invite it into each.",
        ),
        Setting(
            "look_back",
            "Days to look back for edits",
            kind="number",
            initial=14,
            help="Each sync reads these days anew (1 to 90). Older edits are seen by the webhook, or when everything is read anew.",
        ),
    ),
    options=(SINCE,),
    webhook=WebhookHelp(
        steps=(
            "In the app at api.slack.com/apps copy the Signing Secret from Basic Information, and enter it here.",
            "Under Event Subscriptions switch events on and enter {url} as Request URL; Slack checks it at once.",
            "Under Subscribe to bot events add: " + ", ".join(EVENTS) + ".",
            "Save, and reinstall the app where Slack asks for it.",
        ),
        signed_with="theirs",
    ),
    mirrors=True,
    choice_in_cursor=True,
    unit="threads, days and files",
)
