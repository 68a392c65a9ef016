"""How the pages write numbers, times and labels."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from goalline.api.pages import wording
from goalline.domain.evaluation import Reason, Status
from goalline.domain.verdict import Outcome
from goalline.store.tables import Evaluation

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("share", "written"),
    [(None, "–"), (0, "0 %"), (0.001, "<1 %"), (0.625, "62 %"), (0.994, "99 %"), (0.9999, ">99 %"), (1, "100 %")],
)
def test_only_all_is_a_hundred_percent_and_only_none_is_nought(share: float | None, written: str) -> None:
    assert wording.percent(share).replace("\N{NARROW NO-BREAK SPACE}", " ") == written


def test_times_are_those_of_the_project() -> None:
    assert wording.moment(NOON, "America/New_York") == "21 Nov 2026, 07:00"
    assert wording.moment(NOON, "Pacific/Auckland") == "22 Nov 2026, 01:00"
    assert wording.clock(NOON, "Asia/Kolkata") == "17:30:00"


@pytest.mark.parametrize(("seconds", "written"), [(5, "5 s"), (140, "2 min 20 s"), (3725, "1 h 2 min")])
def test_a_length_is_written_in_two_units_at_most(seconds: int, written: str) -> None:
    assert wording.length(NOON, NOON + timedelta(seconds=seconds)).split() == written.split()


def test_no_line_breaks_inside_of_a_length() -> None:
    assert set(re.findall(r"\s", wording.length(NOON, NOON + timedelta(seconds=140)))) <= {"\u00a0", "\u202f"}


@pytest.mark.parametrize(("place", "label"), [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (702, "AAA")])
def test_every_goal_has_a_label_of_its_own(place: int, label: str) -> None:
    assert wording.letters(place) == label


def test_a_small_cost_is_written_without_an_exponent() -> None:
    assert wording.dollars(Decimal("0.000000300")) == "$0.0000003"
    assert wording.dollars(None) == "–"


def test_every_outcome_and_status_has_a_word() -> None:
    assert set(wording.OUTCOMES) == set(Outcome)
    assert set(wording.STATUSES) == set(Status)


def run(status: Status, reason: Reason | None = None) -> Evaluation:
    return Evaluation(
        project_id=uuid4(),
        id=uuid4(),
        conversation_id=uuid4(),
        number=1,
        status=status,
        reason=reason,
        created_at=NOON,
        tried_since=NOON,
        due_at=NOON,
        ring_at=NOON,
    )


def test_an_evaluation_that_waits_says_for_what_and_until_when() -> None:
    state = wording.state(run(Status.QUEUED, Reason.UNAVAILABLE), "UTC")
    assert state
    assert "overloaded" in state
    assert "Next attempt: 21 Nov 2026, 12:00." in state
    assert wording.state(run(Status.QUEUED), "UTC") == "Waits for a free worker."


@pytest.mark.parametrize("status", [Status.FAILED, Status.SKIPPED])
def test_an_evaluation_without_verdicts_says_why(status: Status) -> None:
    assert wording.state(run(status, Reason.REFUSED), "UTC") == Reason.REFUSED.explanation


def test_a_success_after_a_delay_no_longer_speaks_of_the_delay() -> None:
    assert wording.state(run(Status.SUCCEEDED, Reason.UNAVAILABLE), "UTC") is None
