"""goalline judge: a labelled file is judged, and the judge's agreement with the labels is worked out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goalline.judge.stand_in import MODEL, Fault, StandIn
from tests.cli.terminal import Terminal

SAMPLES = Path(__file__).parents[2] / "fixtures" / "labelled.jsonl"
DONE, NOT_DONE = "Your taxi is ordered.", "We have no taxi today."


def line(number: int, said: str, *labels: str | None, source: str = "a [/red] source") -> dict[str, Any]:
    """Return a conversation with one goal for each label; the stand-in finds it achieved where it hears it done."""
    goals = [
        {"key": f"k{n}", "kind": "secondary", "name": "Taxi ordered", "description": "A taxi was ordered."}
        | ({"label": label} if label else {})
        for n, label in enumerate(labels)
    ]
    turns = [{"role": "user", "text": "A taxi, please."}, {"role": "agent", "text": said}]
    return {"id": f"sample-{number}", "source": source, "turns": turns, "goals": goals}


TINY = [
    *(line(n, DONE, "achieved") for n in range(4)),
    line(4, DONE, "not_achieved", source="b"),
    line(5, DONE, "partial", source="b"),
    *(line(n, NOT_DONE, "not_achieved") for n in range(6, 9)),
    line(9, NOT_DONE, "achieved", None),
]


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    """Ten labelled conversations; their labels and verdicts: 4 aa, 1 na, 1 pa, 3 nn, 1 an, and one goal unlabelled."""
    file = tmp_path / "tiny.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in TINY), encoding="utf-8")
    return str(file)


@pytest.fixture
def model() -> Iterator[StandIn]:
    with StandIn(record=True) as server:
        yield server


def test_the_sample_file_is_judged_by_the_stand_in_which_says_what_it_is(terminal: Terminal) -> None:
    shown = terminal.prints("judge", str(SAMPLES), "--stand-in")
    assert f"model {MODEL}, prompt " in shown
    assert f"Judging with {MODEL}: word matching, no LLM" in shown
    assert "6 conversations, 6 calls" in shown


def test_few_labels_are_said_to_say_little(terminal: Terminal, tiny: str) -> None:
    assert "10 labels: fewer than 30 say little about a judge" in terminal.prints("judge", tiny, "--stand-in")


def test_thirty_labels_pass_without_that_remark(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "thirty.jsonl"
    file.write_text("".join(json.dumps(line(n, DONE, "achieved")) + "\n" for n in range(30)))
    shown = terminal.prints("judge", str(file), "--stand-in")
    assert "over 30 verdicts" in shown
    assert "say little" not in shown


def test_the_stand_in_is_reached_behind_a_proxy(terminal: Terminal, tiny: str) -> None:
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:1")
    shown = terminal.prints("judge", tiny, "--stand-in", **proxies, NO_PROXY="", no_proxy="")
    assert "10 conversations, 10 calls" in shown


def test_accuracy_is_the_share_of_labels_that_were_met(terminal: Terminal, tiny: str) -> None:
    summary = terminal.says("judge", tiny, "--stand-in", "--json")
    assert summary["labelled_verdicts"] == 10
    assert summary["accuracy"] == pytest.approx((4 + 3) / 10)


def test_the_confusion_matrix_has_labels_as_rows_and_verdicts_as_columns(terminal: Terminal, tiny: str) -> None:
    assert terminal.says("judge", tiny, "--stand-in", "--json")["confusion"] == {
        "achieved": {"achieved": 4, "partial": 0, "not_achieved": 1},
        "partial": {"achieved": 1, "partial": 0, "not_achieved": 0},
        "not_achieved": {"achieved": 1, "partial": 0, "not_achieved": 3},
    }


def test_kappa_is_the_agreement_beyond_chance(terminal: Terminal, tiny: str) -> None:
    # By chance: labels 5, 1, 4 of 10 and verdicts 6, 0, 4 of 10 meet in (5 * 6 + 1 * 0 + 4 * 4) / 100 of all cases.
    by_chance = 0.46
    expected = (0.7 - by_chance) / (1 - by_chance)
    assert terminal.says("judge", tiny, "--stand-in", "--json")["kappa"] == pytest.approx(expected)


def test_each_source_is_measured_by_itself_too(terminal: Terminal, tiny: str) -> None:
    sources = terminal.says("judge", tiny, "--stand-in", "--json")["sources"]
    assert {name: (own["labelled_verdicts"], own["accuracy"]) for name, own in sources.items()} == {
        "a [/red] source": (8, 7 / 8),
        "b": (2, 0),
    }


def test_people_see_a_table_for_each_source_and_for_all(terminal: Terminal, tiny: str) -> None:
    shown = terminal.prints("judge", tiny, "--stand-in")
    assert "a [/red] source" in shown
    assert "accuracy 0.700, Cohen's kappa 0.444, over 10 verdicts" in shown
    assert "10 conversations, 10 calls" in shown


def test_only_the_first_lines_are_judged_when_told_so(terminal: Terminal, tiny: str, model: StandIn) -> None:
    summary = terminal.says("judge", tiny, "--limit", "3", "--json", OPENAI_BASE_URL=model.url)
    assert (summary["conversations"], summary["labelled_verdicts"], model.calls) == (3, 3, 3)


def test_without_labels_the_measures_are_undefined_and_not_0(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "unlabelled.jsonl"
    file.write_text(json.dumps(line(1, DONE, None)))
    summary = terminal.says("judge", str(file), "--stand-in", "--json")
    assert (summary["accuracy"], summary["kappa"], summary["labelled_verdicts"]) == (None, None, 0)
    assert "accuracy undefined" in terminal.prints("judge", str(file), "--stand-in")


def test_the_verdicts_are_written_one_conversation_a_line(terminal: Terminal, tiny: str, tmp_path: Path) -> None:
    output = tmp_path / "verdicts.jsonl"
    terminal.prints("judge", tiny, "--stand-in", "--output", str(output))
    written = {row["id"]: row for row in map(json.loads, output.read_text(encoding="utf-8").splitlines())}
    assert written.keys() == {row["id"] for row in TINY}
    both = written["sample-9"]
    assert (both["model"], both["reason"]) == (MODEL, None)
    assert [(v["goal"], v["outcome"], v["label"]) for v in both["verdicts"]] == [
        ("k0", "not_achieved", "achieved"),
        ("k1", "not_achieved", None),
    ]
    (achieved,) = written["sample-0"]["verdicts"]
    assert achieved["evidence"] == [{"turn": 2, "quote": DONE}]
    assert achieved["rationale"]


def test_nothing_is_stored(terminal: Terminal, tiny: str) -> None:
    terminal.prints("judge", tiny, "--stand-in")
    assert not terminal.database_file.exists()


def test_the_model_of_the_settings_is_asked(terminal: Terminal, tiny: str, model: StandIn) -> None:
    terminal.prints("judge", tiny, OPENAI_BASE_URL=model.url, GOALLINE_MODEL="a-model")
    assert [request["model"] for request in model.requests] == ["a-model"] * 10


def test_without_a_model_the_command_says_what_to_set(terminal: Terminal, tiny: str) -> None:
    complaint = terminal.refuses("judge", tiny)
    assert "set OPENAI_API_KEY or OPENAI_BASE_URL (and GOALLINE_MODEL), or use --stand-in" in complaint


def test_a_model_that_refuses_ends_in_status_1_with_the_reason(terminal: Terminal, tiny: str, model: StandIn) -> None:
    model.script([Fault(status=401, repeat=True)])
    result = terminal.run("judge", tiny, "--output", "out.jsonl", OPENAI_BASE_URL=model.url, OPENAI_API_KEY="sk-x")
    assert result.exit_code == 1
    assert "10 failed: unauthorized" in result.stdout
    assert "sk-x" not in result.output
    lines = (terminal.folder / "out.jsonl").read_text().splitlines()
    assert {json.loads(line)["reason"] for line in lines} == {"unauthorized"}


def test_a_call_that_brought_no_answer_costs_nothing_and_hides_no_cost(
    terminal: Terminal, tiny: str, model: StandIn
) -> None:
    prices = {"OPENAI_BASE_URL": model.url, "GOALLINE_PRICE_PER_MILLION": "1,1"}
    whole = terminal.says("judge", tiny, "--limit", "1", "--json", **prices)
    model.script([Fault(status=400)])
    result = terminal.run("judge", tiny, "--limit", "2", "--threads", "1", "--json", **prices)
    summary = json.loads(result.stdout)
    assert (summary["failed"], summary["calls"]) == ({"bad_request": 1}, 1)
    assert summary["cost"] == whole["cost"]
    assert float(summary["cost"]) > 0


def test_the_cost_of_a_model_without_a_known_price_is_unknown(terminal: Terminal, tiny: str, model: StandIn) -> None:
    endpoint = {"OPENAI_BASE_URL": model.url, "GOALLINE_MODEL": "house-blend"}
    assert terminal.says("judge", tiny, "--json", **endpoint)["cost"] is None
    assert "tokens, cost unknown\n" in terminal.prints("judge", tiny, **endpoint)


def test_where_nothing_was_answered_nothing_was_used(terminal: Terminal, tiny: str, model: StandIn) -> None:
    model.script([Fault(status=400, repeat=True)])
    shown = terminal.run("judge", tiny, OPENAI_BASE_URL=model.url).stdout
    assert "10 conversations, 0 calls, 0 prompt tokens, 0 completion tokens, US$ 0\n" in shown


def test_an_endpoint_out_of_reach_ends_in_status_1_without_a_traceback(terminal: Terminal, tiny: str) -> None:
    result = terminal.run(
        "judge", tiny, "--json", OPENAI_BASE_URL="http://127.0.0.1:1/v1", GOALLINE_LLM_PATIENCE_SECONDS="0.1"
    )
    assert result.exit_code == 1
    assert json.loads(result.stdout)["failed"] == {"unavailable": 10}
    assert "Traceback" not in result.output
