"""The application: all routes, one form of errors."""

from fastapi import FastAPI

from goalline import __version__
from goalline.api import conversations, goals, pages, probes, problems, reports
from goalline.bootstrap import Services
from goalline.worker import Bell

_DESCRIPTION = """Tells the owner of an AI phone or chat agent whether each conversation did what it was for.

Send ended conversations to `POST /v1/conversations`, describe what they are for with `POST /v1/goals`, and read
success rates from `GET /v1/reports/success-rate`."""


def create_app(parts: Services, bell: Bell) -> FastAPI:
    """Return the API and the pages on top of `parts`; evaluations are rung for with `bell`."""
    app = FastAPI(
        title="Goalline",
        version=__version__,
        description=_DESCRIPTION,
        max_body_size=parts.settings.max_body_bytes,
        redoc_url=None,
        # Its log records would carry the texts of exceptions.
        telemetry={"logs": False},
        responses=problems.documented(401, 403, 422, 503),
    )
    app.state.services, app.state.bell = parts, bell
    problems.install(app)
    for router in (conversations.router, goals.router, reports.router, probes.router):
        app.include_router(router)
    pages.install(app)
    return app
