"""What is asked for to read Google Drive, and what to do at Google."""

from datasources.connectors.about import About, Auth, OAuth, Setting, WebhookHelp

READ = "https://www.googleapis.com/auth/drive.readonly"
GROUPS = "https://www.googleapis.com/auth/admin.directory.group.member.readonly"
LABELS = "https://www.googleapis.com/auth/drive.labels.readonly"

ABOUT = About(
    kind="google_drive",
    label="Google Drive",
    icon="cloud",
    words="Docs, Sheets, Slides and files of My Drive and of shared drives.",
    also="spreadsheets presentations",
    auths=(
        Auth(
            "service_account",
            "Service account",
            steps=(
                "In the Google Cloud console (console.cloud.google.com), choose a project and enable the Google Drive API "
                "(APIs and services, Library).",
                "Under IAM and administration, Service accounts, create one. It needs no roles.",
                "Open it, choose Keys, then Add key, Create new key, JSON. Paste the file's text here.",
                "Share the folders with the service account's address as a viewer, or add it to the shared drives as a viewer.",
                "To read in a person's name instead, have an administrator allow its client id under Admin console, Security, "
                "API controls, Domain-wide delegation, with the scopes below (the second only to look up the members of groups, the "
                "third only to have labels as tags), and enter that person's address here.",
            ),
            scopes=(READ, GROUPS, LABELS),
            fields=(
                Setting(
                    "service_account",
                    "Key of the service account (JSON)",
                    kind="json",
                    secret=True,
                    required=True,
                    placeholder='{"type": "service_account", …}',
                ),
                Setting(
                    "subject",
                    "Reads in the name of",
                    placeholder="drive-reader@acme.com",
                    help="Only with domain-wide delegation. Empty reads what is shared with the service account itself.",
                ),
            ),
        ),
        Auth(
            "oauth",
            "Sign in with Google",
            steps=(
                "In the Google Cloud console (console.cloud.google.com), choose a project and enable the Google Drive API "
                "(APIs and services, Library).",
                "Set up the consent screen; choose Internal, so that nobody outside your company can use it.",
                "Under Credentials, create an OAuth client ID for a web application, with the redirect address shown here.",
                "Enter its client id and secret, press Continue, then Go to Google Drive and allow it, signed in as an account that "
                "can read what is to come in.",
            ),
            scopes=(READ,),
            fields=(
                Setting("client_id", "Client ID", required=True, secret=True),
                Setting("client_secret", "Client secret", required=True, secret=True),
            ),
            oauth=OAuth(
                "https://accounts.google.com/o/oauth2/v2/auth",
                "https://oauth2.googleapis.com/token",
                (READ,),
                extra={"access_type": "offline", "prompt": "consent"},
                by_setting={"labels": LABELS},
            ),
        ),
    ),
    base_url="https://www.googleapis.com",
    settings=(
        Setting(
            "labels",
            "Drive's labels become tags",
            kind="bool",
            initial=False,
            help="Each label of a file, and what is filled in on it, as in Contract: Signed. Needs the Drive Labels API, enabled "
            "in the same project, and the scope drive.labels.readonly.",
        ),
        Setting(
            "groups",
            "Look up the members of groups",
            kind="bool",
            initial=False,
            help="For mirrored readers: needs the scope admin.directory.group.member.readonly, by a service account that "
            "reads in the name of an administrator. Without it, nobody reads by a group.",
        ),
        Setting(
            "links",
            "Shared by link means",
            kind="choice",
            initial="all",
            choices=(("all", "whoever the link is for may read it"), ("named", "only those who are named may read it")),
            help="For mirrored readers.",
        ),
    ),
    webhook=WebhookHelp(
        steps=(
            "Google calls only an https address that is open to the internet.",
            "With the credentials of this source, call POST https://www.googleapis.com/drive/v3/changes/watch"
            "?pageToken=<from changes/startPageToken> with the body "
            '{"id": "<a new UUID>", "type": "web_hook", "address": "{url}", "token": "{secret}", "expiration": <milliseconds, at most 7 days from now>}.',
            "Such a channel lasts seven days at most: call it anew before, for example every six days. "
            "Without a channel, changes are still found on schedule.",
        ),
        signed_with="ours",
    ),
    mirrors=True,
    unit="files",
)
