"""The judge asks a model in one call, checks what it answers, asks again, and counts what that took."""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier
from typing import Any

import httpx
import pytest
import respx

from goalline.domain.evaluation import Reason, Usage
from goalline.domain.transcript import Role, Turn
from goalline.domain.verdict import Evidence, Outcome
from goalline.judge.llm import LlmJudge
from goalline.judge.prices import Prices
from goalline.judge.prompt import shipped
from goalline.settings import OutputMode, Settings
from tests.judge import endpoint as scripts
from tests.judge.endpoint import BOOKED, GOALS, GOOD, INVALID, POLITE, TURNS, UNGROUNDED, Endpoint, completion, failed


def tool_call(arguments: Any) -> httpx.Response:
    call = {"id": "c1", "type": "function", "function": {"name": "verdicts", "arguments": arguments}}
    return completion(None, message={"refusal": "", "tool_calls": [call]})


def test_a_valid_answer_becomes_one_verdict_for_each_goal_in_the_order_of_the_goals(endpoint: Endpoint) -> None:
    swapped = scripts.reply(scripts.verdict("g2", "partial", quote="Gladly"), scripts.verdict("g1"))
    endpoint.answers(completion(swapped))
    first, second = endpoint.judge().judge(GOALS, TURNS).verdicts
    assert (first.goal_id, first.revision, first.kind) == (BOOKED.goal_id, BOOKED.revision, BOOKED.kind)
    assert (first.outcome, first.evidence) == (Outcome.ACHIEVED, [Evidence(turn=2, quote="It is booked")])
    assert (second.goal_id, second.outcome, second.rationale) == (POLITE.goal_id, "partial", "The agent says so.")


def test_a_conversation_takes_one_call_for_all_its_goals(endpoint: Endpoint) -> None:
    endpoint.answers(completion())
    endpoint.judge().judge(GOALS, TURNS)
    assert len(endpoint.requests) == 1


def test_the_effort_names_the_model_that_answered_and_the_prompt(endpoint: Endpoint) -> None:
    endpoint.answers(completion())
    effort = endpoint.judge().judge(GOALS, TURNS).effort
    assert (effort.model, effort.prompt_digest) == ("gpt-4o-mini-2024-07-18", shipped().digest)


def test_the_effort_names_the_configured_model_where_the_answer_names_none(endpoint: Endpoint) -> None:
    endpoint.answers(completion(model=None))
    assert endpoint.judge().judge(GOALS, TURNS).effort.model == "gpt-4o-mini"


def test_the_request_holds_the_model_to_a_strict_schema_and_nothing_else(endpoint: Endpoint) -> None:
    endpoint.answers(completion())
    endpoint.judge().judge(GOALS, TURNS)
    [request] = endpoint.requests
    assert set(request) == {"model", "messages", "response_format"}  # no cap on tokens, no temperature
    assert request["messages"] == shipped().render(GOALS, TURNS)
    assert request["response_format"]["type"] == "json_schema"
    assert request["response_format"]["json_schema"]["strict"] is True
    schema = request["response_format"]["json_schema"]["schema"]
    verdict = schema["properties"]["verdicts"]["items"]
    assert list(verdict["properties"]) == ["goal", "evidence", "rationale", "outcome"]
    evidence = verdict["properties"]["evidence"]["items"]
    for node in (schema, verdict, evidence):
        assert node["additionalProperties"] is False
        assert node["required"] == list(node["properties"])
    assert "$ref" not in json.dumps(schema)
    assert endpoint.headers["authorization"] == "Bearer sk-test"


def test_a_cap_on_output_tokens_is_sent_as_reasoning_models_take_it(endpoint: Endpoint) -> None:
    endpoint.answers(completion())
    endpoint.judge(max_output_tokens=5000).judge(GOALS, TURNS)
    assert endpoint.requests[0]["max_completion_tokens"] == 5000
    assert "max_tokens" not in endpoint.requests[0]


