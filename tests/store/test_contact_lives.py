"""Contacts through random lives: counts stay right and nobody who is gone leaves a trace."""

from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.store.contact_lives import Lives
from tests.store.world import World

# A failing life is not shortened: that would play hundreds of others first.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


def lives_in(here: World) -> type[Lives]:
    class LivesHere(Lives):
        world = here

    return LivesHere


def test_counts_stay_right_whoever_is_erased_on_sqlite(sqlite_world: World) -> None:
    run_state_machine_as_test(
        lives_in(sqlite_world), settings=settings(max_examples=25, stateful_step_count=30, phases=PHASES, deadline=None)
    )


def test_counts_stay_right_whoever_is_erased_on_postgresql(postgres_world: World) -> None:
    run_state_machine_as_test(
        lives_in(postgres_world),
        settings=settings(max_examples=8, stateful_step_count=30, phases=PHASES, deadline=None),
    )
