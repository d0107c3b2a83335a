"""What Jira's webhook says. Source: developer.atlassian.com/cloud/jira/platform/webhooks ("Secure admin webhooks")."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from datasources.connectors.base import Delivery, DeliveryRefused, Heard


def heard(delivery: Delivery) -> Heard:
    """Raises DeliveryRefused where the signature is not ours, or what was signed can't be read."""
    mac = hmac.new(delivery.secret.encode(), delivery.body, hashlib.sha256).hexdigest()
    if not delivery.secret or not hmac.compare_digest(f"sha256={mac}", delivery.headers.get("x-hub-signature", "")):
        raise DeliveryRefused
    key = delivery.headers.get("x-atlassian-webhook-identifier", "") or mac
    try:
        told = json.loads(delivery.body)
        return Heard(key, tuple(dict.fromkeys(_nodes(told))))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeliveryRefused from error


def _nodes(told: Mapping[str, Any]) -> list[str]:
    found = []
    if told.get("issue"):
        found.append(f"issue:{int(told['issue']['id'])}")
    if told.get("issueLink"):
        found += [f"issue:{int(told['issueLink'][side])}" for side in ("sourceIssueId", "destinationIssueId")]
    if told.get("project") and str(told.get("webhookEvent") or "").startswith("project_"):
        found.append(f"project:{int(told['project']['id'])}")
    return found
