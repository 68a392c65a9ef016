"""The stand-in's server: it speaks chat completions, fails on demand, and never passes for an LLM."""

import http.client
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from goalline.domain.goal import GoalInForce, Kind
from goalline.domain.transcript import Role, Turn
from goalline.domain.verdict import Reply, ungrounded
from goalline.judge import prompt
from goalline.judge.stand_in import MODEL, Fault, StandIn

GOAL = GoalInForce(UUID(int=1), 1, "Table booked", "A table was booked and the agent said so.", Kind.PRIMARY)
REQUEST: dict[str, Any] = {
    "model": "gpt-5-mini",
    "messages": prompt.shipped().render([GOAL], [Turn(role=Role.AGENT, text="Your table is booked.")]),
}


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn(record=True) as server:
        yield server


def connect(stand_in: StandIn, timeout: float = 20) -> http.client.HTTPConnection:
    host, _, port = stand_in.url.removeprefix("http://").removesuffix("/v1").partition(":")
    return http.client.HTTPConnection(host, int(port), timeout=timeout)


def send(
    stand_in: StandIn, body: object = REQUEST, path: str = "/v1/chat/completions", timeout: float = 20
) -> tuple[int, http.client.HTTPMessage, Any]:
    connection = connect(stand_in, timeout)
    try:
        connection.request("POST", path, body if isinstance(body, str) else json.dumps(body))
        with connection.getresponse() as response:
            text = response.read().decode()
            return response.status, response.headers, json.loads(text) if text.startswith("{") else text
    finally:
        connection.close()


def choice(stand_in: StandIn, **request: object) -> Any:
    return send(stand_in, REQUEST | request)[2]["choices"][0]


def test_it_says_what_it_is_whatever_model_was_asked_for(stand_in: StandIn) -> None:
    status, headers, completion = send(stand_in, path="/some/prefix/chat/completions")
    assert (status, completion["model"], headers["Server"].strip()) == (200, MODEL, MODEL)
    assert completion["usage"]["prompt_tokens"] > completion["usage"]["completion_tokens"] > 0
    connection = connect(stand_in)
    connection.request("GET", "/v1/models")
    assert [model["id"] for model in json.load(connection.getresponse())["data"]] == [MODEL]
    connection.close()


def test_it_answers_as_text_or_as_the_call_of_the_tool_that_was_offered(stand_in: StandIn) -> None:
    tool = {"type": "function", "function": {"name": "Reply", "parameters": {}}}
    text = choice(stand_in, response_format={"type": "json_schema"})
    called = choice(stand_in, tools=[tool], tool_choice={"type": "function", "function": {"name": "Reply"}})
    [call] = called["message"]["tool_calls"]
    assert (text["finish_reason"], called["finish_reason"], call["function"]["name"]) == ("stop", "tool_calls", "Reply")
    assert text["message"]["content"] == call["function"]["arguments"]
    assert json.loads(text["message"]["content"])["verdicts"][0]["outcome"] == "achieved"


def test_a_re_ask_is_answered_from_the_first_prompt(stand_in: StandIn) -> None:
    again = [*REQUEST["messages"], {"role": "user", "content": "goal g1 has no verdict"}]
    assert choice(stand_in, messages=again)["message"] == choice(stand_in)["message"]
    assert [len(request["messages"]) for request in stand_in.requests] == [3, 2]


def test_faults_come_in_order_and_then_all_is_well(stand_in: StandIn) -> None:
    stand_in.script(
        [
            Fault(status=429, headers={"Retry-After": "1"}),
            Fault(body="not json"),
            Fault(drop=True),
            Fault(status=500, repeat=2),
        ]
    )
    status, headers, answered = send(stand_in)
    assert (status, headers["Retry-After"], "message" in answered["error"]) == (429, "1", True)
    assert send(stand_in)[2] == "not json"
    with pytest.raises(http.client.RemoteDisconnected):
        send(stand_in)
    assert [send(stand_in)[0] for _ in range(3)] == [500, 500, 200]
    assert stand_in.calls == 6


def test_a_fault_can_stay_for_good_until_the_script_is_replaced(stand_in: StandIn) -> None:
    stand_in.script([Fault(status=503, repeat=True), Fault(status=404)])
    assert [send(stand_in)[0] for _ in range(4)] == [503] * 4
    stand_in.script([])
    assert send(stand_in)[0] == 200


