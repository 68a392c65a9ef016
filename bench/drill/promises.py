"""What Goalline promises, compared with its database, the model's journal and the clients' ledger."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from bench.drill.ledger import Ledger, Post
from bench.drill.load import JUDGED
from bench.drill.model import Asked, mark
from bench.drill.plant import Plant
from goalline.domain.evaluation import Status
from goalline.store.database import Database, DatabaseUnavailable
from goalline.store.tables import Conversation, Evaluation, StepEvent, Verdict, table

CLOCK_SECONDS = 0.05
"""Two processes' looks at the same clock; what was asked this little after the end was asked before it was stored."""

_MOST_ATTEMPTS = 30
_EXPLAINED = ("empty_transcript", "ungrounded", "invalid_answer", "unavailable", "unauthorized", "poison")
"""The reasons that the faults of a drill, and empty transcripts, account for."""
_OPEN = (Status.QUEUED, Status.RUNNING)


@dataclass
class Found:
    """What there is at the end, and which promises are broken, with whose ids."""

    statuses: Counter[str] = field(default_factory=Counter)
    """Of the newest evaluation of each accepted conversation: `succeeded`, `skipped: ...`, `failed: ...`."""
    asked: int = 0
    needed: int = 0
    """How many completions were asked for, and how many there would have been without any fault."""
    repeated: int = 0
    """How many of those too many came though no bad answer was ordered: above all, the work of killed processes."""
    broken: dict[str, list[str]] = field(default_factory=dict)
    finished: list[tuple[float, float]] = field(default_factory=list)
    """Of each judged evaluation, when it was queued and when it ended, in Unix time."""

    def check(self, promise: str, ids: Iterable[object]) -> None:
        """Note by whom a promise is broken, if by anybody."""
        self.broken.setdefault(promise, []).extend(sorted(map(str, ids)))


@dataclass
class Watch:
    """Remembers when each evaluation ended for the first time: what ran again would hide that by its later end."""

    database_url: str
    ends: dict[UUID, datetime] = field(default_factory=dict)

    def look(self) -> None:
        """Look at what has ended by now, if the database is there."""
        with suppress(DatabaseUnavailable), closing(Database(self.database_url, pool_size=1)) as database:
            with database.reading() as session:
                ended = session.execute(_ENDED).all()
            for evaluation_id, finished_at in ended:
                self.ends.setdefault(evaluation_id, finished_at)


def await_quiet(plant: Plant, seconds: float, say: Callable[[str], object]) -> None:
    """Wait until nothing is queued or running, or until time is up."""
    evaluation = table(Evaluation)
    counted = select(func.count()).select_from(evaluation).where(evaluation.c.status.in_(_OPEN))
    deadline, told = time.monotonic() + seconds, 0.0
    with closing(Database(plant.settings["GOALLINE_DATABASE_URL"], pool_size=1)) as database:
        while time.monotonic() < deadline:
            with database.reading() as session:
                left = session.execute(counted).scalar_one()
            if not left:
                return
            if time.monotonic() > told + 10:
                told = time.monotonic()
                say(f"{left:,} evaluations are still to be judged")
            time.sleep(0.25)


def check(plant: Plant, posts: Sequence[Post], ledger: Ledger, asked: Sequence[Asked], watch: Watch) -> Found:
    """Compare everything with everything."""
    found = Found()
    with (
        closing(Database(plant.settings["GOALLINE_DATABASE_URL"], pool_size=1)) as database,
        database.snapshot() as session,
    ):
        stored = {row.conversation_id: row for row in session.execute(_STORED)}
        evaluations: dict[UUID, list[Any]] = defaultdict(list)
        for row in session.execute(select(table(Evaluation)).order_by(table(Evaluation).c.number)):
            evaluations[row.conversation_id].append(row)
        counted: dict[UUID, list[UUID]] = defaultdict(list)
        for evaluation_id, goal_id in session.execute(_COUNTED):
            counted[evaluation_id].append(goal_id)
        events = [row.event_id for row in session.execute(select(table(StepEvent).c.event_id))]
    ended = _intake(found, posts, ledger, stored, events)
    by_mark: dict[str, list[Asked]] = defaultdict(list)
    for one in asked:
        by_mark[one.mark].append(one)
    for name in ledger.conversations.keys() & ended:
        of_it = evaluations[stored[name].id]
        found.check("each accepted conversation has an evaluation", [name] * (not of_it))
        if of_it:
            _evaluated(found, name, of_it, counted)
            _asking(found, name, of_it, ledger.words[name], by_mark)
    ends = {one.id: one.finished_at for of_it in evaluations.values() for one in of_it}
    changed = (each for each, end in watch.ends.items() if ends.get(each) != end)
    found.check("what has ended never runs again", changed)
    found.asked = len(asked)
    few = found.statuses[Status.SUCCEEDED] * 2 < len(ledger.conversations)
    found.check("most of it is judged", [found.statuses[Status.SUCCEEDED]] * few)
    found.check("nobody but those who were accepted is judged", by_mark.keys() - _marks(ledger))
    found.check("counts equal a recount", plant.verify())
    found.check("SIGTERM ends with status 0", [f"{name} {status}" for name, status in plant.statuses if status])
    return found


