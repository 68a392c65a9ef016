"""Expressions: what is refused when options are saved, and that no body makes the others fail, slow or large."""

import time
import warnings
from typing import Any

import jmespath.functions  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from goalline.domain.platforms.custom.expression import Expression, Reading, holds
from tests.domain.platforms.bodies import ANY_JSON

EXPRESSION: TypeAdapter[str] = TypeAdapter(Expression)


def refusal(text: str) -> str:
    with pytest.raises(ValidationError) as refused:
        EXPRESSION.validate_python(text)
    [error] = refused.value.errors()
    return error["msg"].removeprefix("Value error, ")


def found(text: str, within: Any) -> Any:
    return Reading().find(EXPRESSION.validate_python(text), within, "field")


def failure(text: str, within: Any) -> str:
    with pytest.raises(ValidationError) as failed:
        found(text, within)
    [error] = failed.value.errors()
    assert error["loc"] == ("field",)
    return error["msg"]


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("call.id", "c1"),
        ("call.nothing.at.all", None),
        ("turns[?who == 'human' && said].said | [0]", "Hi"),
        ("turns[].{a: who, b: said} | length(@)", 3),
        ("not_null(call.agent, call.id)", "c1"),
        ("sort_by(turns, &at)[0].at", 1),
        ("map(&who, turns)", ["bot", "human", "bot"]),
        ("call.live || call.id", "c1"),
    ],
)
def test_an_expression_finds_what_jmespath_finds(text: str, result: Any) -> None:
    turns = [{"who": "bot", "said": "Hello", "at": 2}, {"who": "human", "said": "Hi", "at": 1}, {"who": "bot", "at": 3}]
    assert found(text, {"call": {"id": "c1", "live": False}, "turns": turns}) == result


@pytest.mark.parametrize("text", ["", " ", "a[", "a..b", "a b", "'open", "a[?b==`{x`]", "!" * 200, "-", "[0" * 80, "#"])
def test_what_is_no_jmespath_is_refused_when_it_is_saved(text: str) -> None:
    assert refusal(text).startswith(f"{text!r} is no JMESPath expression")


@pytest.mark.parametrize("text", ["a[?b==`{x`]", "`word`", "a == ` word`"])
def test_what_is_no_json_between_backticks_is_refused_where_python_does_not_warn(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "is no JMESPath expression" in refusal(text)
        assert EXPRESSION.validate_python('a == `"word"`')
        assert EXPRESSION.validate_python("a == '`word`'")
        assert EXPRESSION.validate_python("a == `1`")


def test_the_refusal_says_where_an_expression_goes_wrong() -> None:
    assert refusal("call.id]") == (
        "'call.id]' is no JMESPath expression from character 8 on; "
        "correct it, for instance by trying it at jmespath.org"
    )


def test_nesting_as_deep_as_the_stack_is_refused_like_any_other_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_deep(_expression: str) -> None:
        raise RecursionError

    assert EXPRESSION.validate_python("(" * 100 + "a" + ")" * 100)
    monkeypatch.setattr("jmespath.compile", too_deep)
    assert "'a' is no JMESPath expression;" in refusal("a")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x" * 257, "'" + "x" * 40 + "'... has 257 characters; shorten the expression to 256 or fewer"),
        (".".join("a" * 50), "has 51 parts; shorten the expression to 50 or fewer"),
        ("nope(a)", "calls nope(), which JMESPath does not have; it has abs, avg, "),
        ("length()", "calls length() with 0 values; it takes 1"),
        ("a[?length(@, b)]", "calls length() with 2 values; it takes 1"),
        ("not_null()", "calls not_null() with 0 values; it takes at least 1"),
        ("sort_by(a, b)", "calls sort_by(), whose value 2 needs & before it"),
        ("to_array(&a)", "calls to_array(), whose value 1 takes no & before it"),
        ("{a: &b}", "has an & outside of a function; leave it out"),
        ("&a", "has an & outside of a function; leave it out"),
        ("a[::0]", "has a slice that goes on by 0"),
        ("to_string(a)", "calls to_string(), which can make texts of any length; leave it out: what is no text is"),
        ("join(' ', a)", "calls join(), which can make texts of any length; leave it out: texts in a list are joined"),
        ("contains(`[1, 2]`, a)", "has a list or an object between backticks; compare with one value at a time"),
        ("`{}`", "has a list or an object between backticks"),
        ("[@,@]|[@,@]|[@,@]|[@,@]|[@,@]", "makes up to 32 values of one; leave out some of what stands in brackets"),
        ("{" + ",".join(f"k{n}: @" for n in range(17)) + "}", "makes up to 17 values of one"),
        ('a."\\ud800"', None),
        ("'\x00'", "has NUL characters or lone surrogates; remove them"),
        ("'\ud800'", "has NUL characters or lone surrogates; remove them"),
    ],
)
def test_what_could_fail_or_grow_on_a_body_is_refused_when_it_is_saved(text: str, why: str | None) -> None:
    if why:
        assert why in refusal(text)
    else:
        EXPRESSION.validate_python(text)


