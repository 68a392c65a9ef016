"""Projects and keys: found by the whole key, and by nothing less, until revoked or expired."""

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from goalline import pipeline
from goalline.domain.event import Event
from goalline.domain.goal import GoalEdit
from goalline.domain.key import Scope, prefix_of
from goalline.domain.refusal import Conflict, NotFound
from goalline.store import projects, rollups
from goalline.store.conversations import conversations
from goalline.store.goals import goals
from goalline.store.tables import ApiKey, Conversation, Project
from goalline.store.track import rollups as track_rollups
from tests.domain.steps import FLIGHT_STEPS, STEPS, begin, complete
from tests.store.world import HOUR, NOW, SECOND, World, a_project, at_once


def new_key(
    world: World, scope: Scope = Scope.READ, lifetime: timedelta | None = None, made_by: UUID | None = None
) -> str:
    with world.database.transaction() as session:
        return projects.create_key(session, world.project.id, "sample", scope, NOW, lifetime=lifetime, made_by=made_by)


def found(world: World, key: str, after: timedelta = SECOND) -> ApiKey | None:
    with world.database.reading() as session:
        return projects.find_key(session, key, NOW + after)


def revoke(world: World, key: str, project: Project | None = None) -> None:
    with world.database.transaction() as session:
        projects.revoke_key(session, (project or world.project).id, prefix_of(key) or "", NOW + SECOND)


@pytest.mark.parametrize("scope", Scope)
def test_a_key_is_found_with_its_project_and_scope(world: World, scope: Scope) -> None:
    row = found(world, new_key(world, scope))
    assert row is not None
    assert (row.project_id, row.scope, row.name) == (world.project.id, scope, "sample")


def test_the_secret_of_a_key_is_not_stored(world: World) -> None:
    secret = new_key(world).split("_", 2)[2]
    (row,) = world.rows(ApiKey)
    assert secret not in str(row.model_dump())


def test_no_two_keys_are_alike(world: World) -> None:
    assert len({new_key(world) for _ in range(20)}) == len({row.prefix for row in world.rows(ApiKey)}) == 20


def test_a_key_with_a_wrong_secret_is_not_found(world: World) -> None:
    key, other = new_key(world), new_key(world)
    assert found(world, key[:-1] + ("A" if key[-1] != "A" else "B")) is None
    assert found(world, f"gl_{prefix_of(key)}_{other.split('_', 2)[2]}") is None


@pytest.mark.parametrize("unknown", ["", "gl_", "gl_abcdefghijkl_" + "s" * 32, "é\x00"])
def test_an_unknown_key_is_not_found(world: World, unknown: str) -> None:
    new_key(world)
    assert found(world, unknown) is None


def test_a_revoked_key_is_not_found_nor_are_the_sign_ins_made_with_it(world: World) -> None:
    key, bystander = new_key(world), new_key(world)
    row = found(world, key)
    assert row is not None
    sign_in = new_key(world, made_by=row.id, lifetime=HOUR)
    assert found(world, sign_in) is not None
    revoke(world, key)
    assert found(world, key) is None
    assert found(world, sign_in) is None
    assert found(world, bystander) is not None


def test_revoking_a_sign_in_leaves_its_key_alone(world: World) -> None:
    key = new_key(world)
    row = found(world, key)
    assert row is not None
    sign_in = new_key(world, made_by=row.id)
    revoke(world, sign_in)
    assert found(world, sign_in) is None
    assert found(world, key) is not None


def test_revoking_twice_keeps_the_first_time(world: World) -> None:
    key = new_key(world)
    revoke(world, key)
    with world.database.transaction() as session:
        projects.revoke_key(session, world.project.id, prefix_of(key) or "", NOW + HOUR)
    assert [row.revoked_at for row in world.rows(ApiKey)] == [NOW + SECOND]


def test_a_key_of_another_project_cannot_be_revoked(world: World) -> None:
    key, other = new_key(world), a_project(world.database, "other")
    with pytest.raises(NotFound):
        revoke(world, key, other)
    assert found(world, key) is not None


def test_a_key_expires_at_the_end_of_its_lifetime(world: World) -> None:
    key = new_key(world, lifetime=HOUR)
    assert found(world, key, HOUR - SECOND) is not None
    assert found(world, key, HOUR) is None


def test_the_list_of_keys_leaves_out_sign_ins_and_other_projects(world: World) -> None:
    key = new_key(world)
    row = found(world, key)
    assert row is not None
    new_key(world, made_by=row.id)
    new_key(World(world.database, a_project(world.database, "other")))
    with world.database.reading() as session:
        assert [listed.prefix for listed in projects.keys_of(session, world.project.id)] == [prefix_of(key)]


def test_two_projects_cannot_have_one_name(world: World) -> None:
    with pytest.raises(Conflict) as caught:
        a_project(world.database, world.project.name)
    assert caught.value.field == "name"


def test_a_project_is_found_by_name_and_without_one_only_while_it_is_alone(world: World) -> None:
    with world.database.reading() as session:
        assert projects.named(session, None) == world.project
    other = a_project(world.database, "other")
    with world.database.reading() as session:
        assert projects.named(session, "other") == other
        with pytest.raises(Conflict, match=r"sample, other|other, sample"):
            projects.named(session, None)
        with pytest.raises(NotFound, match="'third'"):
            projects.named(session, "third")


