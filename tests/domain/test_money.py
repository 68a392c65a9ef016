"""Money, written."""

from decimal import Decimal

import pytest

from goalline.domain import money


@pytest.mark.parametrize(
    ("amount", "written"), [("0.000000300", "0.0000003"), ("1E+2", "100"), ("0", "0"), ("12.50", "12.5")]
)
def test_an_amount_is_written_to_its_last_digit_and_without_an_exponent(amount: str, written: str) -> None:
    assert money.written(Decimal(amount)) == written
