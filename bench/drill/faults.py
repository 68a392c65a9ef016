"""The kinds of faults, and a seedable plan of when each strikes."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from bench.drill.model import SILENCE_SECONDS, order
from bench.drill.plant import LEASE_SECONDS, LLM_TIMEOUT_SECONDS, DrillError, Plant, Program
from goalline.judge.stand_in import Fault
from tests.running import wait_until
from tests.servers import flush

PAUSE_SECONDS = (0.1, 0.8)
"""Least and most time between two faults."""

_FIRST_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to break something.

    Attributes:
        name: what the report calls it.
        strike: breaks it, and mends it at the end of its block.
        hold: least and most seconds that the block lasts.
        needs: whether it can strike here at all.
        wants: what has to be up before it strikes; what else was ended just before may be starting still.
    """

    name: str
    strike: Callable[[Plant, random.Random], AbstractContextManager[object]]
    hold: tuple[float, float]
    needs: Callable[[Plant], object] = lambda _: True
    # Where there are two of everything, one is enough to feel it.
    wants: Callable[[Plant], Sequence[Program]] = lambda plant: [plant.model] if plant.workers else plant.programs


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that was injected, from when until when, in Unix time."""

    kind: str
    began: float
    ended: float
    target: str = ""


def all_kinds(plant: Plant) -> tuple[list[Kind], list[str]]:
    """Return the kinds that can strike here, and the names of those that cannot."""
    can = [kind for kind in _KINDS if kind.needs(plant)]
    return can, [kind.name for kind in _KINDS if kind not in can]


def plan(dice: random.Random, kinds: Sequence[Kind], rounds: int) -> list[Kind]:
    """Return the order in which they strike: each once in every round."""
    return [kind for _ in range(rounds) for kind in dice.sample(kinds, len(kinds))]


def inject(
    plant: Plant, kinds: Sequence[Kind], dice: random.Random, scale: float, strikes: Callable[[str], object]
) -> Iterator[Injected]:
    """Let them strike one after the other, and yield each when it is over; `scale` shortens how long they last.

    As one begins to strike, `strikes` is told its name.

    Raises:
        DrillError: something cannot be started again, or has ended though nobody has ended it.
    """
    # A worker loads its libraries with the first conversation; nothing can recover before it has.
    wait_until(lambda: plant.journal.stat().st_size > 0, seconds=_FIRST_SECONDS)
    for kind in kinds:
        time.sleep(dice.uniform(*PAUSE_SECONDS))
        for program in kind.wants(plant):
            program.await_ready()
        _all_alive(plant)
        began = time.time()
        strikes(kind.name)
        with kind.strike(plant, dice) as target:
            time.sleep(scale * dice.uniform(*kind.hold))
        yield Injected(kind.name, began, time.time(), str(target or ""))
    for program in plant.programs:
        program.await_ready()
    time.sleep(dice.uniform(*PAUSE_SECONDS))
    _all_alive(plant)


def _all_alive(plant: Plant) -> None:
    if dead := plant.dead():
        raise DrillError(f"ended by itself: {', '.join(dead)}; see the logs")


def _killed(which: Callable[[Plant], Sequence[Program]]) -> Callable[..., AbstractContextManager[str]]:
    @contextmanager
    def strike(plant: Plant, dice: random.Random) -> Iterator[str]:
        program = dice.choice(which(plant))
        program.kill()
        yield program.name
        program.start()

    return strike


def _restarted(which: Callable[[Plant], Sequence[Program]]) -> Callable[..., AbstractContextManager[str]]:
    @contextmanager
    def strike(plant: Plant, dice: random.Random) -> Iterator[str]:
        program = dice.choice(which(plant))
        plant.statuses.append((program.name, program.end()))
        program.start()
        yield program.name

    return strike


def _answering(*ways: Fault) -> Callable[..., AbstractContextManager[None]]:
    """Return a fault by which the model answers everything in one of these ways."""

    @contextmanager
    def strike(plant: Plant, dice: random.Random) -> Iterator[None]:
        order(plant.model_url, replace(dice.choice(ways), repeat=True))
        yield
        order(plant.model_url)

    return strike


@contextmanager
def _redis_emptied(plant: Plant, _dice: random.Random) -> Iterator[None]:
    assert plant.redis_url
    flush(plant.redis_url)
    yield


@contextmanager
def _redis_restarted(plant: Plant, dice: random.Random) -> Iterator[None]:
    assert plant.valkey
    plant.valkey.end(dice.choice(["KILL", "TERM"]))
    yield
    plant.valkey.start()


def _postgres(how: str) -> Callable[..., AbstractContextManager[None]]:
    @contextmanager
    def strike(plant: Plant, _dice: random.Random) -> Iterator[None]:
        assert plant.postgres
        plant.postgres.end(how)
        yield
        plant.postgres.start()

    return strike


def _apis(plant: Plant) -> Sequence[Program]:
    return plant.apis


def _workers(plant: Plant) -> Sequence[Program]:
    return plant.workers


def _server(plant: Plant) -> object:
    return plant.postgres


def _all(plant: Plant) -> Sequence[Program]:
    # None of them starts without its database; a supervisor would try again.
    return plant.programs


_KINDS = [
    Kind("API killed", _killed(_apis), (0.5, 2), wants=_apis),
    Kind("API restarted", _restarted(_apis), (0, 0), wants=_apis),
    Kind("worker killed", _killed(_workers), (0.5, 2), _workers, _workers),
    Kind("worker restarted", _restarted(_workers), (0, 0), _workers, _workers),
    Kind("model killed", _killed(lambda plant: [plant.model]), (0.5, 2)),
    Kind("model answers 429", _answering(Fault(status=429), Fault(status=429, headers={"Retry-After": "1"})), (1, 3)),
    Kind("model answers 500", _answering(Fault(status=500)), (1, 3)),
    Kind("model refuses the key", _answering(Fault(status=401)), (1, 3)),
    Kind("model answers garbage", _answering(Fault(content='{"verdicts": "all of them')), (0.5, 1.5)),
    Kind("model quotes nobody", _answering(Fault(ungrounded=True)), (0.5, 1.5)),
    Kind("model slow", _answering(Fault(delay=LLM_TIMEOUT_SECONDS / 2)), (1, 3)),
    Kind("model silent", _answering(Fault(delay=SILENCE_SECONDS)), (1, 3)),
    Kind("Redis emptied", _redis_emptied, (0, 0), lambda plant: plant.redis_url),
    Kind("Redis restarted", _redis_restarted, (0.5, 2), lambda plant: plant.valkey),
    Kind("PostgreSQL restarted", _postgres("INT"), (0.5, 2), _server, _all),
    Kind("PostgreSQL killed", _postgres("KILL"), (0.5, 2), _server, _all),
    Kind(
        "PostgreSQL away until leases ran out", _postgres("INT"), (LEASE_SECONDS + 1, LEASE_SECONDS + 3), _server, _all
    ),
]
