"""Into which intervals the dashboard's chart is cut, and where it begins."""

import re

import pytest

from tests.api.world import World, days_ago, delivery


def conversations(world: World, *days: float) -> None:
    """Receive a conversation for each number of days ago."""
    for number, ago in enumerate(days):
        body = delivery(f"call-{number}", ended_at=days_ago(ago))
        assert world.client().post("/v1/conversations", json=body).status_code == 202


def chart(world: World, query: str = "") -> tuple[str, int]:
    """Return into what the chart is cut, and into how many of them."""
    page = world.client().get(f"/?{query}").text
    [interval] = re.findall(r"Success rate by (\w+) from", page)
    return interval, page.count('<rect class="slot"')


def test_begins_with_the_first_conversation_when_the_period_is_longer_than_what_there_is(world: World) -> None:
    conversations(world, 5, 0)
    assert chart(world) == ("day", 6)
    assert chart(world, "period=7") == ("day", 6)
    assert chart(world, "period=90&interval=day") == ("day", 6)


def test_an_empty_period_is_shown_whole(world: World) -> None:
    conversations(world, 50)
    assert chart(world, "interval=day") == ("day", 30)


def test_days_with_very_few_conversations_each_become_weeks(world: World) -> None:
    conversations(world, *range(21))
    interval, number = chart(world)
    assert interval == "week"
    assert 3 <= number <= 4


def test_days_with_enough_conversations_stay_days(world: World) -> None:
    conversations(world, *range(15), *range(15), *range(15))
    assert chart(world) == ("day", 15)


def test_a_few_busy_days_do_not_make_up_for_many_quiet_ones(world: World) -> None:
    conversations(world, 20, *[0] * 70)
    assert chart(world)[0] == "week"


def test_less_than_two_weeks_are_days_however_few_there_are(world: World) -> None:
    conversations(world, 12)
    assert chart(world) == ("day", 13)


def test_very_many_days_become_weeks_however_many_there_are(world: World) -> None:
    conversations(world, 45)
    assert chart(world, "period=90")[0] == "week"


@pytest.mark.parametrize(("interval", "number"), [("day", 21), ("week", 4)])
def test_the_interval_that_was_chosen_is_kept(world: World, interval: str, number: int) -> None:
    conversations(world, *range(21))
    chosen, shown = chart(world, f"interval={interval}")
    assert chosen == interval
    assert number - 1 <= shown <= number
