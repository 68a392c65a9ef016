"""The judge waits out what passes within seconds, for as long as its patience lasts, and no longer."""

from email.utils import formatdate
from typing import Any

import httpx
import httpx2
import pytest

from goalline.domain.evaluation import Reason
from goalline.judge import provider
from tests.judge.endpoint import GOALS, NOW, TURNS, UNGROUNDED, Endpoint, completion, error, failed, unavailable


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_a_passing_error_is_waited_out(endpoint: Endpoint, status: int) -> None:
    endpoint.answers(error(status), error(status), completion())
    assert len(endpoint.judge().judge(GOALS, TURNS).verdicts) == 2
    assert len(endpoint.slept) == 2


@pytest.mark.parametrize(
    "lost", [httpx2.ReadTimeout, httpx2.ConnectTimeout, httpx2.ConnectError, httpx2.RemoteProtocolError]
)
def test_a_time_out_or_a_dropped_connection_is_waited_out(endpoint: Endpoint, lost: type[Exception]) -> None:
    endpoint.answers(lost, completion())
    assert len(endpoint.judge().judge(GOALS, TURNS).verdicts) == 2
    assert len(endpoint.slept) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"retry_after": "7"},
        {"retry_after_ms": "7000"},
        {"retry_after": formatdate(NOW + 7, usegmt=True)},
        {"retry_after": "1", "retry_after_ms": "7000"},
        {"retry_after": "7", "retry_after_ms": "soon"},
    ],
    ids=["seconds", "milliseconds", "date", "both", "one broken"],
)
def test_retry_after_is_obeyed(endpoint: Endpoint, headers: dict[str, str]) -> None:
    endpoint.answers(error(429, **headers), completion())
    endpoint.judge().judge(GOALS, TURNS)
    [slept] = endpoint.slept
    assert 7 <= slept <= 7.7


@pytest.mark.parametrize("header", ["", "soon", "nan", "inf", "-3", "0", formatdate(NOW - 60, usegmt=True)])
def test_a_retry_after_without_a_delay_still_backs_off(endpoint: Endpoint, header: str) -> None:
    endpoint.answers(error(503, retry_after=header), completion())
    endpoint.judge().judge(GOALS, TURNS)
    assert 0.1 < endpoint.slept[0] <= 0.5


def test_a_retry_after_beyond_the_patience_releases_at_once(endpoint: Endpoint) -> None:
    endpoint.answers(error(429, retry_after="61"))
    assert unavailable(endpoint.judge(patience=60)).retry_after == 61
    assert (len(endpoint.requests), endpoint.slept) == (1, [])


def test_a_retry_after_as_long_as_the_patience_is_obeyed(endpoint: Endpoint) -> None:
    endpoint.answers(error(429, retry_after="60"), completion())
    assert len(endpoint.judge(patience=60).judge(GOALS, TURNS).verdicts) == 2
    assert endpoint.slept == [60]


def test_a_limit_for_good_is_released_when_the_patience_is_gone(endpoint: Endpoint) -> None:
    endpoint.answers(error(429))
    assert unavailable(endpoint.judge(patience=60)).retry_after is None
    assert 50 < sum(endpoint.slept) <= 60
    assert endpoint.slept[0] <= 0.5
    assert max(endpoint.slept) <= 8


def test_the_last_retry_after_goes_with_the_release(endpoint: Endpoint) -> None:
    endpoint.answers(error(429, retry_after="5"), error(429, retry_after="6"), error(429, retry_after="600"))
    assert unavailable(endpoint.judge()).retry_after == 600


def test_the_patience_is_one_for_all_calls_of_a_judgement(endpoint: Endpoint) -> None:
    endpoint.answers(
        error(429, retry_after="20"), completion(UNGROUNDED), error(429, retry_after="20"), completion(UNGROUNDED),
        error(429, retry_after="20"), completion(),
    )  # fmt: skip
    unavailable(endpoint.judge(patience=50))
    assert len(endpoint.slept) == 2


def test_a_slow_good_answer_costs_no_patience(endpoint: Endpoint) -> None:
    def slow(_: object) -> httpx.Response:
        endpoint.seconds += 1000
        return completion(UNGROUNDED)

    endpoint.answers(slow, error(503), completion())
    assert len(endpoint.judge(patience=60).judge(GOALS, TURNS).verdicts) == 2


def test_a_slow_failing_call_costs_patience(endpoint: Endpoint) -> None:
    def slow(_: object) -> httpx.Response:
        endpoint.seconds += 100
        return error(504)

    endpoint.answers(slow, completion())
    unavailable(endpoint.judge(patience=60))
    assert endpoint.slept == []


def test_a_long_patience_lasts(endpoint: Endpoint) -> None:
    endpoint.answers(*[error(429, retry_after="1")] * 1200, error(500), completion())
    assert len(endpoint.judge(patience=1e6).judge(GOALS, TURNS).verdicts) == 2


def test_each_judgement_has_its_own_patience(endpoint: Endpoint) -> None:
    answers = [error(429, retry_after="40"), completion()]
    endpoint.answers(*answers, *answers)
    judge = endpoint.judge(patience=60)
    for _ in range(2):
        assert len(judge.judge(GOALS, TURNS).verdicts) == 2


def test_a_lasting_error_after_a_passing_one_fails(endpoint: Endpoint) -> None:
    endpoint.answers(error(503), error(401))
    assert failed(endpoint.judge()).reason is Reason.UNAUTHORIZED


def test_an_answer_that_trickles_in_past_the_time_out_counts_as_timed_out(endpoint: Endpoint) -> None:
    # The scripted endpoint ignores time-outs; what ends this call is the limit on the whole answer.
    endpoint.answers(completion())
    unavailable(endpoint.judge(timeout=1e-9, patience=0))


def test_an_answer_without_end_counts_as_lost(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "_LONGEST_BODY", 100)
    endpoint.answers(completion())
    unavailable(endpoint.judge(patience=0))


def test_as_many_connections_are_kept_as_judgements_run_at_once(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, float]] = []
    limits = httpx2.Limits

    def recorded(**given: Any) -> httpx2.Limits:
        asked.append(given)
        return limits(**given)

    monkeypatch.setattr(httpx2, "Limits", recorded)
    endpoint.answers(completion())
    endpoint.judge(concurrency=256).judge(GOALS, TURNS)
    assert asked[0]["max_connections"] == asked[0]["max_keepalive_connections"] == 256
