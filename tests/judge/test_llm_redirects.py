"""Redirects: followed on the endpoint's own host, never to another one, as a request carries a transcript."""

from collections.abc import Iterator

import httpx
import pytest
import respx

from goalline.domain.evaluation import Reason
from goalline.judge.llm import LlmJudge
from tests.judge.endpoint import GOALS, TURNS, completion, failed

ENDPOINT = "http://llm.test/v1/chat/completions"


@pytest.fixture
def network() -> Iterator[respx.Router]:
    with respx.mock(using="httpcore2", assert_all_called=False) as router:
        yield router


def judge(base_url: str = "http://llm.test/v1") -> LlmJudge:
    return LlmJudge(model="gpt-4o-mini", api_key="sk-test", base_url=base_url, patience=0)


def leads(network: respx.Router, start: str, to: str, status: int = 307) -> respx.Route:
    """Let an address lead to another one, which would answer; return the latter."""
    target = network.route(url=httpx.URL(start).join(to)).mock(return_value=completion())
    network.post(start).mock(return_value=httpx.Response(status, headers={"Location": to}))
    return target


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("to", ["/v2/chat/completions", "http://llm.test/v2", "http://llm.test:80/v2"])
def test_a_redirect_on_the_same_host_is_followed_with_the_transcript_and_the_key(
    network: respx.Router, to: str, status: int
) -> None:
    target = leads(network, ENDPOINT, to, status)
    assert judge().judge(GOALS, TURNS).verdicts
    request = target.calls.last.request
    assert request.headers["authorization"] == "Bearer sk-test"
    assert TURNS[0].text.encode() in request.content


def test_a_redirect_from_http_to_https_on_the_same_host_is_followed(network: respx.Router) -> None:
    target = leads(network, ENDPOINT, "https://llm.test/v1/chat/completions", 308)
    assert judge().judge(GOALS, TURNS).verdicts
    assert target.calls.last.request.headers["authorization"] == "Bearer sk-test"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "to",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:6379/",
        "http://10.0.0.7/v1/chat/completions",
        "http://[::1]/",
        "//evil.test/v1",
        "http://llm.test.evil.test/",
        "http://llm.test@evil.test/",
        "http://llm.test:8080/",
        "https://llm.test:8443/",
        "https://evil.test/",
    ],
)
def test_a_redirect_to_another_place_is_not_followed(network: respx.Router, to: str, status: int) -> None:
    target = leads(network, ENDPOINT, to, status)
    assert failed(judge()).reason is Reason.NOT_FOUND
    assert not target.called


def test_a_redirect_from_https_to_http_is_not_followed(network: respx.Router) -> None:
    target = leads(network, "https://llm.test/v1/chat/completions", ENDPOINT)
    assert failed(judge("https://llm.test/v1")).reason is Reason.NOT_FOUND
    assert not target.called


def test_a_second_redirect_is_looked_at_as_the_first_was(network: respx.Router) -> None:
    # The routes that are asked first are those that were made first.
    elsewhere = leads(network, "http://llm.test/v2", "http://evil.test/")
    leads(network, ENDPOINT, "http://llm.test/v2")
    assert failed(judge()).reason is Reason.NOT_FOUND
    assert not elsewhere.called


def test_redirects_in_a_circle_come_to_an_end(network: respx.Router) -> None:
    circle = network.post(ENDPOINT).mock(return_value=httpx.Response(307, headers={"Location": ENDPOINT}))
    assert failed(judge()).reason is Reason.NOT_FOUND
    assert circle.call_count <= 10


def test_the_reason_says_that_a_redirect_was_not_followed() -> None:
    assert "redirect to another host" in Reason.NOT_FOUND.explanation
