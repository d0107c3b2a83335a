"""What is asked for to read Intercom. A workspace lives in one region, with addresses of its own."""

from datasources.connectors.about import About, Auth, OAuth, Setting, WebhookHelp

REGIONS = {
    "us": ("United States", "https://api.intercom.io", "https://app.intercom.com"),
    "eu": ("Europe", "https://api.eu.intercom.io", "https://app.eu.intercom.com"),
    "au": ("Australia", "https://api.au.intercom.io", "https://app.au.intercom.com"),
}
SCOPES = ("Read conversations", "Read and list articles", "Read admins", "Read one admin", "Read tags")
_APP = (
    Setting("client_id", "Client ID", secret=True, required=True),
    Setting("client_secret", "Client secret", secret=True, required=True),
)


def _oauth(region: str) -> Auth:
    words, api, app = REGIONS[region]
    return Auth(
        "oauth" if region == "us" else f"oauth_{region}",
        f"Sign in with Intercom ({words})",
        steps=(
            "Open the Developer Hub (Settings, Integrations, Developer Hub) and make an app in your workspace.",
            "Under Authentication, switch on Use OAuth, add the redirect URL that Atrium shows, and allow the permissions named below.",
            "Copy the client ID and the client secret from Basic information.",
        ),
        scopes=SCOPES,
        fields=_APP,
        oauth=OAuth(f"{app}/oauth", f"{api}/auth/eagle/token", scopes=()),
    )


ABOUT = About(
    kind="intercom",
    label="Intercom",
    icon="chat-bubble-oval-left-ellipsis",
    words="Conversations with customers, team by team, and the articles of the help center.",
    base_url=REGIONS["us"][1],
    auths=(
        Auth(
            "token",
            "Access token",
            steps=(
                "Open the Developer Hub (Settings, Integrations, Developer Hub) and make an app in your workspace.",
                "Under Authentication, allow the permissions named below, and copy the access token.",
                "Choose the region of your workspace: it stands in the address of your inbox (app.intercom.com, app.eu.intercom.com or app.au.intercom.com).",
            ),
            scopes=SCOPES,
            fields=(Setting("token", "Access token", secret=True, required=True),),
        ),
        *(_oauth(region) for region in REGIONS),
    ),
    settings=(
        Setting(
            "region",
            "Region",
            kind="choice",
            initial="us",
            choices=tuple((key, words) for key, (words, _, _) in REGIONS.items()),
        ),
        Setting(
            "notes",
            "Internal notes, too",
            kind="bool",
            initial=False,
            help="What teammates write to each other inside a conversation. Everyone who may read this source will see it.",
        ),
        Setting("since", "Conversations from", kind="date", help="Those that were not touched since then stay out."),
    ),
    webhook=WebhookHelp(
        steps=(
            "In the Developer Hub, open your app and choose Webhooks.",
            "Enter {url} as the endpoint.",
            "Choose the topics that begin with conversation: created, replied, assigned, closed, opened, tag and deleted.",
            "Copy the client secret from Basic information and enter it here: Intercom signs with it.",
        ),
        signed_with="theirs",
    ),
    unit="conversations and articles",
)
