"""What the judge's tests share."""

from collections.abc import Iterator

import pytest

from tests.judge.endpoint import Endpoint, scripted


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A scripted LLM endpoint in place of the network."""
    with scripted() as endpoint:
        yield endpoint
