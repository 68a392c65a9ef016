"""Sample steps: those of one goal, and random ones that keep the rules."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from pydantic import TypeAdapter

from goalline.domain.step import Step, Steps

STEPS: TypeAdapter[tuple[Step, ...]] = TypeAdapter(Steps)


def begin(key: str = "begin", **more: Any) -> dict[str, Any]:
    """Return an initial step as JSON."""
    return {"key": key, "name": key.title(), "initial": True, **more}


def pass_by(key: str, **more: Any) -> dict[str, Any]:
    """Return a step between the ends as JSON."""
    return {"key": key, "name": key.title(), **more}


def complete(key: str = "done", **more: Any) -> dict[str, Any]:
    """Return a completion step as JSON."""
    return {"key": key, "name": key.title(), "completion": True, **more}


FLIGHT = [
    begin("started"),
    pass_by("details", description="Passenger details are taken.", time_saved="00:03:00"),
    complete("confirmed", cost_savings="15.00", revenue="150.00"),
]
"""Sample data: the steps of pre-booking a flight, as an admin sends them."""

FLIGHT_STEPS = STEPS.validate_python(FLIGHT)

KEYS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
AMOUNTS = st.integers(0, 10**14 - 1).map(lambda units: format(Decimal(units).scaleb(-4), "f"))
DURATIONS = st.builds(
    "{:02}:{:02}:{:02}".format, st.integers(0, 9_999), st.integers(min_value=0, max_value=59), st.integers(0, 59)
)
LINES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)


@st.composite
def _good_steps(draw: st.DrawFn) -> list[dict[str, Any]]:
    keys = draw(st.lists(KEYS, min_size=2, max_size=20, unique=True))
    orders = draw(st.lists(st.integers(1, 1_000), min_size=len(keys), max_size=len(keys), unique=True))
    completions = draw(st.sets(st.sampled_from(keys[1:]), min_size=1))
    return draw(
        st.permutations(
            [
                {
                    "key": key,
                    "name": draw(LINES),
                    "description": draw(st.none() | LINES),
                    "order": order,
                    "initial": key == keys[0],
                    "completion": key in completions,
                    "cost_savings": draw(st.none() | AMOUNTS),
                    "revenue": draw(st.none() | AMOUNTS),
                    "time_saved": draw(st.none() | DURATIONS),
                }
                for key, order in zip(keys, orders, strict=True)
            ]
        )
    )


GOOD_STEPS = _good_steps()
"""Steps as an admin may send them, in any order, with every field."""