def _intake(
    found: Found, posts: Sequence[Post], ledger: Ledger, stored: dict[str, Any], events: Sequence[str]
) -> set[str]:
    """Check that what was accepted is stored, and nothing else; return the conversations that have ended."""
    found.check("everything sent is accepted in the end", ledger.abandoned)
    found.check("nothing is refused, no answer but 2xx and 503", ledger.refused)
    ended = {name for name, row in stored.items() if row.ended_at}
    found.check("no accepted conversation is lost", ledger.conversations.keys() - ended)
    found.check("nothing is stored that was not sent", ended - {name for post in posts for name in post.names})
    found.check("no accepted event is lost", ledger.events.keys() - set(events))
    found.check("no event is stored twice", (name for name, number in Counter(events).items() if number > 1))
    latest = {name: max(words, key=lambda each: words[each]) for name, words in ledger.words.items()}
    found.check(
        "the newest words are stored",
        (name for name in ended & latest.keys() if stored[name].transcript_digest != latest[name]),
    )
    return ended


def _evaluated(found: Found, name: str, evaluations: Sequence[Any], counted: dict[UUID, list[UUID]]) -> None:
    """Check what became of one conversation by all its evaluations, the oldest first."""
    newest = evaluations[-1]
    found.statuses[f"{newest.status}: {newest.reason}" if newest.reason else str(newest.status)] += 1
    found.check("nothing is left queued or running", [name] * any(one.status in _OPEN for one in evaluations))
    found.check(
        "what was not judged says why, and a fault explains it",
        [name] * any(not _honest(one) for one in evaluations),
    )
    tried = [one for one in evaluations if one.status is not Status.SKIPPED]
    found.check(
        "attempts and lost leases are plausible",
        [name] * any(one.attempts < max(1, one.interruptions) or one.attempts > _MOST_ATTEMPTS for one in tried),
    )
    goals = [goal for one in evaluations for goal in counted[one.id]]
    found.check("no verdict is counted twice", [name] * (len(goals) > len(set(goals))))
    # One that failed leaves the verdicts of the one before it in the counts.
    judged = [one for one in evaluations if one.status is Status.SUCCEEDED]
    right = len(goals) == len(JUDGED) == len(counted[judged[-1].id]) if judged else not goals
    found.check("each goal has the one verdict of the newest judgement in the counts", [name] * (not right))
    found.finished += [(one.created_at.timestamp(), one.finished_at.timestamp()) for one in judged]


def _asking(
    found: Found, name: str, evaluations: Sequence[Any], words: dict[str, int], by_mark: dict[str, list[Asked]]
) -> None:
    """Check when and how often the model was asked about one conversation."""
    for words_digest, wording in words.items():
        asked = by_mark.get(mark(name, wording), [])
        good = [one for one in asked if not one.badly_answered]
        judged = [
            one for one in evaluations if one.status is Status.SUCCEEDED and one.transcript_digest == words_digest
        ]
        found.needed += bool(asked)
        found.repeated += max(0, len(good) - 1)
        found.check("no verdict without an answer of the model", [name] * (bool(judged) and not good))
        # Of words that were never judged to the end, the end of all evaluations counts.
        ends = [one.finished_at for one in judged or evaluations]
        late = all(ends) and any(one.at > max(ends).timestamp() + CLOCK_SECONDS for one in asked)
        found.check("nothing is judged after its result was stored", [name] * late)


def _honest(evaluation: Any) -> bool:
    return evaluation.status is Status.SUCCEEDED or evaluation.status in _OPEN or evaluation.reason in _EXPLAINED


def _marks(ledger: Ledger) -> set[str]:
    return {mark(name, wording) for name, words in ledger.words.items() for wording in words.values()}


_conversation_table, _verdict = table(Conversation), table(Verdict)
_ENDED = select(table(Evaluation).c.id, table(Evaluation).c.finished_at).where(
    table(Evaluation).c.finished_at.is_not(None)
)
_STORED = select(
    _conversation_table.c.id,
    _conversation_table.c.conversation_id,
    _conversation_table.c.ended_at,
    _conversation_table.c.transcript_digest,
)
_COUNTED = select(_verdict.c.evaluation_id, _verdict.c.goal_id).where(_verdict.c.counted)
