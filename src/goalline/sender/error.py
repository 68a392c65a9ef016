"""What is told of an attempt that brought no answer, or not the whole of it."""

from enum import StrEnum


class Error(StrEnum):
    """All that anybody is told: never an address, a URL or an exception's text.

    Whoever may choose where messages go must not learn from them what there is in a network.
    """

    URL = "not a web address"
    HEADERS = "headers not valid"
    ADDRESS = "address not allowed"
    NAME = "name does not resolve"
    REFUSED = "connection refused"
    UNREACHABLE = "not reachable"
    TLS = "TLS failed"
    TIME = "took too long"
    BROKEN = "connection broken"
    PROTOCOL = "not HTTP"
    REDIRECT = "redirects are not followed"
    UNKNOWN = "could not be sent"


class Unsent(Exception):
    """There is no connection, and why."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.value)
        self.error = error
