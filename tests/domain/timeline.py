"""Random lives of goals, and a model that knows by brute force which goals were in force when."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from hypothesis import strategies as st

from goalline.domain.goal import Kind

START = datetime(2026, 11, 1, tzinfo=UTC)
TICK = timedelta(minutes=1)
AGENTS = ["ann", "bob", "cyd"]


class Act(Enum):
    """What an admin may do to a goal."""

    CREATE = auto()
    EDIT = auto()
    ARCHIVE = auto()
    RESTORE = auto()


@dataclass(frozen=True, slots=True)
class Step:
    """A wish, `wait` ticks after the one before; `which` picks among the goals there are by then."""

    act: Act
    wait: int
    which: int
    agent_id: str | None
    name: str
    kind: Kind
    judged: bool


@dataclass(frozen=True, slots=True)
class Event:
    """A step at its time, with the goal it meets and whether the one-active-primary rule forbids it."""

    at: datetime
    step: Step
    goal: int
    refused: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """What a goal is from one time to the next stage."""

    since: datetime
    revision: int
    name: str
    kind: Kind
    judged: bool
    active: bool

    @property
    def is_active_primary(self) -> bool:
        return self.active and self.kind is Kind.PRIMARY


@dataclass(slots=True)
class Life:
    """One goal and all that it has been."""

    agent_id: str | None
    stages: list[Stage]

    def at(self, time: datetime) -> Stage | None:
        return next((stage for stage in reversed(self.stages) if stage.since <= time), None)


@dataclass(slots=True)
class Timeline:
    """All goals of a project, oldest first, and what was tried."""

    lives: list[Life] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    now: datetime = START

    def in_force(self, agent_id: str, at: datetime) -> list[tuple[int, int, str, Kind]]:
        """Return (goal, revision, name, kind) of the goals in force, by the words of the rule."""
        active = [
            (number, life, stage)
            for number, life in enumerate(self.lives)
            if life.agent_id in (None, agent_id) and (stage := life.at(at)) and stage.active
        ]
        primaries = [one for one in active if one[2].kind is Kind.PRIMARY]
        chosen = [one for one in primaries if one[1].agent_id == agent_id] or primaries
        chosen += [one for one in active if one[2].kind is Kind.SECONDARY]
        return [(number, stage.revision, stage.name, stage.kind) for number, _, stage in chosen if stage.judged]

    def take(self, step: Step) -> None:
        self.now += step.wait * TICK
        if step.act is Act.CREATE or not self.lives:
            self._create(step)
        else:
            self._change(step, step.which % len(self.lives))

    def _create(self, step: Step) -> None:
        stage = Stage(self.now, 1, step.name, step.kind, step.judged, active=True)
        step = Step(Act.CREATE, step.wait, step.which, step.agent_id, step.name, step.kind, step.judged)
        refused = self._clashes(stage, step.agent_id, -1)
        self.events.append(Event(self.now, step, len(self.lives), refused))
        if not refused:
            self.lives.append(Life(step.agent_id, [stage]))

    def _change(self, step: Step, goal: int) -> None:
        life = self.lives[goal]
        old = life.stages[-1]
        wording = (old.name, old.kind, old.judged)
        wanted = (step.name, step.kind, step.judged) if step.act is Act.EDIT else wording
        active = {Act.EDIT: old.active, Act.ARCHIVE: False, Act.RESTORE: True}[step.act]
        stage = Stage(self.now, old.revision + (wanted != wording), *wanted, active)
        refused = (wanted, active) != (wording, old.active) and self._clashes(stage, life.agent_id, goal)
        self.events.append(Event(self.now, step, goal, refused))
        if not refused:
            life.stages.append(stage)

    def _clashes(self, stage: Stage, agent_id: str | None, goal: int) -> bool:
        return stage.is_active_primary and any(
            life.agent_id == agent_id and life.stages[-1].is_active_primary
            for number, life in enumerate(self.lives)
            if number != goal
        )


def _played(steps: Sequence[Step]) -> Timeline:
    timeline = Timeline()
    for step in steps:
        timeline.take(step)
    return timeline


STEPS = st.builds(
    Step,
    act=st.sampled_from(Act),
    wait=st.integers(0, 3),
    which=st.integers(0, 9),
    agent_id=st.sampled_from([None, *AGENTS[:2]]),
    name=st.sampled_from(["Book", "Pay", "Cancel"]),
    kind=st.sampled_from(Kind),
    judged=st.sampled_from([True, True, False]),
)
TIMELINES = st.lists(STEPS, min_size=1, max_size=20).map(_played)


def telling_times(timeline: Timeline) -> list[datetime]:
    """Return the times at which something happened, and those just before and after."""
    moments = {event.at for event in timeline.events}
    moment = timedelta(microseconds=1)
    return sorted({at + shift for at in moments for shift in (-moment, timedelta(), moment)})
