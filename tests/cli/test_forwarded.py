"""Whom `goalline serve` believes when a request says that it comes from another address."""

from typing import Any

import pytest
import uvicorn

from goalline.cli import server
from tests.cli.terminal import Terminal


@pytest.mark.parametrize(
    ("peer", "believed"), [("192.0.2.1", False), ("10.0.0.1", False), ("127.0.0.1", True), ("203.0.113.9", False)]
)
def test_serve_believes_only_a_proxy_on_this_machine_in_whose_name_it_speaks(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, peer: str, believed: bool
) -> None:
    seen: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["client"][0])

    def run(_app: Any, _seconds: int, _on_ending: object, **options: Any) -> None:
        config = uvicorn.Config(app, **options)
        config.load()
        scope = {"type": "http", "scheme": "http", "client": (peer, 1), "headers": [(b"x-forwarded-for", b"10.9.9.9")]}
        with pytest.raises(StopIteration):
            config.loaded_app(scope, None, None).send(None)

    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    monkeypatch.setattr(server, "run", run)
    terminal.prints("serve", "--port", "0")
    assert seen == ["10.9.9.9" if believed else peer]
