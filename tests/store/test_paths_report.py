"""The report on paths: the tree, and the conversations behind each of its nodes, on both databases."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goalline import upkeep
from goalline.domain.event import Event
from goalline.domain.path import Direction, Node
from goalline.store.conversations import conversations
from goalline.store.reports import paths
from goalline.store.reports.paths import Behind, Grown, Growth, PathFilter
from goalline.store.tables import Conversation, TrackRollup
from tests.store.tracking import EARLY, at, passed, receive, track
from tests.store.world import NOW, World, a_project

EVERYTHING, ANYWHERE = PathFilter(), Growth()
MIDNIGHT = datetime(2026, 11, 19, 23, 0, tzinfo=UTC)
"""When 20 November begins in Berlin."""

_IDS = count()


def go(world: World, call: str, *steps: str, begin: datetime = EARLY, **more: object) -> None:
    """Report the analytics steps of a call, a second apart."""
    events = [
        Event.model_validate(
            {
                "id": f"sample-{next(_IDS)}",
                "type": "step.executed",
                "conversation_id": call,
                "name": name,
                "occurred_at": begin + timedelta(seconds=second),
                **more,
            }
        )
        for second, name in enumerate(steps)
    ]
    assert not track(world, *events).rejected


def grown(
    world: World, wanted: PathFilter = EVERYTHING, growth: Growth = ANYWHERE, depth: int = 9, most: int = 100
) -> Grown:
    with world.database.snapshot() as session:
        return paths.grown(session, world.project.id, wanted, growth, depth, most)


def reached(world: World, wanted: PathFilter = EVERYTHING, growth: Growth = ANYWHERE) -> dict[tuple[str, ...], int]:
    return {node.steps: node.reached for node in nodes(grown(world, wanted, growth).top)}


def nodes(top: Node) -> list[Node]:
    return [top, *(node for child in top.children.values() for node in nodes(child))]


def behind(
    world: World,
    *node: str,
    wanted: PathFilter = EVERYTHING,
    growth: Growth = ANYWHERE,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 100,
) -> Behind:
    with world.database.snapshot() as session:
        return paths.behind(session, world.project, wanted, growth, node, after=after, limit=limit)


def calls(found: Behind) -> list[str]:
    return [row.conversation_id for row in found.listed]


def leafed(world: World, size: int, *node: str) -> Iterator[Sequence[paths.Taken]]:
    """Yield the pages of a list."""
    after = None
    while page := behind(world, *node, after=after, limit=size).listed:
        yield page
        after = page[-1].began_at, page[-1].id


def test_the_tree_counts_conversations_by_the_steps_that_they_passed(world: World) -> None:
    go(world, "a", "hello", "menu", "pay")
    go(world, "b", "hello", "menu")
    go(world, "c", "menu", "pay")
    assert reached(world) == {
        (): 3,
        ("hello",): 2,
        ("hello", "menu"): 2,
        ("hello", "menu", "pay"): 1,
        ("menu",): 1,
        ("menu", "pay"): 1,
    }


def test_a_conversation_without_analytics_steps_has_no_path(world: World) -> None:
    receive(world, "a")
    go(world, "b", "hello")
    assert grown(world).conversations == 1


def test_a_tree_from_a_step_leaves_out_those_that_never_passed_it_and_counts_them_all(world: World) -> None:
    go(world, "a", "hello", "pay")
    go(world, "b", "menu")
    found = grown(world, growth=Growth(root="pay", direction=Direction.BACKWARDS))
    assert ([node.steps for node in nodes(found.top)], found.conversations) == ([("pay",), ("pay", "hello")], 2)


def test_only_paths_that_contain_a_step_are_shown_wherever_it_lies(world: World) -> None:
    go(world, "a", "hello", "menu", "pay")
    go(world, "b", "hello", "menu")
    assert grown(world, PathFilter(contains="pay"), depth=1).top.reached == 1
    assert calls(behind(world, "hello", wanted=PathFilter(contains="pay"))) == ["a"]


def test_only_the_paths_of_an_agent_are_shown(world: World) -> None:
    go(world, "a", "hello", agent_id="ann")
    go(world, "b", "hello", agent_id="bob")
    assert reached(world, PathFilter(agent_id="bob")) == {(): 1, ("hello",): 1}
    assert calls(behind(world, "hello", wanted=PathFilter(agent_id="bob"))) == ["b"]


def test_a_path_belongs_to_the_local_day_of_its_first_step(world: World) -> None:
    go(world, "a", "before", "after", begin=MIDNIGHT - timedelta(seconds=1))
    go(world, "b", "later", begin=MIDNIGHT)
    first, last = PathFilter(first_day=date(2026, 11, 20)), PathFilter(last_day=date(2026, 11, 19))
    assert [list(reached(world, wanted)) for wanted in (first, last)] == [
        [(), ("later",)],
        [(), ("before",), ("before", "after")],
    ]
    assert [calls(behind(world, wanted=wanted)) for wanted in (first, last)] == [["b"], ["a"]]


def test_a_tree_has_no_more_nodes_than_there_is_room_for(world: World) -> None:
    for number in range(12):
        go(world, f"call-{number}", "hello", f"step {number // 3}", f"last {number}")
    found = nodes(grown(world, most=6).top)
    assert [node.steps for node in found if node.reached == 3] == [("hello", f"step {number}") for number in range(4)]
    assert len(found) == 6


def test_a_list_is_the_same_on_small_pages(world: World) -> None:
    for number in range(5):
        # Two of them begin at the same moment.
        go(world, f"call-{number}", "hello", f"step {number}", begin=at(number // 2))
    whole = [row.id for row in behind(world, "hello").listed]
    assert [[row.id for row in page] for page in leafed(world, 2, "hello")] == [whole[:2], whole[2:4], whole[4:]]


def test_those_that_began_last_come_first(world: World) -> None:
    go(world, "a", "hello", begin=at(0))
    go(world, "b", "hello", "menu", begin=at(20))
    go(world, "c", "hello", begin=at(10))
    assert calls(behind(world, "hello")) == ["b", "c", "a"]


def test_an_open_conversation_is_counted_and_listed_without_an_end(world: World) -> None:
    go(world, "a", "hello")
    go(world, "b", "hello")
    receive(world, "b", "bob")
    assert {row.conversation_id: (row.agent_id, row.ended_at) for row in behind(world, "hello").listed} == {
        "a": ("", None),
        "b": ("bob", NOW),
    }


def test_an_erased_conversation_is_counted_and_cannot_be_listed(world: World) -> None:
    go(world, "a", "hello", "menu", contact_id="mia")
    go(world, "b", "hello", contact_id="noa")
    upkeep.erase(world.database, world.project.id, "mia", NOW)
    found = behind(world, "hello")
    assert (calls(found), found.reached, found.erased) == (["b"], 2, 1)
    assert (behind(world, "hello", "menu").reached, behind(world, "hello", "menu").erased) == (1, 1)
    another_day = behind(world, "hello", wanted=PathFilter(last_day=date(2026, 11, 20)))
    assert (another_day.reached, another_day.erased) == (0, 0)


def test_a_deleted_conversation_leaves_no_node(world: World) -> None:
    go(world, "a", "hello")
    with world.database.transaction() as session:
        conversations.remove(session, world.project.id, "a")
    assert [row.number for row in world.rows(TrackRollup)] == [0]
    assert (reached(world), behind(world).reached) == ({(): 0}, 0)


def test_another_project_took_the_same_path_without_being_seen(world: World) -> None:
    other = World(world.database, a_project(world.database, "other"))
    go(world, "a", "hello")
    go(other, "b", "hello")
    assert [(reached(place)["hello",], calls(behind(place, "hello"))) for place in (world, other)] == [
        (1, ["a"]),
        (1, ["b"]),
    ]


def try_any_paths(world: World, examples: int) -> None:
    step = st.sampled_from("abc")
    agents = st.sampled_from(["ann", "bob"])
    one = st.tuples(st.lists(step, max_size=5), agents, st.sampled_from([None, "mia"]), st.integers(0, 3))
    wanted = st.builds(
        PathFilter,
        agent_id=st.none() | agents,
        contains=st.none() | step,
        first_day=st.sampled_from([None, date(2026, 11, 20)]),
        last_day=st.sampled_from([None, date(2026, 11, 20)]),
    )
    growth = st.builds(Growth, root=st.none() | step, direction=st.sampled_from(Direction))

    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    @given(taken=st.lists(one, max_size=6), wanted=wanted, growth=growth, erased=st.booleans())
    def any_paths(
        taken: list[tuple[list[str], str, str | None, int]], wanted: PathFilter, growth: Growth, erased: bool
    ) -> None:
        world.wipe()
        for number, (steps, agent_id, contact_id, half_days) in enumerate(taken):
            begin = MIDNIGHT + (half_days - 1) * timedelta(hours=12)
            go(world, f"call-{number}", *steps, begin=begin, agent_id=agent_id, contact_id=contact_id)
        if erased:
            upkeep.erase(world.database, world.project.id, "mia", NOW)
        gone = {row.id for row in world.rows(Conversation) if row.erased_at}
        for node in nodes(grown(world, wanted, growth).top):
            found = behind(world, *node.steps, wanted=wanted, growth=growth)
            assert found.reached == node.reached == len(found.listed) + found.erased
            assert len({row.id for row in found.listed} - gone) == len(found.listed)
            for row in found.listed:
                steps, agent_id, _, _ = taken[int(row.conversation_id.removeprefix("call-"))]
                onwards = steps if growth.direction is Direction.FORWARDS else steps[::-1]
                onwards = onwards[onwards.index(growth.root) :] if growth.root else onwards
                assert tuple(onwards[: len(node.steps)]) == node.steps
                assert wanted.agent_id in (None, agent_id)
                assert wanted.contains is None or wanted.contains in steps

    any_paths()


def test_every_node_counts_those_that_are_listed_behind_it_on_sqlite(sqlite_world: World) -> None:
    try_any_paths(sqlite_world, 60)


def test_every_node_counts_those_that_are_listed_behind_it_on_postgresql(postgres_world: World) -> None:
    try_any_paths(postgres_world, 12)


def test_thousands_of_different_paths_have_one_list(sqlite_world: World) -> None:
    number = 1_100
    events = [passed(f"step {n}", second=n / 1_000, call=f"call-{n}") for n in range(number)]
    for start in range(0, number, 550):
        assert not track(sqlite_world, *events[start : start + 550]).rejected
    found = behind(sqlite_world, limit=3)
    assert (calls(found), found.reached) == (["call-1099", "call-1098", "call-1097"], number)
