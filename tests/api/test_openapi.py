"""The OpenAPI document: whole, well-formed, and true to what the API really answers."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from goalline.domain.evaluation import Reason
from goalline.domain.goal import GoalDraft
from goalline.domain.outbound.message import MessageType
from goalline.domain.outbound.payload import PAYLOADS
from goalline.domain.package import packed, written
from tests.api.calls import DOCUMENTED, NOBODY, Call, idle_app
from tests.api.world import World, delivery

DOCUMENT: dict[str, Any] = idle_app().openapi()
SCHEMAS = DOCUMENT["components"]["schemas"]
METHODS = {"get", "post", "put", "patch", "delete"}
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method in METHODS
}

STEPS = [
    {"key": "begun", "name": "Begun", "initial": True},
    {"key": "sold", "name": "Sold", "completion": True, "cost_savings": "15.00", "time_saved": "00:03:00"},
    {"key": "paid", "name": "Paid"},
]

every_operation = pytest.mark.parametrize("name", OPERATIONS)


def documented(call: Call) -> str:
    """Return a call as the document writes it: its address without converters."""
    return f"{call.method} {call.route.replace(':path', '')}"


def inside(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a document."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from inside(item)
    elif isinstance(value, list):
        for item in value:
            yield from inside(item)


def mismatches(value: Any, schema: dict[str, Any], where: str = "$") -> list[str]:
    """Return where a value differs from its schema, in names, types and choices."""
    if "$ref" in schema:
        return mismatches(value, SCHEMAS[schema["$ref"].rpartition("/")[2]], where)
    if "anyOf" in schema:
        tried = [mismatches(value, option, where) for option in schema["anyOf"]]
        return min(tried, key=len)
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where}: {value!r} is not in the list"]
    match schema.get("type"):
        case "object" if isinstance(value, dict):
            known = schema.get("properties", {})
            found = [f"{where}: {name} is missing" for name in schema.get("required", []) if name not in value]
            if not schema.get("additionalProperties"):
                found += [f"{where}: {name} is not documented" for name in value if name not in known]
                found += [f"{where}: {name} is documented only" for name in known if name not in value]
            return found + [
                line
                for name in known.keys() & value
                for line in mismatches(value[name], known[name], f"{where}.{name}")
            ]
        case "array" if isinstance(value, list):
            kinds = schema.get("prefixItems") or [schema["items"]] * len(value)
            return [
                line
                for n, (item, kind) in enumerate(zip(value, kinds, strict=True))
                for line in mismatches(item, kind, f"{where}[{n}]")
            ]
        case kind:
            types = {"string": str, "integer": int, "number": int | float, "boolean": bool, "null": type(None)}
            right = isinstance(value, types[kind]) if kind in types else kind is None
            return [] if right else [f"{where}: {type(value).__name__} is not {kind}"]


def test_the_document_says_what_it_is() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert DOCUMENT["info"]["title"] == "Goalline"
    assert DOCUMENT["info"]["version"]
    assert "POST /v1/conversations" in DOCUMENT["info"]["description"]


def test_every_call_is_documented_and_the_probes_too() -> None:
    unkeyed = {"GET /healthz", "GET /readyz", "POST /v1/hooks/{source}"}
    assert set(OPERATIONS) == {documented(call) for call in DOCUMENTED} | unkeyed


def test_no_page_is_documented_as_a_call() -> None:
    assert not [path for path in DOCUMENT["paths"] if not path.startswith(("/v1/", "/healthz", "/readyz"))]


@every_operation
def test_every_call_says_what_it_does(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"].endswith(".")
    assert operation["tags"]
    assert all(response["description"] for response in operation["responses"].values())


def test_every_call_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)


@every_operation
def test_every_parameter_of_an_address_is_declared(name: str) -> None:
    declared = {item["name"] for item in OPERATIONS[name].get("parameters", ()) if item["in"] == "path"}
    assert declared == set(re.findall(r"{(\w+)}", name))
    assert all(
        item["required"] and item["schema"] for item in OPERATIONS[name].get("parameters", ()) if item["in"] == "path"
    )


@pytest.mark.parametrize("call", DOCUMENTED, ids=str)
def test_every_call_says_that_it_needs_a_key(call: Call) -> None:
    [(scheme, scopes)] = [pair for need in OPERATIONS[documented(call)]["security"] for pair in need.items()]
    assert scopes == []
    described = DOCUMENT["components"]["securitySchemes"][scheme]
    assert (described["type"], described["scheme"]) == ("http", "bearer")


_CONTRADICTED = (
    *("/restore", "/v1/goals", "/v1/conversations", "{goal_id}"),
    *("/v1/sources", "{source_id}", "/rotate"),
    *("/v1/subscriptions", "{subscription_id}", "/redeliver", "/test"),
)
"""How the addresses end at which what is sent may contradict what is stored."""


@pytest.mark.parametrize("call", DOCUMENTED, ids=str)
def test_every_call_documents_the_problems_that_it_answers_with(call: Call) -> None:
    responses = OPERATIONS[documented(call)]["responses"]
    expected = {"401", "403", "422", "500", "503"}
    taking = (
        *("/v1/conversations", "/v1/events", "/v1/goals", "/v1/packages"),
        *("{goal_id}", "{key}", "/deactivate", "/retry", "/v1/sources", "{source_id}", "/rotate"),
        *("/v1/subscriptions", "{subscription_id}"),
    )
    if call.method in ("POST", "PUT", "PATCH") and call.route.endswith(taking):
        expected |= {"400", "413", "415"}
    # What takes the id of a goal, in its address or as a filter.
    of_a_goal = (
        "GET /v1/packages",
        "GET /v1/reports/success-rate",
        "GET /v1/reports/goals",
        "GET /v1/reports/agreement",
        "GET /v1/reports/agreement/conversations",
    )
    # A contact may be deactivated before anything is known of it.
    if ("{" in call.route and not call.route.endswith("/deactivate")) or str(call) in of_a_goal:
        expected.add("404")
    if call.route.endswith(_CONTRADICTED) and call.method in (
        "POST",
        "PATCH",
    ):
        expected.add("409")
    if call.route.endswith(("/package", "/packages", "{reference:path}/evaluations")):
        expected.add("409")
    if str(call) == "DELETE /v1/conversations/{reference:path}":
        expected.add("409")
    assert {status for status in responses if status >= "400"} == expected
    for status in expected:
        schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
        assert responses[status]["content"] == {"application/problem+json": schema}


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("POST /v1/conversations", "202"),
        ("POST /v1/conversations/{reference}/evaluations", "202"),
        ("DELETE /v1/conversations/{reference}", "204"),
        ("POST /v1/events", "202"),
        ("POST /v1/evaluations/retry", "202"),
        ("POST /v1/goals", "201"),
        ("DELETE /v1/goals/{goal_id}", "204"),
        ("PUT /v1/goals/{goal_id}/steps/{key}", "200"),
        ("DELETE /v1/goals/{goal_id}/steps/{key}", "204"),
        ("GET /v1/goals", "200"),
        ("POST /v1/packages", "200"),
        ("POST /v1/contacts/{contact_id}/deactivate", "200"),
        ("DELETE /v1/contacts/{contact_id}", "204"),
        ("POST /v1/subscriptions", "201"),
        ("POST /v1/subscriptions/{subscription_id}/test", "202"),
        ("POST /v1/subscriptions/{subscription_id}/redeliver", "202"),
        ("DELETE /v1/subscriptions/{subscription_id}", "204"),
    ],
)
def test_every_call_documents_its_own_success(name: str, status: str) -> None:
    assert [code for code in OPERATIONS[name]["responses"] if code < "400"] == [status]


def test_everything_that_is_referred_to_is_there() -> None:
    references = {item["$ref"] for item in inside(DOCUMENT) if isinstance(item.get("$ref"), str)}
    assert references <= {f"#/components/schemas/{name}" for name in SCHEMAS}
    assert references


def test_a_schema_is_well_formed() -> None:
    kinds = {"object", "array", "string", "integer", "number", "boolean", "null"}
    for name, schema in SCHEMAS.items():
        for item in inside(schema):
            if isinstance(item.get("type"), str):
                assert item["type"] in kinds, name
            if item.get("type") == "object" and "properties" in item:
                assert set(item.get("required", ())) <= set(item["properties"]), name
            if item.get("type") == "array":
                assert "items" in item or "prefixItems" in item, name


def test_a_body_that_is_taken_is_documented_with_all_its_fields() -> None:
    def fields(name: str) -> tuple[set[str], set[str]]:
        schema = OPERATIONS[name]["requestBody"]["content"]["application/json"]["schema"]
        body = SCHEMAS[schema["$ref"].rpartition("/")[2]]
        return set(body["properties"]), set(body.get("required", ()))

    needed = {"conversation_id", "agent_id", "ended_at", "transcript"}
    optional = {"contact_id", "channel", "started_at", "end_reason", "metadata"}
    assert fields("POST /v1/conversations") == (needed | optional, needed)
    needed = {"name", "description", "kind"}
    assert fields("POST /v1/goals") == (needed | {"agent_id", "judged", "steps"}, needed)
    assert fields("PATCH /v1/goals/{goal_id}") == (needed | {"judged", "steps"}, set())
    optional = {"description", "order", "initial", "completion", "cost_savings", "revenue", "time_saved"}
    assert fields("PUT /v1/goals/{goal_id}/steps/{key}") == ({"name"} | optional, {"name"})
    needed = {"format", "version", "currency", "digest", "goals"}
    assert fields("POST /v1/packages") == (needed, needed)
    event, needed = SCHEMAS["Event"], {"id", "type", "conversation_id", "occurred_at"}
    optional_of_event = {"contact_id", "agent_id", "goal", "step", "name"}
    assert (set(event["properties"]), set(event["required"])) == (needed | optional_of_event, needed)
    optional_of_retry = {"reason", "agent", "since", "until", "limit", "cursor"}
    assert fields("POST /v1/evaluations/retry") == ({"state"} | optional_of_retry, {"state"})
    assert fields("POST /v1/contacts/{contact_id}/deactivate") == ({"existing"}, {"existing"})
    step = SCHEMAS["StepDraft"]
    assert (set(step["properties"]), set(step["required"])) == ({"key", "name"} | optional, {"key", "name"})


def test_every_message_is_a_webhook_of_the_document() -> None:
    assert set(DOCUMENT["webhooks"]) == set(MessageType)
    for kind, item in DOCUMENT["webhooks"].items():
        operation = item["post"]
        assert {header["name"] for header in operation["parameters"]} == {
            "webhook-id",
            "webhook-timestamp",
            "webhook-signature",
        }
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        message = SCHEMAS[reference.rpartition("/")[2]]
        assert message["properties"]["type"]["const"] == kind
        assert set(message["required"]) == {"type", "timestamp", "data"}
        assert message["properties"]["data"]["$ref"].endswith(f"/{PAYLOADS[MessageType(kind)].__name__}")


@pytest.fixture
def full(judged: World) -> World:
    """A world with something of everything: two conversations, two evaluations of one, a failure, a revision."""
    client = judged.client()
    goal_id = client.get("/v1/goals").json()["items"][0]["id"]
    client.patch(f"/v1/goals/{goal_id}", json={"name": "Visit booked"})
    judged.judge.fails = Reason.REFUSED
    client.post("/v1/conversations/call-1/evaluations")
    body = delivery("call-2", contact_id="ann", channel="phone", metadata={"a": 1}, started_at="2026-01-01T00:00:00Z")
    client.post("/v1/conversations", json=body)
    judged.evaluate()
    return judged


def test_every_answer_has_the_fields_that_are_documented_and_no_others(full: World) -> None:
    client = full.client()
    goal_id = client.get("/v1/goals").json()["items"][0]["id"]
    draft = {"name": "Sale made", "description": "Something was sold.", "kind": "secondary", "steps": STEPS}
    bodies: dict[str, Any] = {"POST /v1/conversations": delivery("call-3"), "POST /v1/goals": draft}
    bodies["PATCH /v1/goals/{goal_id}"] = {"name": "Sale", "steps": STEPS}
    bodies["PUT /v1/goals/{goal_id}/steps/{key}"] = {"name": "Paid", "revenue": "1.50", "completion": True}
    bodies["POST /v1/packages"] = written(packed("USD", [GoalDraft.model_validate(draft | {"name": "Another"})]))
    bodies["POST /v1/events"] = {"events": [{"id": "e-1"}]}
    bodies["POST /v1/contacts/{contact_id}/deactivate"] = {"existing": "keep"}
    bodies["POST /v1/evaluations/retry"] = {"state": "failed"}
    bodies["POST /v1/sources"] = {"name": "mobiles", "platform": "standard_webhooks"}
    bodies["PATCH /v1/sources/{source_id}"] = {"name": "phones"}
    bodies["POST /v1/sources/{source_id}/rotate"] = {}
    source = client.post("/v1/sources", json={"name": "first", "platform": "standard_webhooks"}).json()["id"]
    listener = {"name": "first", "url": "https://example.com/", "types": ["evaluation.completed"], "secret": None}
    listener["rate"] = None
    subscription = client.post("/v1/subscriptions", json=listener).json()["id"]
    message = client.post(f"/v1/subscriptions/{subscription}/test").json()["id"]
    bodies["POST /v1/subscriptions"] = listener | {
        "name": "second",
        "types": ["rate.dropped"],
        "rate": {"threshold": 0.5},
    }
    bodies["PATCH /v1/subscriptions/{subscription_id}"] = {"name": "third"}
    bodies["POST /v1/subscriptions/{subscription_id}/rotate"] = {}
    # Signed in place of a key: tests/api/test_hooks.py.
    seen = {"POST /v1/hooks/{source}"}
    # What deletes comes last, and a goal's steps go before the goal.
    last = [name for name in OPERATIONS if name.startswith("DELETE")]
    client.patch(f"/v1/goals/{goal_id}", json={"steps": STEPS})
    for name in [*(name for name in OPERATIONS if name not in {*last, *seen}), *sorted(last, reverse=True)]:
        method, path = name.split()
        address = path.replace("{goal_id}", str(goal_id)).replace("{reference}", "call-1")
        address = address.replace("{source_id}", source).replace("{key}", "paid").replace("{contact_id}", "ann")
        address = address.replace("{subscription_id}", subscription).replace("{message_id}", message)
        query = {"confirm": "Sale"} if name == "DELETE /v1/goals/{goal_id}" else {}
        if name == "GET /v1/reports/agreement/conversations":
            query = {"goal": goal_id, "outcome": "achieved", "state": "none"}
        response = client.request(method, address, json=bodies.get(name), params=query)
        answer = OPERATIONS[name]["responses"][str(response.status_code)]
        assert response.status_code < 400, (name, response.text)
        if response.status_code != 204:
            assert mismatches(response.json(), answer["content"]["application/json"]["schema"]) == [], name
        seen.add(name)
    assert seen == set(OPERATIONS)


def test_a_problem_has_the_fields_that_are_documented(judged: World) -> None:
    client = judged.client()
    for response in (
        client.get(f"/v1/goals/{NOBODY}"),
        client.get("/v1/goals?limit=0"),
        client.post("/v1/conversations", json={}),
        judged.browser().get("/v1/goals"),
    ):
        assert mismatches(response.json(), SCHEMAS["Problem"]) == []


def test_the_document_and_its_page_are_served_without_a_key(world: World) -> None:
    browser = world.browser()
    assert browser.get("/openapi.json").json() == DOCUMENT
    page = browser.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "/openapi.json" in page.text
    assert "Goalline" in page.text
