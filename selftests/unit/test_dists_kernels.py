"""What is known of the kernels of the dists."""

from __future__ import annotations

import pytest

from harness.dists.model import Kernel
from harness.dists.table import TABLE


def kernel(packed: str, *, pv: bool = True) -> Kernel:
    return Kernel(flavour="x", package="linux-image-x", arch="amd64", pv=pv, packed=packed)


@pytest.mark.parametrize(
    ("packed", "can"),
    [
        ("gzip", True),
        ("xz", True),
        ("lzo", True),
        ("lz4", False),
        ("zstd", False),
        ("bzip2", False),
        ("lzma", False),
        ("", False),
    ],
)
def test_what_grub_for_pv_guests_unpacks(packed: str, can: bool) -> None:
    assert kernel(packed).pvgrub_pv is can


def test_a_kernel_without_pv_is_none_for_it_however_it_is_packed() -> None:
    assert not kernel("xz", pv=False).pvgrub_pv


CAN = {
    ("bullseye", "amd64", "generic"),
    ("bullseye", "i386", "generic"),
    ("bookworm", "amd64", "generic"),
    ("bookworm", "i386", "generic"),
    ("squeeze", "amd64", "xen"),
    ("squeeze", "i386", "xen"),
}


def test_which_kernels_it_can_boot() -> None:
    assert {
        (name, arch, one.flavour)
        for name, dist in TABLE.items()
        for arch in dist.arches
        for one in dist.kernels_for(arch)
        if one.pvgrub_pv
    } == CAN


@pytest.mark.parametrize("dist", sorted(TABLE))
def test_of_every_kernel_it_is_known_how_it_is_packed(dist: str) -> None:
    # An empty word would only say that GRUB cannot unpack it, and nobody would ask why.
    found = [one for arch in TABLE[dist].arches for one in TABLE[dist].kernels_for(arch)]
    assert {one.packed for one in found} <= {"gzip", "bzip2", "lzma", "xz", "lzo", "lz4", "zstd"}
