"""Where messages may go: public addresses over https, and networks that the operator allowed; nowhere else."""

import ssl
import threading
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from types import SimpleNamespace

import pytest
from httpcore2 import MockStream, TimeoutException

from goalline.sender.guard import Guard, _Stream, permitted
from tests.sender.conftest import Serve
from tests.sender.receiver import Names, Net, is_late, post

PUBLIC = "93.184.215.14"
BAD = """
    127.0.0.1 127.9.9.9 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 100.100.100.200
    0.0.0.0 0.1.2.3 192.0.0.192 192.0.0.8 192.0.0.9 198.18.0.1 192.0.2.1 198.51.100.1 203.0.113.1 224.0.0.1
    239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16 192.88.99.1
    :: ::1 ::127.0.0.1 ::93.184.215.14 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1 64:ff9b::7f00:1
    64:ff9b::a00:1 64:ff9b:1::1 2002:7f00:1:: 2002:a9fe:a9fe:: 2001:0:4136:e378::1 2001:20::1 2001:db8::1 3fff::1
    fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 5f00::1 100::1 4000::1
"""
GOOD = """
    93.184.215.14 1.1.1.1 8.8.8.8 172.32.0.1 100.128.0.1 169.253.0.1 11.0.0.1 223.255.255.254 2606:4700::1111
    2a00:1450:4001::1 ::ffff:1.1.1.1 64:ff9b::101:101 2002:101:101::1
"""


@pytest.mark.parametrize("address", BAD.split())
@pytest.mark.parametrize("plain", [False, True], ids=["https", "http"])
def test_a_special_address_may_not_be_called(address: str, plain: bool) -> None:
    assert not permitted(ip_address(address), (), plain=plain)


@pytest.mark.parametrize("address", GOOD.split())
def test_a_public_address_may_be_called_over_https_and_never_in_plain_text(address: str) -> None:
    assert permitted(ip_address(address), (), plain=False)
    assert not permitted(ip_address(address), (), plain=True)


@pytest.mark.parametrize("plain", [False, True], ids=["https", "http"])
@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["11.0.0.0", "9.255.255.255", "192.168.0.1", "::1"]),
        ("10.0.0.0/8", ["::ffff:10.1.2.3", "64:ff9b::a01:203", "2002:a01:203::"], ["::ffff:192.168.0.1", "::10.1.2.3"]),
        ("fd00::/8", ["fd00::1", "fdff::1"], ["fc00::1", "10.0.0.1", "fe80::1"]),
        ("169.254.169.254/32", ["169.254.169.254"], ["169.254.169.253"]),
        ("::/0", ["fe80::1", "::1"], ["127.0.0.1", "::ffff:127.0.0.1"]),
    ],
)
def test_an_allowed_network_may_be_called_and_its_neighbours_may_not(
    network: str, inside: list[str], outside: list[str], plain: bool
) -> None:
    allowed = (ip_network("192.0.2.0/24"), ip_network(network))
    assert all(permitted(ip_address(address), allowed, plain=plain) for address in inside)
    private = [address for address in outside if address not in ("11.0.0.0", "9.255.255.255")]
    assert not any(permitted(ip_address(address), allowed, plain=plain) for address in private)
    assert not any(permitted(ip_address(address), allowed, plain=True) for address in outside)


# This one also keeps upgrades of the HTTP library honest: were the guard no longer asked, the receiver would be called.
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "2130706433", "0x7f000001", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0", "localhost"],
)
def test_this_machine_is_not_called_however_it_is_written(serve: Serve, host: str, scheme: str) -> None:
    receiver = serve()
    answer = post(receiver.url(host, scheme=scheme), allowed=())
    assert (answer.error, answer.status, answer.accepted) == ("address not allowed", None, False)
    assert not receiver.was_called()


@pytest.mark.parametrize("host", ["[::1]", "[::]", "[64:ff9b::7f00:1]", "[fe80::1]"])
def test_this_machine_is_not_called_by_an_ipv6_address(host: str) -> None:
    assert post(f"https://{host}:1/", allowed=()).error == "address not allowed"


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["127.0.0.1", PUBLIC],
        [PUBLIC, "127.0.0.1"],
        [PUBLIC, "::ffff:7f00:1"],
        [PUBLIC] * 9 + ["10.0.0.1"],
    ],
)
def test_a_name_is_refused_when_one_of_its_addresses_is(
    serve: Serve, names: Names, net: Net, addresses: list[str]
) -> None:
    receiver = serve()
    names.leads("hooks.example.test", addresses)
    for address in addresses:
        net.leads(address, receiver)
    assert post(receiver.url("hooks.example.test", scheme="https"), allowed=()).error == "address not allowed"
    assert net.tried == []


def test_plain_text_does_not_go_to_a_public_address(serve: Serve, names: Names, net: Net) -> None:
    receiver = serve()
    names.leads("hooks.example.test", [PUBLIC])
    net.leads(PUBLIC, receiver)
    assert post(receiver.url("hooks.example.test")).error == "address not allowed"
    assert net.tried == []


