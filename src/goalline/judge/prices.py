"""What judging costs, in US dollars: from a bundled price table, or from the price the owner set."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Self

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one answer; `cached` is the part of `prompt` that the provider had read before."""

    prompt: int
    completion: int
    cached: int = 0


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of models; with `per_million` (input, output) set, every model costs that.

    The table ships with genai-prices and is not fetched over the network. An estimate, not a bill: it knows list
    prices only, and a price set by hand counts cached tokens like any others.
    """

    per_million: tuple[Decimal, Decimal] | None = None

    @classmethod
    def parse(cls, per_million: str | None) -> Self:
        """Return the prices for a setting such as `0.25,2.00`, or those of the table for None.

        Raises:
            ValueError: the setting is not two numbers with a comma between them.
        """
        if per_million is None:
            return cls()
        try:
            prompt, completion = (Decimal(part) for part in per_million.split(","))
        except (ArithmeticError, ValueError):
            raise ValueError("a price is two numbers with a comma between, such as 0.25,2.00") from None
        return cls((prompt, completion))

    def cost(self, model: str, tokens: Tokens) -> Decimal | None:
        """Return what `tokens` cost with `model`, or None where its price is unknown."""
        if self.per_million:
            prompt, completion = self.per_million
            return (tokens.prompt * prompt + tokens.completion * completion) / _MILLION
        # The table takes a third of a second and some memory: only a process that judges pays for it.
        from genai_prices import Usage, calc_price

        usage = Usage(
            input_tokens=tokens.prompt,
            cache_read_tokens=min(tokens.cached, tokens.prompt),
            output_tokens=tokens.completion,
        )
        try:
            return calc_price(usage, model).total_price
        except Exception:  # whatever the table chokes on, a missing price must not cost a verdict
            return None
