"""Paths: a tree of how conversations went on from a step, or came to it."""

from hypothesis import given
from hypothesis import strategies as st

from goalline.domain.path import Direction, Node, Path, behind, tree

PATHS = [(("hello", "menu", "pay"), 3), (("hello", "menu"), 2), (("hello", "agent"), 1), (("menu", "pay"), 1)]
SOME = st.lists(st.tuples(st.lists(st.sampled_from("abc"), max_size=6).map(tuple), st.integers(1, 5)), max_size=6)


def grown(root: str | None = None, direction: Direction = Direction.FORWARDS, depth: int = 9) -> Node:
    return tree(PATHS, root, direction, depth)


def shape(node: Node) -> object:
    """Return a node as (reached, dropped, children)."""
    return (node.reached, node.dropped, {name: shape(child) for name, child in node.children.items()})


def nodes(top: Node) -> list[Node]:
    return [top, *(node for child in top.children.values() for node in nodes(child))]


def test_a_tree_without_a_root_holds_every_conversation_from_its_first_step() -> None:
    assert shape(grown()) == (
        7,
        0,
        {
            "hello": (6, 0, {"menu": (5, 2, {"pay": (3, 3, {})}), "agent": (1, 1, {})}),
            "menu": (1, 0, {"pay": (1, 1, {})}),
        },
    )


def test_a_tree_from_a_step_tells_what_came_after_it_and_where_conversations_ended() -> None:
    assert shape(grown("menu")) == (6, 2, {"pay": (4, 4, {})})


def test_a_tree_backwards_tells_what_came_before() -> None:
    assert shape(grown("pay", Direction.BACKWARDS)) == (
        4,
        0,
        {"menu": (4, 1, {"hello": (3, 3, {})})},
    )


def test_a_step_that_nobody_passed_has_an_empty_tree() -> None:
    assert shape(grown("nowhere")) == (0, 0, {})


def test_a_conversation_that_passes_the_root_twice_counts_once() -> None:
    top = tree([(("a", "b", "a"), 1)], "a", Direction.FORWARDS, 9)
    assert shape(top) == (1, 0, {"b": (1, 0, {"a": (1, 1, {})})})


def test_backwards_the_last_time_counts() -> None:
    top = tree([(("a", "b", "a", "c"), 1)], "a", Direction.BACKWARDS, 9)
    assert shape(top) == (1, 0, {"b": (1, 0, {"a": (1, 1, {})})})


def test_behind_the_depth_nothing_is_told_and_nobody_counts_as_dropped() -> None:
    assert shape(grown("hello", depth=1)) == (6, 0, {"menu": (5, 2, {}), "agent": (1, 1, {})})


def test_shares_are_of_the_step_before_and_of_all() -> None:
    top = grown("hello")
    pay = top.children["menu"].children["pay"]
    assert (pay.share_of(top.children["menu"]), pay.share_of(top)) == (3 / 5, 3 / 6)
    assert pay.share_of(grown("nowhere")) is None


def test_the_most_frequent_step_comes_first() -> None:
    top = tree([(("b",), 1), (("a",), 1), (("c",), 2)], None, Direction.FORWARDS, 1)
    assert list(top.children) == ["c", "a", "b"]


def test_a_very_long_path_is_no_problem() -> None:
    path = tuple(str(number) for number in range(5_000))
    assert tree([(path, 1)], None, Direction.FORWARDS, 5_000).reached == 1


@given(
    paths=SOME, root=st.sampled_from([None, "a", "b"]), direction=st.sampled_from(Direction), depth=st.integers(1, 7)
)
def test_a_node_holds_exactly_the_conversations_that_came_to_it(
    paths: list[tuple[Path, int]], root: str | None, direction: Direction, depth: int
) -> None:
    for node in nodes(tree(paths, root, direction, depth)):
        assert node.reached == sum(n for path, n in paths if behind(path, node.steps, root, direction))


@given(
    paths=SOME, root=st.sampled_from([None, "a", "b"]), direction=st.sampled_from(Direction), depth=st.integers(1, 7)
)
def test_whoever_came_to_a_node_went_on_or_ended_there(
    paths: list[tuple[Path, int]], root: str | None, direction: Direction, depth: int
) -> None:
    top = tree(paths, root, direction, depth)
    for node in nodes(top):
        if len(node.steps) - (root is not None) < depth:
            assert node.reached == node.dropped + sum(child.reached for child in node.children.values())


def test_a_tree_with_room_for_few_nodes_tells_the_most_frequent_ones() -> None:
    top = tree(PATHS, None, Direction.FORWARDS, 9, most=4)
    assert shape(top) == (7, 0, {"hello": (6, 0, {"menu": (5, 2, {"pay": (3, 3, {})})})})
    assert (top.untold, top.children["hello"].untold, top.children["hello"].children["menu"].untold) == (1, 1, 0)


def test_what_lies_behind_the_depth_is_untold() -> None:
    assert [node.untold for node in nodes(grown("hello", depth=1))] == [0, 3, 0]


@given(
    paths=SOME,
    root=st.sampled_from([None, "a", "b"]),
    direction=st.sampled_from(Direction),
    depth=st.integers(1, 7),
    most=st.integers(1, 30),
)
def test_a_smaller_tree_has_the_most_frequent_nodes_of_the_whole_one(
    paths: list[tuple[Path, int]], root: str | None, direction: Direction, depth: int, most: int
) -> None:
    whole = nodes(tree(paths, root, direction, depth))
    some = nodes(tree(paths, root, direction, depth, most))
    assert len(some) == min(most, len(whole))
    counted = {node.steps: (node.reached, node.dropped) for node in whole}
    assert all(counted[node.steps] == (node.reached, node.dropped) for node in some)
    left_out = counted.keys() - {node.steps for node in some}
    assert all(counted[steps][0] <= min(node.reached for node in some) for steps in left_out)
