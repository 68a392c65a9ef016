"""Steps of a goal: the named points that lead to it, and the rules that they keep."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from goalline.domain.duration import Duration
from goalline.domain.money import Amount, decimals, fits
from goalline.domain.refusal import Invalid, NotFound
from goalline.domain.text import Line, Paragraph

MOST_STEPS = 20
"""No goal has more steps than this, whatever the settings say."""

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LAST_ORDER = 1_000_000


def _plain(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError("must be 1 to 64 letters, digits, dots, hyphens or underscores; the first a letter or digit")
    return key


StepKey = Annotated[str, AfterValidator(_plain), WithJsonSchema({"type": "string", "pattern": f"^{_KEY.pattern}$"})]
"""What a step is called in events: it stays the same when the step is renamed."""

Order = Annotated[int, Field(ge=1, le=_LAST_ORDER, strict=True)]


class StepContent(BaseModel):
    """All that a step is, but for its key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line
    description: Paragraph | None = None
    order: Order | None = Field(default=None, description="Its place among the steps; left out, the one it has here.")
    initial: bool = Field(
        default=False, strict=True, description="Whether the process begins with it; exactly one step does."
    )
    completion: bool = Field(
        default=False, strict=True, description="Whether the process is completed by it; at least one step is."
    )
    cost_savings: Amount | None = Field(default=None, description="Saved by reaching it, in the project's currency.")
    revenue: Amount | None = Field(default=None, description="Earned by reaching it, in the project's currency.")
    time_saved: Duration | None = Field(default=None, description="Saved by reaching it, as HH:MM:SS.")


class StepDraft(StepContent):
    """A step as an admin writes it."""

    key: StepKey


class Step(StepDraft):
    """A named point of a goal's process, in its place."""

    order: Order


def fault(steps: Sequence[Step]) -> str | None:
    """Say which rule a goal's steps break and what to do, or return None where they keep them all.

    No steps at all are fine: the goal is not tracked.
    """
    return next(_faults(steps), None) if steps else None


def _faults(steps: Sequence[Step]) -> Iterator[str]:
    if why := excess(len(steps), MOST_STEPS):
        yield why
    for key, number in Counter(step.key for step in steps).items():
        if number > 1:
            yield f"{number} steps have the key {key!r}; give each step a key of its own"
    for order, number in Counter(step.order for step in steps).items():
        if number > 1:
            named = _named(step for step in steps if step.order == order)
            yield f"the steps {named} have the same order {order}; number them differently, or leave order out of all"
    yield from _faulty_ends([step for step in steps if step.initial], [step for step in steps if not step.initial])


def _faulty_ends(initial: Sequence[Step], further: Sequence[Step]) -> Iterator[str]:
    if not initial:
        yield "no step is the initial one; give the step that the process begins with initial: true"
    if len(initial) > 1:
        yield f"the steps {_named(initial)} are all initial, and a goal has exactly one initial step; leave it to one"
    if any(step.completion for step in initial):
        yield f"{initial[0].key!r} is the initial step and a completion step; make another step the completion step"
    if not further:
        yield "there is no step besides the initial one; add at least a completion step"
    if not any(step.completion for step in further):
        if len(further) == 1:
            yield f"{further[0].key!r} is the only step besides the initial one, so it has to have completion: true"
        yield "no step is a completion step; give at least one step besides the initial one completion: true"


def _named(steps: Iterable[Step]) -> str:
    return ", ".join(repr(step.key) for step in steps)


def excess(number: int, most: int) -> str | None:
    """Say by how much a goal's steps pass the limit, or return None when they are within it."""
    return f"the goal would have {number} steps, and {most} is the limit; leave some out" if number > most else None


def misfit(steps: Iterable[Step], currency: str) -> str | None:
    """Say which amount has more decimals than the currency, or return None where all of them fit."""
    for step in steps:
        for field, amount in (("cost_savings", step.cost_savings), ("revenue", step.revenue)):
            if amount is not None and not fits(amount, currency):
                allowed = decimals(currency)
                return f"{field} of step {step.key!r} has more than the {allowed} decimals of {currency}; round it"
    return None


def have_amounts(steps: Iterable[Step]) -> bool:
    """Tell whether any step carries money."""
    return any(step.cost_savings is not None or step.revenue is not None for step in steps)


def _numbered(steps: object) -> object:
    # The number of steps is looked at before the steps are: a body may hold a hundred thousand of them.
    if not isinstance(steps, list | tuple):
        raise ValueError("must be a list of steps")
    if why := excess(len(steps), MOST_STEPS):
        raise ValueError(why)
    return [
        {**step, "order": place} if isinstance(step, dict) and step.get("order") is None else step
        for place, step in enumerate(steps, start=1)
    ]


def _sound(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    if why := fault(steps):
        raise ValueError(why)
    return _in_order(steps)


def _in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    return tuple(sorted(steps, key=lambda step: step.order))


Steps = Annotated[
    tuple[Step, ...],
    BeforeValidator(_numbered, json_schema_input_type=Annotated[list[StepDraft], Field(max_length=MOST_STEPS)]),
    AfterValidator(_sound),
]
"""All steps of a goal, which keep the rules, in their order; none where the goal is not tracked."""


def find(steps: Iterable[Step], key: str) -> Step:
    """Return the step of this key.

    Raises:
        NotFound: there is none.
    """
    found = next((step for step in steps if step.key == key), None)
    if found is None:
        raise NotFound(f"this goal has no step {key!r}")
    return found


def with_step(steps: Sequence[Step], key: str, content: StepContent, most: int) -> tuple[Step, ...]:
    """Return the steps with one added, or put in the place of the one that has its key.

    Left out, its order is that of the step it replaces; a new step goes to the end.

    Args:
        steps: the goal's steps so far, in order.
        key: the key of the step, known to be well-formed.
        content: the rest of it.
        most: the most steps a goal may have. One that has more already keeps them and gains none.

    Raises:
        Invalid: they would break a rule; the message says which.
    """
    if not steps:
        raise Invalid(
            "this goal has no steps yet, and one alone is not enough; send its first ones together",
            "steps",
        )
    others = [step for step in steps if step.key != key]
    replaced = next((step for step in steps if step.key == key), None)
    order = content.order or (replaced.order if replaced else min(steps[-1].order + 1, _LAST_ORDER))
    fields: dict[str, Any] = {name: getattr(content, name) for name in StepContent.model_fields}
    new = _in_order([*others, Step.model_validate(fields | {"key": key, "order": order})])
    if why := fault(new) or (None if replaced else excess(len(new), most)):
        raise Invalid(why, "steps")
    return new


def without_step(steps: Sequence[Step], key: str) -> tuple[Step, ...]:
    """Return the steps without the one of this key.

    Raises:
        NotFound: there is none.
        Invalid: it is the initial one, or the last completion step.
    """
    gone = find(steps, key)
    left = tuple(step for step in steps if step is not gone)
    if gone.initial:
        raise Invalid(
            f"{key!r} is the initial step, which a process cannot do without; send all steps anew to begin with "
            "another one, or an empty list to stop tracking",
            "steps",
        )
    if not any(step.completion for step in left):
        raise Invalid(
            f"{key!r} is the last completion step, which a process cannot do without; make another step a completion "
            "step first, or send an empty list of steps to stop tracking",
            "steps",
        )
    if why := fault(left):
        raise Invalid(why, "steps")
    return left
