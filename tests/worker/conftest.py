"""What the worker's tests run on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dramatiq.brokers.stub import StubBroker

from goalline.bootstrap import Services
from goalline.store import schema
from goalline.store.database import Database
from tests.worker.workshop import SETTINGS, QuotingJudge


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Services]:
    database = Database(f"sqlite:///{tmp_path}/goalline.db")
    schema.migrate(database)
    yield Services(SETTINGS, database, QuotingJudge(), StubBroker(middleware=[]))
    database.close()
