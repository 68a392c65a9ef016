"""The ways in which Goalline says no: what was wrong, where, and what to do."""


class Refusal(Exception):
    """A request that cannot be done as it stands; the message is written for whoever sent it."""

    def __init__(self, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


class NotFound(Refusal):
    """The thing that was named does not exist in this project."""


class Conflict(Refusal):
    """The request contradicts what is stored."""


class Invalid(Refusal):
    """A value is not acceptable; `field` names it."""
