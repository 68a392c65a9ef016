"""What a delivery must look like: roles, times and their order, storable text, small metadata, nothing else."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from goalline.domain.transcript import Delivery, Role, Turn, digest, excess, is_empty


def delivery(**changes: Any) -> Delivery:
    plain: dict[str, Any] = {
        "conversation_id": "call-1",
        "agent_id": "desk",
        "ended_at": "2026-11-21T09:30:00Z",
        "transcript": [{"role": "user", "text": "Hello"}],
    }
    return Delivery.model_validate(plain | changes)


def refusal(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        delivery(**changes)
    (error,) = caught.value.errors()
    return f"{'.'.join(map(str, error['loc']))}: {error['msg']}"


def turn(role: str = "user", text: str = "Hello", **more: Any) -> dict[str, Any]:
    return {"role": role, "text": text, **more}


def test_a_plain_delivery_is_accepted_with_its_times_in_utc() -> None:
    received = delivery(ended_at="2026-11-21T10:30:00+01:00", started_at="2026-11-21T09:20:00.5Z")
    assert received.ended_at == datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    assert received.ended_at.tzinfo is UTC
    assert received.started_at == datetime(2026, 11, 21, 9, 20, 0, 500_000, tzinfo=UTC)
    assert received.transcript == (Turn(role=Role.USER, text="Hello"),)


@pytest.mark.parametrize("role", ["agent", "user", "tool", "system"])
def test_the_four_roles_are_accepted(role: str) -> None:
    assert delivery(transcript=[turn(role)]).transcript[0].role == role


@pytest.mark.parametrize("role", ["assistant", "User", "", None, 1])
def test_any_other_role_is_refused(role: object) -> None:
    assert refusal(transcript=[turn(), turn(role=role)]).startswith("transcript.1.role: ")  # type: ignore[arg-type]


@pytest.mark.parametrize("naive", ["2026-11-21T09:30:00", "2026-11-21 09:30", "2026-11-21"])
@pytest.mark.parametrize("field", ["ended_at", "started_at"])
def test_a_time_without_zone_is_refused(field: str, naive: str) -> None:
    assert refusal(**{field: naive}).startswith(f"{field}: ")


@pytest.mark.parametrize("number", [1_763_717_400, 1_763_717_400_000.5, True, "1763717401", "1763717400.25"])
def test_a_number_is_not_taken_for_a_time(number: object) -> None:
    assert "RFC 3339" in refusal(ended_at=number)
    assert "RFC 3339" in refusal(transcript=[turn(at=number)])


@pytest.mark.parametrize("far", ["1999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_far_off_is_refused_and_not_a_crash(far: str) -> None:
    assert "between the years 2000 and 9000" in refusal(ended_at=far)


def test_a_conversation_cannot_end_before_it_started() -> None:
    assert "started_at" in refusal(started_at="2026-11-21T09:30:01Z")
    assert delivery(started_at="2026-11-21T10:30:00+01:00").started_at is not None


def test_turns_must_come_in_the_order_of_their_times() -> None:
    early, late = "2026-11-21T09:00:00Z", "2026-11-21T09:00:01Z"
    assert "turn 3" in refusal(transcript=[turn(at=late), turn(), turn(at=early)])
    delivery(transcript=[turn(at=early), turn(), turn(at=early), turn(at=late)])


@pytest.mark.parametrize("unstorable", ["\x00", "\ud83d"])
def test_unstorable_characters_are_refused_wherever_they_stand(unstorable: str) -> None:
    bad = f"a{unstorable}b"
    assert refusal(transcript=[turn(text=bad)]).startswith("transcript.0.text: ")
    for field in ("conversation_id", "agent_id", "contact_id", "channel", "end_reason"):
        assert refusal(**{field: bad}).startswith(f"{field}: ")
    for metadata in ({"k": bad}, {bad: 1}, {"k": [{"deep": [bad]}]}, {"k": {bad: None}}):
        assert refusal(metadata=metadata).startswith("metadata: ")


def test_metadata_is_any_small_json_object() -> None:
    metadata = {"a": [1, 2.5, None, True, {"b": "ü"}], "": {}}
    assert delivery(metadata=metadata).metadata == metadata
    assert refusal(metadata=[1]).startswith("metadata: ")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_metadata_holds_no_number_that_json_lacks(number: float) -> None:
    assert "NaN or infinite" in refusal(metadata={"k": [number]})


def test_metadata_is_at_most_16384_bytes() -> None:
    fitting = {"k": "x" * (16_384 - len('{"k": ""}'))}
    assert delivery(metadata=fitting).metadata == fitting
    assert "16,384 bytes" in refusal(metadata={"k": fitting["k"] + "x"})


def test_metadata_is_at_most_8_levels_deep() -> None:
    def nested(levels: int) -> dict[str, Any]:
        return {"k": nested(levels - 1)} if levels else {}

    assert delivery(metadata=nested(8)).metadata is not None
    assert "nested" in refusal(metadata=nested(9))
    assert "nested" in refusal(metadata=nested(900))


def test_a_field_that_is_not_known_is_refused_by_name() -> None:
    assert refusal(conversationId="call-1").startswith("conversationId: ")
    assert refusal(transcript=[turn(speaker="x")]).startswith("transcript.0.speaker: ")


@pytest.mark.parametrize("field", ["conversation_id", "agent_id", "ended_at", "transcript"])
def test_what_is_needed_cannot_be_left_out(field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        Delivery.model_validate(delivery().model_dump(exclude={field}))


def test_excess_says_the_limit_that_is_passed() -> None:
    turns = [Turn(role=Role.USER, text="12345")] * 3
    assert excess(turns, 3, 15) is None
    assert "3 turns; the limit is 2 turns" in (excess(turns, 2, 15) or "")
    assert "15 characters; the limit is 14 characters" in (excess(turns, 3, 14) or "")


def test_a_transcript_is_empty_when_nobody_said_anything() -> None:
    assert is_empty([])
    assert is_empty([Turn(role=Role.USER, text=" \n"), Turn(role=Role.AGENT, text="")])
    assert not is_empty([Turn(role=Role.USER, text=""), Turn(role=Role.AGENT, text=".")])


TURNS = st.lists(st.builds(Turn, role=st.sampled_from(Role), text=st.text(st.characters(exclude_categories=["Cs"],
                 exclude_characters="\x00"), max_size=5)), max_size=3)  # fmt: skip


@given(TURNS, TURNS)
def test_two_transcripts_have_one_digest_exactly_when_the_same_people_said_the_same(
    one: list[Turn], other: list[Turn]
) -> None:
    assert (digest(one) == digest(other)) == (one == other)


def test_the_digest_does_not_look_at_times() -> None:
    at = datetime(2026, 11, 21, tzinfo=timezone(timedelta(hours=1)))
    assert digest([Turn(role=Role.USER, text="Hi", at=at)]) == digest([Turn(role=Role.USER, text="Hi")])
