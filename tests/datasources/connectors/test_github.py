"""GitHub: each part of a repository apart, its limits obeyed, and renames that move nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from datasources import connecting, oauth
from datasources.connectors.around import Around
from datasources.connectors.base import (
    Checkpoint,
    Chosen,
    Complete,
    ConnectorError,
    Delete,
    Delivery,
    DeliveryRefused,
    NodeError,
    RemoteNode,
    Skipped,
    Upsert,
)
from datasources.connectors.github.addresses import addresses
from datasources.connectors.github.connector import GitHub
from datasources.connectors.github.texts import body
from datasources.connectors.github.tree import GENERATED, LINK, SUBMODULE, VENDORED
from datasources.entered import read_entered
from datasources.ingestion.extract import Extractor
from datasources.models import DataSource
from datasources.sources import connector_for
from portal.models import Credential
from tests.contracts.vendor import ALL, Seen, VendorContract, VendorPlace
from tests.vendors.places.github import TOKEN, GitHubServer, fernholt
from tests.vendors.places.oauth import CLIENT_ID, CLIENT_SECRET

SECRET = "the hook's secret"


class Place(VendorPlace):
    """Edits a file; subclasses edit something else."""

    branches = ("repo:101", "repo:102")

    def __init__(self, server: GitHubServer) -> None:
        self.server: GitHubServer = server
        self.handbook, self.lab = server.repos[101], server.repos[102]
        self.words = {
            "file:101:README.md": "crew",
            "file:101:docs/leave.md": "fifteenth",
            "issue:101:1": "twentyeight",
            "issue:101:2": "monstera",
            "pull:101:3": "Correctness",
            "discussion:101:4": "lakeside",
            "page:101:Home.md": "quarterdeck",
            "page:101:On-call.md": "bell",
            "file:102:src/scale.py": "calibrated",
            "file:102:src/drift.go": "microgram",
            "issue:102:1": "micrograms",
        }

    def connector(self, **config: Any) -> GitHub:
        given = {"base_url": self.server.base_url, **config}
        return GitHub(given, {"auth": "token", "token": TOKEN}, Around(Extractor(workers=1)))

    def documents(self) -> dict[str, str]:
        return dict(self.words)

    def branch_of(self, external_id: str) -> str:
        return f"repo:{external_id.split(':')[1]}"

    def edit(self) -> str:
        self.server.write(self.handbook, "docs/leave.md", "# Leave\n\nThirty-one days.\n", datetime.now(UTC))
        self.words["file:101:docs/leave.md"] = "Thirty-one"
        return "file:101:docs/leave.md"

    def add(self) -> str:
        self.server.write(self.handbook, "docs/tools/drill.md", "Wear the goggles.\n", datetime.now(UTC))
        self.words["file:101:docs/tools/drill.md"] = "goggles"
        return "file:101:docs/tools/drill.md"

    def delete(self) -> str:
        del self.handbook.files["docs/leave.md"], self.words["file:101:docs/leave.md"]
        self.handbook.pushed = datetime.now(UTC)
        return "file:101:docs/leave.md"

    def deliver(self, external_id: str) -> Delivery | None:
        commit = {"id": "c0ffee", "added": [], "modified": [external_id.split(":", 2)[2]], "removed": []}
        return delivery("push", self, {"ref": "refs/heads/main", "forced": False, "commits": [commit]})


class IssuePlace(Place):
    exact_deletes = False

    def edit(self) -> str:
        found = self.handbook.issues[1]
        found["updated"] = datetime.now(UTC)
        found["comments"].append({"author": "ann", "body": "Done, thank you, hurrah.", "at": found["updated"]})
        self.words["issue:101:1"] = "hurrah"
        return "issue:101:1"

    def add(self) -> str:
        number = self.server.issue(self.handbook, "New", "A brandnew wish", pull=True, at=datetime.now(UTC))
        self.words[f"pull:101:{number}"] = "brandnew"
        return f"pull:101:{number}"

    def delete(self) -> str:
        del self.handbook.issues[2], self.words["issue:101:2"]
        return "issue:101:2"

    def deliver(self, external_id: str) -> Delivery | None:
        return delivery("issue_comment", self, {"action": "created", "issue": {"number": 1}})


def delivery(event: str, place: Place, told: dict[str, Any], secret: str = SECRET) -> Delivery:
    told = {"repository": {"id": 101, "default_branch": "main"}, **told}
    payload = json.dumps(told).encode()
    signature = "sha256=" + hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()
    headers = {"x-github-event": event, "x-hub-signature-256": signature, "x-github-delivery": "72d3162e-cc78"}
    return Delivery("POST", headers, {}, payload, SECRET, datetime.now(UTC))


@pytest.fixture
def server() -> Iterator[GitHubServer]:
    with fernholt(GitHubServer()) as running:
        running.page_size = 2
        yield running


@pytest.fixture
def place(server: GitHubServer) -> VendorPlace:
    return Place(server)


class TestFiles(VendorContract):
    pass


class TestIssues(VendorContract):
    @pytest.fixture
    def place(self, server: GitHubServer) -> VendorPlace:
        return IssuePlace(server)


def skipped(place: Place, **config: Any) -> dict[str, str]:
    found = place.connector(**config).changes({}, ALL)
    return {change.node.external_id: change.reason for change in found if isinstance(change, Skipped)}


def text_of(place: Place, external_id: str, **config: Any) -> str:
    connector = place.connector(**config)
    content = connector.fetch(Seen().run(connector).nodes[external_id])
    return content.markdown if content.markdown is not None else content.data.decode()


def test_each_part_of_a_repository_is_a_branch_of_its_own(place: Place) -> None:
    parts = list(place.connector().children("repo:101"))
    assert [node.title for node in parts] == ["Code", "Issues", "Pull requests", "Discussions", "Wiki"]
    for part, expected in {
        "code:101": {"file:101:README.md", "file:101:docs/leave.md"},
        "issues:101": {"issue:101:1", "issue:101:2"},
        "pulls:101": {"pull:101:3"},
        "discussions:101": {"discussion:101:4"},
        "wiki:101": {"page:101:Home.md", "page:101:On-call.md"},
    }.items():
        place.server.requests.clear()
        assert Seen().run(place.connector(), [Chosen(part)]).documents() == expected
        asked = " ".join(path for _, path in place.server.requests)
        assert "/repositories/102" not in asked
        assert ("git/trees" in asked) == (part == "code:101")
        assert ("wiki.git" in asked) == (part == "wiki:101")


def test_the_tree_opens_down_to_files_and_leaves_out_what_never_comes_in(place: Place) -> None:
    connector = place.connector()
    assert [node.title for node in connector.children("code:101")] == ["docs", "README.md"]
    assert [node.external_id for node in connector.children("folder:101:docs")] == ["file:101:docs/leave.md"]
    assert [node.title for node in connector.children("pulls:101")] == ["#3 Thirty days, not twenty-eight"]
    assert [node.title for node in connector.children("wiki:101")] == ["Home", "On call"]


def test_path_globs_narrow_the_code_alone(place: Place) -> None:
    line = Chosen("repo:101", options={"include": ["docs/**"], "exclude": ["*.txt"]})
    found = Seen().run(place.connector(), [line]).documents()
    assert "file:101:docs/leave.md" in found
    assert "file:101:README.md" not in found
    assert "issue:101:1" in found


def test_a_day_from_which_on_leaves_older_threads_out(place: Place) -> None:
    place.handbook.issues[2]["updated"] = datetime(2026, 6, 1, tzinfo=UTC)
    line = Chosen("repo:101", options={"date_from": "2026-05-01"})
    found = Seen().run(place.connector(), [line]).documents()
    assert {key for key in found if key.startswith(("issue", "pull", "discussion"))} == {"issue:101:2"}
    assert "file:101:README.md" in found


@pytest.mark.parametrize("truncated", [False, True])
def test_what_was_added_later_stays_out_where_it_is_not_wanted(place: Place, truncated: bool) -> None:
    place.server.truncate_trees = truncated
    place.handbook.history = [(datetime(2026, 3, 3, tzinfo=UTC), dict(place.handbook.files))]
    line = Chosen("repo:101", future=False, options={"chosen_at": datetime.now(UTC).isoformat()})
    time.sleep(1.1)
    added = {place.add(), IssuePlace.add(place)}
    found = Seen().run(place.connector(), [line]).documents()
    assert not added & found
    assert {"file:101:README.md", "file:101:docs/leave.md", "issue:101:1"} <= found


def test_what_people_did_not_write_is_skipped_with_the_reason(place: Place) -> None:
    place.server.write(place.lab, "package-lock.json", "{}")
    place.server.write(place.lab, "sub", "x")
    place.server.write(place.lab, "link.md", "README.md")
    place.lab.modes |= {"sub": "160000", "link.md": "120000"}
    found = skipped(place)
    assert found["folder:101:node_modules"] == VENDORED
    assert "file:101:node_modules/left-pad/index.js" not in found
    assert found["file:102:package-lock.json"] == GENERATED
    assert found["file:102:sub"] == SUBMODULE
    assert found["file:102:link.md"] == LINK
    assert "kind of file" in found["file:101:docs/logo.png"]


def test_a_vendored_folder_that_is_ticked_by_itself_comes_in(place: Place) -> None:
    found = Seen().run(place.connector(), [Chosen("folder:101:node_modules")]).documents()
    assert found == {"file:101:node_modules/left-pad/index.js"}


def test_a_fork_comes_in_only_where_it_is_wanted(place: Place) -> None:
    assert "fork" in skipped(place)["repo:103"]
    assert "file:103:numpy.py" in Seen().run(place.connector(forks=True)).documents()
    assert Seen().run(place.connector(), [Chosen("repo:103")]).documents() == {"file:103:numpy.py"}
    assert "fork" in next(n for n in place.connector().children(None) if n.external_id == "repo:103").tags


def test_a_renamed_repository_keeps_every_id(place: Place) -> None:
    seen = Seen().run(place.connector())
    before = seen.versions()
    place.handbook.full_name = "fernholt-group/crew-handbook"
    seen.run(place.connector())
    assert seen.versions() == before
    assert seen.nodes["repo:101"].title == "fernholt-group/crew-handbook"


def test_only_named_owners_are_listed(place: Place) -> None:
    place.server.repository(200, "others/thing")
    assert [n.title for n in place.connector(accounts=["others"]).children(None)] == ["others/thing"]
    with pytest.raises(ConnectorError, match="nobody-here"):
        list(place.connector(accounts=["nobody-here"]).children(None))


def test_many_files_come_as_one_tarball(place: Place) -> None:
    for number in range(60):
        place.server.write(place.lab, f"notes/{number}.md", f"note {number} é\n")
    connector = place.connector()
    seen = Seen().run(connector, [Chosen("folder:102:notes")])
    place.server.requests.clear()
    for key in seen.documents():
        assert connector.fetch(seen.nodes[key]).data.decode() == f"note {key.rpartition('/')[2][:-3]} é\n"
    assert len([path for _, path in place.server.requests if "git/blobs" in path]) == 20
    assert len([path for _, path in place.server.requests if "tarball" in path]) == 1


def test_a_file_that_the_tarball_holds_otherwise_is_asked_for_singly(place: Place) -> None:
    connector = place.connector()
    seen = Seen().run(connector, [Chosen("code:102")])
    node = seen.nodes["file:102:src/scale.py"]
    for _ in range(25):
        connector.fetch(node)
    place.server.write(place.lab, "src/scale.py", "changed = True\n")
    now = Seen().run(connector, [Chosen("code:102")]).nodes["file:102:src/scale.py"]
    assert connector.fetch(now).data == b"changed = True\n"


def test_a_pointer_to_large_storage_is_said_to_be_one(place: Place) -> None:
    place.server.write(place.lab, "model.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    with pytest.raises(NodeError, match="LFS") as caught:
        text_of(place, "file:102:model.txt")
    assert caught.value.skip


def test_a_tree_too_large_to_be_told_at_once_is_walked(place: Place) -> None:
    whole = Seen().run(place.connector()).versions()
    place.server.truncate_trees = True
    assert Seen().run(place.connector()).versions() == whole


def test_an_empty_repository_is_no_error(place: Place) -> None:
    place.server.repository(300, "fernholt/empty")
    seen = Seen().run(place.connector())
    assert "code:300" in seen.nodes
    assert seen.scopes[-1] is None


def test_reviews_and_comments_of_all_pages_stand_in_order_without_bots(place: Place) -> None:
    at = datetime(2026, 4, 1, tzinfo=UTC)
    pull = place.handbook.issues[3]
    pull["comments"] = [{"author": "ben", "body": f"remark {n}", "at": at + timedelta(hours=n)} for n in range(5)]
    pull["comments"].append({"author": "coverage[bot]", "body": "87 percent", "at": at})
    pull["comments"].append({"author": "eve", "body": "spam", "at": at, "hidden": True})
    remark = {"author": "cid", "body": "Name it better", "at": at, "path": "docs/leave.md"}
    pull["reviews"] = [
        {"author": "cid", "body": "Nearly.", "state": "CHANGES_REQUESTED", "at": at, "comments": [remark]}
    ]
    text = text_of(place, "pull:101:3")
    assert [text.index(f"remark {n}") for n in range(5)] == sorted(text.index(f"remark {n}") for n in range(5))
    assert "## Review by cid, 2026-04-01, asks for changes" in text
    assert "**On docs/leave.md, cid" in text
    assert "87 percent" not in text
    assert "spam" not in text
    assert "87 percent" in text_of(place, "pull:101:3", bots=True)


def test_a_discussion_has_its_answer_and_its_replies(place: Place) -> None:
    at = datetime(2026, 4, 1, tzinfo=UTC)
    reply = {"author": "ann", "body": "With canoes!", "at": at}
    answer = {"author": "ben", "body": "Take the mill.", "at": at, "isAnswer": True, "replies": [reply]}
    place.handbook.discussions[4]["comments"].append(answer)
    text = text_of(place, "discussion:101:4")
    assert "## Comment by ben, 2026-04-01, the answer" in text
    assert "With canoes!" in text


def test_discussions_and_wiki_pages_that_changed_are_seen_by_the_next_run(place: Place) -> None:
    seen = Seen().run(place.connector())
    before = seen.versions()
    place.handbook.discussions[4]["updated"] = datetime.now(UTC)
    place.handbook.wiki["Home.md"] = b"All hands.\n"
    del place.handbook.wiki["On-call.md"]
    after = seen.run(place.connector()).versions()
    changed = {key for key in before.keys() & after.keys() if before[key] != after[key]}
    assert changed == {"discussion:101:4", "page:101:Home.md"}
    assert before.keys() - after.keys() == {"page:101:On-call.md"}


def test_a_run_with_nothing_new_asks_little(place: Place) -> None:
    seen = Seen().run(place.connector())
    place.server.requests.clear()
    seen.run(place.connector())
    asked = [path for _, path in place.server.requests]
    assert not [path for path in asked if "/issues" in path or "git/trees" in path]
    assert len([path for path in asked if "graphql" in path]) == 1


def test_what_the_key_may_not_read_is_told_and_nothing_is_taken_for_deleted(place: Place) -> None:
    seen = Seen().run(place.connector())
    known = seen.documents()
    place.server.refused.append("/repositories/101/issues")
    seen.cursor = {}
    seen.run(place.connector())
    assert None not in seen.scopes
    told = {c.node.external_id: c.reason for c in seen.changes if isinstance(c, Skipped)}
    assert "does not let this connection read it" in told["issues:101"]
    assert {key for key in known if not key.startswith(("issue:101", "pull:101"))} <= seen.documents()


def test_a_wiki_that_the_key_cannot_have_by_git_says_which_key_can(place: Place) -> None:
    place.server.refuse(401, path="info/refs")
    assert "classic token" in skipped(place)["wiki:101"]


def test_the_primary_limit_names_the_wait_until_its_reset(place: Place) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 90)}
    place.server.refuse(403, headers=headers, times=None)
    with pytest.raises(ConnectorError) as caught:
        Seen().run(place.connector())
    assert not caught.value.permanent
    assert 80 <= (caught.value.retry_after or 0) <= 91


def test_a_secondary_limit_without_a_time_waits_a_minute(place: Place) -> None:
    place.server.refuse(429, times=None)
    with pytest.raises(ConnectorError) as caught:
        Seen().run(place.connector())
    assert caught.value.retry_after == 60


def test_an_app_proves_itself_with_its_key(place: Place) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kinds = serialization
    pem = key.private_bytes(kinds.Encoding.PEM, kinds.PrivateFormat.TraditionalOpenSSL, kinds.NoEncryption()).decode()
    config = {"base_url": f"{place.server.base_url}/api/v3"}
    secret = {"auth": "app", "app_id": "9", "private_key": pem.replace("\n", " ")}
    connector = GitHub(config, secret, Around(Extractor(workers=1)))
    assert connector.test().ok
    assert Seen().run(connector).documents() == set(place.documents())
    wrong = GitHub(config, secret | {"private_key": "not a key"}, Around(Extractor(workers=1)))
    with pytest.raises(ConnectorError, match="private key") as caught:
        wrong.test()
    assert caught.value.permanent


# ---- Signing in ---------------------------------------------------------------------------------------------------


def test_github_is_signed_in_at_the_webs_own_address() -> None:
    auth = GitHub.about.auth("oauth")
    assert auth is not None
    assert auth.oauth is not None
    assert auth.oauth.scopes == ("repo", "read:org", "read:discussion")
    hub = ("https://github.com/login/oauth/authorize", "https://github.com/login/oauth/access_token")
    assert auth.oauth.at("") == auth.oauth.at("https://api.github.com") == hub
    assert auth.oauth.at("https://git.acme.com/api/v3")[1] == "https://git.acme.com/login/oauth/access_token"
    assert auth.oauth.at("https://acme.ghe.com")[0] == "https://acme.ghe.com/login/oauth/authorize"


@pytest.mark.django_db
def test_who_signed_in_reads_with_access_that_renews_itself(place: Place, cast: Any, settings: Any) -> None:
    settings.PRIVATE_HOSTS = ["127.0.0.0/8"]
    vendor = place.server.sign_in
    vendor.renews = True
    entered = read_entered(
        "github",
        config={"base_url": f"{place.server.base_url}/api/v3"},
        auth="oauth",
        fields={"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET},
    )
    draft = connecting.save_draft(workspace=cast.workspace, by=cast.builder.user, kind="github", entered=entered)
    session: dict[str, Any] = {}
    assert draft.credential is not None
    wrong = Credential(kind="github", base_url=draft.credential.base_url)
    oauth.keep(wrong, {"auth": "oauth", "client_id": CLIENT_ID, "client_secret": "wrong"})
    with pytest.raises(oauth.Unfinished, match="does not know this client id and secret"):
        oauth.fetch_tokens(DataSource(kind="github", credential=wrong), "code", "verifier", "acme")
    there = oauth.begin(session, draft, "acme")
    assert there.startswith(f"{place.server.base_url}/login/oauth/authorize?")
    back = vendor.allow(there)
    assert vendor.asked[0]["scope"] == "repo read:org read:discussion"
    query = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    _, code, verifier = oauth.returned(session, query)
    source = connecting.allowed(draft, oauth.fetch_tokens(draft, code, verifier, "acme"), by=cast.builder.user)
    connector = connector_for(source)
    assert Seen().run(connector).documents() == set(place.documents())
    assert place.server.requests
    vendor.expire_access()
    # Git comes first here, with the token as its password; REST and GraphQL then go on with what that renewed.
    page = next(node for node in connector.children("wiki:101") if node.title)
    assert connector.fetch(page)
    assert connector.test().ok
    assert vendor.refreshed == 1
    vendor.expire_access()
    vendor.refuse_refresh = True
    with pytest.raises(ConnectorError, match="connect it anew") as caught:
        connector.test()
    assert caught.value.permanent


def test_where_issues_are_off_pull_requests_still_come_in(place: Place) -> None:
    place.handbook.has_issues = False
    found = Seen().run(place.connector(), [Chosen("repo:101")]).documents()
    assert "pull:101:3" in found
    assert "issue:101:1" not in found


def test_an_issue_that_went_to_another_repository_is_gone_from_this_one(place: Place) -> None:
    place.handbook.issues[1]["transferred"] = f"{place.server.base_url}/api/v3/repositories/102/issues/1"
    changes = list(place.connector().look(["issue:101:1", "repo:999"], ALL))
    assert Delete("issue:101:1") in changes
    assert Delete("repo:999") in changes


@pytest.mark.parametrize(
    ("event", "told", "nodes", "everything"),
    [
        ("ping", {}, (), False),
        ("push", {"ref": "refs/heads/topic", "commits": [{"added": ["a"]}]}, (), False),
        ("push", {"ref": "refs/heads/main", "forced": True, "commits": [{"added": ["a"]}]}, (), True),
        ("issues", {"issue": {"number": 5}}, ("issue:101:5",), False),
        ("issue_comment", {"issue": {"number": 5, "pull_request": {}}}, ("issue:101:5",), False),
        ("issue_comment", {"issue": {"number": 5, "pull_request": {"url": "x"}}}, ("pull:101:5",), False),
        ("pull_request_review_comment", {"pull_request": {"number": 6}}, ("pull:101:6",), False),
        ("discussion_comment", {"discussion": {"number": 7}}, ("discussion:101:7",), False),
        ("gollum", {"pages": []}, ("wiki:101",), False),
        ("repository", {"action": "renamed"}, ("repo:101",), False),
        ("installation_repositories", {"repository": None}, (), True),
    ],
)
def test_an_event_names_what_it_is_about(
    place: Place, event: str, told: dict[str, Any], nodes: tuple[str, ...], everything: bool
) -> None:
    heard = place.connector().webhook(delivery(event, place, told))
    assert (heard.nodes, heard.everything) == (nodes, everything)
    assert heard.key == "72d3162e-cc78"


def test_an_event_without_a_signature_is_refused(place: Place) -> None:
    good = delivery("ping", place, {})
    unsigned = Delivery(good.method, {"x-github-event": "ping"}, {}, good.body, SECRET, good.now)
    with pytest.raises(DeliveryRefused):
        place.connector().webhook(unsigned)
    no_secret = Delivery(good.method, delivery("ping", place, {}, "").headers, {}, good.body, "", good.now)
    with pytest.raises(DeliveryRefused):
        place.connector().webhook(no_secret)


def test_a_wiki_and_a_renamed_repository_can_be_looked_at(place: Place) -> None:
    connector = place.connector()
    seen = Seen().run(connector)
    place.handbook.wiki["Home.md"] = b"Changed.\n"
    place.handbook.full_name = "fernholt/book"
    seen.take_all(connector.look(["wiki:101", "repo:101"], ALL))
    assert seen.nodes["repo:101"].title == "fernholt/book"
    assert connector.fetch(seen.nodes["page:101:Home.md"]).markdown == "Changed.\n"


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("", ("https://api.github.com", "https://api.github.com/graphql", "https://github.com")),
        ("https://github.com/", ("https://api.github.com", "https://api.github.com/graphql", "https://github.com")),
        (
            "https://git.acme.example/api/v3/",
            ("https://git.acme.example/api/v3", "https://git.acme.example/api/graphql", "https://git.acme.example"),
        ),
        (
            "https://acme.ghe.com",
            ("https://api.acme.ghe.com", "https://api.acme.ghe.com/graphql", "https://acme.ghe.com"),
        ),
    ],
)
def test_each_sort_of_server_has_its_addresses(base_url: str, expected: tuple[str, str, str]) -> None:
    assert addresses(base_url) == expected


def test_a_body_keeps_its_code_and_loses_its_html() -> None:
    text = "# Steps\n<!-- hint -->\n<img src=x onerror=alert(1)> see `<b>` and <https://a.example>\n```\n<!-- kept --> # <i>\n```\n"
    assert body(text) == (
        "### Steps\n\n\\<img src=x onerror=alert(1)> see `<b>` and <https://a.example>\n```\n<!-- kept --> # <i>\n```"
    )


def test_a_run_from_each_checkpoint_ends_with_everything_told(place: Place) -> None:
    changes = list(place.connector().changes({}, ALL))
    points = [number for number, change in enumerate(changes) if isinstance(change, Checkpoint)]
    assert len(points) > 8
    for number in points[:-1]:
        rest = list(place.connector().changes(json.loads(json.dumps(changes[number].cursor)), ALL))
        told = [c.node.external_id for c in [*changes[:number], *rest] if isinstance(c, Upsert) and c.node.has_text]
        assert set(told) == set(place.documents())
        assert rest[-1] == Complete(None)
    assert isinstance(changes[0], Upsert)
    assert isinstance(changes[0].node, RemoteNode)


def test_a_key_without_a_permission_goes_on_with_the_rest(place: Place) -> None:
    """GraphQL refuses the glance over all of them; each part is asked for itself then, and the refused one told."""
    seen = Seen().run(place.connector())
    place.server.refused += ["/repositories/101/issues", "/api/graphql"]
    place.edit()
    seen.run(place.connector())
    assert {c.node.external_id for c in seen.changes if isinstance(c, Skipped)} >= {"issues:101", "discussions:101"}
    assert "file:101:docs/leave.md" in seen.told


def test_a_page_instead_of_data_says_what_to_check(place: Place) -> None:
    wrong = GitHub(
        {"base_url": f"{place.server.base_url}/write?repo="}, {"auth": "token", "token": TOKEN}, Around(Extractor())
    )
    with pytest.raises(ConnectorError) as caught:
        wrong.test()
    assert caught.value.permanent


def test_another_default_branch_is_read_anew(place: Place) -> None:
    told = {"action": "edited", "changes": {"default_branch": {"from": "master"}}}
    assert place.connector().webhook(delivery("repository", place, told)).nodes == ("repo:101", "code:101")


def test_one_refused_part_does_not_keep_what_was_deleted_elsewhere(place: Place) -> None:
    seen = Seen().run(place.connector())
    place.server.refused.append("/repositories/101/issues")
    deleted = {place.delete(), "issue:102:1"}
    del place.lab.issues[1]
    seen.cursor = {}
    seen.run(place.connector())
    assert None not in seen.scopes
    assert not deleted & seen.documents()
    assert {"issue:101:1", "pull:101:3"} <= seen.documents()
