"""Schemes: a shared secret, HMAC and Ed25519, over whatever a platform signs."""

import base64
import hashlib
import hmac
import warnings
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from standardwebhooks import Webhook

from goalline.domain.platforms.custom.scheme import Scheme
from tests.domain.platforms.bodies import forgery

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from telnyx.lib.webhook_verification import verify_webhook_signature

NOW = 1_791_295_436
BODY = b'{"event": "call.finished"}'
SECRET, OLD = "sample-secret", "sample-secret-before"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
SCHEME: TypeAdapter[Any] = TypeAdapter(Scheme)

HMAC = {"scheme": "hmac", "header": "X-Signature"}
TIMED = HMAC | {"signed": "{timestamp}.{body}", "timestamp_header": "X-Time"}
ED25519 = {"scheme": "ed25519", "header": "X-Signature"}


def digest(message: bytes, secret: str = SECRET) -> bytes:
    return hmac.new(secret.encode(), message, hashlib.sha256).digest()


def verify(
    options: dict[str, Any], headers: dict[str, str], *secrets: str, body: bytes = BODY, now: float = NOW
) -> None:
    SCHEME.validate_python(options).verify(headers, body, secrets or (SECRET,), now)


def refusal(options: dict[str, Any], headers: dict[str, str], *secrets: str, **more: Any) -> str:
    return forgery(lambda: verify(options, headers, *secrets, **more))


