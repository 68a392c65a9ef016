"""goalline goals: list, export, import."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from pydantic import ValidationError
from rich.markup import escape

from goalline.cli import files
from goalline.cli.console import AS_IS, fail, load_settings, out, print_json
from goalline.cli.keys import AsJson, ProjectName
from goalline.cli.opening import opened
from goalline.cli.tables import figures, folding, table, whole
from goalline.cli.wording import plain
from goalline.domain.goal import State
from goalline.domain.package import Action, Package, written
from goalline.domain.refusal import Conflict, Invalid, NotFound
from goalline.store import projects
from goalline.store.goals import goals, packages
from goalline.store.goals.goals import CurrentGoal
from goalline.store.goals.packages import Imported
from goalline.worker import utc_now

app = typer.Typer(
    help="Goals: list, export, import into another project.\n\nExample: `goalline goals list`", no_args_is_help=True
)

_DONE = {Action.CREATE: "created", Action.CHANGE: "changed", Action.NONE: "unchanged"}
_PLANNED = {Action.CREATE: "to create", Action.CHANGE: "to change", Action.NONE: "unchanged"}


@app.command("list")
def list_goals(project: ProjectName = None, as_json: AsJson = False) -> None:
    """List goals in their newest wording, oldest first, archived ones included.

    Example: `goalline goals list --json`
    """
    with opened(load_settings()) as database, database.reading() as session:
        rows = goals.listed(session, projects.named(session, project).id)
    if as_json:
        fields = ("id", "name", "agent_id", "kind", "judged", "state", "revision")
        print_json([{field: getattr(row, field) for field in fields} | {"steps": len(row.steps)} for row in rows])
        return
    shown = table(
        folding("goal"), folding("agent"), whole("kind"), whole("state"), figures("revision"), figures("steps")
    )
    for row in rows:
        numbers = (f"{row.revision:,}", f"{len(row.steps):,}")
        shown.add_row(escape(row.name), escape(row.agent_id or "every agent"), row.kind, row.state, *numbers)
    out.print(shown)


@app.command("export")
def export_goals(
    named: Annotated[
        list[str] | None, typer.Argument(metavar="[GOAL]...", help="A goal's id or exact name; none: all active goals.")
    ] = None,
    project: ProjectName = None,
    output: Annotated[Path | None, typer.Option(help="Write the package here instead of printing it.")] = None,
) -> None:
    """Export goals with their steps, in their newest wording, as a package that another project can import.

    Example: `goalline goals export "Appointment booked" --output goals.json`
    """
    with opened(load_settings()) as database, database.snapshot() as session:
        owner = projects.named(session, project)
        every = goals.listed(session, owner.id)
        goal_ids = [_found(every, name).id for name in named] if named else None
        package = packages.export(session, owner.id, goal_ids)
    content = (json.dumps(written(package), indent=2, ensure_ascii=False) + "\n").encode()
    if output is None:
        typer.echo(content, nl=False)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        fail(f"--output: {output} cannot be written: {error.strerror}")
    out.print(f"{_goals(len(package.goals))} of project {owner.name!r} in {output}", **AS_IS)


@app.command("import")
def import_goals(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A package that an export made; - is standard input.")],
    project: ProjectName = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would happen; store nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import a package: make the goals that are new and reword those that differ, all of them or none.

    Goals are recognised by agent and name. Importing the same package again changes nothing.

    Example: `goalline goals import goals.json --project clinic --dry-run`
    """
    settings = load_settings()
    package = _read(file)
    with opened(settings) as database, database.transaction() as session:
        owner = projects.named(session, project)
        most = settings.max_steps_per_goal
        found = packages.apply(session, owner.id, package, utc_now(), most=most, dry_run=dry_run)
    if as_json:
        print_json({"dry_run": dry_run, "goals": [asdict(goal) for goal in found]})
        return
    words = _PLANNED if dry_run else _DONE
    if found:
        _show(found, words)
    numbers = Counter(goal.action for goal in found)
    told = ", ".join(f"{numbers[action]:,} {word}" for action, word in words.items())
    out.print(f"{_goals(len(found))} for project {owner.name!r}: {told}", **AS_IS)
    if dry_run:
        out.print("this was a dry run: nothing is stored")


def _show(found: Sequence[Imported], words: dict[Action, str]) -> None:
    shown = table(whole("import"), folding("goal"), folding("agent"), whole("kind"), folding("differs in"))
    for goal in found:
        name = f"{goal.name} (archived)" if goal.state is State.ARCHIVED else goal.name
        cells = (name, goal.agent_id or "every agent", goal.kind, ", ".join(goal.changes))
        shown.add_row(words[goal.action], *(escape(cell) for cell in cells))
    out.print(shown)


def _found(every: Sequence[CurrentGoal], named: str) -> CurrentGoal:
    found = [goal for goal in every if named == goal.name or _is_id(named, goal.id)]
    if not found:
        raise NotFound(f"this project has no goal {named!r}; goalline goals list shows those it has")
    if len(found) > 1:
        ids = ", ".join(f"{goal.id} ({goal.state}, {goal.agent_id or 'every agent'})" for goal in found)
        raise Conflict(f"{len(found)} goals are named {named!r}; name one by its id: {ids}")
    return found[0]


def _is_id(text: str, goal_id: UUID) -> bool:
    return text.strip().lower() == str(goal_id)


def _read(file: str) -> Package:
    content, name = files.content(file), "standard input" if file == "-" else file
    try:
        return Package.model_validate_json(content)
    except Invalid as refusal:
        fail(f"{name}: {refusal.detail}")
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        fail(": ".join([name, *filter(None, [_place(first["loc"])]), plain(first)]))


def _place(location: Sequence[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _goals(number: int) -> str:
    return "1 goal" if number == 1 else f"{number:,} goals"
