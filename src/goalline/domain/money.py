"""Amounts of money: exact decimals, in a currency that says how many decimals it has."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

DEFAULT_CURRENCY = "USD"
"""The currency of a project that names none."""

# The codes of ISO 4217 that are in use, by their number of decimals. Left out are those for which it defines none:
# precious metals, units of account without coins, and the codes for tests and for no currency at all.
_CODES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW
        CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR
        ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV
        MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD
        SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW
        ZWG""",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DECIMALS = {code: decimals for decimals, codes in _CODES.items() for code in codes.split()}
_AMOUNT = re.compile(r"[0-9]{1,10}(\.[0-9]{1,4})?")


def _known(code: str) -> str:
    # The message leaves the value out: it may come from a setting, and settings are not repeated.
    if code not in _DECIMALS:
        raise ValueError("must be the code of a currency (ISO 4217) in capitals, such as EUR")
    return code


Currency = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": sorted(_DECIMALS)})]
"""The alphabetic code of a currency in use, by ISO 4217."""


def _exact(value: object) -> Decimal:
    # A float has lost the amount that was meant before it gets here.
    text = format(value, "f") if isinstance(value, Decimal) else str(value) if _is_whole(value) else value
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
        raise ValueError(
            'send the amount as a string such as "150.00": digits, at most 10 before and 4 behind the point, no sign'
        )
    return Decimal(text)


def _is_whole(value: object) -> bool:
    # Python refuses to write out very long integers. True and False are integers too, and are no amounts as text.
    return isinstance(value, int) and 0 <= value < 10**10


Amount = Annotated[
    Decimal,
    BeforeValidator(_exact),
    PlainSerializer(lambda amount: format(amount, "f"), return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^{_AMOUNT.pattern}$"},
                {"type": "integer", "minimum": 0, "maximum": 10**10 - 1},
            ],
            "examples": ["150.00"],
        },
        mode="validation",
    ),
]
"""An exact amount of money, not negative: sent as a string such as "150.00", or as a whole number."""


def fits(amount: Decimal, currency: str) -> bool:
    """Tell whether an amount can be written in the currency without being rounded; zeros at its end do not matter."""
    return amount == _in_decimals(amount, currency)


def shown(amount: Decimal, currency: str) -> str:
    """Return an amount with exactly as many decimals as its currency has, such as "150.00", or "150" in JPY."""
    return format(_in_decimals(amount, currency), "f")


def decimals(currency: str) -> int:
    """Return how many decimals a known currency has."""
    return _DECIMALS[currency]


def _in_decimals(amount: Decimal, currency: str) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-_DECIMALS[currency]))


def written(amount: Decimal) -> str:
    """Write an amount to its last digit, without an exponent and without idle zeros: `0.0000003`."""
    return format(amount.normalize(), "f")
