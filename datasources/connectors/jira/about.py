"""What is asked for to read Jira, in the cloud or in a company's own data center."""

from datasources.connectors.about import About, Auth, Setting, WebhookHelp
from datasources.connectors.atlassian import AtlassianOAuth

SCOPES = ("read:jira-work", "read:jira-user", "offline_access")


ABOUT = About(
    kind="jira",
    label="Jira",
    icon="ticket",
    words="Issues of Jira Cloud or Data Center with their comments, project by project or by JQL.",
    also="tickets bugs tracker atlassian",
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
                "Enter the address of your site (https://acme.atlassian.net), the account's e-mail and the token here.",
            ),
            scopes=("Browse projects, in each project that should come in",),
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
                "Under “Permissions” add the Jira API with the scopes read:jira-work and read:jira-user.",
                "Under “Authorization” enter the redirect address that is shown here.",
                "Copy client id and secret from “Settings” into the fields here, enter the address of your site.",
                "Press Continue, then Go to Jira and allow it.",
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
                "Sign in to your Jira (8.14 or later) as the account that may see exactly what should come in.",
                "Open your picture → “Profile” → “Personal Access Tokens” → “Create token”.",
                "Name it Atrium, choose when it ends, and copy it.",
                "Enter the address of your Jira (https://jira.acme.com) and the token here.",
            ),
            scopes=("Browse Projects, in each project that should come in",),
            fields=(Setting("token", "Personal access token", secret=True, required=True),),
        ),
    ),
    settings=(
        Setting(
            "jql",
            "Only issues that match this JQL",
            placeholder="statusCategory = Done",
            help="Holds for all projects, together with the JQL of a ticked one.",
        ),
        Setting(
            "fields",
            "More fields to read",
            kind="lines",
            placeholder="Acceptance criteria\nSteps to reproduce",
            help="Names of fields as Jira shows them, one a line. They stand in the text below the description.",
        ),
        Setting(
            "secured",
            "Bring in issues with a security level, too",
            kind="bool",
            initial=False,
            help="Only some people may see those at Jira. Here they are seen by everyone whom the source is granted to.",
        ),
    ),
    options=(
        Setting("jql", "Only issues that match this JQL", placeholder="labels = faq AND type != Sub-task"),
        Setting("date_from", "Issues from", kind="date", help="What was last changed before that day stays out."),
    ),
    webhook=WebhookHelp(
        steps=(
            "Open Jira administration → “System” → “WebHooks” → “Create a WebHook”. It takes a Jira administrator.",
            "URL: {url}",
            "Secret: {secret}",
            "Tick Issue created, updated and deleted; Comment created, updated and deleted; Project created, updated and deleted. "
            "To narrow it to some projects, enter a JQL.",
            "Save it, change an issue, and look here whether it was heard.",
        ),
        signed_with="ours",
    ),
    unit="issues",
)
