"""What the word for a kernel means."""

from __future__ import annotations

import pytest

from harness.dists.table import TABLE, find_dist
from harness.errors import UsageError
from harness.guest.kernels import choose_kernel


@pytest.mark.parametrize(
    ("dist", "arch", "wanted", "expected"),
    [
        ("bookworm", "amd64", "default", "linux-image-cloud-amd64"),
        ("bookworm", "amd64", "dom0", "linux-image-cloud-amd64"),
        ("bookworm", "amd64", "generic", "linux-image-amd64"),
        ("bookworm", "amd64", "6.1.0-50-cloud-amd64", "linux-image-6.1.0-50-cloud-amd64"),
        ("bookworm", "amd64", "6.1.0-50-amd64", "linux-image-6.1.0-50-amd64"),
        ("sid", "amd64", "7.2.13+deb14-cloud-amd64", "linux-image-7.2.13+deb14-cloud-amd64"),
        ("trixie", "i386", "default", "linux-image-cloud-amd64:amd64"),
        ("trixie", "i386", "6.12.41+deb13-amd64", "linux-image-6.12.41+deb13-amd64:amd64"),
        ("bookworm", "i386", "686-pae", "linux-image-686-pae"),
        ("bookworm", "i386", "6.1.0-50-686-pae", "linux-image-6.1.0-50-686-pae"),
    ],
)
def test_words(dist: str, arch: str, wanted: str, expected: str) -> None:
    assert choose_kernel(find_dist(dist), arch, wanted).for_apt(arch) == expected


def test_a_version_belongs_to_the_flavour_with_the_longest_name() -> None:
    found = choose_kernel(find_dist("bookworm"), "amd64", "6.1.0-50-cloud-amd64")
    assert found.flavour.flavour == "cloud"


@pytest.mark.parametrize(
    "wanted", ["", "rt", "6.1.0-50", "cloud-amd64", "x;y-amd64", "6.1.0-50-686-pae"]
)
def test_an_unknown_one_lists_what_there_is(wanted: str) -> None:
    with pytest.raises(UsageError, match=r"default, dom0, a flavour \(cloud, generic\)"):
        choose_kernel(find_dist("bookworm"), "amd64", wanted)


def test_an_architecture_without_kernels_lists_the_others() -> None:
    with pytest.raises(UsageError, match=r"'arm64'.*amd64, i386"):
        choose_kernel(find_dist("bookworm"), "arm64", "default")


@pytest.mark.parametrize("dist", sorted(TABLE))
def test_every_dist_has_a_default_for_each_of_its_architectures(dist: str) -> None:
    found = find_dist(dist)
    assert all(choose_kernel(found, arch, "default").package for arch in found.arches)
