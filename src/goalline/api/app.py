"""The application: all routes, one form of errors."""

from typing import Any

from fastapi import FastAPI

from goalline import __version__
from goalline.api import bodies, conversations, goals, pages, probes, problems, reports
from goalline.bootstrap import Services
from goalline.worker import Bell

_DESCRIPTION = """Tells the owner of an AI phone or chat agent whether each conversation did what it was for.

Send ended conversations to `POST /v1/conversations`, describe what they are for with `POST /v1/goals`, and read
success rates from `GET /v1/reports/success-rate`."""


class _Application(FastAPI):
    """An application whose OpenAPI document tells what a problem looks like."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        document["components"]["schemas"].update(problems.SCHEMAS)
        return document


def create_app(parts: Services, bell: Bell) -> FastAPI:
    """Return the API and the pages on top of `parts`; evaluations are rung for with `bell`."""
    app = _Application(
        title="Goalline",
        version=__version__,
        description=_DESCRIPTION,
        redoc_url=None,
        # Its log records would carry the texts of exceptions.
        telemetry={"logs": False},
    )
    app.state.services, app.state.bell = parts, bell
    problems.install(app)
    bodies.install(app, parts.settings.max_body_bytes)
    for router in (conversations.router, goals.router, reports.router):
        app.include_router(router, responses=problems.documented(401, 403, 422, 500, 503))
    app.include_router(probes.router)
    pages.install(app)
    return app
