"""What is asked for to read Confluence, in the cloud or in a company's own data center."""

from datasources.connectors.about import About, Auth, Setting, WebhookHelp
from datasources.connectors.atlassian import AtlassianOAuth

SCOPES = (
    "search:confluence",
    "read:confluence-content.all",
    "read:confluence-content.permission",
    "read:confluence-space.summary",
    "read:confluence-user",
    "read:confluence-groups",
    "readonly:content.attachment:confluence",
    "read:space:confluence",
    "read:page:confluence",
    "read:folder:confluence",
    "read:attachment:confluence",
    "read:space.permission:confluence",
    "offline_access",
)

ABOUT = About(
    kind="confluence",
    label="Confluence",
    icon="book-open",
    words="Spaces, pages, blog posts and attachments of Confluence Cloud or Data Center.",
    also="wiki documentation atlassian",
    asks_address=True,
    address="Of your site, such as https://acme.atlassian.net, or of your own server.",
    auths=(
        Auth(
            name="token",
            label="Cloud: e-mail and API token",
            steps=(
                "Sign in as the person (better: a service account) who may see exactly what should come in.",
                "Open id.atlassian.com/manage-profile/security/api-tokens and choose “Create API token” (one without scopes).",
                "Name it Atrium, choose when it ends, and copy it.",
                "Enter the address of your site, the account's e-mail and the token here.",
            ),
            scopes=("What the account itself may view",),
            fields=(
                Setting("email", "E-mail of the account", required=True, placeholder="atrium@acme.com"),
                Setting("token", "API token", secret=True, required=True),
            ),
        ),
        Auth(
            name="oauth",
            label="Cloud: OAuth 2.0",
            steps=(
                "Open developer.atlassian.com/console/myapps and create an “OAuth 2.0 integration”.",
                "Under “Permissions” add the Confluence API with the scopes that are listed here.",
                "Under “Authorization” enter the redirect address that is shown here.",
                "Copy client id and secret from “Settings” into the fields here, enter the address of your site.",
                "Press Continue, then Go to Confluence and allow it.",
            ),
            scopes=SCOPES,
            fields=(
                Setting("client_id", "Client id", required=True),
                Setting("client_secret", "Client secret", secret=True, required=True),
            ),
            oauth=AtlassianOAuth(
                authorize_url="https://auth.atlassian.com/authorize",
                token_url="https://auth.atlassian.com/oauth/token",  # noqa: S106  (an address)
                scopes=SCOPES,
                extra={"audience": "api.atlassian.com", "prompt": "consent"},
            ),
        ),
        Auth(
            name="personal",
            label="Data Center: personal access token",
            steps=(
                "Sign in to your Confluence (7.9 or later) as the account that may see exactly what should come in.",
                "Open your picture → “Settings” → “Personal Access Tokens” → “Create token”.",
                "Name it Atrium, choose when it ends, and copy it.",
                "Enter the address of your Confluence and the token here.",
            ),
            scopes=("What the account itself may view",),
            fields=(Setting("token", "Personal access token", secret=True, required=True),),
        ),
    ),
    settings=(
        Setting("attachments", "Bring attachments in", kind="bool", initial=True),
        Setting(
            "restricted",
            "Bring in restricted pages, too",
            kind="bool",
            initial=False,
            help="Only without mirrored access: everybody whom the source is granted to here finds them then.",
        ),
        Setting(
            "mail_domain",
            "Domain of people's e-mail",
            placeholder="acme.com",
            help="Only for mirrored access on Data Center, which does not tell e-mails: user name + @ + this domain.",
        ),
        Setting(
            "space_readers",
            "Who may read a space, with mirrored access",
            kind="choice",
            initial="mirror",
            choices=(("mirror", "Whom Confluence names"), ("granted", "Whoever the source is granted to here")),
            help="Data Center tells this from 9.1 on, to admins of the space. Where it is not told, nobody may read.",
        ),
    ),
    webhook=WebhookHelp(
        steps=(
            "Data Center: open “Administration” → “General configuration” → “Webhooks” → “Create a webhook”.",
            "Enter {url} as URL and {secret} as secret. Choose the events of pages, blogs, attachments and content permissions.",
            "Cloud: open the space's (or the site's) “Automation” and make a rule for “Page published” and “Page edited”.",
            "Cloud: add “Send web request” to {url}, method POST, with the header X-Atrium-Secret set to {secret} and hidden, "
            'and the custom data {"id": "{{page.id}}", "type": "page"}.',
        ),
        signed_with="ours",
    ),
    mirrors=True,
    unit="pages",
)
