"""Grounding: what is quoted was said, and what is said about it repeats nobody's words."""

import json
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from goalline.domain.transcript import Role, Turn
from goalline.domain.verdict import Evidence, GoalReply, Outcome, Reply, incompleteness, ungrounded

# Letters whose case folds both ways, so that changing a quote's case leaves its words the same.
LETTERS = st.characters(categories=["L", "Nd"], max_codepoint=0x24F, exclude_characters="ıİ")
WORDS = st.text(LETTERS, min_size=1, max_size=8)
SEPARATORS = st.text(" \t\n.,;:!?'\"-–—_()…«»¿\u00a0\u2009", min_size=1, max_size=3)
CASES: st.SearchStrategy[Callable[[str], str]] = st.sampled_from(
    [str, str.upper, str.lower, str.title, str.swapcase, str.casefold]
)


def reply(*verdicts: tuple[str, Outcome, list[tuple[int, str]]]) -> Reply:
    return Reply(
        verdicts=[
            GoalReply(
                goal=goal,
                evidence=[Evidence(turn=turn, quote=quote) for turn, quote in evidence],
                rationale="Because.",
                outcome=outcome,
            )
            for goal, outcome, evidence in verdicts
        ]
    )


def said(*texts: str) -> list[Turn]:
    return [Turn(role=Role.USER, text=text) for text in texts]


@st.composite
def joined(draw: st.DrawFn, parts: list[str]) -> str:
    return "".join(draw(SEPARATORS) + part for part in parts) + draw(SEPARATORS)


@st.composite
def quotes_of_a_turn(draw: st.DrawFn) -> tuple[str, str]:
    spoken = draw(st.lists(WORDS, min_size=1, max_size=12))
    start = draw(st.integers(0, len(spoken) - 1))
    end = draw(st.integers(start + 1, len(spoken)))
    changed = [draw(CASES)(word) for word in spoken[start:end]]
    return draw(joined(spoken)), draw(joined(changed))


@given(quotes_of_a_turn(), st.sampled_from(Outcome))
def test_words_cut_from_a_turn_hold_whatever_their_case_spaces_and_punctuation(
    turn_and_quote: tuple[str, str], outcome: Outcome
) -> None:
    turn, quote = turn_and_quote
    assert ungrounded(reply(("g1", outcome, [(2, quote)])), said("Something else.", turn)) == []


@given(quotes_of_a_turn(), st.integers(0, 12), st.sampled_from(Outcome))
def test_a_quote_with_a_foreign_word_in_it_never_holds(
    turn_and_quote: tuple[str, str], place: int, outcome: Outcome
) -> None:
    turn, quote = turn_and_quote
    parts = quote.split()
    # No word of the turn is that long.
    parts.insert(min(place, len(parts)), "extraneous")
    (fault,) = ungrounded(reply(("g1", outcome, [(1, " ".join(parts))])), said(turn))
    assert fault.startswith("goal g1 quotes turn 1 ")


def test_a_quote_must_stand_in_the_very_turn_that_it_names() -> None:
    turns = said("I want to cancel", "Your order is cancelled")
    assert ungrounded(reply(("g1", Outcome.ACHIEVED, [(2, "order is cancelled")])), turns) == []
    assert ungrounded(reply(("g1", Outcome.ACHIEVED, [(1, "order is cancelled")])), turns) != []
    assert ungrounded(reply(("g1", Outcome.ACHIEVED, [(1, "cancel your order")])), turns) != []


@pytest.mark.parametrize("turn", [0, -1, 3, 10**9])
def test_a_turn_that_does_not_exist_cannot_be_quoted(turn: int) -> None:
    (fault,) = ungrounded(reply(("g1", Outcome.NOT_ACHIEVED, [(turn, "two")])), said("one", "two"))
    assert fault == f"goal g1 quotes turn {turn}; turns run from 1 to 2"