@pytest.mark.parametrize("text", ["x" * 256, ".".join("a" * 49), "{" + ",".join(f"k{n}: @" for n in range(16)) + "}"])
def test_what_just_keeps_the_limits_is_saved(text: str) -> None:
    assert EXPRESSION.validate_python(text) == text


def test_every_function_of_jmespath_is_either_checked_or_refused() -> None:
    for name, function in jmespath.functions.Functions.FUNCTION_TABLE.items():
        values = ", ".join("&a" if each["types"] == ["expref"] else "a" for each in function["signature"])
        if name in ("join", "to_string"):
            assert "leave it out" in refusal(f"{name}({values})")
        else:
            EXPRESSION.validate_python(f"{name}({values})")


@pytest.mark.parametrize(
    ("text", "within"),
    [
        ("'a' < `1`", None),
        ("ceil(to_number('inf'))", None),
        ("floor(to_number('nan'))", None),
        ("contains('abc', `1`)", None),
        ("avg(@)", [10**400, 1.5]),
        ("a == b", {"a": nested(100_000), "b": nested(100_000)}),
    ],
)
def test_errors_of_python_itself_name_the_expression_and_the_field(text: str, within: Any) -> None:
    assert failure(text, within) == f"{text!r} cannot be evaluated on this body"


def test_a_value_of_the_wrong_type_is_named_by_its_type_and_never_shown() -> None:
    assert failure("length(a)", {"a": 4711}) == "'length(a)': length() was given number, not string or array or object"
    assert failure("sum(a)", {"a": ["secret"]}) == "'sum(a)': sum() was given str, not array-number"


DIFFICULT = [
    "[*].[@,@,@,@,@,@,@,@,@,@,@,@,@,@,@,@][]",
    "[@,@,@,@][].[@,@,@,@][][][]",
    "map(&map(&map(&@, @), @), @)",
    "[?[?[?[?[?@]]]]]",
    "sort_by(@, &length(@))",
    "[*][*].[@,@,@,@][].[@,@,@,@][]",
    "[?contains(@, @) && contains(@, @) && contains(@, @)]",
]


@pytest.mark.parametrize("text", DIFFICULT)
@pytest.mark.parametrize("wide", [[["a"] * 20] * 20_000, [["a"] * 2_000] * 200, ["a" * 20] * 400_000], ids=len)
def test_no_expression_that_can_be_saved_takes_more_than_seconds(text: str, wide: list[Any]) -> None:
    started = time.process_time()
    try:
        found(text, wide)
    except ValidationError as error:
        assert "too large for the expressions" in str(error) or "was given" in str(error)  # noqa: PT017
    assert time.process_time() - started < 5


def test_all_expressions_on_one_body_share_one_allowance() -> None:
    reading, body = Reading(), ["a"] * 100_000
    for _ in range(4):
        reading.find("@", body, "field")
    with pytest.raises(ValidationError, match="'@': this body is too large for the expressions"):
        reading.find("@", body, "field")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("said", "said"),
        (None, None),
        (["Hello,", "Dana."], "Hello, Dana."),
        ([], ""),
        ({"slot": "10:30", "ü": [1]}, '{"slot": "10:30", "ü": [1]}'),
        (["a", 1], '["a", 1]'),
        (True, "true"),
        (4.5, "4.5"),
    ],
)
def test_a_text_is_made_of_whatever_is_found(value: Any, text: str | None) -> None:
    assert Reading().text("a", {"a": value}, "field") == text


@pytest.mark.parametrize("value", [nested(100_000), ["x" * 1_000] * 5_000, [10**4300]], ids=["deep", "large", "number"])
def test_what_is_too_large_or_too_deep_to_be_a_text_is_named(value: Any) -> None:
    with pytest.raises(ValidationError, match="'a' finds what is too large or too deep"):
        Reading().text("a", {"a": value}, "field")


@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_a_condition_does_not_hold_for_what_jmespath_takes_for_false(value: Any) -> None:
    assert not holds(value)
    assert found("@ && 'yes'", value) != "yes"


@pytest.mark.parametrize("value", [0, 0.0, True, " ", [None], {"a": None}])
def test_a_condition_holds_for_all_else(value: Any) -> None:
    assert holds(value)
    assert found("@ && 'yes'", value) == "yes"


PIECES = [
    "a",
    "b",
    "@",
    "*",
    ".",
    "[",
    "]",
    "[]",
    "[?",
    "(",
    ")",
    "{",
    "}",
    ":",
    ",",
    "|",
    "||",
    "&&",
    "&",
    "!",
    "==",
    "<",
]
PIECES += [
    "'x'",
    "`1`",
    "`x`",
    "`",
    "0",
    "-1",
    "length(",
    "sort_by(",
    "merge(",
    "to_number(",
    "ceil(",
    '"',
    "\\",
    "\ud800",
    " ",
]


@given(st.text(max_size=20) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join), ANY_JSON)
def test_any_text_is_saved_or_refused_and_what_is_saved_finds_or_fails_by_name(text: str, within: Any) -> None:
    try:
        EXPRESSION.validate_python(text)
    except ValidationError:
        return
    try:
        Reading().text(text, within, "field")
    except ValidationError as error:
        assert error.errors()[0]["loc"] == ("field",)  # noqa: PT017
