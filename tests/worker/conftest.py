"""What the worker's tests run on."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from dramatiq.brokers.stub import StubBroker

from goalline.bootstrap import Services
from goalline.store.database import Database
from tests.store.worlds import migrated_file
from tests.worker.workshop import SETTINGS, QuotingJudge

__all__ = ["migrated_file"]


@pytest.fixture
def parts(tmp_path: Path, migrated_file: Path) -> Iterator[Services]:
    shutil.copy(migrated_file, tmp_path / "goalline.db")
    database = Database(f"sqlite:///{tmp_path}/goalline.db")
    yield Services(SETTINGS, database, QuotingJudge(), StubBroker(middleware=[]))
    database.close()
