"""Every message is signed as Standard Webhooks says; receivers check that with the specification's own package."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from goalline.sender.sender import HttpSender
from goalline.store import secrets
from tests.sender.receiver import HERE, LONG, Receiver, Request, says

BODY = json.dumps({"type": "goal.achieved", "data": {"quote": "Ja, grüße – 你好"}}, ensure_ascii=False).encode()
NEW, OLD = secrets.new(), secrets.new()


def sent(*kept: str, body: bytes = BODY, at: datetime | None = None) -> Request:
    """Return what a receiver gets of a message that is signed with some secrets."""
    with Receiver(says()) as receiver:
        sender = HttpSender(HERE, seconds=LONG)
        answer = sender.send(receiver.url(), kept, "7a1c", at or datetime.now(UTC), body)
    assert answer.accepted
    return receiver.requests[0]


def test_a_receiver_that_checks_signatures_takes_it() -> None:
    request = sent(NEW)
    assert Webhook(NEW).verify(request.body, request.headers) == json.loads(BODY)
    assert request.headers["webhook-id"] == "7a1c"


def test_the_bytes_that_are_signed_are_the_bytes_that_are_sent() -> None:
    assert sent(NEW).body == BODY


def test_while_a_secret_is_replaced_both_are_good() -> None:
    request = sent(NEW, OLD)
    for secret in (NEW, OLD):
        Webhook(secret).verify(request.body, request.headers)


def test_nobody_elses_secret_is_good() -> None:
    request = sent(NEW)
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(request.body, request.headers)


def test_one_byte_changed_is_noticed() -> None:
    request = sent(NEW)
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(request.body.replace(b"achieved", b"achieveD"), request.headers)


def test_an_attempt_that_is_kept_and_sent_again_is_noticed() -> None:
    request = sent(NEW, at=datetime.now(UTC) - timedelta(minutes=6))
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(NEW).verify(request.body, request.headers)
