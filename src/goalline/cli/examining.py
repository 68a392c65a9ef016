"""The checks of `goalline doctor`: each tells what it found and what to do, and repeats no secret."""

import os
import shutil
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from goalline import bootstrap
from goalline.bootstrap import Services, has_model, queue_answers
from goalline.cli.console import AS_IS, err
from goalline.cli.opening import kind, place, trouble, why_not
from goalline.cli.startup import redis_place
from goalline.domain.evaluation import Effort, JudgementFailed, JudgeUnavailable, Reason
from goalline.domain.goal import GoalInForce, Kind
from goalline.domain.transcript import Role, Turn
from goalline.settings import misspelt
from goalline.store import examination, schema, secrets, sources
from goalline.store.conversations import queue as queues
from goalline.store.conversations.queue import Queue
from goalline.telemetry.bounded import within
from goalline.worker import utc_now

_SECONDS = 10.0
"""How long each question may go unanswered."""

_REDIS_SECONDS = 2.0
_POLLED_SECONDS = 1.0
_LITTLE_DISK, _HARDLY_ANY_DISK = 1024**3, 100 * 1024**2
_LATE, _VERY_LATE = 60, 3600
_SKEW_SECONDS = 1.0
_LLM_SECONDS = 60.0
_MOST_NAMED = 5
_GOAL = GoalInForce(UUID(int=0), 1, "Greeting", "The agent says hello.", Kind.PRIMARY)
_TURNS = [Turn(role=Role.AGENT, text="Hello!"), Turn(role=Role.USER, text="Hello, and thank you.")]


