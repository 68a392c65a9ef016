"""Standard Webhooks: signed as the specification says, with our own shape of a conversation inside."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from goalline.domain.platforms.standard_webhooks import STANDARD_WEBHOOKS, key, sign
from goalline.domain.transcript import Delivery
from tests.domain.platforms.bodies import (
    ANY_JSON,
    body,
    changed,
    delivered,
    heard,
    missing,
    raw,
    refusal,
    said,
    understands,
)

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
OLD_SECRET = "whsec_GBkaGxwdHh8gISIjJCUmJygpKissLS4v"
NOW = 1_791_295_436
SENT = raw("standard_webhooks", "conversation.ended")
MESSAGE = "msg_2sample0000000000000000001"
ENDED = body("standard_webhooks", "conversation.ended")


def signature(payload: bytes = SENT, secret: str = SECRET, at: int = NOW, message: str = MESSAGE) -> str:
    """Return the signature that the specification's own package makes."""
    return Webhook(secret).sign(message, datetime.fromtimestamp(at, UTC), payload.decode())


def signed(payload: bytes = SENT, secret: str = SECRET, at: int = NOW, message: str = MESSAGE) -> dict[str, str]:
    made = signature(payload, secret, at, message)
    return {"webhook-id": message, "webhook-timestamp": str(at), "webhook-signature": made}


def verify(headers: dict[str, str], payload: bytes = SENT, *secrets: str) -> None:
    STANDARD_WEBHOOKS.verify(headers, payload, secrets or (SECRET,), NOW, STANDARD_WEBHOOKS.options())


def refused(headers: dict[str, str], payload: bytes = SENT, *secrets: str) -> str:
    return refusal(STANDARD_WEBHOOKS, headers, payload, secrets or (SECRET,), NOW)


def test_what_the_specifications_own_package_signs_is_taken() -> None:
    verify(signed())
    verify(signed(b"{}"), b"{}")


@time_machine.travel(NOW, tick=False)
def test_what_we_sign_is_taken_by_the_specifications_own_package() -> None:
    headers = signed() | {"webhook-signature": sign(SECRET, MESSAGE, NOW, SENT)}
    assert Webhook(SECRET).verify(SENT, headers) == ENDED


@given(st.binary(min_size=1, max_size=64), st.text(max_size=40))
def test_we_sign_like_the_package_with_any_key(secret: bytes, payload: str) -> None:
    text = "whsec_" + base64.b64encode(secret).decode()
    made = Webhook(secret).sign(MESSAGE, datetime.fromtimestamp(NOW, UTC), payload)
    assert sign(text, MESSAGE, NOW, payload.encode()) == made


@pytest.mark.parametrize("shown", [f"whsec_{'A' * 43}=", "A" * 43 + "=", f"whsec_{'A' * 43}", "A" * 43])
def test_a_secret_may_stand_without_its_prefix_and_its_padding(shown: str) -> None:
    assert key(shown) == bytes(32)
    verify(signed(secret=shown), SENT, shown)


@pytest.mark.parametrize("odd", ["", "whsec_", "whsec_!", "whsec_A", "whsec_é", "whpk_AAAA", "AA AA", "AA-_"])
def test_a_secret_that_is_no_base64_is_no_secret(odd: str) -> None:
    with pytest.raises(ValueError, match="must be base64"):
        key(odd)
    assert refusal(STANDARD_WEBHOOKS, signed(), SENT, [odd], NOW) == "a secret of the source is not base64"


