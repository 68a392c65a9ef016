"""API keys: their look, their stored digest, their scopes."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goalline.domain.key import Scope, assemble, digest, matches, prefix_of

PREFIX, SECRET = "abcDEF012345", "s" * 32
KEY = assemble(PREFIX, SECRET)


def test_the_prefix_of_a_key_is_found_and_the_secret_is_not_part_of_it() -> None:
    assert prefix_of(KEY) == PREFIX


@given(st.from_regex(r"\A[A-Za-z0-9]{12}\Z"), st.from_regex(r"\A[A-Za-z0-9_-]{32,64}\Z"))
def test_every_assembled_key_is_recognised(prefix: str, secret: str) -> None:
    assert prefix_of(assemble(prefix, secret)) == prefix


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "gl_",
        KEY + "\n",
        " " + KEY,
        KEY.upper(),
        f"sk_{PREFIX}_{SECRET}",
        f"gl_{PREFIX[:-1]}_{SECRET}",
        f"gl_abcDEF01234\u0665_{SECRET}",
        f"gl_{PREFIX}_{SECRET[:-1]}",
        f"gl_{PREFIX}_{'s' * 65}",
        f"gl_{PREFIX}_{SECRET}é",
    ],
)
def test_what_is_no_key_has_no_prefix(wrong: str) -> None:
    assert prefix_of(wrong) is None


def test_a_key_matches_its_own_digest_and_no_other() -> None:
    assert matches(KEY, digest(KEY))
    assert not matches(KEY, digest(KEY + "s"))
    assert not matches(KEY[:-1] + "t", digest(KEY))
    assert SECRET not in digest(KEY)


def test_keys_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []

    def never_alike(one: str, other: str) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr(hmac, "compare_digest", never_alike)
    assert not matches(KEY, digest(KEY))
    assert compared == [(digest(KEY), digest(KEY))]


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [(Scope.INGEST, {Scope.INGEST}), (Scope.READ, {Scope.READ}), (Scope.ADMIN, set(Scope))],
)
def test_a_scope_allows_itself_and_admin_allows_all(scope: Scope, allowed: set[Scope]) -> None:
    assert {needed for needed in Scope if scope.allows(needed)} == allowed
