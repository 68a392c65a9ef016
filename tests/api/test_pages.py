"""What all pages share: guards, errors, static files, and the plain word about the stand-in."""

import re

import pytest

from tests.api.world import NewWorld, World, age_goals, days_ago, delivery, text_of

PAGES = ["/", "/conversations/call-1", "/sign-in", "/conversations/nothing", "/?period=5"]
STAND_IN = "Not judged by an LLM."


def test_pages_say_so_when_the_verdicts_are_those_of_the_stand_in(judged: World) -> None:
    for address in ("/", "/conversations/call-1"):
        assert STAND_IN not in judged.client().get(address).text
    judged.judge.model = "goalline-stand-in"
    judged.client().post("/v1/conversations/call-1/evaluations")
    judged.evaluate()
    for address in ("/", "/conversations/call-1"):
        assert STAND_IN in judged.client().get(address).text


@pytest.fixture
def mixed(judged: World) -> World:
    """A world with 30 conversations judged by a model today, behind them one that the stand-in judged."""
    age_goals(judged)
    judged.judge.model = "goalline-stand-in"
    old = delivery("old", ended_at=days_ago(5), agent_id="back-office")
    judged.client().post("/v1/conversations", json=old)
    judged.evaluate()
    judged.judge.model = "scripted-model"
    for number in range(30):
        judged.client().post("/v1/conversations", json=delivery(f"more-{number}"))
    judged.evaluate()
    return judged


def test_the_dashboard_says_so_as_long_as_one_verdict_in_its_numbers_is_the_stand_ins(mixed: World) -> None:
    client = mixed.client()
    for query in ("", "?agent=back-office", "?period=7"):
        assert STAND_IN in client.get(f"/{query}").text
    assert STAND_IN not in client.get("/?agent=front-desk").text
    mixed.client().post("/v1/conversations/old/evaluations")
    assert STAND_IN in client.get("/").text
    mixed.evaluate()
    assert STAND_IN not in client.get("/").text


def test_what_the_stand_in_judged_before_the_period_is_no_matter(mixed: World) -> None:
    with mixed.database.transaction() as session:
        moved = "ended_at = datetime('now', '-8 days'), day = date('now', '-8 days')"
        session.connection().exec_driver_sql(f"UPDATE conversation SET {moved} WHERE conversation_id = 'old'")
    assert STAND_IN not in mixed.client().get("/?period=7").text
    assert STAND_IN in mixed.client().get("/?period=30").text


def test_each_conversation_says_whether_the_stand_in_judged_it(mixed: World) -> None:
    note = "Verdicts of the stand-in, which is no LLM."
    assert note not in mixed.client().get("/").text
    assert mixed.client().get("/?agent=back-office").text.count(note) == 1
    assert STAND_IN in mixed.client().get("/conversations/old").text
    assert STAND_IN not in mixed.client().get("/conversations/call-1").text


def test_a_conversation_whose_newest_verdicts_are_a_models_is_the_stand_ins_no_more(mixed: World) -> None:
    mixed.client().post("/v1/conversations/old/evaluations")
    mixed.evaluate()
    assert STAND_IN not in mixed.client().get("/conversations/old").text


def test_pages_say_so_when_the_stand_in_is_the_model_that_is_set(new_world: NewWorld) -> None:
    assert STAND_IN in new_world(model="goalline-stand-in").client().get("/").text


MODELLESS = "No model is set: conversations are stored and wait. Set OPENAI_API_KEY or OPENAI_BASE_URL and start again."


def test_pages_say_so_when_no_model_is_set_and_conversations_wait(new_world: NewWorld) -> None:
    client = new_world(openai_base_url=None).client()
    assert MODELLESS in text_of(client.get("/").text)
    client.post("/v1/conversations", json=delivery())
    for address in ("/", "/conversations/call-1"):
        assert MODELLESS in text_of(client.get(address).text)


@pytest.mark.parametrize(
    "setting",
    [
        {"openai_api_key": "sk-sample"},
        {"openai_base_url": "http://model.test/v1"},
        # The workers elsewhere have settings of their own.
        {"redis_url": "redis://queue.test"},
    ],
    ids=str,
)
def test_nothing_is_said_of_a_model_that_is_set_or_that_others_ask(
    new_world: NewWorld, setting: dict[str, str]
) -> None:
    world = new_world(**{"openai_base_url": None, **setting})
    world.client().post("/v1/conversations", json=delivery())
    for address in ("/", "/conversations/call-1"):
        assert "No model is set" not in world.client().get(address).text


def test_the_word_about_the_stand_in_tells_what_to_do_wherever_it_runs(new_world: NewWorld) -> None:
    page = text_of(new_world(model="goalline-stand-in").client().get("/").text)
    assert "Point OPENAI_BASE_URL at a model, or set OPENAI_API_KEY ." in page


def test_a_page_that_refuses_several_things_names_them_all(world: World) -> None:
    page = text_of(world.client().get("/?period=5&interval=year").text)
    assert "period must be one of 7, 30, 90" in page
    assert "interval must be one of 'day', 'week' or 'month'".replace("'", "&#39;") in page


@pytest.mark.parametrize("address", PAGES)
def test_every_page_is_guarded_and_kept_by_nobody(judged: World, address: str) -> None:
    for client in (judged.client(), judged.browser()):
        headers = client.get(address, follow_redirects=False).headers
        policy = headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy)
        assert not any("unsafe" in rule or rule.startswith("script-src") for rule in policy)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


def test_no_page_holds_what_the_policy_forbids(judged: World) -> None:
    for address in PAGES:
        assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=|javascript:", judged.client().get(address).text)


def test_static_files_are_linked_by_their_digest_and_kept(judged: World) -> None:
    page = judged.client().get("/").text
    links = set(re.findall(r'"(/static/[^"]+)"', page))
    assert {link.partition("?")[0] for link in links} == {"/static/goalline.css", "/static/favicon.svg"}
    for link in links:
        response = judged.browser().get(link)
        assert response.status_code == 200
        assert "immutable" in response.headers["cache-control"]
        assert response.headers["x-content-type-options"] == "nosniff"


def test_errors_are_pages_on_pages_and_problems_in_the_api(judged: World) -> None:
    page = judged.client().get("/conversations/nothing")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is no conversation &#39;nothing&#39;." in page.text
    problem = judged.client().get("/v1/conversations/nothing", headers={"Accept": "text/html"})
    assert (problem.status_code, problem.headers["content-type"]) == (404, "application/problem+json")


def test_an_unknown_address_is_a_page_for_a_browser_and_a_problem_for_a_program(world: World) -> None:
    browser = world.browser().get("/nowhere", headers={"Accept": "text/html,application/xhtml+xml"})
    program = world.browser().get("/nowhere")
    assert (browser.status_code, program.status_code) == (404, 404)
    assert browser.headers["content-type"] == "text/html; charset=utf-8"
    assert program.headers["content-type"] == "application/problem+json"


def test_a_defect_of_ours_is_a_page_that_tells_nothing_of_it(judged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("somebody's words")

    monkeypatch.setattr("goalline.api.pages.conversation.marks.segments", broken)
    page = judged.client().get("/conversations/call-1")
    assert page.status_code == 500
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "somebody" not in page.text


def test_pages_are_not_part_of_the_documented_api(world: World) -> None:
    paths = world.browser().get("/openapi.json").json()["paths"]
    assert not [path for path in paths if not path.startswith("/v1/") and path not in ("/healthz", "/readyz")]
