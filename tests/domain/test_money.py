"""Money: exact, in a currency that exists, and shown with that currency's decimals."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from goalline.domain.money import DEFAULT_CURRENCY, Amount, Currency, decimals, fits, shown, written
from tests.domain.steps import AMOUNTS

AMOUNT: TypeAdapter[Decimal] = TypeAdapter(Amount)
CURRENCY: TypeAdapter[str] = TypeAdapter(Currency)


@pytest.mark.parametrize("sent", ["0", "150.00", "0.0001", "9999999999.9999", "007", 0, 150, 10**10 - 1], ids=repr)
def test_an_amount_is_a_string_of_digits_or_a_whole_number(sent: str | int) -> None:
    assert AMOUNT.validate_python(sent) == Decimal(sent)


@pytest.mark.parametrize(
    "sent",
    [
        *(1.5, 150.0, float("nan"), float("inf"), True, False, None, [], {}, b"1"),
        *("", " ", "1 ", " 1", "1,50", "1.", ".5", "1.5.0", "1_000", "0x10", "abc", "$1", "1\n", "\u0661"),
        *("+1", "-1", "-0", -1, "1e3", "1E-2", "NaN", "Infinity", "sNaN"),
        *("1" * 11, "1.00000", 10**10, Decimal(10**10), Decimal("0.00001"), Decimal("NaN"), Decimal("-1")),
    ],
    ids=repr,
)
def test_what_is_no_exact_amount_is_refused_with_the_way_to_send_it(sent: Any) -> None:
    with pytest.raises(ValidationError, match=r'send the amount as a string such as "150\.00"'):
        AMOUNT.validate_python(sent)


def test_a_number_too_long_to_be_written_out_is_refused_like_any_other() -> None:
    with pytest.raises(ValidationError, match="send the amount as a string"):
        AMOUNT.validate_python(10**5_000)


@pytest.mark.parametrize("body", [b"1.5", b"150.0", b"1e2", b"-1", b"true"])
def test_a_float_is_refused_in_json_too(body: bytes) -> None:
    with pytest.raises(ValidationError, match="string"):
        AMOUNT.validate_json(body)


@given(AMOUNTS)
def test_an_amount_survives_json_to_the_last_digit(sent: str) -> None:
    amount = AMOUNT.validate_python(sent)
    written = AMOUNT.dump_json(amount)
    assert written == f'"{sent}"'.encode()
    assert AMOUNT.validate_json(written) == amount == Decimal(sent)


@pytest.mark.parametrize(
    ("currency", "expected"), [("JPY", 0), ("XOF", 0), ("EUR", 2), ("USD", 2), ("KWD", 3), ("IQD", 3), ("CLF", 4)]
)
def test_a_currency_has_its_decimals(currency: str, expected: int) -> None:
    assert CURRENCY.validate_python(currency) == currency
    assert decimals(currency) == expected


def test_the_default_currency_is_one() -> None:
    assert CURRENCY.validate_python(DEFAULT_CURRENCY) == DEFAULT_CURRENCY


@pytest.mark.parametrize("code", ["", "usd", "Usd", "US", "USDT", "XXX", "XTS", "XAU", "DEM", "HRK", " EUR", 840, None])
def test_what_is_no_currency_in_use_is_refused(code: Any) -> None:
    with pytest.raises(ValidationError):
        CURRENCY.validate_python(code)


def test_the_refusal_of_a_currency_shows_the_form_and_not_what_was_sent() -> None:
    with pytest.raises(ValidationError) as refused:
        CURRENCY.validate_python("secret")
    message = refused.value.errors()[0]["msg"]
    assert "ISO 4217" in message
    assert "EUR" in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        *(("150", "USD", "150.00"), ("150.5", "USD", "150.50"), ("0.1000", "USD", "0.10"), ("0", "USD", "0.00")),
        *(("150", "JPY", "150"), ("150.00", "JPY", "150"), ("1.5", "KWD", "1.500"), ("0.0001", "CLF", "0.0001")),
        ("9999999999.9999", "CLF", "9999999999.9999"),
    ],
)
def test_an_amount_is_shown_with_exactly_its_currencys_decimals(amount: str, currency: str, expected: str) -> None:
    assert fits(Decimal(amount), currency)
    assert shown(Decimal(amount), currency) == expected


@pytest.mark.parametrize(("amount", "currency"), [("0.5", "JPY"), ("1.005", "EUR"), ("0.0001", "KWD")])
def test_an_amount_with_too_many_decimals_does_not_fit(amount: str, currency: str) -> None:
    assert not fits(Decimal(amount), currency)


@given(AMOUNTS, st.sampled_from(["JPY", "EUR", "KWD", "CLF"]))
def test_what_fits_is_shown_unrounded_and_nothing_else_fits(sent: str, currency: str) -> None:
    amount = Decimal(sent)
    assert fits(amount, currency) == (Decimal(shown(amount, currency)) == amount)
    assert fits(amount, currency) == (amount.scaleb(decimals(currency)) % 1 == 0)


@pytest.mark.parametrize(
    ("amount", "text"), [("0.000000300", "0.0000003"), ("1E+2", "100"), ("0", "0"), ("12.50", "12.5")]
)
def test_an_amount_is_written_to_its_last_digit_and_without_an_exponent(amount: str, text: str) -> None:
    assert written(Decimal(amount)) == text
