"""Contacts over HTTP: their profile, their export, and what is to become of them."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from goalline import upkeep
from goalline.api.contacts import exports
from goalline.api.contacts.answers import ContactOut, ContactState
from goalline.api.contacts.exports import ContactExport, ExportedConversation, ExportedEvent
from goalline.api.deps import Admin, Caller, Parts, Reader
from goalline.api.problems import documented
from goalline.bootstrap import Services
from goalline.domain.text import Line
from goalline.store.contacts import contacts, deactivation, dossiers
from goalline.worker import utc_now

router = APIRouter(prefix="/v1/contacts", tags=["contacts"])


class Existing(StrEnum):
    """What becomes of that which is stored of a contact already."""

    KEEP = "keep"
    DELETE = "delete"


def _chosen(choice: Any) -> Any:
    if choice not in list(Existing):
        raise ValueError(
            'must be "keep" (what is stored of the contact stays as it is) or "delete" (it is erased for good, as by '
            "DELETE; only counts stay); whichever it is, nothing more is recorded"
        )
    return choice


def _needed(schema: dict[str, Any]) -> None:
    schema["required"] = ["existing"]
    del schema["properties"]["existing"]["default"]


class Deactivation(BaseModel):
    """What is to become of that which is stored of the contact: `keep` it, or `delete` it, which erases it for good."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_needed)

    # As missing as any wrong value is, it is answered with what the choice means.
    existing: Annotated[Existing, BeforeValidator(_chosen), Field(validate_default=True)] = None  # type: ignore[assignment]


# Ids may contain slashes, so what comes after the id stands before the route of the id alone.
@router.get(
    "/{contact_id:path}/export",
    response_model=ContactExport,
    responses=documented(404),
    response_description="The export, as an attachment",
)
def export(contact_id: Line, parts: Parts, caller: Admin) -> Response:
    """Export everything that is stored of a contact, as one JSON document, in an order that does not change.

    It is sent while it is read, a few conversations at a time. What changes meanwhile may or may not be in it.
    """
    with parts.database.snapshot() as session:
        row_ids = dossiers.of_contact(session, caller.project.id, contact_id)
        elsewhere = [
            ExportedEvent.of(event, reference)
            for event, reference in dossiers.elsewhere(session, caller.project.id, contact_id)
        ]
        if not elsewhere:
            contacts.known(session, caller.project.id, contact_id)
        deactivated_at = deactivation.since(session, caller.project.id, contact_id)
    head = ContactState.of(contact_id, deactivated_at)
    return StreamingResponse(
        exports.written(head, caller.project.currency, _exported(parts, caller, contact_id, row_ids), elsewhere),
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="contact-{deactivation.digest(contact_id)[:12]}.json"'},
    )


def _exported(
    parts: Services, caller: Caller, contact_id: str, row_ids: Sequence[UUID]
) -> Iterator[ExportedConversation]:
    for start in range(0, len(row_ids), dossiers.AT_ONCE):
        with parts.database.snapshot() as session:
            some = row_ids[start : start + dossiers.AT_ONCE]
            loaded = list(dossiers.load(session, caller.project.id, contact_id, some))
        # Sent when the connection is given back: whoever reads slowly must not hold it.
        for dossier in loaded:
            yield ExportedConversation.of(dossier, caller.project.currency)


@router.post("/{contact_id:path}/deactivate", responses=documented(400, 413, 415))
def deactivate(contact_id: Line, wish: Deactivation, parts: Parts, caller: Admin) -> ContactState:
    """Record nothing more of a contact from now on, whether or not anything is stored of it yet.

    Events that name the contact are rejected, and of conversations no more is stored than that they took place.
    `existing` says what becomes of what there is. Doing it twice changes nothing the second time.
    """
    now, project_id = utc_now(), caller.project.id
    with parts.database.transaction() as session:
        deactivation.deactivate(session, project_id, contact_id, now)
        since = deactivation.since(session, project_id, contact_id)
    if wish.existing is Existing.DELETE:
        upkeep.erase(parts.database, project_id, contact_id, now)
    return ContactState.of(contact_id, since)


@router.post("/{contact_id:path}/activate", responses=documented(404))
def activate(contact_id: Line, parts: Parts, caller: Admin) -> ContactState:
    """Record again what is told of a contact from now on; what was not recorded meanwhile does not come back."""
    with parts.database.transaction() as session:
        contacts.known(session, caller.project.id, contact_id)
        deactivation.activate(session, caller.project.id, contact_id)
    return ContactState.of(contact_id, None)


@router.get("/{contact_id:path}", responses=documented(404))
def one(contact_id: Line, parts: Parts, caller: Reader) -> ContactOut:
    """Return what is known of a contact: the latest conversations, completed goals and tasks."""
    with parts.database.snapshot() as session:
        return ContactOut.of_profile(contacts.profile(session, caller.project.id, contact_id))


@router.delete("/{contact_id:path}", status_code=204, responses=documented(404))
def erase(contact_id: Line, parts: Parts, caller: Admin) -> None:
    """Erase a contact for good: transcripts, reasoning and quotes, events, and who it was; only counts stay.

    What is told of the contact from then on is recorded, unless it is deactivated as well.
    """
    if not upkeep.erase(parts.database, caller.project.id, contact_id, utc_now()):
        with parts.database.reading() as session:
            contacts.known(session, caller.project.id, contact_id)
