"""Webhooks in the OpenAPI document: what subscriptions are sent, so that receivers can have their code generated."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Header
from pydantic import Field, create_model

from goalline.domain.outbound.message import MessageType
from goalline.domain.outbound.payload import PAYLOADS, Payload

_ANSWERS: dict[int | str, dict[str, Any]] = {
    "410": {"description": "The receiver wants no more of these, ever: its subscription is disabled."},
    "4XX": {"description": "It is sent again later, with a growing delay, for three days."},
    "5XX": {"description": "It is sent again later, with a growing delay, for three days."},
}

HappenedAt = Annotated[datetime, Field(description="When it happened; attempts to tell of it may be later.")]
MessageId = Annotated[
    str, Header(alias="webhook-id", description="The id of the message: the same at each attempt to deliver it.")
]
Timestamp = Annotated[
    int, Header(alias="webhook-timestamp", description="The time of this attempt, in seconds of Unix time.")
]
Signature = Annotated[
    str, Header(alias="webhook-signature", description="As Standard Webhooks signs: `v1,` and base64, split by spaces.")
]


def _message(kind: MessageType, payload: type[Payload]) -> type[Any]:
    fields: dict[str, Any] = {
        "type": (Literal[kind.value], ...),
        "timestamp": (HappenedAt, ...),
        "data": (payload, ...),
    }
    said = "A message: its type, when it happened, and what it is about."
    model: type[Any] = create_model(f"{payload.__name__}Message", __doc__=said, **fields)
    return model


def _receiver(message: type[Any]) -> Callable[..., None]:
    def receive(body: Any, webhook_id: str, webhook_timestamp: int, webhook_signature: str) -> None:
        """Stand for the receiver, who is elsewhere."""

    receive.__annotations__ = {
        "body": Annotated[message, Body()],
        "webhook_id": MessageId,
        "webhook_timestamp": Timestamp,
        "webhook_signature": Signature,
        "return": None,
    }
    return receive


router = APIRouter()
"""What is sent for each type of message."""

for _kind, _payload in PAYLOADS.items():
    router.add_api_route(
        _kind,
        _receiver(_message(_kind, _payload)),
        methods=["POST"],
        operation_id=f"webhook_{_kind.replace('.', '_')}",
        summary=_kind,
        description=_payload.__doc__,
        tags=["webhooks"],
        status_code=204,
        response_description="It has arrived. Any other 2xx says the same.",
        responses=_ANSWERS,
    )
