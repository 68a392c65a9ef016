"""The judge counts what each judgement took, whether it comes to verdicts or not."""

from decimal import Decimal

import pytest

from goalline.domain.evaluation import Usage
from goalline.judge.prices import Prices
from goalline.judge.stand_in import MODEL
from tests.judge.endpoint import GOALS, INVALID, TURNS, UNGROUNDED, Endpoint, completion, error, failed, unavailable


def test_usage_and_cost_are_summed_over_reasks(endpoint: Endpoint) -> None:
    endpoint.answers(completion(UNGROUNDED), completion(INVALID), completion())
    effort = endpoint.judge(prices=Prices.parse("2.00,30.00")).judge(GOALS, TURNS).effort
    assert effort.usage == Usage(3, 300, 30)
    assert effort.cost == 3 * (100 * 2 + 10 * 30) / Decimal(1_000_000)


def test_a_failure_carries_the_usage_of_all_its_calls(endpoint: Endpoint) -> None:
    endpoint.answers(completion(UNGROUNDED))
    assert failed(endpoint.judge()).effort.usage == Usage(3, 300, 30)


def test_an_unavailable_judge_carries_the_usage_of_the_calls_before(endpoint: Endpoint) -> None:
    endpoint.answers(completion(UNGROUNDED), error(503))
    assert unavailable(endpoint.judge()).effort.usage == Usage(1, 100, 10)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": "many", "completion_tokens": -1}, "none"])
def test_tokens_that_nobody_reports_are_unknown_and_so_is_their_cost(endpoint: Endpoint, usage: object) -> None:
    endpoint.answers(completion(usage=usage))
    effort = endpoint.judge().judge(GOALS, TURNS).effort
    assert (effort.usage, effort.cost) == (Usage(1), None)


def test_what_the_stand_in_does_costs_nothing_whatever_model_was_asked_for(endpoint: Endpoint) -> None:
    endpoint.answers(completion(model=MODEL, usage={"prompt_tokens": 100, "completion_tokens": 10}))
    assert endpoint.judge(model="gpt-5-mini").judge(GOALS, TURNS).effort.cost is None


def test_a_known_model_has_a_cost_and_cached_tokens_make_it_smaller(endpoint: Endpoint) -> None:
    used = {"prompt_tokens": 100, "completion_tokens": 10}
    endpoint.answers(completion(usage=used), completion(usage=used | {"prompt_tokens_details": {"cached_tokens": 80}}))
    judge = endpoint.judge()
    full, cached = (judge.judge(GOALS, TURNS).effort.cost for _ in range(2))
    assert full is not None
    assert cached is not None
    assert 0 < cached < full


def test_the_configured_model_is_priced_where_the_answer_names_an_unknown_one(endpoint: Endpoint) -> None:
    endpoint.answers(completion(model="deployment-7"))
    effort = endpoint.judge().judge(GOALS, TURNS).effort
    assert effort.model == "deployment-7"
    assert effort.cost


def test_an_unknown_model_has_no_cost(endpoint: Endpoint) -> None:
    endpoint.answers(completion(model="house-blend"))
    assert endpoint.judge(model="house-blend").judge(GOALS, TURNS).effort.cost is None
