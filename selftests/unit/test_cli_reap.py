"""``xenflight reap``: what is said and what is removed."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console
from test_host_reaper import ALIVE, DEAD, JOB, add, everything

from harness.cli import main
from harness.cli.leftovers import remove_dead, remove_kept, show
from harness.errors import UsageError
from harness.host.fake import FakeHost
from harness.host.kept import KEPT, kept_tags
from harness.job.secrets import FlightSecrets

HOSTS = """
default: box
hosts:
  box:
    slots: 1
    timeout_factor: 4
    testbox: {release: bookworm, memory: 4G, vcpus: 2, disk: 16G}
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


class Terminal:
    def __init__(self) -> None:
        self.console = Console(file=io.StringIO(), width=200)

    @property
    def lines(self) -> list[str]:
        assert isinstance(self.console.file, io.StringIO)
        return self.console.file.getvalue().splitlines()


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def fake() -> FakeHost:
    """A host with a dead flight's guest, a living one's, and a kept one."""
    made = FakeHost(name="rack1", locked={ALIVE})
    add(made, DEAD)
    add(made, ALIVE)
    add(made, "kept-1", JOB, KEPT)
    return made


def test_dry_run_shows_and_touches_nothing(fake: FakeHost, terminal: Terminal) -> None:
    before = everything(fake)
    show(fake.host, terminal.console, kept=None)
    assert everything(fake) == before
    assert terminal.lines[0].startswith(f"rack1: would remove what flight {DEAD} left: domain xf.")
    assert terminal.lines[1:] == [f"rack1: kept for you: {JOB}; --kept kept-1 removes that"]


def test_dry_run_for_a_kept_flight(fake: FakeHost, terminal: Terminal) -> None:
    before = everything(fake)
    show(fake.host, terminal.console, kept="kept-1")
    assert everything(fake) == before
    assert terminal.lines[1:] == [f"rack1: would remove what flight kept-1 kept: {JOB}"]


def test_the_dead_go_with_their_secrets(fake: FakeHost, terminal: Terminal) -> None:
    dead, kept = FlightSecrets.make(DEAD), FlightSecrets.make("kept-1")
    remove_dead(fake.host, terminal.console)
    assert len(fake.domains) == 2
    assert not dead.directory.exists()
    assert kept.directory.exists()
    assert terminal.lines[0].startswith(f"rack1: removed what flight {DEAD} left: domain xf.")


def test_kept_guests_go_with_their_secrets(fake: FakeHost, terminal: Terminal) -> None:
    kept = FlightSecrets.make("kept-1")
    remove_kept(fake.host, "kept-1", terminal.console)
    assert len(fake.domains) == 2
    assert not kept.directory.exists()


def test_a_flight_that_kept_nothing(fake: FakeHost, terminal: Terminal) -> None:
    before = everything(fake)
    for call in (remove_kept, lambda host, run, console: show(host, console, kept=run)):
        with pytest.raises(UsageError, match="kept nothing on rack1; did you mean 'kept-1'"):
            call(fake.host, "kept-2", terminal.console)
    assert everything(fake) == before


def test_nothing_to_reap(terminal: Terminal) -> None:
    remove_dead(FakeHost(name="rack1").host, terminal.console)
    show(FakeHost(name="rack1").host, terminal.console, kept=None)
    assert terminal.lines == ["rack1: nothing to reap"] * 2


def test_a_testbox_that_is_down_has_nothing_to_reap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "flights").mkdir()
    (tmp_path / "flights" / "hosts.yaml").write_text(HOSTS)
    monkeypatch.chdir(tmp_path)
    assert main(["reap"]) == 0
    assert capsys.readouterr().out == "box is a testbox, and down: there is nothing to reap\n"


def test_an_unknown_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "flights").mkdir()
    (tmp_path / "flights" / "hosts.yaml").write_text(HOSTS)
    monkeypatch.chdir(tmp_path)
    assert main(["reap", "--host", "bx"]) == 2
    assert "unknown host 'bx'; did you mean 'box'?" in capsys.readouterr().err


def test_how_long_guests_are_kept_yet(fake: FakeHost, terminal: Terminal) -> None:
    add(fake, "kept-2", JOB, *kept_tags(fake.runner, timedelta(hours=4)))
    fake.now += 48 * 60
    show(fake.host, terminal.console, kept=None)
    assert terminal.lines[1:] == [
        f"rack1: kept for you: {JOB}; --kept kept-1 removes that",
        f"rack1: kept for you: {JOB} (3 h 12 m left); --kept kept-2 removes that",
    ]


def test_what_was_kept_goes_with_its_secrets_when_its_time_is_over(
    fake: FakeHost, terminal: Terminal
) -> None:
    secrets = FlightSecrets.make("kept-2")
    volume, _ = add(fake, "kept-2", JOB, *kept_tags(fake.runner, timedelta(hours=4)))
    fake.now += 4 * 3600
    show(fake.host, terminal.console, kept=None)
    assert volume in fake.volumes
    assert f"(kept until its time was over: {JOB})" in terminal.lines[0]
    remove_dead(fake.host, terminal.console)
    assert volume not in fake.volumes
    assert not secrets.directory.exists()
