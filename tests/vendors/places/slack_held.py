"""What a Slack on loopback holds: a workspace in memory that tests change, and one of any size, made as it is read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

APP_USER = "U0APP"
Message = dict[str, Any]


class Held(Protocol):
    """What a workspace holds. ``messages`` gives all of a channel, replies too, oldest first."""

    def users(self) -> Sequence[Mapping[str, Any]]: ...

    def channel_count(self) -> int: ...

    def channel_at(self, number: int) -> dict[str, Any]: ...

    def channel(self, channel: str) -> dict[str, Any] | None: ...

    def members(self, channel: str) -> Sequence[str]: ...

    def messages(self, channel: str) -> Sequence[Message]: ...

    def file(self, file: str) -> tuple[dict[str, Any], bytes] | None: ...

    def join(self, channel: str) -> None: ...


class Workspace:
    """A workspace in memory, changed as people would."""

    def __init__(self) -> None:
        self._users: dict[str, dict[str, Any]] = {}
        self._channels: dict[str, dict[str, Any]] = {}
        self._members: dict[str, list[str]] = {}
        self._messages: dict[str, list[Message]] = {}
        self._files: dict[str, tuple[dict[str, Any], bytes]] = {}
        self._counter = 0
        self.person(APP_USER, "Atrium", bot=True)
        self.person("USLACKBOT", "Slackbot", bot=True)

    def person(self, user: str, name: str, mail: str = "", *, bot: bool = False, deleted: bool = False) -> str:
        profile = {"real_name": name, "display_name": name, "email": mail or f"{name.split()[0].lower()}@acme.example"}
        if bot:
            profile.pop("email")
        self._users[user] = {
            "id": user, "team_id": "T1", "name": name.lower().replace(" ", "."), "deleted": deleted,
            "real_name": name, "profile": profile, "is_bot": bot,
        }  # fmt: skip
        return user

    def open(
        self, channel: str, name: str, *, private: bool = False, member: bool = True, created: float = 1.6e9
    ) -> str:
        self._channels[channel] = {
            "id": channel, "name": name, "is_channel": not private, "is_group": private, "is_private": private,
            "is_archived": False, "is_general": name == "general", "created": int(created), "is_member": member,
            "creator": "U1", "topic": {"value": ""}, "purpose": {"value": ""}, "num_members": 3,
        }  # fmt: skip
        self._members[channel] = ["U1", "U2", *([APP_USER] if member else [])]
        self._messages[channel] = []
        return channel

    def say(
        self, channel: str, text: str, *, user: str = "U1", at: float | None = None, thread: str = "", **more: Any
    ) -> str:
        """Its ``ts``. ``thread``: the message that it answers."""
        self._counter += 1
        ts = f"{at if at is not None else time.time():.0f}.{self._counter:06d}"
        message: Message = {"type": "message", "user": user, "text": text, "ts": ts, "team": "T1", **more}
        if thread:
            message |= {"thread_ts": thread, "parent_user_id": self.message(channel, thread).get("user", "")}
        self._messages[channel].append(message)
        self._messages[channel].sort(key=lambda m: m["ts"])
        if thread:
            self._count(channel, thread)
        return ts

    def message(self, channel: str, ts: str) -> Message:
        return next(m for m in self._messages[channel] if m["ts"] == ts)

    def edit(self, channel: str, ts: str, text: str) -> None:
        message = self.message(channel, ts)
        message |= {"text": text, "edited": {"user": message.get("user", ""), "ts": f"{time.time():.0f}.000000"}}

    def remove(self, channel: str, ts: str) -> None:
        """As Slack does it: what opened a thread with replies stays as a tombstone, until the last of them is gone."""
        gone = self.message(channel, ts)
        thread = gone.get("thread_ts", "")
        if thread == ts and gone.get("reply_count"):
            for key in ("files", "edited", "attachments"):
                gone.pop(key, None)
            gone |= {"subtype": "tombstone", "text": "This message was deleted.", "user": "USLACKBOT", "hidden": True}
            return
        self._messages[channel].remove(gone)
        if thread and thread != ts:
            self._count(channel, thread)

    def share(self, channel: str, name: str, data: bytes, *, mime: str = "text/plain", **more: Any) -> dict[str, Any]:
        """A file, ready to go into ``say(files=[…])``."""
        file_id = f"F{len(self._files) + 1:03d}"
        now = int(time.time()) - 3600
        file = {
            "id": file_id, "created": now, "timestamp": now, "name": name, "title": name, "mimetype": mime,
            "filetype": name.rsplit(".", 1)[-1], "user": "U1", "size": len(data), "mode": "hosted", "is_external": False,
            "url_private": f"https://files.slack.com/files-pri/T1-{file_id}/{name}",
            "url_private_download": f"https://files.slack.com/files-pri/T1-{file_id}/download/{name}",
            "permalink": f"https://acme.slack.com/files/U1/{file_id}/{name}",
            "channels": [channel], "shares": {"public": {channel: [{"ts": "0"}]}}, **more,
        }  # fmt: skip
        self._files[file_id] = (file, data)
        return file

    def remove_file(self, file: str) -> None:
        self._files.pop(file)
        for messages in self._messages.values():
            for message in messages:
                found = message.get("files", [])
                message["files"] = [{"id": f["id"], "mode": "tombstone"} if f["id"] == file else f for f in found]

    def rename(self, channel: str, name: str) -> None:
        self._channels[channel]["name"] = name

    def archive(self, channel: str) -> None:
        self._channels[channel]["is_archived"] = True

    def close(self, channel: str) -> None:
        for held in (self._channels, self._members, self._messages):
            held.pop(channel)

    def invite(self, channel: str, at: float | None = None) -> None:
        self._channels[channel]["is_member"] = True
        self._members[channel].append(APP_USER)
        self.say(
            channel, f"<@{APP_USER}> has joined the channel", user=APP_USER, at=at, subtype="channel_join", inviter="U1"
        )

    def _count(self, channel: str, thread: str) -> None:
        replies = [m for m in self._messages[channel] if m.get("thread_ts") == thread and m["ts"] != thread]
        first = self.message(channel, thread)
        if replies:
            users = list(dict.fromkeys(m["user"] for m in replies))
            first |= {
                "thread_ts": thread,
                "reply_count": len(replies),
                "latest_reply": replies[-1]["ts"],
                "reply_users": users,
            }
        elif first.get("subtype") == "tombstone":
            self._messages[channel].remove(first)
        else:
            for key in ("reply_count", "latest_reply", "reply_users"):
                first.pop(key, None)

    # as the server reads it

    def users(self) -> Sequence[Mapping[str, Any]]:
        return list(self._users.values())

    def channel_count(self) -> int:
        return len(self._channels)

    def channel_at(self, number: int) -> dict[str, Any]:
        return list(self._channels.values())[number]

    def channel(self, channel: str) -> dict[str, Any] | None:
        return self._channels.get(channel)

    def members(self, channel: str) -> Sequence[str]:
        return self._members[channel]

    def messages(self, channel: str) -> Sequence[Message]:
        return self._messages[channel]

    def file(self, file: str) -> tuple[dict[str, Any], bytes] | None:
        return self._files.get(file)

    def join(self, channel: str) -> None:
        self._channels[channel]["is_member"] = True
        self._members[channel].append(APP_USER)
        self.say(channel, f"<@{APP_USER}> has joined the channel", user=APP_USER, subtype="channel_join")


def days_ago(days: float, hour: int = 10) -> float:
    """Unix seconds, at an hour (UTC) so many days ago."""
    now = time.time()
    return now - now % 86_400 - days * 86_400 + hour * 3600


def small_company() -> Workspace:
    """Acme: four people, five channels, with a thread, an alerting bot and a file."""
    acme = Workspace()
    acme.person("U1", "Ann Lee", "ann@acme.example")
    acme.person("U2", "Ben Ode", "ben@acme.example")
    acme.person("U3", "Cleo Park", "cleo@acme.example")
    acme.person("U4", "Pager", bot=True)
    general, support = acme.open("C01", "general"), acme.open("C02", "support")
    alerts, secret = acme.open("C03", "alerts"), acme.open("C04", "board", private=True)
    acme.open("C05", "random", member=False)
    acme.say(general, "The office is closed on *Friday*: the floors are being done.", at=days_ago(2))
    acme.say(general, "Then I work from home, see you <!here> on Monday", user="U2", at=days_ago(2, 11))
    plan = acme.share(general, "floor-plan.txt", b"The kitchen moves to the second floor in May.")
    acme.say(general, "The plan of the second floor", at=days_ago(1), files=[plan], subtype="file_share")
    asked = acme.say(support, "How does a customer get a refund after 30 days?", user="U3", at=days_ago(5))
    acme.say(
        support,
        "<@U3> within 60 days, and only as a voucher: <https://acme.example/refunds|the rules>",
        at=days_ago(5, 12),
        thread=asked,
    )
    acme.say(support, "Thanks!", user="U3", at=days_ago(5, 13), thread=asked)
    acme.say(alerts, "Disk of db-2 at 91 %", user="U4", at=days_ago(3), bot_id="B9", subtype="bot_message")
    acme.say(secret, "The merger with Globex is signed in June.", user="U2", at=days_ago(4))
    acme.say("C05", "Who has a spare umbrella?", user="U3", at=days_ago(6))
    return acme


class MadeUp:
    """``channels`` channels with a hundred messages each (eight threads of five, and 60 messages on twelve days), made as
    they are asked for from their numbers alone, so that it can be as large as one likes.

    ``change`` edits a message in the newest day of some channels.
    """

    PEOPLE = 200
    WORDS = (
        "invoice",
        "refund",
        "server",
        "release",
        "customer",
        "meeting",
        "budget",
        "design",
        "deploy",
        "ticket",
        "travel",
    )

    def __init__(self, channels: int = 2000, *, now: float | None = None) -> None:
        self._channels = channels
        self._end = int(now if now is not None else time.time()) // 86_400 * 86_400
        self._changed: dict[int, int] = {}
        self._last: tuple[tuple[int, int], list[Message]] = (-1, 0), []

    def change(self, share: float) -> int:
        """Edit one message in this share of all documents (a day or a thread each, 20 a channel); how many."""
        number = max(1, round(self._channels * 20 * share))
        step = max(1, self._channels // number)
        changed = range(0, self._channels, step)
        for channel in changed:
            self._changed[channel] = self._changed.get(channel, 0) + 1
        return len(changed)

    def users(self) -> Sequence[Mapping[str, Any]]:
        return [
            {
                "id": f"U{n:04d}",
                "name": f"person{n}",
                "profile": {"real_name": f"Person {n}", "email": f"p{n}@acme.example"},
            }
            for n in range(self.PEOPLE)
        ]

    def channel_count(self) -> int:
        return self._channels

    def channel_at(self, number: int) -> dict[str, Any]:
        word = self.WORDS[number % len(self.WORDS)]
        return {
            "id": f"C{number:06d}", "name": f"{word}-{number}", "is_channel": True, "is_private": False,
            "is_archived": False, "is_member": True, "created": self._end - 120 * 86_400,
        }  # fmt: skip

    def channel(self, channel: str) -> dict[str, Any] | None:
        number = int(channel[1:]) if channel[1:].isdigit() else -1
        return self.channel_at(number) if 0 <= number < self._channels else None

    def members(self, channel: str) -> Sequence[str]:
        return [f"U{n:04d}" for n in range(20)]

    def messages(self, channel: str) -> Sequence[Message]:
        """The last channel is kept, because its history is asked for and then its threads."""
        number = int(channel[1:])
        key = number, self._changed.get(number, 0)
        if self._last[0] != key:
            self._last = key, list(self._made(number))
        return self._last[1]

    def file(self, file: str) -> None:
        return None

    def join(self, channel: str) -> None:
        """The app is in every channel."""

    def _made(self, channel: int) -> Iterator[Message]:
        for day in range(12):
            begun = self._end - (12 - day) * 7 * 86_400 + 6 * 86_400
            for n in range(5):
                edits = self._changed.get(channel, 0) if day == 11 and n == 4 else 0
                yield self._message(channel, begun + n * 600, day * 5 + n, edits)
            if day >= 8 or day < 4:
                yield from self._thread(channel, begun + 36_000, 60 + (day if day < 4 else day - 4) * 5)

    def _thread(self, channel: int, begun: int, number: int) -> Iterator[Message]:
        made = [self._message(channel, begun + n * 300, number + n, 0) for n in range(5)]
        thread = made[0]["ts"]
        made[0] |= {"reply_count": 4, "latest_reply": made[-1]["ts"], "reply_users": [m["user"] for m in made[1:]]}
        yield from ({**message, "thread_ts": thread} for message in made)

    def _message(self, channel: int, at: int, number: int, edits: int) -> Message:
        seed = channel * 131 + number * 17
        words = " ".join(self.WORDS[(seed + n * n) % len(self.WORDS)] for n in range(9))
        text = f"About {words}, number {seed}" + (f", seen again {edits}" if edits else "")
        edited = {"edited": {"user": "U0001", "ts": f"{at + 60}.000000"}} if edits else {}
        user = f"U{seed % self.PEOPLE:04d}"
        return {"type": "message", "user": user, "text": text, "ts": f"{at}.{number:06d}", **edited}
