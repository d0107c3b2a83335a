"""What Slack's Events API sends: who sent it is proved, and which nodes it speaks of is read. https://docs.slack.dev/apis/events-api"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from slack_sdk.signature import Clock, SignatureVerifier

from datasources.connectors.base import Delivery, DeliveryRefused, Heard
from datasources.connectors.slack.messages import day_of, files_of, stamp

_REVOKED = {"tokens_revoked", "app_uninstalled"}
_CREATED = {"channel_created"}
_OF_CHANNEL = {
    f"{kind}_{what}"
    for kind in ("channel", "group")
    for what in ("rename", "archive", "unarchive", "deleted", "left", "id_changed")
}
_OF_MEMBERS = {"member_joined_channel", "member_left_channel"}


class _Then(Clock):
    """The delivery's own time, so that a test can say what time it is."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return self.seconds


def heard(delivery: Delivery, *, mirror: bool) -> Heard:
    """Raises DeliveryRefused for what is not signed by Slack, or older than five minutes."""
    _check(delivery)
    try:
        said = json.loads(delivery.body)
    except ValueError:
        return Heard()
    if not isinstance(said, dict):
        return Heard()
    if said.get("type") == "url_verification":
        return Heard(reply=str(said.get("challenge") or ""))
    event = said.get("event")
    if said.get("type") != "event_callback" or not isinstance(event, dict):
        return Heard()
    key = str(said.get("event_id") or "")
    if _everything(said, event):
        return Heard(key=key, everything=True)
    return Heard(key=key, nodes=tuple(dict.fromkeys(_nodes(event, mirror=mirror))))


def _check(delivery: Delivery) -> None:
    try:
        signed = SignatureVerifier(delivery.secret, _Then(delivery.now.timestamp())).is_valid_request(
            delivery.body, dict(delivery.headers)
        )
    except ValueError as error:
        raise DeliveryRefused("The signature can't be read") from error
    if not signed:
        raise DeliveryRefused("The signature is not Slack's, or it is too old")


def _everything(said: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """A run over all finds out: a key that was taken back, a channel that nobody knows yet, the app let in somewhere."""
    kind = event.get("type")
    if kind in _REVOKED or kind in _CREATED:
        return True
    ours = {one.get("user_id") for one in said.get("authorizations") or [] if isinstance(one, Mapping)}
    return kind in _OF_MEMBERS and event.get("user") in ours


def _nodes(event: Mapping[str, Any], *, mirror: bool) -> Iterator[str]:
    channel = event.get("channel")
    channel_id = str((channel.get("id") if isinstance(channel, Mapping) else channel) or "")
    kind = event.get("type")
    if not channel_id:
        return
    if kind in _OF_CHANNEL or (kind in _OF_MEMBERS and mirror):
        yield f"channel:{channel_id}"
    if kind != "message" or event.get("channel_type") in ("im", "mpim"):
        return
    told = [event.get("message"), event.get("previous_message")]
    messages = [one for one in told if isinstance(one, Mapping)] or [event]
    for message in messages:
        yield from _of_message(channel_id, message)
    if event.get("deleted_ts"):
        yield from _of_message(channel_id, {"ts": event["deleted_ts"]})


def _of_message(channel: str, message: Mapping[str, Any]) -> Iterator[str]:
    """Its thread, and the day that its first message is or was in: with a first reply it leaves it."""
    thread = str(message.get("thread_ts") or "")
    begun = thread or stamp(message)
    if day := day_of(begun):
        yield f"day:{channel}:{day}"
    if thread:
        yield f"thread:{channel}:{thread}"
    yield from (f"file:{channel}:{file['id']}" for file in files_of(message))
