"""Nothing that was said, asked or answered leaves the judge but through a verdict."""

import json
import logging
import traceback
from collections.abc import Iterator
from logging.handlers import BufferingHandler
from typing import Any
from uuid import UUID

import httpx
import httpx2
import pytest
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.testing import capture_logs

from goalline.domain.evaluation import JudgementFailed, JudgeUnavailable, Reason
from goalline.domain.goal import GoalInForce, Kind
from goalline.domain.transcript import Role, Turn
from goalline.judge import hearing, prompt, provider, reply
from goalline.settings import OutputMode
from tests.judge import endpoint as scripts
from tests.judge.endpoint import Answer, Endpoint, completion, error

SECRET = "xyzzyplugh"
GOALS = [GoalInForce(UUID(int=1), 1, f"Name {SECRET}", f"Description {SECRET}", Kind.PRIMARY)]
TURNS = [Turn(role=Role.USER, text=f"My code is {SECRET}.")]

UNGROUNDED = scripts.reply(scripts.verdict("g1", quote=SECRET, turn=9), scripts.verdict(SECRET, quote=SECRET))
ENDINGS: dict[str, Answer] = {
    "ungrounded": completion(UNGROUNDED),
    "no json": completion(f"{SECRET} {{"),
    "wrong form": completion(json.dumps({"verdicts": [{SECRET: SECRET}], SECRET: 1})),
    "refusal": completion(None, message={"refusal": SECRET}),
    "filter": completion(SECRET, "content_filter"),
    "cut": completion(SECRET, "length"),
    "html": httpx.Response(200, html=SECRET),
    "broken json": httpx.Response(200, content=b'{"' + SECRET.encode(), headers={"content-type": "application/json"}),
    "no choices": completion(choices=[], system_fingerprint=SECRET),
    "error with 200": httpx.Response(200, json={"error": {"code": SECRET, "message": SECRET}}),
    "bad request": error(400, SECRET, f"Invalid content: {SECRET}", x_request_id=SECRET),
    "unauthorized": error(401, message=f"Incorrect API key provided: sk-{SECRET}"),
    "rate limit": error(429, SECRET, SECRET, retry_after="1000"),
    "server error": httpx.Response(500, html=SECRET),
    "time-out": httpx2.ReadTimeout,
    "dropped connection": httpx2.ReadError,
}


@pytest.fixture
def heard(endpoint: Endpoint, caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Listen to every logger there is, at every level, from above and at its own door."""
    endpoint.answers(completion())
    endpoint.judge().judge(scripts.GOALS, scripts.TURNS)  # the libraries' loggers exist from here on
    names = list(logging.root.manager.loggerDict)
    levels = {name: logging.getLogger(name).level for name in names}
    caplog.set_level(logging.DEBUG)
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield caplog
    for name in names:
        logging.getLogger(name).setLevel(levels[name])


def ending(endpoint: Endpoint, **options: Any) -> JudgementFailed | JudgeUnavailable:
    try:
        endpoint.judge(api_key=f"sk-{SECRET}", patience=1, **options).judge(GOALS, TURNS)
    except (JudgementFailed, JudgeUnavailable) as raised:
        return raised
    raise AssertionError("the judgement did not fail")


def assert_silent(
    raised: JudgementFailed | JudgeUnavailable,
    heard: pytest.LogCaptureFixture,
    captured: pytest.CaptureFixture[str],
) -> None:
    assert (raised.__cause__, raised.__context__) == (None, None)
    told = [str(raised), repr(raised), repr(raised.args), repr(raised.effort), *traceback.format_exception(raised)]
    logged = [f"{record.getMessage()} {record.__dict__} {record.exc_text}" for record in heard.records]
    for text in [*told, *logged, heard.text, *captured.readouterr()]:
        assert SECRET not in text


@pytest.mark.parametrize("mode", OutputMode)
@pytest.mark.parametrize("case", ENDINGS)
def test_a_failure_tells_and_logs_nobody_s_words(
    endpoint: Endpoint,
    heard: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    case: str,
    mode: OutputMode,
) -> None:
    endpoint.answers(ENDINGS[case])
    assert_silent(ending(endpoint, output_mode=mode), heard, capsys)


@pytest.mark.parametrize("place", [(prompt, "_goal"), (reply, "ungrounded"), (provider, "Usage")])
def test_a_bug_is_logged_by_its_kind_and_place_alone(
    endpoint: Endpoint,
    heard: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    place: tuple[Any, str],
) -> None:
    def broken(*_: object) -> None:
        raise LookupError(SECRET)

    monkeypatch.setattr(*place, broken)
    endpoint.answers(completion())
    with capture_logs() as lines:
        raised = ending(endpoint)
    assert isinstance(raised, JudgementFailed)
    assert raised.reason is Reason.INTERNAL_ERROR
    [line] = lines
    assert (line["event"], line["log_level"]) == ("judgement_broke", "error")
    assert line["error"] == f"LookupError at {__file__}:{broken.__code__.co_firstlineno + 1}"
    assert SECRET not in str(lines)
    assert_silent(raised, heard, capsys)


def test_a_bug_is_logged_with_the_ids_that_are_bound_around_the_judgement(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt, "_goal", None)
    endpoint.answers(completion())
    with bound_contextvars(evaluation_id="an-id"), capture_logs(processors=[merge_contextvars]) as lines:
        ending(endpoint)
    assert [line["evaluation_id"] for line in lines] == ["an-id"]


def test_a_thread_keeps_nothing_of_the_conversation_it_judged(endpoint: Endpoint) -> None:
    endpoint.answers(completion())
    endpoint.judge().judge(scripts.GOALS, scripts.TURNS)
    with pytest.raises(LookupError):
        hearing.current()


@pytest.mark.parametrize("name", ["instructor", "openai", "httpx2", "httpcore2"])
def test_a_logger_that_comes_later_reaches_nobody_above_either(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    above = BufferingHandler(capacity=100)
    monkeypatch.setattr(logging.root, "handlers", [above])
    endpoint.answers(completion())
    endpoint.judge().judge(scripts.GOALS, scripts.TURNS)
    logging.getLogger(f"{name}.later").error(SECRET)
    logging.getLogger(f"{name}.loud").setLevel(logging.DEBUG)
    logging.getLogger(f"{name}.loud").debug(SECRET)
    assert above.buffer == []
    assert SECRET not in str(capsys.readouterr())
