"""The schema: one for both databases, reached and left by migrations, checked before anything is served."""

import warnings
from collections.abc import Iterator
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.exc import IntegrityError

from goalline.domain.goal import Kind
from goalline.store import schema
from goalline.store.database import Database
from goalline.store.schema import SchemaOutdated
from goalline.store.tables import Evaluation, Goal, GoalPeriod, GoalRevision, Row, table
from goalline.store.tables import Verdict as VerdictRow
from tests.store.world import NOW, World, a_project, a_world, at_once, verdict


@pytest.fixture
def empty(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def fresh_world(database_url: str, empty: Database) -> Iterator[World]:
    """A world in a database of its own, whose schema may be changed."""
    schema.migrate(empty)
    with a_world(database_url) as world:
        yield world


def tables_in(database: Database) -> set[str]:
    with database.reading() as session:
        return set(sa.inspect(session.connection()).get_table_names())


def test_migrating_twice_changes_nothing_the_second_time(empty: Database) -> None:
    assert schema.migrate(empty) == ["0001", "0002", "0003", "0004", "0005", "0006", "0007"]
    assert schema.migrate(empty) == []
    schema.require_current(empty)


def test_several_processes_may_migrate_at_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(4)]
    applied = at_once(*(lambda database=database: schema.migrate(database) for database in databases))
    assert sorted(applied) == [[], [], [], ["0001", "0002", "0003", "0004", "0005", "0006", "0007"]]
    for database in databases:
        schema.require_current(database)
        database.close()


# SQLite's expression indexes cannot be compared; the tests of the one-active-primary rule stand for it.
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index")
def test_the_migrations_make_the_tables_that_the_code_expects(world: World) -> None:
    with world.database.reading() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert compare_metadata(context, Row.metadata) == []


def test_foreign_keys_cascade_as_the_code_expects(world: World) -> None:
    with world.database.reading() as session:
        inspector = sa.inspect(session.connection())
        for expected in Row.metadata.sorted_tables:
            found = {
                (tuple(key["constrained_columns"]), key["referred_table"], key["options"].get("ondelete"))
                for key in inspector.get_foreign_keys(expected.name)
            }
            wanted = {
                (tuple(key.column_keys), key.referred_table.name, key.ondelete)
                for key in expected.foreign_key_constraints
            }
            assert found == wanted


def test_a_database_can_go_back_to_nothing_and_forth_again(empty: Database) -> None:
    schema.migrate(empty)
    with empty.migrating() as connection:
        command.downgrade(schema._config(connection), "base")
    assert tables_in(empty) == {"alembic_version"}
    with pytest.raises(SchemaOutdated):
        schema.require_current(empty)
    assert schema.migrate(empty) == ["0001", "0002", "0003", "0004", "0005", "0006", "0007"]
    schema.require_current(empty)


def test_an_empty_database_is_refused_and_the_remedy_named(empty: Database) -> None:
    with pytest.raises(SchemaOutdated, match="run goalline migrate"):
        schema.require_current(empty)


def test_a_database_of_a_newer_version_is_refused_and_left_alone(fresh_world: World) -> None:
    world = fresh_world
    with world.database.transaction() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaOutdated, match="newer version"):
        schema.require_current(world.database)
    assert schema.migrate(world.database) == []


def test_a_migration_that_fails_leaves_the_schema_as_it_was(empty: Database) -> None:
    def migrate_and_fail() -> None:
        with empty.migrating() as connection:
            command.upgrade(schema._config(connection), "head")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        migrate_and_fail()
    assert tables_in(empty) == set()


@pytest.mark.parametrize("rebuilt", ["goal", "conversation", "evaluation"])
def test_a_migration_that_rebuilds_a_table_loses_no_row_that_points_to_it(fresh_world: World, rebuilt: str) -> None:
    world = fresh_world
    goal, row = world.goal(), world.conversation()
    world.judge(world.claim(world.newest(row).id), [verdict(goal)])
    with world.database.migrating() as connection, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Skipped unsupported reflection")
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table(rebuilt, recreate="always" if world.database.is_sqlite else "auto") as batch:
            batch.add_column(sa.Column("note", sa.String(), nullable=True))
    for kept in (GoalRevision, GoalPeriod, Evaluation, VerdictRow):
        assert len(world.rows(kept)) == 1, kept


def store_goal(world: World, **values: object) -> None:
    plain = {"id": uuid4(), "project_id": world.project.id, "kind": Kind.PRIMARY, "revision": 1, "created_at": NOW}
    with world.database.transaction() as session:
        session.execute(sa.insert(table(Goal)).values(plain | values))


@pytest.mark.parametrize("agent_id", [None, "ann"])
def test_the_database_itself_refuses_a_second_active_primary_goal_in_one_place(
    world: World, agent_id: str | None
) -> None:
    store_goal(world, agent_id=agent_id)
    with pytest.raises(IntegrityError):
        store_goal(world, agent_id=agent_id)


def test_the_database_accepts_every_other_second_goal(world: World) -> None:
    store_goal(world)
    store_goal(world, archived_at=NOW)
    store_goal(world, archived_at=NOW)
    store_goal(world, kind=Kind.SECONDARY)
    store_goal(world, kind=Kind.SECONDARY)
    store_goal(world, agent_id="ann")
    store_goal(world, agent_id="bob")
    store_goal(world, project_id=a_project(world.database, "other").id)
    assert len(world.rows(Goal)) == 8
