"""What somebody can subscribe to, and where it can be sent."""

from typing import Any

import pytest
from pydantic import ValidationError

from goalline.domain.outbound.message import MessageType
from goalline.domain.outbound.subscription import SubscriptionDraft

DRAFT: dict[str, Any] = {"name": "crm", "url": "https://example.com/hook", "types": ["goal.achieved"]}


def drafted(**more: Any) -> SubscriptionDraft:
    return SubscriptionDraft.model_validate(DRAFT | more)


@pytest.mark.parametrize(
    "url", ["https://example.com/hook?key=1", "http://10.0.0.5:9000/x", "https://[2001:db8::1]/hook"]
)
def test_an_address_of_the_web_is_taken_as_it_is(url: str) -> None:
    assert drafted(url=url).url == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("example.com/hook", "must be an address that begins with https://"),
        ("ftp://example.com/hook", "must be an address that begins with https://"),
        ("https://", "must be an address that begins with https://"),
        ("https://me:swordfish@example.com/", "must not hold a user or a password"),
        ("https://me@example.com/", "must not hold a user or a password"),
        ("https://example.com/hook#part", "must not hold a fragment"),
        ("https://example.com/" + "x" * 2_000, "at most 2000"),
    ],
)
def test_what_is_no_such_address_is_refused_without_being_repeated(url: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why) as refused:
        drafted(url=url)
    assert "swordfish" not in str(refused.value.errors(include_input=False, include_url=False))


def test_neither_the_address_nor_the_secret_stands_in_a_printed_draft() -> None:
    printed = repr(drafted(url="https://example.com/swordfish", secret="whsec_swordfish"))
    assert "swordfish" not in printed


def test_types_are_kept_once_and_in_one_order() -> None:
    draft = drafted(types=["goal.completed", "goal.achieved", "goal.completed"])
    assert draft.types == (MessageType.GOAL_ACHIEVED, MessageType.GOAL_COMPLETED)


@pytest.mark.parametrize("types", [[], ["goal.lost"], ["subscription.tested"]])
def test_what_is_never_told_cannot_be_subscribed_to(types: list[str]) -> None:
    with pytest.raises(ValidationError):
        drafted(types=types)


def test_who_wants_to_hear_of_a_dropped_rate_says_when() -> None:
    with pytest.raises(ValidationError, match=r'add "rate": \{"threshold": 0.6, "conversations": 50\}'):
        drafted(types=["rate.dropped"])
    assert drafted(types=["rate.dropped"], rate={"threshold": 0.6}).rate is not None


def test_a_rule_that_nobody_hears_of_is_refused() -> None:
    with pytest.raises(ValidationError, match="not among the types"):
        drafted(rate={"threshold": 0.6})


@pytest.mark.parametrize("rate", [{"threshold": 0}, {"threshold": 1.1}, {"threshold": 0.5, "conversations": 4}])
def test_a_rule_that_could_never_hold_is_refused(rate: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        drafted(types=["rate.dropped"], rate=rate)
