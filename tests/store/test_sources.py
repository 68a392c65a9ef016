"""Sources as they are stored: their secrets are encrypted, each valid for as long as it was given."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from goalline.domain.platforms import PlatformName
from goalline.domain.refusal import Conflict, Invalid, NotFound
from goalline.domain.source import SourceDraft, SourceEdit
from goalline.store import projects, secrets, sources
from goalline.store.secrets import Secret
from goalline.store.tables import Source
from goalline.store.vault import Unreadable, Vault, new_key
from tests.store.world import HOUR, NOW, SECOND, World

VAULT = Vault([new_key()])


def create(world: World, **changes: Any) -> tuple[Source, str | None]:
    draft = SourceDraft(**{"name": "phones", "platform": PlatformName.STANDARD_WEBHOOKS, **changes})
    with world.database.transaction() as session:
        return sources.create(session, VAULT, world.project.id, draft, NOW)


def rotate(world: World, source: Source, overlap: timedelta, after: timedelta = SECOND) -> str | None:
    with world.database.transaction() as session:
        return sources.rotate(session, VAULT, world.project.id, source.id, None, NOW + after, overlap)[1]


def valid(world: World, source: Source, after: timedelta, vault: Vault = VAULT) -> list[Secret]:
    with world.database.reading() as session:
        row = sources.get(session, world.project.id, source.id)
    return secrets.valid(vault, row.id, row.sealed, NOW + after)


def test_a_new_source_has_the_secret_that_was_made_for_it(world: World) -> None:
    source, made = create(world)
    assert made
    assert [secret.text for secret in valid(world, source, SECOND)] == [made]


def test_after_a_rotation_both_are_valid_for_a_while_and_then_the_new_one(world: World) -> None:
    source, old = create(world)
    new = rotate(world, source, overlap=HOUR)
    assert [secret.text for secret in valid(world, source, HOUR)] == [new, old]
    assert [secret.text for secret in valid(world, source, HOUR + SECOND)] == [new]


def test_a_second_rotation_never_prolongs_what_was_to_end(world: World) -> None:
    source, _ = create(world)
    second = rotate(world, source, overlap=HOUR)
    third = rotate(world, source, overlap=48 * HOUR, after=2 * SECOND)
    assert [secret.text for secret in valid(world, source, HOUR + 2 * SECOND)] == [third, second]


def test_another_key_reads_nothing(world: World) -> None:
    source, _ = create(world)
    with pytest.raises(Unreadable):
        valid(world, source, SECOND, Vault([new_key()]))


def test_secrets_moved_to_another_source_do_not_open(world: World) -> None:
    (one, _), (other, _) = create(world), create(world, name="others")
    with world.database.transaction() as session:
        sources.get(session, world.project.id, other.id).sealed = one.sealed
    with pytest.raises(Unreadable):
        valid(world, other, SECOND)


def test_what_is_disabled_unknown_or_deleted_takes_no_webhooks(world: World) -> None:
    source, _ = create(world)
    with world.database.transaction() as session:
        found = sources.enabled(session, source.id)
        assert found
        assert (found[0].id, found[1].id) == (source.id, world.project.id)
        assert sources.enabled(session, uuid4()) is None
        sources.edit(session, world.project.id, source.id, SourceEdit(enabled=False))
        assert sources.enabled(session, source.id) is None
        sources.edit(session, world.project.id, source.id, SourceEdit(enabled=True))
        sources.delete(session, world.project.id, source.id)
        assert sources.enabled(session, source.id) is None


def test_another_project_has_its_own_names_and_cannot_reach_ours(world: World) -> None:
    source, _ = create(world)
    with world.database.transaction() as session:
        other = World(world.database, projects.create(session, "other", "UTC", NOW))
    create(other)
    with world.database.transaction() as session:
        for reach in (sources.get, sources.delete):
            with pytest.raises(NotFound):
                reach(session, other.project.id, source.id)
        assert [row.id for row in sources.every(session, world.project.id)] == [source.id]


def test_a_name_is_given_once(world: World) -> None:
    create(world)
    with pytest.raises(Conflict):
        create(world)


def test_options_are_checked_when_they_are_changed_too(world: World) -> None:
    source, _ = create(world)
    with world.database.transaction() as session, pytest.raises(Invalid):
        sources.edit(session, world.project.id, source.id, SourceEdit(options={"colour": "red"}))
