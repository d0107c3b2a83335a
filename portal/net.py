"""Where addresses that people typed may lead: the public internet, and those private hosts that the operator lists.

Every name is resolved once and what it resolved to is what is dialled, so that a name can't answer one thing to the check and
another to the call (DNS rebinding). Adapters and connectors take ``network`` and obey it (portal/providers/transport.py).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from portal.providers.transport import AddressRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class GuardedNetwork:
    """``allowed``: host names and networks (CIDR) on private addresses that may be reached all the same."""

    allowed: tuple[str, ...] = ()

    def check(self, url: str) -> None:
        # Every call asks this on the event loop, nearly always of the same few addresses.
        _check(self, *urlsplit(url)[:2])

    def addresses(self, host: str, port: int) -> Sequence[str]:
        literal = _literal(host)
        found = [literal] if literal is not None else _resolve(host, port)
        for address in found:
            self.require(address, host)
        return [str(address) for address in found]

    def require(self, address: Address, host: str) -> None:
        """Raise AddressRefused where this address may not be dialled."""
        mapped = getattr(address, "ipv4_mapped", None) or address
        if (
            _is_public(mapped)
            or host.lower() in self._names()
            or any(mapped in n for n in self._networks(mapped.version))
        ):
            return
        leads = "is" if host.strip("[]") == str(address) else f"leads to {mapped},"
        raise AddressRefused(
            f"{host} {leads} a private address. The operator can allow it by adding it to ATRIUM_PRIVATE_HOSTS."
        )

    def _names(self) -> frozenset[str]:
        return _split(self.allowed)[0]

    def _networks(self, version: int) -> Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        return (network for network in _split(self.allowed)[1] if network.version == version)


@lru_cache(maxsize=1024)
def _check(network: GuardedNetwork, scheme: str, where: str) -> None:
    parts = SplitResult(scheme, where, "", "", "")
    if scheme not in ("http", "https") or not parts.hostname:
        raise AddressRefused("An address begins with https:// (or http://) and names a host.")
    if parts.username or parts.password:
        raise AddressRefused("An address must not hold a user name or password.")
    literal = _literal(parts.hostname)
    if literal is not None:
        network.require(literal, parts.hostname)


@lru_cache(maxsize=16)
def _split(
    allowed: tuple[str, ...],
) -> tuple[frozenset[str], tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]]:
    names, networks = set(), []
    for entry in allowed:
        try:
            networks.append(ipaddress.ip_network(entry, strict=False))
        except ValueError:
            names.add(entry.lower())
    return frozenset(names), tuple(networks)


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]").split("%", 1)[0])
    except ValueError:
        return None


def _resolve(host: str, port: int) -> list[Address]:
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(str(row[4][0]).split("%", 1)[0]) for row in rows))


def _is_public(address: Address) -> bool:
    # is_global alone lets multicast through; NAT64 and 6to4 wrap addresses that may be private.
    wraps = isinstance(address, ipaddress.IPv6Address) and (address.sixtofour or address.teredo or address in _NAT64)
    return address.is_global and not address.is_multicast and not wraps


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def network() -> GuardedNetwork:
    """The rules in force."""
    return GuardedNetwork(tuple(settings.PRIVATE_HOSTS))
