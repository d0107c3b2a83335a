"""What Confluence sends: Data Center signs with the webhook's secret; a rule of Cloud's automation carries it in a header.

https://confluence.atlassian.com/doc/managing-webhooks-1021225606.html
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from datasources.connectors.base import Delivery, DeliveryRefused, Heard
from datasources.connectors.confluence.contents import key_of
from datasources.connectors.confluence.listing import BELOW

CHANNEL = "x-atrium-secret"
_OLDEST = timedelta(days=1)


def heard(delivery: Delivery) -> Heard:
    """Raises DeliveryRefused."""
    _verify(delivery)
    try:
        event = json.loads(delivery.body)
    except ValueError as error:
        raise DeliveryRefused("Not JSON") from error
    if not isinstance(event, dict):
        raise DeliveryRefused("Not an event")
    _check_age(event, delivery.now)
    key = hashlib.sha256(delivery.body).hexdigest()
    if "timestamp" not in event and CHANNEL in delivery.headers:
        # A rule of Cloud's automation sends the same words for each edit: only the minute tells two of them apart.
        key = f"{key[:40]}-{delivery.now:%Y%m%dT%H%M}"
    nodes = tuple(dict.fromkeys(_nodes(event)))
    return Heard(
        key=key, nodes=nodes, everything=not nodes and str(event.get("event", "")).startswith(("space_", "attachment_"))
    )


def _verify(delivery: Delivery) -> None:
    if not delivery.secret:
        raise DeliveryRefused("The webhook has no secret")
    signature = delivery.headers.get("x-hub-signature", "")
    if signature:
        right = "sha256=" + hmac.new(delivery.secret.encode(), delivery.body, hashlib.sha256).hexdigest()
        given = signature
    else:
        right, given = delivery.secret, delivery.headers.get(CHANNEL, "")
    if not hmac.compare_digest(right.encode(), given.encode()):
        raise DeliveryRefused("The signature is wrong")


def _check_age(event: Mapping[str, Any], now: datetime) -> None:
    at = event.get("timestamp")
    if isinstance(at, int | float) and abs(now - datetime.fromtimestamp(at / 1000, UTC)) > _OLDEST:
        raise DeliveryRefused("Too old")


def _nodes(event: Mapping[str, Any]) -> list[str]:
    """An attachment counts as what it is attached to; where readers may have changed, all that is below a page too."""
    name = str(event.get("event") or "")
    mark = BELOW if "permission" in name or "restriction" in name or name.endswith("_moved") else ""
    things = [(field, event.get(field)) for field in ("page", "blog", "blogpost", "content", "attachedTo")]
    found = [
        mark + key_of(str(thing.get("contentType") or ("blogpost" if "blog" in field else "page")), thing["id"])
        for field, thing in things
        if isinstance(thing, Mapping) and thing.get("id")
    ]
    if not found and event.get("id") and str(event.get("type")) in ("page", "blogpost"):
        found = [key_of(str(event["type"]), event["id"])]
    return found
