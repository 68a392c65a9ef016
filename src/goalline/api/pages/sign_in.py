"""Who looks at the pages, and how a browser signs in: with an API key, for twelve hours."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response

from goalline.api.deps import Caller, Parts, caller
from goalline.api.pages.attempts import Attempts
from goalline.api.pages.frame import redirect, render
from goalline.bootstrap import Services
from goalline.domain.key import Scope
from goalline.domain.refusal import NotFound
from goalline.store import projects
from goalline.store.tables import ApiKey, Project
from goalline.worker import utc_now

router = APIRouter(include_in_schema=False)

COOKIE = "goalline_session"
LIFETIME = timedelta(hours=12)

# The pages that sign-in leads back to. A list of what is allowed cannot be talked into another site's address.
_PAGE = re.compile(r"/(conversations/[!-\[\]-~]+|\?[!-\[\]-~]*)?")


class SignInNeeded(Exception):
    """Nobody is signed in; `page` is where to go afterwards."""

    def __init__(self, page: str) -> None:
        super().__init__("sign-in needed")
        self.page = page


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page: the project they may see, and whether a browser's sign-in let them in.

    `uninvited` when nobody had to sign in, because the pages are open.
    """

    project: Project
    signed_in: bool = False
    uninvited: bool = False


def _visitor(request: Request, parts: Parts) -> Visitor:
    bearer = _bearer(request)
    if bearer:
        found = caller(parts, bearer)
        if found is None:
            raise HTTPException(401, "this API key is not valid, or no longer", {"WWW-Authenticate": "Bearer"})
        if not found.key.scope.allows(Scope.READ):
            detail = f"pages need a key of scope read or admin; this one's is {found.key.scope}"
            raise HTTPException(403, detail, {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="read"'})
        return Visitor(found.project)
    signed_in = _signed_in(request, parts)
    if signed_in:
        return Visitor(signed_in.project, signed_in=True)
    if parts.settings.dashboard_open:
        return Visitor(_first_project(parts), uninvited=True)
    query = f"?{request.url.query}" if request.url.query else ""
    raise SignInNeeded(f"{request.url.path}{query}")


Visit = Annotated[Visitor, Depends(_visitor)]


def to_sign_in(_request: Request, error: Exception) -> Response:
    """Lead somebody who is not signed in to the sign-in page."""
    page = error.page if isinstance(error, SignInNeeded) else "/"
    return redirect("/sign-in" if page == "/" else f"/sign-in?next={quote(page, safe='')}")


@router.get("/sign-in")
def form(next: str = "/") -> Response:  # noqa: A002 - the word in the address
    """Show the form that asks for an API key."""
    return _form(next)


@router.post("/sign-in")
def sign_in(
    request: Request,
    parts: Parts,
    key: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002 - the word in the form
) -> Response:
    """Exchange an API key for a cookie that may read the pages, and ends with the key it was made from."""
    _refuse_other_sites(request)
    attempts, address = _attempts(request), request.client.host if request.client else ""
    if seconds := attempts.wait(address):
        detail = f"too many wrong keys came from this address; try again in {seconds} seconds"
        raise HTTPException(429, detail, {"Retry-After": str(seconds)})
    found = caller(parts, key.strip())
    if found is None:
        attempts.wrong(address)
        return _form(next, 401, "This API key is not valid, or no longer. Ask an admin for another.")
    if found.key.made_by:
        return _form(next, 403, "This is a browser's sign-in and not an API key. Sign in with the API key itself.")
    if not found.key.scope.allows(Scope.READ):
        return _form(next, 403, f"This key may only {found.key.scope}. Sign in with a key of scope read or admin.")
    minted, lifetime = _mint(parts, key.strip(), found.key)
    if minted is None:
        return _form(next, 401, "This API key is no longer valid. Ask an admin for another.")
    response = redirect(_local(next))
    response.set_cookie(
        COOKIE,
        minted,
        max_age=int(lifetime.total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/sign-out")
def sign_out(request: Request, parts: Parts) -> Response:
    """End a browser's sign-in for good."""
    _refuse_other_sites(request)
    found = _signed_in(request, parts)
    if found:
        with parts.database.transaction() as session:
            projects.revoke_key(session, found.project.id, found.key.prefix, utc_now())
    response = redirect("/" if parts.settings.dashboard_open else "/sign-in")
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return response


def _attempts(request: Request) -> Attempts:
    attempts: Attempts = request.app.state.attempts
    return attempts


def _mint(parts: Services, key: str, owner: ApiKey) -> tuple[str | None, timedelta]:
    now = utc_now()
    lifetime = min(LIFETIME, owner.expires_at - now) if owner.expires_at else LIFETIME
    with parts.database.transaction() as session:
        # Looked at again where it counts: a key revoked in this very moment must not leave a sign-in behind.
        if projects.find_key(session, key, now) is None:
            return None, lifetime
        minted = projects.create_key(
            session, owner.project_id, "browser sign-in", Scope.READ, now, lifetime=lifetime, made_by=owner.id
        )
    return minted, lifetime


def _form(page: str, status: int = 200, refusal: str | None = None) -> Response:
    return render("sign_in.html", status=status, page=_local(page), refusal=refusal)


def _local(page: str) -> str:
    return page if _PAGE.fullmatch(page) else "/"


def _bearer(request: Request) -> str | None:
    # Anything else, such as a proxy's own Basic credentials, is not meant for us.
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


def _signed_in(request: Request, parts: Services) -> Caller | None:
    cookie = request.cookies.get(COOKIE)
    found = caller(parts, cookie) if cookie else None
    # Only what sign-in made is a sign-in: signing out must never revoke somebody's API key.
    return found if found and found.key.made_by else None


def _first_project(parts: Services) -> Project:
    with parts.database.reading() as session:
        for project in projects.every(session):
            return project
    raise NotFound("there is no project yet; run goalline serve once")


def _refuse_other_sites(request: Request) -> None:
    site = request.headers.get("sec-fetch-site")
    if not (site == "same-origin" if site else _from_here(request)):
        raise HTTPException(403, "this form came from another site, so nothing was done; open the page and try again")


def _from_here(request: Request) -> bool:
    # Browsers leave Sec-Fetch-Site out on plain http. Programs send neither.
    origin = request.headers.get("origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
    except ValueError:
        return False
