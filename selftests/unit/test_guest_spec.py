"""Image specifications, their keys, the dists, and what mmdebstrap is told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness.dists.table import TABLE, find_dist
from harness.errors import UsageError
from harness.guest import customise, grub, layout
from harness.guest.layout import Layout
from harness.guest.mmdebstrap import (
    BuildProgress,
    guard,
    in_user_namespace,
    mmdebstrap_command,
    mode,
    remove_tree,
)
from harness.guest.spec import ImageSpec, content_key
from harness.remote.command import Command
from harness.units import Size

SPEC = ImageSpec(dist="bookworm")
TOOLS = {"mmdebstrap": "1.3.5", "mke2fs": "1.47.0"}


def test_known_dists() -> None:
    find_dist("bookworm")
    assert {"bullseye", "bookworm", "trixie", "forky", "sid"} <= set(TABLE)
    assert find_dist("bullseye").interface == "eth0"
    assert find_dist("trixie").title == "Debian 13 (trixie)"


def test_unknown_dist_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'woody'.*bookworm.*trixie"):
        ImageSpec(dist="woody")


def test_wrong_builder_and_impossible_size() -> None:
    with pytest.raises(UsageError, match="unknown builder"):
        ImageSpec(dist="bookworm", builder="magic")
    with pytest.raises(UsageError, match="too small"):
        ImageSpec(dist="bookworm", size=Size.parse("100M"))


def test_the_key_is_stable() -> None:
    assert content_key(SPEC, "m", TOOLS) == content_key(ImageSpec(dist="bookworm"), "m", TOOLS)
    assert len(content_key(SPEC, "m", TOOLS)) == 16


@pytest.mark.parametrize(
    "change",
    [
        {"dist": "trixie"},
        {"size": Size.parse("3G")},
        {"extra_packages": ("curl",)},
        {"small_initramfs": False},
        {"slim": False},
        {"layout": Layout.DISK},
        {"arch": "i386"},
        {"kernel": "generic"},
        {"kernel": "6.1.0-50-cloud-amd64"},
    ],
)
def test_the_key_changes_with_every_part_of_the_spec(change: dict[str, object]) -> None:
    other = dataclasses.replace(SPEC, **change)  # type: ignore[arg-type]
    assert other != SPEC
    assert content_key(other, "m", TOOLS) != content_key(SPEC, "m", TOOLS)


def test_the_key_changes_with_mirror_tools_and_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    key = content_key(SPEC, "m", TOOLS)
    assert content_key(SPEC, "n", TOOLS) != key
    assert content_key(SPEC, "m", TOOLS | {"mmdebstrap": "1.5"}) != key
    monkeypatch.setattr(customise, "SSHD", "true\n")
    assert content_key(SPEC, "m", TOOLS) != key


@pytest.mark.parametrize("kernel", ["dom0", "cloud"])
def test_two_names_of_one_kernel_are_one_image(kernel: str) -> None:
    other = dataclasses.replace(SPEC, kernel=kernel)
    assert content_key(other, "m", TOOLS) == content_key(SPEC, "m", TOOLS)


def test_the_key_of_a_disk_changes_with_its_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = dataclasses.replace(SPEC, layout=Layout.DISK)
    keys = content_key(SPEC, "m", TOOLS), content_key(disk, "m", TOOLS)
    monkeypatch.setattr(layout, "ESP_SIZE", 13 << 20)
    monkeypatch.setattr(grub, "MAKE_PARTS", grub.MAKE_PARTS + "true\n")
    assert content_key(SPEC, "m", TOOLS) == keys[0]
    assert content_key(disk, "m", TOOLS) != keys[1]


def test_each_package_is_asked_for_once() -> None:
    packages = dataclasses.replace(SPEC, extra_packages=("udev", "curl")).packages
    assert len(packages) == len(set(packages))
    assert packages[-1] == "curl"
    assert "linux-image-cloud-amd64" in packages


def test_mmdebstrap_is_told_all_that_the_key_is_made_of(tmp_path: Path) -> None:
    command = mmdebstrap_command(SPEC, ["deb http://m x main"], tmp_path / "t", tmp_path, "root")
    assert command.argv[-3:] == ("bookworm", str(tmp_path / "t"), "deb http://m x main")
    assert f"--include={','.join(SPEC.packages)}" in command.argv
    assert any("path-exclude" in word for word in command.argv)
    assert command.env["TMPDIR"] == str(tmp_path)
    assert "127.0.0.1" in command.env["no_proxy"]


def test_as_root_its_mounts_are_nobody_elses(tmp_path: Path) -> None:
    """A tree with this machine's /dev in it is what nobody may remove."""
    as_root = mmdebstrap_command(SPEC, [], tmp_path, tmp_path, "root").argv
    assert as_root[:7] == (*guard("unshare"), "unshare", "--mount", "--")
    assert "unshare" not in mmdebstrap_command(SPEC, [], tmp_path, tmp_path, "unshare").argv[:5]
    assert "--one-file-system" in remove_tree(tmp_path).argv