def test_a_message_can_be_cut_filtered_refused_or_made_up(stand_in: StandIn) -> None:
    faults = [Fault(finish_reason="length"), Fault(finish_reason="content_filter"), Fault(refusal="No.")]
    stand_in.script([*faults, Fault(content='{"verdicts": []}'), Fault(ungrounded=True)])
    cut, filtered, refused, empty, made_up = (choice(stand_in) for _ in range(5))
    whole = choice(stand_in)["message"]["content"]
    assert (cut["finish_reason"], cut["message"]["content"]) == ("length", whole[: len(whole) // 2])
    assert (filtered["finish_reason"], filtered["message"]["content"]) == ("content_filter", "")
    assert (refused["message"]["content"], refused["message"]["refusal"]) == (None, "No.")
    assert empty["message"]["content"] == '{"verdicts": []}'
    reply = Reply.model_validate_json(made_up["message"]["content"])
    assert ungrounded(reply, [Turn(role=Role.AGENT, text="Your table is booked.")])


def test_another_program_can_order_faults_over_http(stand_in: StandIn) -> None:
    status, _, state = send(stand_in, {"faults": [{"status": 418}], "latency": 0.001}, "/control")
    assert (status, state) == (200, {"model": MODEL, "calls": 0, "latency": 0.001, "faults": 1})
    assert send(stand_in, {"faults": [{"staus": 418}], "latency": 9}, "/control")[0] == 400
    assert stand_in.latency == 0.001
    assert send(stand_in)[0] == 418
    connection = connect(stand_in)
    connection.request("GET", "/control")
    assert json.load(connection.getresponse())["calls"] == 1
    connection.close()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/chat/completions", "not json", 400),
        ("/v1/chat/completions", {"model": "x"}, 400),
        ("/v1/chat/completions", {"messages": []}, 400),
        ("/v1/chat/completions", {"messages": ["text"]}, 400),
        ("/v1/chat/completions", REQUEST | {"tools": [{}]}, 400),
        ("/v1/chat/completions", REQUEST | {"stream": True}, 400),
        ("/v1/embeddings", REQUEST, 404),
    ],
)
def test_a_request_that_it_cannot_serve_is_refused(stand_in: StandIn, path: str, body: object, status: int) -> None:
    answered = send(stand_in, body, path)
    assert (answered[0], "error" in answered[2]) == (status, True)


def connections_end(before: set[threading.Thread]) -> bool:
    """Wait until no connection is served any more but those of threads that ran `before`."""
    deadline = time.monotonic() + 30
    while any("process_request" in thread.name for thread in set(threading.enumerate()) - before):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_client_that_gives_up_leaves_no_traceback(stand_in: StandIn, capfd: pytest.CaptureFixture[str]) -> None:
    before = set(threading.enumerate())
    stand_in.script([Fault(body="x" * 20_000_000)])
    connection = connect(stand_in)
    connection.request("POST", "/v1/chat/completions", json.dumps(REQUEST))
    # Closing resets the connection at once, as when a client is killed.
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    assert send(stand_in)[0] == 200
    assert connections_end(before)
    assert capfd.readouterr() == ("", "")


def test_a_connection_is_kept_for_the_next_request_until_the_server_stops(stand_in: StandIn) -> None:
    before = set(threading.enumerate())
    connection = connect(stand_in)
    connection.connect()
    used = connection.sock
    for _ in range(2):
        connection.request("POST", "/v1/chat/completions", json.dumps(REQUEST))
        assert connection.getresponse().read()
    assert connection.sock is used
    stand_in.stop()
    assert connections_end(before)
    assert used.recv(1) == b""
    connection.close()


def test_256_clients_are_served_at_once_and_stopping_cuts_them_all() -> None:
    before = set(threading.enumerate())
    stand_in = StandIn(latency=300).start()
    clients = [connect(stand_in) for _ in range(256)]
    for client in clients:
        client.request("POST", "/v1/chat/completions", json.dumps(REQUEST))
    deadline = time.monotonic() + 30
    while stand_in.calls < len(clients) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert stand_in.calls == len(clients)
    stand_in.stop()
    for client in clients:
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            client.getresponse()
        client.close()
    assert connections_end(before)
    with pytest.raises(ConnectionRefusedError), socket.create_connection((client.host, client.port)):
        pass


def test_stopping_one_that_was_never_started_returns() -> None:
    StandIn().stop()


def test_the_openai_client_understands_it(stand_in: StandIn) -> None:
    from openai import OpenAI

    with OpenAI(base_url=stand_in.url, api_key="none", max_retries=0) as client:
        completion = client.chat.completions.create(**REQUEST)
        assert [model.id for model in client.models.list()] == [MODEL]
    assert Reply.model_validate_json(completion.choices[0].message.content or "").verdicts[0].goal == "g1"


def test_the_command_serves_until_it_is_interrupted() -> None:
    code = "from goalline.judge.stand_in import serve_forever as s; s(port=0, announce=lambda u: print(u, flush=True))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout
        assert running.stdout.readline().startswith(b"http://127.0.0.1:")
        running.send_signal(signal.SIGINT)
        assert running.communicate(timeout=20) == (b"", b"")
        assert running.returncode == 0
