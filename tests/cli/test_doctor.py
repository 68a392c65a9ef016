"""goalline doctor: looks at everything, says what to do about what is wrong, and repeats no secret."""

import json
import shutil
import threading
from collections import namedtuple
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis as redis_client

from goalline.cli import doctor, examining
from goalline.domain.evaluation import Reason, Status
from goalline.judge.stand_in import MODEL, Fault, StandIn
from goalline.store import examination, sources
from goalline.store.conversations import claims
from goalline.store.conversations import queue as queues
from goalline.store.database import DatabaseUnavailable
from goalline.store.vault import new_key
from goalline.worker import utc_now
from tests.cli.terminal import Terminal
from tests.store.world import EFFORT, HOUR, MINUTE, World
from tests.store.worlds import migrated_server, postgres_world

__all__ = ["migrated_server", "postgres_world"]

SECRET = "xyzzyplugh"
Disk = namedtuple("Disk", "total used free")
on_a_database = pytest.mark.usefixtures("judged")
Found = dict[str, tuple[str, str, str]]


@pytest.fixture(autouse=True)
def _logging_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "configure_logs", lambda *_: None)
    monkeypatch.setattr(examining, "_POLLED_SECONDS", 0.5)


@pytest.fixture
def model() -> Iterator[StandIn]:
    with StandIn() as model:
        yield model


def examined(terminal: Terminal, *options: str, status: int = 0, **environment: str) -> Found:
    """Return state, finding and advice of each check; of several findings of one check, the last."""
    result = terminal.run("doctor", "--json", *options, **environment)
    assert result.exit_code == status, result.output
    assert SECRET not in result.output
    # The judge may log before; of a real command that goes to standard error.
    body = json.loads(result.stdout.splitlines()[-1])
    assert body["ok"] is (status == 0)
    return {found["check"]: (found["state"], found["found"], found["advice"] or "") for found in body["findings"]}


@on_a_database
def test_where_all_is_well_every_check_is_ok_with_status_0(terminal: Terminal, model: StandIn) -> None:
    found = examined(terminal, OPENAI_BASE_URL=model.url, GOALLINE_MODEL=MODEL, GOALLINE_PRICE_PER_MILLION="1,2")
    assert {state for state, _, _ in found.values()} == {"ok"}, found
    assert list(found) == ["settings", "disk", "database", "queue", "leases", "broker", "failures", "sources", "model"]
    assert model.calls == 1


@on_a_database
def test_each_finding_is_a_line_that_begins_with_its_state(terminal: Terminal) -> None:
    shown = terminal.prints("doctor", "--offline", GOALLINE_SHUTDOWN_SECOND="3").splitlines()
    assert shown[0].startswith("warning  settings  GOALLINE_SHUTDOWN_SECOND is no setting")
    assert shown[1].strip() == "-> use GOALLINE_SHUTDOWN_SECONDS"
    assert shown[2].startswith("ok       disk")


def test_settings_that_are_not_valid_are_named_without_their_values(terminal: Terminal) -> None:
    found = examined(terminal, status=1, GOALLINE_MAX_TURNS=SECRET)
    assert found == {
        "settings": ("wrong", "GOALLINE_MAX_TURNS: must be a whole number", "set it right and run this again")
    }


def test_no_secret_is_repeated_whatever_is_wrong(terminal: Terminal) -> None:
    secrets = {
        "GOALLINE_DATABASE_URL": f"postgresql://goalline:{SECRET}@127.0.0.1:1/goalline",
        "GOALLINE_REDIS_URL": f"redis://somebody:{SECRET}@127.0.0.1:1/0",
        "OPENAI_BASE_URL": f"http://somebody:{SECRET}@127.0.0.1:1/v1",
        "OPENAI_API_KEY": f"sk-{SECRET}",
    }
    found = examined(terminal, status=1, **secrets)
    assert [found[check][0] for check in ("database", "broker", "model")] == ["wrong"] * 3
    assert SECRET not in terminal.run("doctor", **secrets).output


@pytest.mark.parametrize(
    "url", [f"postgresql://u:{SECRET}@h/d?nonsense=1", f"sqlite+nonsense:///{SECRET}.db", "sqlite://"]
)
def test_an_address_that_cannot_be_used_is_a_finding(terminal: Terminal, url: str) -> None:
    assert examined(terminal, "--offline", status=1, GOALLINE_DATABASE_URL=url)["database"][0] == "wrong"


