"""Vendors as a person meets them: how each is connected, what is ticked there, and what somebody changes afterwards."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tests.vendors.places import (
    confluence,
    elasticsearch,
    github,
    google_drive,
    intercom,
    jira,
    notion,
    oauth,
    salesforce,
    slack,
    website,
)
from tests.vendors.places.loopback import Loopback
from tests.vendors.places.slack_held import Workspace, small_company

Sent = tuple[bytes, Mapping[str, str]]


@dataclass(frozen=True)
class Place:
    """``entered``: names of the form's fields → what is typed; ``way``: how to connect, where there are several.

    ``ticked``: two paths in the tree. ``there``: names of documents, one of each path; ``absent``: of one that does not come in.
    ``change`` is done at the vendor; ``says`` is in the answer to ``question`` only then. ``send`` makes the delivery that
    tells of it, signed with a secret; ``theirs`` is that secret where the vendor makes it up.
    """

    kind: str
    serve: Callable[[], Any]
    ticked: tuple[tuple[str, ...], ...]
    there: tuple[str, str]
    absent: str
    change: Callable[[Any], None]
    question: str
    says: str
    way: str = ""
    entered: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    send: Callable[[Any, str], Sent] | None = None
    theirs: str = ""


def github_signed(secret: str, event: str, told: Mapping[str, Any]) -> Sent:
    body = json.dumps(told).encode()
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return body, {"x-github-event": event, "x-github-delivery": "1", "x-hub-signature-256": f"sha256={digest}"}


# ---- Slack -------------------------------------------------------------------------------------------------------

REFUND = "How does a customer get a refund after 30 days?"


def slack_held(server: slack.SlackServer) -> Workspace:
    assert isinstance(server.workspace, Workspace)
    return server.workspace


def slack_answers_anew(server: slack.SlackServer) -> None:
    held = slack_held(server)
    told = next(m for m in held.messages("C02") if "as a voucher" in m["text"])
    held.edit("C02", told["ts"], "Refunds come within 45 days, by bank transfer.")


def slack_sends(server: slack.SlackServer, secret: str) -> Sent:
    messages = slack_held(server).messages("C02")
    told = next(m for m in messages if "bank transfer" in m["text"])
    inner = {"type": "message", "subtype": "message_changed", "channel": "C02", "ts": told["ts"], "message": told}
    body = slack.event(inner)
    return body, slack.signed(body, secret=secret)


SLACK = Place(
    kind="slack",
    serve=lambda: slack.SlackServer(small_company(), page=3),
    way="Bot token",
    ticked=(("general",), ("support",)),
    there=("refund", "general"),
    absent="random",
    change=slack_answers_anew,
    question=REFUND,
    says="45 days, by bank transfer",
    send=slack_sends,
    theirs=slack.SIGNING_SECRET,
)

# ---- The others --------------------------------------------------------------------------------------------------


def notion_edited(server: notion.NotionServer) -> None:
    page = notion.uid("Leave")
    server.put_blocks(page, [notion.block("paragraph", "Shore leave is booked with the harbour master.")])
    server.touch(page)


def notion_sends(server: notion.NotionServer, secret: str) -> Sent:
    entity = {"id": notion.uid("Leave"), "type": "page"}
    return server.signed({"id": "e1", "type": "page.content_updated", "entity": entity, "data": {}}, secret)


def drive_sends(server: google_drive.GoogleDriveServer, secret: str) -> Sent:
    told = {"channel-id": "c1", "message-number": "2", "resource-state": "change", "channel-token": secret}
    told["resource-uri"] = "https://www.googleapis.com/drive/v3/changes?alt=json"
    return b"", {f"x-goog-{name}": value for name, value in told.items()}


def github_written(server: github.GitHubServer) -> None:
    text = "# Leave\n\nSabbaticals last eleven weeks, after seven years with the crew.\n"
    server.write(server.repos[101], "docs/leave.md", text, datetime.now(UTC))


def github_asked(server: github.GitHubServer) -> None:
    now = datetime.now(UTC)
    server.issue(server.repos[102], "The figurehead", "It was carved by the carpenter Amundsen.", at=now)


def github_sends(server: github.GitHubServer, secret: str) -> Sent:
    repository = {"id": 101, "default_branch": "main", "full_name": "fernholt/handbook"}
    commit = {"id": "c1", "added": [], "removed": [], "modified": ["docs/leave.md"]}
    return github_signed(
        secret, "push", {"ref": "refs/heads/main", "repository": repository, "commits": [commit], "forced": False}
    )


def confluence_served() -> confluence.ConfluenceServer:
    server = confluence.ConfluenceServer()
    server.add_space("SEC", "Safekeeping")
    server.add("Vault codes", "SEC", "<p>They are kept on paper.</p>")
    return server


def confluence_edited(server: confluence.ConfluenceServer) -> None:
    key = server.by_title("Releases")
    server.edit(key, "<p>The release train leaves on the first Thursday of a month.</p>")
    server.contents[key]["when"] = datetime.now(UTC)


def confluence_sends(server: confluence.ConfluenceServer, secret: str) -> Sent:
    page = {"id": int(server.by_title("Releases")), "contentType": "page", "spaceKey": "ENG"}
    now = int(datetime.now(UTC).timestamp() * 1000)
    return server.signed({"timestamp": now, "event": "page_updated", "page": page}, secret)


def jira_served() -> jira.JiraServer:
    server = jira.fernholt(jira.JiraServer())
    server.issue(server.project("10002", "HR", "Personnel"), "Salary round", "Confidential until spring.")
    return server


def jira_commented(server: jira.JiraServer) -> None:
    found = next(one for one in server.issues_held.values() if one["summary"] == "Replace the desiccant")
    found["updated"] = datetime.now(UTC)
    server.comment(found["id"], "ben", "The new desiccant is orange zeolite, from the chandler in Bergen.")


def jira_sends(server: jira.JiraServer, secret: str) -> Sent:
    found = next(one for one in server.issues_held.values() if one["summary"] == "Replace the desiccant")
    issue = {"id": found["id"], "key": found["key"]}
    body = json.dumps({"timestamp": 1, "webhookEvent": "jira:issue_updated", "issue": issue}).encode()
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return body, {"x-hub-signature": f"sha256={digest}", "x-atlassian-webhook-identifier": "1"}


def intercom_replied(server: intercom.IntercomServer) -> None:
    server.reply("102", "<p>The refund for the trombone was sent by carrier pigeon.</p>")


def intercom_sends(server: intercom.IntercomServer, secret: str) -> Sent:
    assert secret == intercom.CLIENT_SECRET
    delivery = server.notification("conversation.admin.replied", {"type": "conversation", "id": "102"})
    return delivery.body, delivery.headers


def elasticsearch_served() -> elasticsearch.ElasticsearchServer:
    server = elasticsearch.filled()
    at = "2026-03-01T09:00:00Z"
    server.indices["minutes"] = {"m1": {"title": "Crew meeting", "content": "We met on deck.", "updated_at": at}}
    return server


def elasticsearch_written(server: elasticsearch.ElasticsearchServer) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    server.indices["minutes"]["m1"].update(
        content="The crew meeting moved to the observatory, on Wednesdays.", updated_at=now
    )


PLACES = (
    Place(
        kind="notion",
        serve=notion.NotionServer,
        way="Internal integration",
        entered={"token-token": notion.TOKEN},
        ticked=(("Handbook", "Leave"), ("Engineering", "Releases")),
        there=("Leave", "Releases"),
        absent="Office",
        change=notion_edited,
        question="With whom is shore leave booked?",
        says="harbour master",
        send=notion_sends,
        theirs="secret_of_notion",
    ),
    Place(
        kind="google_drive",
        serve=google_drive.filled,
        way="Service account",
        entered={"service_account-service_account": google_drive.service_account()},
        ticked=(("My Drive", "Handbook"), ("Sales",)),
        there=("rail.md", "terms.md"),
        absent="pay.md",
        change=lambda server: server.edit("t-rail", b"Night trains are booked through the dispatcher Olafsson."),
        question="Who books the night trains?",
        says="dispatcher Olafsson",
        send=drive_sends,
    ),
    Place(
        kind="github",
        serve=lambda: github.fernholt(github.GitHubServer()),
        way="Personal access token (classic)",
        entered={"token-token": github.TOKEN},
        ticked=(("fernholt/handbook", "Code"), ("fernholt/lab", "Issues")),
        there=("leave.md", "balance drifts"),
        absent="scale.py",
        change=github_written,
        question="How long do sabbaticals last?",
        says="eleven weeks",
        send=github_sends,
    ),
    Place(
        kind="confluence",
        serve=confluence_served,
        way="Cloud: e-mail and API token",
        entered={"token-email": confluence.EMAIL, "token-token": confluence.TOKEN},
        path="/wiki",
        ticked=(("Handbook",), ("Engineering",)),
        there=("Parental leave", "Releases"),
        absent="Vault codes",
        change=confluence_edited,
        question="When does the release train leave?",
        says="first Thursday",
        send=confluence_sends,
    ),
    Place(
        kind="jira",
        serve=jira_served,
        way="Cloud: e-mail and API token",
        entered={"token-email": jira.EMAIL, "token-token": jira.TOKEN},
        ticked=(("Scales (SCALE)",), ("Laboratory (LAB)",)),
        there=("Translate the manual", "Replace the desiccant"),
        absent="Salary round",
        change=jira_commented,
        question="What is the new desiccant?",
        says="orange zeolite",
        send=jira_sends,
    ),
    Place(
        kind="intercom",
        serve=intercom.filled,
        way="Access token",
        entered={"token-token": intercom.TOKEN},
        ticked=(("Billing",), ("FAQ",)),
        there=("Where are my bills?", "Where is my refund?"),
        absent="question7",
        change=intercom_replied,
        question="How was the refund for the trombone sent?",
        says="carrier pigeon",
        send=intercom_sends,
        theirs=intercom.CLIENT_SECRET,
    ),
    Place(
        kind="salesforce",
        serve=salesforce.filled,
        way="User, password and security token",
        entered={
            "password-username": salesforce.USER,
            "password-password": salesforce.PASSWORD,
            "password-security_token": salesforce.SECURITY_TOKEN,
        },
        ticked=(("Opportunities",), ("Cases",)),
        there=("Turbine is loud", "New turbine"),
        absent="Customer7 Ltd",
        change=lambda server: server.put("Case", "500A", Description="A pine marten lived in the nacelle."),
        question="What lived in the nacelle?",
        says="pine marten",
    ),
    Place(
        kind="website",
        serve=website.filled,
        entered={"s-scope": "host", "s-pace": "0"},
        path="/",
        ticked=(("handbook", "travel"), ("blog",)),
        there=("Hotels", "Summer"),
        absent="Leave",
        change=lambda server: setattr(
            server.pages["/blog/spring.html"], "text", "The new workshop makes brass sextants for the coast guard."
        ),
        question="What does the new workshop make?",
        says="brass sextants",
    ),
    Place(
        kind="elasticsearch",
        serve=elasticsearch_served,
        way="API key",
        entered={
            "api_key-key": elasticsearch.KEY,
            "s-title_field": "title",
            "s-text_fields": "content",
            "s-time_field": "updated_at",
        },
        ticked=(("handbook",), ("minutes",)),
        there=("Leave", "Crew meeting"),
        absent="Ticket 7",
        change=elasticsearch_written,
        question="Where is the crew meeting?",
        says="observatory",
    ),
)

SIGNED_IN = replace(
    next(place for place in PLACES if place.kind == "github"),
    way="Sign in with GitHub",
    entered={"oauth-client_id": oauth.CLIENT_ID, "oauth-client_secret": oauth.CLIENT_SECRET},
    change=github_asked,
    question="Who carved the figurehead?",
    says="carpenter Amundsen",
)
"""As those who sign in meet it, with another change: what the one before brought in is answered, too."""


def address(place: Place, server: Loopback) -> str:
    return server.base_url + place.path
