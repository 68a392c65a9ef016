"""What was saved, as answers tell it: amounts in the project's currency, and hours, minutes and seconds."""

from typing import Annotated

from pydantic import Field

from goalline.domain import duration, money
from goalline.domain.cycle import Savings

Money = Annotated[str, Field(description="In the project's currency.", examples=["150.00"])]
Hours = Annotated[str, Field(description="As HH:MM:SS, the hours with as many digits as they need.")]


def shown(savings: Savings, currency: str) -> dict[str, str]:
    """Return the members in which an answer tells what was saved."""
    return {
        "cost_savings": money.shown(savings.cost_savings, currency),
        "revenue": money.shown(savings.revenue, currency),
        "time_saved": duration.written(savings.time_saved),
    }
