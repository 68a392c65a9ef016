"""Text: folding to one line, the words of a text, and quotes compared with what was said."""

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from goalline.domain.text import Line, Text, fold_lines, quotes, storable, words

LINE: TypeAdapter[str] = TypeAdapter(Line)
TEXT: TypeAdapter[str] = TypeAdapter(Text)
ANY_TEXT = st.text(st.characters(), max_size=40)
BREAKS = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("line_break", BREAKS)
def test_every_kind_of_line_break_becomes_a_space(line_break: str) -> None:
    assert fold_lines(f"one{line_break}two") == "one two"


def test_several_line_breaks_become_one_space_and_the_ends_are_trimmed() -> None:
    assert fold_lines("\n one\r\n\u2029\ntwo \n") == "one two"


@given(st.lists(st.text() | st.sampled_from(BREAKS)).map("".join))
def test_a_folded_text_is_one_line(text: str) -> None:
    assert len(fold_lines(text).splitlines()) <= 1


def test_words_lose_case_punctuation_and_odd_white_space() -> None:
    assert words("  Yes,\tI'd LIKE to -- book_it\u00a0now! ") == "yes i d like to book it now"


@pytest.mark.parametrize(
    ("typographic", "plain"),
    [("don’t", "don't"), ("ﬁne", "fine"), ("１２", "12"), ("Straße", "STRASSE"), ("re\u0301sume\u0301", "résumé")],
)
def test_typographic_variants_compare_equal_to_their_plain_forms(typographic: str, plain: str) -> None:
    assert words(typographic) == words(plain)


def test_greek_in_capitals_compares_equal_to_greek_in_small_letters() -> None:
    said = "Με λένε Μαΐου και ΐ"
    assert quotes(said.upper(), said)


@pytest.mark.parametrize(("one", "other"), [("की", "का"), ("ที่", "ทำ"), ("résumé", "resume")])
def test_words_that_differ_in_their_vowel_signs_are_different_words(one: str, other: str) -> None:
    assert words(one) != words(other)


def test_a_quote_from_the_middle_of_a_sentence_without_spaces_holds() -> None:
    assert quotes("已经预约了", "好的我已经预约了谢谢")


@given(ANY_TEXT)
def test_a_text_with_a_word_in_it_quotes_itself(text: str) -> None:
    assert quotes(text, text) == bool(words(text))


@given(ANY_TEXT)
def test_canonically_equivalent_texts_have_the_same_words(text: str) -> None:
    assert words(unicodedata.normalize("NFD", text)) == words(text)


@pytest.mark.parametrize("empty", ["", "   ", "...", "—?!", "_"])
def test_a_quote_without_words_stands_nowhere(empty: str) -> None:
    assert not quotes(empty, "I would like to book a table ... —?! _")
    assert not quotes(empty, "")


@pytest.mark.parametrize("part", ["cat", "category ever", "the cat", "ever", "x category"])
def test_a_quote_holds_in_whole_words_only(part: str) -> None:
    assert not quotes(part, "In the category everyone")


def test_a_quote_holds_in_the_order_it_was_said_only() -> None:
    assert quotes("a table for two", "I want a table, for TWO.")
    assert not quotes("for two a table", "I want a table, for TWO.")
    assert not quotes("a table two", "I want a table, for TWO.")


@pytest.mark.parametrize("unstorable", ["\x00", "\udfff"])
def test_text_that_a_database_would_refuse_is_refused(unstorable: str) -> None:
    with pytest.raises(ValidationError, match="NUL characters or lone surrogates"):
        TEXT.validate_python(f"a{unstorable}b")
    assert storable(f"a{unstorable}b") == "ab"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_any_other_text_is_kept_as_it_is(text: str) -> None:
    assert TEXT.validate_python(text) == text
    assert storable(text) == text


@pytest.mark.parametrize("control", [*BREAKS, "\x00", "\t", "\x1b", "\x7f", "\ud800"])
def test_a_line_holds_no_control_character(control: str) -> None:
    with pytest.raises(ValidationError):
        LINE.validate_python(f"a{control}b")


def test_a_line_has_1_to_255_characters_between_its_ends() -> None:
    assert LINE.validate_python(f"  {'x' * 255}  ") == "x" * 255
    for wrong in ("", "   ", "x" * 256):
        with pytest.raises(ValidationError):
            LINE.validate_python(wrong)


@given(ANY_TEXT, ANY_TEXT)
def test_texts_that_quote_each_other_have_the_same_words(one: str, other: str) -> None:
    assume(words(one))
    assert (quotes(one, other) and quotes(other, one)) == (words(one) == words(other))
