"""A store on each engine: every test of the contract runs on both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import PostgresServer, find_programs, running_postgres
from storelab import url_of

from harness.store.store import Store
from harness.store.url import StoreUrl


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server that all tests of this session share."""
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    with running_postgres(programs) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_made(postgres: PostgresServer) -> str:
    """The name of a database with our tables, to be copied: that takes a tenth of making them."""
    url = postgres.new_database()
    with Store(url_of(url)) as store:
        store.make()
    return url.partition("@/")[2].partition("?")[0]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> StoreUrl:
    """A place for a store, with nothing in it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    if request.param == "sqlite":
        return url_of(tmp_path / "data" / "history.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    return url_of(server.new_database())


@pytest.fixture(params=["sqlite", "postgresql"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    """A store that was made, with no flight in it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    if request.param == "sqlite":
        url = url_of(tmp_path / "history.db")
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = url_of(server.new_database(request.getfixturevalue("postgres_made")))
    with Store(url) as found:
        found.make()
        yield found
