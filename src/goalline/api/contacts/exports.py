"""What the export of a contact holds: everything that is stored of it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from goalline.api import savings
from goalline.api.contacts.answers import ContactState, GoalReference
from goalline.domain.cycle import CycleState, Savings
from goalline.domain.evaluation import Reason, Status
from goalline.domain.event import EventType
from goalline.domain.goal import Kind
from goalline.domain.transcript import Turn
from goalline.domain.verdict import Evidence, Outcome
from goalline.store.contacts.dossiers import Dossier
from goalline.store.conversations import conversations
from goalline.store.tables import Cycle, StepEvent, Verdict

FORMAT, VERSION = "goalline-contact", 1


class ExportedGoal(GoalReference):
    """A goal as it was named in the revision that a verdict is pinned to."""

    kind: Kind


class ExportedVerdict(BaseModel):
    """What one evaluation found for one goal; `counted` where the rates see it."""

    goal: ExportedGoal
    revision: int
    outcome: Outcome
    rationale: str
    evidence: list[Evidence]
    counted: bool
    evaluation_id: UUID

    @classmethod
    def of(cls, verdict: Verdict, name: str) -> "ExportedVerdict":
        """Return a verdict as it is exported."""
        return cls(
            **{field: getattr(verdict, field) for field in ("revision", "outcome", "rationale", "counted")},
            evaluation_id=verdict.evaluation_id,
            goal=ExportedGoal(id=verdict.goal_id, name=name, kind=verdict.kind),
            evidence=[Evidence.model_validate(item) for item in verdict.evidence],
        )


class ExportedEvaluation(BaseModel):
    """One run of the judge, without what it cost."""

    id: UUID
    number: int
    status: Status
    reason: Reason | None
    model: str | None
    created_at: datetime
    finished_at: datetime | None


class ExportedEvent(BaseModel):
    """An event as it was accepted. One of a goal's step has a goal and a step, the others have a name."""

    id: str
    type: EventType
    conversation_id: str
    contact_id: str | None
    agent_id: str | None
    goal_id: UUID | None
    revision: int | None
    step: str | None
    name: str | None
    occurred_at: datetime
    received_at: datetime

    @classmethod
    def of(cls, event: StepEvent, conversation_id: str) -> "ExportedEvent":
        """Return an event as it is exported."""
        same = cls.model_fields.keys() - {"id", "conversation_id"}
        fields = {name: getattr(event, name) for name in same}
        return cls(id=event.event_id, conversation_id=conversation_id, **fields)


class ExportedCycle(BaseModel):
    """One attempt at a goal's process; amounts are in the project's currency."""

    goal: GoalReference
    number: int
    state: CycleState
    started_at: datetime
    completed_at: datetime | None
    cost_savings: str
    revenue: str
    time_saved: str

    @classmethod
    def of(cls, cycle: Cycle, name: str, currency: str) -> "ExportedCycle":
        """Return a cycle as it is exported."""
        return cls(
            **{field: getattr(cycle, field) for field in ("number", "state", "started_at", "completed_at")},
            goal=GoalReference(id=cycle.goal_id, name=name),
            **savings.shown(Savings(cycle.cost_savings, cycle.revenue, cycle.time_saved), currency),
        )


class ExportedTask(BaseModel):
    """A task that was completed."""

    name: str
    at: datetime


class ExportedConversation(BaseModel):
    """A conversation with everything that is stored of it; `path` are the analytics steps in their order."""

    id: UUID
    conversation_id: str
    agent_id: str | None
    channel: str | None
    started_at: datetime | None
    ended_at: datetime | None
    received_at: datetime
    end_reason: str | None
    metadata: dict[str, Any] | None
    transcript: list[Turn]
    transcript_deleted_at: datetime | None
    verdicts: list[ExportedVerdict]
    evaluations: list[ExportedEvaluation]
    events: list[ExportedEvent]
    cycles: list[ExportedCycle]
    tasks: list[ExportedTask]
    path: list[str]

    @classmethod
    def of(cls, dossier: Dossier, currency: str) -> "ExportedConversation":
        """Return a conversation as it is exported."""
        row = dossier.conversation
        plain = ("id", "conversation_id", "channel", "started_at", "ended_at", "received_at", "end_reason")
        return cls(
            **{name: getattr(row, name) for name in (*plain, "transcript_deleted_at")},
            agent_id=row.agent_id or None,
            metadata=row.platform_metadata,
            transcript=conversations.turns(row),
            verdicts=[ExportedVerdict.of(verdict, name) for verdict, name in dossier.verdicts],
            evaluations=[
                ExportedEvaluation(**{name: getattr(run, name) for name in ExportedEvaluation.model_fields})
                for run in dossier.evaluations
            ],
            events=[ExportedEvent.of(event, row.conversation_id) for event in dossier.events],
            cycles=[ExportedCycle.of(cycle, name, currency) for cycle, name in dossier.cycles],
            tasks=[ExportedTask(name=task.name, at=task.at) for task in dossier.track.tasks],
            path=list(dossier.track.path),
        )


class ContactExport(ContactState):
    """Everything that is stored of a contact. `events_elsewhere` name the contact in conversations of others."""

    format: str
    version: int
    currency: str
    conversations: list[ExportedConversation]
    events_elsewhere: list[ExportedEvent]


def written(
    head: ContactState, currency: str, exported: Iterator[ExportedConversation], elsewhere: Sequence[ExportedEvent]
) -> Iterator[str]:
    """Yield a `ContactExport` as JSON, one conversation at a time, so that not all of it is in memory at once."""
    whole = ContactExport(
        **head.model_dump(), format=FORMAT, version=VERSION, currency=currency, conversations=[], events_elsewhere=[]
    )
    yield whole.model_dump_json(exclude={"conversations", "events_elsewhere"})[:-1] + ',"conversations":['
    for place, one in enumerate(exported):
        yield ("," if place else "") + one.model_dump_json()
    yield '],"events_elsewhere":[' + ",".join(event.model_dump_json() for event in elsewhere) + "]}\n"
