"""The report on paths over HTTP: the tree of analytics steps, and the conversations behind any of its nodes."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi import Query as QueryParameter
from pydantic import BaseModel, Field

from goalline.api.deps import Page, PageQuery, Parts, Reader, cut
from goalline.api.reports.periods import PeriodQuery
from goalline.domain.path import Direction, Node
from goalline.domain.refusal import Invalid
from goalline.domain.text import Line
from goalline.store.reports import paths as reports
from goalline.store.reports.paths import Growth, PathFilter

router = APIRouter(prefix="/v1/reports/paths", tags=["reports"])

_MOST_NODES = 1_000
_DEEPEST = 20
_NARROWER = (
    f"Only the {_MOST_NODES:,} most frequent nodes are told. Ask for a shorter time, one agent, a starting step, "
    "a step that the paths contain, or less depth."
)


class PathNode(BaseModel):
    """A place in the tree, and how many conversations came to it by the steps that lead there.

    `step` is null at the top of a tree without a starting step. `share_of_previous` is of those that came to the node
    before, null at the top; `share_of_all` is of those at the top, null where there are none. `dropped` of them ended
    here (or, backwards, began here), and `drop_off` is dropped / reached. `untold` went on to steps that are not shown,
    as they lie behind `depth` or were too many.
    """

    step: str | None
    reached: int
    share_of_previous: float | None
    share_of_all: float | None
    dropped: int
    drop_off: float | None
    untold: int
    children: list["PathNode"] = Field(description="The most frequent first, then by name.")


class PathsReport(BaseModel):
    """The tree of paths, and how many conversations have any path under the filters.

    Forwards, a tree from a step tells what followed the first time that a conversation passed it; backwards, what came
    before the last time. A conversation counts once in each node. Where `truncated`, `advice` says how to see more.
    """

    time_zone: str
    direction: Direction
    conversations: int
    truncated: bool
    advice: str | None
    tree: PathNode


class PathConversation(BaseModel):
    """A conversation with a path; `began_at` is the time of its first step.

    `agent_id` is null where nobody has named the agent yet, `ended_at` where the conversation has not ended.
    """

    id: UUID
    conversation_id: str
    agent_id: str | None
    began_at: datetime
    ended_at: datetime | None


class PathConversations(Page[PathConversation]):
    """A page of the conversations behind a node, the one that began last first.

    `reached` is that of the node. All pages together list them all but the `erased` ones: these are counted, and which
    ones they were is not known any more.
    """

    reached: int
    erased: int


class _PathQuery(PeriodQuery):
    agent: Line | None = None
    step: Annotated[
        Line | None, QueryParameter(description="The step to start from; left out, where conversations began.")
    ] = None
    direction: Annotated[Direction, QueryParameter(description="To what came after, or to what came before.")] = (
        Direction.FORWARDS
    )
    contains: Annotated[Line | None, QueryParameter(description="Only paths with this step, wherever it lies.")] = None

    @property
    def growth(self) -> Growth:
        """From where the tree grows, and to where."""
        return Growth(root=self.step, direction=self.direction)

    def paths(self, time_zone: str) -> PathFilter:
        """Return which paths are asked for.

        Raises:
            Invalid: the period is the wrong way round.
        """
        first, last = self.days(time_zone)
        return PathFilter(agent_id=self.agent, first_day=first, last_day=last, contains=self.contains)


class PathsQuery(_PathQuery):
    """Which paths to show: those of an agent, and those that began on days of the project.

    In `from` and `to`, a time stands for the local day that it falls on.
    """

    depth: Annotated[int, QueryParameter(ge=1, le=_DEEPEST, description="How many steps behind the top.")] = 5


class PathConversationsQuery(PageQuery, _PathQuery):
    """Which conversations to list: those behind a node of the tree that the same filters give."""

    node: Annotated[
        list[Line],
        QueryParameter(
            max_length=_DEEPEST + 1,
            description="The steps that lead to the node from the top, in the order of the tree, the starting step "
            "included; repeated once for each. Left out: the top itself.",
        ),
    ] = []  # noqa: RUF012  pydantic gives each query a list of its own


@router.get("")
def paths(query: Annotated[PathsQuery, QueryParameter()], parts: Parts, caller: Reader) -> PathsReport:
    """Return how conversations went on from step to step, or backwards, how they came to one.

    They count on the project's local day of their first analytics step.
    """
    project = caller.project
    with parts.database.snapshot() as session:
        found = reports.grown(
            session, project.id, query.paths(project.time_zone), query.growth, query.depth, _MOST_NODES
        )
    truncated = _cut_short(found.top, len(found.top.steps) + query.depth)
    return PathsReport(
        time_zone=project.time_zone,
        direction=query.direction,
        conversations=found.conversations,
        truncated=truncated,
        advice=_NARROWER if truncated else None,
        tree=_shown(found.top, None, found.top),
    )


@router.get("/conversations")
def conversations(
    query: Annotated[PathConversationsQuery, QueryParameter()], parts: Parts, caller: Reader
) -> PathConversations:
    """Return the conversations that came to a node of the tree."""
    project, node = caller.project, tuple(query.node)
    if query.step is not None and node and node[0] != query.step:
        raise Invalid("the first node of a tree with a starting step is that step", "node")
    with parts.database.snapshot() as session:
        found = reports.behind(
            session,
            project,
            query.paths(project.time_zone),
            query.growth,
            node,
            after=query.after,
            limit=query.limit + 1,
        )
    rows, cursor = cut(found.listed, query.limit, lambda row: (row.began_at, row.id))
    return PathConversations(
        items=[
            PathConversation(
                id=row.id,
                conversation_id=row.conversation_id,
                agent_id=row.agent_id or None,
                began_at=row.began_at,
                ended_at=row.ended_at,
            )
            for row in rows
        ],
        next_cursor=cursor,
        reached=found.reached,
        erased=found.erased,
    )


def _shown(node: Node, previous: Node | None, top: Node) -> PathNode:
    return PathNode(
        step=node.steps[-1] if node.steps else None,
        reached=node.reached,
        share_of_previous=node.share_of(previous) if previous else None,
        share_of_all=node.share_of(top),
        dropped=node.dropped,
        drop_off=node.dropped / node.reached if node.reached else None,
        untold=node.untold,
        children=[_shown(child, node, top) for child in node.children.values()],
    )


def _cut_short(node: Node, deepest: int) -> bool:
    # Behind the depth that was asked for nobody misses anything.
    return len(node.steps) < deepest and (
        node.untold > 0 or any(_cut_short(child, deepest) for child in node.children.values())
    )
