"""What is asked for to read GitHub: github.com, GitHub Enterprise Cloud, or a GitHub Enterprise Server."""

from datasources.connectors.about import About, Auth, OAuth, Setting, WebhookHelp
from datasources.connectors.github.addresses import addresses

_TOKEN = Setting("token", "Token", secret=True, required=True, placeholder="ghp_… or github_pat_…")
_CLASSIC = ("repo", "read:org", "read:discussion")
_READ = ("Contents: read", "Issues: read", "Pull requests: read", "Discussions: read", "Metadata: read")


class GitHubOAuth(OAuth):
    """People sign in at the web's address, whichever address of a server was entered."""

    def at(self, base_url: str) -> tuple[str, str]:
        return OAuth.at(self, addresses(base_url)[2])


ABOUT = About(
    kind="github",
    label="GitHub",
    icon="code-bracket",
    words="Code, issues, pull requests, discussions and wikis, repository by repository.",
    also="git bugs tickets",
    base_url="https://api.github.com",
    auths=(
        Auth(
            "fine_grained",
            "Fine-grained token",
            steps=(
                "Open GitHub › Settings › Developer settings › Personal access tokens › Fine-grained tokens › Generate new token.",
                "As resource owner choose the organisation (or yourself) that owns the repositories; one token reaches one owner.",
                "Under Repository access choose the repositories that Atrium may see.",
                "Under Repository permissions give read access to Contents, Issues, Pull requests and Discussions; Metadata comes by itself.",
                "Generate the token and paste it here. An organisation may have to approve it first.",
            ),
            scopes=_READ,
            fields=(_TOKEN,),
        ),
        Auth(
            "token",
            "Personal access token (classic)",
            steps=(
                "Open GitHub › Settings › Developer settings › Personal access tokens › Tokens (classic) › Generate new token.",
                "Tick repo (for private repositories; public_repo is enough for public ones), read:org and read:discussion.",
                "Generate the token and paste it here. Where the organisation uses single sign-on, choose Configure SSO beside the token and authorise it.",
            ),
            scopes=_CLASSIC,
            fields=(_TOKEN,),
        ),
        Auth(
            "oauth",
            "Sign in with GitHub",
            steps=(
                "Open the organisation's Settings › Developer settings › OAuth Apps › New OAuth App (your own account has the same under Settings).",
                "As homepage enter Atrium's address, and as authorization callback URL the address that is shown here.",
                "Register it, note the Client ID, choose Generate a new client secret, and enter both here.",
                "Press Continue, then Go to GitHub and allow it, signed in as an account that can read what is to come in. An organisation that restricts OAuth apps has to approve this one.",
            ),
            scopes=_CLASSIC,
            fields=(
                Setting("client_id", "Client ID", required=True),
                Setting("client_secret", "Client secret", secret=True, required=True),
            ),
            oauth=GitHubOAuth(
                "https://github.com/login/oauth/authorize",
                "https://github.com/login/oauth/access_token",
                _CLASSIC,
            ),
        ),
        Auth(
            "app",
            "GitHub App",
            steps=(
                "Open the organisation's Settings › Developer settings › GitHub Apps › New GitHub App.",
                "Switch its own webhook off, and give these repository permissions, read-only: Contents, Issues, Pull requests, Discussions, Metadata.",
                "Create it, note the App ID, and under Private keys generate a key: a .pem file is downloaded.",
                "Choose Install App, and the repositories that Atrium may see.",
                "Enter the App ID and paste the whole content of the .pem file. The installation is needed only where the app is installed more than once: it is the number at the end of its address.",
            ),
            scopes=_READ,
            fields=(
                Setting("app_id", "App ID", required=True, placeholder="123456"),
                Setting("installation_id", "Installation", placeholder="4567890"),
                Setting(
                    "private_key",
                    "Private key",
                    secret=True,
                    required=True,
                    placeholder="-----BEGIN RSA PRIVATE KEY-----",
                    help="The whole file, with its first and last line.",
                ),
            ),
        ),
    ),
    settings=(
        Setting(
            "accounts",
            "Only these users and organisations",
            kind="lines",
            placeholder="acme\nacme-labs",
            help="One a line. Empty: every repository that the connection was given. Public ones of others come in only if their owner stands here.",
        ),
        Setting(
            "forks",
            "Bring in forks, too",
            kind="bool",
            initial=False,
            help="A fork that is ticked by itself always comes in.",
        ),
        Setting("bots", "Bring in what bots wrote below issues and pull requests", kind="bool", initial=False),
    ),
    options=(
        Setting(
            "include",
            "Only these files",
            kind="lines",
            placeholder="docs/**\n*.py",
            help="Patterns over paths. Empty takes every file that people wrote.",
        ),
        Setting("exclude", "Not these files", kind="lines", placeholder="tests/**"),
        Setting(
            "date_from",
            "Issues, pull requests and discussions from",
            kind="date",
            help="What was last changed before that day stays out.",
        ),
    ),
    schedules=("off", "15min", "hourly", "daily"),
    webhook=WebhookHelp(
        steps=(
            "Open the organisation's (or the repository's) Settings › Webhooks › Add webhook.",
            "Payload URL: {url}",
            "Content type: application/json",
            "Secret: {secret}",
            "Choose “Let me select individual events” and tick Pushes, Issues, Issue comments, Pull requests, Pull request reviews, Pull request review comments, Discussions, Discussion comments, Wiki and Repositories.",
            "Add the webhook. GitHub sends a ping at once; its delivery should show a green tick.",
        ),
    ),
    unit="files, issues and pages",
)
