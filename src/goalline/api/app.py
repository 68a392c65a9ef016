"""The application: all routes, one form of errors."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from goalline import __version__
from goalline.api import (
    bodies,
    evaluations,
    events,
    hooks,
    messages,
    pages,
    probes,
    problems,
    sources,
    subscriptions,
    webhooks,
)
from goalline.api.contacts import routes as contacts
from goalline.api.conversations import routes as conversations
from goalline.api.goals import packages, steps
from goalline.api.goals import routes as goals
from goalline.api.reports import agreement as agreement_reports
from goalline.api.reports import paths as path_reports
from goalline.api.reports import process as process_reports
from goalline.api.reports import rates as rate_reports
from goalline.api.reports import tasks as task_reports
from goalline.bootstrap import Services
from goalline.worker import Bell

_DESCRIPTION = """Tells the owner of an AI phone or chat agent whether each conversation did what it was for.

Send ended conversations to `POST /v1/conversations`, describe what they are for with `POST /v1/goals`, and read
success rates from `GET /v1/reports/success-rate`."""


@dataclass(frozen=True, slots=True)
class _Guarded:
    """Answers are what their content type says and nothing else; those with data are kept by nobody in between."""

    app: ASGIApp

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        def sent(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                if scope["path"].startswith("/v1/"):
                    headers["Cache-Control"] = "no-store"
            return send(message)

        return self.app(scope, receive, sent if scope["type"] == "http" else send)


class _Application(FastAPI):
    """An application whose OpenAPI document tells what a problem looks like, and whose answers are guarded."""

    def build_middleware_stack(self) -> ASGIApp:
        # Around everything: Starlette answers defects of ours from outside of what `add_middleware` adds.
        return _Guarded(super().build_middleware_stack())

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
        # The pages have one of their own.
        docs_url=None,
        redoc_url=None,
        webhooks=webhooks.router,
        # Its log records would carry the texts of exceptions.
        telemetry={"logs": False},
    )
    app.state.services, app.state.bell = parts, bell
    problems.install(app)
    bodies.install(app, parts.settings.max_body_bytes, {events.PATH: events.MOST_BYTES})
    for router in (
        conversations.router,
        contacts.router,
        hooks.router,
        sources.router,
        subscriptions.router,
        messages.router,
        events.router,
        evaluations.router,
        goals.router,
        steps.router,
        packages.router,
        rate_reports.router,
        process_reports.router,
        task_reports.router,
        path_reports.router,
        agreement_reports.router,
    ):
        app.include_router(router, responses=problems.documented(401, 403, 422, 500, 503))
    app.include_router(probes.router)
    pages.install(app)
    return app
