"""Paths: the analytics steps that conversations passed, in order, as a tree of how they went on."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush

Path = tuple[str, ...]


class Direction(StrEnum):
    """Which way a tree grows from its root: to what came after, or to what came before."""

    FORWARDS = "forwards"
    BACKWARDS = "backwards"


@dataclass(slots=True)
class Node:
    """A step at one place of the tree: how many conversations came here, and where they went on to.

    `dropped` of them ended here (or, backwards, began here). `steps` leads from the root to this node.
    """

    steps: Path
    reached: int = 0
    dropped: int = 0
    children: dict[str, "Node"] = field(default_factory=dict)

    @property
    def untold(self) -> int:
        """How many went on to steps that are not in the tree: it is cut off there, or has room for no more."""
        return self.reached - self.dropped - sum(child.reached for child in self.children.values())

    def share_of(self, whole: "Node") -> float | None:
        """Return which share of the conversations of another node came to this one; None where nobody did."""
        return self.reached / whole.reached if whole.reached else None


def walk(path: Path, root: str | None, direction: Direction) -> Path | None:
    """Return the part of a path that a tree is made of, in the tree's direction; None where it has no such root.

    Forwards it is what follows the first time that the path passed `root`, backwards what came before the last
    time, `root` itself included. Without a root it is the whole path.
    """
    steps = path if direction is Direction.FORWARDS else path[::-1]
    if root is None:
        return steps
    return steps[steps.index(root) :] if root in steps else None


def tree(
    paths: Iterable[tuple[Path, int]], root: str | None, direction: Direction, depth: int, most: int | None = None
) -> Node:
    """Return the tree of paths, each given with how many conversations took it.

    Each conversation counts once in each node that it came to. Behind `depth` steps nothing more is told; the most
    frequent step stands first among its siblings, and alphabetical order decides between equals. With `most`, the tree
    has no more than so many nodes, its top included: those that the most conversations came to, and of equals those
    nearest to the top.
    """
    top = Node((root,) if root is not None else ())
    came = [(walked, number) for path, number in paths if (walked := walk(path, root, direction)) is not None]
    top.reached = sum(number for _, number in came)
    # A node is expanded when it is taken out, and no child is more frequent than its parent: so however early this
    # ends, the tree is whole, and it costs no more than what is told of it. Without recursion, as paths may be longer
    # than Python's stack is deep.
    waiting = [(-top.reached, 0, top.steps, top, came)]
    told: dict[Path, Node] = {}
    while waiting and (most is None or len(told) < most):
        _, level, steps, node, came = heappop(waiting)
        told[steps] = node
        if level:
            told[steps[:-1]].children[steps[-1]] = node
        onwards: dict[str, list[tuple[Path, int]]] = defaultdict(list)
        for walked, number in came:
            if len(walked) == len(steps):
                node.dropped += number
            elif level < depth:
                onwards[walked[len(steps)]].append((walked, number))
        for step, gone in onwards.items():
            child = Node((*steps, step), sum(number for _, number in gone))
            heappush(waiting, (-child.reached, level + 1, child.steps, child, gone))
    return top


def behind(path: Path, steps: Path, root: str | None, direction: Direction) -> bool:
    """Tell whether a conversation that took `path` came to the node to which `steps` lead from the tree's root."""
    walked = walk(path, root, direction)
    return walked is not None and walked[: len(steps)] == steps
