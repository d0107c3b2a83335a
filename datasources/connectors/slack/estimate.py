"""A guess at how much will come in, from the newest messages of a few of the chosen channels."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from datasources.connectors.base import Estimate
from datasources.connectors.slack.client import Said
from datasources.connectors.slack.documents import Channel
from datasources.connectors.slack.history import Day, Span
from datasources.connectors.slack.listing import Listing
from datasources.connectors.slack.messages import Message, day_of, files_of, moment, stamp

SAMPLES = 10
SECONDS = 3.0
ENOUGH = 500
"""Messages of one channel that tell how the others are."""


def estimate(listing: Listing) -> Estimate:
    """Channels that the app has yet to join count as the average of those that it can look into; without any, it can't be told."""
    chosen = [channel for channel in listing.channels() if listing.takes(channel)]
    open_to_us = [channel for channel in chosen if channel.member]
    joinable = [c for c in chosen if not c.member and listing.join and not (c.private or c.archived)]
    if not open_to_us:
        return Estimate(0, exact=False, untold=_untold(len(joinable)) if joinable else "")
    begun, documents, size, seen = time.monotonic(), 0.0, 0.0, 0
    step = max(1, len(open_to_us) // SAMPLES)
    for channel in open_to_us[::step]:
        found = _channel(listing, channel)
        documents, size, seen = documents + found[0], size + found[1], seen + 1
        if time.monotonic() - begun > SECONDS:
            break
    share = (len(open_to_us) + len(joinable)) / seen
    return Estimate(max(1, round(documents * share)), round(size * share), exact=False)


def _untold(channels: int) -> str:
    of = "one channel" if channels == 1 else f"{channels:,} channels"
    return (
        f"Slack shows what is in a channel only to those who joined it. The first sync joins {of}, and reads all of it."
    )


def _channel(listing: Listing, channel: Channel) -> tuple[float, float]:
    """(documents, bytes): what its newest messages make, stretched over the time from which messages come in."""
    oldest = listing.oldest(channel)
    page: list[Message] = []
    more = False
    try:
        for found in listing.history.pages(channel.id, Span(oldest)):
            page += found
            if more := len(page) >= ENOUGH:
                break
    except Said:
        return 0.0, 0.0
    if not page:
        return 0.0, 0.0
    days = {day_of(stamp(message)) for message in Day("", page).alone}
    documents = len(days) + len(Day("", page).starters) + sum(len(files_of(message)) for message in page)
    size = sum(len(str(message.get("text") or "")) + 30 for message in page)
    stretched = _stretch(channel, page, oldest) if more else 1.0
    return documents * stretched, size * stretched


def _stretch(channel: Channel, page: list[Message], oldest: str) -> float:
    last = moment(stamp(page[-1])) or datetime.now(UTC)
    first = (moment(oldest) if oldest else None) or channel.created or last
    newest = moment(stamp(page[0])) or datetime.now(UTC)
    span = max(1.0, (newest - last).total_seconds())
    return max(1.0, (newest - first).total_seconds() / span)
