"""Bodies that somebody thought up to break things, and the promises that hold whatever is sent."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx2
from fastapi.testclient import TestClient
from hypothesis import strategies as st

from goalline.domain.goal import GoalInForce, Kind
from goalline.domain.transcript import Turn
from goalline.judge.prompt import shipped
from tests.api.calls import stored
from tests.api.world import World

MARK = "rhubarb"
"""Stands in every value that is made up: no refusal repeats one."""

JSON = {"Content-Type": "application/json"}

_CHARACTERS = st.one_of(
    st.characters(),
    # Surrogates on their own, control characters, marks that turn the direction, unassigned and private code points.
    st.characters(categories=("Cs", "Cc", "Cf", "Cn", "Co", "Mn", "Zl", "Zp", "Zs")),
    st.sampled_from("\x00\x07\x1b\x7f\x85\u200b\u202e\u2066\ufeff\uffff\U0010ffff<>&\"'{}%$\\"),
)
# A text of them would draw from all code points alike, and hardly ever one of these few.
_TEXT = st.lists(_CHARACTERS, max_size=12).map("".join)
WORDS = _TEXT.map(lambda words: f"{MARK} {words}")
"""Text of any code points, half of a pair included."""

_ANYTHING = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(10**18, 10**400),
        st.floats(),
        WORDS,
        st.just(MARK * 2_000),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=8,
)

TIMES = (
    "0001-01-01T00:00:00+14:00",
    "0000-01-01T00:00:00Z",
    "1999-12-31T23:59:59.999999Z",
    "2000-01-01T00:00:00+14:00",
    "2000-01-01T00:00:00Z",
    "2016-12-31T23:59:60Z",
    "2026-11-21T24:00:00Z",
    "2026-11-21T09:30:00+23:59",
    "2026-11-21T09:30:00-99:99",
    "2026-11-21T09:30:00.123456789123456789Z",
    "2026-02-30T09:30:00Z",
    "9000-01-01T00:00:00Z",
    "9999-12-31T23:59:59-14:00",
    "99999-12-31T23:59:59Z",
)
"""Times at all edges, as they stand in JSON."""

LITERALS = {
    "not a number": "NaN",
    "infinity": "Infinity",
    "less than that": "-Infinity",
    "a float over all floats": "1e400",
    "an exponent over all exponents": "1e99999999999",
    "an integer of 5,000 digits": "9" * 5_000,
    "a float of 100,000 digits": f"0.{'9' * 100_000}",
    "an integer of 20 digits": "9" * 20,
    "minus nothing": "-0",
    "100,000 brackets": "[" * 100_000 + "]" * 100_000,
    "100,000 braces": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "100,000 brackets, open": "[" * 100_000,
    "a hundred brackets": "[" * 100 + "]" * 100,
    "half of a pair": r'"\ud800"',
    "halves the wrong way round": r'"\ude00\ud83d"',
    "NUL": r'"a\u0000b"',
    "a raw control character": '"a\x01b"',
    "an unknown escape": r'"\x41"',
    "a comment": "/* none */ null",
    "a text of 300,000 characters": json.dumps(MARK * 43_000),
    "a list of 100,000 nulls": f"[{','.join(['null'] * 100_000)}]",
}
"""Values as they stand in a body, by what they are."""


def spoilt(valid: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return bodies in which a few fields, known and unknown ones, hold anything at all."""
    names = st.sampled_from([*valid, "surprise"])
    return st.dictionaries(names, _ANYTHING, min_size=1, max_size=3).map(lambda changes: valid | changes)


def raw(body: object) -> bytes:
    """Return a body as JSON: NaN stays NaN, and half of a pair stays one."""
    return json.dumps(body).encode()


def sent(
    world: World,
    client: TestClient,
    method: str,
    path: str,
    body: bytes,
    headers: Mapping[str, str] | Sequence[tuple[bytes, bytes]] = (),
) -> httpx2.Response:
    """Send a body and check what holds for every answer: a refusal is a problem, repeats nothing and stores nothing."""
    before = stored(world.database)
    response = client.request(method, path, content=body, headers=headers or JSON)
    assert 200 <= response.status_code < 300 or 400 <= response.status_code < 500, response.text
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        problem = response.json()
        assert problem["status"] == response.status_code
        assert response.status_code not in (400, 413, 422) or all(error["field"] for error in problem["errors"])
        assert response.status_code not in (400, 413, 422) or problem["errors"]
        assert MARK not in response.text
        assert stored(world.database) == before
    return response


def assert_readable(client: TestClient, conversation: dict[str, Any]) -> None:
    """Check that an accepted conversation is shown as it was sent, on its page too, and can be put to a model."""
    address = quote(conversation["conversation_id"].strip(), safe="")
    shown = client.get(f"/v1/conversations/{address}")
    assert shown.status_code == 200, shown.text
    told = [(turn["role"], turn["text"]) for turn in shown.json()["transcript"]]
    assert told == [(turn["role"], turn["text"]) for turn in conversation["transcript"]]
    assert client.get(f"/conversations/{address}").status_code == 200
    turns = [Turn.model_validate(turn) for turn in shown.json()["transcript"]]
    goals = [GoalInForce(UUID(int=1), 1, "Booked", "An appointment was booked.", Kind.PRIMARY)]
    system, user = shipped().render(goals, turns)
    assert json.dumps([system, user], ensure_ascii=False).encode()
