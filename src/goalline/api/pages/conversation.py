"""One conversation: its verdicts, the words in the transcript that they rest on, and its track beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Response

from goalline.api.deps import Parts
from goalline.api.pages import marks, tracks, wording
from goalline.api.pages.frame import modelless, render
from goalline.api.pages.marks import Segment
from goalline.api.pages.sign_in import Visit
from goalline.api.pages.tracks import GoalTrack
from goalline.domain.calendar import local_day
from goalline.domain.transcript import Turn
from goalline.domain.verdict import Evidence
from goalline.judge.stand_in import MODEL as STAND_IN
from goalline.store.conversations import conversations, evaluations
from goalline.store.conversations.verdicts import NamedVerdict, verdicts_of
from goalline.store.tables import Verdict
from goalline.store.track import overview

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict as it is shown, with the label that its marks carry; `colour` repeats after six."""

    name: str
    verdict: Verdict
    label: str
    colour: int
    evidence: Sequence[tuple[Evidence, bool]]
    """Each piece of evidence, and whether its words stand in the transcript as it is now; deleted words do not."""
    track: GoalTrack | None
    """The goal's cycles; None where it is not tracked."""


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """A turn, cut where marks begin and end."""

    number: int
    turn: Turn
    segments: Sequence[Segment]


@router.get("/conversations/{reference:path}")
def conversation(reference: str, parts: Parts, visit: Visit) -> Response:
    """Show a conversation, named by Goalline's id or the platform's own."""
    with parts.database.snapshot() as session:
        row = conversations.get(session, visit.project.id, reference)
        runs = evaluations.of_conversation(session, row)
        verdicts = verdicts_of(session, [row.id])[row.id]
        track = overview.of_conversation(session, row)
        judged_by = {named.verdict.goal_id: named.verdict.revision for named in verdicts}
        tracked = overview.tracked_goals(session, judged_by)
    found = tracks.by_goal(track, [named.verdict for named in verdicts], tracked, visit.project.currency)
    turns = conversations.turns(row)
    judged = {run.id: run.transcript_digest for run in runs}
    models = {named.model for named in verdicts} or {parts.settings.model}
    return render(
        "conversation.html",
        visit=visit,
        conversation=row,
        lasted=wording.length(row.started_at, row.ended_at) if row.started_at and row.ended_at else None,
        # Times of other days than this one are told with their day.
        today=local_day(row.ended_at or row.received_at, visit.project.time_zone),
        findings=[_finding(place, named, turns, found) for place, named in enumerate(verdicts)],
        unjudged=[shown for goal_id, shown in found.items() if goal_id not in judged_by],
        track=track,
        turns=_marked(turns, verdicts),
        runs=runs,
        replaced=row.erased_at is None
        and any(judged[named.verdict.evaluation_id] != row.transcript_digest for named in verdicts),
        stand_in=STAND_IN if STAND_IN in models else None,
        modelless=modelless(parts),
    )


def _finding(place: int, named: NamedVerdict, turns: Sequence[Turn], tracks_of: Mapping[UUID, GoalTrack]) -> Finding:
    evidence = _evidence(named)
    return Finding(
        name=named.name,
        verdict=named.verdict,
        label=wording.letters(place),
        colour=place % 6 + 1,
        evidence=[(item, _stands(item, turns)) for item in evidence],
        track=tracks_of.get(named.verdict.goal_id),
    )


def _marked(turns: Sequence[Turn], verdicts: Sequence[NamedVerdict]) -> list[ShownTurn]:
    quotes: dict[int, list[tuple[int, str]]] = {}
    for place, named in enumerate(verdicts):
        for item in _evidence(named):
            quotes.setdefault(item.turn, []).append((place, item.quote))
    return [
        ShownTurn(number, turn, marks.segments(turn.text, quotes.get(number, ())))
        for number, turn in enumerate(turns, start=1)
    ]


def _evidence(named: NamedVerdict) -> list[Evidence]:
    return [Evidence.model_validate(item) for item in named.verdict.evidence]


def _stands(item: Evidence, turns: Sequence[Turn]) -> bool:
    return 1 <= item.turn <= len(turns) and marks.locate(item.quote, turns[item.turn - 1].text) is not None
