"""Confluence's REST API over a guarded session. Not through atlassian-python-api: it hides status and waiting time of what
goes wrong behind errors of its own, and turns pages of results into lists.

Cloud keeps API v1 for search, restrictions, groups and downloads, and has v2 for spaces and the text of pages; Data
Center has v1 alone. Everything is found by CQL, except a whole space of Data Center, which the database lists.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import requests
from requests.auth import HTTPBasicAuth

from datasources.connectors.around import Around
from datasources.connectors.atlassian import is_cloud
from datasources.connectors.base import ConnectorError, NodeError
from datasources.connectors.http import error_of, requests_session, told
from datasources.ingestion.results import too_large

Json = dict[str, Any]
API = "https://api.atlassian.com"
PAGE = 100
IDS = 50
"""Ids in one question."""
_BLOCK = 256 * 1024
_FIELDS = "version,history,ancestors,space,container,metadata.labels,extensions"
_RESTRICTIONS = "restrictions.read.restrictions.user,restrictions.read.restrictions.group"


class Confluence:
    """May be shared by threads: each has a session of its own."""

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        self.around = around
        self.secret = secret
        self.cloud = secret.get("auth") in ("token", "oauth")
        self._base = _address(str(config.get("base_url") or ""), cloud=self.cloud)
        self._threads = threading.local()
        self._found_root = ""
        self.expand = f"{_FIELDS},{_RESTRICTIONS}" if around.mirror or not config.get("restricted") else _FIELDS

    # what is asked

    def me(self) -> Json:
        return self.get("/rest/api/user/current")

    def spaces(self, keys: Sequence[str] = ()) -> Iterator[Json]:
        if self.cloud:
            asked: Json = {"limit": 250, "status": "current"} | ({"keys": ",".join(keys)} if keys else {})
            return self.all("/api/v2/spaces", asked)
        return self.all(
            "/rest/api/space", {"limit": PAGE, "status": "current"} | ({"spaceKey": list(keys)} if keys else {})
        )

    def query(self, cql: str) -> tuple[str, Json]:
        """(path, parameters) of a search."""
        return "/rest/api/content/search", {"cql": cql, "limit": PAGE, "expand": self.expand}

    def search(self, cql: str) -> Iterator[Json]:
        return self.all(*self.query(cql))

    def listed(self, space: str) -> list[tuple[str, Json]]:
        """What to ask for all pages and posts of a space, oldest first."""
        if self.cloud:
            kinds = "page, blogpost, whiteboard, database, embed"
            return [self.query(f"space = {quoted(space)} and type in ({kinds}) order by created")]
        asked = {"spaceKey": space, "status": "current", "limit": PAGE, "expand": self.expand}
        return [("/rest/api/content", asked | {"type": kind}) for kind in ("page", "blogpost")]

    def top(self, space: Json) -> Iterator[Json]:
        """The pages directly in a space."""
        if self.cloud:
            return self.all(f"/api/v2/spaces/{quote(str(space['id']))}/pages", {"depth": "root", "limit": 250})
        path = f"/rest/api/space/{quote(str(space['key']))}/content/page"
        return self.all(path, {"depth": "root", "limit": PAGE, "expand": "version,history"})

    def by_ids(self, ids: Sequence[str]) -> Iterator[Json]:
        for at in range(0, len(ids), IDS):
            yield from self.search(f"id in ({', '.join(map(quoted, ids[at : at + IDS]))})")

    def attachments(self, containers: Sequence[str]) -> Iterator[Json]:
        for at in range(0, len(containers), IDS):
            some = ", ".join(map(quoted, containers[at : at + IDS]))
            yield from self.search(f"type = attachment and container in ({some}) order by created")

    def count(self, cql: str) -> int:
        return int(self.get("/rest/api/search", {"cql": cql, "limit": 1}).get("totalSize") or 0)

    def is_there(self, external_id: str) -> bool:
        """Asked of the database: the search index may not know yet of what was written just now."""
        kind, _, one = external_id.partition(":")
        kinds = {"page": "pages", "blog": "blogposts", "attachment": "attachments", "folder": "folders"}
        path = f"/api/v2/{kinds.get(kind, 'pages')}/{quote(one)}" if self.cloud else f"/rest/api/content/{quote(one)}"
        try:
            return self.get(path, node=True).get("status", "current") == "current"
        except NodeError:
            return False

    def body(self, kind: str, one: str) -> str:
        """The storage format of a page or post."""
        if self.cloud:
            path = f"/api/v2/{'blogposts' if kind == 'blog' else 'pages'}/{quote(one)}"
            found = self.get(path, {"body-format": "storage"}, node=True)
        else:
            found = self.get(f"/rest/api/content/{quote(one)}", {"expand": "body.storage"}, node=True)
        return str(((found.get("body") or {}).get("storage") or {}).get("value") or "")

    # the wire

    def get(self, path: str, params: Mapping[str, Any] | None = None, *, node: bool = False) -> Json:
        with told("Confluence"):
            answer = self._answer(path, params)
            if answer.status_code >= 300:
                raise error_of("Confluence", answer.status_code, answer.headers, _detail(answer), node=node)
            try:
                found = answer.json()
            except ValueError as error:
                raise ConnectorError(
                    "Confluence answers with a page instead of data: check the address, and that no sign-in stands before it",
                    permanent=True,
                ) from error
        return found if isinstance(found, dict) else {"results": found}

    def page(self, path: str, params: Mapping[str, Any], token: str = "") -> tuple[list[Json], str]:
        """(results, where the next page begins, or empty). Only the query of the link to it is followed, never its address."""
        found = self.get(path, dict(parse_qsl(token)) if token else params)
        following = str((found.get("_links") or {}).get("next") or "")
        base = str((found.get("_links") or {}).get("base") or "")
        results = [{**one, "_base": base} for one in found.get("results") or ()]
        return results, urlsplit(following).query

    def all(self, path: str, params: Mapping[str, Any]) -> Iterator[Json]:
        token = ""
        while True:
            results, token = self.page(path, params, token)
            yield from results
            if not token:
                return

    def download(self, path: str, most: int) -> bytes:
        """At most ``most`` bytes. Raises NodeError for more."""
        with told("Confluence"):
            answer = self._answer(path, None, stream=True)
            with answer:
                if answer.status_code >= 300:
                    raise error_of("Confluence", answer.status_code, answer.headers, node=True)
                data = bytearray()
                for block in answer.iter_content(_BLOCK):
                    data += block
                    if len(data) > most:
                        raise NodeError(too_large(len(data), most).reason, skip=True)
        return bytes(data)

    def _answer(self, path: str, params: Mapping[str, Any] | None, *, stream: bool = False) -> requests.Response:
        return self._sent(self._root() + path, params, stream=stream)

    def _sent(self, url: str, params: Mapping[str, Any] | None, *, stream: bool = False) -> requests.Response:
        answer = self._session().get(url, params=params, headers=self._headers(), auth=self._auth(), stream=stream)
        if answer.status_code == 401 and self.secret.get("auth") == "oauth" and self.around.tokens is not None:
            headers = {"Authorization": f"Bearer {self.around.tokens.access(renew=True)}", "Accept": "application/json"}
            answer = self._session().get(url, params=params, headers=headers, stream=stream)
        return answer

    def _session(self) -> requests.Session:
        if not hasattr(self._threads, "session"):
            self._threads.session = requests_session(self.around.network)
        session: requests.Session = self._threads.session
        return session

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if self.secret.get("auth") == "token":
            return headers
        if self.secret.get("auth") == "oauth":
            if self.around.tokens is None:
                raise ConnectorError("Confluence has not allowed access yet: connect it anew", permanent=True)
            return headers | {"Authorization": f"Bearer {self.around.tokens.access()}"}
        return headers | {"Authorization": f"Bearer {self._entered('token', 'personal access token')}"}

    def _auth(self) -> HTTPBasicAuth | None:
        if self.secret.get("auth") != "token":
            return None
        return HTTPBasicAuth(self._entered("email", "account's e-mail"), self._entered("token", "API token"))

    def _entered(self, name: str, what: str) -> str:
        value = self.secret.get(name, "").strip()
        if not value:
            raise ConnectorError(f"The {what} is missing: enter it in the source's settings", permanent=True)
        return value

    def _root(self) -> str:
        """Where paths begin: the site, or with OAuth the gateway to it."""
        if self.secret.get("auth") == "oauth":
            self._found_root = self._found_root or self._gateway()
            return self._found_root
        if not self._base:
            raise ConnectorError(
                "Enter the address of your Confluence, such as https://acme.atlassian.net", permanent=True
            )
        return f"{self._base}/wiki" if self.cloud else self._base

    def _gateway(self) -> str:
        # The address chooses among several sites; calls go through Atlassian's gateway, or to what stands in for it.
        wanted = self._base if is_cloud(self._base) else ""
        api = API if wanted or not self._base else self._base
        with told("Confluence"):
            answer = self._sent(f"{api}/oauth/token/accessible-resources", None)
            if answer.status_code >= 300:
                raise error_of("Confluence", answer.status_code, answer.headers)
            sites = [site for site in answer.json() if "confluence" in " ".join(site.get("scopes") or ())]
        chosen = [site for site in sites if not wanted or _address(str(site.get("url"))) == wanted]
        if len(chosen) != 1:
            urls = ", ".join(str(site.get("url")) for site in sites) or "none"
            raise ConnectorError(
                f"Enter the address of one of the sites that the connection may read: {urls}", permanent=True
            )
        return f"{api}/ex/confluence/{quote(str(chosen[0]['id']))}/wiki"


def quoted(text: str) -> str:
    """A string in CQL."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _address(address: str, *, cloud: bool = True) -> str:
    """Without what a browser shows behind it: a site of the cloud has nothing but ``/wiki``, whichever page was copied."""
    parts = urlsplit(address.strip())
    if is_cloud(address.strip()):
        return f"{parts.scheme}://{parts.netloc}"
    bare = address.strip().rstrip("/")
    return bare.removesuffix("/wiki") if cloud else bare


def _detail(answer: requests.Response) -> str:
    try:
        found = answer.json()
    except ValueError:
        return ""
    return str(found.get("message") or "")[:200] if isinstance(found, dict) else ""
