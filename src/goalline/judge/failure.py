"""What a provider's errors mean: whether to wait, to come back later, or to give up, and for which reason."""

import re

from goalline.domain.evaluation import Reason

_WAIT = {408, 409, 425, 429}
# Too many requests; and 529, by which some providers say that all their callers together are too many.
_LIMITED = {429, 529}
_REASONS = {
    401: Reason.UNAUTHORIZED,
    403: Reason.FORBIDDEN,
    404: Reason.NOT_FOUND,
    405: Reason.NOT_FOUND,
    410: Reason.NOT_FOUND,
    413: Reason.TOO_LONG,
}
_STATUS_OF_CODE = {
    "invalid_api_key": 401,
    "model_not_found": 404,
    "rate_limit_exceeded": 429,
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
}

# Providers agree on the status of these errors and on little else: where the words match, they decide.
_WORDS: list[tuple[set[int], str, Reason]] = [
    (
        {400, 413, 422},
        r"context.?(length|window|size|limit)|maximum (context|prompt|model) length|reduce the length"
        r"|(prompt|input|request)( is)? too (long|large)|too many (input |prompt )?tokens|too large for model"
        r"|(token count|input length|(input|prompt) tokens|prompt length)[^.]{0,80}exceed",
        Reason.TOO_LONG,
    ),
    # More than a whole minute's allowance: no waiting makes it fit.
    ({429}, r"request too large", Reason.TOO_LONG),
    (
        {400, 403, 422},
        r"content.?filter|responsible.?ai|content.management.policy|content.policy|usage policy|moderation|flagged"
        r"|data_inspection_failed",
        Reason.CONTENT_FILTER,
    ),
    ({400}, r"output limit was reached", Reason.TRUNCATED),
    ({400}, r"json_validate_failed|tool_use_failed", Reason.INVALID_ANSWER),
]
_UNPAID = re.compile(r"insufficient.(quota|balance|credit)|billing.?(hard.?limit|not.?active)", re.IGNORECASE)


class Failure(Exception):
    """Why a call of the model brought no answer to look at; carries no words of anybody.

    `later` means that the same call may succeed later, as after UNAVAILABLE; `waitable` that it may do so within
    seconds, and `limited` that it would have among fewer at once. `retry_after` is the delay in seconds that the
    provider asked for, if it asked for one.
    """

    def __init__(
        self,
        reason: Reason,
        *,
        later: bool = False,
        waitable: bool = False,
        limited: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.later = later or reason is Reason.UNAVAILABLE
        self.waitable = waitable
        self.limited = limited
        self.retry_after = retry_after


def of_status(status: int | None, words: str, retry_after: float | None = None) -> Failure:
    """Return the failure for an HTTP status (None where there was none) and the words of the error's body."""
    for statuses, pattern, reason in _WORDS:
        if status in statuses and re.search(pattern, words, re.IGNORECASE):
            return Failure(reason)
    if status == 402 or (status in (403, 429) and _UNPAID.search(words)):
        # Seconds will not fill an account, but its owner may, while the evaluation is kept.
        return Failure(Reason.UNAVAILABLE, retry_after=retry_after)
    if status is None or status in _WAIT or status >= 500:
        return Failure(Reason.UNAVAILABLE, waitable=True, limited=status in _LIMITED, retry_after=retry_after)
    if status < 400:  # a redirect that was not followed: whoever set the address has to set the right one
        return Failure(Reason.NOT_FOUND)
    return Failure(_REASONS.get(status, Reason.BAD_REQUEST))


def of_code(code: object, words: str) -> Failure:
    """Return the failure for an error object that came with status 200, by the code it names."""
    name = str(code).strip().lower()
    status = int(name) if name.isascii() and name.isdigit() else _STATUS_OF_CODE.get(name)
    return of_status(status if status and 400 <= status < 600 else None, f"{name} {words}")
