"""One issue, pull request or discussion as Markdown: what was written first, then who said what, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from datasources.connectors.base import NodeError
from datasources.connectors.github.client import Client
from datasources.connectors.markup import escaped

_WHO = "author { login __typename }"
_COMMENT = f"{_WHO} body createdAt isMinimized"
_PAGE = "pageInfo { hasNextPage endCursor }"
_THREAD = f"""query Thread($id: ID!, $comments: String, $reviews: String) {{ node(id: $id) {{ __typename
... on Issue {{ title body state createdAt {_WHO} labels(first: 20) {{ nodes {{ name }} }}
comments(first: 100, after: $comments) {{ {_PAGE} nodes {{ {_COMMENT} }} }} }}
... on PullRequest {{ title body state createdAt {_WHO} labels(first: 20) {{ nodes {{ name }} }} baseRefName headRefName
additions deletions changedFiles files(first: 100) {{ nodes {{ path }} }}
comments(first: 100, after: $comments) {{ {_PAGE} nodes {{ {_COMMENT} }} }}
reviews(first: 50, after: $reviews) {{ {_PAGE} nodes {{ {_COMMENT} state
comments(first: 50) {{ totalCount nodes {{ {_COMMENT} path }} }} }} }} }}
... on Discussion {{ title body createdAt {_WHO} category {{ name }}
comments(first: 50, after: $comments) {{ {_PAGE} nodes {{ {_COMMENT} isAnswer
replies(first: 50) {{ totalCount nodes {{ {_COMMENT} }} }} }} }} }} }} }}"""
_VERDICTS = {"APPROVED": "approves", "CHANGES_REQUESTED": "asks for changes", "DISMISSED": "reviewed (dismissed)"}
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_REMARK = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_TAG = re.compile(r"<(?=[A-Za-z/!?])(?!https?://|mailto:)")
_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_HEADING = re.compile(r"^ {0,3}(#{1,6})(?=\s)")


def thread(client: Client, node_id: str, *, bots: bool) -> str:
    """Raises NodeError where it is gone."""
    first: dict[str, Any] | None = None
    comments: list[dict[str, Any]] = []
    reviews: list[dict[str, Any]] = []
    after: dict[str, str | None] = {"comments": None, "reviews": None}
    while True:
        found = client.graphql(_THREAD, {"id": node_id, **after}).get("node")
        if not found:
            raise NodeError("It is no longer at GitHub", skip=True)
        first = first or found
        more = False
        for name, kept in (("comments", comments), ("reviews", reviews)):
            page = found.get(name)
            if page is None:
                continue
            kept += page["nodes"]
            after[name] = page["pageInfo"]["endCursor"] or after[name]
            more = more or page["pageInfo"]["hasNextPage"]
        if not more:
            break
    return "\n\n".join(part for part in _written(first, comments, reviews, bots) if part) + "\n"


def _written(
    first: Mapping[str, Any], comments: list[dict[str, Any]], reviews: list[dict[str, Any]], bots: bool
) -> Iterator[str]:
    yield _facts(first)
    yield body(first.get("body") or "")
    if paths := [one["path"] for one in (first.get("files") or {}).get("nodes") or ()]:
        left = first["changedFiles"] - len(paths)
        more = f" and {left} more" if left > 0 else ""
        yield f"Changed files: {', '.join(escaped(path) for path in paths)}{more}"
    said = {"Comment by": comments, "Review by": reviews}
    in_order = sorted(((one["createdAt"], how, one) for how in said for one in said[how]), key=lambda row: row[0])
    for _, how, one in in_order:
        if _heard(one, bots):
            yield from _said(how, one, bots)


def _said(how: str, one: Mapping[str, Any], bots: bool) -> Iterator[str]:
    verdict = _VERDICTS.get(one.get("state") or "", "")
    below = one.get("comments") or one.get("replies") or {"nodes": [], "totalCount": 0}
    if not (one.get("body") or verdict or below["nodes"]):
        return
    marks = ", ".join(
        mark for mark in (one["createdAt"][:10], verdict, "the answer" if one.get("isAnswer") else "") if mark
    )
    yield f"## {how} {_who(one)}, {marks}"
    yield body(one.get("body") or "")
    for remark in below["nodes"]:
        if _heard(remark, bots):
            where = f"On {escaped(remark['path'])}, " if remark.get("path") else ""
            yield f"**{where}{_who(remark)}, {remark['createdAt'][:10]}:**"
            yield body(remark.get("body") or "")
    left = below["totalCount"] - len(below["nodes"])
    if left > 0:
        yield f"… and {left} more, which stand at GitHub only."


def _facts(first: Mapping[str, Any]) -> str:
    facts = [
        f"{first['__typename'].replace('PullRequest', 'Pull request')} by {_who(first)}, {first['createdAt'][:10]}"
    ]
    if first.get("state"):
        facts.append(first["state"].lower())
    if first.get("category"):
        facts.append(f"in {escaped(first['category']['name'])}")
    if labels := [escaped(label["name"]) for label in (first.get("labels") or {}).get("nodes") or ()]:
        facts.append(f"labels: {', '.join(labels)}")
    if first.get("headRefName"):
        facts.append(f"from {escaped(first['headRefName'])} into {escaped(first['baseRefName'])}")
    return " · ".join(facts)


def _who(one: Mapping[str, Any]) -> str:
    return escaped((one.get("author") or {}).get("login") or "someone who left")


def _heard(one: Mapping[str, Any], bots: bool) -> bool:
    """Hidden comments (spam, off topic) are not told; what bots say only where it was asked for."""
    return not one.get("isMinimized") and (bots or (one.get("author") or {}).get("__typename") != "Bot")


def body(text: str, deeper: int = 2) -> str:
    """What a person wrote, without HTML, its headings below the ones of the page. Code stays as it is."""
    out, fence = [], ""
    for line in _without_remarks(text.replace("\r\n", "\n")).split("\n"):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            out.append(line)
            continue
        if mark:
            fence = mark[1]
            out.append(line)
            continue
        line = _HEADING.sub(lambda found: "#" * min(6, len(found[1]) + deeper), line)
        out.append(_no_tags(line))
    if fence:
        out.append(fence)
    return "\n".join(out).strip("\n")


def _without_remarks(text: str) -> str:
    """Templates hold hints in HTML comments; one inside a fence is somebody's code."""
    parts = re.split(r"(?ms)(^ {0,3}(?:`{3,}|~{3,}).*?(?:^ {0,3}(?:`{3,}|~{3,})[ \t]*$|\Z))", text)
    return "".join(part if index % 2 else _REMARK.sub("", part) for index, part in enumerate(parts))


def _no_tags(line: str) -> str:
    at, out = 0, []
    for span in _SPAN.finditer(line):
        out += [_TAG.sub(r"\\<", line[at : span.start()]), span[0]]
        at = span.end()
    return "".join([*out, _TAG.sub(r"\\<", line[at:])])
