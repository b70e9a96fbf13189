"""A flight's key and password: who may read them, and when they go."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from harness.errors import LabError
from harness.job.secrets import FlightSecrets

FLIGHT = "smoke-20261122-114412-a1b2c3"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "xenflight"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nobody_else_may_read_them(cache: Path) -> None:
    secrets = FlightSecrets.make(FLIGHT)
    assert secrets.directory.is_relative_to(cache)
    assert mode(secrets.directory) == 0o700
    private = [path for path in secrets.directory.iterdir() if path.suffix != ".pub"]
    assert {path.name for path in private} >= {"id_ed25519", "password", "password.hash"}
    assert {mode(path) for path in private} == {0o600}


def test_another_process_finds_the_same() -> None:
    made, found = FlightSecrets.make(FLIGHT), FlightSecrets.of(FLIGHT)
    assert str(found.password) == str(made.password)
    assert found.public_key == made.public_key
    assert found.password_hash == made.password_hash != ""


def test_every_flight_has_its_own() -> None:
    first, second = FlightSecrets.make("a"), FlightSecrets.make("b")
    assert first.password_hash != second.password_hash
    assert first.public_key != second.public_key


def test_the_password_does_not_show() -> None:
    secrets = FlightSecrets.make(FLIGHT)
    text = (secrets.directory / "password").read_text()
    assert text
    assert text not in f"{secrets!r} {secrets.password!r} {secrets.password}"


def test_they_go_and_then_it_is_said_that_they_are_gone() -> None:
    secrets = FlightSecrets.make(FLIGHT)
    secrets.remove()
    secrets.remove()
    assert not secrets.directory.exists()
    with pytest.raises(LabError, match="secrets are gone"):
        _ = secrets.password


def test_those_of_another_flight_of_that_name_are_not_overwritten() -> None:
    before = FlightSecrets.make(FLIGHT).public_key
    with pytest.raises(LabError, match="cannot keep the flight's key"):
        FlightSecrets.make(FLIGHT)
    assert FlightSecrets.of(FLIGHT).public_key == before


def test_a_cache_that_cannot_be_written(cache: Path) -> None:
    cache.write_text("a file where the directory should be")
    with pytest.raises(LabError, match="cannot keep the flight's key"):
        FlightSecrets.make(FLIGHT)


@pytest.mark.parametrize("name", ["../x", "a/b", ""])
def test_a_flight_id_is_no_path(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a directory"):
        FlightSecrets.of(name)
