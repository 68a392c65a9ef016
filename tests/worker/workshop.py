"""What the worker's tests share: a judge that finds everything achieved, and short ways to look at rows and bells."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from dramatiq import Broker, Message
from dramatiq.brokers.stub import StubBroker

from goalline import pipeline
from goalline.bootstrap import Services
from goalline.domain.evaluation import Effort, Judgement, Usage
from goalline.domain.goal import GoalDraft, GoalInForce, Kind
from goalline.domain.transcript import Delivery, Turn
from goalline.domain.verdict import Evidence, Outcome, Verdict
from goalline.settings import Settings
from goalline.store import projects
from goalline.store.goals import goals
from goalline.store.tables import Evaluation, Project

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECRET = "xylophone"
SETTINGS = Settings.model_validate({"openai_base_url": "http://127.0.0.1:1/v1"})


class QuotingJudge:
    """A judge that finds everything achieved, after doing whatever `meanwhile` says."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.meanwhile = meanwhile

    def judge(self, goals: Sequence[GoalInForce], turns: Sequence[Turn]) -> Judgement:
        self.meanwhile()
        evidence = [Evidence(turn=1, quote=turns[0].text)]
        verdicts = [
            Verdict(goal.goal_id, goal.revision, goal.kind, Outcome.ACHIEVED, "It is said.", evidence) for goal in goals
        ]
        return Judgement(verdicts, Effort("a-model", "a-prompt", Usage(1)))


def made_project(parts: Services, name: str = "default") -> Project:
    """Make a project with one goal."""
    with parts.database.transaction() as session:
        made = projects.create(session, name, "UTC", NOW)
        goals.create(session, made.id, GoalDraft(name="A", description="B", kind=Kind.PRIMARY), NOW)
    return made


def received(parts: Services, project: Project, at: datetime = NOW) -> UUID:
    turns = [{"role": "user", "text": f"I play the {SECRET}."}]
    body: dict[str, Any] = {"conversation_id": uuid4().hex, "agent_id": "a", "ended_at": at, "transcript": turns}
    return pipeline.receive(parts.database, project, Delivery.model_validate(body), at).evaluation_id


def evaluation(parts: Services, evaluation_id: UUID) -> Evaluation:
    with parts.database.reading() as session:
        return session.get_one(Evaluation, evaluation_id)


def rung(broker: Broker) -> list[Message[Any]]:
    assert isinstance(broker, StubBroker)
    queue = broker.queues["evaluations"]
    return [Message.decode(queue.get_nowait()) for _ in range(queue.qsize())]
