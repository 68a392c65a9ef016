"""The dashboard: the success rate over time, the goals, the latest conversations."""

import re
from datetime import timedelta

from goalline.domain.evaluation import Reason
from goalline.domain.goal import Kind
from goalline.domain.key import Scope
from goalline.domain.verdict import Outcome
from goalline.store import projects
from goalline.worker import utc_now
from tests.api.tracked import attempt, tracked_goal
from tests.api.world import NewWorld, World, age_goals, days_ago, delivery, goal, text_of


def test_shows_the_success_rate_with_its_counts_interval_and_coverage(judged: World) -> None:
    judged.judge.outcomes["Appointment booked"] = Outcome.PARTIAL
    judged.client().post("/v1/conversations", json=delivery("call-2"))
    judged.evaluate()
    judged.client().post("/v1/conversations", json=delivery("call-3"))
    page = text_of(judged.client(Scope.READ).get("/").text)
    assert "50 % 1 of 2 conversations reached their primary goal" in page
    assert "95 % interval 9 % to 91 %" in page
    assert "Coverage 67 % 2 of 3 have a primary verdict" in page
    assert "Achieved 1 Partial 1 Not achieved 0 No primary verdict 1" in page
    assert "No primary verdict: the evaluation waits, failed or was skipped, or no primary goal was in force." in page


def test_shows_each_goal_with_its_completion_rate(judged: World) -> None:
    page = text_of(judged.client().get("/").text)
    assert "Appointment booked Primary · all agents 100 % 21 % to 100 %" in page
    assert "Reminder offered Secondary · all agents 0 % 0 % to 79 %" in page


def test_lists_the_latest_conversations_with_their_outcomes_in_words(judged: World) -> None:
    page = text_of(judged.client().get("/").text)
    assert re.search(r"call-1 front-desk Achieved Reminder offered : Not achieved\. Succeeded", page)


def test_each_mark_for_a_secondary_goal_has_the_goals_name_beside_it(judged: World) -> None:
    html = judged.client().get("/").text
    [cell] = re.findall(r'<td class="secondary">(.*?)</td>', html, re.DOTALL)
    assert 'title="Reminder offered: Not achieved"' in cell
    assert '<span class="short">Reminder offered</span>' in cell


def test_says_in_words_why_a_conversation_has_no_verdict(world: World) -> None:
    admin = world.client()
    admin.post("/v1/conversations", json=delivery("skipped"))
    world.evaluate()
    goal(admin, "Appointment booked")
    world.judge.fails = Reason.REFUSED
    admin.post("/v1/conversations", json=delivery("failed"))
    world.evaluate()
    admin.post("/v1/conversations", json=delivery("waiting"))
    page = text_of(admin.get("/").text)
    assert f"Skipped {Reason.NO_GOAL_IN_FORCE.explanation.replace(chr(39), '&#39;')}" in page
    assert f"Failed {Reason.REFUSED.explanation}" in page
    assert "Queued Waits for a free worker." in page


def test_says_that_there_is_no_rate_where_nothing_has_a_verdict_and_not_nought(world: World) -> None:
    world.client().post("/v1/conversations", json=delivery())
    html = world.client().get("/").text
    assert '<p class="big none">No rate yet</p>' in html
    assert "No conversation that ended in this period has a primary verdict." in text_of(html)
    assert '<path class="line"' not in html


def test_the_chart_has_a_gap_on_days_on_which_nothing_was_evaluated(judged: World) -> None:
    age_goals(judged)
    for days in (1, 3, 4):
        judged.client().post("/v1/conversations", json=delivery(f"past-{days}", ended_at=days_ago(days)))
    judged.evaluate()
    html = judged.client().get("/?period=7").text
    assert len(re.findall(r'<path class="line"', html)) == 2
    assert len(re.findall(r'<circle class="dot"', html)) == 4
    gap = (utc_now() - timedelta(days=2)).strftime("%a %-d %b %Y")
    assert f"{gap}: no primary verdict, 0 conversations" in text_of(html.replace("<title>", "").replace("</title>", ""))
    assert f"{gap} – – 0 0 0 0" in text_of(html)


def test_filters_by_agent(judged: World) -> None:
    judged.client().post("/v1/conversations", json=delivery("other", agent_id="back-office"))
    judged.evaluate()
    page = judged.client().get("/?agent=back-office").text
    assert ">other</a>" in page
    assert ">call-1</a>" not in page
    assert "1 of 1 conversation reached its primary goal" in text_of(page)
    assert '<option value="back-office" selected>' in page


