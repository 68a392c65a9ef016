"""Wrong keys at sign-in, counted by the address that sends them."""

import math
import time
from ipaddress import IPv6Address, IPv6Network, ip_address

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter


class Attempts:
    """The wrong keys of the last minute, as this process has seen them."""

    def __init__(self, per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(per_minute)
        self._wrong = FixedWindowRateLimiter(MemoryStorage())

    def wait(self, address: str) -> int:
        """Return for how many seconds no key from this address is looked at, or 0."""
        sender = _sender(address)
        if self._wrong.test(self._limit, sender):
            return 0
        return max(1, math.ceil(self._wrong.get_window_stats(self._limit, sender).reset_time - time.time()))

    def wrong(self, address: str) -> None:
        """Count a wrong key."""
        self._wrong.hit(self._limit, _sender(address))


def _sender(address: str) -> str:
    """Return what is counted together: an IPv4 address, or the /64 network that one holder of IPv6 addresses has."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Network((int(found), 64), strict=False))
    return str(found)
