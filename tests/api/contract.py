"""Schemathesis against the OpenAPI document: every operation, every check, and the few refusals no schema can tell."""

import json
import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.engine import StopReason, events, from_schema
from schemathesis.schemas import BaseSchema

EXAMPLES = int(os.environ.get("GOALLINE_TEST_EXAMPLES", "5"))
"""How many requests are made up for each operation in each phase that makes any up."""

BEYOND_SCHEMA = {
    r"this is no cursor of this list; send the next_cursor of the page before": "a cursor is opaque",
    r"deleting is for good; repeat the goal's name": "what `confirm` has to be stands in the goal",
    r"a revision is one goal's; name the goal as well": "one parameter needs another",
    r"conversations without a verdict are of no revision": "one parameter rules out another",
    r"open conversations have no end, evaluation or verdict yet": "one parameter rules out another",
    r"the first node of a tree with a starting step is that step": "one parameter repeats another",
    r"(from|since) must not be later than (to|until)": "one parameter is compared with another",
    r"this is more than 1,100 intervals": "it depends on two parameters and on what is stored",
    r"must not be earlier than started_at": "one field is compared with another",
    r"turn \d+ is earlier than a turn before it": "one item is compared with another",
    r"must not be nested deeper than 8 levels": "JSON Schema counts no levels",
    r"must not exceed 16,384 bytes as JSON": "JSON Schema counts no bytes",
    r"must not contain NUL characters": "it holds at any depth of `metadata`",
    r"must lie between the years 2000 and 9000": "a zone moves the turn of the year",
    r"must be an RFC 3339 time with zone": "a leap second, which no database stores, is a time too",
    r"the goal would have \d+ steps, and 10 is the limit": "the limit is a setting",
    r"steps have the key|have the same order|are all initial|no step is|there is no step besides": "a rule of steps",
    r"is the initial step|is the last completion step|is the only step besides": "a rule of steps",
    r"this goal has no steps yet": "it depends on what is stored",
    r"a goal that is not judged needs steps": "one field needs another",
    r"has more than the \d decimals of [A-Z]{3}; round it": "it depends on the project's currency",
    r"what has neither a verdict nor a cycle is in no table": "one parameter rules out another",
    r"the package was changed or cut after its export": "a digest is computed",
    r"must be an address that begins with https://": "what a host may be is told by no pattern",
    r"must not hold a user or a password": "what a host may be is told by no pattern",
    r"rate.dropped needs to know when|rate says when rate.dropped is sent": "one field needs another",
    r"recovery must not be below threshold": "one field is compared with another",
    r"must be base64, with or without whsec_ before it": "how long base64 is, is told by no pattern",
    r"have the same agent and the same name": "one item is compared with another",
    r"(goal\.step|task\.completed|step\.executed) (needs|has no) (goal|step|name)": "one field needs another",
    r"(option of|needed by) platform \w+|platform \w+ cannot take it": "options are those of the platform",
    r"must be 8 to 500 printable ASCII|must be base64, with or|copy (it|the)": "secrets are those of the platform",
}
"""What a 422 may say about a request that keeps to the schema, and why the schema cannot say it."""

OF_FLOATS = re.compile(r"must be a whole number|send the amount as a string such as")
"""What a 422 says of 1.0: to JSON Schema it is an integer, here it is a float, which may have lost what was meant."""


@dataclass
class Found:
    """What a run has found: failures by operation, the operations that were called, the phases that ended."""

    failures: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    called: set[str] = field(default_factory=set)
    statuses: set[int] = field(default_factory=set)
    phases: set[str] = field(default_factory=set)
    stopped: StopReason | None = None


def config(key: str) -> schemathesis.Config:
    """Return the configuration: all checks on, every phase, the same requests each time."""
    return schemathesis.Config.from_dict(
        {
            "seed": 1,
            "headers": {"Authorization": f"Bearer {key}"},
            "generation": {"max-examples": EXAMPLES, "deterministic": True, "no-shrink": True, "database": "none"},
            "continue-on-failure": True,
        }
    )


def run(schema: BaseSchema) -> Found:
    """Run every phase against an application or a server and return what was found."""
    schema.hook(filter_failure)
    found = Found()
    for event in from_schema(schema).execute():
        match event:
            case events.PhaseFinished():
                found.phases.add(event.phase.name.value)
            case events.NonFatalError():
                found.failures[event.label].append(str(event.info))
            case events.FatalError():
                raise event.exception
            case events.ScenarioFinished():
                _note(event, found)
            case events.EngineFinished():
                found.stopped = event.stop_reason
    return found


def filter_failure(_context: Any, failure: Failure, case: Any, response: Any) -> bool:
    """Tell whether a failure is one: it is none where the check knows less than the documented contract.

    Schemathesis finds this hook by its name.
    """
    path, status = case.operation.path, response.status_code
    match type(failure).__name__:
        case "RejectedPositiveData" if status == 422:
            errors = [error["detail"] for error in json.loads(response.content)["errors"]]
            return not errors or not all(_is_known(said, case.body) for said in errors)
        case "AcceptedNegativeData" if path == "/v1/events" and status == 202:
            # A bad event does not block the others: it is rejected inside of the answer.
            return not json.loads(response.content)["rejected"]
        case "AllowHeaderMismatch":
            # Ids may hold slashes: where `/v1/contacts/a/export` is an address, a contact `a/export` is one as well.
            return not re.match(r"/v1/(contacts|conversations)/\{\w+\}/", path)
    return True


def _is_known(said: str, body: Any) -> bool:
    if OF_FLOATS.search(said):
        return bool(re.search(r"\d\.0\b", json.dumps(body)))
    return any(re.search(known, said) for known in BEYOND_SCHEMA)


def _note(event: events.ScenarioFinished, found: Found) -> None:
    recorder = event.recorder
    for case_id, interaction in recorder.interactions.items():
        if interaction.response is not None:
            found.called.add(recorder.cases[case_id].value.operation.label)
            found.statuses.add(interaction.response.status_code)
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                failure, sent = check.failure_info.failure, check.failure_info.code_sample
                answer = recorder.interactions[case_id].response
                said = "no answer" if answer is None else f"{answer.status_code} {answer.content[:500]!r}"
                found.failures[recorder.cases[case_id].value.operation.label].append(
                    f"{check.name}: {type(failure).__name__}: {failure.message}\n{sent[:1_000]}\n{said}"
                )
