"""Step events per second of CPU, and what becomes of that as the store grows.

    python -m bench.events                                      SQLite, up to 100,000 stored events
    python -m bench.events --stored 1000000                     the same up to a million
    python -m bench.events --database URL                       PostgreSQL

For 10,000 stored events, and for ten times as many, and so on, a new database is filled. Then all of them are sent the
same kinds of batches in turn, round by round, so that the machine's moods hit all; what counts are the ratios to the
smallest one in the same round, of which the median, the least and the greatest are printed. Ten events make a
conversation, and those of the conversations of one measurement come interleaved: a batch of 1,000 holds events of
hundreds of conversations, of which most are known.

CPU is that of this very process in `pipeline.track`, user and system, on one core. Reading the events from JSON is not
in it, and is told apart. The server's CPU is that of PostgreSQL's one process for this connection, where the server is
on this machine and the system tells (Linux); what its background processes do is not in it.

URL names a database of a server on which databases may be created. Those of the benchmark have names of their own and
are dropped at the end.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

from pydantic import TypeAdapter
from sqlalchemy import text

from bench.stopwatch import Measured
from bench.stream import DAYS, EACH, GOALS, NOW, batches, stream
from goalline import pipeline
from goalline.domain.event import Event
from goalline.store import projects, schema
from goalline.store.database import Database
from goalline.store.goals import goals
from tests.servers import fresh_database

SMALLEST, TIMES = 10_000, 10
BATCHES = {1_000: 4_000, 20: 1_000, 1: 200}
"""How many events are measured in one round, by the number in a batch."""

MOST_OF_CONVERSATION = 1_000


@dataclass(slots=True)
class Store:
    """A database with events in it, and the connection's process on the server, if there is one here."""

    database: Database
    project_id: UUID
    backend: Path | None
    conversations: int = 0
    server: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in BATCHES})
    client: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in BATCHES})

    def send(self, number: int, size: int) -> Measured:
        """Send that many events of new conversations, and return what it took of this process."""
        new = range(self.conversations, self.conversations + number // EACH)
        self.conversations = new.stop
        ready = list(batches(stream(new, seed=new.start), size))
        start, cpu = time.perf_counter(), time.process_time()
        for batch in ready:
            outcome = pipeline.track(self.database, self.project_id, batch, NOW, MOST_OF_CONVERSATION)
            assert outcome.accepted == len(batch), outcome
        return Measured(number, time.perf_counter() - start, time.process_time() - cpu)

    def measure(self, number: int, size: int) -> Measured:
        """Send events, and keep in mind what it took."""
        before = self._server_cpu()
        measured = self.send(number, size)
        self.client[size].append(measured.cpu_ms)
        self.server[size].append((self._server_cpu() - before) / number * 1000)
        return measured

    def _server_cpu(self) -> float:
        return int(self.backend.read_text().split()[0]) / 1e9 if self.backend else 0.0


def main() -> None:
    """Measure, and print a table for each number of stored events and the ratios between them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="URL of a PostgreSQL database (default: new SQLite files)")
    parser.add_argument("--stored", type=int, default=100_000, help="most stored events")
    parser.add_argument("--rounds", type=int, default=5, help="rounds for each number of stored events")
    given = parser.parse_args()

    _read()
    with ExitStack() as stack:
        stores: dict[int, Store] = {}
        stored = SMALLEST
        while stored <= given.stored:
            store = stores[stored] = stack.enter_context(_new(given.database))
            start = time.perf_counter()
            for _ in range(stored // max(BATCHES)):
                store.send(max(BATCHES), max(BATCHES))
            print(f"{stored:>9,} events stored in {time.perf_counter() - start:.0f} s", flush=True)
            stored *= TIMES
        print(f"\n{'stored':>9}{'a batch':>9}{'per second':>12}{'CPU ms each':>13}{'per second of CPU':>19}")
        for _ in range(given.rounds):
            for size, number in BATCHES.items():
                for stored, store in stores.items():
                    told = store.measure(number, size)
                    print(
                        f"{stored:>9,}{size:>9,}{told.rate:>12,.0f}{told.cpu_ms:>13.3f}{1000 / told.cpu_ms:>19,.0f}",
                        flush=True,
                    )
        _conclude(stores)


def _conclude(stores: dict[int, Store]) -> None:
    print("\nmedians (least, greatest)")
    least = next(iter(stores.values()))
    for size in BATCHES:
        for stored, store in stores.items():
            rates = [1000 / each for each in store.client[size]]
            print(f"\nbatches of {size:,}, {stored:,} stored: {_spread(rates, ',.0f')} events per second of CPU")
            if store is not least:
                print(
                    f"  CPU of an event, to that with {SMALLEST:,}: {_ratios(store.client[size], least.client[size])}"
                )
            if store.backend:
                print(f"  CPU ms of an event on the server: {_spread(store.server[size], '.3f')}")
                if store is not least:
                    print(f"  to that with {SMALLEST:,}: {_ratios(store.server[size], least.server[size])}")


def _ratios(those: list[float], to: list[float]) -> str:
    return _spread([each / base for each, base in zip(those, to, strict=True)], ".2f")


def _spread(rounds: list[float], form: str) -> str:
    return f"{statistics.median(rounds):{form}} ({min(rounds):{form}}, {max(rounds):{form}})"


def _read() -> None:
    """Print how long it takes to read events from JSON, as the API does for each of them."""
    adapter: TypeAdapter[list[Event]] = TypeAdapter(list[Event])
    sent = adapter.dump_python(stream(range(1_000), seed=0), mode="json", exclude_none=True)
    cpu = time.process_time()
    for one in sent:
        Event.model_validate(one)
    print(f"reading an event takes {(time.process_time() - cpu) / len(sent) * 1000:.4f} ms of CPU\n", flush=True)


@contextmanager
def _new(server: str | None) -> Iterator[Store]:
    with ExitStack() as stack:
        if server:
            url = stack.enter_context(fresh_database(server))
        else:
            url = f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory())}/bench.db"
        # One connection: on the server, one process.
        database = stack.enter_context(closing(Database(url, pool_size=1)))
        schema.migrate(database)
        with database.transaction() as session:
            project = projects.create(session, f"bench-{uuid4().hex}", "Europe/Berlin", NOW)
            for goal in GOALS:
                goals.create(session, project.id, goal, NOW - timedelta(days=DAYS + 2))
        yield Store(database, project.id, _backend(database))


def _backend(database: Database) -> Path | None:
    """Return the file that tells the CPU of the connection's own process on the server, if it is to be had here."""
    if database.is_sqlite:
        return None
    with database.reading() as session:
        process, server = session.execute(text("SELECT pg_backend_pid(), inet_server_addr()")).one()
    told = Path(f"/proc/{process}/schedstat")
    # Over a network, or in a container, it may be something else that has this number here.
    is_here = server is None and told.exists() and told.with_name("comm").read_text().startswith("postgres")
    return told if is_here else None


if __name__ == "__main__":
    main()
