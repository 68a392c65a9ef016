"""The sample data of goalline demo, moved so that it is about the present whenever the demo runs."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from goalline.domain.goal import GoalDraft
from goalline.resources import folder

Sample = dict[str, Any]

BEFORE, AFTER = "before", "after"
"""When an event is sent: before all webhooks, after them, or at both times."""


def goals() -> list[GoalDraft]:
    """Return the sample goals."""
    return TypeAdapter(list[GoalDraft]).validate_json((folder("fixtures") / "demo/goals.json").read_bytes())


def conversations(now: datetime) -> list[Sample]:
    """Return the sample conversations as bodies of webhooks, the one that ended first first."""
    samples = []
    for sample in _lines("conversations"):
        started_at, ended_at = _times(sample, now)
        del sample["ended_minutes_ago"], sample["duration_seconds"], sample["expected"]
        samples.append(sample | {"started_at": started_at.isoformat(), "ended_at": ended_at.isoformat()})
    return samples


def events(now: datetime) -> dict[str, list[Sample]]:
    """Return the sample events by when they are sent. Some are sent at both times, and so have the same id twice."""
    started = {sample["conversation_id"]: _times(sample, now)[0] for sample in _lines("conversations")}
    found: dict[str, list[Sample]] = {BEFORE: [], AFTER: []}
    for event in _lines("events"):
        seconds, times = event.pop("seconds_in"), event.pop("sent")
        event["occurred_at"] = (started[event["conversation_id"]] + timedelta(seconds=seconds)).isoformat()
        for sent in times:
            found[sent].append(event)
    return found


def _times(sample: Sample, now: datetime) -> tuple[datetime, datetime]:
    ended_at = now - timedelta(minutes=sample["ended_minutes_ago"])
    return ended_at - timedelta(seconds=sample["duration_seconds"]), ended_at


def _lines(name: str) -> Iterator[Sample]:
    for line in (folder("fixtures") / f"demo/{name}.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)