def test_servers_that_start_together_agree_on_the_first_project(world: World) -> None:
    with world.database.transaction() as session:
        session.delete(world.project)

    def first() -> UUID:
        with world.database.transaction() as session:
            return projects.first(session, "UTC", "USD", NOW).id

    assert len(set(at_once(*[first] * 4))) == 1
    assert [project.name for project in world.rows(Project)] == ["default"]


def test_a_project_that_moves_to_another_time_zone_has_its_days_counted_anew(world: World) -> None:
    late, early = NOW.replace(hour=23, minute=30), NOW.replace(hour=10)
    world.conversation("late", at=late)
    world.conversation("early", at=early)
    with world.database.transaction() as session:
        projects.move(session, world.project, "America/New_York")
        assert conversations.redate(session, world.project.id, "America/New_York") == 1
        rollups.rebuild(session)
    assert {row.conversation_id: row.day for row in world.rows(Conversation)} == {
        "late": late.date(),
        "early": early.date(),
    }
    assert world.differences() == []


def test_a_conversation_that_is_deleted_while_its_project_moves_is_taken_off_the_day_it_counts_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = {"id": "e", "type": "task.completed", "name": "x", "conversation_id": "call-1"}
    event = Event.model_validate(sent | {"occurred_at": NOW.replace(hour=23, minute=30) - 24 * HOUR})
    pipeline.track(world.database, world.project.id, {0: event}, NOW, 10)
    counting, moved = threading.Event(), threading.Event()
    count = track_rollups.count

    def wait_and_count(*arguments: Any) -> None:
        counting.set()
        # Whoever deletes is not overtaken, and waits in vain.
        moved.wait(0.5)
        count(*arguments)

    def delete() -> None:
        with world.database.transaction() as session:
            conversations.remove(session, world.project.id, "call-1")

    def move() -> None:
        assert counting.wait(60)
        monkeypatch.undo()
        with world.database.transaction() as session:
            projects.move(session, world.project, "America/New_York")
            conversations.redate(session, world.project.id, "America/New_York")
            rollups.rebuild(session)
        moved.set()

    monkeypatch.setattr(track_rollups, "count", wait_and_count)
    at_once(delete, move)
    assert world.differences() == []


def change_currency(world: World, currency: str) -> str:
    """Change the project's currency and return what it is then."""
    with world.database.transaction() as session:
        projects.change_currency(session, world.project.id, currency)
    with world.database.reading() as session:
        return projects.get(session, world.project.id).currency


def test_a_project_has_its_amounts_in_dollars_unless_told_otherwise(world: World) -> None:
    assert world.project.currency == "USD"
    assert a_project(world.database, "other", currency="EUR").currency == "EUR"


def test_the_first_project_is_made_with_the_currency_that_is_given(world: World) -> None:
    with world.database.transaction() as session:
        session.delete(world.project)
        session.flush()
        assert projects.first(session, "UTC", "CHF", NOW).currency == "CHF"


def test_a_project_without_amounts_may_change_its_currency(world: World) -> None:
    world.goal(steps=STEPS.validate_python([begin(), complete(time_saved="01:00:00")]))
    other = World(world.database, a_project(world.database, "other"))
    other.goal(steps=FLIGHT_STEPS)
    assert change_currency(world, "EUR") == "EUR"
    with world.database.reading() as session:
        assert projects.get(session, other.project.id).currency == "USD"


@pytest.mark.parametrize("field", ["cost_savings", "revenue"])
def test_a_project_with_amounts_keeps_its_currency_though_they_stand_in_an_old_revision(
    world: World, field: str
) -> None:
    goal = world.goal("Pre-book", steps=STEPS.validate_python([begin(), complete(**{field: "0"})]))
    with world.database.transaction() as session:
        goals.edit(session, world.project.id, goal.id, GoalEdit(steps=()), NOW)
        goals.archive(session, world.project.id, goal.id, NOW)
    with pytest.raises(Conflict, match=r"stays USD: steps of the goal 'Pre-book' .* not converted") as caught:
        change_currency(world, "EUR")
    assert caught.value.field == "currency"
    assert change_currency(world, "USD") == "USD"


def test_a_project_whose_goals_with_amounts_are_deleted_may_change_its_currency(world: World) -> None:
    goal = world.goal(steps=FLIGHT_STEPS)
    with world.database.transaction() as session:
        goals.remove(session, world.project.id, goal.id, goal.name)
    assert change_currency(world, "EUR") == "EUR"


def test_expired_sign_ins_are_swept_away_when_somebody_signs_in(world: World) -> None:
    with world.database.transaction() as session:
        admin_key = projects.create_key(session, world.project.id, "admin", Scope.ADMIN, NOW)
        admin = projects.find_key(session, admin_key, NOW)
        assert admin
        for _ in range(3):
            projects.create_key(session, world.project.id, "old", Scope.READ, NOW, lifetime=HOUR, made_by=admin.id)
        later = NOW + 2 * HOUR
        projects.create_key(session, world.project.id, "new", Scope.READ, later, lifetime=HOUR, made_by=admin.id)
    assert sorted(row.name for row in world.rows(ApiKey)) == ["admin", "new"]
