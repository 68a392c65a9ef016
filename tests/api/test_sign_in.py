"""Sign-in: who may see the pages, for how long, and that no other site can sign anybody in, out or away."""

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from goalline.api.deps import Caller, caller
from goalline.api.pages.sign_in import COOKIE
from goalline.bootstrap import Services
from goalline.domain.key import Scope
from goalline.store import projects
from goalline.worker import utc_now
from tests.api.world import NewWorld, World


def sign_in(browser: TestClient, key: str, page: str = "/", **headers: str) -> tuple[int, str | None]:
    """Send the form; return the status and where it leads."""
    answer = browser.post("/sign-in", data={"key": key, "next": page}, headers=headers, follow_redirects=False)
    return answer.status_code, answer.headers.get("location")


def revoke(world: World, key: str) -> None:
    with world.database.transaction() as session:
        projects.revoke_key(session, world.project.id, key.split("_")[1], utc_now())


@pytest.mark.parametrize("scope", [Scope.READ, Scope.ADMIN])
def test_a_key_that_may_read_signs_in(world: World, scope: Scope) -> None:
    browser = world.browser()
    assert sign_in(browser, world.keys[scope]) == (303, "/")
    assert browser.get("/").status_code == 200
    assert "Sign out" in browser.get("/").text


def test_a_key_copied_with_white_space_around_it_signs_in(world: World) -> None:
    assert sign_in(world.browser(), f"  {world.keys[Scope.READ]}\n")[0] == 303


@pytest.mark.parametrize("key", ["", "nonsense", "gl_aaaaaaaaaaaa_" + "b" * 32])
def test_no_other_word_signs_in(world: World, key: str) -> None:
    browser = world.browser()
    assert sign_in(browser, key) == (401, None)
    assert not browser.cookies


def test_a_key_that_may_only_ingest_is_refused_with_the_reason(world: World) -> None:
    browser = world.browser()
    answer = browser.post("/sign-in", data={"key": world.keys[Scope.INGEST]})
    assert answer.status_code == 403
    assert "This key may only ingest." in answer.text
    assert not browser.cookies


def test_the_cookie_holds_a_key_of_its_own_that_may_only_read(world: World) -> None:
    browser = world.browser()
    sign_in(browser, world.keys[Scope.ADMIN])
    session_key = browser.cookies[COOKIE]
    assert session_key != world.keys[Scope.ADMIN]
    with world.database.reading() as session:
        minted = projects.find_key(session, session_key, utc_now())
        owner = projects.find_key(session, world.keys[Scope.ADMIN], utc_now())
    assert minted
    assert owner
    assert (minted.scope, minted.name, minted.made_by) == (Scope.READ, "browser sign-in", owner.id)
    assert minted.expires_at
    assert abs(minted.expires_at - utc_now() - timedelta(hours=12)) < timedelta(minutes=1)


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(world: World) -> None:
    answer = world.browser().post("/sign-in", data={"key": world.keys[Scope.READ]}, follow_redirects=False)
    attributes = set(answer.headers["set-cookie"].split("; ")[1:])
    assert attributes == {"HttpOnly", "Max-Age=43200", "Path=/", "SameSite=strict"}


def test_over_https_the_cookie_is_sent_over_https_only(world: World) -> None:
    browser = world.browser()
    browser.base_url = "https://goalline.test"
    answer = browser.post("/sign-in", data={"key": world.keys[Scope.READ]}, follow_redirects=False)
    assert "Secure" in answer.headers["set-cookie"].split("; ")


def test_a_sign_in_ends_with_the_key_it_was_made_from(world: World) -> None:
    browser = world.browser()
    sign_in(browser, world.keys[Scope.READ])
    revoke(world, world.keys[Scope.READ])
    assert browser.get("/", follow_redirects=False).headers["location"] == "/sign-in"


def test_a_key_that_is_revoked_while_it_signs_in_leaves_no_sign_in_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found_and_then_revoked(parts: Services, key: str) -> Caller | None:
        found = caller(parts, key)
        revoke(world, key)
        return found

    monkeypatch.setattr("goalline.api.pages.sign_in.caller", found_and_then_revoked)
    browser = world.browser()
    assert sign_in(browser, world.keys[Scope.READ]) == (401, None)
    assert not browser.cookies


def test_a_sign_in_lasts_no_longer_than_the_key_it_was_made_from(world: World) -> None:
    with world.database.transaction() as session:
        key = projects.create_key(
            session, world.project.id, "short", Scope.READ, utc_now(), lifetime=timedelta(minutes=5)
        )
    browser = world.browser()
    sign_in(browser, key)
    with world.database.reading() as session:
        assert projects.find_key(session, browser.cookies[COOKIE], utc_now())
        assert projects.find_key(session, browser.cookies[COOKIE], utc_now() + timedelta(minutes=6)) is None


def test_a_sign_in_cannot_be_prolonged_by_signing_in_with_it(world: World) -> None:
    browser = world.browser()
    sign_in(browser, world.keys[Scope.READ])
    assert sign_in(world.browser(), browser.cookies[COOKIE]) == (403, None)


