"""Who and what the ids in messages stand for."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from datasources.connectors.slack.client import Api, MissingScope, Said

SLACKBOT = "USLACKBOT"


@dataclass(frozen=True, slots=True)
class Person:
    """``mail`` is empty where it is not known, and for who has left."""

    name: str
    mail: str = ""
    bot: bool = False


class Names(Protocol):
    def person(self, user: str) -> Person: ...

    def channel(self, channel: str) -> str:
        """Its name without ``#``; empty where it is not known."""
        ...


def person_of(user: Mapping[str, Any]) -> Person:
    """https://docs.slack.dev/reference/objects/user-object"""
    profile = user.get("profile") or {}
    named = (profile.get("display_name"), profile.get("real_name"), user.get("real_name"), user.get("name"))
    name = next((str(text).strip() for text in named if str(text or "").strip()), str(user.get("id") or "Someone"))
    mail = "" if user.get("deleted") else str(profile.get("email") or "").strip().lower()
    return Person(name, mail, bool(user.get("is_bot")) or user.get("id") == SLACKBOT)


class Workspace:
    """Names as the Web API gives them: all people once, page by page; who is of another workspace, once each."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lock = threading.RLock()
        self._people: dict[str, Person] | None = None
        self._channels: dict[str, str] | None = None

    def person(self, user: str) -> Person:
        with self._lock:
            people = self._all()
            if user not in people:
                people[user] = self._stranger(user)
            return people[user]

    def mail(self, user: str) -> str:
        """Empty for who is not of this workspace."""
        with self._lock:
            found = self._all().get(user)
        return found.mail if found else ""

    def names(self, users: Iterable[str]) -> dict[str, str]:
        """Of those among these that are of this workspace."""
        with self._lock:
            people = self._all()
            return {user: people[user].name for user in users if user in people}

    def channel(self, channel: str) -> str:
        with self._lock:
            if self._channels is None:
                self.know(channels(self._api))
            return (self._channels or {}).get(channel, "")

    def know(self, found: Iterable[Mapping[str, Any]]) -> None:
        with self._lock:
            self._channels = {str(item.get("id")): str(item.get("name") or "") for item in found}

    def _all(self) -> dict[str, Person]:
        if self._people is None:
            people = {SLACKBOT: Person("Slackbot", bot=True)}
            for page in self._api.pages("users.list", "members"):
                people |= {str(user.get("id")): person_of(user) for user in page}
            self._people = people
        return self._people

    def _stranger(self, user: str) -> Person:
        try:
            found = person_of(self._api.call("users.info", user=user).get("user") or {"id": user})
        except Said:
            return Person(user)
        return Person(found.name, "", found.bot)


def channels(api: Api) -> Iterator[Mapping[str, Any]]:
    """Public and private channels that the app can see, as Slack's pages come; public ones alone where that is all it may."""
    pages = api.pages("conversations.list", "channels", types="public_channel,private_channel")
    try:
        first = next(pages)
    except MissingScope as error:
        if "groups:read" not in error.needed:
            raise
        pages = api.pages("conversations.list", "channels", types="public_channel")
        first = next(pages)
    yield from first
    for page in pages:
        yield from page
