"""Schemathesis against a running server: requests made up from its OpenAPI document, over real connections."""

from pathlib import Path

import schemathesis
from schemathesis.engine import StopReason

from tests.api import contract
from tests.running import environment, serving


def test_a_running_server_keeps_to_its_document(tmp_path: Path) -> None:
    with serving(environment(), tmp_path) as goalline:
        config = contract.config(goalline.key)
        # Every case at the edge of a schema is tried in tests/api; here it is the way over a socket that counts.
        phases = config.projects.get_default().phases
        phases.coverage.enabled = phases.examples.enabled = phases.stateful.enabled = False
        found = contract.run(schemathesis.openapi.from_url(f"{goalline.url}/openapi.json", config=config))
    assert {label: told for label, told in found.failures.items() if told} == {}
    assert found.stopped is StopReason.COMPLETED
    assert "fuzzing" in found.phases
    assert len(found.called) > 30
    assert {status for status in found.statuses if status >= 500} == set()
    assert found.statuses >= {200, 202, 404, 422}
