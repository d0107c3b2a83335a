"""What is asked for to read Intercom. A workspace lives in one region, with addresses of its own."""

from dataclasses import dataclass

from datasources.connectors.about import About, Auth, OAuth, Setting, WebhookHelp

REGIONS = {
    "https://api.intercom.io": "https://app.intercom.com",
    "https://api.eu.intercom.io": "https://app.eu.intercom.com",
    "https://api.au.intercom.io": "https://app.au.intercom.com",
}
"""Where a region's API is → where its people sign in: the United States, Europe, Australia."""
US = next(iter(REGIONS))
SCOPES = ("Read conversations", "Read and list articles", "Read admins", "Read one admin", "Read tags")
_REGION_STEP = (
    "If your inbox is at app.eu.intercom.com or app.au.intercom.com, enter https://api.eu.intercom.io or "
    "https://api.au.intercom.io as the address, under More."
)


@dataclass(frozen=True, slots=True)
class RegionalOAuth(OAuth):
    """People sign in at another host than the API's, in each region."""

    def at(self, base_url: str) -> tuple[str, str]:
        root = base_url.rstrip("/")
        app = REGIONS.get(root)
        return (f"{app}/oauth", f"{root}/auth/eagle/token") if app else OAuth.at(self, base_url)


ABOUT = About(
    kind="intercom",
    label="Intercom",
    icon="chat-bubble-oval-left-ellipsis",
    words="Conversations with customers, team by team, and the articles of the help center.",
    also="support helpdesk tickets chat",
    base_url=US,
    address=(
        "Empty for the United States. For Europe https://api.eu.intercom.io, for Australia https://api.au.intercom.io; "
        "or an address of your own, such as a proxy."
    ),
    auths=(
        Auth(
            "token",
            "Access token",
            steps=(
                "Open the Developer Hub (Settings, Integrations, Developer Hub) and make an app in your workspace.",
                "Under Authentication, allow the permissions named below, and copy the access token.",
                _REGION_STEP,
            ),
            scopes=SCOPES,
            fields=(Setting("token", "Access token", secret=True, required=True),),
        ),
        Auth(
            "oauth",
            "Sign in with Intercom",
            steps=(
                "Open the Developer Hub (Settings, Integrations, Developer Hub) and make an app in your workspace.",
                "Under Authentication, switch on Use OAuth, add the redirect URL that Atrium shows, and allow the permissions named below.",
                "Copy the client ID and the client secret from Basic information.",
                _REGION_STEP,
            ),
            scopes=SCOPES,
            fields=(
                Setting("client_id", "Client ID", secret=True, required=True),
                Setting("client_secret", "Client secret", secret=True, required=True),
            ),
            oauth=RegionalOAuth(f"{REGIONS[US]}/oauth", f"{US}/auth/eagle/token", scopes=()),
        ),
    ),
    settings=(
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