@pytest.mark.parametrize("outcome", [Outcome.ACHIEVED, Outcome.PARTIAL])
def test_a_goal_is_not_reached_without_evidence(outcome: Outcome) -> None:
    (fault,) = ungrounded(reply(("g2", outcome, [])), said("one"))
    assert fault.startswith(f"goal g2 is {outcome} without evidence")
    assert ungrounded(reply(("g2", outcome, [(1, " ... ")])), said("one ...")) != []


def test_a_goal_can_be_missed_without_evidence_but_not_with_false_evidence() -> None:
    assert ungrounded(reply(("g1", Outcome.NOT_ACHIEVED, [])), said("one")) == []
    assert ungrounded(reply(("g1", Outcome.NOT_ACHIEVED, [(1, "two")])), said("one")) != []


def test_every_fault_of_a_reply_is_named() -> None:
    faults = ungrounded(
        reply(("g1", Outcome.ACHIEVED, [(9, "one"), (1, "two"), (1, "one")]), ("g2", Outcome.PARTIAL, [])), said("one")
    )
    assert [fault.split()[1] for fault in faults] == ["g1", "g1", "g2"]


@given(st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta"]), min_size=1, max_size=6), st.randoms())
def test_the_messages_repeat_no_words_of_the_transcript_nor_of_the_reply(
    spoken: list[str], chance: random.Random
) -> None:
    secret = "xylophone kangaroo"
    turns = said(*(f"{word} {secret}" for word in spoken))
    quoted = [(chance.randint(-1, 8), f"{secret} {chance.choice(spoken)} zeppelin") for _ in range(3)]
    answer = reply(("g1", Outcome.ACHIEVED, quoted), (f"{secret} {spoken[0]}", Outcome.ACHIEVED, []))
    messages = " ".join(ungrounded(answer, turns) + incompleteness(answer, ["g1", "g2"]))
    assert messages
    assert not {"xylophone", "kangaroo", "zeppelin", *spoken} & set(messages.replace(";", " ").split())


def test_each_goal_is_answered_exactly_once() -> None:
    def outcome_of(*goals: str) -> list[str]:
        return incompleteness(reply(*((goal, Outcome.NOT_ACHIEVED, []) for goal in goals)), ["g1", "g2"])

    assert outcome_of("g2", "g1") == []
    assert outcome_of("g1") == ["goal g2 has no verdict; give exactly one"]
    assert outcome_of("g1", "g2", "g1") == ["goal g1 has 2 verdicts; give exactly one"]
    assert outcome_of("g1", "g2", "g3", "g3") == ["a verdict names a goal that was not asked for"]
    assert len(outcome_of()) == 2


def test_the_wire_format_has_its_fields_in_an_order_that_makes_the_model_think_first() -> None:
    assert list(GoalReply.model_fields) == ["goal", "evidence", "rationale", "outcome"]
    assert list(Evidence.model_fields) == ["turn", "quote"]
    assert list(Reply.model_fields) == ["verdicts"]


@pytest.mark.parametrize("left_out", ["goal", "evidence", "rationale", "outcome"])
def test_the_wire_format_has_no_defaults_and_no_extra_fields(left_out: str) -> None:
    whole = {"goal": "g1", "evidence": [], "rationale": "Because.", "outcome": "partial"}
    assert GoalReply.model_validate(whole).outcome is Outcome.PARTIAL
    for wrong in ({name: value for name, value in whole.items() if name != left_out}, whole | {"score": 1}):
        with pytest.raises(ValidationError):
            GoalReply.model_validate(wrong)


def test_what_the_model_writes_is_made_storable() -> None:
    body = json.dumps(
        {"goal": "g1", "evidence": [{"turn": 1, "quote": "a\x00b"}], "rationale": "c\x00", "outcome": "partial"}
    )
    answer = GoalReply.model_validate_json(body)
    assert (answer.evidence[0].quote, answer.rationale) == ("ab", "c")


def test_a_wrong_answer_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValidationError) as caught:
        Reply.model_validate({"verdicts": [{"goal": "g1", "evidence": [{"turn": "xylophone", "quote": "kangaroo"}]}]})
    assert "xylophone" not in str(caught.value)
    assert "kangaroo" not in str(caught.value)