def test_one_altered_byte_is_refused() -> None:
    for place in (0, len(SENT) // 2, len(SENT) - 1):
        altered = SENT[:place] + bytes([SENT[place] ^ 1]) + SENT[place + 1 :]
        assert "does not match" in refused(signed(), altered)
    assert "does not match" in refused(signed(), SENT + b" ")


def test_id_and_time_are_signed_too() -> None:
    assert "does not match" in refused(signed() | {"webhook-id": "msg_other"})
    assert "does not match" in refused(signed() | {"webhook-timestamp": str(NOW + 1)})


def test_a_signature_counts_for_five_minutes_either_way() -> None:
    verify(signed(at=NOW - 300))
    verify(signed(at=NOW + 300))
    assert "more than 300 seconds old" in refused(signed(at=NOW - 301))
    assert "more than 300 seconds ahead" in refused(signed(at=NOW + 301))


def test_an_old_secret_counts_until_it_is_revoked() -> None:
    verify(signed(secret=OLD_SECRET), SENT, SECRET, OLD_SECRET)
    assert "does not match" in refused(signed(secret=OLD_SECRET), SENT, SECRET)
    assert "does not match" in refusal(STANDARD_WEBHOOKS, signed(), SENT, [], NOW)


def test_of_several_signatures_one_must_be_right() -> None:
    old, new = signature(secret=OLD_SECRET), signature()
    for several in (f"{old} {new}", f"{new} {old}", f"v1a,AAAA {new}", f"v2 {new}", f"v1,a,b {new}", f"x  {new} "):
        verify(signed() | {"webhook-signature": several})
    assert "does not match" in refused(signed() | {"webhook-signature": f"{old} {old}"})


def test_a_signature_of_another_version_is_none() -> None:
    digest = signature().removeprefix("v1,")
    for version in ("v1a", "v2", "V1", "", "v1 "):
        assert "does not match" in refused(signed() | {"webhook-signature": f"{version},{digest}"})


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_without_one_of_its_headers_it_is_refused(name: str) -> None:
    assert refused({key: value for key, value in signed().items() if key != name}) == f"there is no header {name}"
    assert refused(signed() | {name: ""}) == f"there is no header {name}"


@pytest.mark.parametrize(
    "stamp",
    ["abc", f"{NOW}.0", f" {NOW}", f"{NOW}\n", f"-{NOW}", f"+{NOW}", "1e9", "nan", "9" * 5000],
)
def test_a_time_that_is_none_is_refused(stamp: str) -> None:
    assert refused(signed() | {"webhook-timestamp": stamp}) == "webhook-timestamp is not a time in digits"


@pytest.mark.parametrize("message", ["msg.1", "msg 1", "msg\n", "\x00", "m" * 257])
def test_an_id_that_is_none_is_refused(message: str) -> None:
    assert refused(signed() | {"webhook-id": message}).startswith("webhook-id is not made of")


@pytest.mark.parametrize("odd", ["v1", "v1,", ",", " ", signature().replace("=", ""), signature().lower(), "\x00"])
def test_a_signature_of_another_form_is_refused(odd: str) -> None:
    assert "does not match" in refused(signed() | {"webhook-signature": odd})


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("odd", ["é", "١٧٩", "²", "\ud800"])
def test_a_header_that_is_not_ascii_is_refused(name: str, odd: str) -> None:
    assert refused(signed() | {name: signed()[name] + odd}) == f"{name} is not ASCII"


@given(st.text(), st.text(), st.text(), st.binary())
def test_nothing_that_was_made_up_is_taken(message: str, stamp: str, made_up: str, payload: bytes) -> None:
    for headers in (
        {"webhook-id": message, "webhook-timestamp": stamp, "webhook-signature": made_up},
        signed() | {"webhook-signature": made_up},
        signed() | {"webhook-id": message},
    ):
        refused(headers, payload)


def test_a_conversation_that_has_ended_is_told_in_full() -> None:
    answer = heard(STANDARD_WEBHOOKS, ENDED)
    assert (answer.needless, answer.calls) == (None, ())
    assert answer.delivery == Delivery.model_validate(ENDED["data"])
    assert answer.delivery.model_dump(exclude={"transcript"}) == {
        "conversation_id": "conv-0001",
        "agent_id": "agent-nora",
        "contact_id": "+12025550143",
        "channel": "phone",
        "started_at": datetime(2026, 10, 6, 14, 3, 11, tzinfo=UTC),
        "ended_at": datetime(2026, 10, 6, 14, 3, 55, tzinfo=UTC),
        "end_reason": "agent_ended",
        "metadata": {"direction": "inbound"},
    }
    assert said(answer.delivery)[:2] == [
        ("agent", 42.827, "Hello, this is Nora, the virtual receptionist of Maplewood Dental. How can I help?"),
        ("user", 36.98, "Hi, I'd like to book a check-up for next week."),
    ]


def test_a_conversation_in_which_nobody_spoke_is_told() -> None:
    assert delivered(STANDARD_WEBHOOKS, body("standard_webhooks", "conversation.ended.empty")).transcript == ()


@pytest.mark.parametrize("kind", ["conversation.started", "ping", "Conversation.Ended"])
def test_other_messages_are_needless_whatever_they_hold(kind: str) -> None:
    for sent in (ENDED | {"type": kind}, {"type": kind}, {"type": kind, "data": 1}):
        answer = heard(STANDARD_WEBHOOKS, sent)
        assert answer.delivery is None
        assert answer.needless == f"{kind} tells of no conversation that has ended"


def test_what_is_missing_or_wrong_is_named() -> None:
    assert missing(STANDARD_WEBHOOKS, {"data": ENDED["data"]}) == "type"
    assert missing(STANDARD_WEBHOOKS, {"type": "conversation.ended"}) == "data"
    for name in ("conversation_id", "agent_id", "ended_at", "transcript"):
        data = {key: value for key, value in ENDED["data"].items() if key != name}
        assert missing(STANDARD_WEBHOOKS, ENDED | {"data": data}) == f"data.{name}"
    assert missing(STANDARD_WEBHOOKS, ENDED | {"data": ENDED["data"] | {"turns": []}}) == "data.turns"


def test_fields_beside_the_conversation_mean_nothing() -> None:
    assert heard(STANDARD_WEBHOOKS, ENDED | {"api_version": 3}) == heard(STANDARD_WEBHOOKS, ENDED)


@given(ANY_JSON)
def test_any_json_is_understood_or_refused(payload: Any) -> None:
    understands(STANDARD_WEBHOOKS, payload)
    understands(STANDARD_WEBHOOKS, {"type": "conversation.ended", "data": payload})


@given(changed(ENDED))
def test_a_message_with_anything_in_it_is_understood_or_refused(payload: Any) -> None:
    understands(STANDARD_WEBHOOKS, payload)
