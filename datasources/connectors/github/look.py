"""Single nodes told anew, as after a webhook: with what is above them, or as gone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from datasources.connectors.base import Change, Delete, NodeError, Skipped, Upsert
from datasources.connectors.github import threads, wiki
from datasources.connectors.github.client import Client
from datasources.connectors.github.nodes import (
    Choice,
    Repo,
    chain,
    discussion_node,
    is_older,
    issue_node,
    part_node,
    repo_node,
    repo_of,
    split,
)
from datasources.connectors.github.tree import Files, entries, existing
from datasources.connectors.lines import moment
from datasources.ingestion.results import Limits


def look(client: Client, external_ids: Sequence[str], choice: Choice, limits: Limits) -> Iterator[Change]:
    by_repo: dict[int, list[str]] = defaultdict(list)
    for external_id in external_ids:
        try:
            by_repo[split(external_id)[1]].append(external_id)
        except ValueError:
            yield Delete(external_id)
    for number, ids in by_repo.items():
        told = client.gone(f"/repositories/{number}")
        repo = repo_of(told) if told is not None else None
        if repo is None or not choice.enters(repo.key, repo.created) or choice.leaves_fork(repo):
            yield Delete(f"repo:{number}")
        else:
            yield from _of_repo(client, repo, ids, choice, limits)


def _of_repo(client: Client, repo: Repo, ids: Sequence[str], choice: Choice, limits: Limits) -> Iterator[Change]:
    yield Upsert(repo_node(repo))
    parts: set[str] = set()
    for external_id in ids:
        part = chain(external_id)[-2] if external_id != repo.key else ""
        if part and part not in parts and choice.enters(part):
            parts.add(part)
            yield Upsert(part_node(repo, part.partition(":")[0]))
    paths = {split(one)[2]: one for one in ids if split(one)[0] in ("file", "folder", "code")}
    if paths:
        yield from _files(client, repo, paths, choice, limits)
    for external_id in ids:
        sort, _, tail = split(external_id)
        if sort in ("issue", "pull"):
            yield from _issue(client, repo, external_id, int(tail), choice)
        elif sort == "discussion":
            yield from _discussion(client, repo, external_id, int(tail), choice)
        elif sort in ("wiki", "page"):
            yield from _pages(client, repo, external_id, choice)


def _files(client: Client, repo: Repo, paths: dict[str, str], choice: Choice, limits: Limits) -> Iterator[Change]:
    """The tree is one call, however many files were pushed."""
    inside = tuple(f"{path}/" for path in paths if path)
    wanted = (
        entry
        for entry in entries(client, repo)
        if "" in paths
        or entry.path in paths
        or entry.path.startswith(inside)
        or (entry.sort == "tree" and any(path.startswith(f"{entry.path}/") for path in paths))
    )
    told = set()
    for change in Files(repo, choice, limits, existing(client, repo, choice)).changes(wanted):
        if isinstance(change, Upsert | Skipped):
            told.add(change.node.external_id)
        yield change
    for external_id in paths.values():
        if external_id not in told and not external_id.startswith("code:"):
            yield Delete(external_id)


def _issue(client: Client, repo: Repo, external_id: str, number: int, choice: Choice) -> Iterator[Change]:
    told = threads.issue(client, repo, number)
    node = issue_node(repo, told) if told is not None else None
    earliest = moment(choice.options(external_id).get("date_from"))
    chosen = node is not None and node.external_id == external_id and choice.takes(external_id, node.created)
    if node is None or not chosen or is_older(node, earliest):
        yield Delete(external_id)
    else:
        yield Upsert(node)


def _discussion(client: Client, repo: Repo, external_id: str, number: int, choice: Choice) -> Iterator[Change]:
    told = threads.discussion(client, repo, number)
    node = discussion_node(repo, told) if told is not None else None
    earliest = moment(choice.options(external_id).get("date_from"))
    if node is None or not choice.takes(external_id, node.created) or is_older(node, earliest):
        yield Delete(external_id)
    else:
        yield Upsert(node)


def _pages(client: Client, repo: Repo, external_id: str, choice: Choice) -> Iterator[Change]:
    """A whole wiki, or one page of it."""
    told = False
    try:
        for change in wiki.pages(client, repo, choice):
            if isinstance(change, Upsert | Skipped) and external_id in chain(change.node.external_id):
                told = True
                yield change
    except NodeError as error:
        told = True
        yield Skipped(part_node(repo, "wiki"), str(error))
    if not told and external_id.startswith("page:"):
        yield Delete(external_id)
