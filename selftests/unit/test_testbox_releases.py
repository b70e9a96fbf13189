"""The Debian releases a dom0 can be made of, and the key of its recipe."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import harness.testbox.build as build
from harness.errors import UsageError
from harness.testbox.build import recipe_key
from harness.testbox.releases import RELEASES, find_release

BOOKWORM = RELEASES["bookworm"]
DATA = Path(build.__file__).parent / "dom0"


def test_the_hypervisors_packages_carry_its_version() -> None:
    assert {"xen-hypervisor-4.17-amd64", "xen-utils-4.17"} < set(find_release("bookworm").packages)
    assert {"xen-hypervisor-4.20-amd64", "xen-utils-4.20"} < set(find_release("trixie").packages)


@pytest.mark.parametrize("name", RELEASES)
def test_the_kernel_can_be_a_dom0(name: str) -> None:
    packages = find_release(name).packages
    assert "linux-image-amd64" in packages
    assert not any("cloud" in package for package in packages)


def test_no_package_is_named_twice() -> None:
    for release in RELEASES.values():
        assert len(set(release.packages)) == len(release.packages)


@pytest.mark.parametrize(
    ("name", "said"),
    [("bokworm", "did you mean bookworm?"), ("sid", "known: bookworm, trixie")],
)
def test_an_unknown_release_is_bad_usage(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=f"Debian '{name}'") as caught:
        find_release(name)
    assert said in str(caught.value)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA, tmp_path / "dom0"))


def test_the_same_recipe_has_the_same_key_wherever_it_is(data: Path) -> None:
    assert recipe_key(BOOKWORM, data) == recipe_key(BOOKWORM)


def test_every_release_has_a_key_of_its_own() -> None:
    assert len({recipe_key(release) for release in RELEASES.values()}) == len(RELEASES)


@pytest.mark.parametrize(
    "other",
    [
        replace(BOOKWORM, name="trixie"),
        replace(BOOKWORM, xen="4.18"),
        replace(BOOKWORM, extra_packages=("gdb",)),
    ],
)
def test_another_release_is_another_recipe(other: object) -> None:
    assert recipe_key(other) != recipe_key(BOOKWORM)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", sorted(str(path.relative_to(DATA)) for path in DATA.rglob("*") if path.is_file())
)
def test_every_file_that_goes_in_counts(data: Path, name: str) -> None:
    before = recipe_key(BOOKWORM, data)
    (data / name).write_text((data / name).read_text() + "#")
    changed = recipe_key(BOOKWORM, data)
    (data / name).unlink()
    assert len({before, changed, recipe_key(BOOKWORM, data)}) == 3


def test_a_files_place_counts(data: Path) -> None:
    before = recipe_key(BOOKWORM, data)
    (data / "rootfs/etc/hosts").rename(data / "rootfs/etc/hosts2")
    assert recipe_key(BOOKWORM, data) != before


@pytest.mark.parametrize("name", ["RECIPE_VERSION", "ROOT_SIZE"])
def test_what_the_build_decides_counts(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = recipe_key(BOOKWORM)
    monkeypatch.setattr(build, name, "999")
    assert recipe_key(BOOKWORM) != before
