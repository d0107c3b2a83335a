"""Fernwick's Slack as an export has it: what deploy/demo/slack.yaml tells, and the talk that tickets and deals make."""

from __future__ import annotations

import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from gallery.demo.dates import DEPLOY_DAYS, WORKING_DAYS, Calendar
from gallery.demo.numbers import Rows

MONDAYS = "Monday quarter"
_SAID = {
    "Sprig does not pair": "Held the button for 8 seconds, lithium cells, next to the gateway. Pairs now.",
    "Trellis blinks red": "Port 8883 was closed. Opened outwards, green since.",
    "CO2 reading drifts": "Calibrated outdoors for 20 minutes, 420 ppm again.",
    "Alert did not arrive": "Raised and sent; the phone was silent. Critical alerts are allowed now.",
    "Too many alerts": "Showed them what the rule would have done over 30 days. They set it to 15 minutes.",
    "Return of hardware": "Within 60 days, label is out.",
    "Charts stand still": "Gateway on 4.2.0. Updated, its 72 hours are coming in.",
    "Change of plan": "Down from the next renewal, explained.",
    "Export of readings": "One file for the site, the link holds for 60 days.",
    "Empty cells": "Two lithium AA posted.",
    "Invoice question": "Order number was missing. Dario sends it again.",
    "API key": "Made under Settings, API, to read only.",
    "Gateway full": "203 Sprigs. Second gateway ordered.",
}


@dataclass(slots=True)
class Export:
    """``users``: by the short name that the YAML uses. Messages are kept by channel and day, each with a ``ts`` of its own."""

    users: Mapping[str, str]
    days: dict[str, dict[str, list[dict[str, Any]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    _taken: set[str] = field(default_factory=set)

    def say(self, channel: str, who: str, when: datetime, text: str, thread: str = "", *, edited: bool = False) -> str:
        """Gives the message's ``ts``."""
        ts = f"{int(when.timestamp())}.{100 + len(self._taken):06}"
        self._taken.add(ts)
        message: dict[str, Any] = {"type": "message", "user": self.users[who], "text": text, "ts": ts}
        if thread:
            message["thread_ts"] = thread
        if edited:
            message["edited"] = {"user": self.users[who], "ts": f"{int(when.timestamp()) + 60}.000000"}
        self.days[channel][f"{datetime.fromtimestamp(int(when.timestamp()), UTC):%Y-%m-%d}"].append(message)
        return ts

    def talk(self, channel: str, begin: datetime, said: list[tuple[str, str]]) -> None:
        """The first message, and a thread of what follows, some minutes apart. Each seventh was edited afterwards."""
        first = ""
        for place, (who, text) in enumerate(said):
            when = begin + timedelta(minutes=4 * place + len(text) % 3)
            edited = (len(text) + place) % 7 == 0
            ts = self.say(channel, who, when, text, first, edited=edited)
            first = first or (ts if len(said) > 1 else "")
        if first:
            opened = next(m for days in self.days[channel].values() for m in days if m["ts"] == first)
            opened |= {"thread_ts": first, "reply_count": len(said) - 1}

    @property
    def messages(self) -> int:
        return len(self._taken)


def export(
    told: Mapping[str, Any], people: Mapping[str, Any], domain: str, calendar: Calendar, tickets: Rows, deals: Rows
) -> bytes:
    """The zip, as Slack would give it."""
    users = {short: f"U{number:08}" for number, short in enumerate(people, 1)}
    made = Export(users)
    for channel, one in [*told["channels"].items(), *told["groups"].items()]:
        for ago, at, *said in one["talks"]:
            words = [(who, text) for message in said for who, text in message.items()]
            days = [0] if words[0][1].startswith(MONDAYS) else DEPLOY_DAYS if channel == "deploys" else WORKING_DAYS
            made.talk(channel, calendar.moment(ago, at, days), words)
    _of_tickets(made, tickets, people)
    _of_deals(made, deals, people)
    return _packed(made, told, people, domain, calendar)


def _of_tickets(made: Export, tickets: Rows, people: Mapping[str, Any]) -> None:
    """Every third ticket of the last weeks was talked about."""
    by_name = {one["name"]: short for short, one in people.items()}
    for number, opened, customer, _, plan, subject, _, agent, first, *_ in tickets[-150:]:
        when = datetime.fromisoformat(opened).astimezone()
        who = by_name.get(agent, "chiara")
        asked = f"Ticket {number}, {customer} ({plan}): {subject.lower()}. Anybody seen this today?"
        made.talk(
            "ticket-log",
            when,
            [(who, asked), ("priya" if who == "chiara" else "chiara", _SAID[subject])][: 1 + (first < 6)],
        )


def _of_deals(made: Export, deals: Rows, people: Mapping[str, Any]) -> None:
    by_name = {one["name"]: short for short, one in people.items()}
    for deal, customer, country, plan, sites, sprigs, stage, owner, discount, *_, created, _closes, gave in deals[2:]:
        when = datetime.fromisoformat(f"{created} 09:{int(deal[2:]) % 50 + 5:02}").astimezone()
        if (datetime.now().astimezone() - when).days > 75:
            continue
        words = f"{deal}, {customer} ({country}): {plan} for {sites} sites, {sprigs} Sprigs, now {stage}."
        words += f" {discount} % for {gave}." if discount else ""
        made.talk("sales-floor", when, [(by_name.get(owner, "noor"), words)])


def _packed(made: Export, told: Mapping[str, Any], people: Mapping[str, Any], domain: str, calendar: Calendar) -> bytes:
    since = int(calendar.moment(400, "09:00").timestamp())
    members = {
        "users.json": list(_users(made, people, domain)),
        "channels.json": list(_channels(told["channels"], "C", made, since)),
        "groups.json": list(_channels(told["groups"], "G", made, since)),
    }
    for channel, days in made.days.items():
        for day, messages in days.items():
            members[f"{channel}/{day}.json"] = sorted(messages, key=lambda message: message["ts"])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, json.dumps(content, ensure_ascii=False, indent=1))
    return packed.getvalue()


def _users(made: Export, people: Mapping[str, Any], domain: str) -> Iterator[dict[str, Any]]:
    for short, one in people.items():
        profile = {
            "real_name": one["name"],
            "display_name": one["name"],
            "title": one["title"],
            "email": f"{short}@{domain}",
        }
        yield {
            "id": made.users[short],
            "name": short,
            "deleted": "left" in one,
            "real_name": one["name"],
            "profile": profile,
        }


def _channels(told: Mapping[str, Any], letter: str, made: Export, since: int) -> Iterator[dict[str, Any]]:
    for number, (name, one) in enumerate(told.items(), 1):
        yield {"id": f"{letter}{number:08}", "name": name, "created": since, "is_archived": False, "members": list(made.users.values()),
               "topic": {"value": one["topic"]}, "purpose": {"value": one["topic"]}}  # fmt: skip
