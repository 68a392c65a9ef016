"""What a provider's errors become: a reason that a person understands, without asking in vain."""

from typing import Any

import httpx
import pytest

from goalline.domain.evaluation import Reason, Usage
from goalline.judge.llm import LlmJudge
from goalline.settings import OutputMode
from tests.judge.endpoint import GOALS, TURNS, Endpoint, completion, error, failed, unavailable

TOO_LONG = [
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "prompt is too long: 208310 tokens > 200000 maximum",
    "the request exceeds the available context size, try increasing it",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
    "Please reduce the length of the messages or completion.",
    "Input is too long for requested model.",
    "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
]
FILTERED = [
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
    "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
    "Output data may contain inappropriate content: data_inspection_failed",
]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, Reason.BAD_REQUEST),
        (401, Reason.UNAUTHORIZED),
        (403, Reason.FORBIDDEN),
        (404, Reason.NOT_FOUND),
        (405, Reason.NOT_FOUND),
        (413, Reason.TOO_LONG),
        (422, Reason.BAD_REQUEST),
        (451, Reason.BAD_REQUEST),
    ],
)
def test_an_error_that_would_come_again_fails_at_once(endpoint: Endpoint, status: int, reason: Reason) -> None:
    endpoint.answers(error(status, "some_code", "Some words."))
    assert failed(endpoint.judge()).reason is reason
    assert (len(endpoint.requests), endpoint.slept) == (1, [])


def test_a_failure_before_any_answer_has_used_nothing(endpoint: Endpoint) -> None:
    endpoint.answers(error(401))
    effort = failed(endpoint.judge()).effort
    assert (effort.model, effort.usage, effort.cost) == ("gpt-4o-mini", Usage(), None)


def test_a_context_length_code_means_too_long(endpoint: Endpoint) -> None:
    endpoint.answers(error(400, "context_length_exceeded"))
    assert failed(endpoint.judge()).reason is Reason.TOO_LONG


@pytest.mark.parametrize("message", TOO_LONG)
def test_every_provider_s_words_for_too_long_are_understood(endpoint: Endpoint, message: str) -> None:
    endpoint.answers(error(400, message=message))
    assert failed(endpoint.judge()).reason is Reason.TOO_LONG


def test_an_error_that_is_not_in_the_usual_envelope_is_understood(endpoint: Endpoint) -> None:
    body = {"object": "error", "message": TOO_LONG[0], "type": "BadRequestError", "code": 400}
    endpoint.answers(httpx.Response(400, json=body))
    assert failed(endpoint.judge()).reason is Reason.TOO_LONG


def test_a_request_over_the_whole_rate_limit_is_too_long_and_not_waited_for(endpoint: Endpoint) -> None:
    endpoint.answers(error(429, "rate_limit_exceeded", "Request too large for gpt-4o on tokens per min: Limit 10."))
    assert failed(endpoint.judge()).reason is Reason.TOO_LONG


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 100000. This model supports at most 16384 completion tokens.",
        "Invalid schema for response_format 'verdicts': In context=(), 'additionalProperties' is required.",
    ],
)
def test_other_bad_requests_are_not_taken_for_too_long(endpoint: Endpoint, message: str) -> None:
    endpoint.answers(error(400, message=message))
    assert failed(endpoint.judge()).reason is Reason.BAD_REQUEST


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        (None, "Could not finish the message because max_tokens or model output limit was reached.", Reason.TRUNCATED),
        ("json_validate_failed", "Failed to generate JSON. Please adjust your prompt.", Reason.INVALID_ANSWER),
    ],
)
def test_a_bad_answer_that_a_provider_reports_as_a_bad_request_is_named_for_what_it_is(
    endpoint: Endpoint, code: str | None, message: str, reason: Reason
) -> None:
    endpoint.answers(error(400, code, message))
    assert failed(endpoint.judge()).reason is reason


def test_a_content_filter_code_means_the_content_filter(endpoint: Endpoint) -> None:
    endpoint.answers(error(400, "content_filter"))
    assert failed(endpoint.judge()).reason is Reason.CONTENT_FILTER


@pytest.mark.parametrize("message", FILTERED)
def test_every_provider_s_words_for_a_filter_are_understood(endpoint: Endpoint, message: str) -> None:
    endpoint.answers(error(400, message=message))
    assert failed(endpoint.judge()).reason is Reason.CONTENT_FILTER


@pytest.mark.parametrize("mode", OutputMode)
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (completion(None, message={"refusal": "I cannot help with that."}), Reason.REFUSED),
        (completion("", "refusal"), Reason.REFUSED),
        (completion("", "content_filter"), Reason.CONTENT_FILTER),
        (completion(choices=[{"index": 0, "finish_reason": "content_filter"}]), Reason.CONTENT_FILTER),
        (completion('{"verdicts": [', "length"), Reason.TRUNCATED),
        (completion('{"verdicts": [', "max_tokens"), Reason.TRUNCATED),
    ],
    ids=["refusal", "refused finish", "filter", "filter without message", "length", "max tokens"],
)
def test_a_refused_filtered_or_cut_answer_is_counted_and_not_asked_for_again(
    endpoint: Endpoint, mode: OutputMode, answer: httpx.Response, reason: Reason
) -> None:
    endpoint.answers(answer)
    failure = failed(endpoint.judge(output_mode=mode))
    assert (failure.reason, failure.effort.usage, len(endpoint.requests)) == (reason, Usage(1, 100, 10), 1)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (401, Reason.UNAUTHORIZED),
        ("404", Reason.NOT_FOUND),
        ("invalid_api_key", Reason.UNAUTHORIZED),
        ("context_length_exceeded", Reason.TOO_LONG),
        ("content_filter", Reason.CONTENT_FILTER),
    ],
)
def test_an_error_object_with_status_200_counts_as_the_error_it_names(
    endpoint: Endpoint, code: object, reason: Reason
) -> None:
    endpoint.answers(httpx.Response(200, json={"error": {"code": code, "message": "Some words."}}))
    assert failed(endpoint.judge()).reason is reason
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("error_object", [{"code": 502}, {"code": None, "message": "Oops."}, {"code": 7}, "Oops.", [1]])
def test_an_error_object_that_names_nothing_lasting_is_waited_out(endpoint: Endpoint, error_object: Any) -> None:
    endpoint.answers(httpx.Response(200, json={"error": error_object}), completion())
    assert len(endpoint.judge().judge(GOALS, TURNS).verdicts) == 2
    assert len(endpoint.slept) == 1


def test_an_error_inside_a_choice_counts_as_the_error_it_names(endpoint: Endpoint) -> None:
    broken = {"index": 0, "message": {"content": ""}, "finish_reason": "error", "error": {"code": 429}}
    endpoint.answers(completion(choices=[broken]), completion())
    endpoint.judge().judge(GOALS, TURNS)
    assert len(endpoint.slept) == 1


@pytest.mark.parametrize("quota", [error(429, "insufficient_quota"), error(402, message="Insufficient Balance")])
def test_an_empty_account_is_released_at_once(endpoint: Endpoint, quota: httpx.Response) -> None:
    endpoint.answers(quota)
    unavailable(endpoint.judge())
    assert (len(endpoint.requests), endpoint.slept) == (1, [])


def test_an_address_without_a_scheme_counts_as_not_found() -> None:
    assert failed(LlmJudge(model="m", base_url="llm.test/v1", patience=0)).reason is Reason.NOT_FOUND