def test_a_goal_of_one_agent_is_measured_by_the_conversations_of_that_agent(judged: World) -> None:
    goal(judged.client(), "Room booked", agent_id="back-office")
    age_goals(judged)
    for name in ("one", "two"):
        judged.client().post("/v1/conversations", json=delivery(name, agent_id="back-office"))
        judged.evaluate()
        judged.judge.fails = Reason.REFUSED
    page = judged.client().get("/").text
    coverage = dict(
        re.findall(r'<span class="name">([^<]+)</span>.*?data-label="Coverage">([^<]+)</td>', page, re.DOTALL)
    )
    assert {name: text_of(share) for name, share in coverage.items()} == {
        "Room booked": "50 %",
        "Appointment booked": "100 %",
        "Reminder offered": "67 %",
    }
    assert "Room booked" not in judged.client().get("/?agent=front-desk").text


def test_filters_by_period_and_interval(judged: World) -> None:
    age_goals(judged)
    judged.client().post("/v1/conversations", json=delivery("old", ended_at=days_ago(40)))
    judged.evaluate()
    short, long = judged.client().get("/?period=30").text, judged.client().get("/?period=90&interval=month").text
    assert ">old</a>" not in short
    assert ">old</a>" in long
    assert "1 of 1 conversation" in text_of(short)
    assert "2 of 2 conversations" in text_of(long)
    assert 2 <= long.count('<rect class="slot"') <= 3


def test_an_unknown_filter_is_ignored_and_a_wrong_one_is_explained(judged: World) -> None:
    assert judged.client().get("/?utm_source=mail").status_code == 200
    wrong = judged.client().get("/?period=5")
    assert wrong.status_code == 422
    assert "period: must be one of 7, 30, 90" in text_of(wrong.text)


def test_older_conversations_are_one_link_away(judged: World) -> None:
    for number in range(30):
        judged.client().post("/v1/conversations", json=delivery(f"more-{number}"))
    first = judged.client().get("/?agent=front-desk").text
    (older,) = re.findall(r'<a href="([^"]+)" rel="next">', first)
    second = judged.client().get(older.replace("&amp;", "&")).text
    shown = [re.findall(r'<a class="name" href="[^"]+">([^<]+)</a>', page) for page in (first, second)]
    assert [len(names) for names in shown] == [25, 6]
    assert not set(shown[0]) & set(shown[1])
    assert 'rel="next"' not in second


def test_a_project_sees_nothing_of_another(judged: World) -> None:
    with judged.database.transaction() as session:
        other = projects.create(session, "Other", "UTC", utc_now())
        key = projects.create_key(session, other.id, "key", Scope.READ, utc_now())
    visitor = judged.browser()
    visitor.headers["Authorization"] = f"Bearer {key}"
    assert "No conversation yet" in visitor.get("/").text
    assert visitor.get("/conversations/call-1").status_code == 404


def test_times_and_days_are_those_of_the_project(new_world: NewWorld) -> None:
    world = new_world(time_zone="Pacific/Kiritimati")
    world.client().post("/v1/conversations", json=delivery(ended_at="2026-11-20T12:30:00Z"))
    page = world.client().get("/conversations/call-1").text
    assert "21 Nov 2026, 02:30" in page
    assert "Days and times are those of Pacific/Kiritimati" in text_of(page)


def test_an_archived_goal_is_shown_as_long_as_it_has_verdicts_in_the_period(judged: World) -> None:
    admin = judged.client()
    unused = goal(admin, "Never used", Kind.SECONDARY)
    for row in admin.get("/v1/goals").json()["items"]:
        admin.post(f"/v1/goals/{row['id']}/archive")
    page = text_of(admin.get("/").text)
    assert "Appointment booked Primary · all agents · archived" in page
    assert str(unused["name"]) not in page


def test_shows_how_far_the_cycles_of_tracked_goals_came_and_what_they_saved(judged: World) -> None:
    steps = [
        {"key": "start", "name": "Begun", "initial": True},
        {
            "key": "end",
            "name": "Done",
            "completion": True,
            "cost_savings": "1500",
            "revenue": "7.50",
            "time_saved": "00:03:00",
        },
    ]
    goal_id = tracked_goal(judged, "Flight", steps)
    judged.client().post("/v1/conversations", json=delivery("new", contact_id="c"))
    for call, reached in (("call-1", {"start": 0, "end": 5}), ("new", {"start": 1})):
        attempt(judged.client(), goal_id, call, at=f"{days_ago(1)[:10]}T09:{{:02}}:{{:02}}Z", **reached)
    page = text_of(judged.client().get("/").text)
    assert "Cycles that began in these 30 days, counted from events without the judge." in page
    assert "Flight Secondary · all agents 50 % 9 % to 91 % 2 1 1,500.00 USD and 00:03:00 saved, 7.50 USD earned" in page
    assert "Flight Secondary · all agents – – 0 0 – " in text_of(judged.client().get("/?agent=nobody").text)


def test_without_a_tracked_goal_there_is_no_track(judged: World) -> None:
    assert 'id="track"' not in judged.client().get("/").text
