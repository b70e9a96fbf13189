"""``--root``: what entries load is looked for in a directory, and never outside of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from grub_samples import FILE, GRUB2, LEGACY

from harness.errors import UsageError
from harness.grub.files import HostFiles, environment
from harness.grub.lint import lint
from harness.grub.model import Finding
from harness.grub.rules import Rule
from harness.preflight.files import Node, UnreadableError

XEN, KERNEL = "xen-4.17-amd64.gz", "vmlinuz-6.1.0-56-amd64"
INITRD = "initrd.img-6.1.0-56-amd64"


def fill(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or (XEN, KERNEL, INITRD):
        (folder / name).write_text(name)


def found(root: Path, text: str = GRUB2) -> list[Finding]:
    return list(lint({FILE: text}, files=HostFiles(root)).findings)


@pytest.mark.parametrize(
    ("place", "prefix"),
    [("boot", "/boot"), (".", "/boot"), ("boot", ""), (".", ""), ("boot", "/@/boot")],
)
def test_files_are_found_wherever_root_is(tmp_path: Path, place: str, prefix: str) -> None:
    fill(tmp_path / place)
    assert found(tmp_path, GRUB2.replace("/boot/", f"{prefix}/")) == []


def test_each_missing_file_is_told(tmp_path: Path) -> None:
    said = [(one.place.line, str(one.rule), one.message) for one in found(tmp_path)]
    assert said == [
        (5, "missing-file", f"/boot/{XEN} is not there"),
        (6, "missing-file", f"/boot/{KERNEL} is not there"),
        (7, "missing-file", f"/boot/{INITRD} is not there"),
    ]


def test_another_version_is_suggested(tmp_path: Path) -> None:
    fill(tmp_path / "boot", XEN, "vmlinuz-6.1.0-57-amd64", INITRD)
    [one] = found(tmp_path)
    assert one.message.endswith("did you mean /boot/vmlinuz-6.1.0-57-amd64?")
    assert "/boot/boot/vmlinuz" in one.hint


def test_what_is_no_file_or_empty_is_told(tmp_path: Path) -> None:
    fill(tmp_path / "boot", INITRD)
    (tmp_path / "boot" / XEN).mkdir()
    (tmp_path / "boot" / KERNEL).touch()
    said = [one.message for one in found(tmp_path)]
    assert said == [f"/boot/{XEN} is no ordinary file", f"/boot/{KERNEL} is empty"]


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    fill(tmp_path / "boot", XEN, KERNEL)
    os.mkfifo(tmp_path / "boot" / INITRD)
    assert [one.message for one in found(tmp_path)] == [f"/boot/{INITRD} is no ordinary file"]


def test_links_are_followed_as_the_host_would(tmp_path: Path) -> None:
    root = tmp_path / "root"
    fill(root / "boot")
    (root / "boot" / XEN).rename(root / "boot/real")
    (root / "boot" / XEN).symlink_to("/boot/real")
    assert found(root) == []


@pytest.mark.parametrize("target", ["{outside}", "../../outside", "/../../outside", "../../../{o}"])
def test_no_link_leads_outside(tmp_path: Path, target: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    fill(root / "boot", XEN, KERNEL)
    fill(tmp_path, "outside")
    link = target.format(outside=outside, o=outside.relative_to("/"))
    (root / "boot" / INITRD).symlink_to(link)
    assert [(one.rule, one.message) for one in found(root)] == [
        (Rule.MISSING_FILE, f"/boot/{INITRD} is not there")
    ]


def test_a_directory_that_is_a_link_to_the_outside(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    fill(tmp_path / "elsewhere")
    (root / "boot").symlink_to(tmp_path / "elsewhere")
    assert {one.rule for one in found(root)} == {Rule.MISSING_FILE}


def test_dots_in_a_path_lead_nowhere_else(tmp_path: Path) -> None:
    root = tmp_path / "root"
    fill(root / "boot", XEN, KERNEL)
    fill(tmp_path, "outside")
    text = GRUB2.replace(f"/boot/{INITRD}", "/boot/../../outside/initrd.img-6.1.0-56-amd64")
    assert [one.rule for one in found(root, text)] == [Rule.MISSING_FILE]


def test_links_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    fill(tmp_path / "boot", XEN, KERNEL)
    (tmp_path / "boot" / INITRD).symlink_to(INITRD)
    assert [one.rule for one in found(tmp_path)] == [Rule.MISSING_FILE]


def test_a_device_before_a_path_and_variables_in_it(tmp_path: Path) -> None:
    fill(tmp_path, "xen-4.0.gz", "vmlinuz-2.6.32", "initrd-2.6.32.img")
    assert found(tmp_path, LEGACY.replace("/xen", "(hd0,0)/xen")) == []
    assert found(tmp_path, GRUB2.replace("/boot/", "$base/")) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every directory")
def test_a_directory_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    fill(tmp_path / "boot")
    (tmp_path / "boot").chmod(0)
    try:
        said = [one.message for one in found(tmp_path)]
    finally:
        (tmp_path / "boot").chmod(0o755)
    assert all("cannot be told" in text for text in said)
    assert len(said) == 3


def test_what_went_away_meanwhile_is_told(tmp_path: Path) -> None:
    files = HostFiles(tmp_path)
    gone = Node(key=str(tmp_path / "gone"), mode=stat.S_IFDIR, size=0)
    for look in (files.entries, files.content, files.target):
        with pytest.raises(UnreadableError, match="gone cannot be read: No such file"):
            look(gone)


@pytest.mark.parametrize("name", ["nothing", "file"])
def test_root_has_to_be_a_directory(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is no directory"):
        HostFiles(tmp_path / name)


LINUX = "menuentry 'Linux' {\n linux /boot/vmlinuz-6.1.0-56-amd64 root=/dev/sda1\n}\n"
SAVED = 'load_env\nset default="${saved_entry}"\n'


@pytest.mark.parametrize(
    ("saved", "expected"),
    [("saved_entry=Linux\n", ["xen-not-default"]), ("saved_entry=Xen\n", []), (None, [])],
)
def test_the_saved_entry_is_read(tmp_path: Path, saved: str | None, expected: list[str]) -> None:
    fill(tmp_path / "boot")
    (tmp_path / "boot/grub").mkdir()
    if saved:
        block = "# GRUB Environment Block\n" + saved + "#" * 64
        (tmp_path / "boot/grub/grubenv").write_text(block)
    text = SAVED + LINUX + GRUB2
    assert [str(one.rule) for one in found(tmp_path, text)] == expected


def test_an_environment_that_leads_outside_is_none(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("saved_entry=x\n")
    (tmp_path / "root/boot/grub").mkdir(parents=True)
    (tmp_path / "root/boot/grub/grubenv").symlink_to(tmp_path / "outside")
    assert environment(HostFiles(tmp_path / "root")) is None
