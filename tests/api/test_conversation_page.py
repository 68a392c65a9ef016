"""The page of a conversation: verdicts, marked evidence, and words that cannot do anything on it."""

import re
from datetime import timedelta

import pytest

from goalline import upkeep
from goalline.domain.evaluation import Reason, Status
from goalline.worker import utc_now
from tests.api.world import World, delivery, goal, text_of


def test_shows_each_verdict_with_its_goal_outcome_rationale_and_evidence(judged: World) -> None:
    html = judged.client().get("/conversations/call-1").text
    page = text_of(html)
    assert "A Appointment booked Achieved Primary goal, revision 1 Because of Appointment booked. Turn 2" in page
    assert "B Reminder offered Not achieved Secondary goal, revision 1 Because of Reminder offered." in page
    assert '<a href="#turn-2">Turn 2</a> <q>booked for monday</q>' in html
    assert 'id="turn-2"' in html


def test_marks_the_evidence_in_the_transcript_with_the_label_of_its_goal(judged: World) -> None:
    html = judged.client().get("/conversations/call-1").text
    assert (
        'You are <mark class="goal-1">booked for Monday</mark>'
        '<a class="tag goal-1" href="#goal-A" title="Appointment booked">A</a> at ten.' in html
    )


def test_marks_what_two_goals_quote_for_both(judged: World) -> None:
    judged.judge.outcomes = {}
    judged.judge.quotes = {"Appointment booked": [(1, "come on")], "Reminder offered": [(1, "on Monday")]}
    judged.client().post("/v1/conversations", json=delivery("both"))
    judged.evaluate()
    html = judged.client().get("/conversations/both").text
    assert '<mark class="goal-1"><mark class="goal-2">on</mark></mark>' in html
    assert '<mark class="goal-2"> Monday</mark>' in html


@pytest.mark.parametrize("nasty", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</p></li>&amp;"])
def test_what_was_said_is_shown_and_never_taken_for_html(world: World, nasty: str) -> None:
    goal(world.client(), nasty)
    world.judge.quotes = {nasty: [(1, nasty)]}
    body = delivery(nasty, f"I say {nasty} to you", agent_id=nasty, metadata={nasty: nasty}, contact_id=nasty)
    world.client().post("/v1/conversations", json=body)
    assert world.evaluate() == [Status.SUCCEEDED]
    row = world.client().get("/v1/conversations").json()["items"][0]
    for address in ("/", f"/conversations/{row['id']}"):
        page = world.client().get(address)
        assert page.status_code == 200
        assert nasty not in page.text
        assert nasty.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in page.text


def test_is_found_by_goallines_id_and_by_the_platforms_own_with_its_odd_characters(judged: World) -> None:
    judged.client().post("/v1/conversations", json=delivery("a/b?c#d e"))
    row = judged.client().get("/v1/conversations").json()["items"][0]
    assert judged.client().get(f"/conversations/{row['id']}").status_code == 200
    assert "<h1" in judged.client().get("/conversations/a%2Fb%3Fc%23d%20e").text


def test_shows_what_an_evaluation_took(judged: World) -> None:
    page = text_of(judged.client().get("/conversations/call-1").text)
    assert re.search(r"1 Succeeded scripted-model 0123456789 1,234, 56 – 1 1 ", page)


def test_an_evaluation_without_a_call_took_no_tokens(world: World) -> None:
    world.client().post("/v1/conversations", json=delivery())
    assert world.evaluate() == [Status.SKIPPED]
    html = world.client().get("/conversations/call-1").text
    [tokens] = re.findall(r'data-label="Tokens in, out">(.*?)</td>', html, re.DOTALL)
    assert tokens.strip() == "–"


def test_says_why_there_is_no_verdict(judged: World) -> None:
    judged.judge.fails = Reason.CONTENT_FILTER
    judged.client().post("/v1/conversations", json=delivery("filtered"))
    judged.evaluate()
    page = text_of(judged.client().get("/conversations/filtered").text)
    assert "replaced" not in page
    assert page.count(Reason.CONTENT_FILTER.explanation.replace("'", "&#39;")) == 2


def test_says_so_when_the_transcript_was_replaced_after_the_judgement(judged: World) -> None:
    sentence = "The transcript was replaced after it was judged."
    assert sentence not in text_of(judged.client().get("/conversations/call-1").text)
    changed = delivery("call-1", "Something else was said.")
    judged.client().post("/v1/conversations", json=changed)
    page = judged.client().get("/conversations/call-1").text
    assert sentence in text_of(page)
    assert "Turn 2 of the older transcript" in text_of(page)
    assert 'href="#turn-2"' not in page
    judged.judge.quotes = {}
    judged.evaluate()
    assert sentence not in text_of(judged.client().get("/conversations/call-1").text)


def test_without_turns_it_says_so(world: World) -> None:
    world.client().post("/v1/conversations", json={**delivery(), "transcript": []})
    assert "This transcript has no turns." in world.client().get("/conversations/call-1").text


def test_says_when_the_words_were_deleted_and_keeps_the_turn_numbers(judged: World) -> None:
    assert upkeep.retain(judged.database, 30, utc_now() + timedelta(days=31)).deleted
    html = judged.client().get("/conversations/call-1").text
    page = text_of(html)
    assert "Words deleted on" in page
    assert "This transcript was deleted." in page
    assert "A Appointment booked Achieved Primary goal, revision 1 Turn 2" in page
    assert "of the older transcript" not in page
    assert "replaced" not in page
    assert "<q>" not in html
    assert "booked for monday" not in html.lower()
