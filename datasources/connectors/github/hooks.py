"""What GitHub's webhook says. Source: "Webhook events and payloads" and "Validating webhook deliveries" at docs.github.com."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from datasources.connectors.base import Delivery, DeliveryRefused, Heard

_MOST_FILES = 300
"""More changed files than that are cheaper to find by listing."""
_OF_ISSUES = ("issues", "issue_comment")
_OF_PULLS = ("pull_request", "pull_request_review", "pull_request_review_comment", "pull_request_review_thread")
_OF_DISCUSSIONS = ("discussion", "discussion_comment")
_OF_ACCESS = ("installation", "installation_repositories", "membership", "team")


def heard(delivery: Delivery) -> Heard:
    """Raises DeliveryRefused where the signature is not ours, or what was signed can't be read."""
    mac = hmac.new(delivery.secret.encode(), delivery.body, hashlib.sha256).hexdigest()
    if not delivery.secret or not hmac.compare_digest(f"sha256={mac}", delivery.headers.get("x-hub-signature-256", "")):
        raise DeliveryRefused
    key = delivery.headers.get("x-github-delivery", "") or mac
    try:
        told = json.loads(delivery.body)
        event = delivery.headers.get("x-github-event", "")
        nodes, everything = _nodes(event, told)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeliveryRefused from error
    return Heard(key, nodes, everything)


def _nodes(event: str, told: Mapping[str, Any]) -> tuple[tuple[str, ...], bool]:
    if event in _OF_ACCESS:
        return (), True
    repo = (told.get("repository") or {}).get("id")
    if repo is None or event == "ping":
        return (), False
    if event == "push":
        return _pushed(repo, told)
    if event in _OF_ISSUES:
        sort = "pull" if told["issue"].get("pull_request") else "issue"
        moved = told.get("action") == "transferred"
        return (f"{sort}:{repo}:{told['issue']['number']}",), moved
    if event in _OF_PULLS:
        return (f"pull:{repo}:{told['pull_request']['number']}",), False
    if event in _OF_DISCUSSIONS:
        return (f"discussion:{repo}:{told['discussion']['number']}",), False
    if event == "gollum":
        return (f"wiki:{repo}",), False
    if event == "repository":
        if "default_branch" in (told.get("changes") or {}):
            return (f"repo:{repo}", f"code:{repo}"), False
        return (f"repo:{repo}",), told.get("action") in ("created", "publicized", "privatized", "transferred")
    return (), False


def _pushed(repo: int, told: Mapping[str, Any]) -> tuple[tuple[str, ...], bool]:
    """The files that the commits name; of a forced push or a very large one, only that something changed."""
    if told["ref"] != f"refs/heads/{told['repository']['default_branch']}":
        return (), False
    commits = told.get("commits") or []
    files = {path for one in commits for sort in ("added", "modified", "removed") for path in one.get(sort) or ()}
    if told.get("forced") or not commits or len(commits) >= 2048 or len(files) > _MOST_FILES:
        return (), True
    return tuple(f"file:{repo}:{path}" for path in sorted(files)), False
