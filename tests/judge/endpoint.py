"""A scripted LLM endpoint for the judge's tests: it answers what the test says and keeps what it was asked."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
import respx

from goalline.domain.evaluation import JudgementFailed, JudgeUnavailable
from goalline.domain.goal import GoalInForce, Kind
from goalline.domain.transcript import Role, Turn
from goalline.judge.hearing import Clock
from goalline.judge.llm import LlmJudge

URL = "http://llm.test/v1"
NOW = 1_800_000_000.0
BOOKED = GoalInForce(UUID(int=1), 3, "Table booked", "A table was booked.", Kind.PRIMARY)
POLITE = GoalInForce(UUID(int=2), 1, "Polite", "The agent stayed polite.", Kind.SECONDARY)
GOALS = [BOOKED, POLITE]
TURNS = [
    Turn(role=Role.USER, text="A table for two on Friday, please."),
    Turn(role=Role.AGENT, text="Gladly! It is booked for Friday at eight."),
]

Answer = httpx.Response | type[Exception] | Callable[[Any], httpx.Response]
"""A response, an exception to raise, or a function from the request's body to a response."""


def verdict(goal: str, outcome: str = "achieved", turn: int = 2, quote: str = "It is booked") -> dict[str, Any]:
    """Return one verdict in the wire format; without a quote it has no evidence."""
    evidence = [{"turn": turn, "quote": quote}] if quote else []
    return {"goal": goal, "evidence": evidence, "rationale": "The agent says so.", "outcome": outcome}


def reply(*verdicts: dict[str, Any]) -> str:
    """Return a reply in the wire format: by default a good one to `GOALS`."""
    return json.dumps({"verdicts": verdicts or (verdict("g1"), verdict("g2", "partial", quote="Gladly"))})


GOOD = reply()
UNGROUNDED = reply(verdict("g1", quote="never said"), verdict("g2"))
INVALID = reply(verdict("g1"))


def completion(content: str | None = GOOD, finish: str = "stop", **fields: Any) -> httpx.Response:
    """Return an answer with status 200; each one has used 100 and 10 tokens."""
    message = {"role": "assistant", "content": content, "refusal": None} | fields.pop("message", {})
    body = {
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }
    return httpx.Response(200, json=body | fields)


def error(status: int, code: str | None = None, message: str = "", **headers: str) -> httpx.Response:
    """Return an error as providers send it; underscores in the names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"error": {"code": code, "message": message}}, headers=named)


class Endpoint:
    """The endpoint, and a clock in which sleeping takes no time of ours."""

    def __init__(self, route: respx.Route) -> None:
        self._route = route
        self.slept: list[float] = []
        self.seconds = 0.0

    def answers(self, *answers: Answer) -> None:
        """Answer with these, one call each; the last one for ever."""
        script = iter(answers)
        last = answers[-1]

        def next_answer(request: httpx.Request) -> httpx.Response:
            answer = next(script, last)
            if isinstance(answer, type):
                raise answer("no connection")
            if not isinstance(answer, httpx.Response):
                answer = answer(json.loads(request.content))
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

        self._route.mock(side_effect=next_answer)

    @property
    def requests(self) -> list[Any]:
        """The bodies of all calls so far."""
        return [json.loads(call.request.content) for call in self._route.calls]

    @property
    def headers(self) -> Any:
        """The headers of the last call."""
        return self._route.calls.last.request.headers

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.seconds += seconds

    def judge(self, **options: Any) -> LlmJudge:
        """Return a judge that asks this endpoint."""
        clock = Clock(self.sleep, lambda: self.seconds, lambda: NOW + self.seconds)
        return LlmJudge(**{"model": "gpt-4o-mini", "api_key": "sk-test", "base_url": URL, "clock": clock, **options})


@contextmanager
def scripted() -> Iterator[Endpoint]:
    """Run a scripted endpoint in place of the network."""
    # The SDK talks through httpx2, whose own transport has to be replaced: a plain `respx.mock` replaces httpx's.
    with respx.mock(using="httpcore2", assert_all_called=False) as router:
        yield Endpoint(router.post(f"{URL}/chat/completions"))


def failed(judge: LlmJudge, goals: Sequence[GoalInForce] = GOALS, turns: Sequence[Turn] = TURNS) -> JudgementFailed:
    """Return how a judgement failed, which it must."""
    try:
        judge.judge(goals, turns)
    except JudgementFailed as failure:
        return failure
    raise AssertionError("the judgement did not fail")


def unavailable(judge: LlmJudge) -> JudgeUnavailable:
    """Return how the judge was unavailable, which it must be."""
    try:
        judge.judge(GOALS, TURNS)
    except JudgeUnavailable as failure:
        return failure
    raise AssertionError("the judge was available")