def test_a_file_that_is_not_there_is_not_made(terminal: Terminal) -> None:
    state, found, advice = examined(terminal, "--offline")["database"]
    assert (state, found) == ("warning", "SQLite goalline.db is not there yet")
    assert "goalline serve makes it" in advice
    assert not terminal.database_file.exists()


def test_a_folder_that_is_not_there_is_wrong(terminal: Terminal) -> None:
    url = "sqlite:///nowhere/goalline.db"
    state, found, _ = examined(terminal, "--offline", status=1, GOALLINE_DATABASE_URL=url)["database"]
    assert (state, found) == ("wrong", "SQLite nowhere/goalline.db cannot be made: the folder nowhere is missing")


@on_a_database
def test_a_schema_that_is_not_this_versions_is_left_alone_and_told(terminal: Terminal) -> None:
    terminal.rows("UPDATE alembic_version SET version_num = '0001'")
    state, found, advice = examined(terminal, "--offline", status=1)["database"]
    assert (state, advice) == ("wrong", "run goalline migrate")
    assert "not at this version's schema" in found
    assert terminal.rows("SELECT version_num FROM alembic_version") == [("0001",)]


@on_a_database
def test_a_database_that_takes_no_writes_is_wrong(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_database: object) -> None:
        raise PermissionError(SECRET)

    monkeypatch.setattr(examination, "require_writable", refuse)
    state, found, _ = examined(terminal, "--offline", status=1)["database"]
    assert (state, found) == ("wrong", "SQLite goalline.db takes no writes (PermissionError)")


@on_a_database
@pytest.mark.parametrize(("free", "state"), [(10 * 1024**3, "ok"), (1024**2 * 500, "warning"), (1024**2, "wrong")])
def test_a_disk_that_fills_is_told_before_it_is_full(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Disk(free, 0, free))
    assert examined(terminal, "--offline", status=int(state == "wrong"))["disk"][0] == state


@on_a_database
@pytest.mark.parametrize(
    ("ahead", "state"), [(0, "ok"), (-5, "warning"), (5, "warning"), (90, "wrong"), (-90, "wrong")]
)
def test_clocks_that_differ_are_told(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, ahead: int, state: str
) -> None:
    monkeypatch.setattr(examination, "clock", lambda _database: utc_now() + timedelta(seconds=ahead))
    assert examined(terminal, "--offline", status=int(state == "wrong"))["clock"][0] == state


@on_a_database
def test_a_database_that_goes_away_before_its_clock_is_asked_is_a_finding(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_database: object) -> None:
        raise DatabaseUnavailable("AdminShutdown")

    monkeypatch.setattr(examination, "clock", lost)
    found = examined(terminal, "--offline")["clock"]
    assert found == ("warning", "could not be asked (AdminShutdown)", "see the database above")


def test_a_server_is_asked_for_its_schema_its_clock_and_no_disk(terminal: Terminal, postgres_world: World) -> None:
    url = postgres_world.database.engine.url.render_as_string(hide_password=False)
    found = examined(terminal, "--offline", GOALLINE_DATABASE_URL=url)
    assert found["database"][1].startswith("PostgreSQL ")
    assert (found["database"][0], found["clock"][0]) == ("ok", "ok")
    assert "disk" not in found


@pytest.mark.parametrize(
    ("waited", "state"),
    [(timedelta(), "ok"), (2 * MINUTE, "warning"), (2 * HOUR, "wrong")],
    ids=["now", "late", "very"],
)
def test_what_has_waited_for_long_is_told(terminal: Terminal, judged: World, waited: timedelta, state: str) -> None:
    judged.conversation("waiting", at=utc_now() - waited)
    found = examined(terminal, "--offline", status=int(state == "wrong"))["queue"]
    assert (found[0], found[1].partition(";")[0]) == (state, "1 due, 0 for later, 0 running")


def test_leases_that_nobody_looks_after_are_told(terminal: Terminal, judged: World) -> None:
    begun = utc_now() - HOUR
    judged.claim(judged.newest(judged.conversation("running", at=begun)).id, begun)
    assert examined(terminal, "--offline")["leases"][:2] == ("warning", "1 leases have run out and nobody has looked")


