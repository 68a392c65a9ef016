"""Probes: whether the server is alive, whether it can do its work, and what it has done so far."""

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from goalline.api.deps import Parts
from goalline.api.problems import documented, problem
from goalline.bootstrap import Services, has_model, open_work, queue_answers
from goalline.store import schema
from goalline.store.conversations.queue import Queue
from goalline.store.database import DatabaseUnavailable
from goalline.telemetry import metrics
from goalline.telemetry.bounded import within
from goalline.worker import utc_now

_DATABASE_SECONDS = 5.0
"""Less than what Prometheus allows a scrape, 10 seconds, and more than a database needs that works."""

_REDIS_SECONDS = 0.5
"""Less than what an orchestrator allows a probe, 1 second: a Redis that says nothing must not fail it."""

_LATER = {"Retry-After": "5"}

router = APIRouter(tags=["probes"])


class Health(BaseModel):
    """The answer of a probe that is content."""

    status: str


class Readiness(Health):
    """What the server finds. `status` is `ok`, or `degraded` where requests are served and nobody judges.

    `due` evaluations wait for a worker, the first of them for `oldest_due_seconds`; `later` ones wait for their next
    attempt. `detail` says what is wrong and what to do.
    """

    database: str
    queue: str
    due: int
    later: int
    running: int
    oldest_due_seconds: float
    detail: str | None


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
def alive() -> Health:
    """Tell that the server answers."""
    return Health(status="ok")


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_model=Readiness, responses=documented(503))
def ready(parts: Parts) -> Any:
    """Tell whether the database can be read and has this version's schema, and how the queue is."""

    def look() -> Queue:
        schema.require_current(parts.database)
        return open_work(parts, utc_now())

    try:
        found = within(_DATABASE_SECONDS, look)
    except (DatabaseUnavailable, TimeoutError):
        detail = "the database cannot be reached; check GOALLINE_DATABASE_URL and that it is running"
        return problem(503, detail, headers=_LATER)
    except schema.SchemaOutdated as error:
        return problem(503, str(error), headers=_LATER)
    answers = queue_answers(parts, _REDIS_SECONDS)
    troubles = list(_troubles(parts, answers))
    return JSONResponse(
        Readiness(
            status="degraded" if troubles else "ok",
            database="ok",
            queue="ok" if answers else "unreachable",
            due=found.due,
            later=found.later,
            running=found.running,
            oldest_due_seconds=found.oldest,
            detail="; ".join(troubles) or None,
        ).model_dump()
    )


@router.get("/metrics", include_in_schema=False)
def measured(parts: Parts) -> Response:
    """Return the metrics of this process and of the queue, as Prometheus reads them; without a database, the former."""
    found: Queue | None
    try:
        found = within(_DATABASE_SECONDS, lambda: open_work(parts, utc_now()))
    except Exception:  # whatever it is, the other metrics can be read
        found = None
    return Response(metrics.text(found), media_type=metrics.CONTENT_TYPE)


def _troubles(parts: Services, answers: bool) -> Iterator[str]:
    if not answers:
        yield "Redis does not answer: conversations are stored, and judged when it is back; check GOALLINE_REDIS_URL"
    if parts.embedded and not has_model(parts.settings):
        yield "no model is set: conversations are stored and wait; set OPENAI_API_KEY or OPENAI_BASE_URL"
    elif parts.embedded and not parts.threads:
        yield "GOALLINE_EMBEDDED_THREADS is 0: conversations are stored and wait"
    if reason := parts.gate.broken:
        yield f"the model is left alone for now ({reason}): {reason.explanation}"
