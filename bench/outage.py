"""Ten thousand queued conversations through an outage of the model: all judged afterwards, none failed.

    python -m bench.outage                                      SQLite, in-process queue
    python -m bench.outage --database URL --redis URL           PostgreSQL, Redis, two worker processes

The stand-in model answers 503 for as long as asked, while the whole backlog waits. Printed are the calls that the
outage cost, how many evaluations were tried in vain, how long after its end the first verdict came, and how all
evaluations ended. The exit status is 1 if one was not judged.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

from sqlalchemy import ColumnElement, func, select

from bench.sample import GOALS, conversation
from goalline.domain.evaluation import Status
from goalline.judge.stand_in import Fault, StandIn
from goalline.store.database import Database
from goalline.store.tables import Evaluation, table
from tests.running import installed, serving, working

_evaluation = table(Evaluation)
_DOWN = Fault(status=503, repeat=True)
_LOOK_SECONDS = 0.1


def main() -> int:
    """Run the outage, print what it cost, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="database URL (default: a new SQLite file)")
    parser.add_argument("--redis", help="Redis URL (default: in-process)")
    parser.add_argument("--jobs", type=int, default=10_000, help="conversations that wait")
    parser.add_argument("--seconds", type=float, default=120, help="length of the outage")
    parser.add_argument("--threads", type=int, default=32, help="judgements at once in each process")
    parser.add_argument("--bound", type=float, default=900, help="longest wait for the end, in seconds")
    given = parser.parse_args()
    for name in [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]:
        del os.environ[name]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = stack.enter_context(StandIn())
        url = given.database or f"sqlite:///{folder}/goalline.db"
        settings = installed(
            folder, model.url, url, given.redis, GOALLINE_EMBEDDED_THREADS=given.threads, GOALLINE_LOG_LEVEL="WARNING"
        )
        model.script([_DOWN])
        goalline = stack.enter_context(serving(settings, folder))
        database = stack.enter_context(closing(Database(url)))
        for name, description in GOALS:
            kind = "secondary" if name != GOALS[0][0] else "primary"
            goalline.post("/v1/goals", {"name": name, "description": description, "kind": kind})
        if given.redis:
            stack.enter_context(working(settings, folder, "--processes", "2", "--threads", str(given.threads)))
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: goalline.post("/v1/conversations", conversation(number)), range(given.jobs)))
        time.sleep(max(0.0, began + given.seconds - time.monotonic()))
        calls, tried = model.calls, _number(database, _evaluation.c.attempts > 0)
        model.script([])
        back = time.monotonic()
        first = None
        while (done := _number(database, _evaluation.c.status == Status.SUCCEEDED)) < given.jobs:
            if first is None and done:
                first = time.monotonic() - back
            if time.monotonic() > back + given.bound or _number(database, _evaluation.c.status == Status.FAILED):
                break
            time.sleep(_LOOK_SECONDS)
        ended = _states(database)
    print(f"jobs {given.jobs}, outage {given.seconds:.0f} s")
    print(f"calls while the model was down   {calls}")
    print(f"evaluations tried in vain        {tried}")
    print(f"first verdict after its return   {first or 0:.1f} s")
    print(f"calls in all                     {model.calls}")
    print(f"ended as                         {dict(ended)}")
    return 0 if ended == {Status.SUCCEEDED: given.jobs} else 1


def _number(database: Database, condition: ColumnElement[bool]) -> int:
    with database.reading() as session:
        number: int = session.execute(select(func.count()).select_from(_evaluation).where(condition)).scalar_one()
        return number


def _states(database: Database) -> Counter[Status]:
    with database.reading() as session:
        found = session.execute(select(_evaluation.c.status, func.count()).group_by(_evaluation.c.status))
        return Counter(dict(found.all()))


if __name__ == "__main__":
    sys.exit(main())
