"""Probes: whether the server is alive, and whether it can do its work."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from goalline.api.deps import Parts
from goalline.api.problems import documented, problem
from goalline.store import schema
from goalline.store.database import DatabaseUnavailable

router = APIRouter(tags=["probes"])


class Health(BaseModel):
    """The answer of a probe that is content."""

    status: str


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
def alive() -> Health:
    """Tell that the server answers."""
    return Health(status="ok")


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_model=Health, responses=documented(503))
def ready(parts: Parts) -> Any:
    """Tell whether the database can be read and has this version's schema."""
    try:
        schema.require_current(parts.database)
    except DatabaseUnavailable:
        return problem(503, "the database cannot be reached; check GOALLINE_DATABASE_URL and that it is running")
    except schema.SchemaOutdated as error:
        return problem(503, str(error))
    return JSONResponse(Health(status="ok").model_dump())
