"""What Goalline counts and times of its own work, in the form that Prometheus reads.

No label has more values than the code has names for: ids of projects, agents, contacts or conversations are none.
Where PROMETHEUS_MULTIPROC_DIR was set before this was imported, as `goalline worker` does for its processes, the values
live in files of that folder, and `exposition` adds them up.
"""

from collections.abc import Collection, Iterable, Iterator
from decimal import Decimal
from typing import Protocol

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""The type of what `text` returns."""

# Their creation times would double the number of series, and nobody looks at them.
disable_created_metrics()  # type: ignore[no-untyped-call]

_OWN = CollectorRegistry()


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    return Counter(f"goalline_{name}", meaning, labels, registry=_OWN)


def gauge(name: str, meaning: str, *labels: str) -> Gauge:
    """Return a new gauge `goalline_NAME`; `goalline worker` shows its sum over the processes that run."""
    return Gauge(f"goalline_{name}", meaning, labels, registry=_OWN, multiprocess_mode="livesum")


def _duration(name: str, meaning: str) -> Histogram:
    bounds = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300)
    return Histogram(f"goalline_{name}", meaning, registry=_OWN, buckets=bounds)


_RECEIVED = _counter("conversations_received", "Conversations taken in.", "duplicate")
_EVENTS = _counter("events_received", "Events that came in.", "result")
_WEBHOOKS = _counter("webhooks", "Webhooks that platforms sent to sources.", "platform", "result")
_MESSAGES = _counter("messages", "Attempts to deliver a message, by what became of it.", "type", "status")
_MESSAGE_SECONDS = _duration("message_duration_seconds", "How long an attempt to deliver a message took.")
_ENDED = _counter("evaluations_ended", "Evaluations that came to their end.", "status", "reason")
_VERDICTS = _counter("verdicts_judged", "Verdicts of evaluations that succeeded.", "outcome", "kind")
_CALLS = _counter("llm_calls", "Calls of the model.", "result")
_CALL_SECONDS = _duration("llm_call_duration_seconds", "How long a call of the model took, answered or not.")
_TOKENS = _counter("llm_tokens", "Tokens that the model reported.", "direction")
_COST = _counter("llm_cost_dollars", "Cost of the calls whose price is known, in US dollars.")
_REASKS = _counter("llm_reasks", "Calls that asked again because the answer before was not valid.")
_GROUNDLESS = _counter("groundless_answers", "Answers turned down because they quote what was not said.")
_JUDGEMENT_SECONDS = _duration("judgement_duration_seconds", "How long a judgement took, with re-asks and pauses.")
_LLM_LIMIT = gauge("llm_concurrency_limit", "How many calls of the model may run at once.")
_CIRCUIT = gauge("llm_circuits_open", "Processes that leave the model alone because it fails or refuses the key.")
_NOT_HEARD = _counter("bells_not_heard", "Bells that the queue did not take.")
_RINGS = _counter("sweep_rings", "Evaluations that the sweep rang for.")
_LOST = _counter("leases_lost", "Leases that ran out because their worker died or fell silent.")

# There from the start: a series that begins with its first event hides that event from rate().
for _duplicate in ("false", "true"):
    _RECEIVED.labels(_duplicate)
for _result in ("accepted", "duplicate", "rejected"):
    _EVENTS.labels(_result)
for _direction in ("input", "output"):
    _TOKENS.labels(_direction)
_ENDED.labels("succeeded", "")
_CALLS.labels("ok")


def expect_failures(reasons: Iterable[str]) -> None:
    """Begin the series of failures at 0, so that already the first one shows in an alert."""
    for reason in reasons:
        _ENDED.labels("failed", reason)
        _CALLS.labels(reason)


def expect_undelivered(kinds: Iterable[str]) -> None:
    """Begin the series of messages that were given up at 0, so that already the first one shows in an alert."""
    for kind in kinds:
        _MESSAGES.labels(kind, "failed")


def expect_webhooks(platforms: Iterable[str], results: Collection[str]) -> None:
    """Begin the series of webhooks at 0."""
    for platform in platforms:
        for result in results:
            _WEBHOOKS.labels(platform, result)


def conversation_received(*, duplicate: bool) -> None:
    """Count a conversation that was taken in."""
    _RECEIVED.labels("true" if duplicate else "false").inc()


def webhook(platform: str, result: str) -> None:
    """Count a webhook of a platform by what became of it: stored, tracked, duplicate, ignored, forged, misread."""
    _WEBHOOKS.labels(platform, result).inc()


def message(kind: str, status: str, seconds: float | None) -> None:
    """Count an attempt to deliver a message, by what the message became, and how long the receiver took."""
    _MESSAGES.labels(kind, status).inc()
    if seconds is not None:
        _MESSAGE_SECONDS.observe(seconds)


def events_received(accepted: int, duplicates: int, rejected: int) -> None:
    """Count the events of a batch by what became of them."""
    for result, many in (("accepted", accepted), ("duplicate", duplicates), ("rejected", rejected)):
        if many:
            _EVENTS.labels(result).inc(many)


def evaluations_ended(status: str, reason: str | None, many: int = 1) -> None:
    """Count evaluations that came to their end."""
    if many:
        _ENDED.labels(status, reason or "").inc(many)


def verdict_judged(outcome: str, kind: str) -> None:
    """Count a verdict, by its outcome and the kind of its goal."""
    _VERDICTS.labels(outcome, kind).inc()


def llm_called(result: str, seconds: float) -> None:
    """Count a call of the model: `ok`, or why there was no answer."""
    _CALLS.labels(result).inc()
    _CALL_SECONDS.observe(seconds)


def llm_spent(input_tokens: int | None, output_tokens: int | None, dollars: Decimal | None) -> None:
    """Add what an answer took; what is unknown adds nothing."""
    _TOKENS.labels("input").inc(input_tokens or 0)
    _TOKENS.labels("output").inc(output_tokens or 0)
    _COST.inc(float(dollars or 0))


def llm_pace(limit: int, *, is_open: bool) -> None:
    """Tell how many calls may run at once in this process, and whether its circuit is open."""
    _LLM_LIMIT.set(limit)
    _CIRCUIT.set(is_open)


def reasked() -> None:
    """Count a call that asks again for a valid answer."""
    _REASKS.inc()


def answer_groundless() -> None:
    """Count an answer that was turned down for its quotes."""
    _GROUNDLESS.inc()


def judgement_took(seconds: float) -> None:
    """Time one run of the judge, whatever came of it."""
    _JUDGEMENT_SECONDS.observe(seconds)


def bell_not_heard() -> None:
    """Count a bell that was not sent: the sweep rings again."""
    _NOT_HEARD.inc()


def sweep_rang(many: int) -> None:
    """Count evaluations that the sweep rings for."""
    _RINGS.inc(many)


def leases_lost(many: int) -> None:
    """Count evaluations whose worker died or fell silent."""
    _LOST.inc(many)


class Queue(Protocol):
    """What waits and what runs, as the database knows it when it is asked; `oldest` is an age in seconds."""

    @property
    def due(self) -> int:
        """Evaluations that wait for a worker."""

    @property
    def later(self) -> int:
        """Evaluations that wait for their time."""

    @property
    def running(self) -> int:
        """Evaluations that somebody has claimed."""

    @property
    def oldest(self) -> float:
        """For how long the first of those due has been so; 0 where none is."""


def text(queue: Queue | None) -> bytes:
    """Return all metrics of this process as Prometheus reads them, and the queue's; None where nobody could tell."""
    return generate_latest(_Collected([*_OWN.collect(), *queue_metrics(queue)]))


def queue_metrics(queue: Queue | None) -> Iterator[Metric]:
    """Yield what the database was asked for; of a database that does not answer, only that."""
    yield GaugeMetricFamily(
        "goalline_database_up", "1 when the database answers, else 0.", value=float(queue is not None)
    )
    if queue is None:
        return
    depth = GaugeMetricFamily("goalline_queue_depth", "Evaluations that wait.", labels=["due"])
    depth.add_metric(["now"], queue.due)
    depth.add_metric(["later"], queue.later)
    yield depth
    age = "For how long the first of the evaluations that are due has waited; 0 where none is."
    yield GaugeMetricFamily("goalline_queue_oldest_due_age_seconds", age, value=queue.oldest)
    yield GaugeMetricFamily("goalline_evaluations_running", "Evaluations that are being judged.", value=queue.running)


class _Collected(list[Metric]):
    def collect(self) -> "list[Metric]":
        return self
