"""Proxies that the environment names: on the way to an LLM elsewhere they are used, to one on this machine never."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from goalline.domain.evaluation import Judgement, JudgeUnavailable
from goalline.judge.llm import LlmJudge
from goalline.judge.stand_in import StandIn
from tests.judge.endpoint import GOALS, TURNS

VARIABLES = ("http_proxy", "https_proxy", "all_proxy")


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A server that the environment names as proxy for everything; it answers for whatever host it is asked for."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with StandIn() as server:
        for name in VARIABLES:
            monkeypatch.setenv(name, server.url.removesuffix("/v1"))
        yield server


def judged(base_url: str) -> Judgement:
    with closing(LlmJudge(model="a-model", base_url=base_url, patience=0)) as judge:
        return judge.judge(GOALS, TURNS)


def test_a_model_on_this_machine_is_asked_directly(proxy: StandIn) -> None:
    with StandIn() as model:
        judged(model.url)
        assert (model.calls, proxy.calls) == (1, 0)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.8.8.8", "[::1]"])
def test_every_name_of_this_machine_is_known(proxy: StandIn, host: str) -> None:
    with pytest.raises(JudgeUnavailable):  # nobody listens there
        judged(f"http://{host}:1/v1")
    assert proxy.calls == 0


@pytest.mark.parametrize("host", ["llm.test", "192.0.2.1", "localhost.llm.test"])
def test_a_model_elsewhere_is_asked_through_the_proxy(proxy: StandIn, host: str) -> None:
    judged(f"http://{host}/v1")
    assert proxy.calls == 1


def test_a_proxy_of_an_unknown_kind_does_not_matter_to_a_model_on_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    with StandIn() as model:
        assert judged(model.url).verdicts
