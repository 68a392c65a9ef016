"""Marks in a transcript: quoted words are found where they were said, and no text is lost on the way."""

import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from goalline.api.pages.marks import Segment, locate, segments
from goalline.domain.text import quotes

# Letters that change their length or join their neighbours when they are normalised.
TRICKY = "ßﬁ½ﷺİ①Å\u0301\u0323\u0305\u0345ᄀ\u1161\u11a8\u09c7\u09beｱ\uff9e\u0f73Ⅳ𝟘㍿ \u00a0\u200b_-'.,$€"
texts = st.text(st.sampled_from(TRICKY + "abcABC 012\n") | st.characters(exclude_categories=["Cs"]), max_size=60)


def found(quote: str, text: str) -> str | None:
    span = locate(quote, text)
    return text[slice(*span)] if span else None


def test_a_quote_is_found_whatever_its_case_white_space_and_punctuation() -> None:
    assert found("you are BOOKED for monday", "Fine:  You are “booked”\nfor Monday!") == "You are “booked”\nfor Monday"


def test_a_mark_covers_the_signs_that_belong_to_the_quote_and_no_others() -> None:
    assert found("$210 a night.", "It is $210 a night. Or more.") == "$210 a night."
    assert found("210 a night", "It is $210 a night. Or more.") == "210 a night"


def test_only_whole_words_are_found() -> None:
    assert locate("book", "You are booked, bookworm") is None
    assert found("book", "booked a book") == "book"


def test_an_empty_quote_is_found_nowhere() -> None:
    assert locate("", "words") is None
    assert locate("...", "words ...") is None


def test_words_are_found_in_their_full_width_form() -> None:
    assert found("room 42", "Ｒｏｏｍ　４２ is free") == "Ｒｏｏｍ　４２"


def test_the_mark_is_narrow_where_no_space_stands_around_the_quote() -> None:
    assert found("booked", '("booked")/cancelled') == "booked"
    assert found("部屋を", "はい、部屋を予約しました") == "部屋を"
    assert found("e\u0301te\u0301", "(\u00c9T\u00c9)...") == "\u00c9T\u00c9"
    assert found("각", "(\u1100\u1161\u11a8)") == "\u1100\u1161\u11a8"


def test_overlapping_quotes_of_two_goals_share_a_piece() -> None:
    assert segments("one two three four", [(0, "one two three"), (1, "two three four")]) == [
        Segment("one ", (0,), ()),
        Segment("two three", (0, 1), (0,)),
        Segment(" four", (1,), (1,)),
    ]


def test_overlapping_quotes_of_one_goal_make_one_mark() -> None:
    assert segments("one two three", [(0, "one two"), (0, "two three")]) == [Segment("one two three", (0,), (0,))]


def test_a_quote_that_does_not_stand_in_the_text_marks_nothing() -> None:
    assert segments("one two", [(0, "three")]) == [Segment("one two")]


def test_a_long_run_of_combining_marks_is_kept_whole() -> None:
    text = "a" + "\u0301\u0323" * 2_000
    assert "".join(piece.text for piece in segments(text + " b", [(0, "b")])) == text + " b"


@given(texts, st.lists(st.tuples(st.integers(0, 3), texts), max_size=4))
def test_the_pieces_joined_are_the_text(text: str, quoted: list[tuple[int, str]]) -> None:
    assert "".join(piece.text for piece in segments(text, quoted)) == text


@given(texts, st.data())
def test_pieces_of_real_quotes_joined_are_the_text(text: str, data: st.DataObject) -> None:
    slices = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda ends: text[min(ends) : max(ends)])
    quoted = data.draw(st.lists(st.tuples(st.integers(0, 3), slices), max_size=5))
    pieces = segments(text, quoted)
    assert "".join(piece.text for piece in pieces) == text
    assert {goal for goal, quote in quoted if quotes(quote, text)} == {goal for piece in pieces for goal in piece.ends}


@given(texts, texts, texts)
@example("", "ᄀ\u1161\u11a8", "")
@example("a\u0305\u0323", "b", "")
def test_what_is_grounded_is_found_and_what_is_found_is_grounded(before: str, quote: str, after: str) -> None:
    text = before + quote + after
    span = locate(quote, text)
    assert (span is not None) == quotes(quote, text)
    if span:
        assert quotes(quote, text[slice(*span)]), unicodedata.normalize("NFKC", text)


@given(texts)
@example("㈀")
def test_every_word_of_a_text_is_found_in_it(text: str) -> None:
    for word in text.split():
        assert (locate(word, text) is not None) == quotes(word, text)
