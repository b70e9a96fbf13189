"""How much of the hypervisor's memory a domain takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.units import Size
from harness.xen.config import DomainType
from harness.xen.listing import parse_info
from harness.xen.memory import MIB, balloons, overhead, paging_memory

INFO = Path(__file__).parent.parent / "data" / "xl" / "info-4.17.txt"


def test_the_formula_is_libxls() -> None:
    """4 KiB * (256 * vcpus + 2 * MiB), as in its source."""
    assert paging_memory(Size.parse("512M"), 1) == 4096 * (256 + 1024)
    assert paging_memory(Size.parse("1G"), 4) == 4096 * (1024 + 2048)


@pytest.mark.parametrize(
    ("kind", "memory", "vcpus", "whole"),
    [
        # 512 + 1 + 4 + 1 is even; 512 + 1 + 4 + 2 is rounded up to whole 2 MiB.
        (DomainType.PV, "512M", 1, 518),
        (DomainType.PVH, "512M", 1, 520),
        (DomainType.HVM, "512M", 1, 520),
        (DomainType.PV, "1G", 2, 1036),
    ],
)
def test_what_xen_needs_for_a_domain(kind: DomainType, memory: str, vcpus: int, whole: int) -> None:
    size = Size.parse(memory)
    assert size + overhead(kind, size, vcpus) == whole * MIB


def test_it_is_more_than_two_guests_were_seen_to_take() -> None:
    """On the testbox: 3028 MiB free, and 1997 MiB with two PV guests of 512 MiB (the census in
    selftests/data/host)."""
    size = Size.parse("512M")
    taken = 2 * (size + overhead(DomainType.PV, size, 1))
    assert (3028 - 1997) * MIB <= taken <= (3028 - 1997 + 8) * MIB


@given(st.sampled_from(DomainType), st.integers(4, 1 << 20), st.integers(1, 512))
def test_it_is_never_less_than_its_parts(kind: DomainType, mib: int, vcpus: int) -> None:
    memory = Size(mib * MIB)
    found = overhead(kind, memory, vcpus)
    assert found >= paging_memory(memory, vcpus) + MIB
    assert (memory + found) % (2 * MIB) == 0


@pytest.mark.parametrize(
    ("setting", "commandline", "expected"),
    [
        ("", "", True),
        ("", "dom0_mem=1024M,max:1024M loglvl=info", False),
        ("", "placeholder dom0_mem=min:-2G", False),
        ("", "dom0_mem= loglvl=1", True),
        ("", "not_dom0_mem=1G", True),
        ('"auto"', "dom0_mem=1G", False),
        ('"on"', "dom0_mem=1G", True),
        (" 1 ", "dom0_mem=1G", True),
        ("'off'", "", False),
        ("0", "", False),
        ("nonsense", "", True),
    ],
)
def test_whether_dom0_gives_memory_to_guests(
    setting: str, commandline: str, expected: bool
) -> None:
    assert balloons(setting, commandline) is expected


def test_a_testboxs_dom0_has_a_fixed_size() -> None:
    assert not balloons("", parse_info(INFO.read_text()).xen_commandline)
