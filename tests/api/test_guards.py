"""The headers that guard every answer, and every HTML page most of all, whatever went wrong."""

import re
from base64 import b64encode
from hashlib import sha256

import httpx2
import pytest
from fastapi.testclient import TestClient

from tests.api.calls import NOBODY, break_database
from tests.api.world import NewWorld, World

HTML = {"Accept": "text/html"}


def html_answers(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, httpx2.Response]:
    """Return a page of each kind and of each error that there is."""
    signed_in, nobody = world.client(), world.browser()
    answers = {
        "dashboard": signed_in.get("/"),
        "conversation": signed_in.get("/conversations/call-1"),
        "sign-in": nobody.get("/sign-in"),
        "refused sign-in": nobody.post("/sign-in", data={"key": "gl_wrong"}),
        "form of another site": nobody.post("/sign-in", headers={"Sec-Fetch-Site": "cross-site"}),
        "401": nobody.get("/", headers={"Authorization": "Bearer gl_wrong"}),
        "404": signed_in.get("/conversations/nothing"),
        "404 elsewhere": nobody.get("/nowhere", headers=HTML),
        "404 of a static file": nobody.get("/static/nothing.css", headers=HTML),
        "405": nobody.delete("/sign-in", headers=HTML),
        "422": signed_in.get("/?period=5"),
        "reference": nobody.get("/docs"),
    }
    for _ in range(world.parts.settings.wrong_sign_ins_per_minute):
        nobody.post("/sign-in", data={"key": "gl_wrong"})
    answers["429"] = nobody.post("/sign-in", data={"key": "gl_wrong"})

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr("goalline.api.pages.conversation.marks.segments", broken)
        answers["500"] = signed_in.get("/conversations/call-1")
    break_database(world)
    answers["503"] = signed_in.get("/")
    return answers


def test_every_html_answer_is_guarded(judged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = html_answers(judged, monkeypatch)
    for name, answer in answers.items():
        assert answer.headers["content-type"] == "text/html; charset=utf-8", name
        policy = answer.headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy), name
        assert answer.headers["x-content-type-options"] == "nosniff", name
        assert answer.headers["referrer-policy"] == "same-origin", name
        assert answer.headers["cache-control"] == "no-store", name
        if name != "reference":
            assert not re.search("script-src|unsafe", answer.headers["content-security-policy"]), name
    codes = {name: answers[name].status_code for name in answers if name.isdigit()}
    assert codes == {name: int(name) for name in codes}


@pytest.mark.parametrize(
    "path", ["/healthz", "/openapi.json", "/v1/goals", "/v1/nothing", "/nowhere", "/static/goalline.css", "/sign-in"]
)
def test_no_answer_is_taken_for_what_it_does_not_say_it_is(untouched: World, path: str) -> None:
    for client in (untouched.client(), untouched.browser()):
        assert client.get(path).headers["x-content-type-options"] == "nosniff"


def test_a_refused_body_is_guarded_too(new_world: NewWorld) -> None:
    answer = new_world(max_body_bytes=10).client().post("/v1/goals", content=b"x" * 11)
    assert (answer.status_code, answer.headers["x-content-type-options"]) == (413, "nosniff")


def reference(client: TestClient) -> tuple[str, dict[str, list[str]]]:
    """Return the reference page and its policy, by directive."""
    page = client.get("/docs")
    rules = (rule.split() for rule in page.headers["content-security-policy"].split("; "))
    return page.text, {name: values for name, *values in rules}


def test_the_reference_runs_its_own_two_scripts_and_no_other(untouched: World) -> None:
    text, policy = reference(untouched.browser())
    (inline,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digest = b64encode(sha256(inline.encode()).digest()).decode()
    (source,) = re.findall(r'<script src="(.*?)"', text)
    folder, own = policy["script-src"]
    assert own == f"'sha256-{digest}'"
    assert source.startswith(folder)
    assert folder.endswith("/")


def test_the_reference_speaks_to_nobody_but_us(untouched: World) -> None:
    text, policy = reference(untouched.browser())
    assert policy["connect-src"] == ["'self'"]
    assert policy["img-src"] == ["'self'", "data:"]
    assert policy["form-action"] == ["'none'"]
    assert re.findall(r'rel="shortcut icon" href="(/static/favicon\.svg\?v=\w+)"', text)


def test_no_answer_says_what_serves_it_by_a_cookie_or_for_other_origins(untouched: World) -> None:
    answer = untouched.client().get(f"/v1/goals/{NOBODY}", headers={"Origin": "https://evil.test"})
    assert not {"set-cookie", "access-control-allow-origin", "x-powered-by"} & set(answer.headers)
