"""The script that builds a mended QEMU: what it says. Whether it builds, `xenflight selftest`
shows, whose testboxes then run in it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from harness.errors import LabError
from harness.remote.command import Command, CommandResult
from harness.remote.local import LocalRunner
from harness.testbox import mending
from harness.testbox.mending import build_mended

MEND = Path(__file__).parents[2] / "harness/testbox/mend"


def build(*arguments: object, **env: str) -> CommandResult:
    command = Command.of(MEND / "build", *arguments)
    command = Command(command.argv, env=env)
    return LocalRunner().run(command, check=False, timeout=timedelta(minutes=1))


def test_help_says_how_long_it_takes() -> None:
    said = build("--help")
    assert said.ok
    assert "mend/build DIRECTORY" in said.stdout
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


def test_it_wants_to_be_told_where() -> None:
    said = build()
    assert said.exit_status == 4
    assert said.stderr.startswith("error: ")


def test_a_build_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    script = tmp_path / "build"
    script.write_text("#!/bin/sh\necho unpacking\necho 'error: no source' >&2\nexit 4\n")
    script.chmod(0o755)
    monkeypatch.setattr(mending, "SCRIPT", script)
    told: list[str] = []
    with pytest.raises(LabError, match="could not be built: no source"):
        build_mended(LocalRunner(), lambda text, _=None: told.append(text))
    assert told[0] == "unpacking"
    script.write_text("#!/bin/sh\nprintf '\\rcompiling 3/12'\ntouch $1/qemu-system-x86_64\n")
    assert build_mended(LocalRunner(), lambda text, _=None: told.append(text)).exists()
    assert told[-1] == "compiling QEMU"
