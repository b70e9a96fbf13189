"""How far a boot is, told from recorded consoles of real hosts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.testbox.stages import boot_stage

DATA = Path(__file__).parent.parent / "data" / "testbox"
LOGS = sorted(DATA.glob("*-boot.log"))


def stages(console: bytes) -> list[tuple[str, float]]:
    """What is said on the way, each once, as the console grows line by line."""
    said: list[tuple[str, float]] = []
    seen = b""
    for line in console.splitlines(keepends=True):
        seen += line
        if (now := boot_stage(seen)) not in said:
            said.append(now)
    return said


def test_there_are_recordings() -> None:
    assert LOGS


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_a_real_boot_goes_through_all_stages_in_order(log: Path) -> None:
    said = stages(log.read_bytes())
    assert [words for words, _ in said] == [
        "Xen starts",
        "dom0's kernel starts",
        "dom0's initramfs",
        "dom0's services start",
        "dom0's network is up",
        "dom0 is up",
    ]
    fractions = [fraction for _, fraction in said]
    assert fractions == sorted(set(fractions))


def test_before_the_first_word_qemu_starts() -> None:
    assert boot_stage(b"") == ("QEMU starts", 0.0)
    assert boot_stage(b"SeaBIOS (version rel-1.16.2)\r\n") == ("QEMU starts", 0.0)


@given(st.binary(max_size=300))
def test_any_bytes_are_some_stage(console: bytes) -> None:
    words, fraction = boot_stage(console)
    assert words
    assert 0 <= fraction < 0.9
