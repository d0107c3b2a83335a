"""How connectors call their vendors: sessions for the SDKs that obey the operator's rules, and one reading of errors.

    session = requests_session(around.network)      # simple-salesforce, and plain REST (see docs/decisions/vendor-sdks.md)
    client = httpx_client(around.network)           # notion-client, python-intercom
    with told("Slack"):                             # anything that goes wrong below becomes a ConnectorError with a policy
        session.get(…)

Every address is checked, and what a name resolved to is what is dialled, so that it can't resolve to one thing for the
check and to another for the call. Nothing here waits or retries: sync does, with what the error says.
"""

from __future__ import annotations

import email.utils
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any

import httpx
import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.util import Retry

from datasources.connectors.base import ConnectorError, NodeError
from portal.providers.transport import AddressRefused, Network, ssl_context

TIMEOUT = 30.0
"""Seconds to connect, and between two bytes."""


class _PinnedAdapter(HTTPAdapter):
    """Dials the addresses that the network gave, and keeps the name for TLS and Host."""

    def __init__(self, network: Network) -> None:
        self.network = network
        super().__init__(pool_connections=4, pool_maxsize=8, max_retries=Retry(0, read=False))

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.network.check(request.url or "")
        kwargs["timeout"] = kwargs.get("timeout") or TIMEOUT
        kwargs["proxies"] = {}
        return super().send(request, *args, **kwargs)

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        host, pool = self.build_connection_pool_key_attributes(request, verify, cert)
        name, port = host["host"], host.get("port") or (443 if host["scheme"] == "https" else 80)
        try:
            addresses = self.network.addresses(name, port)
        except OSError as error:
            raise requests.ConnectionError(f"{name} is not known") from error
        if not addresses:
            return self.poolmanager.connection_from_host(**host, pool_kwargs=pool)
        if host["scheme"] == "https":
            pool |= {"server_hostname": name, "assert_hostname": name}
        request.headers.setdefault("Host", name if host.get("port") in (None, 80, 443) else f"{name}:{port}")
        return self.poolmanager.connection_from_host(**{**host, "host": addresses[0]}, pool_kwargs=pool)


def requests_session(network: Network) -> requests.Session:
    """Not shared by threads."""
    session = requests.Session()
    session.trust_env = False
    session.max_redirects = 5
    session.mount("https://", _PinnedAdapter(network))
    session.mount("http://", _PinnedAdapter(network))
    return session


def get(session: requests.Session, url: str, headers: Mapping[str, str]) -> requests.Response:
    """A GET, read whole, without what the session adds: no cookies, no redirects, no signing in. ``url`` is encoded already.

    For calls by the thousand, of which the session's own work is a third.
    """
    request = requests.PreparedRequest()
    request.method, request.url = "GET", url
    request.headers = CaseInsensitiveDict(headers)
    answer = session.get_adapter(url).send(request)
    _ = answer.content  # so that the connection is free again
    return answer


class _PinnedTransport(httpx.BaseTransport):
    def __init__(self, network: Network) -> None:
        self.network = network
        self.inner = httpx.HTTPTransport(verify=ssl_context(), retries=0)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.network.check(str(request.url))
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        try:
            addresses = self.network.addresses(host, port)
        except OSError as error:
            raise httpx.ConnectError(f"{host} is not known", request=request) from error
        if addresses:
            request.url = request.url.copy_with(host=addresses[0])
            request.extensions = {**request.extensions, "sni_hostname": host}
        return self.inner.handle_request(request)

    def close(self) -> None:
        self.inner.close()


def httpx_client(network: Network, **options: Any) -> httpx.Client:
    """May be shared by threads."""
    options.setdefault("timeout", TIMEOUT)
    return httpx.Client(transport=_PinnedTransport(network), trust_env=False, follow_redirects=False, **options)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the answer asks to wait (RFC 9110: seconds or a date), or None."""
    value = headers.get("Retry-After") or headers.get("retry-after") or ""
    if value.strip().replace(".", "", 1).isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time()) if value else None
    except ValueError:  # neither of both: as if it had not been said
        return None


def error_of(
    vendor: str, status: int, headers: Mapping[str, str], detail: str = "", *, node: bool = False
) -> ConnectorError:
    """What an HTTP status means. ``node``: the call was about one node, so 403 and 404 speak of that alone."""
    said = f" ({detail[:200]})" if detail else ""
    if status == 401:
        return ConnectorError(
            f"{vendor} refuses the key: it is mistyped, has ended or was revoked{said}", permanent=True
        )
    if status == 429:
        return ConnectorError(f"{vendor} asks to slow down{said}", retry_after=retry_after(headers))
    if node and status in (404, 410):
        return NodeError(f"It is no longer at {vendor}", skip=True)
    if node and status == 403:
        return NodeError(f"{vendor} does not let this connection read it{said}", skip=True)
    if status == 403:
        return ConnectorError(
            f"{vendor} does not allow this: give the connection the scopes it needs{said}", permanent=True
        )
    if status >= 500 or status == 408:
        return ConnectorError(f"{vendor} has a fault of its own just now ({status})", retry_after=retry_after(headers))
    return ConnectorError(f"{vendor} does not take the request: {status}{said}", permanent=True)


class told:
    """Turns what HTTP libraries raise into a ConnectorError. What SDKs raise of their own is the connector's to catch."""

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, ConnectorError):
            return
        if isinstance(error, AddressRefused):
            raise ConnectorError(str(error), permanent=True) from error
        if isinstance(error, requests.HTTPError) and error.response is not None:
            raise error_of(self.vendor, error.response.status_code, error.response.headers) from error
        if isinstance(error, httpx.HTTPStatusError):
            raise error_of(self.vendor, error.response.status_code, error.response.headers) from error
        if isinstance(error, requests.RequestException | httpx.HTTPError | OSError):
            raise ConnectorError(f"{self.vendor} can't be reached just now: {_why(error)}") from error


_WHYS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (socket.gaierror, "nobody knows a host of that name"),
    (ssl.SSLCertVerificationError, "its certificate can't be trusted"),
    (ConnectionRefusedError, "nothing answers at that address"),
    ((TimeoutError, requests.Timeout, httpx.TimeoutException), "it does not answer in time"),
)


def _why(error: BaseException) -> str:
    """What lies below, in a person's words where it is one of the usual things."""
    below, told = [error], []
    while below:
        one = below.pop()
        if one not in told:
            told.append(one)
            inner = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
            below += [each for each in inner if isinstance(each, BaseException)]
    return next((words for kinds, words in _WHYS if any(isinstance(one, kinds) for one in told)), type(error).__name__)
