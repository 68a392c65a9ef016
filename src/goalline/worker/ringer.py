"""The ringer: a thread that sends bells to a broker which may have gone silent."""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from goalline.telemetry import log, metrics, place_of

_MOST_BELLS = 10_000
_SILENCE_SECONDS = 5.0

_log = log(__name__)


class Ringer:
    """Sends bells to the broker from a thread of its own: a broker that has gone silent must not hold up a webhook."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[Callable[[], None], dict[str, str]] | None] = queue.Queue(_MOST_BELLS)
        self._thread = threading.Thread(target=self._run, name="goalline-ringer", daemon=True)
        self._first = threading.Lock()

    def ring(self, send: Callable[[], None], **ids: str) -> None:
        """Send soon; drop it where too many wait already. The ids stand in the log where it is not heard."""
        try:
            self._waiting.put_nowait((send, ids))
        except queue.Full:
            metrics.bell_not_heard()
        # Started with the first bell, as most processes never ring one.
        if self._thread.ident is None and self._first.acquire(blocking=False):
            self._thread.start()

    def close(self, timeout: float) -> None:
        """Send what waits, for `timeout` seconds at most."""
        if self._thread.ident is not None:
            with suppress(queue.Full):
                self._waiting.put(None, timeout=timeout)
            self._thread.join(timeout)

    def _run(self) -> None:
        silent_until = 0.0
        while (bell := self._waiting.get()) is not None:
            send, ids = bell
            # A broker that failed is left alone for a while: what waits for it is dropped, and found by the sweep.
            if time.monotonic() < silent_until:
                metrics.bell_not_heard()
                continue
            try:
                send()
            except Exception as error:
                metrics.bell_not_heard()
                _log.warning("bell_not_heard", **ids, error=place_of(error))
                silent_until = time.monotonic() + _SILENCE_SECONDS
