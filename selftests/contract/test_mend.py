"""The script that builds a mended QEMU: what it says. Whether it builds is tried by hand, for
ten minutes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from harness.remote.command import Command, CommandResult
from harness.remote.local import LocalRunner

MEND = Path(__file__).parents[2] / "harness/testbox/mend"


def build(*arguments: object, **env: str) -> CommandResult:
    command = Command.of(MEND / "build", *arguments)
    command = Command(command.argv, env=env)
    return LocalRunner().run(command, check=False, timeout=timedelta(minutes=1))


def test_help_says_how_long_it_takes() -> None:
    said = build("--help")
    assert said.ok
    assert "mend/build [DIRECTORY]" in said.stdout
    assert "ten minutes" in said.stdout


def test_what_it_lacks_is_told_before_anything_is_done(tmp_path: Path) -> None:
    """A package database with nothing in it."""
    (tmp_path / "dpkg").mkdir()
    (tmp_path / "dpkg/status").touch()
    place = tmp_path / "qemu"
    said = build(place, DPKG_ADMINDIR=str(tmp_path / "dpkg"))
    assert said.exit_status == 4
    assert "first: apt install --no-install-recommends dpkg-dev gcc" in said.stderr
    assert not place.exists()


def test_the_patch_names_every_file_that_it_changes() -> None:
    text = (MEND / "qemu-7.2.patch").read_text(encoding="utf-8")
    changed = [line.split("/")[-1] for line in text.splitlines() if line.startswith("+++ ")]
    assert changed
    for name in changed:
        assert f"- {name}: " in text
