"""goalline doctor: looks at everything that Goalline needs, and says what to do about what is not right."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from goalline.bootstrap import Services, services
from goalline.cli.console import out, print_json, read_settings
from goalline.cli.examining import Finding, State, database, failures, llm, queue, redis, settings_named, source_secrets
from goalline.cli.keys import AsJson
from goalline.cli.receivers import receivers
from goalline.settings import LogFormat, Settings
from goalline.telemetry import configure_logs

_STYLES = {State.OK: "green", State.WARNING: "yellow", State.WRONG: "bold red"}


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the model, which costs a few tokens.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check settings, database, queue, receivers and model; say what to do. Status 1 when something is wrong.

    Example: `goalline doctor --offline`
    """
    findings = []
    for finding in _findings(offline=offline):
        findings.append(finding)
        if not as_json:
            _print(finding)
    healthy = all(finding.state is not State.WRONG for finding in findings)
    if as_json:
        print_json({"ok": healthy, "findings": [asdict(finding) for finding in findings]})
    raise typer.Exit(0 if healthy else 1)


def _findings(*, offline: bool) -> Iterator[Finding]:
    settings, faults = read_settings()
    if settings is None:
        yield from (Finding("settings", State.WRONG, fault, "set it right and run this again") for fault in faults)
        return
    configure_logs(settings.log_level, settings.log_format is LogFormat.JSON)
    yield from settings_named()
    parts = _built(settings)
    if isinstance(parts, Finding):
        yield parts
        return
    try:
        usable = yield from database(parts)
        open_rows = (yield from queue(parts)) if usable else None
        yield from redis(parts, open_rows)
        if usable:
            yield from failures(parts)
            yield from source_secrets(parts)
            yield from receivers(parts)
        yield from llm(parts, offline=offline)
    finally:
        parts.database.close()


def _built(settings: Settings) -> Services | Finding:
    try:
        return services(settings)
    except ValueError as error:  # our own words, which repeat no address
        return Finding("database", State.WRONG, str(error), "check GOALLINE_DATABASE_URL")
    except Exception as error:
        return Finding(
            "database", State.WRONG, f"cannot be opened ({type(error).__name__})", "check GOALLINE_DATABASE_URL"
        )


def _print(finding: Finding) -> None:
    # Not as markup: names and paths may hold square brackets.
    line = Text.assemble((f"{finding.state:<8}", _STYLES[finding.state]), f" {finding.check:<9} {finding.found}")
    out.print(line, soft_wrap=True, highlight=False)
    if finding.advice:
        out.print(Text(f"{'':<18} -> {finding.advice}"), soft_wrap=True, highlight=False)
