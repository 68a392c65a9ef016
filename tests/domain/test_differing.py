"""What two tracks of one conversation have in common makes no difference to the counts."""

from hypothesis import given

from goalline.domain.track import Track, Tracked, changes, differing, tallies, track
from tests.domain.tracked import events


def counted(before: Track, after: Track) -> object:
    return changes(tallies(before, "ann", "Europe/Berlin"), tallies(after, "ann", "Europe/Berlin"))


@given(events(), events())
def test_the_changes_are_the_same_without_what_both_tracks_have(old: list[Tracked], new: list[Tracked]) -> None:
    before, after = track(old), track([*old, *new])
    assert counted(*differing(before, after)) == counted(before, after)
    assert counted(*differing(after, before)) == counted(after, before)


@given(events())
def test_nothing_is_left_of_two_tracks_that_are_the_same(told: list[Tracked]) -> None:
    assert differing(track(told), track(told)) == (Track(), Track())