def test_failures_of_the_last_day_are_told_by_reason_with_the_way_to_run_them_again(
    terminal: Terminal, judged: World
) -> None:
    for number, (reason, hours) in enumerate(
        [(Reason.UNAUTHORIZED, 1), (Reason.UNAUTHORIZED, 2), (Reason.REFUSED, 30)]
    ):
        at = utc_now() - hours * HOUR
        claim = judged.claim(judged.newest(judged.conversation(f"call-{number + 5}", at=at)).id, at)
        with judged.database.transaction() as session:
            claims.finish(session, claim, Status.FAILED, at, reason=reason, effort=EFFORT)
    state, found, advice = examined(terminal, "--offline")["failures"]
    assert (state, found) == ("warning", "failed in the last day: 2 with unauthorized")
    assert "OPENAI_API_KEY" in advice
    assert "goalline evaluations retry --reason unauthorized" in advice


@on_a_database
def test_failures_that_take_too_long_to_count_are_left_out(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    monkeypatch.setattr(queues, "failures", lambda *_: end.wait(60))
    monkeypatch.setattr(examining, "_SECONDS", 2.0)
    try:
        assert examined(terminal, "--offline")["failures"][:2] == ("warning", "could not be counted (TimeoutError)")
    finally:
        end.set()


@on_a_database
def test_secrets_of_sources_that_no_key_opens_are_told_with_what_to_do(terminal: Terminal) -> None:
    keys = [new_key(), new_key()]
    assert examined(terminal, "--offline")["sources"] == ("ok", "there are none", "")
    for name, key in zip(("phones", "chats"), keys, strict=True):
        create = ("sources", "create", name, "--platform", "standard_webhooks")
        terminal.prints(*create, GOALLINE_ENCRYPTION_KEYS=key)
    both = examined(terminal, "--offline", GOALLINE_ENCRYPTION_KEYS=",".join(keys))["sources"]
    assert both == ("ok", "the secrets of 2 can be read", "")
    state, found, advice = examined(terminal, "--offline", status=1, GOALLINE_ENCRYPTION_KEYS=keys[0])["sources"]
    assert state == "wrong"
    assert found == "the secrets of 1 of 2 cannot be read, so what they send is answered 503: 'chats'"
    assert advice.startswith("put the key that they were stored with behind the others in GOALLINE_ENCRYPTION_KEYS; or")
    _, found, advice = examined(terminal, "--offline", status=1)["sources"]
    assert "2 of 2 cannot be read" in found
    assert advice.startswith("set GOALLINE_ENCRYPTION_KEYS as it is set for goalline serve; or")
    # The other way that it tells of.
    terminal.prints("sources", "rotate", "chats", "--overlap-hours", "0", GOALLINE_ENCRYPTION_KEYS=keys[0])
    assert examined(terminal, "--offline", GOALLINE_ENCRYPTION_KEYS=keys[0])["sources"][0] == "ok"


@on_a_database
def test_of_many_sources_that_cannot_be_read_a_few_are_named(terminal: Terminal) -> None:
    for number in range(6):
        create = ("sources", "create", f"line {number}", "--platform", "standard_webhooks")
        terminal.prints(*create, GOALLINE_ENCRYPTION_KEYS=new_key())
    found = examined(terminal, "--offline", status=1)["sources"][1]
    assert found.endswith("503: 'line 0', 'line 1', 'line 2', 'line 3', 'line 4', ...")


@on_a_database
def test_sources_that_take_too_long_to_read_are_left_out(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    monkeypatch.setattr(sources, "every", lambda *_: end.wait(60))
    monkeypatch.setattr(examining, "_SECONDS", 2.0)
    try:
        assert examined(terminal, "--offline")["sources"][:2] == ("warning", "could not be read (TimeoutError)")
    finally:
        end.set()


@on_a_database
def test_without_a_model_it_says_what_to_set(terminal: Terminal) -> None:
    state, found, advice = examined(terminal)["model"]
    assert (state, found) == ("warning", "no model is set: nothing is judged")
    assert "OPENAI_API_KEY" in advice


@on_a_database
def test_offline_the_model_is_not_asked(terminal: Terminal, model: StandIn) -> None:
    found = examined(terminal, "--offline", OPENAI_BASE_URL=model.url)
    assert found["model"][1].endswith("; not asked (--offline)")
    assert model.calls == 0


@on_a_database
def test_before_the_model_is_asked_it_is_said_that_this_costs_something(terminal: Terminal, model: StandIn) -> None:
    result = terminal.run("doctor", OPENAI_BASE_URL=model.url, GOALLINE_MODEL=MODEL)
    assert f"asking {MODEL} at 127.0.0.1:" in result.stderr
    assert "costs a few tokens; --offline leaves it out" in result.stderr


@on_a_database
@pytest.mark.parametrize("mode", ["json_schema", "tools", "md_json"])
def test_the_model_is_asked_in_the_mode_that_is_set(terminal: Terminal, model: StandIn, mode: str) -> None:
    found = examined(terminal, OPENAI_BASE_URL=model.url, GOALLINE_MODEL=MODEL, GOALLINE_OUTPUT_MODE=mode)
    assert found["model"][0] == "ok"


@on_a_database
@pytest.mark.parametrize(
    ("faults", "state", "advice"),
    [
        ([Fault(status=401, body=json.dumps({"error": {"message": SECRET}}))], "wrong", "Check OPENAI_API_KEY"),
        ([Fault(status=404)], "wrong", "Check GOALLINE_MODEL and OPENAI_BASE_URL"),
        ([Fault(status=503, repeat=True)], "wrong", "check OPENAI_BASE_URL"),
        ([Fault(body=SECRET, repeat=True)], "wrong", "GOALLINE_OUTPUT_MODE"),
        ([Fault(ungrounded=True)], "warning", "GOALLINE_OUTPUT_MODE"),
    ],
    ids=["wrong key", "no such model", "overloaded", "never valid", "valid at last"],
)
def test_a_model_that_cannot_judge_is_told_with_what_to_do(
    terminal: Terminal, model: StandIn, faults: list[Fault], state: str, advice: str
) -> None:
    model.script(faults)
    given = {"OPENAI_BASE_URL": model.url, "GOALLINE_MODEL": MODEL}
    found = examined(terminal, status=int(state == "wrong"), **given)["model"]
    assert found[0] == state
    assert advice in found[2]


@on_a_database
def test_a_redis_that_forgets_when_full_is_told(terminal: Terminal, redis_url: str) -> None:
    with redis_client.Redis.from_url(redis_url) as client:
        found = examined(terminal, "--offline", GOALLINE_REDIS_URL=redis_url)
        assert found["broker"][0] == "ok"
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            state, told, advice = examined(terminal, "--offline", GOALLINE_REDIS_URL=redis_url)["broker"]
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    assert (state, advice) == ("warning", "set maxmemory-policy noeviction")
    assert "allkeys-lru" in told


@on_a_database
def test_where_nobody_asks_redis_for_work_it_says_so(terminal: Terminal, redis_url: str) -> None:
    found = examined(terminal, "--offline", GOALLINE_REDIS_URL=redis_url)
    assert found["workers"] == ("warning", "nobody asks the queue for work", "start goalline worker")


@pytest.mark.parametrize(("begun", "state"), [(HOUR, "warning"), (timedelta(), "ok")])
def test_a_lease_is_a_sign_of_life_until_it_has_run_out(
    terminal: Terminal, judged: World, redis_url: str, begun: timedelta, state: str
) -> None:
    at = utc_now() - begun
    judged.claim(judged.newest(judged.conversation("running", at=at)).id, at)
    assert examined(terminal, "--offline", GOALLINE_REDIS_URL=redis_url)["workers"][0] == state


@on_a_database
def test_a_worker_that_asks_for_work_is_seen(terminal: Terminal, redis_url: str) -> None:
    from dramatiq import Worker

    from goalline.bootstrap import services
    from goalline.settings import Settings
    from goalline.worker import Bell

    parts = services(Settings.model_validate({"redis_url": redis_url}))
    Bell(parts)
    parts.broker.middleware.clear()
    worker = Worker(parts.broker, worker_threads=1)
    worker.start()
    try:
        found: Any = examined(terminal, "--offline", GOALLINE_REDIS_URL=redis_url)["workers"]
    finally:
        worker.stop()
        parts.broker.close()
    assert found[:2] == ("ok", "somebody takes work from the queue")
