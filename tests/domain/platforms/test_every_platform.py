"""What holds for every platform: whatever comes, it is taken or forged, and nobody signs with an empty secret."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goalline.domain import platforms
from goalline.domain.platforms import PlatformName
from goalline.domain.platforms.platform import Options
from goalline.domain.platforms.vapi import VAPI as VAPI_ADAPTER
from goalline.domain.source import options_of
from tests.domain.platforms.bodies import ANY_JSON, changed, forgery, understands
from tests.signers import BLAND, ELEVENLABS, LINE, RETELL, SENDERS, VAPI, Sender, every_sender

NOW = 1_795_000_000.0
KEYED_WITH_TEXT = (BLAND, ELEVENLABS, LINE, RETELL, VAPI)


def options(sender: Sender) -> Options:
    return options_of(sender.platform, sender.options)


def verify(sender: Sender, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    platforms.BY_NAME[sender.platform].verify(headers, body, secrets, NOW, options(sender))


def test_every_platform_is_among_the_senders() -> None:
    assert {sender.platform for sender in SENDERS} == set(PlatformName)


@every_sender
def test_its_own_signature_is_taken_and_no_one_elses(sender: Sender) -> None:
    headers = sender.sign(sender.secret, sender.body, NOW)
    verify(sender, headers, sender.body, [sender.secret])
    verify(sender, headers, sender.body, [sender.other, sender.secret])
    for secrets in ([sender.other], [], [""]):
        forgery(lambda secrets=secrets: verify(sender, headers, sender.body, secrets))  # type: ignore[misc]


@pytest.mark.parametrize("sender", KEYED_WITH_TEXT, ids=str)
def test_what_is_signed_with_an_empty_secret_is_forged_also_where_a_source_has_one(sender: Sender) -> None:
    headers = sender.sign("", sender.body, NOW)
    assert "does not match" in forgery(lambda: verify(sender, headers, sender.body, [""]))
    assert "does not match" in forgery(lambda: verify(sender, headers, sender.body, ["", sender.secret]))


@pytest.mark.parametrize("headers", [{"x-vapi-secret": ""}, {"authorization": "Bearer "}, {"authorization": "Bearer"}])
def test_an_empty_token_is_nobodys(headers: dict[str, str]) -> None:
    forgery(lambda: VAPI_ADAPTER.verify(headers, b"{}", ["", "vapi-secret"], NOW, VAPI_ADAPTER.options()))


@pytest.mark.parametrize("prefix", ["", "Bearer "])
def test_an_empty_secret_in_a_header_of_ones_own_is_nobodys(prefix: str) -> None:
    custom = platforms.BY_NAME[PlatformName.CUSTOM]
    scheme = {"scheme": "header", "header": "X-Secret", "prefix": prefix}
    chosen = options_of(PlatformName.CUSTOM, LINE.options | {"signature": scheme})
    for value in (prefix, f"{prefix} "):
        forgery(lambda value=value: custom.verify({"x-secret": value}, b"{}", [""], NOW, chosen))  # type: ignore[misc]


ANY_VALUE = st.text(max_size=60) | st.text(st.characters(categories=("Cs", "Cc", "Nd")), max_size=30)


@every_sender
@given(made=st.data())
def test_headers_that_hold_anything_are_taken_for_forged_and_nothing_else(sender: Sender, made: st.DataObject) -> None:
    signature = sender.sign(sender.secret, sender.body, NOW)
    spoilt: dict[str, Any] = made.draw(st.dictionaries(st.sampled_from(sorted(signature)), ANY_VALUE, min_size=1))
    forgery(lambda: verify(sender, signature | spoilt, sender.body, [sender.secret]))


@every_sender
@given(
    body=st.binary(max_size=200), secrets=st.lists(st.sampled_from(["", "x", "whsec_", "ключ", "é" * 9]), max_size=3)
)
def test_any_body_under_any_secrets_is_forged(sender: Sender, body: bytes, secrets: list[str]) -> None:
    headers = sender.sign(sender.secret, sender.body, NOW)
    forgery(lambda: verify(sender, headers, body, secrets))


@every_sender
@given(made=st.data())
def test_any_json_is_heard_or_refused_by_the_name_of_a_field(sender: Sender, made: st.DataObject) -> None:
    payload = made.draw(ANY_JSON | changed(json.loads(sender.body)))
    understands(platforms.BY_NAME[sender.platform], payload, options(sender))
