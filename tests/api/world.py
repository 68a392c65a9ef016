"""The world of the API tests: an application on a fresh database, keys, and a judge that does as it is told."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

from dramatiq.brokers.stub import StubBroker
from fastapi.testclient import TestClient

from goalline import pipeline
from goalline.api.app import create_app
from goalline.bootstrap import Services
from goalline.domain.evaluation import Effort, Judgement, JudgementFailed, Reason, Status, Usage
from goalline.domain.goal import GoalInForce, Kind
from goalline.domain.key import Scope
from goalline.domain.transcript import Turn
from goalline.domain.verdict import Evidence, Outcome, Verdict
from goalline.store import projects
from goalline.store.database import Database
from goalline.store.tables import Project
from goalline.worker import Bell, utc_now

ADDRESS = "http://goalline.test"

NewWorld = Callable[..., "World"]


@dataclass
class ScriptedJudge:
    """A judge that finds what the test tells it to: for a goal named in `outcomes` that outcome, else `achieved`.

    Its evidence is `quotes` for the goals named there, else all of the first turn that holds words; an outcome of
    `not_achieved` has none unless quotes are given. With `fails` every judgement ends in that reason.
    """

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    quotes: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    fails: Reason | None = None
    model: str = "scripted-model"

    def judge(self, goals: Sequence[GoalInForce], turns: Sequence[Turn]) -> Judgement:
        effort = Effort(self.model, "0123456789abcdef", Usage(1, 1234, 56))
        if self.fails:
            raise JudgementFailed(self.fails, effort)
        return Judgement([self._verdict(goal, turns) for goal in goals], effort)

    def _verdict(self, goal: GoalInForce, turns: Sequence[Turn]) -> Verdict:
        outcome = self.outcomes.get(goal.name, Outcome.ACHIEVED)
        first = next((n, turn.text) for n, turn in enumerate(turns, start=1) if turn.text.strip())
        quotes = self.quotes.get(goal.name, [] if outcome is Outcome.NOT_ACHIEVED else [first])
        evidence = [Evidence(turn=turn, quote=quote) for turn, quote in quotes]
        return Verdict(goal.goal_id, goal.revision, goal.kind, outcome, f"Because of {goal.name}.", evidence)


@dataclass(frozen=True)
class World:
    """An application with one project, a key of each scope, and no worker: tests evaluate when they want to."""

    parts: Services
    project: Project
    keys: dict[Scope, str]
    judge: ScriptedJudge

    @property
    def database(self) -> Database:
        return self.parts.database

    def browser(self, **settings: object) -> TestClient:
        """Return a new client without a key; `settings` differ from the world's for it alone."""
        changed = self.parts.settings.model_copy(update=settings)
        parts = replace(self.parts, settings=changed, broker=StubBroker(middleware=[]))
        return TestClient(
            create_app(parts, Bell(parts)), base_url="http://goalline.test", raise_server_exceptions=False
        )

    def client(self, scope: Scope = Scope.ADMIN) -> TestClient:
        """Return a new client that sends the key of this scope."""
        client = self.browser()
        client.headers["Authorization"] = f"Bearer {self.keys[scope]}"
        return client

    def evaluate(self) -> list[Status | None]:
        """Run everything that is queued and due, here and now; return how each evaluation ended."""
        queued = pipeline.sweep(self.database, utc_now(), forgotten=True)
        return [self.evaluate_one(evaluation_id) for evaluation_id in queued]

    def evaluate_one(self, evaluation_id: UUID) -> Status | None:
        """Run one evaluation."""
        day = timedelta(days=1)
        work = pipeline.claim(self.database, evaluation_id, utc_now(), day)
        if work is None:
            return None
        return pipeline.evaluate(self.database, self.judge, work, utc_now, give_up_after=day)


def make_key(database: Database, project: Project, scope: Scope) -> str:
    """Store a key and return it."""
    with database.transaction() as session:
        return projects.create_key(session, project.id, f"test {scope}", scope, utc_now())


def goal(client: TestClient, name: str, kind: Kind = Kind.PRIMARY, agent_id: str | None = None) -> dict[str, object]:
    """Create a goal over HTTP and return it."""
    body = {"name": name, "description": f"What {name} means.", "kind": kind, "agent_id": agent_id}
    response = client.post("/v1/goals", json=body)
    assert response.status_code == 201, response.text
    created: dict[str, object] = response.json()
    return created


def delivery(conversation_id: str = "call-1", *said: str, **changes: object) -> dict[str, object]:
    """Return the body of a call that has just ended, with these words said in turns by user and agent."""
    turns = said or ("I would like to come on Monday.", "You are booked for Monday at ten.")
    transcript = [{"role": ("user", "agent")[n % 2], "text": text} for n, text in enumerate(turns)]
    body = {"conversation_id": conversation_id, "agent_id": "front-desk", "ended_at": utc_now().isoformat()}
    return {**body, "transcript": transcript, **changes}


def text_of(html: str) -> str:
    """Return the words of a page, its title left out, with plain single spaces."""
    words = re.sub(r"<head>.*?</head>|<title.*?</title>|<[^>]*>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", words.replace("\N{NARROW NO-BREAK SPACE}", " "))


def days_ago(days: float) -> str:
    return (utc_now() - timedelta(days=days)).isoformat()


def age_goals(world: World, days: int = 100) -> None:
    """Make goals apply to conversations that ended before they were created."""
    with world.database.transaction() as session:
        for table, column in (("goal_revision", "in_force_from"), ("goal_period", "active_from")):
            session.connection().exec_driver_sql(f"UPDATE {table} SET {column} = datetime('now', '-{days} days')")