def test_signing_out_ends_the_sign_in_on_the_server_as_well(world: World) -> None:
    browser, thief = world.browser(), world.browser()
    sign_in(browser, world.keys[Scope.READ])
    thief.cookies.set(COOKIE, browser.cookies[COOKIE])
    assert thief.get("/", follow_redirects=False).status_code == 200
    answer = browser.post("/sign-out", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert COOKIE not in browser.cookies
    assert thief.get("/", follow_redirects=False).status_code == 303


def test_signing_out_never_revokes_an_api_key(world: World) -> None:
    browser = world.browser()
    browser.cookies.set(COOKIE, world.keys[Scope.ADMIN])
    assert browser.get("/", follow_redirects=False).status_code == 303
    browser.post("/sign-out")
    assert world.client().get("/v1/goals").status_code == 200


def test_whoever_is_not_signed_in_is_led_to_sign_in_and_back(world: World) -> None:
    browser = world.browser()
    answer = browser.get("/conversations/a%3Fb?x=1", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Fconversations%2Fa%253Fb%3Fx%3D1"
    assert 'name="next" value="/conversations/a%3Fb?x=1"' in browser.get(answer.headers["location"]).text
    assert sign_in(browser, world.keys[Scope.READ], "/conversations/a%3Fb?x=1") == (303, "/conversations/a%3Fb?x=1")


@pytest.mark.parametrize("page", ["/", "/?agent=a&period=7", "/conversations/call-1?x=1"])
def test_sign_in_leads_to_pages_of_ours(world: World, page: str) -> None:
    assert sign_in(world.browser(), world.keys[Scope.READ], page) == (303, page)


@pytest.mark.parametrize(
    "page",
    [
        "https://evil.test",
        "//evil.test",
        "///evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "/\t/evil.test",
        "/\n/evil.test",
        " //evil.test",
        "javascript:alert(1)",
        "/conversations/\\..\\evil.test",
        "/conversations/a\r\nSet-Cookie: a=b",
        "/sign-out",
        "/v1/goals",
        "evil.test",
        "",
    ],
)
def test_sign_in_leads_nowhere_else(world: World, page: str) -> None:
    assert sign_in(world.browser(), world.keys[Scope.READ], page) == (303, "/")
    assert 'name="next" value="/"' in world.browser().get("/sign-in", params={"next": page}).text


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://goalline.test:81"},
    ],
)
def test_forms_of_other_sites_are_refused(world: World, path: str, headers: dict[str, str]) -> None:
    browser = world.browser()
    sign_in(browser, world.keys[Scope.READ])
    session_key = browser.cookies[COOKIE]
    answer = browser.post(path, data={"key": world.keys[Scope.ADMIN]}, headers=headers, follow_redirects=False)
    assert answer.status_code == 403
    assert browser.cookies[COOKIE] == session_key
    assert browser.get("/", follow_redirects=False).status_code == 200


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://goalline.test"}, {}])
def test_our_own_forms_are_taken(world: World, headers: dict[str, str]) -> None:
    assert sign_in(world.browser(), world.keys[Scope.READ], **headers) == (303, "/")


def test_a_key_in_the_header_opens_pages_as_well(world: World) -> None:
    for scope, status in ((Scope.READ, 200), (Scope.ADMIN, 200), (Scope.INGEST, 403)):
        page = world.client(scope).get("/", follow_redirects=False)
        assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")


def test_a_wrong_key_in_the_header_is_refused_even_where_pages_are_open(new_world: NewWorld) -> None:
    browser = new_world(dashboard_open=True).browser()
    answer = browser.get("/", headers={"Authorization": "Bearer gl_wrong"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_credentials_meant_for_a_proxy_are_not_taken_for_a_key(world: World) -> None:
    browser = world.browser()
    sign_in(browser, world.keys[Scope.READ])
    assert browser.get("/", headers={"Authorization": "Basic dTpw"}, follow_redirects=False).status_code == 200


OPEN = "anyone who can reach this server sees them without signing in"


def test_open_pages_need_no_sign_in_and_say_so(new_world: NewWorld) -> None:
    world = new_world(dashboard_open=True)
    page = world.browser().get("/", follow_redirects=False)
    assert page.status_code == 200
    assert OPEN in page.text
    assert "Sign out" not in page.text
    assert world.browser().get("/v1/conversations").status_code == 401


def test_pages_are_closed_unless_they_are_opened(world: World) -> None:
    assert world.browser().get("/", follow_redirects=False).status_code == 303
    assert OPEN not in world.client().get("/").text


def test_open_pages_show_the_first_project_and_to_whoever_signs_in_their_own(new_world: NewWorld) -> None:
    world = new_world(dashboard_open=True)
    with world.database.transaction() as session:
        other = projects.create(session, "Second project", "UTC", utc_now())
        key = projects.create_key(session, other.id, "key", Scope.READ, utc_now())
    browser = world.browser()
    assert "Sample project" in browser.get("/").text
    sign_in(browser, key)
    assert "Second project" in browser.get("/").text


def test_the_api_does_not_take_the_cookie(world: World) -> None:
    browser = world.browser()
    sign_in(browser, world.keys[Scope.READ])
    assert browser.get("/v1/conversations").status_code == 401
