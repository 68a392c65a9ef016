"""The vault: what it seals opens for its owner alone, under any of the keys."""

from uuid import uuid4

import pytest

from goalline.domain.refusal import Conflict
from goalline.store.vault import Unreadable, Vault, is_key, new_key

OWNER = uuid4()


def test_what_is_sealed_opens_again_and_is_not_to_be_read() -> None:
    vault = Vault([new_key()])
    sealed = vault.seal(OWNER, ["xyzzyplugh"])
    assert "xyzzyplugh" not in sealed
    assert vault.open(OWNER, sealed) == ["xyzzyplugh"]


def test_the_same_value_never_looks_the_same() -> None:
    vault = Vault([new_key()])
    assert vault.seal(OWNER, "a") != vault.seal(OWNER, "a")


def test_another_owner_cannot_open_it() -> None:
    vault = Vault([new_key()])
    with pytest.raises(Unreadable):
        vault.open(uuid4(), vault.seal(OWNER, "a"))


def test_keys_are_changed_by_putting_a_new_one_first() -> None:
    old, new = new_key(), new_key()
    sealed = Vault([old]).seal(OWNER, "a")
    both = Vault([new, old])
    assert both.open(OWNER, sealed) == "a"
    assert Vault([new]).open(OWNER, both.seal(OWNER, "b")) == "b"


@pytest.mark.parametrize("sealed", ["", "gAAAAA", "\x00", "é"])
def test_what_is_no_seal_does_not_open(sealed: str) -> None:
    with pytest.raises(Unreadable):
        Vault([new_key()]).open(OWNER, sealed)


def test_another_key_opens_nothing() -> None:
    with pytest.raises(Unreadable):
        Vault([new_key()]).open(OWNER, Vault([new_key()]).seal(OWNER, "a"))


def test_without_a_key_nothing_is_sealed_and_nothing_opens() -> None:
    with pytest.raises(Conflict, match="GOALLINE_ENCRYPTION_KEYS"):
        Vault([]).seal(OWNER, "a")
    with pytest.raises(Unreadable):
        Vault([]).open(OWNER, Vault([new_key()]).seal(OWNER, "a"))


def test_a_key_is_known_by_its_form() -> None:
    assert is_key(new_key())
    assert not is_key("")
    assert not is_key("A" * 43)
    assert not is_key("A" * 44)
