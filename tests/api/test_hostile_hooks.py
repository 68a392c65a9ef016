"""Whatever is sent to a hook, signed or not, on both databases: never an error of ours; a refusal stores nothing."""

import json
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from goalline.worker import utc_now
from tests.api.hostile import LITERALS, raw, sent
from tests.api.test_hostile_input import FEW
from tests.api.world import World
from tests.domain.platforms.bodies import ANY_JSON, changed
from tests.signers import SENDERS, Sender, every_sender

Hooks = dict[Sender, str]

ODD_BYTES = {
    "nothing": b"",
    "a byte": b"\xff",
    "half of a character": b'{"a": "\xe2\x82"}',
    "Latin-1": '{"a": "é"}'.encode("latin-1"),
    "a mark before it": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "UTF-32": "[1]".encode("utf-32-be"),
    "NUL": b"\x00" * 100,
    "a file": bytes(range(256)),
}
"""Bodies that are hardly text, by what they are."""

HEADER = st.binary(max_size=80).map(lambda value: bytes(byte for byte in value if byte not in b"\r\n\x00"))


@pytest.fixture(scope="module")
def hooks(hostile: World) -> Hooks:
    """The address of a source of each platform."""
    admin = hostile.client()
    return {sender: admin.post("/v1/sources", json=sender.draft).json()["url"] for sender in SENDERS}


@pytest.fixture(scope="module")
def caller(hostile: World) -> TestClient:
    """A client that holds no key; it reads the pages, which are open."""
    return hostile.browser(dashboard_open=True)


def tell(world: World, caller: TestClient, hooks: Hooks, sender: Sender, body: bytes) -> httpx2.Response:
    """Send a body that is signed as it has to be; what it becomes can be read, and goes again."""
    signature = sender.sign(sender.secret, body, utc_now().timestamp())
    answer = sent(world, caller, "POST", hooks[sender], body, signature)
    assert answer.status_code in (200, 409, 413, 422)
    if answer.status_code == 200 and answer.json()["result"] != "ignored":
        address = quote(answer.json()["conversation_id"], safe="")
        admin = world.client()
        assert admin.get(f"/v1/conversations/{address}").status_code == 200
        assert caller.get(f"/conversations/{address}").status_code == 200
        assert admin.delete(f"/v1/conversations/{address}").status_code == 204
    return answer


def is_unwelcome(answer: httpx2.Response) -> bool:
    """Tell whether a body is refused, or told apart from the end of a conversation by the condition of a mapping."""
    return answer.status_code == 422 or bool(answer.json()["result"] == "ignored")


@every_sender
@FEW
@given(made=st.data())
def test_a_sample_with_anything_in_one_place_is_taken_or_refused(
    hostile: World, caller: TestClient, hooks: Hooks, sender: Sender, made: st.DataObject
) -> None:
    body = made.draw(changed(json.loads(sender.body)))
    tell(hostile, caller, hooks, sender, raw(body))


@every_sender
@FEW
@given(body=ANY_JSON)
def test_any_json_is_taken_or_refused(
    hostile: World, caller: TestClient, hooks: Hooks, sender: Sender, body: Any
) -> None:
    tell(hostile, caller, hooks, sender, raw(body))


@every_sender
@pytest.mark.parametrize("literal", LITERALS.values(), ids=LITERALS)
def test_a_literal_is_taken_or_refused_alone_and_as_an_id(
    hostile: World, caller: TestClient, hooks: Hooks, sender: Sender, literal: str
) -> None:
    assert is_unwelcome(tell(hostile, caller, hooks, sender, literal.encode()))
    reference = sender.conversation_id.encode()
    quoted = b'"%s"' % reference
    body = sender.body.replace(quoted if quoted in sender.body else reference, literal.encode())
    assert body != sender.body
    tell(hostile, caller, hooks, sender, body)


@every_sender
@pytest.mark.parametrize("body", ODD_BYTES.values(), ids=ODD_BYTES)
def test_what_is_hardly_text_is_refused(
    hostile: World, caller: TestClient, hooks: Hooks, sender: Sender, body: bytes
) -> None:
    assert is_unwelcome(tell(hostile, caller, hooks, sender, body))


@every_sender
@FEW
@given(body=st.binary(max_size=50))
def test_any_bytes_are_refused(hostile: World, caller: TestClient, hooks: Hooks, sender: Sender, body: bytes) -> None:
    assert is_unwelcome(tell(hostile, caller, hooks, sender, body))


@every_sender
@FEW
@given(made=st.data())
def test_headers_that_hold_anything_or_come_several_times_are_refused(
    hostile: World, caller: TestClient, hooks: Hooks, sender: Sender, made: st.DataObject
) -> None:
    signature = sender.sign(sender.secret, sender.body, utc_now().timestamp())
    spoilt = made.draw(st.sampled_from(sorted(signature)))
    # The first of several counts, and it is not the platform's own.
    headers = [(spoilt.encode(), value) for value in made.draw(st.lists(HEADER, min_size=1, max_size=3))]
    headers += [(name.encode(), value.encode()) for name, value in signature.items()]
    answer = sent(hostile, caller, "POST", hooks[sender], sender.body, headers)
    assert answer.status_code == 401


@every_sender
def test_a_header_that_comes_twice_alike_is_taken(
    hostile: World, caller: TestClient, hooks: Hooks, sender: Sender
) -> None:
    signature = sender.sign(sender.secret, sender.body, utc_now().timestamp())
    headers = [(name.encode(), value.encode()) for name, value in signature.items()] * 2
    assert sent(hostile, caller, "POST", hooks[sender], sender.body, headers).status_code == 200
    hostile.client().delete(f"/v1/conversations/{sender.conversation_id}")


def test_addresses_of_no_source_are_unknown_whatever_they_hold(hostile: World, caller: TestClient) -> None:
    for odd in ("x", "%00", "%F0%9F%98%80", "a/b", "{source}", "0" * 5_000, "%ff", "..%2f"):
        assert sent(hostile, caller, "POST", f"/v1/hooks/{odd}", b"{}").status_code == 404
