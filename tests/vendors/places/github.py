"""GitHub on loopback, with the paths of a GitHub Enterprise Server: REST, GraphQL, tarballs and a wiki's git.

``python -m tests.vendors.places.github`` runs it with a small company's repositories; the token is ``ghp_fernholt``.
"""

from __future__ import annotations

import base64
import gzip
import io
import re
import tarfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from tests.vendors.places.git_pack import GitRepository, object_id
from tests.vendors.places.github_sign_in import GitHubSignIn
from tests.vendors.places.loopback import Handler, Loopback

TOKEN = "ghp_fernholt"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Repository:
    id: int
    full_name: str
    files: dict[str, bytes] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    discussions: dict[int, dict[str, Any]] = field(default_factory=dict)
    wiki: dict[str, bytes] = field(default_factory=dict)
    fork: bool = False
    archived: bool = False
    has_issues: bool = True
    pushed: datetime = START
    created: datetime = START
    history: list[tuple[datetime, dict[str, bytes]]] = field(default_factory=list)

    @property
    def owner(self) -> str:
        return self.full_name.split("/")[0]


class GitHubServer(Loopback):
    """``page_size`` caps every page. ``refused`` are parts of paths that this key may not read (403)."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.repos: dict[int, Repository] = {}
        self.page_size = 100
        self.refused: list[str] = []
        self.app_keys: dict[str, str] = {}
        self.truncate_trees = False
        self.clock = START
        self.sign_in = GitHubSignIn()

    # what tests and people fill in

    def repository(self, number: int, full_name: str, **options: Any) -> Repository:
        repo = self.repos[number] = Repository(number, full_name, **options)
        return repo

    def tick(self) -> datetime:
        """A minute later in the past, where what is there from the beginning was made."""
        self.clock += timedelta(minutes=1)
        return self.clock

    def write(self, repo: Repository, path: str, text: str | bytes, at: datetime | None = None) -> None:
        repo.files[path] = text.encode() if isinstance(text, str) else text
        repo.pushed = at or self.tick()

    def issue(
        self, repo: Repository, title: str, body: str, *, pull: bool = False, at: datetime | None = None, **more: Any
    ) -> int:
        number = max([*repo.issues, *repo.discussions, 0]) + 1
        when = at or self.tick()
        repo.issues[number] = {
            **{
                "number": number,
                "title": title,
                "body": body,
                "pull": pull,
                "state": "open",
                "labels": [],
                "author": "ann",
            },
            **{"created": when, "updated": when, "comments": [], "reviews": [], "merged": None},
            **more,
        }
        return number

    def discussion(self, repo: Repository, title: str, body: str, at: datetime | None = None) -> int:
        number = max([*repo.issues, *repo.discussions, 0]) + 1
        when = at or self.tick()
        repo.discussions[number] = {
            **{"number": number, "title": title, "body": body, "category": "Q&A", "author": "ann"},
            **{"created": when, "updated": when, "comments": []},
        }
        return number

    # HTTP

    def routes(self) -> list[web.RouteDef]:
        v3 = "/api/v3"
        repo = v3 + r"/repositories/{repo:\d+}"
        gets: dict[str, Handler] = {
            f"{v3}/user": self.user,
            f"{v3}/rate_limit": self.rate_limit,
            f"{v3}/user/repos": self.user_repos,
            f"{v3}/installation/repositories": self.installation_repos,
            f"{v3}/users/{{name}}": self.account,
            f"{v3}/users/{{name}}/repos": self.account_repos,
            f"{v3}/orgs/{{name}}/repos": self.account_repos,
            f"{v3}/app/installations": self.installations,
            repo: self.one_repo,
            f"{repo}/issues": self.issues,
            f"{repo}/issues/{{number}}": self.one_issue,
            f"{repo}/pulls": self.pulls,
            f"{repo}/commits": self.commits,
            f"{repo}/git/trees/{{sha}}": self.git_tree,
            f"{repo}/git/blobs/{{sha}}": self.blob,
            f"{repo}/tarball": self.tarball,
            "/_codeload/{repo}": self.codeload,
            "/{owner}/{name}.wiki.git/info/refs": self.wiki_refs,
        }
        routes = [web.get(path, self.handle(self.authed(handler))) for path, handler in gets.items()]
        posts: dict[str, Handler] = {
            f"{v3}/app/installations/{{id}}/access_tokens": self.app_token,
            "/api/graphql": self.graphql,
            "/{owner}/{name}.wiki.git/git-upload-pack": self.wiki_pack,
        }
        routes.append(web.get("/write", self.written))
        routes.append(web.get("/login/oauth/authorize", self.sign_in.authorize))
        routes.append(web.post("/login/oauth/access_token", self.handle(self.sign_in.token)))
        return routes + [web.post(path, self.handle(self.authed(handler))) for path, handler in posts.items()]

    def error(self, status: int, headers: dict[str, str]) -> web.Response:
        messages = {401: "Bad credentials", 403: "Resource not accessible by personal access token", 404: "Not Found"}
        messages |= {429: "You have exceeded a secondary rate limit.", 409: "Git Repository is empty."}
        return web.json_response({"message": messages.get(status, "Server Error")}, status=status, headers=headers)

    def authed(self, handler: Handler) -> Handler:
        async def checked(request: web.Request) -> web.StreamResponse:
            given = request.headers.get("Authorization", "")
            if given.startswith("Basic "):
                given = "Bearer " + base64.b64decode(given[6:]).decode().partition(":")[2]
            jwt = "/app/" in request.path and given.startswith("Bearer ey")
            known = {TOKEN, "ghs_app", *self.sign_in.access}
            if not jwt and given.removeprefix("Bearer ") not in known and "/_codeload" not in request.path:
                return self.error(401, {})
            if any(part in request.path_qs for part in self.refused):
                return self.error(403, {})
            response = await handler(request)
            response.headers["X-RateLimit-Remaining"] = "4999"
            response.headers["X-RateLimit-Reset"] = str(int(time.time()) + 3600)
            return response

        return checked

    def paged(self, request: web.Request, found: list[Any], key: str = "") -> web.Response:
        size = min(int(request.query.get("per_page", 30)), self.page_size)
        page = int(request.query.get("page", 1))
        part = found[(page - 1) * size : page * size]
        headers = {}
        if page * size < len(found):
            following = request.url.update_query(page=str(page + 1))
            headers["Link"] = f'<{self.base_url}{following.raw_path_qs}>; rel="next"'
        return web.json_response({"total_count": len(found), key: part} if key else part, headers=headers)

    async def written(self, request: web.Request) -> web.Response:
        """To try by hand: /write?repo=fernholt/lab&path=notes.md&text=Hello writes a file, &issue=1 instead of a path a comment."""
        asked, now = request.query, datetime.now(UTC)
        repo = next((one for one in self.repos.values() if one.full_name == asked.get("repo")), None)
        if repo is None:
            return web.Response(
                status=404, text=f"Name one of {', '.join(one.full_name for one in self.repos.values())}"
            )
        if asked.get("path"):
            self.write(repo, asked["path"], asked.get("text", ""), now)
            return web.Response(text=f"Written: {asked['path']}")
        found = repo.issues.get(int(asked.get("issue", 0)))
        if found is None:
            return web.Response(status=404, text="Give a path, or the number of an issue")
        found["comments"].append({"author": "ben", "body": asked.get("text", ""), "at": now})
        found["updated"] = now
        return web.Response(text=f"Said in {found['title']}")

    async def user(self, request: web.Request) -> web.Response:
        return web.json_response({"login": "ann", "id": 1, "type": "User"})

    async def rate_limit(self, request: web.Request) -> web.Response:
        return web.json_response({"resources": {"core": {"limit": 5000, "remaining": 4999}}})

    async def account(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name == "ann":
            return web.json_response({"login": "ann", "id": 1, "type": "User"})
        if name not in {repo.owner for repo in self.repos.values()}:
            return self.error(404, {})
        return web.json_response({"login": name, "id": 2, "type": "Organization"})

    async def user_repos(self, request: web.Request) -> web.Response:
        wanted = [r for r in self._sorted() if request.query.get("affiliation") != "owner" or r.owner == "ann"]
        return self.paged(request, [self.repo_json(repo) for repo in wanted])

    async def account_repos(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return self.paged(request, [self.repo_json(repo) for repo in self._sorted() if repo.owner == name])

    async def installation_repos(self, request: web.Request) -> web.Response:
        return self.paged(request, [self.repo_json(repo) for repo in self._sorted()], "repositories")

    async def installations(self, request: web.Request) -> web.Response:
        return web.json_response([{"id": 77, "account": {"login": "fernholt"}}])

    async def app_token(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"token": "ghs_app", "expires_at": stamp(datetime.now(UTC) + timedelta(hours=1))}, status=201
        )

    async def one_repo(self, request: web.Request) -> web.Response:
        repo = self._repo(request)
        return web.json_response(self.repo_json(repo)) if repo else self.error(404, {})

    async def issues(self, request: web.Request) -> web.Response:
        repo = self._repo(request)
        if repo is None:
            return self.error(404, {})
        if not repo.has_issues:
            return self.error(410, {})
        since = request.query.get("since")
        found = [one for one in repo.issues.values() if not since or stamp(one["updated"]) >= since]
        field_name = "updated" if request.query.get("sort") == "updated" else "created"
        found.sort(key=lambda one: one[field_name], reverse=request.query.get("direction") != "asc")
        return self.paged(request, [self.issue_json(repo, one) for one in found])

    async def pulls(self, request: web.Request) -> web.Response:
        repo = self._repo(request)
        assert repo is not None
        found = sorted((o for o in repo.issues.values() if o["pull"]), key=lambda o: o["updated"], reverse=True)
        return self.paged(request, [self.issue_json(repo, one) | {"merged_at": None} for one in found])

    async def one_issue(self, request: web.Request) -> web.Response:
        repo, number = self._repo(request), int(request.match_info["number"])
        if repo is None or number not in repo.issues:
            return self.error(404, {})
        if target := repo.issues[number].get("transferred"):
            return web.json_response({}, status=301, headers={"Location": target})
        return web.json_response(self.issue_json(repo, repo.issues[number]))

    async def commits(self, request: web.Request) -> web.Response:
        repo = self._repo(request)
        assert repo is not None
        old = [files for at, files in repo.history if stamp(at) <= request.query["until"]]
        if not old:
            return web.json_response([])
        return web.json_response([{"sha": "c0ffee", "commit": {"tree": {"sha": GitRepository(old[-1]).tree}}}])

    async def git_tree(self, request: web.Request) -> web.Response:
        repo = self._repo(request)
        if repo is None:
            return self.error(404, {})
        if not repo.files:
            return self.error(409, {})
        asked = request.match_info["sha"]
        for files in [repo.files, *(old for _, old in repo.history)]:
            whole = GitRepository(files)
            sha = whole.tree if asked == "main" else asked
            if sha in whole.objects and whole.objects[sha][0] == "tree":
                deep = bool(request.query.get("recursive")) and not self.truncate_trees
                told = list(self._entries(whole, repo, sha, "", deep=deep))
                truncated = bool(request.query.get("recursive")) and self.truncate_trees
                return web.json_response({"sha": sha, "tree": told, "truncated": truncated})
        return self.error(404, {})

    def _entries(self, whole: GitRepository, repo: Repository, sha: str, above: str, *, deep: bool) -> Any:
        data, at = whole.objects[sha][1], 0
        while at < len(data):
            space, end = data.index(b" ", at), data.index(b"\0", at)
            name, inner = data[space + 1 : end].decode(), data[end + 1 : end + 21].hex()
            at = end + 21
            path = f"{above}/{name}" if above else name
            sort, content = whole.objects[inner]
            if sort == "tree":
                yield {"path": path, "mode": "040000", "type": "tree", "sha": inner}
                if deep:
                    yield from self._entries(whole, repo, inner, path, deep=True)
                continue
            mode = repo.modes.get(path, "100644")
            kind = "commit" if mode == "160000" else "blob"
            size = {} if kind == "commit" else {"size": len(content)}
            yield {"path": path, "mode": mode, "type": kind, "sha": inner, **size}

    async def blob(self, request: web.Request) -> web.Response:
        repo, sha = self._repo(request), request.match_info["sha"]
        found = next((data for data in repo.files.values() if object_id("blob", data) == sha), None) if repo else None
        if found is None:
            return self.error(404, {})
        return web.json_response({"sha": sha, "encoding": "base64", "content": base64.encodebytes(found).decode()})

    async def tarball(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": f"{self.base_url}/_codeload/{request.match_info['repo']}"})

    async def codeload(self, request: web.Request) -> web.Response:
        repo = self.repos[int(request.match_info["repo"])]
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for path, data in repo.files.items():
                member = tarfile.TarInfo(f"{repo.full_name.replace('/', '-')}-c0ffee/{path}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        return web.Response(body=gzip.compress(out.getvalue()), content_type="application/x-gzip")

    async def wiki_refs(self, request: web.Request) -> web.Response:
        found = self._wiki(request)
        if found is None:
            return self.error(404, {})
        return web.Response(body=found.advertised(), content_type="application/x-git-upload-pack-advertisement")

    async def wiki_pack(self, request: web.Request) -> web.Response:
        found = self._wiki(request)
        if found is None:
            return self.error(404, {})
        return web.Response(
            body=found.answer(await request.read()), content_type="application/x-git-upload-pack-result"
        )

    async def graphql(self, request: web.Request) -> web.Response:
        asked = await request.json()
        operation = re.search(r"query (\w+)", asked["query"])
        assert operation is not None
        answer = getattr(self, f"_answer_{operation[1].lower()}")(asked["variables"])
        return web.json_response({"data": answer})

    # GraphQL

    def _answer_glance(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"nodes": [self._glanced(self._by_node(one)) for one in given["repos"]]}

    def _glanced(self, repo: Repository | None) -> dict[str, Any] | None:
        if repo is None:
            return None
        issues = [one for one in repo.issues.values() if not one["pull"]]
        pulls = [one for one in repo.issues.values() if one["pull"]]
        lists = {"issues": issues, "pullRequests": pulls, "discussions": list(repo.discussions.values())}
        return {"id": f"R_{repo.id}"} | {name: self._last(found) for name, found in lists.items()}

    def _last(self, found: list[dict[str, Any]]) -> dict[str, Any]:
        newest = sorted(found, key=lambda one: one["updated"])[-1:]
        return {"totalCount": len(found), "nodes": [{"updatedAt": stamp(one["updated"])} for one in newest]}

    def _answer_discussions(self, given: dict[str, Any]) -> dict[str, Any]:
        repo = self._by_node(given["repo"])
        if repo is None:
            return {"node": None}
        name = "created" if given["order"]["field"] == "CREATED_AT" else "updated"
        found = sorted(repo.discussions.values(), key=lambda o: o[name], reverse=given["order"]["direction"] == "DESC")
        page, info = self._cut(found, given.get("after"), self.page_size)
        return {
            "node": {"discussions": {"pageInfo": info, "nodes": [self._discussion_json(repo, one) for one in page]}}
        }

    def _answer_onediscussion(self, given: dict[str, Any]) -> dict[str, Any]:
        repo = self._by_node(given["repo"])
        found = repo.discussions.get(given["number"]) if repo else None
        return {"node": {"discussion": self._discussion_json(repo, found) if repo and found else None}}

    def _answer_thread(self, given: dict[str, Any]) -> dict[str, Any]:
        sort, _, rest = given["id"].partition("_")
        number, _, tail = rest.partition("_")
        repo = self.repos.get(int(number))
        found = (repo.discussions if sort == "D" else repo.issues).get(int(tail)) if repo else None
        if found is None:
            return {"node": None}
        kind = {"D": "Discussion", "I": "Issue", "PR": "PullRequest"}[sort]
        comments, info = self._cut(found["comments"], given.get("comments"), self.page_size)
        node = {
            **{
                "__typename": kind,
                "title": found["title"],
                "body": found["body"],
                "createdAt": stamp(found["created"]),
            },
            **{"author": {"login": found["author"], "__typename": "User"}},
            "comments": {"pageInfo": info, "nodes": [self._comment(one) for one in comments]},
        }
        if kind == "Discussion":
            return {"node": node | {"category": {"name": found["category"]}}}
        node |= {"state": found["state"].upper(), "labels": {"nodes": [{"name": name} for name in found["labels"]]}}
        if kind == "PullRequest":
            reviews, info = self._cut(found["reviews"], given.get("reviews"), self.page_size)
            node |= {
                **{"baseRefName": "main", "headRefName": "change", "additions": 3, "deletions": 1, "changedFiles": 1},
                "files": {"nodes": [{"path": "README.md"}]},
                "reviews": {"pageInfo": info, "nodes": [self._comment(one) for one in reviews]},
            }
        return {"node": node}

    def _comment(self, one: dict[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = {
            "body": one["body"],
            "createdAt": stamp(one["at"]),
            "isMinimized": one.get("hidden", False),
        }
        told["author"] = {"login": one["author"], "__typename": "Bot" if one["author"].endswith("[bot]") else "User"}
        told |= {key: one[key] for key in ("state", "isAnswer", "path") if key in one}
        for key in ("comments", "replies"):
            if key in one:
                told[key] = {"totalCount": len(one[key]), "nodes": [self._comment(inner) for inner in one[key]]}
        return told

    def _cut(self, found: list[Any], after: str | None, size: int) -> tuple[list[Any], dict[str, Any]]:
        begin = int(after) if after else 0
        page = found[begin : begin + size]
        end = str(begin + len(page)) if page else None
        return page, {"hasNextPage": begin + size < len(found), "endCursor": end}

    def _discussion_json(self, repo: Repository, one: dict[str, Any]) -> dict[str, Any]:
        return {
            **{"id": f"D_{repo.id}_{one['number']}", "number": one["number"], "title": one["title"]},
            **{"url": f"{self.base_url}/{repo.full_name}/discussions/{one['number']}"},
            **{"createdAt": stamp(one["created"]), "updatedAt": stamp(one["updated"]), "answerChosenAt": None},
            **{"author": {"login": one["author"]}, "category": {"name": one["category"]}, "labels": {"nodes": []}},
            "comments": {"totalCount": len(one["comments"])},
        }

    # shapes

    def repo_json(self, repo: Repository) -> dict[str, Any]:
        return {
            **{
                "id": repo.id,
                "node_id": f"R_{repo.id}",
                "full_name": repo.full_name,
                "name": repo.full_name.split("/")[1],
            },
            **{"owner": {"login": repo.owner}, "html_url": f"{self.base_url}/{repo.full_name}", "private": True},
            **{"fork": repo.fork, "archived": repo.archived, "default_branch": "main", "size": 40},
            **{"has_issues": repo.has_issues, "has_wiki": bool(repo.wiki), "has_discussions": bool(repo.discussions)},
            **{"created_at": stamp(repo.created), "updated_at": stamp(repo.pushed), "pushed_at": stamp(repo.pushed)},
        }

    def issue_json(self, repo: Repository, one: dict[str, Any]) -> dict[str, Any]:
        path = "pull" if one["pull"] else "issues"
        told = {
            **{
                "id": repo.id * 1000 + one["number"],
                "number": one["number"],
                "title": one["title"],
                "state": one["state"],
            },
            **{"node_id": f"{'PR' if one['pull'] else 'I'}_{repo.id}_{one['number']}", "body": one["body"]},
            **{
                "html_url": f"{self.base_url}/{repo.full_name}/{path}/{one['number']}",
                "user": {"login": one["author"]},
            },
            **{"labels": [{"name": name} for name in one["labels"]], "comments": len(one["comments"])},
            **{"created_at": stamp(one["created"]), "updated_at": stamp(one["updated"])},
        }
        return told | {"pull_request": {"merged_at": one["merged"]}} if one["pull"] else told

    def _sorted(self) -> list[Repository]:
        return sorted(self.repos.values(), key=lambda repo: repo.full_name)

    def _repo(self, request: web.Request) -> Repository | None:
        return self.repos.get(int(request.match_info["repo"]))

    def _by_node(self, node: str) -> Repository | None:
        return self.repos.get(int(node.removeprefix("R_")))

    def _wiki(self, request: web.Request) -> GitRepository | None:
        name = f"{request.match_info['owner']}/{request.match_info['name']}"
        found = next((repo for repo in self.repos.values() if repo.full_name == name), None)
        return GitRepository(found.wiki) if found and found.wiki else None


def fernholt(server: GitHubServer) -> GitHubServer:
    """A small company: a handbook, the code of its lab, and a fork."""
    handbook = server.repository(101, "fernholt/handbook")
    server.write(handbook, "README.md", "# Handbook\n\nWhere the crew writes down how things are done.\n")
    server.write(handbook, "docs/leave.md", "# Leave\n\nEveryone has thirty days; ask your lead by the fifteenth.\n")
    server.write(handbook, "docs/logo.png", b"\x89PNG\r\n")
    server.write(handbook, "node_modules/left-pad/index.js", "module.exports = 1\n")
    first = server.issue(
        handbook, "The leave page is out of date", "It still says **twentyeight** days.", labels=["docs"]
    )
    server.issue(handbook, "Say who waters the plants", "Nobody does, the monstera is limp.")
    server.issue(handbook, "Thirty days, not twenty-eight", "Closes the issue above. Correctness!", pull=True)
    handbook.issues[first]["comments"].append({"author": "ben", "body": "Will fix it on Monday.", "at": server.tick()})
    server.discussion(handbook, "How do we plan the retreat?", "Suggestions for a lakeside place?")
    handbook.wiki = {
        "Home.md": b"Welcome to the quarterdeck.\n",
        "_Sidebar.md": b"* Home\n",
        "On-call.md": b"Ring the bell twice.\n",
    }
    lab = server.repository(102, "fernholt/lab")
    server.write(
        lab,
        "src/scale.py",
        'def weigh(mass):\n    """Grams, from the calibrated balance."""\n    return mass * 1.0002\n',
    )
    server.write(lab, "src/drift.go", "package lab\n\n// Drift is in microgram.\nfunc Drift() int { return 4 }\n")
    server.issue(lab, "The balance drifts after lunch", "Four micrograms an hour.")
    fork = server.repository(103, "fernholt/numpy", fork=True)
    server.write(fork, "numpy.py", "ones = 1\n")
    return server


if __name__ == "__main__":
    with fernholt(GitHubServer(port=8201)) as running:
        print(f"{running.base_url}  token: {TOKEN}  (change things at /write)", flush=True)  # noqa: T201
        while True:
            time.sleep(3600)
