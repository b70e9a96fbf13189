"""Choosing between KVM and emulation."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.testbox.accel import ENVIRONMENT, Accel, accelerators, choose_accel, note_kvm_failure


@pytest.fixture
def kvm(tmp_path: Path) -> Path:
    path = tmp_path / "kvm"
    path.touch()
    return path


@pytest.fixture
def cpuinfo(tmp_path: Path) -> Path:
    path = tmp_path / "cpuinfo"
    path.write_text("flags\t\t: fpu vme svm lm\n")
    return path


def test_usable_kvm_is_used(kvm: Path, cpuinfo: Path) -> None:
    assert choose_accel(kvm, cpuinfo, environ={}) == (Accel.KVM, f"{kvm} is usable")


def test_intels_kvm_is_used_too(kvm: Path, cpuinfo: Path) -> None:
    cpuinfo.write_text("flags : fpu vmx\n")
    assert choose_accel(kvm, cpuinfo, environ={})[0] is Accel.KVM


def test_no_kvm_is_said(tmp_path: Path, cpuinfo: Path) -> None:
    accel, why = choose_accel(tmp_path / "none", cpuinfo, environ={})
    assert (accel, why) == (Accel.TCG, f"there is no {tmp_path / 'none'}")


@pytest.mark.parametrize("flags", ["fpu vme lm", "svm_lock vmx_flags"])
def test_kvm_without_nested_virtualisation_is_not_trusted(
    kvm: Path, cpuinfo: Path, flags: str
) -> None:
    cpuinfo.write_text(f"flags\t: {flags}\n")
    accel, why = choose_accel(kvm, cpuinfo, environ={})
    assert accel is Accel.TCG
    assert "neither VT-x nor AMD-V" in why


def test_kvm_that_failed_since_the_machine_started_is_not_tried_again(
    kvm: Path, cpuinfo: Path, tmp_path: Path
) -> None:
    failure = tmp_path / "failure"
    assert choose_accel(kvm, cpuinfo, failure, {})[0] is Accel.KVM
    note_kvm_failure(failure, "QEMU stopped with 'internal-error'")
    accel, why = choose_accel(kvm, cpuinfo, failure, {})
    assert accel is Accel.TCG
    assert str(failure) in why


def test_a_failure_of_an_earlier_boot_does_not_count(
    kvm: Path, cpuinfo: Path, tmp_path: Path
) -> None:
    failure = tmp_path / "failure"
    failure.write_text("0b2c7c5e-of-last-week\nit hung\n")
    assert choose_accel(kvm, cpuinfo, failure, {})[0] is Accel.KVM


@pytest.mark.parametrize("word", ["kvm", "tcg"])
def test_the_user_has_the_last_word(tmp_path: Path, word: str) -> None:
    forced = {ENVIRONMENT: word}
    accel, why = choose_accel(tmp_path / "none", tmp_path / "none", tmp_path / "none", forced)
    assert accel == word
    assert ENVIRONMENT in why


def test_an_unknown_accelerator_is_bad_usage(kvm: Path, cpuinfo: Path) -> None:
    with pytest.raises(UsageError, match=r"'kmv' is not an accelerator \(kvm or tcg\)"):
        choose_accel(kvm, cpuinfo, environ={ENVIRONMENT: "kmv"})


def test_only_kvm_has_something_to_fall_back_to() -> None:
    assert accelerators(Accel.KVM) == (Accel.KVM, Accel.TCG)
    assert accelerators(Accel.TCG) == (Accel.TCG,)
