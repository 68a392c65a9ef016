"""The page on webhooks: its examples are what the code sends, and its receiver takes what the code signs."""

import json
import re
import runpy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from goalline.domain.outbound.message import TOLD_FOR, MessageStatus, MessageType
from goalline.domain.outbound.payload import PAYLOADS, body
from goalline.domain.outbound.subscription import MOST_SUBSCRIPTIONS, RateRule, SubscriptionDraft
from goalline.domain.platforms import standard_webhooks
from goalline.pipeline import MESSAGES_KEPT
from goalline.store import secrets
from goalline.store.outbound import dispatch
from tests.test_docs import ROOT, blocks, rows, section

PAGE = ROOT / "docs" / "webhooks.md"
TEXT = " ".join(PAGE.read_text().split())


def examples() -> dict[str, Any]:
    """Return the first example below the heading of each type of message."""
    found = re.findall(r"^### `([\w.]+)`$.*?^```json\n(.*?)^```", PAGE.read_text(), flags=re.M | re.S)
    return {kind: json.loads(example) for kind, example in found}


def sent(example: dict[str, Any], *, thin: bool = False) -> bytes:
    """Return what the code sends for what stands in an example."""
    kind = MessageType(example["type"])
    payload = PAYLOADS[kind].model_validate(example["data"])
    return body(kind, datetime.fromisoformat(example["timestamp"]), payload, thin=thin)


def test_every_type_has_an_example() -> None:
    assert list(examples()) == list(MessageType)
    assert all(example["type"] == kind for kind, example in examples().items())


@pytest.mark.parametrize("kind", MessageType)
def test_an_example_is_what_the_code_sends(kind: MessageType) -> None:
    example = examples()[kind]
    assert json.dumps(json.loads(sent(example))) == json.dumps(example)


def test_the_thin_example_is_what_the_code_sends_of_the_same_message() -> None:
    (thin,) = re.findall(r"^```json\n(.*?)^```", section(PAGE, "The thin form"), flags=re.M | re.S)
    assert json.loads(sent(examples()["goal.achieved"], thin=True)) == json.loads(thin)


def test_the_rule_of_a_rate_is_one() -> None:
    (rule,) = re.findall(r"^```json\n(.*?)^```", section(PAGE, "When a rate drops"), flags=re.M | re.S)
    read = RateRule.model_validate_json(rule)
    assert read == RateRule(threshold=read.threshold, recovery=RateRule(threshold=read.threshold).recovers_at)


def test_the_receiver_takes_what_the_code_signs_and_nothing_else(tmp_path: Path) -> None:
    (receiver,) = [block for block in blocks(PAGE) if block.startswith("from standardwebhooks")]
    (tmp_path / "receiver.py").write_text(receiver)
    names = runpy.run_path(str(tmp_path / "receiver.py"))
    secret, now = secrets.new(), datetime.now(UTC)
    message = sent(examples()["goal.achieved"])

    def headers(at: datetime) -> dict[str, str]:
        stamp = int(at.timestamp())
        signed = [standard_webhooks.sign(each, "m-1", stamp, message) for each in (secrets.new(), secret)]
        return {"webhook-id": "m-1", "webhook-timestamp": str(stamp), "webhook-signature": " ".join(signed)}

    assert names["heard"](secret, headers(now), message) == ("m-1", "goal.achieved", json.loads(message)["data"])
    for wrong, late in ((message + b" ", timedelta()), (message, timedelta(minutes=6))):
        with pytest.raises(WebhookVerificationError):
            names["heard"](secret, headers(now - late), wrong)


def test_every_field_of_a_subscription_and_every_status_is_explained() -> None:
    described = {row[0].strip("`") for row in rows(section(PAGE, "Subscribe"))}
    assert described >= set(SubscriptionDraft.model_fields)
    explained = {row[0].strip("`") for row in rows(section(PAGE, "Looking it up and delivering again"))}
    assert explained >= set(MessageStatus)


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"at most {MOST_SUBSCRIPTIONS} subscriptions" in TEXT
    assert f"At most {secrets.MOST_SECRETS} are valid at once".replace("5", "five") in TEXT
    assert timedelta(days=3) == TOLD_FOR
    assert f"deleted after {MESSAGES_KEPT.days} days" in TEXT
    assert dispatch.AT_ONCE == 4
    assert timedelta(minutes=1) == dispatch.LEASE