def test_braces_in_a_transcript_arrive_untouched(endpoint: Endpoint) -> None:
    endpoint.answers(completion())
    said = "{{ 7*7 }} {% x ${keys} $goals {0} %s"
    endpoint.judge().judge(GOALS, [*TURNS, Turn(role=Role.USER, text=said)])
    assert f"\n[3] user: {said}\n" in endpoint.requests[0]["messages"][1]["content"]


def test_an_invalid_answer_is_asked_again_with_what_was_wrong(endpoint: Endpoint) -> None:
    endpoint.answers(completion(INVALID), completion())
    assert len(endpoint.judge().judge(GOALS, TURNS).verdicts) == 2
    first, second = endpoint.requests
    answer, objection = second["messages"][len(first["messages"]) :]
    assert answer == {"role": "assistant", "content": INVALID}
    assert "goal g2 has no verdict" in objection["content"]


@pytest.mark.parametrize("content", ["no JSON", "", None, '{"verdicts": [{"goal": "g1"}]}', "[]", '{"verdicts": {}}'])
def test_an_answer_of_the_wrong_form_is_asked_again(endpoint: Endpoint, content: str | None) -> None:
    endpoint.answers(completion(content), completion())
    endpoint.judge().judge(GOALS, TURNS)
    assert len(endpoint.requests) == 2


def test_an_ungrounded_answer_is_asked_again_with_what_was_wrong(endpoint: Endpoint) -> None:
    endpoint.answers(completion(UNGROUNDED), completion())
    assert len(endpoint.judge().judge(GOALS, TURNS).verdicts) == 2
    assert "goal g1 quotes turn 2 with words that do not stand in it" in endpoint.requests[1]["messages"][-1]["content"]


def test_a_reask_stays_short_however_much_is_wrong(endpoint: Endpoint) -> None:
    endpoint.answers(completion(json.dumps({"verdicts": [{"x" * 5000: 1}] * 200})), completion())
    endpoint.judge().judge(GOALS, TURNS)
    assert len(endpoint.requests[1]["messages"][-1]["content"]) < 3000


def test_what_stays_ungrounded_after_three_calls_fails(endpoint: Endpoint) -> None:
    endpoint.answers(completion(UNGROUNDED))
    failure = failed(endpoint.judge())
    assert (failure.reason, len(endpoint.requests)) == (Reason.UNGROUNDED, 3)


@pytest.mark.parametrize("last", [INVALID, "no JSON"])
def test_what_stays_invalid_after_three_calls_fails(endpoint: Endpoint, last: str) -> None:
    endpoint.answers(completion(UNGROUNDED), completion(UNGROUNDED), completion(last))
    failure = failed(endpoint.judge())
    assert (failure.reason, len(endpoint.requests)) == (Reason.INVALID_ANSWER, 3)


@pytest.mark.parametrize(
    "answer",
    [
        completion(choices=[]),
        completion(choices=[{"index": 0, "message": None, "finish_reason": "stop"}]),
        httpx.Response(200, html="<h1>Just a moment</h1>"),
        httpx.Response(200, content=b"{cut", headers={"content-type": "application/json"}),
        httpx.Response(200, json=None),
        httpx.Response(200, json=["unexpected"]),
    ],
    ids=["no choices", "no message", "html", "broken json", "null", "list"],
)
def test_a_body_without_an_answer_is_asked_for_again_and_fails_in_the_end(
    endpoint: Endpoint, answer: httpx.Response
) -> None:
    endpoint.answers(answer, completion())
    endpoint.judge().judge(GOALS, TURNS)
    endpoint.answers(answer)
    assert failed(endpoint.judge()).reason is Reason.INVALID_ANSWER
    assert len(endpoint.requests) == 2 + 3


