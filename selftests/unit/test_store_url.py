"""Which store is meant, and that a password in its URL is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.store.url import VARIABLE, find_store

HOME = {"XDG_DATA_HOME": "/data"}


def test_the_usual_one() -> None:
    found = find_store(None, HOME)
    assert found is not None
    assert (found.path, found.given) == (Path("/data/xenflight/history.db"), False)


def test_a_relative_directory_for_data_is_ignored() -> None:
    found = find_store(None, {"XDG_DATA_HOME": "data"})
    assert found is not None
    assert found.path == Path.home() / ".local/share/xenflight/history.db"


def test_the_option_goes_before_the_environment() -> None:
    both = {VARIABLE: "/tmp/other.db", **HOME}
    found, other = find_store("/tmp/x.db", both), find_store(None, both)
    assert found is not None
    assert other is not None
    assert (found.shown, other.shown) == ("/tmp/x.db", "/tmp/other.db")
    assert find_store("none", both) is None
    assert find_store(None, {VARIABLE: "none"}) is None


@pytest.mark.parametrize("text", ["sqlite:////tmp/x.db", "/tmp/x.db", "/tmp/../tmp/x.db"])
def test_one_file_has_one_name(text: str) -> None:
    found, plain = find_store(text, {}), find_store("/tmp/x.db", {})
    assert found is not None
    assert plain is not None
    assert (found.shown, found.key) == ("/tmp/x.db", plain.key)


@pytest.mark.parametrize(
    "url",
    ["postgresql://me:hushhush@db.example/x", "postgresql://me@db.example/x?password=hushhush"],
)
def test_a_password_is_never_shown(url: str) -> None:
    found = find_store(None, {VARIABLE: url})
    plain = find_store("postgresql://me@db.example/x", {})
    assert found is not None
    assert plain is not None
    assert found.shown == plain.shown == "postgresql://me@db.example/x"
    assert found.key == plain.key
    assert found.url.get_driver_name() == "psycopg"
    with pytest.raises(UsageError, match=r"~/\.pgpass") as caught:
        find_store(url, {})
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["mysql://u@h/d", "://", "sqlite://", "postgresql+asyncpg://u@h/d", "sqlite://h/x.db"]
)
def test_what_is_no_store(text: str) -> None:
    with pytest.raises(UsageError, match="postgresql://USER@HOST/DATABASE, or none"):
        find_store(text, {})


def test_odd_letters_in_a_path_are_the_paths_own() -> None:
    found = find_store("/tmp/a?b#c %41.db", {})
    assert found is not None
    assert found.sqlite_uri("rw") == "file:/tmp/a%3Fb%23c%20%2541.db?mode=rw"
