"""A project with a queue of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import PostgresServer
from storelab import url_of

from harness.lab.schema import init
from harness.store.store import Store
from labmode.project import LabProject


@pytest.fixture(scope="session")
def lab_made(postgres: PostgresServer) -> str:
    """The name of a database with a queue, to be copied."""
    url = postgres.new_database()
    with Store(url_of(url)) as store:
        init(store)
    return url.partition("@/")[2].partition("?")[0]


@pytest.fixture
def project(postgres: PostgresServer, lab_made: str, tmp_path: Path) -> Iterator[LabProject]:
    """A project folder whose store has a queue."""
    made = LabProject.make(tmp_path, postgres.new_database(lab_made))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """An empty database."""
    return postgres.new_database()
