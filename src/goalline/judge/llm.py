"""The judge that asks an LLM: any model behind an OpenAI-compatible endpoint."""

import logging
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Self

from goalline.domain.evaluation import Effort, Judgement, JudgementFailed, JudgeUnavailable, Reason
from goalline.domain.goal import GoalInForce
from goalline.domain.transcript import Turn
from goalline.domain.verdict import Reply, Verdict
from goalline.judge.failure import Failure
from goalline.judge.gate import Gate
from goalline.judge.hearing import Clock, Hearing
from goalline.judge.prices import Prices
from goalline.judge.prompt import keys, shipped
from goalline.settings import OutputMode, Settings
from goalline.telemetry import log, metrics, place_of

if TYPE_CHECKING:
    from goalline.judge.provider import Provider
    from goalline.judge.reply import Asker

_log = log(__name__)

# What these libraries log is made of prompts, answers and headers.
_TALKATIVE = ("instructor", "openai", "httpx2", "httpcore2")


@dataclass(kw_only=True, eq=False)
class LlmJudge:
    """Judges by one call of a model for each conversation; made for many threads at once.

    Connections and the libraries behind them cost more than a second of CPU and some 100 MB, so they are made by
    the first judgement and not before: a process that only serves HTTP never pays for them.

    Attributes:
        model: The name of the model at the endpoint.
        api_key: The key for the endpoint; None for one that wants none.
        base_url: The endpoint's address; None for OpenAI's own.
        output_mode: How the model is held to the schema of the reply.
        max_output_tokens: Cap on output tokens, sent as `max_completion_tokens`: reasoning models refuse the older
            `max_tokens`. A server that knows only that one ignores or refuses ours; cap it there, and set None here.
        timeout: Longest wait for one answer, in seconds.
        patience: Most seconds that one judgement loses to calls that fail and to waiting after them.
        concurrency: How many judgements run at once; as many connections are kept.
        prices: What tokens cost.
        clock: The time to go by.
        gate: How many calls run at once, and when; `concurrency` at most, without a gate of its own.
    """

    model: str
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = field(default=None, repr=False)
    output_mode: OutputMode = OutputMode.JSON_SCHEMA
    max_output_tokens: int | None = None
    timeout: float = 120
    patience: float = 60
    concurrency: int = 1
    prices: Prices = field(default_factory=Prices)
    clock: Clock = field(default_factory=Clock)
    gate: InitVar[Gate | None] = None
    _gate: Gate = field(init=False, repr=False)
    _opened: "tuple[Provider, Asker] | None" = field(default=None, init=False, repr=False)
    _opening: Lock = field(default_factory=Lock, init=False, repr=False)

    def __post_init__(self, gate: Gate | None) -> None:
        self._gate = gate or Gate(self.concurrency, self.clock)

    @classmethod
    def from_settings(cls, settings: Settings, concurrency: int, gate: Gate | None = None) -> Self:
        """Return the judge that the settings describe, for `concurrency` judgements at once."""
        key = settings.openai_api_key
        return cls(
            model=settings.model,
            api_key=key.get_secret_value().strip() if key else None,
            base_url=settings.openai_base_url or None,
            output_mode=settings.output_mode,
            max_output_tokens=settings.max_output_tokens,
            timeout=settings.llm_timeout_seconds,
            patience=settings.llm_patience_seconds,
            concurrency=concurrency,
            prices=Prices.parse(settings.price_per_million),
            gate=gate,
        )

    @property
    def refused(self) -> bool:
        """Whether the endpoint refuses the key, so that nobody's conversation would be judged."""
        return self._gate.broken is Reason.UNAUTHORIZED

    def judge(self, goals: Sequence[GoalInForce], turns: Sequence[Turn]) -> Judgement:
        """Return one grounded verdict for each goal, in the order of `goals`.

        Raises:
            JudgementFailed: this conversation cannot be judged; trying again as it is would not help.
            JudgeUnavailable: the model cannot be reached for now.
        """
        hearing = Hearing(keys(goals), turns, self.patience, self.model)
        # What is raised is made and raised here, outside of any `except`: exceptions of the libraries hold the
        # prompt and the answers, and Python would hang them onto ours as their context.
        began = self.clock.monotonic()
        answer = self._answer(hearing, goals)
        metrics.judgement_took(self.clock.monotonic() - began)
        effort = Effort(hearing.model, shipped().digest, hearing.usage, hearing.cost)
        if isinstance(answer, Reply):
            return Judgement(_verdicts(answer, hearing.keys, goals), effort)
        if answer.later:
            raise JudgeUnavailable(effort, answer.retry_after, answer.reason)
        raise JudgementFailed(answer.reason, effort)

    def close(self) -> None:
        """Close the connections; the next judgement would open new ones."""
        with self._opening:
            if self._opened:
                self._opened[0].close()
            self._opened = None

    def _answer(self, hearing: Hearing, goals: Sequence[GoalInForce]) -> Reply | Failure:
        try:
            with hearing.in_session():
                return self._asker().ask(shipped().render(goals, hearing.turns))
        except Exception as error:
            # A bug of ours or of a library. Its words may be anybody's: only its kind and place are told. Which
            # evaluation it was is bound to the line by whoever runs it.
            _log.error("judgement_broke", error=place_of(error.__cause__ or error))
            return Failure(Reason.INTERNAL_ERROR)

    def _asker(self) -> "Asker":
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
            return self._opened[1]

    def _open(self) -> "tuple[Provider, Asker]":
        from goalline.judge.provider import Provider
        from goalline.judge.reply import Asker

        provider = Provider(
            api_key=self.api_key,
            base_url=self.base_url,
            timeout=self.timeout,
            concurrency=self.concurrency,
            prices=self.prices,
            clock=self.clock,
            gate=self._gate,
        )
        options = {"max_completion_tokens": self.max_output_tokens} if self.max_output_tokens else {}
        asker = Asker(provider.complete, self.output_mode, self.model, options)
        _silence()
        return provider, asker


def _verdicts(reply: Reply, names: Sequence[str], goals: Sequence[GoalInForce]) -> list[Verdict]:
    replies = {given.goal: given for given in reply.verdicts}
    pairs = [(goal, replies[name]) for name, goal in zip(names, goals, strict=True)]
    return [
        Verdict(goal.goal_id, goal.revision, goal.kind, given.outcome, given.rationale, given.evidence)
        for goal, given in pairs
    ]


def _silence() -> None:
    """Stop the libraries' loggers for good, at every level: those there are, and those that may come below them."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in _TALKATIVE:
            logging.getLogger(name).disabled = True
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        logging.getLogger(name).propagate = False
