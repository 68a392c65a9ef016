"""How patiently messages are told: delays grow, receivers rest, and what they ask for is obeyed."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from goalline.domain.outbound.message import TOLD_FOR, Answer, rest, retry_delay

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
waits = st.timedeltas(timedelta(0), TOLD_FOR)
asked = st.none() | st.floats(0, 1e9)
chances = st.floats(0, 1)


def attempts(chance: float = 0.0) -> list[timedelta]:
    """Return how long after the first attempt each is made, if all of them fail at once."""
    found = [timedelta(0)]
    while found[-1] < TOLD_FOR:
        found.append(found[-1] + retry_delay(found[-1], None, chance))
    return found


def test_the_delay_doubles_from_attempt_to_attempt_up_to_eight_hours() -> None:
    made = attempts()
    assert made[:6] == [0 * SECOND, 5 * SECOND, 10 * SECOND, 20 * SECOND, 40 * SECOND, 80 * SECOND]
    assert max(later - earlier for earlier, later in pairwise(made)) == 8 * HOUR


@given(chances)
def test_in_three_days_a_message_is_tried_about_twenty_times(chance: float) -> None:
    assert 18 <= len(attempts(chance)) <= 23


def test_what_failed_together_is_tried_apart() -> None:
    assert retry_delay(HOUR, None, 0.0) == HOUR
    assert retry_delay(HOUR, None, 0.5) == 66 * MINUTE
    assert retry_delay(HOUR, None, 1.0) == 72 * MINUTE


@given(waits, asked, chances)
def test_no_delay_is_shorter_than_five_seconds_or_than_what_was_asked_for(
    waited: timedelta, retry_after: float | None, chance: float
) -> None:
    delay = retry_delay(waited, retry_after, chance)
    assert delay >= 5 * SECOND
    assert delay >= min(timedelta(seconds=min(retry_after or 0, 86_400)), timedelta(days=1))


@given(waits, asked, chances)
def test_nobody_can_ask_for_more_than_a_day(waited: timedelta, retry_after: float | None, chance: float) -> None:
    assert retry_delay(waited, retry_after, chance) <= timedelta(days=1)
    assert rest(waited, retry_after) <= timedelta(days=1)


@given(waits)
def test_a_failing_receiver_is_tried_at_least_every_quarter_of_an_hour(failing: timedelta) -> None:
    assert 5 * SECOND <= rest(failing, None) <= 15 * MINUTE


def test_a_receiver_rests_as_long_as_it_asks_for() -> None:
    assert rest(timedelta(0), 120.0) == 2 * MINUTE


def test_only_a_status_of_two_hundred_and_something_is_acceptance() -> None:
    accepted = [status for status in range(100, 600) if Answer(0.1, status).accepted]
    assert accepted == list(range(200, 300))
    assert not Answer(0.1, error="took too long").accepted
