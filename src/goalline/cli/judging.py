"""goalline judge: judge a labelled file and tell how far the judge agrees with the labels."""

import json
from codecs import BOM_UTF8
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, TextIO
from uuid import uuid4

import typer
from pydantic import BaseModel, Field, ValidationError
from rich.markup import escape
from rich.progress import Progress

from goalline import bootstrap
from goalline.cli.console import err, fail, load_settings, out, print_json
from goalline.cli.tables import figures, table, whole
from goalline.cli.wording import plain
from goalline.domain.evaluation import Effort, JudgementFailed, JudgeUnavailable, Reason, Usage
from goalline.domain.goal import GoalInForce, Kind
from goalline.domain.rates import Agreement
from goalline.domain.transcript import Turn
from goalline.domain.verdict import Outcome, Verdict
from goalline.judge.llm import LlmJudge
from goalline.judge.prompt import shipped
from goalline.judge.stand_in import MODEL as STAND_IN

_ENOUGH_LABELS = 30
"""Even of 30 labels, half of them met, the 95 % interval of the accuracy goes from 33 to 67 %."""


class LabelledGoal(BaseModel):
    """A goal and the outcome that is known for it, if one is."""

    key: str
    kind: Kind
    name: str
    description: str
    label: Outcome | None = None


class LabelledConversation(BaseModel):
    """One line of the file; further members are ignored."""

    id: str
    source: str = "all"
    turns: list[Turn] = Field(min_length=1)
    goals: list[LabelledGoal] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Judged:
    """What the judge made of one line."""

    conversation: LabelledConversation
    verdicts: list[Verdict]
    effort: Effort
    reason: Reason | None = None


