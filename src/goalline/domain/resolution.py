"""Which goal and step an event means, as they were defined when it happened."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from goalline.domain.cycle import StepReached
from goalline.domain.event import Event
from goalline.domain.goal import GoalHistory, Wording


class Unwelcome(Exception):
    """An event is not recorded; the message says why, and what to do."""


class Resolver:
    """Knows the goals that some events name, by their histories.

    `deleted` holds, for a goal's id and a step's key, until when what happened at that step was deleted.
    """

    def __init__(self, histories: Iterable[GoalHistory], deleted: Mapping[tuple[UUID, str], datetime]) -> None:
        self._histories = list(histories)
        self._by_id = {str(history.goal_id): history for history in self._histories}
        self._deleted = deleted

    def reached(self, event: Event, at: datetime) -> StepReached:
        """Return the step that a `goal.step` event reached at `at`, pinned to the goal's revision of that time.

        What happened before the goal was made is pinned to its first revision.

        Raises:
            Unwelcome: the goal or the step is not known, or was not in force then.
        """
        history, wording = self._goal(event, at)
        if not wording.steps:
            raise Unwelcome(f"the goal {wording.name!r} had no steps when this happened; give it steps first")
        key = event.step
        step = next((step for step in wording.steps if step.key == key), None)
        if step is None:
            there = ", ".join(step.key for step in wording.steps)
            raise Unwelcome(f"the goal {wording.name!r} had no step {key!r} when this happened; it had {there}")
        if at < self._deleted.get((history.goal_id, step.key), at):
            raise Unwelcome(f"step {key!r} of the goal {wording.name!r} was deleted with all that happened before")
        return StepReached(event.id, at, history.goal_id, wording.number, step)

    def _goal(self, event: Event, at: datetime) -> tuple[GoalHistory, Wording]:
        named = event.goal or ""
        history = self._by_id.get(named.lower())
        if history is None:
            return self._called(named, event.agent_id, at)
        if history.agent_id is not None and event.agent_id not in (None, history.agent_id):
            raise Unwelcome(f"the goal {named} is for agent {history.agent_id!r}, and the event for another agent")
        wording = history.wording_at(at) or _first(history, at)
        if wording is None:
            raise Unwelcome(f"the goal {named} was archived when this happened; restore it for what is to count")
        return history, wording

    def _called(self, name: str, agent_id: str | None, at: datetime) -> tuple[GoalHistory, Wording]:
        found = self._of_agent(name, agent_id, lambda history: history.wording_at(at))
        # What was there goes before what came later.
        found = found or self._of_agent(name, agent_id, lambda history: _first(history, at))
        if not found:
            raise Unwelcome(self._missing(name, at))
        if len(found) > 1:
            raise Unwelcome(
                f"{len(found)} goals were called {name!r} when this happened; name the one you mean by its id"
            )
        return found[0]

    def _missing(self, name: str, at: datetime) -> str:
        with suppress(ValueError):
            return f"there is no goal {UUID(name)}"
        if any(wording.name == name for history in self._histories if (wording := history.written_at(at))):
            return f"the goal {name!r} was archived when this happened, or is another agent's"
        return f"no goal was called {name!r} when this happened; write it as it was then, or name it by its id"

    def _of_agent(
        self, name: str, agent_id: str | None, worded: Callable[[GoalHistory], Wording | None]
    ) -> list[tuple[GoalHistory, Wording]]:
        found = [
            (history, wording) for history in self._histories if (wording := worded(history)) and wording.name == name
        ]
        if agent_id is None:
            return found
        found = [pair for pair in found if pair[0].agent_id in (None, agent_id)]
        # As with verdicts, what an agent has of its own takes the place of what all have.
        return [pair for pair in found if pair[0].agent_id] or found


def _first(history: GoalHistory, at: datetime) -> Wording | None:
    # Nobody reports a step of a goal that nobody has written yet. So the platform's clock is late, or somebody tells
    # of old times on purpose: the goal's first wording is the closest to what was meant.
    first = min(history.revisions, key=lambda revision: revision.number, default=None)
    return first if first and at < first.in_force_from else None
