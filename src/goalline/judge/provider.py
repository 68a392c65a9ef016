"""The endpoint that the model answers at: one client per process, and the patience with its hiccups."""

import math
import random
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai
from tenacity import RetryCallState, Retrying, retry_if_exception

from goalline.domain.evaluation import Reason, Usage
from goalline.domain.retry_after import retry_after
from goalline.judge import failure
from goalline.judge.completion import Completion, Count
from goalline.judge.failure import Failure
from goalline.judge.gate import Gate
from goalline.judge.hearing import Clock, current
from goalline.judge.prices import Prices, Tokens
from goalline.judge.stand_in.matching import MODEL as STAND_IN
from goalline.telemetry import metrics

_OPENAI = "https://api.openai.com/v1"
_CONNECT_SECONDS = 10
_KEEP_ALIVE_SECONDS = 30
_LONGEST_BODY = 32 * 1024 * 1024
_MOST_REDIRECTS = 5
_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 8.0
_WORDS_READ = 2_000


class Provider:
    """Sends requests, waits out what passes within seconds, and counts what each answer took."""

    def __init__(
        self,
        *,
        api_key: str | None,
        base_url: str | None,
        timeout: float,
        concurrency: int,
        prices: Prices,
        clock: Clock,
        gate: Gate,
    ) -> None:
        limits = httpx2.Limits(
            max_connections=concurrency,
            max_keepalive_connections=concurrency,
            keepalive_expiry=_KEEP_ALIVE_SECONDS,
        )
        timeouts = httpx2.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS))
        # With a transport of its own the client looks for no proxy in the environment: none leads back to this machine.
        direct = httpx2.HTTPTransport(limits=limits) if base_url and _is_here(base_url) else None
        self._client = openai.OpenAI(
            # Servers of one's own often want no key, but the SDK wants one to be set.
            api_key=api_key or "none",
            # Left out, the SDK would look for an address in the environment and be content with an empty one.
            base_url=base_url or _OPENAI,
            max_retries=0,
            timeout=timeouts,
            http_client=_Client(timeout=timeouts, limits=limits, transport=direct, longest=timeout),
        )
        self._prices = prices
        self._clock = clock
        self._gate = gate
        self._retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, Failure) and error.waitable),
            wait=_delay,
            stop=lambda state: state.upcoming_sleep > current().patience,
            sleep=self._sleep,
            reraise=True,
        )

    def complete(self, request: dict[str, Any]) -> Completion:
        """Return the model's answer to a chat completion request, counted on the hearing in session.

        Raises:
            Failure: there is no answer, and the hearing's patience cannot mend it.
        """
        return self._retrying(self._attempt, request)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _attempt(self, request: dict[str, Any]) -> Completion:
        hearing, asked = current(), self._clock.monotonic()
        began, still_to_wait = self._gate.enter(hearing.patience)
        hearing.patience -= began - asked
        if still_to_wait is not None:
            raise Failure(self._gate.broken or Reason.UNAVAILABLE, later=True, retry_after=still_to_wait)
        try:
            answer = self._post(request)
        except BaseException:
            self._gate.give_up()
            raise
        self._gate.leave(began, answer if isinstance(answer, Failure) else None)
        took = self._clock.monotonic() - began
        metrics.llm_called(answer.reason if isinstance(answer, Failure) else "ok", took)
        if isinstance(answer, Failure):
            hearing.patience -= took
            raise answer
        return answer

    def _post(self, request: dict[str, Any]) -> Completion | Failure:
        # Failures are returned and raised later: raised here, they would carry the SDK's exception, and with it
        # the request, in their context. `post` rather than `chat.completions.create`, which would spend more time
        # on checking a request and an answer of known form than sending them takes.
        try:
            response = self._client.post("/chat/completions", body=request, cast_to=httpx2.Response)
        except openai.APIStatusError as error:
            words = f"{error.code} {error.type} {error.message}"[:_WORDS_READ]
            return failure.of_status(error.status_code, words, retry_after(error.response.headers, self._clock.now()))
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, httpx2.UnsupportedProtocol):  # the address lacks its http:// or https://
                return Failure(Reason.NOT_FOUND)
            return Failure(Reason.UNAVAILABLE, waitable=True)
        completion = Completion.read(response.content)
        self._count(completion, request["model"])
        return completion.failure() or completion

    def _count(self, completion: Completion, asked: str) -> None:
        if not (completion.usage or completion.choices):
            return
        usage, model, cost = completion.usage or Count(), completion.model or asked, None
        if usage.prompt_tokens is not None and usage.completion_tokens is not None:
            tokens = Tokens(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)
            cost = self._prices.cost(model, tokens)
            # A gateway may call the model by a name of its own; but what the stand-in does, nobody has to pay.
            cost = self._prices.cost(asked, tokens) if cost is None and model != STAND_IN else cost
        current().record(model, Usage(1, usage.prompt_tokens, usage.completion_tokens), cost)
        metrics.llm_spent(usage.prompt_tokens, usage.completion_tokens, cost)

    def _sleep(self, seconds: float) -> None:
        current().patience -= seconds
        self._clock.sleep(seconds)


