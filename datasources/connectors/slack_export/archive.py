"""The zip of a workspace export: channels.json, users.json, and a folder for each channel with a file for each day.

Source: https://slack.com/help/articles/220556107. Read in place and in bounds; nothing of it is written to disk.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from datasources.connectors.base import ConnectorError, NodeError
from datasources.connectors.slack.documents import Channel
from datasources.connectors.slack.messages import Message, stamp
from datasources.connectors.slack.names import Person, person_of
from datasources.ingestion.results import CORRUPT, ENCRYPTED, MB, Limits, megabytes

_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})\.json")
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OverflowError)
DIRECTORY_BYTES = 64 * MB
"""Of the zip's table of contents: some 500,000 files."""
JSON_BYTES = 64 * MB
UPLOADS = "__uploads"
"""Where tools that complete an export put the files: ``__uploads/F1/name``."""
DAMAGED = "Damaged: the zip could not be opened. Download it from Slack again"
NO_EXPORT = "This zip is no export of a Slack workspace: it has no channels.json. Upload the zip as Slack gave it"


class ExportArchive:
    """``file`` stays open as long as this is used. May be shared by threads. Raises ConnectorError for what is no export."""

    def __init__(self, file: IO[bytes], limits: Limits) -> None:
        self._limits = limits
        _check_directory(file)
        try:
            self._zip = zipfile.ZipFile(file)
        except _BROKEN as error:
            raise ConnectorError(DAMAGED, permanent=True) from error
        infos = [info for info in self._zip.infolist() if not info.is_dir()]
        lists = [info.filename for info in infos if info.filename.rpartition("/")[2] == "channels.json"]
        if not lists:
            raise ConnectorError(NO_EXPORT, permanent=True)
        prefix = min(lists, key=len).removesuffix("channels.json")
        self._days: dict[str, dict[str, zipfile.ZipInfo]] = {}
        self._uploads: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            self._sort_in(info, info.filename.removeprefix(prefix) if info.filename.startswith(prefix) else "")
        self.people = {str(user.get("id")): person_of(user) for user in self._list(f"{prefix}users.json")}
        private = [{**item, "is_private": True} for item in self._list(f"{prefix}groups.json")]
        found = [*self._list(f"{prefix}channels.json"), *private]
        made = (Channel.of({**item, "is_member": True}) for item in found if item.get("id"))
        self.channels: dict[str, Channel] = {channel.id: channel for channel in sorted(made, key=lambda c: c.id)}
        self.direct = self._direct(prefix)

    def days(self, channel: Channel) -> Sequence[str]:
        """The dates that there are messages of, as the workspace's own time has them, in order."""
        return sorted(self._folder(channel))

    def size(self, channel: Channel) -> int:
        return sum(info.file_size for info in self._folder(channel).values())

    def messages(self, channel: Channel, day: str) -> list[Message]:
        """Raises NodeError where the day's file can't be read."""
        info = self._folder(channel).get(day)
        if info is None:
            return []
        try:
            found = json.loads(self._read(info, JSON_BYTES))
        except (ValueError, RecursionError) as error:
            raise NodeError("This day's file in the export is damaged: export the workspace anew") from error
        if not isinstance(found, list):
            raise NodeError("This day's file in the export holds no messages: export the workspace anew")
        return [message for message in found if isinstance(message, dict) and stamp(message)]

    def strays(self) -> Iterator[str]:
        """Folders of messages that belong to no channel that the export lists."""
        known = {name for channel in self.channels.values() for name in (channel.name, channel.id)}
        yield from sorted(set(self._days) - known - self.direct)

    def has_file(self, file: str) -> bool:
        return file in self._uploads

    def file(self, file: str) -> bytes:
        """Raises NodeError."""
        if file not in self._uploads:
            raise NodeError("The export does not hold this file", skip=True)
        return self._read(self._uploads[file], self._limits.file_bytes)

    def person(self, user: str) -> Person:
        return self.people.get(user) or Person(user)

    def channel(self, channel: str) -> str:
        return self.channels[channel].name if channel in self.channels else ""

    def _folder(self, channel: Channel) -> Mapping[str, zipfile.ZipInfo]:
        return self._days.get(channel.name) or self._days.get(channel.id) or {}

    def _sort_in(self, info: zipfile.ZipInfo, path: str) -> None:
        folder, _, name = path.rpartition("/")
        if folder.startswith(f"{UPLOADS}/"):
            self._uploads.setdefault(folder.removeprefix(f"{UPLOADS}/"), info)
        elif folder and "/" not in folder and (day := _DAY.fullmatch(name)):
            self._days.setdefault(folder, {})[day[1]] = info

    def _direct(self, prefix: str) -> set[str]:
        """Folders of talks between few people."""
        found = [*self._list(f"{prefix}dms.json"), *self._list(f"{prefix}mpims.json")]
        return {str(item[key]) for item in found for key in ("id", "name") if item.get(key)} & set(self._days)

    def _list(self, name: str) -> list[dict[str, Any]]:
        try:
            info = self._zip.getinfo(name)
        except KeyError:
            return []
        try:
            found = json.loads(self._read(info, JSON_BYTES))
        except (NodeError, ValueError, RecursionError) as error:
            raise ConnectorError(
                f"{name} in the export can't be read: export the workspace anew", permanent=True
            ) from error
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []

    def _read(self, info: zipfile.ZipInfo, limit: int) -> bytes:
        """What a member says of its own size is not believed."""
        try:
            with self._zip.open(info) as stream:
                data = stream.read(limit + 1)
        except RuntimeError as error:
            raise NodeError(ENCRYPTED, skip=True) from error
        except _BROKEN as error:
            raise NodeError(CORRUPT) from error
        if len(data) > limit:
            raise NodeError(f"Too large: more than {megabytes(limit)} once unpacked", skip=True)
        return data


def _check_directory(file: IO[bytes]) -> None:
    """Refuse a table of contents that is too long before the standard library reads it whole."""
    end = file.seek(0, io.SEEK_END)
    file.seek(max(0, end - 65_557))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise ConnectorError(DAMAGED, permanent=True)
    if int.from_bytes(tail[at + 12 : at + 16], "little") > DIRECTORY_BYTES:
        raise ConnectorError("The export has too many files: export a shorter range of dates", permanent=True)