def test_spec_switches_reach_mmdebstrap(tmp_path: Path) -> None:
    spec = dataclasses.replace(SPEC, slim=False, small_initramfs=False)
    text = " ".join(mmdebstrap_command(spec, [], tmp_path, tmp_path, "unshare").argv)
    assert "path-exclude" not in text
    assert "MODULES=list" not in text
    assert "/etc/fstab" in text


def test_an_i386_user_land_gets_an_amd64_kernel(tmp_path: Path) -> None:
    spec = ImageSpec(dist="trixie", arch="i386")
    argv = mmdebstrap_command(spec, [], tmp_path, tmp_path, "unshare").argv
    assert "--architectures=i386,amd64" in argv
    (include,) = [word for word in argv if word.startswith("--include=")]
    assert include.endswith(",linux-image-cloud-amd64:amd64")
    own = dataclasses.replace(spec, dist="bookworm", kernel="686-pae")
    assert (own.arches, own.packages[-1]) == (("i386",), "linux-image-686-pae")


def test_boot_loaders_are_only_on_a_disk(tmp_path: Path) -> None:
    disk = dataclasses.replace(SPEC, layout=Layout.DISK)
    texts = [
        " ".join(mmdebstrap_command(s, [], tmp_path, tmp_path, "x").argv) for s in (SPEC, disk)
    ]
    assert ["grub-mkimage" in text for text in texts] == [False, True]
    assert ["grub-pc-bin" in text for text in texts] == [False, True]
    assert all("/boot/grub/grub.cfg" in text for text in texts)


@pytest.mark.parametrize(
    ("uid", "subuid", "expected"),
    [
        (1000, "", "unshare"),
        (0, "dev:100000:65536\n", "root"),
        (0, "root:100000:65536\n", "unshare"),
        (0, None, "root"),
    ],
)
def test_mode(tmp_path: Path, uid: int, subuid: str | None, expected: str) -> None:
    file = tmp_path / "subuid"
    if subuid is not None:
        file.write_text(subuid)
    assert mode(uid, file) == expected


def test_only_an_ordinary_user_needs_a_namespace() -> None:
    command = Command.of("rm", "x")
    assert in_user_namespace(command, 0) == command
    assert in_user_namespace(command, 1000).argv[0] == "unshare"


def test_progress_only_grows_and_names_packages() -> None:
    said: list[tuple[str, float | None]] = []
    progress = BuildProgress(lambda text, fraction=None: said.append((text, fraction)))
    lines = [
        "I: running apt-get update...",
        "I: extracting archives...",
        "0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.",
        "I: installing remaining packages inside the chroot...",
        "0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.",
        "Unpacking libfoo:amd64 (1) ...",
        "Unpacking bar (1) ...",
        "Setting up libfoo:amd64 (1) ...",
        "Setting up bar (1) ...",
        "Setting up one-too-many (1) ...",
        "I: creating tarball...",
        "something else",
    ]
    for line in lines:
        progress.feed(line)
    parts = [part or 0.0 for _, part in said]
    assert parts == sorted(parts)
    assert "installing packages: libfoo" in [text for text, _ in said]
    assert said[-1] == ("packing", 0.9)


def test_a_package_before_any_count_does_not_stop_the_build() -> None:
    said: list[float | None] = []
    BuildProgress(lambda text, fraction=None: said.append(fraction)).feed("Setting up x (1) ...")
    assert said == [0.0]
