"""Runs the drill: `python -m bench.drill --help`."""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2

import bench.drill
from bench.drill import faults, load, model, plant, promises, report
from bench.drill.ledger import Pace
from bench.drill.plant import DrillError, Plant
from goalline.cli.signals import ended_by_signals
from tests.servers import ServerUnavailableError

QUIET_SECONDS = 240


def main(arguments: Sequence[str] | None = None) -> int:
    """Drill, print the result, and return the status: 1 if a promise was broken, 2 if there is no server to be had."""
    given = _parser().parse_args(arguments)
    # Everything is on this machine; a proxy does not lead there.
    for name in [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]:
        del os.environ[name]
    seed = given.seed if given.seed is not None else random.randrange(1_000_000)
    folder = Path(tempfile.mkdtemp(prefix="goalline-drill-"))
    result = None
    try:
        with ended_by_signals():
            result = drill(given, seed, folder)
        report.show(result, _say if given.json else print)
        if given.json:
            print(json.dumps(result))
    except DrillError as error:
        _say(f"the drill was broken off: {error}")
    except ServerUnavailableError as error:
        _say(f"{error}; name running servers with --database and --redis")
        shutil.rmtree(folder)
        return 2
    finally:
        if result and not result["broken"]:
            shutil.rmtree(folder)
        else:
            _say(f"seed {seed}; logs, journal and result are kept in {folder}")
            if result:
                (folder / "result.json").write_text(json.dumps(result, indent=2))
    return 0 if result and not result["broken"] else 1


def drill(given: argparse.Namespace, seed: int, folder: Path) -> dict[str, Any]:
    """Start everything, send and break, wait, and return what was found.

    Raises:
        DrillError: something could not be started, or ended by itself.
    """
    began = time.monotonic()

    def say(line: str) -> None:
        _say(f"{time.monotonic() - began:5.0f} s  {line}")

    say(f"starting, seed {seed}")
    with plant.running(folder, embedded=given.embedded, database=given.database, redis=given.redis) as running:
        create_goals(running)
        kinds, left_out = faults.all_kinds(running)
        if left_out:
            say(f"left out, as they cannot be had here: {', '.join(left_out)}")
        schedule = faults.plan(random.Random(f"{seed} faults"), kinds, given.rounds)
        posts = load.plan(random.Random(f"{seed} load"), given.conversations, given.events, len(schedule))
        pace, injected = Pace(), []

        def strikes(kind: str) -> None:
            say(kind)
            pace.next_fault()

        watch = promises.Watch(running.settings["GOALLINE_DATABASE_URL"])
        with ThreadPoolExecutor(1) as sender:
            sending = sender.submit(load.send, posts, running.urls, running.key, seed, pace)
            try:
                for fault in faults.inject(running, schedule, random.Random(f"{seed} moments"), given.scale, strikes):
                    injected.append(fault)
                    watch.look()
                pace.next_fault()
                say("no more faults")
                ledger = sending.result()
            finally:
                pace.stop()
        say(f"{len(ledger.conversations):,} conversations and {len(ledger.events):,} events were accepted")
        watch.look()
        promises.await_quiet(running, QUIET_SECONDS, say)
        say("comparing")
        found = promises.check(running, posts, ledger, list(model.read(running.journal)), watch)
        found.check("nothing ends by itself", running.dead())
    return report.summary(seed, time.monotonic() - began, injected, ledger, found)


def create_goals(running: Plant) -> None:
    """Create the goals that everything is judged by and that the events are about."""
    headers = {"Authorization": f"Bearer {running.key}"}
    for goal in load.goals():
        answer = httpx2.post(f"{running.urls[0]}/v1/goals", json=goal, headers=headers, timeout=30, trust_env=False)
        if not answer.is_success:
            raise DrillError(f"a goal was refused: {answer.text}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make drill", description=bench.drill.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, help="the same seed makes the same plan (default: another one each time)")
    parser.add_argument("--embedded", action="store_true", help="SQLite and one `goalline serve`")
    parser.add_argument("--conversations", type=int, default=3_000)
    parser.add_argument("--events", type=int, default=6_000)
    parser.add_argument("--rounds", type=int, default=2, help="how often each kind of fault strikes")
    parser.add_argument("--scale", type=float, default=1, help="how long faults last, compared with the default")
    parser.add_argument("--database", help="a PostgreSQL server to make a database on; it is not restarted")
    parser.add_argument("--redis", help="a Redis that may be emptied; it is not restarted")
    parser.add_argument("--json", action="store_true", help="the result as JSON on standard output")
    return parser


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
