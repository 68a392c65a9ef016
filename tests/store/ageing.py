"""Conversations that grow old: judged ones that are full of words, and the ways in which these are deleted."""

from datetime import datetime, timedelta
from typing import Any

from goalline import upkeep
from goalline.domain.verdict import Evidence, Outcome, Verdict
from goalline.store.conversations import conversations, retention
from goalline.store.goals import goals
from goalline.store.tables import Conversation
from tests.store.contact_lives import MIA
from tests.store.world import NOW, World

DAY = timedelta(days=1)
DAYS = 10
LATER = NOW + (DAYS + 1) * DAY
"""When the words of what ended `NOW` have to be gone."""

WORDS = "Please book flight XQ17"
PERSONAL: dict[str, Any] = {
    "transcript": [{"role": "agent", "text": "Hello"}, {"role": "user", "text": WORDS}],
    "contact_id": MIA,
    "end_reason": "hung-up",
    "metadata": {"seat": "4A"},
}


def judged(world: World, name: str = "call-1", at: datetime = NOW, **more: Any) -> Conversation:
    """Store a conversation whose verdicts repeat its words; the first goal is made where there is none."""
    with world.database.reading() as session:
        there = goals.listed(session, world.project.id)
    quoted = [Evidence(turn=2, quote=WORDS)]
    found = [
        Verdict(goal.id, goal.revision, goal.kind, Outcome.PARTIAL, f"Because of: {WORDS}", quoted)
        for goal in there or [world.goal()]
    ]
    row = world.conversation(name, at, **(PERSONAL | more))
    assert world.judge(world.claim(world.newest(row).id, at), found, at)
    return row


def retain(world: World, now: datetime = LATER, after: retention.Place | None = None) -> upkeep.Retained:
    return upkeep.retain(world.database, DAYS, now, after)


def retain_all(world: World, now: datetime = LATER) -> int:
    """Walk through all that is due once, as the command does."""
    retained, deleted = upkeep.Retained(), 0
    while True:
        retained = retain(world, now, retained.then)
        deleted += retained.deleted
        if retained.then is None:
            return deleted


def get(world: World, reference: str = "call-1") -> Conversation:
    with world.database.reading() as session:
        return conversations.get(session, world.project.id, reference)


def without_words(world: World) -> list[str]:
    return sorted(row.conversation_id for row in world.rows(Conversation) if row.transcript_deleted_at)
