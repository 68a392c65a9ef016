"""Packages of goals: what is carried from one project to another, and how it is known to be whole."""

import hashlib
import json
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from goalline.domain import money
from goalline.domain.goal import GoalDraft
from goalline.domain.refusal import Invalid
from goalline.domain.step import Step, have_amounts, misfit

FORMAT: Literal["goalline.goals"] = "goalline.goals"
"""What a package says that it is."""

VERSION: Literal[1] = 1
"""The newest version of the format that is known here."""

MOST_GOALS = 200
"""No package holds more goals than this."""

_EXPORT_AGAIN = (
    "export the goals again and import that file as it is; reword goals before the export or after the import"
)


class Action(StrEnum):
    """What an import does with one goal."""

    CREATE = "create"
    CHANGE = "change"
    NONE = "none"


class Package(BaseModel):
    """Goals in their newest wording, with their steps, in a form that other projects import.

    Its amounts have as many decimals as its currency. Whatever makes it no package raises Pydantic's ValidationError
    where a value has the wrong form, and Invalid where the package as a whole cannot be taken.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["goalline.goals"]
    version: Literal[1]
    currency: money.Currency = Field(description="The currency of all amounts, by ISO 4217.")
    digest: str = Field(
        description="SHA-256 of currency and goals; it tells whether they are what was exported.",
        json_schema_extra={"pattern": "^sha256:[0-9a-f]{64}$"},
    )
    goals: tuple[GoalDraft, ...] = Field(json_schema_extra={"maxItems": MOST_GOALS})

    @model_validator(mode="before")
    @classmethod
    def _known(cls, content: Any) -> Any:
        # Asked first: of another format or version, all the rest may be different, and no fault of the sender's.
        if isinstance(content, dict):
            _require_known(content.get("format"), content.get("version"))
            number = len(goals) if isinstance(goals := content.get("goals"), list | tuple) else 0
            if number > MOST_GOALS:
                raise Invalid(f"a package holds at most {MOST_GOALS} goals, and this one has {number:,}", "goals")
        return content

    @field_validator("goals")
    @classmethod
    def _sound(cls, goals: tuple[GoalDraft, ...], info: ValidationInfo) -> tuple[GoalDraft, ...]:
        seen: dict[tuple[str | None, str], int] = {}
        for index, goal in enumerate(goals):
            first = seen.setdefault((goal.agent_id, goal.name), index)
            if first != index:
                raise Invalid(
                    f"goals[{first}] and goals[{index}] have the same agent and the same name {goal.name!r}, "
                    "by which goals are recognised; leave one of them out of the export, or rename it before",
                    f"goals[{index}].name",
                )
        currency = info.data.get("currency")
        return goals if currency is None else tuple(_exact(goal, n, currency) for n, goal in enumerate(goals))

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.digest != _digest(self.currency, self.goals):
            raise Invalid(
                f"the package was changed or cut after its export: its digest is not that of its content; "
                f"{_EXPORT_AGAIN}",
                "digest",
            )
        return self

    @property
    def has_amounts(self) -> bool:
        """Whether any step of any goal carries money."""
        return any(have_amounts(goal.steps) for goal in self.goals)


def packed(currency: str, goals: Iterable[GoalDraft]) -> Package:
    """Return a package of these goals, project-wide ones first, then by agent and name.

    Raises:
        Invalid: they are too many, two have the same agent and name, or an amount does not fit the currency.
    """
    exact = [_exact(goal, index, currency) for index, goal in enumerate(_in_order(goals))]
    content = {"format": FORMAT, "version": VERSION, "currency": currency, "goals": exact}
    return Package.model_validate(content | {"digest": _digest(currency, exact)})


def written(package: Package) -> dict[str, Any]:
    """Return a package as JSON has it, with every field of every goal; a step begins with its key."""
    content = package.model_dump(mode="json")
    for goal in content["goals"]:
        goal["steps"] = [{"key": step["key"], **step} for step in goal["steps"]]
    return content


def _require_known(form: object, version: object) -> None:
    if form != FORMAT:
        raise Invalid(f"this is no package of goals: its format is not {FORMAT!r}; send what an export gave", "format")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise Invalid("the version of a package is a whole number from 1 on; send what an export gave", "version")
    if version > VERSION:
        raise Invalid(
            f"this package is of a newer version than this Goalline knows, which is {VERSION}; upgrade Goalline, "
            "or export the goals from one as old as this",
            "version",
        )


def _in_order(goals: Iterable[GoalDraft]) -> tuple[GoalDraft, ...]:
    return tuple(sorted(goals, key=lambda goal: (goal.agent_id is not None, goal.agent_id or "", goal.name)))


def _digest(currency: str, goals: Iterable[GoalDraft]) -> str:
    # Over what the goals are, not over how a file writes it: 1.5 and 1.50 are one amount, and their order says nothing.
    content = {"currency": currency, "goals": [goal.model_dump(mode="json") for goal in _in_order(goals)]}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"sha256:{hashlib.sha256(canonical.encode('ascii')).hexdigest()}"


def _exact(goal: GoalDraft, index: int, currency: str) -> GoalDraft:
    if why := misfit(goal.steps, currency):
        raise Invalid(why, f"goals[{index}].steps")
    return goal.model_copy(update={"steps": tuple(_with_decimals(step, currency) for step in goal.steps)})


def _with_decimals(step: Step, currency: str) -> Step:
    amounts = {"cost_savings": step.cost_savings, "revenue": step.revenue}
    return step.model_copy(
        update={
            field: Decimal(money.shown(amount, currency)) for field, amount in amounts.items() if amount is not None
        }
    )
