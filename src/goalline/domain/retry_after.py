"""The delay that an HTTP answer asks for."""

import math
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the delay in seconds, at least 0, that an answer asks for at `now` (Unix time), or None.

    Understands `retry-after-ms` and `Retry-After` in seconds or as an HTTP date; names of headers are in small letters.
    """
    for name, seconds_per_unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            delay = float(headers[name]) * seconds_per_unit
        except (KeyError, ValueError):
            continue
        if math.isfinite(delay):
            return max(delay, 0.0)
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, OverflowError):  # the latter for a year of twenty digits
        return None
    moment = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(moment.timestamp() - now, 0.0)
