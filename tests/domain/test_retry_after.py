"""The delay that an HTTP answer asks for: in seconds or as a date, never below 0, and none where it is garbage."""

from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from goalline.domain.retry_after import retry_after

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "delay"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-7"}, 0),
        ({"retry-after-ms": "7000", "retry-after": "1"}, 7),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7),
        ({"retry-after": formatdate(NOW + 7, usegmt=True)}, 7),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:07"}, 7),
        ({"retry-after": formatdate(NOW - 7, usegmt=True)}, 0),
    ],
)
def test_a_delay_is_read_from_seconds_and_from_dates(headers: dict[str, str], delay: float) -> None:
    assert retry_after(headers, NOW) == delay


@pytest.mark.parametrize("value", ["", "soon", "nan", "inf", "-inf", "1e999", "2027-01-15T08:00:07Z"])
def test_what_is_no_delay_asks_for_none(value: str) -> None:
    assert retry_after({"retry-after": value}, NOW) is None


def test_no_header_asks_for_no_delay() -> None:
    assert retry_after({}, NOW) is None


@given(st.text() | st.from_regex(r"\w{3}, \d{1,25} Jan \d{1,25} \d{1,25}:\d\d:\d\d [+-]\d{1,25}"))
@example("Mon, 01 Jan 99999999999999999999 00:00:00 GMT")
@example("Mon, 01 Jan 2027 00:00:00 +99999999999999999999")
def test_whatever_is_sent_is_a_delay_or_none(value: str) -> None:
    delay = retry_after({"retry-after": value}, NOW)
    assert delay is None or delay >= 0
