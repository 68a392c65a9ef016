"""The OpenAPI document is kept to: schemathesis makes requests up from it, good and bad, and checks every answer.

GOALLINE_TEST_EXAMPLES=100 tries far more of them.
"""

import pytest
import schemathesis
from schemathesis.engine import StopReason

from goalline.api.app import create_app
from goalline.domain.key import Scope
from goalline.store import rollups
from goalline.store.track import recount
from goalline.worker import Bell
from tests.api import contract
from tests.api.calls import idle_app
from tests.api.contract import Found
from tests.api.world import World

OPERATIONS = [f"{method.upper()} {path}" for path, item in idle_app().openapi()["paths"].items() for method in item]

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    "use_after_free",
    "ensure_resource_availability",
)


@pytest.fixture(scope="module")
def found(untouched: World) -> Found:
    """What one run over a world with a conversation and two goals finds; it does change that world."""
    app = create_app(untouched.parts, Bell(untouched.parts))
    config = contract.config(untouched.keys[Scope.ADMIN])
    return contract.run(schemathesis.openapi.from_asgi("/openapi.json", app, config=config))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_keeps_to_the_document(found: Found, operation: str) -> None:
    assert operation in found.called
    assert not found.failures[operation], "\n\n".join(found.failures[operation])


def test_nothing_else_goes_wrong_and_nothing_is_left_out(found: Found) -> None:
    assert {label: told for label, told in found.failures.items() if told and label not in OPERATIONS} == {}
    assert found.stopped is StopReason.COMPLETED
    assert found.phases >= {"examples", "coverage", "fuzzing", "stateful"}
    assert {status for status in found.statuses if status >= 500} == set()
    # The run gets beyond refusals.
    assert found.statuses >= {200, 201, 202, 204, 401, 404, 405, 409, 422}


def test_all_checks_are_on() -> None:
    checks = contract.config("any key").projects.get_default().checks
    assert {name for name in CHECKS if not getattr(checks, name).enabled} == set()


def test_afterwards_all_counts_equal_a_recount(found: Found, untouched: World) -> None:
    assert found.stopped
    with untouched.database.reading() as session:
        assert list(rollups.differences(session)) == []
        assert list(recount.differences(session)) == []
