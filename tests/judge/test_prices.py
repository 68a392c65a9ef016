"""What tokens cost: by the bundled table, by the owner's price, or nobody knows."""

import socket
from decimal import Decimal

import genai_prices
import pytest

from goalline.judge.prices import Prices, Tokens

TOKENS = Tokens(prompt=1_000_000, completion=100_000)


def test_a_model_of_the_table_has_a_price() -> None:
    cost = Prices().cost("gpt-4o-mini", TOKENS)
    assert isinstance(cost, Decimal)
    assert cost == Decimal("0.15") + Decimal("0.60") / 10


def test_a_dated_name_costs_what_the_model_costs() -> None:
    assert Prices().cost("gpt-4o-mini-2024-07-18", TOKENS) == Prices().cost("gpt-4o-mini", TOKENS)


def test_cached_tokens_cost_less() -> None:
    cached = Prices().cost("gpt-4o-mini", Tokens(1_000_000, 100_000, cached=1_000_000))
    assert cached == Decimal("0.075") + Decimal("0.60") / 10


def test_more_cached_tokens_than_there_are_count_as_all() -> None:
    prices = Prices()
    assert prices.cost("gpt-4o-mini", Tokens(10, 1, cached=50)) == prices.cost("gpt-4o-mini", Tokens(10, 1, cached=10))


@pytest.mark.parametrize("model", ["goalline-stand-in", "llama3.1:8b", "gpt-99", "house/blend", "", "\0", "g" * 10_000])
def test_an_unknown_model_has_no_price(model: str) -> None:
    assert Prices().cost(model, TOKENS) is None


def test_a_price_set_by_hand_counts_for_every_model() -> None:
    prices = Prices.parse("0.25,2.00")
    assert prices.cost("gpt-4o-mini", TOKENS) == prices.cost("house-blend", TOKENS) == Decimal("0.45")


def test_a_price_of_nothing_is_a_price() -> None:
    assert Prices.parse("0,0").cost("house-blend", TOKENS) == 0


@pytest.mark.parametrize("setting", ["", "1", "1,2,3", "a,b"])
def test_a_price_that_is_not_two_numbers_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match="two numbers"):
        Prices.parse(setting)


def test_a_table_that_breaks_costs_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(genai_prices, "calc_price", broken)
    assert Prices().cost("gpt-4o-mini", TOKENS) is None


def test_no_price_is_fetched_over_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("a price was looked up over the network")

    monkeypatch.setattr(socket, "socket", refused)
    assert Prices().cost("gpt-4o-mini", TOKENS)
