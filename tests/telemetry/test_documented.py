"""What is written of metrics: each stands in the table; each alert is well-formed and speaks of series there are."""

import re
from typing import Any

import pytest
import yaml
from prometheus_client.core import Metric

from goalline.api.hooks import Result
from goalline.domain.evaluation import Reason, Status
from goalline.domain.goal import Kind
from goalline.domain.outbound.message import MessageStatus, MessageType
from goalline.domain.platforms import PlatformName
from goalline.domain.verdict import Outcome
from goalline.telemetry import metrics
from tests.telemetry.test_metrics import everything
from tests.test_docs import OPERATING, blocks, rows, section

RULES: list[dict[str, Any]] = [
    rule
    for block in blocks(OPERATING)
    if block.startswith("groups:")
    for group in yaml.safe_load(block)["groups"]
    for rule in group["rules"]
]
VALUES: dict[str, set[str]] = {
    "duplicate": {"true", "false"},
    "result": {"ok", "accepted", "duplicate", "rejected", *Reason, *Result},
    "platform": set(PlatformName),
    "status": {*Status, *MessageStatus},
    "reason": {"", *Reason},
    "outcome": set(Outcome),
    "kind": set(Kind),
    "direction": {"input", "output"},
    "due": {"now", "later"},
    "job": {"goalline"},
}
TOKEN = re.compile(
    r"\s*(?:(?P<name>[a-z_]+)|(?P<number>\d+(?:\.\d+)?)|(?P<labels>\{[^}]*\})|(?P<range>\[\d+[smhd]\])"
    r"|(?P<sign>==|>=|<=|>|<|/|\(|\)|,))"
)
OF_RANGES, OF_VECTORS = {"rate", "increase"}, {"sum", "max", "min", "histogram_quantile"}


def written(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def labels_of(metric: Metric) -> set[str]:
    own = {
        "evaluations_ended": {"status", "reason"},
        "messages": {"type", "status"},
        "webhooks": {"platform", "result"},
        "verdicts_judged": {"outcome", "kind"},
    }
    named = {name for sample in metric.samples for name in sample.labels} - {"le"}
    return named or own.get(metric.name.removeprefix("goalline_"), set())


def tokens(expression: str) -> list[tuple[str, str]]:
    """Split an expression; fail at what is no word of PromQL's that the rules use."""
    found, at = [], 0
    while at < len(expression.rstrip()):
        match = TOKEN.match(expression, at)
        assert match, f"{expression}: cannot be read at {expression[at:]!r}"
        assert match.lastgroup
        found.append((match.lastgroup, match.group(match.lastgroup)))
        at = match.end()
    return found


def test_the_table_has_every_metric_once_with_its_type_its_labels_and_a_meaning() -> None:
    listed = [row for row in rows(section(OPERATING, "Metrics")) if row[0].startswith("`goalline_")]
    assert sorted(row[0].strip("`") for row in listed) == sorted(written(metric) for metric in everything())
    of = {written(metric): metric for metric in everything()}
    for name, kind, labels, meaning in listed:
        metric = of[name.strip("`")]
        assert kind == metric.type
        assert set(re.findall(r"`(\w+)`:", labels)) == labels_of(metric), name
        assert meaning


def test_a_value_that_the_table_names_is_one_there_is() -> None:
    for row in rows(section(OPERATING, "Metrics")):
        for label, values in re.findall(r"`(\w+)`: ((?:`\w+`(?:, )?)+)", row[2] if len(row) == 4 else ""):
            assert set(re.findall(r"`(\w+)`", values)) <= VALUES[label]


def test_every_alert_is_explained() -> None:
    explained = [row[0].strip("`") for row in rows(section(OPERATING, "Alerts worth having"))[2:]]
    assert explained == [rule["alert"] for rule in RULES]
    assert RULES


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_is_well_formed_and_speaks_of_series_there_are(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for"}
    assert re.fullmatch(r"\d+[smhd]", rule.get("for", "1m"))
    series = {"up": {"job"}}
    for metric in everything():
        names = [f"{metric.name}_{end}" for end in ("bucket", "sum", "count")] if metric.type == "histogram" else []
        series |= {name: labels_of(metric) for name in names or [written(metric)]}
    parts = tokens(rule["expr"])
    depth, ranged, last = 0, 0, ""
    for position, (kind, word) in enumerate(parts):
        before, after = parts[position - 1] if position else ("", ""), (*parts, ("", ""))[position + 1]
        depth += {"(": 1, ")": -1}.get(word, 0)
        assert depth >= 0
        if kind == "name" and word in OF_RANGES | OF_VECTORS:
            assert after[1] in ("(", "by"), word
            ranged += word in OF_RANGES
        elif kind == "name" and word not in ("by", "and", "le", "reason"):
            assert word in series, word
            last = word
        elif kind == "labels":
            matchers = re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', word)
            assert ",".join(f'{label}{sign}"{value}"' for label, sign, value in matchers) == word.strip("{}")
            for label, _, value in matchers:
                assert label in series[last], f"{last} has no label {label}"
                assert set(value.split("|")) <= VALUES[label], value
        elif kind == "range":
            assert before[0] == "labels" or before[1] == last, word
            ranged -= 1
    # A range of a counter is only ever looked at through rate or increase.
    assert (depth, ranged) == (0, 0)


def test_a_series_of_failures_begins_at_nought() -> None:
    shown = metrics.text(None).decode()
    for reason in (Reason.UNAUTHORIZED, Reason.UNGROUNDED, Reason.UNAVAILABLE):
        assert f'goalline_evaluations_ended_total{{reason="{reason}",status="failed"}}' in shown
    for kind in MessageType:
        assert f'goalline_messages_total{{status="failed",type="{kind}"}}' in shown


def test_a_series_of_webhooks_begins_at_nought() -> None:
    shown = metrics.text(None).decode()
    for platform in PlatformName:
        assert f'goalline_webhooks_total{{platform="{platform}",result="forged"}}' in shown


def test_the_table_names_every_platform_and_all_that_becomes_of_a_webhook() -> None:
    (labels,) = [row[2] for row in rows(section(OPERATING, "Metrics")) if row[0] == "`goalline_webhooks_total`"]
    assert set(re.findall(r"`(\w+)`(?!:)", labels)) == {*PlatformName, *Result}
