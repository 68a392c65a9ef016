"""Too many wrong keys at sign-in from one address: refused unread for a while, without keeping anybody else out."""

from datetime import timedelta

import pytest
import time_machine
from fastapi.testclient import TestClient

from goalline.api.app import create_app
from goalline.api.pages.attempts import Attempts
from goalline.domain.key import Scope
from goalline.worker import Bell, utc_now
from tests.api.calls import problem
from tests.api.world import ADDRESS, NewWorld, World

MOST = 3
WRONG = "gl_aaaaaaaaaaaa_" + "b" * 32


@pytest.fixture
def guarded(new_world: NewWorld) -> World:
    """A world that takes three wrong keys in a minute."""
    return new_world(wrong_sign_ins_per_minute=MOST)


Clients = dict[str, TestClient]


@pytest.fixture
def senders(guarded: World) -> Clients:
    """Clients of one application at several addresses, none of which has a key yet."""
    app = create_app(guarded.parts, Bell(guarded.parts))
    return {
        address: TestClient(app, base_url=ADDRESS, client=(address, 50_000), raise_server_exceptions=False)
        for address in ("192.0.2.1", "192.0.2.2", "2001:db8:1:1::1", "2001:db8:1:1::2", "2001:db8:1:2::1")
    }


@pytest.fixture
def attacked(senders: Clients) -> Clients:
    """The same, after as many wrong keys from 192.0.2.1 and from 2001:db8:1:1::1 as are taken."""
    for address in ("192.0.2.1", "2001:db8:1:1::1"):
        assert [sign_in(senders[address], WRONG) for _ in range(MOST)] == [401] * MOST
    return senders


def sign_in(client: TestClient, key: str) -> int:
    return client.post("/sign-in", data={"key": key}, follow_redirects=False).status_code


def test_one_wrong_key_too_many_is_answered_with_a_page_and_the_time_to_wait(attacked: Clients) -> None:
    client = attacked["192.0.2.1"]
    answer = client.post("/sign-in", data={"key": WRONG})
    assert (answer.status_code, answer.headers["content-type"]) == (429, "text/html; charset=utf-8")
    assert "Too many wrong keys came from this address" in answer.text
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_right_key_is_not_looked_at_either_so_that_nothing_can_be_guessed(guarded: World, attacked: Clients) -> None:
    assert sign_in(attacked["192.0.2.1"], guarded.keys[Scope.READ]) == 429
    assert not attacked["192.0.2.1"].cookies


def test_other_addresses_are_not_locked_out(guarded: World, attacked: Clients) -> None:
    for address in ("192.0.2.2", "2001:db8:1:2::1"):
        assert sign_in(attacked[address], guarded.keys[Scope.READ]) == 303


def test_addresses_of_one_ipv6_network_count_as_one(guarded: World, attacked: Clients) -> None:
    assert sign_in(attacked["2001:db8:1:1::2"], guarded.keys[Scope.READ]) == 429


def test_after_a_minute_keys_are_looked_at_again(guarded: World, attacked: Clients) -> None:
    with time_machine.travel(utc_now() + timedelta(seconds=61), tick=True):
        assert sign_in(attacked["192.0.2.1"], guarded.keys[Scope.READ]) == 303


def test_right_keys_are_no_attempts(guarded: World, senders: Clients) -> None:
    client = senders["192.0.2.1"]
    assert [sign_in(client, guarded.keys[Scope.READ]) for _ in range(2 * MOST)] == [303] * 2 * MOST


def test_the_api_looks_at_every_key_whatever_came_before(guarded: World, attacked: Clients) -> None:
    client = attacked["192.0.2.1"]
    for _ in range(2 * MOST):
        problem(client.get("/v1/goals", headers={"Authorization": f"Bearer {WRONG}"}), 401)
    admin = {"Authorization": f"Bearer {guarded.keys[Scope.ADMIN]}"}
    assert client.get("/v1/goals", headers=admin).status_code == 200


@pytest.mark.parametrize("key", ["\x00", "é" * 1000, "gl_" + "a" * 100_000, "\N{RIGHT-TO-LEFT OVERRIDE}"])
def test_odd_keys_are_wrong_keys(senders: Clients, key: str) -> None:
    assert sign_in(senders["192.0.2.1"], key) == 401


def test_the_header_that_names_another_address_is_not_believed(senders: Clients) -> None:
    client = senders["192.0.2.1"]
    statuses = []
    for number in range(MOST + 1):
        client.headers["X-Forwarded-For"] = f"198.51.100.{number}"
        statuses.append(sign_in(client, WRONG))
    assert statuses == [401] * MOST + [429]


@pytest.mark.parametrize("address", ["::ffff:192.0.2.1", "192.0.2.1"])
def test_both_forms_of_an_ipv4_address_count_as_one(address: str) -> None:
    attempts = Attempts(1)
    attempts.wrong("192.0.2.1")
    assert attempts.wait(address)
