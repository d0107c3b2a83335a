"""Addresses that people typed lead outside, or to what the operator listed."""

import ipaddress

import pytest

from portal import net
from portal.net import GuardedNetwork
from portal.providers.transport import AddressRefused


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "10.0.0.8", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "::1", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    ],
)  # fmt: skip
def test_private_addresses_are_refused(host):
    url = f"http://[{host}]/v1" if ":" in host else f"http://{host}/v1"
    with pytest.raises(AddressRefused, match="private address"):
        GuardedNetwork().check(url)
    with pytest.raises(AddressRefused):
        GuardedNetwork().addresses(host, 80)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.com", "//example.com", "http://user:key@example.com/"]
)
def test_only_plain_web_addresses(url):
    with pytest.raises(AddressRefused):
        GuardedNetwork().check(url)


def test_a_name_that_resolves_inside_is_refused_and_what_was_checked_is_what_is_dialled(monkeypatch):
    answers = {"inside.example": "10.1.2.3", "outside.example": "93.184.215.14"}
    monkeypatch.setattr(net, "_resolve", lambda host, port: [ipaddress.ip_address(answers[host])])
    with pytest.raises(AddressRefused, match="inside.example leads to 10.1.2.3, a private address"):
        GuardedNetwork().addresses("inside.example", 443)
    with pytest.raises(AddressRefused, match=r"^10.1.2.3 is a private address\."):
        GuardedNetwork().check("https://10.1.2.3/")
    assert GuardedNetwork().addresses("outside.example", 443) == ["93.184.215.14"]


def test_one_private_answer_among_public_ones_is_enough_to_refuse(monkeypatch):
    both = [ipaddress.ip_address("93.184.215.14"), ipaddress.ip_address("127.0.0.1")]
    monkeypatch.setattr(net, "_resolve", lambda host, port: both)
    with pytest.raises(AddressRefused):
        GuardedNetwork().addresses("mixed.example", 443)


def test_the_operator_may_list_hosts_and_networks():
    assert GuardedNetwork(("10.0.0.0/8",)).addresses("10.9.9.9", 80) == ["10.9.9.9"]
    assert "127.0.0.1" in GuardedNetwork(("localhost",)).addresses("localhost", 80)
    with pytest.raises(AddressRefused):
        GuardedNetwork(("10.0.0.0/8",)).addresses("192.168.0.1", 80)
