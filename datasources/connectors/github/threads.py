"""Issues, pull requests and discussions of a repository, listed by when they changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from datasources.connectors.base import NodeError
from datasources.connectors.github.client import Client
from datasources.connectors.github.nodes import Repo
from datasources.connectors.lines import moment

_STEP = timedelta(seconds=1)
GLANCE = 100
_DISCUSSION = """id number title url createdAt updatedAt answerChosenAt author { login } category { name }
labels(first: 20) { nodes { name } } comments { totalCount }"""

_DISCUSSIONS = (
    """query Discussions($repo: ID!, $after: String, $order: DiscussionOrder!) { node(id: $repo) { ... on Repository {
discussions(first: 50, after: $after, orderBy: $order) { pageInfo { hasNextPage endCursor } nodes { """
    + _DISCUSSION
    + " } } } } }"
)
_ONE_DISCUSSION = (
    "query OneDiscussion($repo: ID!, $number: Int!) { node(id: $repo) { ... on Repository { discussion(number: $number) { "
    + _DISCUSSION
    + " } } } }"
)
_GLANCE = """query Glance($repos: [ID!]!) { nodes(ids: $repos) { ... on Repository { id
issues(first: 1, orderBy: {field: UPDATED_AT, direction: DESC}) { nodes { updatedAt } totalCount }
pullRequests(first: 1, orderBy: {field: UPDATED_AT, direction: DESC}) { nodes { updatedAt } totalCount }
discussions(first: 1, orderBy: {field: UPDATED_AT, direction: DESC}) { nodes { updatedAt } totalCount } } } }"""


def issues(
    client: Client, repo: Repo, since: datetime | None, number: int = 1
) -> Iterator[tuple[list[dict[str, Any]], datetime | None, int]]:
    """Pages of issues and pull requests, oldest change first: (page, since, page number) to go on from after it.

    What is edited while this reads moves to the end and would push the rest one place up, so each page is asked for by the
    time of the last one's end; only where a whole page has one time does it count pages.
    """
    while True:
        asked: dict[str, Any] = {"state": "all", "sort": "updated", "direction": "asc", "page": number}
        if since is not None:
            asked["since"] = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        found, more = client.page(f"/repositories/{repo.id}/issues", asked)
        last = moment(found[-1]["updated_at"]) if found else None
        reached = last - _STEP if last is not None else since
        if reached is not None and (since is None or reached > since):
            since, number = reached, 1
        else:
            number += 1
        yield found, since, number
        if not more:
            return


def pulls_alone(client: Client, repo: Repo, since: datetime | None) -> Iterator[list[dict[str, Any]]]:
    """Pull requests where issues are switched off; GitHub lists them by time only from the newest on."""
    number = 1
    while True:
        asked = {"state": "all", "sort": "updated", "direction": "desc", "page": number}
        found, more = client.page(f"/repositories/{repo.id}/pulls", asked)
        yield [one for one in found if not _before(one["updated_at"], since)]
        if not more or (found and _before(found[-1]["updated_at"], since)):
            return
        number += 1


def issue(client: Client, repo: Repo, number: int) -> dict[str, Any] | None:
    """None where it was deleted, or went to another repository."""
    return client.gone(f"/repositories/{repo.id}/issues/{number}")


def discussions(
    client: Client, repo: Repo, since: datetime | None, after: str | None = None
) -> Iterator[tuple[list[dict[str, Any]], str | None]]:
    """(page, cursor after it): all in the order they were begun, or those changed since, newest change first."""
    order = {"field": "CREATED_AT", "direction": "ASC"}
    if since is not None:
        order = {"field": "UPDATED_AT", "direction": "DESC"}
    while True:
        node = client.graphql(_DISCUSSIONS, {"repo": repo.node_id, "after": after, "order": order}).get("node")
        if node is None:
            raise NodeError("GitHub does not let this connection read the discussions", skip=True)
        found = node["discussions"]["nodes"]
        after = node["discussions"]["pageInfo"]["endCursor"]
        yield [one for one in found if not _before(one["updatedAt"], since)], after
        if not node["discussions"]["pageInfo"]["hasNextPage"] or (found and _before(found[-1]["updatedAt"], since)):
            return


def discussion(client: Client, repo: Repo, number: int) -> dict[str, Any] | None:
    node = client.graphql(_ONE_DISCUSSION, {"repo": repo.node_id, "number": number}).get("node")
    found: dict[str, Any] | None = (node or {}).get("discussion")
    return found


def glance(client: Client, repos: Sequence[Repo]) -> dict[int, dict[str, Any]]:
    """Each repository's last changes and counts, a hundred of them with one call."""
    by_node = {repo.node_id: repo.id for repo in repos if repo.node_id}
    found: dict[int, dict[str, Any]] = {}
    ids = list(by_node)
    for at in range(0, len(ids), GLANCE):
        try:
            nodes = client.graphql(_GLANCE, {"repos": ids[at : at + GLANCE]})["nodes"]
        except NodeError:  # one of them may not be read: each is asked for itself, and that one then told
            continue
        found |= {by_node[node["id"]]: node for node in nodes if node is not None}
    return found


def changed_since(seen: dict[str, Any] | None, names: Sequence[str], since: datetime) -> bool:
    """By a glance, whether any of ``issues pullRequests discussions`` changed; what was not seen may have."""
    if seen is None:
        return True
    lists = [(seen.get(name) or {}).get("nodes") for name in names]
    return any(found is None or any(not _before(one["updatedAt"], since) for one in found) for found in lists)


def _before(text: str, since: datetime | None) -> bool:
    at = moment(text)
    return since is not None and at is not None and at < since