def _is_here(url: str) -> bool:
    """Tell whether an address is this machine's own: localhost, 127.0.0.0/8 or ::1."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # the name of a host, or no address at all
        return False


def _delay(state: RetryCallState) -> float:
    # Chance spreads the waits here and guards nothing, so any will do.
    failed = state.outcome and state.outcome.exception()
    if isinstance(failed, Failure) and failed.retry_after:
        # A little more than asked, so that many threads told the same do not come back at the same moment.
        later = failed.retry_after * random.uniform(1, 1.1)  # noqa: S311  # nosec B311
        return min(later, max(failed.retry_after, current().patience))
    backoff = math.ldexp(_FIRST_BACKOFF, min(state.attempt_number - 1, 10))
    return min(backoff, _LONGEST_BACKOFF) * random.uniform(0.5, 1)  # noqa: S311  # nosec B311


class _Client(httpx2.Client):
    """An HTTP client whose time-out covers the whole answer, and whose requests stay where they were sent.

    The library's own time-out covers each piece of an answer, and some gateways send a blank now and then while they
    wait. Its own redirects go anywhere, and a request carries a transcript.
    """

    def __init__(self, *, longest: float, **options: Any) -> None:
        super().__init__(**options)
        self._longest = longest

    def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        deadline = time.monotonic() + self._longest
        options["follow_redirects"] = False
        response = super().send(request, stream=True, **options)
        for _ in range(_MOST_REDIRECTS):
            onward = response.next_request
            if onward is None or not _stays(request.url, onward.url):
                break
            response.close()
            response = super().send(onward, stream=True, **options)
        # What leads elsewhere is returned as it is: to the SDK, and to us, an answer of status 3xx is an error.
        if not stream:
            response.stream = _Bounded(response.stream, deadline)
            try:
                response.read()
            finally:
                response.close()
        return response


def _stays(first: httpx2.URL, onward: httpx2.URL) -> bool:
    """Tell whether a redirect leads to the same scheme, host and port, or from http to https on the usual ports."""
    if onward.origin == first.origin:
        return True
    upgraded = (first.scheme, onward.scheme) == ("http", "https") and (first.port, onward.port) == (None, None)
    return upgraded and onward.host == first.host


class _Bounded(httpx2.SyncByteStream):
    """A body that may take neither longer than until its deadline nor more room than an answer can need."""

    def __init__(self, stream: Any, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if time.monotonic() > self._deadline:
                raise httpx2.ReadTimeout("the answer took too long")
            if size > _LONGEST_BODY:
                raise httpx2.ReadError("the answer is too large")
            yield chunk

    def close(self) -> None:
        self._stream.close()
