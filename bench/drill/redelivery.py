"""How long after kill -9 of a worker its evaluations run again, and when the broker redelivers by itself.

    python -m bench.drill.redelivery                          with the default lease and sweep
    python -m bench.drill.redelivery --lease 5 --sweep 1

One worker is killed while the model is silent to it; another one has nothing to do. Told are the seconds from the kill
until Dramatiq has put the dead worker's messages back into the queue, and until the model was asked again about all of
its conversations. The message alone starts nothing: as long as the lease runs, nobody can claim the evaluation.
"""

import argparse
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx2
import redis

from bench.drill import load, plant
from bench.drill.model import SILENCE_SECONDS, Asked, order, read, said
from bench.drill.plant import Plant, Program
from goalline.judge.stand_in import Fault
from tests.running import conversation, wait_until

NUMBER, OTHERS = 4, 40
"""How many conversations a worker is killed over, and how many both workers judge before."""
_LONGEST_SECONDS = 300
_ACKS = "goalline:__acks__.*.evaluations"


def main() -> None:
    """Measure, and print each time and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="how often a worker is killed")
    parser.add_argument("--lease", type=int, default=30, help="GOALLINE_LEASE_SECONDS")
    parser.add_argument("--sweep", type=float, default=5, help="GOALLINE_SWEEP_SECONDS")
    given = parser.parse_args()
    print(f"{'redelivered':>12}{'asked again':>14}  s after the kill; lease {given.lease} s, sweep {given.sweep:g} s")
    settings = {
        "GOALLINE_LEASE_SECONDS": given.lease,
        "GOALLINE_SWEEP_SECONDS": given.sweep,
        "GOALLINE_LLM_TIMEOUT_SECONDS": SILENCE_SECONDS,
    }
    with (
        tempfile.TemporaryDirectory(prefix="goalline-drill-") as folder,
        plant.running(Path(folder), embedded=False, database=None, redis=None, **settings) as running,
    ):
        post(running, "/v1/goals", load.JUDGED[0])
        busy, idle = running.workers
        idle.kill()
        times = []
        for nth in range(given.times):
            times.append(_killed(running, nth, busy, idle))
            print(f"{times[-1][0]:>12.1f}{times[-1][1]:>14.1f}", flush=True)
            busy, idle = idle, busy
    redelivered, again = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{redelivered:>12.1f}{again:>14.1f}  medians")


def post(running: Plant, path: str, body: object) -> None:
    """Post a body to the first API."""
    headers = {"Authorization": f"Bearer {running.key}"}
    httpx2.post(running.urls[0] + path, json=body, headers=headers, timeout=30, trust_env=False).raise_for_status()


def _killed(running: Plant, nth: int, busy: Program, idle: Program) -> tuple[float, float]:
    """Kill the busy worker; return when its messages were in the queue again, and when all of it was asked again."""
    names = [f"call-{nth}-{number}" for number in range(NUMBER)]
    others = [f"other-{nth}-{number}" for number in range(OTHERS)]
    order(running.model_url, Fault(delay=SILENCE_SECONDS, repeat=True))
    _send(running, names)
    order(running.model_url)
    assert running.redis_url
    with redis.Redis.from_url(running.redis_url) as client:
        before = _heard(client)
        idle.start()
        wait_until(lambda: bool(_heard(client) - before))
        # The first conversation takes longer, as libraries are loaded: the other worker is to have that behind it.
        _send(running, others)
        time.sleep(1)
        busy.kill()
        began, redelivered = time.time(), 0.0
        held = set(client.keys(_ACKS))
        while not redelivered or len(_asked(running, names)) < 2 * NUMBER:
            if not redelivered and not held & set(client.keys(_ACKS)):
                redelivered = time.time()
            assert time.time() < began + _LONGEST_SECONDS, "not all of it ran again"
            time.sleep(0.05)
    asked = _asked(running, names)
    assert set(Counter(one.mark for one in asked).values()) == {2}, "asked more than once again"
    return redelivered - began, max(one.at for one in asked) - began


def _send(running: Plant, names: list[str]) -> None:
    """Post conversations, and wait until the model was asked about all of them."""
    for name in names:
        words = [{"role": "user", "text": said(name, 1)}, {"role": "agent", "text": load.MODEL_SAYS}]
        post(running, "/v1/conversations", conversation(0, conversation_id=name, transcript=words))
    wait_until(lambda: len(_asked(running, names)) == len(names))


def _heard(client: redis.Redis) -> set[str]:
    """Return whom the broker has heard of lately."""
    return set(map(str, client.zrange("goalline:__heartbeats__", 0, -1)))


def _asked(running: Plant, names: list[str]) -> list[Asked]:
    return [one for one in read(running.journal) if one.mark.partition("/")[0] in names]


if __name__ == "__main__":
    main()
