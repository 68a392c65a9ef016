"""The sample webhooks of the platforms, and what could come in their place."""

import contextlib
import copy
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import strategies as st
from pydantic import ValidationError

from goalline import resources
from goalline.domain.platforms.platform import Forged, Heard

_WEBHOOKS = resources.folder("fixtures") / "webhooks"

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 10**9, 1e300, -1e300, 10**400])
    | st.floats()
    | st.text()
    | st.sampled_from(["", " ", "\ud83d", "\x00", "2026-10-06T14:03:55Z", "2026-10-06", "user", "x" * 300])
)
ANYTHING = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=6
)
"""Any value that Python's JSON parser can return, NaN and lone surrogates among them."""


def sent(platform: str, name: str) -> bytes:
    """Return the body of a sample webhook as it is sent."""
    return (_WEBHOOKS / platform / f"{name}.json").read_bytes()


def body(platform: str, name: str, /, **changes: Any) -> Any:
    """Return the body of a sample webhook, read, with some of the fields at its top changed."""
    return json.loads(sent(platform, name)) | changes


def _places(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inner: Sequence[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    for key, item in inner:
        yield (*place, key)
        yield from _places(item, (*place, key))


def with_one_replaced(sample: Any) -> st.SearchStrategy[Any]:
    """Return bodies in which one field of a sample is anything."""

    def replaced(place: tuple[str | int, ...], value: Any) -> Any:
        changed = copy.deepcopy(sample)
        around = changed
        for key in place[:-1]:
            around = around[key]
        around[place[-1]] = value
        return changed

    return st.builds(replaced, st.sampled_from(list(_places(sample))), ANYTHING)


def hears_or_names_the_field(parse: Callable[[], Heard]) -> None:
    """Fail where a body makes `parse` raise anything but pydantic's error."""
    with contextlib.suppress(ValidationError):
        assert isinstance(parse(), Heard)


def forgery(verify: Callable[[], None]) -> str:
    """Return why a webhook is refused."""
    with pytest.raises(Forged) as refused:
        verify()
    return str(refused.value)