def test_tool_calls_are_strict_and_asked_again_too(endpoint: Endpoint) -> None:
    endpoint.answers(tool_call(UNGROUNDED), tool_call(GOOD))
    judgement = endpoint.judge(output_mode=OutputMode.TOOLS).judge(GOALS, TURNS)
    assert (len(judgement.verdicts), judgement.effort.usage.calls) == (2, 2)
    [tool] = endpoint.requests[0]["tools"]
    assert tool["function"]["strict"] is True
    assert endpoint.requests[0]["tool_choice"]["function"]["name"] == tool["function"]["name"]
    assert "response_format" not in endpoint.requests[0]


def test_a_fenced_answer_after_some_thought_passes_in_the_mode_for_it(endpoint: Endpoint) -> None:
    endpoint.answers(completion(f"<think>Well.</think>\nHere it is:\n```json\n{GOOD}\n```"))
    judge = endpoint.judge(output_mode=OutputMode.MD_JSON)
    assert len(judge.judge(GOALS, TURNS).verdicts) == 2
    rendered = shipped().render(GOALS, TURNS)
    assert all(sent["content"].startswith(own["content"])
               for sent, own in zip(endpoint.requests[0]["messages"], rendered, strict=True))  # fmt: skip


def test_text_in_parts_is_read_without_the_reasoning(endpoint: Endpoint) -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": GOOD}]
    endpoint.answers(completion(message={"content": parts}))
    assert len(endpoint.judge().judge(GOALS, TURNS).verdicts) == 2


def test_many_threads_share_one_judge_and_get_their_own_verdicts(endpoint: Endpoint) -> None:
    def quote_the_number(request: Any) -> httpx.Response:
        number = re.findall(r"number (\d+)", request["messages"][1]["content"])[0]
        wrong = len(request["messages"]) == 2  # each is asked again once
        quote = "nothing of the kind" if wrong else f"number {number}"
        return completion(scripts.reply(scripts.verdict("g1", turn=1, quote=quote)))

    endpoint.answers(quote_the_number)
    judge, together = endpoint.judge(concurrency=16), Barrier(16)

    def judged(number: int) -> Any:
        together.wait(30)
        return judge.judge([BOOKED], [Turn(role=Role.USER, text=f"number {number}")])

    with ThreadPoolExecutor(16) as pool:
        judgements = list(pool.map(judged, range(16)))
    assert [one.verdicts[0].evidence[0].quote for one in judgements] == [f"number {n}" for n in range(16)]
    assert {one.effort.usage for one in judgements} == {Usage(2, 200, 20)}


def test_the_libraries_are_not_imported_before_the_first_judgement() -> None:
    code = (
        "import sys; from goalline.judge.llm import LlmJudge; LlmJudge(model='m');"
        "print(sorted({'openai', 'instructor', 'httpx2', 'tenacity', 'genai_prices'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert shown.stdout.strip() == "[]"


def test_the_settings_describe_the_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " sk-from-the-environment\n")
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    monkeypatch.setenv("GOALLINE_PRICE_PER_MILLION", "0.25,2.00")
    judge = LlmJudge.from_settings(Settings(), concurrency=7)
    assert (judge.model, judge.api_key, judge.base_url) == (Settings().model, "sk-from-the-environment", None)
    assert (judge.concurrency, judge.prices) == (7, Prices((Decimal("0.25"), Decimal("2.00"))))
    assert "sk-" not in repr(judge)


def test_a_model_s_name_is_kept_in_a_form_that_every_database_takes(endpoint: Endpoint) -> None:
    endpoint.answers(completion(model="m\0" * 1000))
    assert endpoint.judge().judge(GOALS, TURNS).effort.model == "m" * 255


def test_an_empty_address_in_the_environment_means_openai_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    with respx.mock(using="httpcore2") as router:
        route = router.post("https://api.openai.com/v1/chat/completions").mock(return_value=completion())
        LlmJudge.from_settings(Settings(), concurrency=1).judge(GOALS, TURNS)
    assert route.called


def test_a_closed_judge_can_judge_again(endpoint: Endpoint) -> None:
    endpoint.answers(completion())
    judge = endpoint.judge()
    judge.judge(GOALS, TURNS)
    judge.close()
    assert len(judge.judge(GOALS, TURNS).verdicts) == 2
