"""The database is gone just when the judge has found something: it is stored as soon as it can be, and once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from goalline.domain.evaluation import JudgementFailed, JudgeUnavailable, Reason, Status
from goalline.domain.verdict import Outcome
from goalline.store import patience
from goalline.store.database import DatabaseUnavailable
from tests.pipeline.conftest import ScriptedJudge, Stage
from tests.store.world import EFFORT, HOUR, LEASE, NOW, SECOND


@dataclass(slots=True)
class Outage:
    """Makes the database read-only until it is over; `meanwhile` happens in each pause between two attempts."""

    stage: Stage
    pauses: list[float] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None
    lasts: bool = False

    def begin(self) -> None:
        self.lasts = True

    def end(self) -> None:
        self.lasts = False
        # SQLite's connections would stay as they are.
        self.stage.world.database.close()

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.meanwhile()


@pytest.fixture
def outage(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outage]:
    outage, database = Outage(stage), stage.world.database
    read_only = {True: "PRAGMA query_only=ON", False: "SET TRANSACTION READ ONLY"}[database.is_sqlite]

    def refuse(connection: sa.Connection) -> None:
        if outage.lasts:
            connection.exec_driver_sql(read_only)

    monkeypatch.setattr(patience, "time", SimpleNamespace(sleep=outage.pause))
    sa.event.listen(database.engine, "begin", refuse)
    yield outage
    sa.event.remove(database.engine, "begin", refuse)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, Status.SUCCEEDED),
        (JudgementFailed(Reason.REFUSED, EFFORT), Status.FAILED),
        (JudgeUnavailable(EFFORT), Status.QUEUED),
    ],
    ids=["answer", "failure", "unavailable"],
)
def test_what_the_judge_said_during_an_outage_is_stored_after_it(
    stage: Stage, outage: Outage, error: Exception | None, status: Status
) -> None:
    stage.world.goal()
    evaluation_id = stage.receive().evaluation_id
    outage.meanwhile = lambda: outage.end() if len(outage.pauses) == 20 else None
    judge = ScriptedJudge(error=error, meanwhile=outage.begin)
    assert stage.evaluate(judge, evaluation_id) is status
    row = stage.world.evaluation(evaluation_id)
    assert (row.status, row.attempts, row.interruptions, row.calls) == (status, 1, 0, EFFORT.usage.calls)
    assert len(judge.words) == 1
    assert len(outage.pauses) == 20
    assert stage.verdicts() == ({1: (Outcome.ACHIEVED, True)} if error is None else {})


def test_an_outage_without_end_fails_nothing(stage: Stage, outage: Outage) -> None:
    stage.world.goal()
    evaluation_id = stage.receive().evaluation_id
    with pytest.raises(DatabaseUnavailable):
        stage.evaluate(ScriptedJudge(meanwhile=outage.begin), evaluation_id)
    outage.end()
    assert sum(outage.pauses) >= HOUR.total_seconds()
    row = stage.world.evaluation(evaluation_id)
    assert (row.status, row.reason, row.calls) == (Status.RUNNING, None, 0)
    assert stage.verdicts() == {}


def test_what_somebody_else_has_judged_after_the_outage_is_not_judged_twice(stage: Stage, outage: Outage) -> None:
    stage.world.goal()
    evaluation_id = stage.receive().evaluation_id

    def be_overtaken() -> None:
        outage.end()
        assert stage.sweep(NOW + SECOND + LEASE) == [evaluation_id]
        assert stage.evaluate(ScriptedJudge(Outcome.PARTIAL), evaluation_id, NOW + HOUR) is Status.SUCCEEDED

    outage.meanwhile = be_overtaken
    assert stage.evaluate(ScriptedJudge(meanwhile=outage.begin), evaluation_id) is None
    assert stage.verdicts() == {1: (Outcome.PARTIAL, True)}


def test_a_commit_whose_answer_got_lost_counts_once(
    stage: Stage, outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.world.goal()
    evaluation_id = stage.receive().evaluation_id
    dialect = stage.world.database.engine.dialect
    commit = dialect.do_commit

    def commit_and_be_cut_off(connection: object) -> None:
        commit(connection)  # type: ignore[arg-type,unused-ignore]
        monkeypatch.setattr(dialect, "do_commit", commit)
        raise dialect.loaded_dbapi.OperationalError("server closed the connection")  # type: ignore[attr-defined,unused-ignore]

    judge = ScriptedJudge(meanwhile=lambda: monkeypatch.setattr(dialect, "do_commit", commit_and_be_cut_off))
    assert stage.evaluate(judge, evaluation_id) is None
    assert len(outage.pauses) == 1
    assert stage.world.evaluation(evaluation_id).status is Status.SUCCEEDED
    assert stage.verdicts() == {1: (Outcome.ACHIEVED, True)}
