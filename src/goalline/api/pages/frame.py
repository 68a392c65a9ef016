"""The frame that every page stands in: templates, the headers that guard a page, static files, the API's reference."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from goalline.api.pages import charts, wording
from goalline.bootstrap import Services, has_model

_HERE = Path(__file__).parent.parent
_STATIC = _HERE / "static"

_GUARDS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    # Not `no-referrer`: with that, browsers send `Origin: null` with our own forms, which sign-in could not tell
    # from another site's. Other sites learn nothing either way.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_SWAGGER = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/"
_A_YEAR = "public, max-age=31536000, immutable"


class _StaticFiles(StaticFiles):
    """Files that browsers may keep, as their addresses change with their contents."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = _A_YEAR
        return response


static_files = _StaticFiles(directory=_STATIC)
_DIGESTS = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in _STATIC.iterdir()}


def _static(name: str) -> str:
    return f"/static/{name}?v={_DIGESTS[name]}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    for filter_ in (
        wording.percent,
        wording.interval,
        wording.number,
        wording.things,
        wording.moment,
        wording.clock,
        wording.instant,
        wording.amount,
        wording.day,
        wording.dollars,
        wording.letters,
        wording.plain,
    ):
        environment.filters[filter_.__name__] = filter_
    environment.globals.update(static=_static, charts=charts, wording=wording, zip=zip)
    return environment


_TEMPLATES = _environment()


def render(
    template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: object
) -> HTMLResponse:
    """Return a page; `values` must hold every name that its template uses."""
    text = _TEMPLATES.get_template(template).render(**values)
    return HTMLResponse(text, status, {**_GUARDS, **(headers or {})})


def reference(request: Request) -> HTMLResponse:
    """Return the API's reference: the only page with scripts, two that are named, which may speak to us alone."""
    page = get_swagger_ui_html(
        openapi_url=request.app.openapi_url,
        title=f"{request.app.title} API",
        swagger_js_url=f"{_SWAGGER}swagger-ui-bundle.js",
        swagger_css_url=f"{_SWAGGER}swagger-ui.css",
        swagger_favicon_url=_static("favicon.svg"),
    )
    (script,) = re.findall(rb"<script>(.*?)</script>", bytes(page.body), flags=re.DOTALL)
    digest = b64encode(hashlib.sha256(script).digest()).decode()
    # People type their keys into this page: whoever changes the other script must not be able to send them away.
    policy = (
        f"default-src 'none'; script-src {_SWAGGER} 'sha256-{digest}'; style-src {_SWAGGER} 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )
    page.headers.update({**_GUARDS, "Content-Security-Policy": policy})
    return page


def modelless(parts: Services) -> bool:
    """Tell whether conversations wait here until a model is set, as the queue is ours and no settings name one."""
    return parts.embedded and not has_model(parts.settings)


def redirect(to: str) -> RedirectResponse:
    """Return an answer that leads a browser to another page with GET."""
    return RedirectResponse(to, 303, _GUARDS)


def is_page(request: Request) -> bool:
    """Tell whether a request is for a page, or comes from a browser that would like to be shown one."""
    path = request.url.path
    if path.startswith("/v1/"):
        return False
    return (
        path in ("/", "/sign-in", "/sign-out")
        or path.startswith("/conversations/")
        or "text/html" in (request.headers.get("accept", ""))
    )
