"""Single nodes told anew, as after a webhook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from datasources.connectors.base import Change, Delete, Skipped, Upsert
from datasources.connectors.slack.client import Said
from datasources.connectors.slack.documents import Channel, first_second
from datasources.connectors.slack.listing import UNINVITED, Listing


def look(listing: Listing, external_ids: Sequence[str]) -> Iterator[Change]:
    """By channel. What is not chosen is not asked for, as far as its id tells."""
    by_channel: dict[str, list[str]] = {}
    for external_id in external_ids:
        _, _, rest = external_id.partition(":")
        by_channel.setdefault(rest.split(":", 1)[0], []).append(external_id)
    for channel_id, named in by_channel.items():
        chains = [(key, f"channel:{channel_id}") for key in named]
        if channel_id and any(listing.lines.takes(*chain) for chain in chains):
            yield from _channel(listing, channel_id, named)


def _channel(listing: Listing, channel_id: str, named: Sequence[str]) -> Iterator[Change]:
    try:
        found = listing.history.api.call("conversations.info", channel=channel_id).get("channel") or {}
    except Said:
        yield Delete(f"channel:{channel_id}")
        return
    channel = Channel.of({"id": channel_id, **found})
    if not channel.member:
        yield Skipped(channel.node(listing.history.scribe.site), UNINVITED)
        return
    try:
        yield from look_at(listing, channel, [key for key in named if key.count(":") == 2])
    except Said as said:
        yield Skipped(channel.node(listing.history.scribe.site), str(said))


def look_at(listing: Listing, channel: Channel, external_ids: Sequence[str]) -> Iterator[Change]:
    """Single nodes of a channel, after the channel."""
    yield listing.told(channel)
    for external_id in external_ids:
        kind, _, name = external_id.split(":", 2)
        if kind == "thread":
            yield from listing.one_thread(channel, name, known=True)
        elif kind == "file":
            yield from _file(listing, channel, external_id, name)
        else:
            yield from _one_day(listing, channel, external_id, name)


def _one_day(listing: Listing, channel: Channel, external_id: str, date: str) -> Iterator[Change]:
    if float(first_second(date)) < float(listing.oldest(channel) or 0):
        return
    day = listing.history.one_day(channel.id, date)
    if day.alone:
        yield from listing.one_day(channel, day)
    else:
        yield Delete(external_id)


def _file(listing: Listing, channel: Channel, external_id: str, name: str) -> Iterator[Change]:
    try:
        file = listing.history.api.call("files.info", file=name).get("file") or {}
    except Said:
        yield Delete(external_id)
        return
    where = [key for shares in (file.get("shares") or {}).values() for key in shares]
    shared = [*where, *(file.get("channels") or []), *(file.get("groups") or [])]
    if channel.id not in shared and name != channel.canvas:
        yield Delete(external_id)
    else:
        change = listing.history.scribe.file(channel, {"id": name, **file})
        created = change.node.created if isinstance(change, Upsert | Skipped) else None
        if isinstance(change, Delete) or listing.takes_in(channel, external_id, created):
            yield change
