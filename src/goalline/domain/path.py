"""Paths: the analytics steps that conversations passed, in order, as a tree of how they went on."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

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


def tree(paths: Iterable[tuple[Path, int]], root: str | None, direction: Direction, depth: int) -> Node:
    """Return the tree of paths, each given with how many conversations took it.

    Each conversation counts once in each node that it came to. Behind `depth` steps nothing more is told; the most
    frequent step stands first among its siblings, and alphabetical order decides between equals.
    """
    top = Node((root,) if root is not None else ())
    for path, number in paths:
        walked = walk(path, root, direction)
        if walked is None:
            continue
        node = top
        node.reached += number
        rest = walked if root is None else walked[1:]
        for step in rest[:depth]:
            node = node.children.setdefault(step, Node((*node.steps, step)))
            node.reached += number
        if len(rest) <= depth:
            node.dropped += number
    _arrange(top)
    return top


def behind(path: Path, steps: Path, root: str | None, direction: Direction) -> bool:
    """Tell whether a conversation that took `path` came to the node to which `steps` lead from the tree's root."""
    walked = walk(path, root, direction)
    return walked is not None and walked[: len(steps)] == steps


def transitions(paths: Iterable[tuple[Path, int]]) -> dict[str, dict[str | None, int]]:
    """Count, for each step, the steps passed right before it (None where a conversation began with it)."""
    found: dict[str, dict[str | None, int]] = defaultdict(lambda: defaultdict(int))
    for path, number in paths:
        for previous, step in zip((None, *path), path, strict=False):
            found[step][previous] += number
    return {step: dict(previous) for step, previous in found.items()}


def _arrange(top: Node) -> None:
    # Without recursion: a path may be longer than Python's stack is deep.
    waiting = [top]
    while waiting:
        node = waiting.pop()
        node.children = dict(sorted(node.children.items(), key=lambda item: (-item[1].reached, item[0])))
        waiting.extend(node.children.values())
