"""What is asked for to read Notion."""

from datasources.connectors.about import About, Auth, OAuth, Setting, WebhookHelp

CAPABILITIES = ("Read content", "Read user information without email addresses")

ABOUT = About(
    kind="notion",
    label="Notion",
    icon="document-text",
    words="Pages and databases of a Notion workspace, with everything below them.",
    also="wiki documentation",
    base_url="https://api.notion.com",
    auths=(
        Auth(
            name="token",
            label="Internal integration",
            steps=(
                "Open notion.so/profile/integrations as an owner of the workspace and choose “New integration”.",
                "Name it Atrium, choose the workspace and the type “Internal”, and save.",
                "Under “Capabilities” tick “Read content” and choose “Read user information without email addresses”; untick the rest.",
                "Under “Access” (or at each page: ••• → Connections) add the pages that may be read; what is below them comes along.",
                "Copy the “Internal Integration Secret” (it begins with ntn_ or secret_) into the field here.",
            ),
            scopes=CAPABILITIES,
            fields=(Setting("token", "Internal integration secret", secret=True, required=True, placeholder="ntn_…"),),
        ),
        Auth(
            name="oauth",
            label="Public integration (OAuth)",
            steps=(
                "Open notion.so/profile/integrations, choose “New integration” and the type “Public”.",
                "Under “Redirect URIs” enter the address that is shown here.",
                "Under “Capabilities” tick “Read content” and choose “Read user information without email addresses”; untick the rest.",
                "Copy the OAuth client id and secret into the fields here.",
                "Press Continue, then Go to Notion and allow it: Notion asks which pages Atrium may read.",
            ),
            scopes=CAPABILITIES,
            fields=(
                Setting("client_id", "OAuth client id", required=True),
                Setting("client_secret", "OAuth client secret", secret=True, required=True),
            ),
            oauth=OAuth(
                authorize_url="https://api.notion.com/v1/oauth/authorize",
                token_url="https://api.notion.com/v1/oauth/token",  # noqa: S106  (an address)
                scopes=(),
                extra={"owner": "user"},
                client_auth="client_secret_basic",
            ),
        ),
    ),
    webhook=WebhookHelp(
        steps=(
            "Open the integration at notion.so/profile/integrations and go to “Webhooks” → “Create a subscription”.",
            "Enter {url} as the webhook's address and choose all events of pages, databases and data sources.",
            "Notion sends a verification token to that address at once; reload this page to see it.",
            "Press “Verify” at Notion, paste {secret} and confirm. From then on Notion signs what it sends with it.",
        ),
        signed_with="sent",
    ),
    unit="pages",
)
