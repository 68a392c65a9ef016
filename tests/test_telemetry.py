"""The log: structured lines that are bound to ids, with nothing in them that was said and no exception's words."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import structlog

from goalline.judge.stand_in import Fault, StandIn
from goalline.telemetry import configure_logs, log, place_of
from tests.running import conversation, environment, serving, wait_until

SECRET = "xyzzyplugh"
TALKATIVE = ("openai", "instructor", "httpx2", "httpcore2", "dramatiq", "uvicorn.access")

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root, names = logging.getLogger(), (*TALKATIVE, "httpx", "httpcore", "alembic")
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in names}
    configuration = structlog.get_config()
    root.handlers.clear()  # Else the test run's own would be closed.
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.configure(**configuration)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """The lines that were logged for machines since they were last looked at."""
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def fail(words: str = SECRET) -> None:
    try:
        raise KeyError(words)
    except KeyError as cause:
        raise ValueError(words) from cause


def test_a_line_for_machines_is_one_object_with_time_level_logger_and_event(lines: Lines) -> None:
    configure_logs("INFO", as_json=True)
    log("goalline.sample").info("evaluated", status="succeeded")
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "evaluated", "status": "succeeded", "level": "info", "logger": "goalline.sample"}


def test_a_line_is_bound_to_the_ids_of_its_logger_and_of_its_context(lines: Lines) -> None:
    configure_logs("INFO", as_json=True)
    evaluation_id, request_id = str(uuid4()), str(uuid4())
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        log("goalline.sample").bind(evaluation_id=evaluation_id).warning("released")
    (line,) = lines()
    assert (line["evaluation_id"], line["request_id"]) == (evaluation_id, request_id)


def test_a_librarys_lines_look_like_our_own(lines: Lines) -> None:
    configure_logs("INFO", as_json=True)
    logging.getLogger("a.library").warning("%d connections lost\nin two lines", 3)
    (line,) = lines()
    assert line["event"] == "3 connections lost\nin two lines"
    assert (line["level"], line["logger"]) == ("warning", "a.library")


def test_a_line_for_people_is_one_line_without_colours_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", as_json=False)
    log("goalline.sample").info("evaluated", evaluation_id="an-id")
    (line,) = capsys.readouterr().err.splitlines()
    assert "\x1b" not in line
    assert "evaluated" in line
    assert "evaluation_id=an-id" in line


def test_results_and_log_lines_do_not_mix(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", as_json=True)
    log("goalline.sample").info("evaluated")
    assert capsys.readouterr().out == ""


def test_what_is_less_severe_than_the_level_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("warning", as_json=True)
    log("goalline.sample").info("quiet")
    log("goalline.sample").warning("loud")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["loud"]


@pytest.mark.parametrize("library", TALKATIVE)
def test_a_library_that_could_print_prompts_is_not_heard_below_warning(
    capsys: pytest.CaptureFixture[str], library: str
) -> None:
    configure_logs("DEBUG", as_json=True)
    for name in (library, f"{library}.inner"):
        logging.getLogger(name).info(SECRET)
        logging.getLogger(name).debug(SECRET)
    assert capsys.readouterr().err == ""


def by_the_standard_library() -> None:
    logging.getLogger("a.library").exception("it broke")  # noqa: LOG004 - it is called in one


def by_structlog() -> None:
    log("goalline.sample").exception("it broke")


def by_structlog_with_the_exception(error: BaseException | None = None) -> None:
    log("goalline.sample").error("it broke", exc_info=error or True)


@pytest.mark.parametrize("as_json", [True, False], ids=["for machines", "for people"])
@pytest.mark.parametrize("told", [by_the_standard_library, by_structlog, by_structlog_with_the_exception])
def test_of_an_exception_only_its_kind_and_place_are_told(
    capsys: pytest.CaptureFixture[str], told: Callable[[], None], as_json: bool
) -> None:
    configure_logs("INFO", as_json=as_json)
    try:
        fail()
    except ValueError:
        told()
    (line,) = capsys.readouterr().err.splitlines()
    assert f"it broke [ValueError at {__file__}:{fail.__code__.co_firstlineno + 4}]" in line
    assert SECRET not in line
    assert "Traceback" not in line


def test_an_exception_that_is_handed_over_later_keeps_its_words_too(lines: Lines) -> None:
    configure_logs("INFO", as_json=True)
    with pytest.raises(ValueError, match=SECRET) as raised:
        fail()
    by_structlog_with_the_exception(raised.value)
    by_structlog_with_the_exception(ValueError(SECRET))
    placed, unplaced = (line["event"] for line in lines())
    assert placed.startswith("it broke [ValueError at ")
    assert unplaced == "it broke [ValueError]"
    assert SECRET not in placed


def test_the_place_of_an_error_is_its_kind_its_file_and_its_line() -> None:
    with pytest.raises(ValueError, match=SECRET) as raised:
        fail()
    assert place_of(raised.value) == f"ValueError at {__file__}:{fail.__code__.co_firstlineno + 4}"


def test_an_error_that_was_never_raised_has_a_kind_alone() -> None:
    assert place_of(ValueError(SECRET)) == "ValueError"


def test_without_an_exception_there_is_nothing_to_tell(lines: Lines) -> None:
    configure_logs("INFO", as_json=True)
    log("goalline.sample").error("it broke", exc_info=True)
    assert lines()[0]["event"] == "it broke"


@pytest.fixture(scope="module")
def served_log(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], str, dict[str, str]]:
    """The log of `goalline serve` at its most talkative; the key in use; two evaluations and how they ended."""
    folder, ended = tmp_path_factory.mktemp("served"), {}
    with StandIn() as model:
        options = {"GOALLINE_LOG_FORMAT": "json", "GOALLINE_LOG_LEVEL": "DEBUG", "OPENAI_API_KEY": f"sk-{SECRET}"}
        with serving(environment(OPENAI_BASE_URL=model.url, **options), folder) as running:
            running.post("/v1/goals", {"name": "Taxi", "description": f"Ordered {SECRET}.", "kind": "primary"})
            for number, faults in enumerate(([Fault(body=f"{SECRET} is no JSON", repeat=True)], [])):
                model.script(faults)
                said = [{"role": "user", "text": f"My code is {SECRET}."}]
                receipt = running.post("/v1/conversations", conversation(number, transcript=said))
                path, end = f"/v1/conversations/sample-{number}", ("succeeded", "failed")
                wait_until(lambda: running.get(path)["evaluations"][0]["status"] in end)  # noqa: B023
                ended[receipt["evaluation"]["id"]] = running.get(path)["evaluations"][0]["status"]
            for forged in ({"transcript": SECRET}, [SECRET], conversation(3, metadata={"x": "\x00" + SECRET})):
                assert running.client.post("/v1/conversations", json=forged).status_code == 422
            bad_key = {"Authorization": f"Bearer gl_{SECRET}"}
            assert running.client.get("/v1/goals", headers=bad_key).status_code == 401
            key = running.key
    logged = [line for line in (folder / "serve.log").read_text().splitlines() if line.startswith("{")]
    return [json.loads(line) for line in logged], key, ended


def test_what_was_said_and_the_keys_are_not_in_the_log(
    served_log: tuple[list[dict[str, Any]], str, dict[str, str]],
) -> None:
    logged, key, _ = served_log
    assert logged
    assert SECRET not in json.dumps(logged)
    assert key.split("_", 2)[2] not in json.dumps(logged)


def test_each_evaluation_ends_in_a_line_with_its_id(
    served_log: tuple[list[dict[str, Any]], str, dict[str, str]],
) -> None:
    logged, _, ended = served_log
    assert sorted(ended.values()) == ["failed", "succeeded"]
    assert {line["evaluation_id"]: line["status"] for line in logged if line["event"] == "evaluated"} == ended
