"""What is asked for to read Salesforce."""

from datasources.connectors.about import About, Auth, OAuth, Setting

LOGIN = "https://login.salesforce.com"
OBJECTS = ("Account", "Opportunity", "Case", "Knowledge__kav")
"""What is read where nothing else is named, as far as the organisation has it."""
SCOPES = ("api", "refresh_token", "id", "openid")
_APP_STEP = "In Setup, open External Client App Manager (or App Manager) and make an app with OAuth switched on."

ABOUT = About(
    kind="salesforce",
    label="Salesforce",
    icon="briefcase",
    words="Accounts, opportunities, cases and knowledge, as documents and as tables.",
    also="crm customers sales tickets",
    base_url=LOGIN,
    address=(
        f"Empty for {LOGIN}. For a sandbox https://test.salesforce.com; or your own address (My Domain), "
        "such as https://acme.my.salesforce.com."
    ),
    auths=(
        Auth(
            "oauth",
            "Sign in with Salesforce",
            steps=(
                _APP_STEP,
                "Add the callback URL that is shown here, and choose the scopes named below.",
                "Copy the consumer key and the consumer secret. A new app works after some ten minutes.",
                "Sign in as a user that may read what is to come in, and no more: Atrium sees what this user sees.",
            ),
            scopes=SCOPES,
            fields=(
                Setting("client_id", "Consumer key", secret=True, required=True),
                Setting("client_secret", "Consumer secret", secret=True, required=True),
            ),
            oauth=OAuth(
                f"{LOGIN}/services/oauth2/authorize",
                f"{LOGIN}/services/oauth2/token",
                scopes=SCOPES,
                extra={"prompt": "login consent"},
            ),
        ),
        Auth(
            "jwt",
            "App with a certificate (JWT bearer)",
            steps=(
                _APP_STEP,
                f"Choose the scopes named below. A callback URL is asked for, but not used here: {LOGIN} will do.",
                "Switch on the JWT bearer flow, and upload a certificate whose private key you have.",
                "Let the user's profile use the app without asking (Admin approved users are pre-authorized).",
            ),
            scopes=SCOPES,
            fields=(
                Setting("client_id", "Consumer key", secret=True, required=True),
                Setting("username", "User", secret=True, required=True),
                Setting("private_key", "Private key (PEM)", secret=True, required=True),
            ),
        ),
        Auth(
            "password",
            "User, password and security token",
            steps=(
                "Make a user of its own for Atrium, with API Enabled and read rights to what is to come in.",
                "Signed in as that user, open Settings, Reset My Security Token; the token comes by mail.",
            ),
            fields=(
                Setting("username", "User", secret=True, required=True),
                Setting("password", "Password", secret=True, required=True),
                Setting("security_token", "Security token", secret=True),
            ),
        ),
    ),
    settings=(
        Setting(
            "objects",
            "Objects",
            kind="lines",
            placeholder="\n".join(OBJECTS),
            help="API names, one a line. Empty reads accounts, opportunities, cases and knowledge.",
        ),
    ),
    options=(
        Setting("list_view", "Only this list view", help="Its name, as Salesforce shows it.", offered=True),
        Setting(
            "soql",
            "Only these records",
            placeholder="Industry = 'Energy' AND IsDeleted = false",
            help="As after WHERE in SOQL.",
        ),
    ),
    unit="records",
)