def invalid(**options: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        SCHEME.validate_python(options)
    return str(refused.value)


def test_without_a_signature_everything_is_taken() -> None:
    verify({"scheme": "none"}, {})


def test_a_shared_secret_stands_in_its_header() -> None:
    options = {"scheme": "header", "header": "X-Api-Key"}
    verify(options, {"x-api-key": SECRET})
    verify(options, {"x-api-key": OLD}, SECRET, OLD)
    assert "does not match" in refusal(options, {"x-api-key": OLD})
    assert "does not match" in refusal(options, {"x-api-key": SECRET + "x"})
    assert refusal(options, {}) == "there is no header X-Api-Key"


def test_a_shared_secret_may_have_a_word_before_it() -> None:
    options = {"scheme": "header", "header": "Authorization", "prefix": "Bearer "}
    verify(options, {"authorization": f"Bearer {SECRET}"})
    for wrong in (SECRET, f"bearer {SECRET}", f"Bearer{SECRET}", f"Bearer Bearer {SECRET}", "Bearer ", "Bearer"):
        refusal(options, {"authorization": wrong})


@pytest.mark.parametrize(("encoding", "write"), [("hex", bytes.hex), ("base64", base64.b64encode)])
@pytest.mark.parametrize("prefix", ["", "sha256="])
def test_an_hmac_over_the_body_is_taken_in_either_encoding(encoding: str, write: Any, prefix: str) -> None:
    options = HMAC | {"encoding": encoding, "prefix": prefix}
    written = write(digest(BODY))
    value = prefix + (written if isinstance(written, str) else written.decode())
    verify(options, {"x-signature": value})
    assert "does not match" in refusal(options, {"x-signature": value}, body=BODY + b" ")
    assert "does not match" in refusal(options, {"x-signature": value}, OLD)


def test_hex_is_taken_in_upper_case_too() -> None:
    verify(HMAC, {"x-signature": digest(BODY).hex().upper()})


def test_one_of_several_secrets_is_enough() -> None:
    verify(HMAC, {"x-signature": digest(BODY, OLD).hex()}, SECRET, OLD)
    assert "does not match" in refusal(HMAC, {"x-signature": digest(BODY, OLD).hex()})


def timed(stamp: object, unit: str = "seconds") -> tuple[dict[str, Any], dict[str, str]]:
    signature = digest(f"{stamp}.".encode() + BODY).hex()
    return TIMED | {"timestamp_unit": unit}, {"x-signature": signature, "x-time": str(stamp)}


@pytest.mark.parametrize(("unit", "factor"), [("seconds", 1), ("milliseconds", 1_000)])
def test_a_signed_time_is_at_most_as_far_off_as_the_tolerance_says(unit: str, factor: int) -> None:
    for stamp in (NOW, NOW - 300, NOW + 300):
        verify(*timed(stamp * factor, unit))
    assert "more than 300 seconds old" in refusal(*timed((NOW - 301) * factor, unit))
    assert "more than 300 seconds ahead" in refusal(*timed((NOW + 301) * factor, unit))


def test_the_tolerance_can_be_set() -> None:
    options, headers = timed(NOW - 20)
    verify(options | {"tolerance_seconds": 20}, headers)
    assert "more than 19 seconds old" in refusal(options | {"tolerance_seconds": 19}, headers)


def test_a_time_that_was_not_the_one_signed_is_refused() -> None:
    options, headers = timed(NOW)
    assert "does not match" in refusal(options, headers | {"x-time": str(NOW + 1)})
    assert refusal(options, {"x-signature": headers["x-signature"]}) == "there is no header X-Time"


@pytest.mark.parametrize("stamp", ["", "now", "-1", "1e9", f"{NOW}.0", " ", "٣" * 10, "\ud800", "9" * 5_000, "é"])
def test_a_time_of_another_form_is_refused(stamp: str) -> None:
    refusal(TIMED, {"x-signature": digest(BODY).hex(), "x-time": stamp})


@pytest.mark.parametrize("value", ["", "0", "zz", "é", "\ud800", "==", "a" * 100_001, "sha256=" + "0" * 64])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("scheme", [HMAC, ED25519], ids=["hmac", "ed25519"])
def test_a_signature_of_another_form_is_refused(scheme: dict[str, Any], encoding: str, value: str) -> None:
    refusal(scheme | {"encoding": encoding}, {"x-signature": value}, PUBLIC.hex())


@pytest.mark.parametrize("template", ["{timestamp}.{body}", "{id}|{timestamp}\n{body}", "v0:{body}{id}", "{body}"])
def test_what_is_signed_is_put_together_as_the_template_says(template: str) -> None:
    options = HMAC | {"signed": template}
    message = template.replace("{timestamp}", str(NOW)).replace("{id}", "m-1").replace("{body}", BODY.decode())
    if "{timestamp}" in template:
        options |= {"timestamp_header": "X-Time"}
    if "{id}" in template:
        options |= {"id_header": "X-Id"}
    headers = {"x-signature": digest(message.encode()).hex(), "x-time": str(NOW), "x-id": "m-1"}
    verify(options, headers)
    if "{id}" in template:
        assert "does not match" in refusal(options, headers | {"x-id": "m-2"})
        assert refusal(options, {"x-signature": "00", "x-time": str(NOW)}) == "there is no header X-Id"


def test_braces_in_a_body_are_not_taken_for_the_templates() -> None:
    body = b'{"a": "{timestamp}{id}{body}"}\xff'
    verify(TIMED, {"x-signature": digest(f"{NOW}.".encode() + body).hex(), "x-time": str(NOW)}, body=body)


def test_what_telnyx_signs_can_be_told() -> None:
    headers = {"telnyx-timestamp": str(NOW), "telnyx-signature-ed25519": ""}
    headers["telnyx-signature-ed25519"] = base64.b64encode(KEY.sign(f"{NOW}|".encode() + BODY)).decode()
    public = base64.b64encode(PUBLIC).decode()
    with time_machine.travel(NOW, tick=False):
        verify_webhook_signature(BODY, headers, public)
    options = ED25519 | {"header": "telnyx-signature-ed25519", "encoding": "base64", "key_encoding": "base64"}
    options |= {"signed": "{timestamp}|{body}", "timestamp_header": "telnyx-timestamp"}
    verify(options, headers, public)
    assert "does not match" in refusal(options, headers, public, body=BODY + b" ")
    assert "more than 300 seconds old" in refusal(options, headers, public, now=NOW + 301)


def test_what_the_package_of_standard_webhooks_signs_over_can_be_told() -> None:
    signature = Webhook(SECRET.encode()).sign("m-1", datetime.fromtimestamp(NOW, UTC), BODY.decode())
    options = HMAC | {"prefix": "v1,", "encoding": "base64", "signed": "{id}.{timestamp}.{body}"}
    options |= {"id_header": "webhook-id", "timestamp_header": "webhook-timestamp"}
    verify(options, {"x-signature": signature, "webhook-id": "m-1", "webhook-timestamp": str(NOW)})


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_a_signature_and_a_key_are_each_written_as_they_are_told(encoding: str) -> None:
    def write(content: bytes, how: str) -> str:
        return content.hex() if how == "hex" else base64.b64encode(content).decode()

    other = {"hex": "base64", "base64": "hex"}[encoding]
    options, headers = (
        ED25519 | {"encoding": encoding, "key_encoding": other},
        {"x-signature": write(KEY.sign(BODY), encoding)},
    )
    verify(options, headers, write(PUBLIC, other))
    refusal(options, headers, write(PUBLIC, encoding))
    refusal(options, headers, write(bytes(32), other))


def test_a_key_for_which_anybody_could_sign_verifies_nothing() -> None:
    for last in range(16):
        refusal(ED25519, {"x-signature": bytes(64).hex()}, bytes(32).hex(), body=bytes([last]))


def test_a_secret_is_checked_as_its_scheme_needs_it() -> None:
    for options in ({"scheme": "header", "header": "X"}, HMAC):
        SCHEME.validate_python(options).check_secret(SECRET)
        with pytest.raises(ValueError, match="8 to 500 printable"):
            SCHEME.validate_python(options).check_secret(" ")
    SCHEME.validate_python(ED25519).check_secret(PUBLIC.hex())
    for wrong, why in (
        (SECRET, "32 bytes"),
        (bytes(32).hex(), "anybody could sign"),
        ("é", "32 bytes"),
        ("", "32 bytes"),
    ):
        with pytest.raises(ValueError, match=f"{why}.*; copy the platform's public key, in hex"):
            SCHEME.validate_python(ED25519).check_secret(wrong)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "scheme"),
        ({"scheme": "magic"}, "'none', 'header', 'hmac', 'ed25519'"),
        ({"scheme": "none", "header": "X"}, "none.header"),
        ({"scheme": "header"}, "header.header"),
        ({"scheme": "hmac", "header": "X Y"}, "hmac.header"),
        ({"scheme": "hmac", "header": "X\n"}, "hmac.header"),
        (HMAC | {"prefix": "é"}, "hmac.prefix"),
        (HMAC | {"signed": "{timestamp}"}, "signed must hold {body}, once"),
        (HMAC | {"signed": "{body}{body}"}, "signed must hold {body}, once"),
        (HMAC | {"signed": "{body}{secret}"}, "signed may hold {body}, {timestamp} and {id}, and no other braces"),
        (HMAC | {"signed": "{body}é"}, "hmac.signed"),
        (HMAC | {"signed": "{timestamp}.{body}"}, "timestamp_header and {timestamp} in signed belong together"),
        (HMAC | {"timestamp_header": "X-Time"}, "timestamp_header and {timestamp} in signed belong together"),
        (HMAC | {"signed": "{id}.{body}"}, "id_header and {id} in signed belong together"),
        (HMAC | {"id_header": "X-Id"}, "id_header and {id} in signed belong together"),
        (TIMED | {"tolerance_seconds": 0}, "tolerance_seconds"),
        (TIMED | {"tolerance_seconds": 86_401}, "tolerance_seconds"),
        (TIMED | {"timestamp_unit": "hours"}, "timestamp_unit"),
        (HMAC | {"encoding": "base32"}, "encoding"),
        (ED25519 | {"key_encoding": "pem"}, "key_encoding"),
    ],
)
def test_a_scheme_that_cannot_be_is_refused_with_the_option(options: dict[str, Any], why: str) -> None:
    assert why in invalid(**options)


ANY_HEADERS = st.dictionaries(st.sampled_from(["x-signature", "x-time"]), st.text(), max_size=2)


@given(st.sampled_from([{"scheme": "header", "header": "x-signature"}, HMAC, TIMED, ED25519]), ANY_HEADERS, st.binary())
def test_no_headers_and_no_body_bring_about_anything_but_a_refusal(
    options: dict[str, Any], headers: dict[str, str], body: bytes
) -> None:
    refusal(options, headers, body=body)
