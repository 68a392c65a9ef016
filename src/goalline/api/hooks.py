"""Hooks: where platforms send their own webhooks, each signed as that platform signs."""

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel, ValidationError

from goalline import pipeline
from goalline.api import bodies
from goalline.api.deps import bell_of, services_of
from goalline.api.events import track
from goalline.api.problems import TooLarge, documented, summary
from goalline.bootstrap import Services
from goalline.domain import platforms
from goalline.domain.event import Event
from goalline.domain.platforms import PlatformName
from goalline.domain.platforms.platform import Forged, Heard
from goalline.domain.refusal import Invalid
from goalline.domain.source import ToolEvent, events_of, options_of
from goalline.domain.transcript import Delivery, excess
from goalline.store import secrets, sources
from goalline.store.tables import Project, Source
from goalline.store.vault import Unreadable
from goalline.telemetry import log, metrics
from goalline.worker import utc_now

router = APIRouter(prefix=bodies.SIGNED.rstrip("/"), tags=["hooks"])
_log = log(__name__)
_PASSED_ON = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


class Result(StrEnum):
    """What became of a webhook; the last two are refused."""

    STORED = "stored"
    TRACKED = "tracked"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    FORGED = "forged"
    MISREAD = "misread"


metrics.expect_webhooks(list(PlatformName), list(Result))


class Answer(BaseModel):
    """What became of a webhook that was taken; where it was ignored, `detail` says why."""

    result: Result
    detail: str | None = None
    conversation_id: str | None = None
    evaluation_id: UUID | None = None


async def _body_of(request: Request) -> bytes:
    # Starlette gives the bytes in no other way, and a signature is over these bytes.
    return await request.body()


Body = Annotated[bytes, Depends(_body_of)]


@router.post("/{source}/", include_in_schema=False)
@router.post("/{source}", response_model=Answer, responses=documented(401, 404, 409, 413, 415))
def receive(source: str, body: Body, request: Request) -> Response:
    """Take a platform's own webhook, once.

    Answered 200 also where there is nothing to do, so that no platform sends again what nobody wants. 401 means that
    the signature is not right, 404 that the source is unknown or disabled, and 503 that it should come again.
    """
    parts, now = services_of(request), utc_now()
    stored, project = _enabled(parts, source)
    heard = _heard(parts, stored, request, body, now)
    # Read only where there is something to look up: platforms tell much that nobody wants.
    meant = [ToolEvent.model_validate(each) for each in stored.tool_events] if heard.calls else []
    events = list(events_of(heard, meant))
    if heard.delivery:
        answer = _store(request, project, heard.delivery, events, now)
    elif events:
        new = track(request, project, dict(enumerate(events)), now).accepted
        result = Result.TRACKED if new else Result.DUPLICATE
        answer = Answer(result=result, conversation_id=events[0].conversation_id)
    else:
        detail = heard.needless or "the conversation has not ended, and no tool that means an event was called in it"
        answer = Answer(result=Result.IGNORED, detail=detail)
    metrics.webhook(stored.platform, answer.result)
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")


def _enabled(parts: Services, source: str) -> tuple[Source, Project]:
    with suppress(ValueError), parts.database.reading() as session:
        if found := sources.enabled(session, UUID(source)):
            return found
    raise HTTPException(404, "there is no such source, or it is disabled")


def _heard(parts: Services, stored: Source, request: Request, body: bytes, now: datetime) -> Heard:
    platform, options = platforms.BY_NAME[stored.platform], options_of(stored.platform, stored.options)
    try:
        valid = [each.text for each in secrets.valid(parts.vault, stored.id, stored.sealed, now)]
        if platform.is_open(options) and not _is_local(request):
            raise Forged("it is not signed, and such are taken from this machine alone")
        platform.verify(request.headers, body, valid, now.timestamp(), options)
    except Unreadable:
        _log.error("source_secret_unreadable", source_id=str(stored.id))
        detail = "the secret of this source cannot be read at present; send it again later"
        raise HTTPException(503, detail, {"Retry-After": "60"}) from None
    except Forged as forged:
        _log.warning("webhook_forged", source_id=str(stored.id), why=str(forged))
        metrics.webhook(stored.platform, Result.FORGED)
        raise HTTPException(401, f"this is not signed as the source demands: {forged}") from None
    try:
        return platform.parse(json.loads(body), now, options)
    except (ValueError, RecursionError) as error:
        metrics.webhook(stored.platform, Result.MISREAD)
        raise Invalid(_fault(error), "body") from None


def _store(request: Request, project: Project, delivery: Delivery, events: Sequence[Event], now: datetime) -> Answer:
    parts, bell = services_of(request), bell_of(request)
    too_much = excess(delivery.transcript, parts.settings.max_turns, parts.settings.max_characters)
    if too_much:
        raise TooLarge(too_much)
    most = parts.settings.max_events_per_conversation
    receipt = pipeline.hear(parts.database, project, delivery, events, now, most)
    if receipt.ring:
        bell.ring([receipt.evaluation_id])
    if receipt.told:
        bell.post.ring()
    return Answer(
        result=Result.DUPLICATE if receipt.duplicate else Result.STORED,
        conversation_id=receipt.conversation_id,
        evaluation_id=receipt.evaluation_id,
    )


def _is_local(request: Request) -> bool:
    # What a proxy on this machine passes on seems to come from here, unless it says from where.
    if any(name in request.headers for name in _PASSED_ON):
        return False
    with suppress(ValueError):
        return request.client is not None and ip_address(request.client.host).is_loopback
    return False


def _fault(error: ValueError | RecursionError) -> str:
    if isinstance(error, ValidationError):
        return summary(error.errors(include_url=False, include_input=False))
    return "this is no JSON" if isinstance(error, ValueError) else "this is nested too deeply"
