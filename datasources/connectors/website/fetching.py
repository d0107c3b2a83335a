"""How a site is asked: politely, one address after the other, each step of a redirect checked, never past a limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from protego import Protego

from datasources.connectors.around import Around
from datasources.connectors.base import ConnectorError
from datasources.connectors.http import TIMEOUT, error_of, requests_session, told
from datasources.connectors.website.addresses import normalized
from portal.providers.transport import AddressRefused

AGENT = "AtriumBot"
_HEADERS = {
    "User-Agent": f"Mozilla/5.0 (compatible; {AGENT}/1.0)",
    "Accept": "text/html,application/xhtml+xml,application/pdf;q=0.9,*/*;q=0.5",
}
LONGEST_PACE = 10.0
_MOST_STEPS = 5
_ROBOTS_BYTES = 512 * 1024
_SECONDS = 120.0
"""One address may take so long altogether."""


class SlowDown(ConnectorError):
    """The site asks to wait: nothing more is asked of it in this run."""


class Refused(Exception):
    """This address is not to be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Got:
    """``address``: where the last step led. ``body``: empty where ``large``."""

    address: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    large: bool = False

    @property
    def mime(self) -> str:
        return self.headers.get("Content-Type", "").split(";")[0].strip().lower()


class Getter:
    """Shared by threads; a session for each. ``pace``: seconds between two requests to one host, at least."""

    def __init__(self, around: Around, pace: float) -> None:
        self.around = around
        self.pace = pace
        self._own = threading.local()
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}
        self._robots: dict[str, Protego] = {}

    def get(
        self,
        address: str,
        allowed: Callable[[str], str],
        *,
        method: str = "GET",
        limit: int | None = None,
        condition: Mapping[str, str] | None = None,
    ) -> Got:
        """``allowed``: in whose spelling an address is followed; empty where not. Raises Refused or ConnectorError.

        ``condition``: more headers, for this address alone and none that it leads to; the answer may then be a 304.
        """
        at = address
        for _ in range(_MOST_STEPS + 1):
            if not self.robots(at).can_fetch(at, AGENT):
                raise Refused("The site's robots.txt asks not to read it")
            most = self.around.limits.file_bytes if limit is None else limit
            got = self._once(at, method, most, condition if at == address else None)
            if got.status not in (301, 302, 303, 307, 308) or not got.headers.get("Location"):
                return got
            target = normalized(got.headers["Location"], at)
            at = allowed(target)
            if not at:
                raise Refused(f"It leads to another place: {target or 'no web address'}"[:300])
        raise Refused(f"It leads on more than {_MOST_STEPS} times")

    def robots(self, address: str) -> Protego:
        """Of the address's host. RFC 9309: without one (4xx) everything is allowed; a fault of the server is waited for."""
        parts = urlsplit(address)
        home = f"{parts.scheme}://{parts.netloc}"
        if home not in self._robots:
            at = f"{home}/robots.txt"
            for _ in range(_MOST_STEPS + 1):
                got = self._once(at, "GET", _ROBOTS_BYTES)
                target = normalized(got.headers.get("Location", ""), at) if 300 <= got.status < 400 else ""
                if not target:
                    break
                at = target
            if got.status >= 500:
                raise error_of(parts.netloc, got.status, got.headers)
            text = got.body.decode("utf-8", "replace") if got.status == 200 else ""
            self._robots[home] = Protego.parse(text)
        return self._robots[home]

    def _once(self, address: str, method: str, limit: int, condition: Mapping[str, str] | None = None) -> Got:
        host = urlsplit(address).netloc
        self._wait(host)
        with told(host):
            try:
                headers = {**_HEADERS, **(condition or {})}
                response = self._session().request(
                    method, address, headers=headers, timeout=TIMEOUT, allow_redirects=False, stream=True
                )
            except AddressRefused as error:
                raise Refused(str(error)) from error
            with response:
                if response.status_code == 429:
                    said = error_of(host, 429, response.headers)
                    raise SlowDown(str(said), retry_after=said.retry_after)
                return self._read(address, response, limit)

    def _read(self, address: str, response: requests.Response, limit: int) -> Got:
        declared = response.headers.get("Content-Length", "")
        large = declared.isdigit() and int(declared) > limit
        parts, size, begun = [], 0, time.monotonic()
        for part in () if large else response.iter_content(1 << 16):
            size += len(part)
            parts.append(part)
            large = size > limit
            if large:
                break
            if time.monotonic() - begun > _SECONDS:
                raise ConnectorError(f"{urlsplit(address).netloc} answers too slowly just now")
        return Got(address, response.status_code, response.headers, b"" if large else b"".join(parts), large)

    def _session(self) -> requests.Session:
        if not hasattr(self._own, "session"):
            self._own.session = requests_session(self.around.network)
        session: requests.Session = self._own.session
        session.cookies.clear()
        return session

    def _wait(self, host: str) -> None:
        """Keeps the distance that the site asks for, within reason. All threads of this source share it."""
        with self._lock:
            now = time.monotonic()
            at = max(now, self._next.get(host, 0.0))
            self._next[host] = at + self._distance(host)
        if at > now:
            time.sleep(at - now)

    def _distance(self, host: str) -> float:
        known = self._robots.get(f"https://{host}") or self._robots.get(f"http://{host}")
        asked = known.crawl_delay(AGENT) if known else None
        return max(self.pace, min(float(asked or 0.0), LONGEST_PACE))