def test_a_public_address_is_called_over_https(serve: Serve, names: Names, net: Net, tls: ssl.SSLContext) -> None:
    receiver = serve(tls=tls)
    names.leads("hooks.example.test", [PUBLIC])
    net.leads(PUBLIC, receiver)
    assert post(receiver.url("hooks.example.test", scheme="https"), allowed=()).accepted
    assert net.tried == [PUBLIC]


def test_a_name_that_leads_elsewhere_the_second_time_is_asked_for_once(
    serve: Serve, names: Names, net: Net, tls: ssl.SSLContext
) -> None:
    receiver = serve(tls=tls)
    names.leads("hooks.example.test", [PUBLIC], ["127.0.0.1"], ["127.0.0.1"])
    net.leads(PUBLIC, receiver)
    assert post(receiver.url("hooks.example.test", scheme="https"), allowed=()).accepted
    assert (names.asked, net.tried) == (["hooks.example.test"], [PUBLIC])


def test_each_message_looks_again_where_its_name_leads(serve: Serve, names: Names) -> None:
    receiver = serve()
    names.leads("hooks.example.test", ["127.0.0.1"], ["10.0.0.1"])
    assert post(receiver.url("hooks.example.test")).accepted
    assert post(receiver.url("hooks.example.test")).error == "address not allowed"


def test_the_next_address_is_tried_when_one_does_not_answer(serve: Serve, names: Names, net: Net) -> None:
    receiver = serve()
    names.leads("hooks.example.test", ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    net.leads("10.0.0.1", TimeoutError)
    net.leads("10.0.0.2", ConnectionRefusedError)
    net.leads("10.0.0.3", receiver)
    assert post(receiver.url("hooks.example.test"), allowed=[IPv4Network("10.0.0.0/8")]).accepted
    assert net.tried == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


@pytest.mark.parametrize(("seconds", "longest"), [(3.0, 3.0), (60.0, 5.0)])
def test_a_connection_is_waited_for_no_longer_than_for_the_message(
    names: Names, net: Net, seconds: float, longest: float
) -> None:
    names.leads("hooks.example.test", ["127.0.0.1", "127.0.0.2"])
    net.leads("127.0.0.1", TimeoutError)
    net.leads("127.0.0.2", TimeoutError)
    assert post("http://hooks.example.test/", seconds=seconds).error == "took too long"
    assert net.patience
    assert max(net.patience) <= longest


def test_no_more_than_four_addresses_are_tried(names: Names, net: Net) -> None:
    addresses = [f"10.0.0.{number}" for number in range(1, 100)]
    names.leads("hooks.example.test", addresses)
    for address in addresses:
        net.leads(address, ConnectionRefusedError)
    answer = post("http://hooks.example.test/", allowed=[IPv4Network("10.0.0.0/8")])
    assert (answer.error, net.tried) == ("connection refused", addresses[:4])


def test_an_allowed_network_is_called_over_https_too(serve: Serve, tls: ssl.SSLContext) -> None:
    receiver = serve(tls=tls)
    assert post(receiver.url(scheme="https")).accepted
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("allowed", [[IPv4Network("127.0.0.0/8")], [IPv6Network("::1/128")]], ids=str)
def test_a_name_with_two_addresses_needs_both_allowed(serve: Serve, names: Names, net: Net, allowed: object) -> None:
    receiver = serve()
    names.leads("localhost", ["127.0.0.1", "::1"])
    assert post(receiver.url("localhost"), allowed=allowed).error == "address not allowed"
    assert net.tried == []


@pytest.mark.parametrize("name", ["nowhere.invalid", "a" * 64 + ".test", "no-addresses.test"])
def test_a_name_that_leads_nowhere_is_told(names: Names, name: str) -> None:
    names.leads("no-addresses.test", [])
    assert post(f"http://{name}/").error == "name does not resolve"


def test_a_look_up_that_takes_too_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def getaddrinfo(*_: object, **__: object) -> list[object]:
        answered.wait()
        return []

    monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
    assert is_late(post("https://hooks.example.test/", seconds=0.2))
    answered.set()


def test_a_refusal_says_nothing_about_the_network(serve: Serve, names: Names) -> None:
    names.leads("hooks.example.test", ["127.0.0.1"])
    listened, closed = serve().url("hooks.example.test"), "http://127.0.0.1:1/secret"
    refusals = {repr(post(url, allowed=()).error) for url in (listened, closed)}
    assert refusals == {"'address not allowed'"}


def test_a_message_that_is_taken_in_drips_ends_by_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(MockStream):
        taken, now = 0, 100.0

        def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
            self.taken += len(buffer)
            self.now += 1

    slow = Slow([])
    monkeypatch.setattr("goalline.sender.guard.time", SimpleNamespace(monotonic=lambda: slow.now))
    with pytest.raises(TimeoutException):
        _Stream(slow, Guard((), plain=False, deadline=103.0)).write(b"x" * 1_000_000)
    assert 0 < slow.taken < 100_000
