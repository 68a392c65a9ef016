"""What an empty project shows: three steps, whose commands work as they stand there."""

import json
import re
import shlex
from contextlib import closing

import pytest

from goalline.domain.evaluation import Status
from goalline.judge.llm import LlmJudge
from goalline.judge.stand_in import StandIn
from goalline.settings import Settings, misspelt
from goalline.worker import utc_now
from tests.api.world import World, goal, text_of


@pytest.fixture
def commands(world: World) -> list[str]:
    """The commands on the page, as a shell would be given them."""
    page = world.client().get("/").text
    blocks = re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", page, flags=re.DOTALL)
    return [block.replace("&#34;", '"').replace("&#39;", "'") for block in blocks]


def typed(world: World, commands: list[str]) -> None:
    """Send what curl would."""
    for command in commands[1:]:
        now = utc_now().strftime("%Y-%m-%dT%H:%M:59.999Z")
        arguments = shlex.split(command.replace("$(date -u +%Y-%m-%dT%H:%M:59.999Z)", now))
        body = json.loads(arguments[arguments.index("-d") + 1])
        assert world.client().post(arguments[2], json=body).is_success, body


def test_says_what_to_do_next(world: World) -> None:
    page = text_of(world.client().get("/").text)
    assert "No conversation yet" in page
    assert "curl -sS http://goalline.test/v1/goals" in page
    assert "curl -sS http://goalline.test/v1/conversations" in page


def test_the_key_has_a_name_that_is_set_first_and_that_goalline_does_not_take_for_a_setting(
    commands: list[str],
) -> None:
    assert commands[0] == "KEY=gl_..."
    assert len(commands) == 3
    for command in commands[1:]:
        assert re.findall(r"\$(\w+)", command) == ["KEY"]
    assert misspelt(["KEY"]) == {}


def test_the_commands_it_shows_work(world: World, commands: list[str]) -> None:
    typed(world, commands)
    assert world.evaluate() == [Status.SUCCEEDED]
    assert "1 of 1 conversation reached its primary goal" in text_of(world.client().get("/").text)


def test_even_the_stand_in_agrees_with_what_is_sent(world: World, commands: list[str]) -> None:
    typed(world, commands)
    with (
        StandIn() as server,
        closing(LlmJudge.from_settings(Settings.model_validate({"openai_base_url": server.url}), 1)) as judge,
    ):
        replaced = World(world.parts, world.project, world.keys, judge)  # type: ignore[arg-type]
        assert replaced.evaluate() == [Status.SUCCEEDED]
    [verdict] = world.client().get("/v1/conversations/call-1").json()["verdicts"]
    assert verdict["outcome"] == "achieved"
    assert [item["quote"] for item in verdict["evidence"]] == ["Your appointment is booked for Tuesday at 9:20."]


def test_ticks_off_what_is_done(world: World) -> None:
    goal(world.client(), "Appointment booked")
    assert "Done: 1 goal, Appointment booked." in text_of(world.client().get("/").text)
