"""Secrets in every setting that takes one, real processes, the most talkative log: no secret comes out anywhere."""

import os
import time
from pathlib import Path

import httpx2
import pytest

from goalline.bootstrap import services
from goalline.settings import FILES, Settings
from tests.running import conversation, environment, run, serving, wait_until, working
from tests.signers import RETELL

DATABASE, REDIS, MODEL, ADDRESS = "canarydatabase", "canaryredis", "canarymodel", "canaryaddress"
ENCRYPTION, SOURCE, NEWER = "canaryencryption", "canarysource", "canarynewer"
CANARIES = (DATABASE, REDIS, MODEL, ADDRESS, ENCRYPTION, SOURCE, NEWER)
LOUD = {"GOALLINE_LOG_LEVEL": "DEBUG", "GOALLINE_LLM_PATIENCE_SECONDS": "0.1", "GOALLINE_SWEEP_SECONDS": "0.5"}
SECRETS = LOUD | {
    "GOALLINE_REDIS_URL": f"redis://user:{REDIS}@127.0.0.1:1/0",
    "OPENAI_API_KEY": f"sk-{MODEL}",
    "OPENAI_BASE_URL": f"http://user:{ADDRESS}@127.0.0.1:1/v1",
    "GOALLINE_ENCRYPTION_KEYS": f"{ENCRYPTION:A<43}=",
}
OUT_OF_REACH = f"postgresql://user:{DATABASE}@127.0.0.1:1/goalline"
IN_FILES = [("migrate",), ("keys", "create", "--scope", "read")]
COMMANDS = [("serve", "--port", "0"), ("worker",), ("keys", "list"), ("serve", "--help"), *IN_FILES]


def silent(*texts: str) -> None:
    """Assert that no text holds a canary."""
    for text in texts:
        found = [canary for canary in CANARIES if canary in text]
        assert not found, text


def in_files(folder: Path, settings: dict[str, str]) -> dict[str, str]:
    """Return the same settings with their secrets in files."""
    given = dict(settings)
    for variable, name in ((variable, variable.removesuffix("_FILE")) for variable in FILES):
        (folder / name).write_text(given.pop(name))
        given[variable] = str(folder / name)
    return given


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_that_reaches_nothing_tells_no_secret(tmp_path: Path, command: tuple[str, ...]) -> None:
    settings = SECRETS | {"GOALLINE_DATABASE_URL": OUT_OF_REACH}
    chosen = in_files(tmp_path, settings) if command in IN_FILES else settings
    result = run(environment(**chosen), tmp_path, *command)
    assert result.returncode == (0 if "--help" in command else 1)
    assert result.stdout + result.stderr
    silent(result.stdout, result.stderr)


def test_a_server_beside_a_redis_that_is_gone_tells_no_secret(tmp_path: Path) -> None:
    settings = environment(**SECRETS, GOALLINE_LOG_FORMAT="json")
    with serving(settings, tmp_path) as server:
        server.post("/v1/conversations", conversation(1))
        log = tmp_path / "serve.log"
        wait_until(lambda: "bell_not_heard" in log.read_text(), server.process, log)
        paths = ("/readyz", "/healthz", "/openapi.json", "/docs", "/v1/conversations/sample-1", "/", "/nowhere")
        answers = [server.client.get(path) for path in paths]
    silent(*(f"{answer.headers} {answer.text}" for answer in answers), log.read_text())
    # Nor any key but the one that the first start shows, once and on purpose.
    assert log.read_text().count(server.key) == 1


def test_a_server_whose_model_cannot_be_reached_tells_no_secret(tmp_path: Path) -> None:
    settings = {name: value for name, value in SECRETS.items() if name != "GOALLINE_REDIS_URL"}
    with serving(environment(**settings), tmp_path) as server:
        server.post("/v1/goals", {"name": "Booked", "description": "Booked.", "kind": "primary"})
        server.post("/v1/conversations", conversation(1))
        log = tmp_path / "serve.log"
        wait_until(lambda: "evaluated" in log.read_text(), server.process, log)
        told = server.client.get("/v1/conversations/sample-1").text
        page = server.client.get("/conversations/sample-1").text
    assert '"reason":"unavailable"' in told
    silent(told, page, log.read_text())


def test_a_worker_that_reaches_no_redis_tells_no_secret(tmp_path: Path) -> None:
    with working(environment(**SECRETS), tmp_path, "--threads", "1") as process:
        log = tmp_path / "worker.log"
        wait_until(lambda: "connection error" in log.read_text(), process, log)
    silent(log.read_text())


def test_a_key_that_was_refused_is_in_no_log(tmp_path: Path) -> None:
    wrong = f"gl_aaaaaaaaaaaa_{MODEL}{'b' * 32}"
    with serving(environment(**LOUD), tmp_path) as server:
        answers = [
            httpx2.get(server.url + path, headers={"Authorization": f"Bearer {wrong}"}, trust_env=False)
            for path in ("/v1/goals", "/", f"/nowhere/{wrong}")
        ]
        answers.append(httpx2.post(f"{server.url}/sign-in", data={"key": wrong}, trust_env=False))
    assert [answer.status_code for answer in answers] == [401, 401, 404, 401]
    silent(*(answer.text for answer in answers), (tmp_path / "serve.log").read_text())


def test_the_secret_of_a_source_is_told_by_nobody(tmp_path: Path) -> None:
    with serving(environment(**LOUD, GOALLINE_ENCRYPTION_KEYS=SECRETS["GOALLINE_ENCRYPTION_KEYS"]), tmp_path) as server:
        sender, body = RETELL, RETELL.body
        made = server.client.post("/v1/sources", json=sender.draft | {"secret": SOURCE})
        source, url = f"/v1/sources/{made.json()['id']}", made.json()["url"]
        answers = [
            made,
            server.client.post("/v1/sources", json=sender.draft | {"secret": SOURCE}),
            server.client.post("/v1/sources", json=sender.draft | {"secret": f" {SOURCE} ", "name": "odd"}),
            server.client.post(f"{source}/rotate", json={"secret": NEWER}),
            server.client.get("/v1/sources"),
            server.client.get(source),
        ]
        for secret, status in ((SOURCE, 200), (NEWER, 200), ("another", 401)):
            headers = sender.sign(secret, body, time.time())
            answers.append(httpx2.post(server.url + url, content=body, headers=headers, trust_env=False))
            assert answers[-1].status_code == status
        # As if somebody had put the secret itself where the signature belongs.
        answers.append(httpx2.post(server.url + url, headers={"X-Retell-Signature": SOURCE}, trust_env=False))
        stored = b"".join(path.read_bytes() for path in tmp_path.glob("*.db*"))
    log = (tmp_path / "serve.log").read_text()
    assert "webhook_forged" in log
    silent(*(f"{answer.headers} {answer.text}" for answer in answers), log, stored.decode("latin-1"))


def test_nothing_that_holds_a_secret_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (SECRETS | {"GOALLINE_DATABASE_URL": OUT_OF_REACH}).items():
        monkeypatch.setitem(os.environ, name, value)
    settings = Settings()
    parts = services(settings)
    silent(*(f"{thing} {thing!r}" for thing in (settings, parts, parts.judge, parts.database.engine, parts.database)))
    parts.database.close()