def judge(
    file: Annotated[
        Path, typer.Argument(help="JSON Lines: id, turns, goals with labels.", exists=True, dir_okay=False)
    ],
    output: Annotated[Path | None, typer.Option(help="Write the verdicts here, as JSON Lines.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Judge the first lines only.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Judgements at once.")] = 16,
    stand_in: Annotated[bool, typer.Option("--stand-in", help="Use the stand-in model, which is no LLM.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Judge labelled conversations with the judge that judges calls; print accuracy, kappa and the confusion matrix.

    Nothing is stored. Status 1 when a conversation could not be judged.

    Example: `OPENAI_API_KEY=... goalline judge fixtures/labelled.jsonl --output verdicts.jsonl`
    """
    settings = load_settings()
    conversations = _read(file)[:limit]
    if not stand_in and not bootstrap.has_model(settings):
        fail("set OPENAI_API_KEY or OPENAI_BASE_URL (and GOALLINE_MODEL), or use --stand-in")
    with (
        bootstrap.with_model(settings, stand_in=stand_in) as chosen,
        _writable(output) as lines,
        closing(bootstrap.judge(chosen, threads)) as judging,
    ):
        results = []
        for result in _judge_all(judging, conversations, threads):
            results.append(result)
            if lines:
                _write(lines, result)
    summary = _summary(results)
    if as_json:
        print_json(summary)
    else:
        _show(summary)
    raise typer.Exit(1 if summary["failed"] else 0)


@contextmanager
def _writable(output: Path | None) -> Iterator[TextIO | None]:
    if output is None:
        yield None
        return
    try:
        lines = output.open("w", encoding="utf-8")
    except OSError as error:
        fail(f"--output: {output} cannot be written: {error.strerror}")
    with lines:
        yield lines


def _read(file: Path) -> list[LabelledConversation]:
    conversations = []
    try:
        # Line breaks as JSON Lines has them: other characters that break lines may stand in a transcript.
        lines = file.read_bytes().removeprefix(BOM_UTF8).split(b"\n")
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                conversations.append(LabelledConversation.model_validate_json(line))
            except ValidationError as error:
                first = error.errors(include_input=False, include_url=False)[0]
                place = [f"{file}, line {number}", *filter(None, [".".join(map(str, first["loc"]))])]
                fail(": ".join([*place, plain(first)]))
    if not conversations:
        fail(f"{file} holds no conversations")
    return conversations


def _judge_all(judging: LlmJudge, conversations: list[LabelledConversation], threads: int) -> Iterator[Judged]:
    with ThreadPoolExecutor(threads) as pool, Progress(console=err) as progress:
        task = progress.add_task("judged", total=len(conversations))
        futures = [pool.submit(_judge_one, judging, conversation) for conversation in conversations]
        try:
            for future in as_completed(futures):
                progress.advance(task)
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _judge_one(judging: LlmJudge, conversation: LabelledConversation) -> Judged:
    goals = [GoalInForce(uuid4(), 1, goal.name, goal.description, goal.kind) for goal in conversation.goals]
    if judging.refused:
        return Judged(conversation, [], Effort(judging.model, shipped().digest), Reason.UNAUTHORIZED)
    try:
        judgement = judging.judge(goals, conversation.turns)
    except JudgementFailed as failed:
        return Judged(conversation, [], failed.effort, failed.reason)
    except JudgeUnavailable as unavailable:
        return Judged(conversation, [], unavailable.effort, unavailable.reason)
    return Judged(conversation, list(judgement.verdicts), judgement.effort)


def _write(lines: TextIO, result: Judged) -> None:
    verdicts = [
        {
            "goal": goal.key,
            "outcome": verdict.outcome,
            "label": goal.label,
            "rationale": verdict.rationale,
            "evidence": [item.model_dump() for item in verdict.evidence],
        }
        for goal, verdict in zip(result.conversation.goals, result.verdicts, strict=False)
    ]
    line = {"id": result.conversation.id, "model": result.effort.model, "reason": result.reason, "verdicts": verdicts}
    lines.write(json.dumps(line, ensure_ascii=False) + "\n")


def _summary(results: list[Judged]) -> dict[str, Any]:
    pairs: dict[str, list[tuple[Outcome, Outcome]]] = defaultdict(list)
    failed: dict[str, int] = defaultdict(int)
    usage = Usage()
    # A call that brought no answer is not counted and costs nothing.
    costs = [result.effort.cost for result in results if result.effort.usage.calls]
    for result in results:
        usage += result.effort.usage
        if result.reason:
            failed[result.reason.value] += 1
        for goal, verdict in zip(result.conversation.goals, result.verdicts, strict=False):
            if goal.label:
                pairs[result.conversation.source].append((goal.label, verdict.outcome))
    sources = {source: Agreement.between(pairs[source]) for source in sorted(pairs)}
    everything = Agreement.between(pair for some in pairs.values() for pair in some)
    return {
        "model": results[0].effort.model,
        "prompt_digest": results[0].effort.prompt_digest,
        "conversations": len(results),
        "failed": dict(failed),
        **_measures(everything),
        "sources": {source: _measures(agreement) for source, agreement in sources.items()},
        "calls": usage.calls,
        "prompt_tokens": usage.prompt_tokens if usage.calls else 0,
        "completion_tokens": usage.completion_tokens if usage.calls else 0,
        "cost": None if None in costs else str(sum(filter(None, costs), Decimal())),
    }


def _measures(agreement: Agreement) -> dict[str, Any]:
    return {
        "labelled_verdicts": agreement.total,
        "accuracy": agreement.accuracy,
        "kappa": agreement.kappa,
        "confusion": {label: dict(row) for label, row in agreement.matrix.items()},
    }


def _show(summary: dict[str, Any]) -> None:
    if summary["model"] == STAND_IN:
        out.print(f"Judging with [bold]{STAND_IN}[/]: word matching, no LLM")
    out.print(f"model {summary['model']}, prompt {summary['prompt_digest'][:12]}", markup=False)
    for name, measures in {**summary["sources"], "all": summary}.items():
        if name == "all" and len(summary["sources"]) == 1:
            continue
        columns = (figures(outcome.replace("_", " ")) for outcome in Outcome)
        shown = table(whole("label \\ verdict"), *columns, title=escape(name))
        for label, row in measures["confusion"].items():
            shown.add_row(label.replace("_", " "), *(f"{number:,}" for number in row.values()))
        out.print(shown)
        accuracy, kappa = (_figure(measures[measure]) for measure in ("accuracy", "kappa"))
        out.print(f"accuracy {accuracy}, Cohen's kappa {kappa}, over {measures['labelled_verdicts']:,} verdicts\n")
    if summary["labelled_verdicts"] < _ENOUGH_LABELS:
        labels = summary["labelled_verdicts"]
        few = f"{labels} label{'' if labels == 1 else 's'}" if labels else "no labels"
        out.print(f"[yellow]{few}: fewer than {_ENOUGH_LABELS} say little about a judge[/]")
    tokens = ", ".join(
        f"{_number(summary[name])} {name.replace('_', ' ')}" for name in ("prompt_tokens", "completion_tokens")
    )
    cost = "cost unknown" if summary["cost"] is None else f"US$ {summary['cost']}"
    out.print(f"{summary['conversations']:,} conversations, {summary['calls']:,} calls, {tokens}, {cost}")
    for reason, number in summary["failed"].items():
        out.print(f"[red]{number:,} failed: {reason}[/]: {Reason(reason).explanation}", soft_wrap=True)


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
