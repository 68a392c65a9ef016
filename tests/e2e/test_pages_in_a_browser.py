"""The pages in a real browser, served by a real server: what a person sees, and what nobody gets to run."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from dramatiq.brokers.stub import StubBroker
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from goalline import pipeline
from goalline.bootstrap import Services
from goalline.domain.event import Event
from goalline.domain.goal import GoalDraft, Kind
from goalline.domain.key import Scope
from goalline.domain.transcript import Delivery
from goalline.domain.verdict import Outcome
from goalline.settings import Settings
from goalline.store import projects, schema
from goalline.store.database import Database
from goalline.store.goals import goals
from goalline.worker import utc_now
from tests.api.world import ScriptedJudge, make_key
from tests.e2e.site import served

SCRIPT = "<script>document.title = 'taken over'</script><img src=x onerror=\"document.title='taken over'\">"
LONG = "conversation-" + "with-a-very-long-name-" * 8
STEPS = [
    {"key": "begin", "name": LONG, "initial": True},
    {"key": "end", "name": "Done", "completion": True, "cost_savings": "1500.00", "time_saved": "00:03:00"},
]
Site = tuple[str, str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running site full of conversations: its address, and a key that may read."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('site') / 'goalline.db'}")
    schema.migrate(database)
    judge = ScriptedJudge(outcomes={"Reminder offered": Outcome.PARTIAL})
    judge.quotes = {"Appointment booked": [(2, "booked for Monday")], "Reminder offered": [(2, "Monday at ten")]}
    parts = Services(Settings(), database, judge, StubBroker(middleware=[]))
    now = utc_now()
    with database.transaction() as session:
        project = projects.create(session, "Sample project", "UTC", now)
        for name, kind in (("Appointment booked", Kind.PRIMARY), ("Reminder offered", Kind.SECONDARY)):
            draft = GoalDraft.model_validate({"name": name, "description": name, "kind": kind, "steps": STEPS})
            goals.create(session, project.id, draft, now - timedelta(days=60))
    for number, name in enumerate(["nasty", LONG, "third", "fourth"]):
        said = {"role": "user", "text": SCRIPT}, {"role": "agent", "text": "You are booked for Monday at ten. " + LONG}
        body = {"conversation_id": name, "agent_id": LONG, "ended_at": now - timedelta(days=number), "transcript": said}
        receipt = pipeline.receive(database, project, Delivery.model_validate(body), now)
        day = timedelta(days=1)
        work = pipeline.claim(database, receipt.evaluation_id, utc_now(), day)
        assert work
        pipeline.evaluate(database, judge, work, utc_now, give_up_after=day)
    track_all(database, project.id, "third", now)
    key = make_key(database, project, Scope.READ)
    with served(parts) as address:
        yield address, key
    database.close()


def track_all(database: Database, project_id: UUID, call: str, now: datetime) -> None:
    """Report one completed cycle, a step too early, a task and a path, all under names that are hard to lay out."""
    sent: list[dict[str, str]] = [
        *({"type": "goal.step", "goal": "Appointment booked", "step": step} for step in ("begin", "end")),
        {"type": "goal.step", "goal": "Reminder offered", "step": "end"},
        {"type": "task.completed", "name": LONG},
        *({"type": "step.executed", "name": name} for name in ("Greeting", SCRIPT)),
    ]
    events = {
        place: Event.model_validate({"id": f"event-{place}", "conversation_id": call, "occurred_at": now, **event})
        for place, event in enumerate(sent)
    }
    assert pipeline.track(database, project_id, events, now, len(events)).accepted == len(events)


Open = Callable[..., Page]


@pytest.fixture
def visit(site: Site, browser: Browser) -> Iterator[Open]:
    """Opens a page of the site as somebody who is signed in; at the end nothing may stand in the console."""
    contexts, complaints = [], []

    def complain(message: ConsoleMessage) -> None:
        complaints.append(message.text)

    def opened(path: str, width: int = 1280, *, scripts: bool = True) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 800}, java_script_enabled=scripts)
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", complain)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(site[0] + path)
        page.get_by_label("API key").fill(site[1])
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(site[0] + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints


def test_the_chart_is_there_for_eyes_and_for_screen_readers(visit: Open) -> None:
    page = visit("/")
    chart = page.get_by_role("img", name="Success rate over time")
    expect(chart).to_be_visible()
    expect(chart.locator("path.band")).to_be_visible()
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("row", name=re.compile("100 % .* 1 0 0 1")).first).to_be_visible()


def test_the_way_leads_from_the_rate_to_the_words_it_rests_on(visit: Open) -> None:
    page = visit("/")
    page.get_by_role("link", name="third", exact=True).click()
    expect(page.get_by_role("heading", name="third")).to_be_visible()
    first = page.locator("mark.goal-1").first
    expect(first).to_be_visible()
    expect(first).to_have_text("booked for ")
    assert page.locator("mark.goal-1").all_text_contents() == ["booked for ", "Monday"]
    assert page.locator("mark.goal-2").all_text_contents() == ["Monday", " at ten"]
    painted = first.evaluate("element => getComputedStyle(element).borderBottomWidth")
    assert painted == "2px"
    page.get_by_role("link", name="Turn 2").first.click()
    expect(page).to_have_url(re.compile("#turn-2$"))


def test_a_script_in_a_turn_is_shown_and_does_not_run(visit: Open) -> None:
    page = visit("/conversations/nasty")
    expect(page.get_by_text("<script>document.title")).to_be_visible()
    expect(page).to_have_title("Conversation nasty · Goalline")


def test_what_events_tell_stands_beside_the_verdict(visit: Open) -> None:
    page = visit("/conversations/third")
    card = page.get_by_role("article", name="Appointment booked")
    expect(card.get_by_text("Completed", exact=True)).to_be_visible()
    expect(card.get_by_text("1,500.00 USD and 00:03:00 saved")).to_be_visible()
    expect(page.get_by_role("article", name="Reminder offered")).to_contain_text("No cycle: the initial step")
    expect(page.get_by_text("<script>document.title").last).to_be_visible()
    expect(page).to_have_title("Conversation third · Goalline")


@pytest.mark.parametrize("path", ["/", "/conversations/third", "/?agent=nobody"])
@pytest.mark.parametrize("width", [320, 375, 768, 901, 1280])
def test_no_page_is_wider_than_its_screen(visit: Open, path: str, width: int) -> None:
    page = visit(path, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_goallines_id_stands_on_one_line(visit: Open) -> None:
    shown = visit("/conversations/third").locator(".about .long code")
    assert shown.evaluate("element => element.getClientRects().length") == 1


def test_everything_works_without_javascript(visit: Open) -> None:
    page = visit("/", scripts=False)
    expect(page.get_by_role("img", name="Success rate over time")).to_be_visible()
    page.get_by_role("combobox", name="Period").select_option("7")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile(r"/\?agent=&period=7&interval=$"))
    expect(page.locator("rect.slot")).to_have_count(4)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_wrong_key_is_refused_in_words(site: Site, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(site[0] + "/")
    page.get_by_label("API key").fill("gl_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not valid")
    context.close()


def test_every_place_that_takes_the_keyboard_shows_it(visit: Open) -> None:
    page = visit("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
