"""What the demo prints fits into 80 columns, and its numbers are those of the reports."""

from typing import Any

import pytest

from goalline.cli import demo_report


def verdict(outcome: str, kind: str = "primary", name: str = "Parcel problem solved") -> dict[str, Any]:
    return {"outcome": outcome, "goal": {"kind": kind, "name": name}}


def row(number: int, *verdicts: dict[str, Any], status: str = "succeeded") -> dict[str, Any]:
    return {
        "ended_at": "2026-11-21T23:30:59.123456Z",
        "conversation_id": f"sample-support-{number:03}",
        "verdicts": list(verdicts),
        "evaluation": {"status": status},
    }


ROWS = [row(number, verdict("not_achieved"), verdict("achieved", "secondary")) for number in range(36)]
TOTAL = {"success_rate": 0.529, "interval": [0.367, 0.686], "evaluated": 34, "conversations": 36}
COUNTS = {"achieved": 12, "partial": 1, "not_achieved": 8}


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.usefixtures("narrow")
def test_a_conversation_is_one_line_of_80_columns_with_its_whole_id(capsys: pytest.CaptureFixture[str]) -> None:
    demo_report.show_conversations(ROWS[:1], "UTC", dashboard=True)
    assert lines(capsys)[3:] == [
        "11-21 23:30  sample-support-000  Parcel problem solved  not achieved  1 of 1",
    ]


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(("dashboard", "others"), [(True, "26 more on the dashboard"), (False, "26 more not listed")])
def test_only_the_latest_ten_are_listed(capsys: pytest.CaptureFixture[str], dashboard: bool, others: str) -> None:
    demo_report.show_conversations(ROWS, "UTC", dashboard=dashboard)
    shown = lines(capsys)
    assert [line.split()[2] for line in shown[3:-1]] == [f"sample-support-{number:03}" for number in range(10)]
    assert shown[-1] == others


@pytest.mark.usefixtures("narrow")
def test_the_end_of_a_conversation_is_told_in_the_projects_time_zone(capsys: pytest.CaptureFixture[str]) -> None:
    demo_report.show_conversations(ROWS[:1], "Europe/Berlin", dashboard=True)
    assert lines(capsys)[3].startswith("11-22 00:30 ")


@pytest.mark.usefixtures("narrow")
def test_a_goals_rate_is_one_line_of_80_columns_with_its_numbers_to_the_right(
    capsys: pytest.CaptureFixture[str],
) -> None:
    goal = {"name": "Another option offered", "kind": "secondary"}
    line = {"goal": goal, **COUNTS, "completion_rate": 0.571, "interval": [0.0, 1.0]}
    demo_report.show_rates([line, {**line, **COUNTS, "achieved": 5}], TOTAL, [])
    first, second = (line for line in lines(capsys) if "Another option offered" in line)
    assert first.split()[3:] == ["12", "1", "8", "57", "%", "0", "to", "100", "%"]
    assert first.index("12") + 1 == second.index("5", second.index("offered"))
    assert len(first) <= 80


def test_the_success_rate_stands_with_its_interval_its_coverage_and_what_is_missing() -> None:
    rows = [*ROWS[:34], row(34, status="skipped"), row(35, verdict("achieved", "secondary"))]
    assert demo_report.summary(TOTAL, rows) == (
        "Success rate 53 % (95 % interval 37 to 69 %), coverage 34 of 36 with a primary verdict;"
        " the others: 1 skipped, 1 without a primary goal"
    )


def test_with_everything_evaluated_nothing_is_missing() -> None:
    total = TOTAL | {"evaluated": 36}
    assert demo_report.summary(total, ROWS).endswith(", coverage 36 of 36 with a primary verdict")


def test_without_any_verdict_the_rate_is_unknown_and_the_reasons_are_told() -> None:
    total = TOTAL | {"success_rate": None, "interval": None, "evaluated": 0, "conversations": 3}
    rows = [row(1, status="failed"), row(2, status="running"), row(3, status="queued")]
    assert demo_report.summary(total, rows) == (
        "Success rate unknown, coverage 0 of 3 with a primary verdict; the others: 1 failed, 2 waiting"
    )


CYCLES = {
    "started": 12,
    "completed": 7,
    "completion_rate": 0.583,
    "cost_savings": "1042.00",
    "revenue": "60.00",
    "time_saved": "00:39:00",
}


@pytest.mark.usefixtures("narrow")
def test_a_goals_cycles_are_one_line_of_80_columns_and_below_stand_those_of_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = {**CYCLES, "goal": {"name": "Parcel problem solved"}}
    agreement = [{"compared": 12, "agreeing": 9}, {"compared": 8, "agreeing": 6}]
    demo_report.show_track({**CYCLES, "started": 24, "currency": "EUR", "goals": [line, line]}, agreement)
    shown = lines(capsys)
    assert "EUR" in shown[1]
    assert shown[2].split() == ["goal", "started", "completed", "rate", "saved", "earned", "time", "saved"]
    figures = ["7", "58", "%", "1042.00", "60.00", "00:39:00"]
    assert shown[4].split() == ["Parcel", "problem", "solved", "12", *figures]
    assert [line.split() for line in shown if line.startswith("all")] == [["all", "24", *figures]]
    assert shown[-1] == "Where there are a verdict and a cycle, they agree in 15 of 20 (75 %)"
    assert all(len(line) <= 80 for line in shown)


@pytest.mark.usefixtures("narrow")
def test_without_a_cycle_there_is_no_rate(capsys: pytest.CaptureFixture[str]) -> None:
    demo_report.show_track(
        {**CYCLES, "completion_rate": None, "currency": "USD", "goals": []}, [{"compared": 0, "agreeing": 0}]
    )
    assert "%" not in capsys.readouterr().out
