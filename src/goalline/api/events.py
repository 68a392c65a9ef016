"""Events over HTTP: what a platform reports while a conversation runs, in batches."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from goalline import pipeline
from goalline.api.deps import Ingester, bell_of, services_of
from goalline.api.problems import documented, summary
from goalline.domain.event import Event
from goalline.store.tables import Project
from goalline.store.track.recording import Outcome
from goalline.telemetry import metrics
from goalline.worker import utc_now

PATH = "/v1/events"
MOST_BYTES = 1_048_576
MOST_EVENTS = 1_000
"""Most events of one request."""

router = APIRouter(prefix=PATH, tags=["events"])

_Unread = Annotated[Any, PlainValidator(lambda item: item, json_schema_input_type=Event)]


class Batch(BaseModel):
    """Up to 1,000 events, of any conversations and in any order. Each is looked at on its own: see `rejected`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    events: Annotated[list[_Unread], Field(max_length=MOST_EVENTS)]


class Rejection(BaseModel):
    """An event that was not stored: its place in the batch, counted from 0, and what is wrong with it."""

    index: int
    detail: str


class Recorded(BaseModel):
    """What became of a batch. Those accepted are stored for good; those rejected may be sent again when put right."""

    accepted: int
    duplicates: int
    rejected: list[Rejection]


@router.post("/", status_code=202, include_in_schema=False)
@router.post("", status_code=202, response_model=Recorded, responses=documented(400, 413, 415))
def record(batch: Batch, caller: Ingester, request: Request) -> Response:
    """Store events and count what they amount to; one that is known by its id changes nothing.

    They may come before the conversation's own webhook or after it, in any order. At most 1 MiB a request.
    """
    rejected: dict[int, str] = {}
    events: dict[int, Event] = {}
    for index, item in enumerate(batch.events):
        try:
            events[index] = Event.model_validate(item)
        except ValidationError as error:
            rejected[index] = summary(error.errors(include_url=False, include_input=False))
    outcome = track(request, caller.project, events, utc_now())
    metrics.events_received(0, 0, len(rejected))
    rejected |= outcome.rejected
    answer = Recorded(
        accepted=outcome.accepted,
        duplicates=outcome.duplicates,
        rejected=[Rejection(index=index, detail=rejected[index]) for index in sorted(rejected)],
    )
    return Response(answer.model_dump_json(), 202, media_type="application/json")


def track(request: Request, project: Project, batch: Mapping[int, Event], now: datetime) -> Outcome:
    """Track events, and ring for whoever is told of what they amount to."""
    parts = services_of(request)
    outcome = pipeline.track(parts.database, project.id, batch, now, parts.settings.max_events_per_conversation)
    if outcome.told:
        bell_of(request).post.ring()
    return outcome
