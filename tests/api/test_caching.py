"""What the API answers is for who asked, and kept by nobody in between."""

import pytest

from tests.api.calls import CALLS, Call, break_database
from tests.api.world import World, delivery


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_no_answer_is_kept_by_anybody(judged: World, call: Call) -> None:
    for client in (judged.client(), judged.browser()):
        assert call.send(client, conversation="call-1").headers["cache-control"] == "no-store"


def test_no_refusal_is_kept_either(judged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client = judged.client()
    answers = {413: client.post("/v1/conversations", content=b"x" * 5_000_000), 404: client.get("/v1/nothing")}
    answers[405] = client.put("/v1/goals")

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr("goalline.api.conversations.routes.listing.page", broken)
        answers[500] = client.get("/v1/conversations")
    break_database(judged)
    answers[503] = client.post("/v1/conversations", json=delivery())
    assert {response.status_code for response in answers.values()} == set(answers)
    assert {response.headers["cache-control"] for response in answers.values()} == {"no-store"}