class State(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and what to do about it."""

    check: str
    state: State
    found: str
    advice: str | None = None


def settings_named() -> Iterator[Finding]:
    """Check that no variable is misspelt; their values have been checked by then."""
    strangers = misspelt(os.environ)
    for name, meant in strangers.items():
        advice = f"use {meant}" if meant else "remove it"
        yield Finding("settings", State.WARNING, f"{name} is no setting of Goalline and is ignored", advice)
    if not strangers:
        yield Finding("settings", State.OK, "every variable is known and has a valid value")


def database(parts: Services) -> Generator[Finding, None, bool]:
    """Check that the database answers, has this version's schema and takes writes; return whether it can be used."""
    where, path = place(parts.database), Path(parts.database.engine.url.database or "")
    if parts.database.is_sqlite:
        if not path.exists():
            why = why_not(path)
            advice = (
                "check GOALLINE_DATABASE_URL" if why else "goalline serve makes it; check the folder that this runs in"
            )
            found = f"{where} cannot be made: {why}" if why else f"{where} is not there yet"
            yield Finding("database", State.WRONG if why else State.WARNING, found, advice)
            return False
        yield _disk(path)
    try:
        within(_SECONDS, lambda: schema.require_current(parts.database))
    except schema.SchemaOutdated as error:
        found, _, advice = str(error).partition("; ")
        yield Finding("database", State.WRONG, f"{where}: {found}", advice)
        return False
    except Exception as error:
        found, _, advice = trouble(parts.database, error).partition("; ")
        yield Finding("database", State.WRONG, found, advice)
        return False
    try:
        within(_SECONDS, lambda: examination.require_writable(parts.database))
    except Exception as error:
        found = f"{where} takes no writes ({kind(error)})"
        yield Finding("database", State.WRONG, found, "check the user's rights, the disk and that it is no replica")
        return True
    yield Finding("database", State.OK, f"{where} answers, takes writes and has this version's schema")
    yield from _clock(parts)
    return True


def queue(parts: Services) -> Generator[Finding, None, Queue | None]:
    """Check what waits and who holds a lease; return it."""
    try:
        found = within(_SECONDS, lambda: bootstrap.open_work(parts, utc_now()))
    except Exception as error:
        yield Finding("queue", State.WRONG, f"cannot be read ({kind(error)})", "see the database above")
        return None
    waits = f"{found.due:,} due, {found.later:,} for later, {found.running:,} running"
    if found.oldest < _LATE:
        yield Finding("queue", State.OK, waits)
    else:
        state = State.WRONG if found.oldest >= _VERY_LATE else State.WARNING
        waits += f"; the first has been due for {timedelta(seconds=round(found.oldest))}"
        worker = "goalline serve with a model" if parts.embedded else "goalline worker"
        yield Finding("queue", state, waits, f"check that {worker} runs, and give it more threads if it keeps busy")
    if found.expired:
        lost = f"{found.expired:,} leases have run out and nobody has looked"
        yield Finding("leases", State.WARNING, lost, "start what judges: its sweep queues them again")
    else:
        yield Finding("leases", State.OK, "none has run out unnoticed")
    return found


def redis(parts: Services, found: Queue | None) -> Iterator[Finding]:
    """Check that the queue's broker answers, forgets nothing, and that somebody listens."""
    if parts.embedded:
        if parts.settings.embedded_threads:
            yield Finding(
                "broker", State.OK, f"none: goalline serve judges in {parts.settings.embedded_threads} threads"
            )
        else:
            advice = "set GOALLINE_EMBEDDED_THREADS or GOALLINE_REDIS_URL"
            yield Finding("broker", State.WARNING, "none, and goalline serve has no threads: nothing is judged", advice)
        return
    where = redis_place(parts)
    if not queue_answers(parts, _REDIS_SECONDS):
        advice = "check GOALLINE_REDIS_URL and that it is running; what comes in is stored meanwhile"
        yield Finding("broker", State.WRONG, f"{where} does not answer", advice)
        return
    yield _policy(parts, where)
    try:
        polled = bootstrap.polling(parts, _POLLED_SECONDS)
    except Exception as error:
        found_out = f"Redis does not tell who asks it for work ({kind(error)})"
        yield Finding("workers", State.WARNING, found_out, "check that goalline worker runs")
        return
    if polled or (found and found.running > found.expired):
        yield Finding("workers", State.OK, "somebody takes work from the queue")
    else:
        yield Finding("workers", State.WARNING, "nobody asks the queue for work", "start goalline worker")


def failures(parts: Services) -> Iterator[Finding]:
    """Check what has failed in the last day, by reason."""
    try:
        failed = within(_SECONDS, lambda: _failures(parts))
    except Exception as error:
        yield Finding(
            "failures", State.WARNING, f"could not be counted ({kind(error)})", "use goalline evaluations list"
        )
        return
    for reason, many in failed.items():
        advice = f"{reason.explanation} Then: goalline evaluations retry --reason {reason}"
        yield Finding("failures", State.WARNING, f"failed in the last day: {many:,} with {reason}", advice)
    if not failed:
        yield Finding("failures", State.OK, "no evaluation failed in the last day")


def source_secrets(parts: Services) -> Iterator[Finding]:
    """Check that the keys open the secrets of all sources."""
    try:
        total, closed = within(_SECONDS, lambda: _closed(parts))
    except Exception as error:
        yield Finding("sources", State.WARNING, f"could not be read ({kind(error)})", "see the database above")
        return
    if not closed:
        opened = f"the secrets of {total:,} can be read" if total else "there are none"
        yield Finding("sources", State.OK, opened)
        return
    named = ", ".join(repr(name) for name in closed[:_MOST_NAMED]) + (", ..." if len(closed) > _MOST_NAMED else "")
    found = f"the secrets of {len(closed):,} of {total:,} cannot be read, so what they send is answered 503: {named}"
    advice = (
        "put the key that they were stored with behind the others in GOALLINE_ENCRYPTION_KEYS"
        if parts.settings.encryption_keys
        else "set GOALLINE_ENCRYPTION_KEYS as it is set for goalline serve"
    )
    yield Finding("sources", State.WRONG, found, f"{advice}; or goalline sources rotate NAME --overlap-hours 0")


def llm(parts: Services, *, offline: bool) -> Iterator[Finding]:
    """Check that the model answers as it must, by one small judgement."""
    settings = parts.settings
    if not has_model(settings):
        advice = "set OPENAI_API_KEY, or OPENAI_BASE_URL for an endpoint of your own"
        yield Finding("model", State.WARNING, "no model is set: nothing is judged", advice)
        return
    try:
        host = urlsplit(settings.openai_base_url or "https://api.openai.com").netloc.rpartition("@")[2]
    except ValueError:
        host = "an address that cannot be read"
    asked = f"{settings.model} at {host}"
    if offline:
        yield Finding("model", State.OK, f"{asked}; not asked (--offline)")
        return
    err.print(f"asking {asked}: one small request, which costs a few tokens; --offline leaves it out", **AS_IS)
    patient = {"llm_timeout_seconds": min(settings.llm_timeout_seconds, _LLM_SECONDS), "llm_patience_seconds": 5.0}
    judge = bootstrap.judge(settings.model_copy(update=patient), threads=1)
    began = time.monotonic()
    try:
        effort = judge.judge([_GOAL], _TURNS).effort
    except JudgementFailed as failed:
        yield Finding("model", State.WRONG, f"{asked} cannot judge: {failed.reason}", failed.reason.explanation)
    except JudgeUnavailable:
        advice = "check OPENAI_BASE_URL, the network, a proxy, and whether the account has credit"
        yield Finding("model", State.WRONG, f"{asked} does not answer, or is overloaded or unpaid", advice)
    else:
        yield _answered(asked, effort, time.monotonic() - began)
    finally:
        judge.close()


def _disk(path: Path) -> Finding:
    free = shutil.disk_usage(path.resolve().parent).free
    state = State.WRONG if free < _HARDLY_ANY_DISK else State.WARNING if free < _LITTLE_DISK else State.OK
    return Finding(
        "disk", state, f"{free / 1024**3:,.1f} GiB free for {path}", None if state is State.OK else "make room"
    )


def _clock(parts: Services) -> Iterator[Finding]:
    before = utc_now()
    try:
        theirs = within(_SECONDS, lambda: examination.clock(parts.database))
    except Exception as error:
        yield Finding("clock", State.WARNING, f"could not be asked ({kind(error)})", "see the database above")
        return
    if theirs is None:
        return
    after = utc_now()
    # What lies between the two looks at our clock is the question's own time.
    skew = max((theirs - after).total_seconds(), (before - theirs).total_seconds(), 0.0)
    if skew < _SKEW_SECONDS:
        yield Finding("clock", State.OK, "the database's clock and this machine's agree")
        return
    state = State.WRONG if skew >= parts.settings.lease_seconds / 2 else State.WARNING
    found = f"the database's clock and this machine's differ by {skew:,.1f} seconds"
    yield Finding("clock", state, found, "let both follow a time server: leases and delays go by these clocks")


def _policy(parts: Services, where: str) -> Finding:
    policy = bootstrap.eviction_policy(parts)
    if policy is None:
        found = f"{where} answers, but does not tell its maxmemory-policy"
        return Finding("broker", State.WARNING, found, "make sure that it is noeviction")
    if policy != "noeviction":
        found = f"{where} answers; its maxmemory-policy is {policy}, so it may drop bells"
        return Finding("broker", State.WARNING, found, "set maxmemory-policy noeviction")
    return Finding("broker", State.OK, f"{where} answers; its maxmemory-policy is noeviction")


def _answered(asked: str, effort: Effort, seconds: float) -> Finding:
    usage = effort.usage
    tokens = f"{usage.prompt_tokens or 0:,} + {usage.completion_tokens or 0:,} tokens"
    price = "price unknown" if effort.cost is None else f"{effort.cost:f} US dollars"
    found = f"{asked} answered in {seconds:.1f} s: {tokens}, {price}"
    if usage.calls > 1:
        again = f"{found}; it took {usage.calls} calls until the answer was valid"
        return Finding("model", State.WARNING, again, "try another GOALLINE_OUTPUT_MODE, or a stronger model")
    unpriced = "set GOALLINE_PRICE_PER_MILLION to see what judging costs" if effort.cost is None else None
    return Finding("model", State.OK, found, unpriced)


def _closed(parts: Services) -> tuple[int, list[str]]:
    """Return how many sources there are, and the names of those whose secrets no key opens."""
    with parts.database.reading() as session:
        every = sources.every(session)
    return len(every), [
        source.name for source in every if not secrets.are_readable(parts.vault, source.id, source.sealed)
    ]


def _failures(parts: Services) -> dict[Reason, int]:
    with parts.database.reading() as session:
        return queues.failures(session, utc_now() - timedelta(days=1))
