"""Webhooks as platforms send them, and what they tell; what they would tell if anything in them were something else."""

import json
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import strategies as st
from pydantic import ValidationError

from goalline import resources
from goalline.domain.platforms.platform import Forged, Heard, Options, Platform, ToolCall, Underway
from goalline.domain.transcript import Delivery

FOLDER = resources.folder("fixtures") / "webhooks"
RECEIVED = datetime(2026, 11, 30, 12, tzinfo=UTC)
"""When each of them is received: later than all that they tell of."""

ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 10**9, 1e300, -1e300, 10**400])
    | st.floats()
    | st.text()
    | st.sampled_from(["", " ", "0", "\ud83d", "\x00", "2026-10-06T14:03:55Z", "2026-10-06", "user", "x" * 300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
"""Any value that a parser of JSON can return, NaN and lone surrogates among them."""


def raw(platform: str, event: str) -> bytes:
    """Return a webhook's body as it is sent."""
    return (FOLDER / platform / f"{event}.json").read_bytes()


def body(platform: str, event: str, /, **changes: Any) -> Any:
    """Return a webhook's body as JSON, to be changed at will; with some fields at its top changed."""
    return json.loads(raw(platform, event)) | changes


def heard(platform: Platform, payload: Any, options: Options | None = None) -> Heard:
    """Return what a webhook tells."""
    return platform.parse(payload, RECEIVED, options or platform.options())


def delivered(platform: Platform, payload: Any) -> Delivery:
    """Return the conversation of which a webhook tells."""
    delivery = heard(platform, payload).delivery
    assert delivery is not None
    return delivery


def underway(platform: Platform, payload: Any, options: Options | None = None) -> tuple[Underway, Sequence[ToolCall]]:
    """Return the conversation that has not ended of which a webhook tells, and the tools called so far."""
    answer = heard(platform, payload, options)
    assert answer.underway is not None
    return answer.underway, answer.calls


def said(delivery: Delivery) -> list[tuple[str, float | None, str]]:
    """Return who said what, and how many seconds before the end."""
    return [
        (turn.role.value, round((delivery.ended_at - turn.at).total_seconds(), 3) if turn.at else None, turn.text)
        for turn in delivery.transcript
    ]


def missing(platform: Platform, payload: Any) -> str:
    """Return the place of the only thing that is wrong with a webhook."""
    with pytest.raises(ValidationError) as refused:
        heard(platform, payload)
    (error,) = refused.value.errors()
    return ".".join(map(str, error["loc"]))


def refusal(
    platform: Platform,
    headers: dict[str, str],
    payload: bytes,
    secrets: Sequence[str],
    now: float,
    options: Options | None = None,
) -> str:
    """Return why a webhook is taken for forged."""
    why = forgery(lambda: platform.verify(headers, payload, secrets, now, options or platform.options()))
    assert not any(secret in why for secret in secrets if secret)
    return why


def forgery(verify: Callable[[], None]) -> str:
    """Return why something is taken for forged."""
    with pytest.raises(Forged) as refused:
        verify()
    return str(refused.value)


def understands(platform: Platform, payload: Any, options: Options | None = None) -> bool:
    """Tell whether a webhook is understood; that it is not may only ever be a `ValidationError`."""
    return understood(lambda: heard(platform, payload, options))


def understood(hear: Callable[[], Heard]) -> bool:
    """Tell whether something is understood; that it is not may only ever be a `ValidationError`."""
    try:
        answer = hear()
    except ValidationError:
        return False
    assert [answer.delivery is None, answer.underway is None, not answer.needless].count(False) == 1
    assert len({call.id for call in answer.calls}) == len(answer.calls)
    return True


def changed(payload: Any) -> st.SearchStrategy[Any]:
    """Return webhooks in which any one value is any JSON value."""
    return st.builds(_replaced, st.just(payload), st.sampled_from(list(_places(payload))), ANY_JSON)


def _places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*above, key)
        yield from _places(item, (*above, key))


def _replaced(payload: Any, place: tuple[Any, ...], value: Any) -> Any:
    copy = deepcopy(payload)
    within = copy
    for key in place[:-1]:
        within = within[key]
    within[place[-1]] = value
    return copy
