"""Which QEMU runs the testboxes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import LabError
from harness.remote.local import LocalRunner
from harness.testbox.accel import Accel
from harness.testbox.emulator import ENVIRONMENT, QEMU, Emulator, emulator_program, find_emulator
from harness.testbox.mending import mended_program


def program(directory: Path, version: str) -> str:
    path = directory / "qemu"
    path.write_text(f"#!/bin/sh\necho '{version}'\necho Copyright\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("version", "mended"),
    [
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)", False),
        ("QEMU emulator version 7.2.22 (xenflight 1)", True),
    ],
)
def test_a_qemu_of_ones_own(tmp_path: Path, version: str, mended: bool) -> None:
    path = program(tmp_path, version)
    found = find_emulator(LocalRunner(), Accel.TCG, {ENVIRONMENT: path})
    assert found == Emulator(program=path, version=version)
    assert found.mended is mended


def test_a_qemu_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=f"{ENVIRONMENT}=.*no-qemu is no program"):
        find_emulator(LocalRunner(), Accel.TCG, {ENVIRONMENT: str(tmp_path / "no-qemu")})


def test_only_a_mended_one_has_cmpxchg16b_and_says_its_name() -> None:
    plain, mended = (" ".join(Accel.TCG.qemu_options(mended=one)) for one in (False, True))
    assert "-cx16" in plain
    assert "mended by xenflight" not in plain
    assert "-cx16" not in mended
    assert "model-id=QEMU mended by xenflight" in mended
    assert Accel.KVM.qemu_options(mended=True) == Accel.KVM.qemu_options(mended=False)


def test_a_mended_one_in_the_cache_emulates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    mended = mended_program()
    mended.parent.mkdir(parents=True)
    assert emulator_program(Accel.TCG, {ENVIRONMENT: "/bin/sh"}) == "/bin/sh"
    Path(program(mended.parent, "x")).rename(mended)
    assert emulator_program(Accel.TCG, {}) == str(mended)
    assert emulator_program(Accel.TCG, {ENVIRONMENT: "/bin/sh"}) == "/bin/sh", "the user's word"
    assert emulator_program(Accel.KVM, {ENVIRONMENT: ""}) == QEMU, "it has no KVM"
