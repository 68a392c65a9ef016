"""Transactions: whole or not at all, one moment in a snapshot, nothing lost between threads."""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, StatementError
from sqlmodel import func, select

from goalline.domain.evaluation import Status
from goalline.store import projects, rollups
from goalline.store.database import Database
from goalline.store.rollups import ConversationPlace
from goalline.store.tables import Conversation, ConversationRollup, Evaluation, GoalPeriod, Project, table
from tests.store.world import NOW, World, a_project, at_once, day_of


def number_of_projects(database: Database) -> int:
    with database.reading() as session:
        return session.exec(select(func.count()).select_from(Project)).one()


def test_a_transaction_that_raises_leaves_nothing(world: World) -> None:
    def create_and_fail() -> None:
        with world.database.transaction() as session:
            projects.create(session, "other", "UTC", NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        create_and_fail()
    assert number_of_projects(world.database) == 1


def test_a_transaction_that_raised_does_not_keep_the_next_one_waiting(world: World) -> None:
    with pytest.raises(ZeroDivisionError), world.database.transaction():
        raise ZeroDivisionError
    at_once(lambda: a_project(world.database, "other"), seconds=10)
    assert number_of_projects(world.database) == 2


def test_what_is_changed_in_a_reading_session_is_not_kept(world: World) -> None:
    with world.database.reading() as session:
        projects.create(session, "other", "UTC", NOW)
    assert number_of_projects(world.database) == 1


def test_every_query_of_a_snapshot_sees_the_same_moment(world: World) -> None:
    counting = select(func.count()).select_from(Project)
    with world.database.snapshot() as session:
        assert session.exec(counting).one() == 1
        at_once(lambda: a_project(world.database, "other"), seconds=10)
        assert session.exec(counting).one() == 1
    assert number_of_projects(world.database) == 2


def add_one(database: Database, place: ConversationPlace) -> None:
    """Read, add in Python, write back: what loses updates wherever transactions may overlap."""
    with database.transaction() as session:
        projects.lock(session, place.project_id)
        rollup = session.exec(select(ConversationRollup)).one()
        rollup.conversations += 1
        session.add(rollup)


def test_eight_threads_that_read_and_write_back_lose_nothing(world: World) -> None:
    place = ConversationPlace(world.project.id, day_of(world), "ann")
    with world.database.transaction() as session:
        rollups.count_conversations(session, place, 0)

    def add_ten() -> None:
        for _ in range(10):
            add_one(world.database, place)

    at_once(*[add_ten] * 8)
    assert [rollup.conversations for rollup in world.rows(ConversationRollup)] == [80]


def test_two_processes_that_share_a_database_lose_nothing(world: World) -> None:
    place = ConversationPlace(world.project.id, day_of(world), "ann")
    other = Database(world.database.engine.url.render_as_string(hide_password=False))
    with world.database.transaction() as session:
        rollups.count_conversations(session, place, 0)

    def add_ten_in(database: Database) -> None:
        for _ in range(10):
            add_one(database, place)

    at_once(*(lambda database=database: add_ten_in(database) for database in (world.database, other) * 2))
    other.close()
    assert [rollup.conversations for rollup in world.rows(ConversationRollup)] == [40]


def test_a_new_file_can_be_opened_while_another_process_looks_at_it(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE sample (x)")
        other.execute("BEGIN")
        other.execute("SELECT * FROM sample").fetchall()
        # Without patience the driver says at once what it says sometimes to processes that start together.
        database = Database(f"sqlite:///{path}?timeout=0")
        with database.reading() as session:
            assert session.execute(sa.text("SELECT count(*) FROM sample")).scalar_one() == 0
        database.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_sqlite_in_memory_is_refused_because_threads_could_not_share_it(url: str) -> None:
    with pytest.raises(ValueError, match="needs a file"):
        Database(url)


def test_another_kind_of_database_is_refused_without_repeating_the_password() -> None:
    with pytest.raises(ValueError, match="must start with sqlite:// or postgresql://") as caught:
        Database("mysql://root:hunter2@localhost/x")
    assert "hunter2" not in str(caught.value)


def test_a_row_cannot_point_to_one_that_is_not_there(world: World) -> None:
    with pytest.raises(IntegrityError), world.database.transaction() as session:
        session.execute(sa.insert(table(GoalPeriod)).values(goal_id=uuid4(), active_from=NOW))


def test_times_come_back_in_utc_to_the_microsecond(world: World) -> None:
    at = datetime(2026, 11, 21, 12, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=-7)))
    row = world.conversation(at=at)
    (stored,) = world.rows(Conversation)
    assert stored.ended_at == at
    assert stored.ended_at.utcoffset() == timedelta()
    assert row.received_at == at


def test_a_time_without_zone_is_not_stored(world: World) -> None:
    with pytest.raises(StatementError), world.database.transaction() as session:
        projects.create(session, "other", "UTC", NOW.replace(tzinfo=None))


def test_money_is_kept_exactly_to_the_billionth_of_a_dollar(world: World) -> None:
    world.conversation()
    for cost in (Decimal("0.000000001"), Decimal("123456.789012345"), Decimal(0), None):
        with world.database.transaction() as session:
            session.execute(sa.update(table(Evaluation)).values(cost=cost, status=Status.QUEUED))
        (evaluation,) = world.rows(Evaluation)
        assert evaluation.cost == cost
