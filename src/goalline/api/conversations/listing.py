"""One page of a list of conversations, with what became of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from goalline.api.deps import PageQuery, cut
from goalline.domain.goal import Kind
from goalline.store.conversations import evaluations, listing
from goalline.store.conversations.listing import ConversationFilter
from goalline.store.conversations.verdicts import NamedVerdict, verdicts_of
from goalline.store.database import Session
from goalline.store.tables import Conversation, Evaluation


@dataclass(frozen=True, slots=True)
class Listed:
    """A conversation in a list: its newest evaluation, and the verdicts that count, the primary one first.

    One that has not ended has no evaluation.
    """

    conversation: Conversation
    newest: Evaluation | None
    verdicts: Sequence[NamedVerdict]

    @property
    def primary(self) -> NamedVerdict | None:
        """The verdict for the primary goal, if there is one."""
        return next((named for named in self.verdicts if named.verdict.kind is Kind.PRIMARY), None)

    @property
    def secondary(self) -> Sequence[NamedVerdict]:
        """The verdicts for the other goals."""
        return [named for named in self.verdicts if named is not self.primary]

    def judged_by(self, model: str) -> bool:
        """Tell whether the verdicts that count were found by this very model."""
        return any(named.model == model for named in self.verdicts)


def page(
    session: Session, project_id: UUID, wanted: ConversationFilter, place: PageQuery
) -> tuple[list[Listed], str | None]:
    """Return a page of conversations, the latest first, and the cursor of the next page."""
    found = listing.page(session, project_id, wanted, after=place.after, limit=place.limit + 1)
    rows, cursor = cut(found, place.limit, lambda row: (row.ended_at or row.received_at, row.id))
    verdicts = verdicts_of(session, [row.id for row in rows])
    newest = evaluations.newest_of(session, rows)
    return [Listed(row, newest.get(row.id), verdicts[row.id]) for row in rows], cursor
