"""Money as people and programs read it."""

from decimal import Decimal


def written(amount: Decimal) -> str:
    """Write an amount to its last digit, without an exponent and without idle zeros: `0.0000003`."""
    return format(amount.normalize(), "f")
