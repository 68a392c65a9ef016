"""Subscriptions in the store: names are had once, secrets are whole, and two who rename at once do not collide."""

from functools import partial
from typing import Any

import pytest

from goalline.domain.outbound.subscription import MOST_SUBSCRIPTIONS, SubscriptionDraft, SubscriptionEdit
from goalline.domain.refusal import Conflict, Invalid
from goalline.store.outbound import subscriptions
from goalline.store.tables import Subscription
from goalline.store.vault import Vault, new_key
from tests.store.world import NOW, World, at_once

VAULT = Vault([new_key()])


def create(world: World, name: str = "crm", **more: Any) -> Subscription:
    wanted = {"name": name, "url": "https://example.com/", "types": ["goal.achieved"]} | more
    with world.database.transaction() as session:
        draft = SubscriptionDraft.model_validate(wanted)
        return subscriptions.create(session, VAULT, world.project.id, draft, NOW)[0]


def rename(world: World, row: Subscription, name: str) -> str:
    try:
        with world.database.transaction() as session:
            subscriptions.edit(session, row.project_id, row.id, SubscriptionEdit(name=name), NOW)
    except Conflict:
        return "refused"
    return "renamed"


def test_two_that_take_one_name_at_once_do_not_both_get_it(world: World) -> None:
    one, two = create(world, "one"), create(world, "two")
    done = at_once(partial(rename, world, one, "crm"), partial(rename, world, two, "crm"))
    assert sorted(done) == ["refused", "renamed"]


@pytest.mark.parametrize("secret", ["whsec_" + "A" * 28, "whsec_" + "A" * 88])
def test_a_key_of_no_recommended_length_is_refused(world: World, secret: str) -> None:
    with pytest.raises(Invalid, match="24 to 64 bytes"):
        create(world, secret=secret)
    assert world.rows(Subscription) == []


@pytest.mark.parametrize("secret", ["whsec_" + "A" * 32, "A" * 84])
def test_a_key_of_24_to_64_bytes_is_taken(world: World, secret: str) -> None:
    create(world, secret=secret)


def test_a_project_has_at_most_so_many(world: World) -> None:
    for number in range(MOST_SUBSCRIPTIONS):
        create(world, f"crm-{number}")
    with pytest.raises(Conflict, match=f"{MOST_SUBSCRIPTIONS} subscriptions at most"):
        create(world, "one too many")
