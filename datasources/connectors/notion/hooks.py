"""What Notion sends to the webhook: first a token to verify the address with, then events that it signs with that token.

https://developers.notion.com/reference/webhooks
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from datasources.connectors.base import Delivery, DeliveryRefused, Heard


def heard(delivery: Delivery) -> Heard:
    """Raises DeliveryRefused. The handshake is taken only while there is no secret yet, or for the one that is kept."""
    try:
        event = json.loads(delivery.body)
    except ValueError as error:
        raise DeliveryRefused("Not JSON") from error
    if not isinstance(event, dict):
        raise DeliveryRefused("Not an event")
    token = event.get("verification_token")
    if isinstance(token, str) and token and not delivery.secret:
        return Heard(key=f"verification:{hashlib.sha256(token.encode()).hexdigest()}", secret=token)
    _verify(delivery)
    return Heard(key=str(event.get("id") or hashlib.sha256(delivery.body).hexdigest()), **_told(event))


def _verify(delivery: Delivery) -> None:
    if not delivery.secret:
        raise DeliveryRefused("The webhook is not verified yet")
    right = "sha256=" + hmac.new(delivery.secret.encode(), delivery.body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right.encode(), delivery.headers.get("x-notion-signature", "").encode()):
        raise DeliveryRefused("The signature is wrong")


def _told(event: Mapping[str, Any]) -> dict[str, Any]:
    """Comments are not read, so they say nothing. A data source counts as its database."""
    entity = event.get("entity") or {}
    kind, one = str(entity.get("type") or ""), str(entity.get("id") or "")
    if kind in ("page", "database") and one:
        return {"nodes": (f"{kind}:{one}",)}
    if kind == "data_source":
        parent = (event.get("data") or {}).get("parent") or {}
        if parent.get("type") == "database" and parent.get("id"):
            return {"nodes": (f"database:{parent['id']}",)}
        return {"everything": True}
    return {}
