"""What is sent during a drill: made up by dice, and posted until it is accepted."""

import itertools
import json
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from bench.drill.ledger import Ledger, Pace, Post
from bench.drill.model import said
from goalline.domain.transcript import Delivery, digest

CLIENTS = 8
EACH_BATCH = (1, 25)
TWICE, OTHER_WORDS, SILENT = 0.05, 0.05, 0.01
"""Shares of the conversations that are sent again as they are, that are sent again with other words, and that are
empty."""
MODEL_SAYS = "Your appointment is booked for Monday at nine."

JUDGED = [
    {"name": "Appointment booked", "description": "The agent booked an appointment.", "kind": "primary"},
    {"name": "Price told", "description": "The agent told the caller what it costs.", "kind": "secondary"},
]
PROCESS = {
    "name": "Booking",
    "description": "From the wish to the booking.",
    "kind": "secondary",
    "judged": False,
    "steps": [
        {"key": "wished", "name": "Wished", "order": 1, "initial": True},
        {"key": "offered", "name": "Offered", "order": 2, "time_saved": "00:03:00"},
        {"key": "booked", "name": "Booked", "order": 3, "completion": True, "cost_savings": "7.50"},
    ],
}

_PATIENCE_SECONDS = 300
_PAUSE_SECONDS = 0.2
_TIMEOUT_SECONDS = 20


def plan(dice: random.Random, conversations: int, events: int, faults: int) -> list[Post]:
    """Return what to send, spread over a number of faults; but for the date, the same for the same dice."""
    # Not before the goals were made, a moment ago.
    began = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    posts: list[Post] = []
    for number in range(conversations):
        name, at, fate = f"call-{number:05}", dice.uniform(0, faults + 1), dice.random()
        first = _conversation(dice, name, 1, at, began, silent=fate > 1 - SILENT)
        posts.append(first)
        if fate < TWICE:
            again = at + dice.uniform(0, 2)
            posts.append(Post(again, first.path, first.body, first.names, 1, first.words))
        elif fate < TWICE + OTHER_WORDS:
            posts.append(_conversation(dice, name, 2, at + dice.uniform(0, 4), began))
    left = iter(range(events))
    while numbers := list(itertools.islice(left, dice.randint(*EACH_BATCH))):
        batch = _batch(dice, numbers, dice.uniform(0, faults + 1), conversations, began)
        posts.append(batch)
        if dice.random() < TWICE:
            posts.append(Post(batch.at + dice.uniform(0, 2), batch.path, batch.body, batch.names))
    return sorted((replace(post, at=min(post.at, faults + 1)) for post in posts), key=lambda post: post.at)


def _conversation(
    dice: random.Random, name: str, wording: int, at: float, began: datetime, *, silent: bool = False
) -> Post:
    price = {"role": "agent", "text": f"It costs {dice.randint(10, 90)} dollars."}
    transcript = [
        {"role": "user", "text": f"Can I have an appointment on Monday? {said(name, wording)}"},
        {"role": "agent", "text": dice.choice([MODEL_SAYS, "I am sorry, there is nothing left."])},
        *dice.choice([[], [price]]),
    ]
    body = {
        "conversation_id": name,
        "agent_id": f"line-{int(name[-1]) % 3}",
        "ended_at": (began + timedelta(seconds=int(at))).isoformat(),
        "transcript": [] if silent else transcript,
    }
    words = digest(Delivery.model_validate(body).transcript)
    return Post(at, "/v1/conversations", json.dumps(body).encode(), [name], wording, words)


def _batch(dice: random.Random, numbers: Sequence[int], at: float, conversations: int, began: datetime) -> Post:
    events = []
    for number in numbers:
        kind = dice.choices(["goal.step", "task.completed", "step.executed"], [6, 1, 3])[0]
        what = (
            {"goal": PROCESS["name"], "step": dice.choice(["wished", "wished", "offered", "booked"])}
            if kind == "goal.step"
            else {"name": f"{kind} {dice.choice('ABC')}"}
        )
        # Some tell of calls whose webhook never comes.
        call = dice.randrange(conversations + conversations // 20 + 1)
        occurred_at = began + timedelta(seconds=at, milliseconds=dice.randrange(1_000))
        events.append(
            {
                "id": f"event-{number:06}",
                "type": kind,
                "conversation_id": f"call-{call:05}",
                "occurred_at": occurred_at.isoformat(),
                **what,
            }
        )
    return Post(at, "/v1/events", json.dumps({"events": events}).encode(), [f"event-{number:06}" for number in numbers])


def send(posts: Sequence[Post], urls: Sequence[str], key: str, seed: int, pace: Pace) -> Ledger:
    """Send everything from several threads, each post until it is answered 2xx, and return the ledger."""
    ledger = Ledger()
    turn, lock = iter(posts), threading.Lock()

    def next_post() -> Post | None:
        with lock:
            return next(turn, None)

    def client(number: int) -> None:
        dice = random.Random(f"{seed} {number}")
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        with httpx2.Client(headers=headers, timeout=_TIMEOUT_SECONDS, trust_env=False) as http:
            while (post := next_post()) and not pace.stopped:
                pace.wait(post.at)
                while not ledger.has(post) and not pace.stopped:
                    time.sleep(_PAUSE_SECONDS)
                _deliver(http, post, urls, dice, ledger, pace)

    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(client, number) for number in range(CLIENTS)]:
            done.result()
    return ledger


def _deliver(
    http: httpx2.Client,
    post: Post,
    urls: Sequence[str],
    dice: random.Random,
    ledger: Ledger,
    pace: Pace,
) -> None:
    """Send one body, the same again and again, now to this API and now to that one, until it is answered 2xx."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and not pace.stopped:
        api = dice.randrange(len(urls))
        try:
            answer = http.post(urls[api] + post.path, content=post.body)
        except httpx2.TransportError as error:
            ledger.answer(type(error).__name__)
        else:
            ledger.answer(str(answer.status_code))
            wrong = _wrong(answer)
            if wrong:
                ledger.refused.append(f"{post.names[0]}: {wrong}")
            if answer.is_success:
                ledger.accept(post, api)
            if answer.status_code < httpx2.codes.INTERNAL_SERVER_ERROR:
                return
        time.sleep(dice.uniform(0, 2 * _PAUSE_SECONDS))
    ledger.abandoned.extend(post.names)


def _wrong(answer: httpx2.Response) -> str | None:
    """Return what is wrong with an answer, where no fault that is drilled excuses it."""
    if answer.is_success:
        rejected = answer.json().get("rejected")
        return f"rejected {rejected}" if rejected else None
    if answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
        return None
    return f"answered {answer.status_code} {answer.text[:200]}"


def goals() -> list[dict[str, Any]]:
    """Return the goals to create before anything is sent."""
    return [*JUDGED, PROCESS]
