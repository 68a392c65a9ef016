"""What is too large is refused with 413, says the limit, and is not stored."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from goalline.domain.key import Scope
from tests.api.calls import problem, raw, stored
from tests.api.world import NewWorld, World, delivery

JSON = {"Content-Type": "application/json"}
LIMIT = 2_000


@pytest.fixture
def small(new_world: NewWorld) -> World:
    """A world that takes bodies of 2,000 bytes and transcripts of 3 turns and 60 characters."""
    world = new_world(max_body_bytes=LIMIT, max_turns=3, max_characters=60)
    assert world.client().post("/v1/conversations", json=delivery("before", "Hello.")).status_code == 202
    return world


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (["a"] * 4, ("4 turns", "limit is 3 turns")),
        ([""] * 4, ("4 turns", "limit is 3 turns")),
        (["a" * 61], ("61 characters", "limit is 60 characters")),
        (["a" * 30, "é" * 31], ("61 characters", "limit is 60 characters")),
    ],
)
def test_a_transcript_over_a_limit_says_which(small: World, said: list[str], words: tuple[str, ...]) -> None:
    before = stored(small.database)
    body = problem(small.client().post("/v1/conversations", json=delivery("call-1", *said)), 413, "transcript")
    assert all(word in body["detail"] for word in words)
    assert stored(small.database) == before


def test_words_that_became_too_many_do_not_replace_those_that_are_stored(small: World) -> None:
    before = stored(small.database)
    response = small.client().post("/v1/conversations", json=delivery("before", *["a"] * 4))
    problem(response, 413, "transcript")
    assert stored(small.database) == before


def test_the_limit_says_its_thousands(new_world: NewWorld) -> None:
    client = new_world(max_characters=1_000).client()
    response = client.post("/v1/conversations", json=delivery("call-1", "a" * 1_234))
    detail = problem(response, 413, "transcript")["detail"]
    assert detail == "the transcript has 1,234 characters; the limit is 1,000 characters"


def in_pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 100):
        yield content[start : start + 100]


@pytest.mark.parametrize("declared", [True, False], ids=["with its length", "in chunks"])
@pytest.mark.parametrize("path", ["/v1/conversations", "/v1/goals"])
def test_a_body_over_the_limit_is_refused(small: World, path: str, declared: bool) -> None:
    content = raw(delivery("call-1", "a" * 10)).ljust(LIMIT + 1)
    before = stored(small.database)
    response = small.client().post(path, content=content if declared else in_pieces(content), headers=JSON)
    assert "2,000 bytes" in problem(response, 413, "body")["detail"]
    assert stored(small.database) == before


def test_a_body_in_chunks_within_the_limit_is_taken(small: World) -> None:
    content = raw(delivery("call-1", "a" * 10)).ljust(LIMIT)
    assert small.client().post("/v1/conversations", content=in_pieces(content), headers=JSON).status_code == 202


@pytest.mark.parametrize("length", [b"99999999999999999999", b"2001"])
def test_a_length_that_is_too_large_is_refused_unread(small: World, length: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    problem(small.client().post("/v1/conversations", content=b"{}", headers=headers), 413, "body")


def test_a_length_that_lies_lets_nothing_more_in(small: World) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"10")]
    content = raw(delivery("call-1", "a" * 10)).ljust(LIMIT + 1)
    before = stored(small.database)
    problem(small.client().post("/v1/conversations", content=content, headers=headers), 413, "body")
    assert stored(small.database) == before


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "json",
    ],
)
def test_json_that_is_not_called_json_is_refused_and_told_so(small: World, content_type: str) -> None:
    before = stored(small.database)
    headers = {"Content-Type": content_type}
    response = small.client(Scope.INGEST).post("/v1/conversations", content=raw(delivery()), headers=headers)
    assert "Content-Type: application/json" in problem(response, 422, "body")["detail"]
    assert stored(small.database) == before


def test_json_of_a_named_character_set_is_json(client: TestClient) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert client.post("/v1/conversations", content=raw(delivery()), headers=headers).status_code == 202
