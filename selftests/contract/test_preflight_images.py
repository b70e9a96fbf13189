"""Preflight and import on real images: one that is sound, and what each kind of damage changes."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from foreign_image import (
    DISK_SIZE,
    INITRD,
    KERNEL,
    MODULES,
    RELEASE,
    ROOT_AT,
    Foreign,
    bzimage,
    efi_program,
    elf_with_notes,
    initramfs,
    menu,
)

from harness.cli import main
from harness.errors import LabError, UsageError
from harness.flight.axes import Boot, Virt
from harness.flight.model import ImageSource
from harness.flight.needs import HostFlag
from harness.guest.cache import Image, ImageCache
from harness.guest.importer import ensure_import
from harness.preflight.evidence import Outcome
from harness.preflight.inspect import inspect_image
from harness.preflight.predict import CELLS, predict, predict_all
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.units import Size

WILL, WILL_NOT, UNKNOWN = Outcome.WILL, Outcome.WILL_NOT, Outcome.UNKNOWN
RUNNER = LocalRunner()
Grid = dict[str, Outcome]
ALL = {f"{virt}-{boot}" for virt, boot in CELLS}
DIRECT = {"pv-direct", "pvh-direct", "hvm-direct"}
MENUS = ALL - DIRECT


def grid_of(path: Path) -> Grid:
    report = inspect_image(path, RUNNER)
    return {f"{one.virt}-{one.boot}": one.outcome for one in predict_all(report)}


def expected(**but: Outcome) -> Grid:
    """All will boot, but for these; ``pv_direct`` stands for ``pv-direct``."""
    return dict.fromkeys(ALL, WILL) | {name.replace("_", "-"): one for name, one in but.items()}


def only(names: set[str], outcome: Outcome) -> Grid:
    return dict.fromkeys(ALL, WILL) | dict.fromkeys(names, outcome)


def test_a_sound_image_will_boot_by_every_method(tmp_path: Path) -> None:
    path = Foreign().make(tmp_path)
    before = path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest()
    report = inspect_image(path, RUNNER)
    assert {one.outcome for one in predict_all(report)} == {WILL}
    assert before == (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
    assert report.root is not None
    assert (report.root.os, report.root.arch, report.root.init) == ("Test 1.0", "amd64", "systemd")
    assert (report.root.partition, report.root.offset) == (3, ROOT_AT)
    kernel, initrd = report.direct.kernel, report.direct.initrd
    assert kernel is not None
    assert initrd is not None
    assert (kernel.release, kernel.compression, kernel.pv, kernel.pvh) == (
        RELEASE,
        "gzip",
        True,
        True,
    )
    assert initrd.modules == {"xen-blkfront", "ext4", "ahci", "sd-mod"}
    assert initrd.members == len(MODULES) + 4  # init, the microcode, and two ends


@dataclass(frozen=True)
class Break:
    """Something that is wrong with an image."""

    change: Callable[[Foreign], None]
    grid: Grid
    says: str
    """In the reasons of each cell that it changes."""


def without(path: str) -> Callable[[Foreign], None]:
    def change(image: Foreign) -> None:
        del image.files[path]

    return change


def with_file(path: str, content: bytes | str) -> Callable[[Foreign], None]:
    def change(image: Foreign) -> None:
        image.files[path] = content if isinstance(content, bytes) else content.encode()

    return change


def without_xen(image: Foreign) -> None:
    image.files[KERNEL] = bzimage(gzip.compress(elf_with_notes()))
    image.files[f"/boot/config-{RELEASE}"] = b"CONFIG_EXT4_FS=m\nCONFIG_ATA_PIIX=m\n" + (
        b"CONFIG_BLK_DEV_SD=m\n"
    )


def fstab(line: str) -> Callable[[Foreign], None]:
    def change(image: Foreign) -> None:
        image.files["/etc/fstab"] += f"{line}\n".encode()

    return change


def pv_only(image: Foreign) -> None:
    image.files[KERNEL] = bzimage(gzip.compress(elf_with_notes(1)))


def unnamed_kernel(image: Foreign) -> None:
    """Packed so that no tool reads it, and nothing beside it that tells."""
    image.files[KERNEL] = bzimage(b"\x02\x21\x4c\x18" + b"?" * 200)
    del image.files[f"/boot/config-{RELEASE}"]


def no_efi_files(image: Foreign) -> None:
    image.esp = {}


def vendor_loader_only(image: Foreign) -> None:
    image.esp = {"/EFI/debian/grubx64.efi": image.esp["/EFI/BOOT/BOOTX64.EFI"]}


def loader_32(image: Foreign) -> None:
    image.esp["/EFI/BOOT/BOOTX64.EFI"] = efi_program(b"GRUB grub_", machine=0x14C)


def no_boot_code(image: Foreign) -> None:
    image.boot_code = False


def btrfs(image: Foreign) -> None:
    image.root_fs = "btrfs"


def mask_getty(image: Foreign) -> None:
    image.links["/etc/systemd/system/serial-getty@.service"] = "/dev/null"


BREAKS = {
    "no-kernel": Break(without(KERNEL), only(ALL, WILL_NOT), "there is no"),
    "truncated-kernel": Break(
        with_file(KERNEL, Foreign().files[KERNEL][:700]), only(ALL, WILL_NOT), "cut short"
    ),
    "kernel-is-text": Break(with_file(KERNEL, "x" * 5000), only(ALL, WILL_NOT), "no Linux kernel"),
    "kernel-without-xen": Break(
        without_xen,
        # The harness tells a direct boot that its root is on xvda.
        expected(hvm_bios=WILL, hvm_uefi=WILL)
        | dict.fromkeys(ALL - {"hvm-bios", "hvm-uefi"}, WILL_NOT),
        "",
    ),
    "kernel-for-pv-only": Break(
        pv_only, only({"pvh-direct", "pvh-pygrub", "pvh-pvgrub"}, WILL_NOT), "no PVH support"
    ),
    "truncated-initrd": Break(
        with_file(INITRD, initramfs()[:-150]), only(ALL, WILL_NOT), "does not have it"
    ),
    "initrd-cut-at-its-end": Break(
        # Its modules came before: what the kernel makes of that is not known.
        with_file(INITRD, initramfs()[:-20]),
        only(ALL, UNKNOWN),
        "cut short",
    ),
    "initrd-without-blkfront": Break(
        with_file(INITRD, initramfs(("ext4", "ahci", "sd_mod"))),
        only(ALL, WILL_NOT),
        "xen-blkfront is a module",
    ),
    "initrd-without-ext4": Break(
        with_file(INITRD, initramfs(("xen-blkfront",))), only(ALL, WILL_NOT), "ext4 is a module"
    ),
    "fstab-of-another-disk": Break(
        fstab("/dev/sda1 /srv ext4 defaults 0 2"), only(ALL, WILL_NOT), "/dev/sda1 on /srv"
    ),
    "fstab-root-on-another-disk": Break(
        with_file("/etc/fstab", "/dev/sda1 / ext4 defaults 0 1\n"),
        only(ALL, UNKNOWN),
        "/dev/sda1 on /",
    ),
    "fstab-nofail": Break(fstab("/dev/sda1 /srv ext4 nofail 0 2"), expected(), ""),
    "no-menu": Break(without("/boot/grub/grub.cfg"), only(MENUS, WILL_NOT), "no"),
    "menu-names-another-kernel": Break(
        with_file("/boot/grub/grub.cfg", menu().replace(KERNEL, "/boot/vmlinuz-5.0")),
        only(MENUS, WILL_NOT),
        "there is no /boot/vmlinuz-5.0",
    ),
    "wrong-root-label": Break(
        with_file("/boot/grub/grub.cfg", menu(root="LABEL=elsewhere")),
        only(MENUS, WILL_NOT),
        "root=LABEL=elsewhere is not in the image",
    ),
    "root-on-a-loop-device": Break(
        # Seen in an image that vmdb2 made on a machine without udev.
        with_file("/boot/grub/grub.cfg", menu(root="/dev/loop0p3")),
        only(MENUS, WILL_NOT),
        "root=/dev/loop0p3",
    ),
    "esp-emptied": Break(no_efi_files, expected(hvm_uefi=WILL_NOT), "no /efi/boot/bootx64.efi"),
    "esp-with-a-vendor-loader-only": Break(
        vendor_loader_only, expected(hvm_uefi=WILL_NOT), "/efi/debian/grubx64.efi"
    ),
    "esp-for-32-bit": Break(loader_32, expected(hvm_uefi=WILL_NOT), "i386"),
    "boot-code-zeroed": Break(no_boot_code, expected(hvm_bios=WILL_NOT), "no boot code"),
    "no-console": Break(
        with_file("/boot/grub/grub.cfg", menu(consoles="quiet")),
        expected(pvh_pygrub=UNKNOWN, pvh_pvgrub=UNKNOWN, hvm_bios=UNKNOWN, hvm_uefi=UNKNOWN),
        "",
    ),
    "getty-masked": Break(mask_getty, only(ALL, WILL_NOT), "masked"),
    "no-init": Break(without("/usr/lib/systemd/systemd"), only(ALL, WILL_NOT), "/sbin/init"),
    "unreadable-kernel": Break(unnamed_kernel, only(ALL, WILL_NOT), "payload is damaged"),
    "btrfs-root": Break(
        btrfs,
        only(ALL, UNKNOWN) | {"pv-pygrub": WILL_NOT, "pvh-pygrub": WILL_NOT},
        "btrfs",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_each_damage_changes_what_it_must_and_nothing_else(name: str, tmp_path: Path) -> None:
    broken = BREAKS[name]
    image = Foreign()
    broken.change(image)
    report = inspect_image(image.make(tmp_path), RUNNER)
    found = predict_all(report)
    assert {f"{one.virt}-{one.boot}": one.outcome for one in found} == broken.grid
    for one in found:
        if one.outcome is not WILL:
            texts = "; ".join(reason.text for reason in one.reasons)
            assert broken.says in texts
            assert one.reason


def test_without_ssh_it_boots_and_the_reason_of_the_next_step_is_told(tmp_path: Path) -> None:
    image = Foreign()
    del image.files["/usr/sbin/sshd"]
    found = predict_all(inspect_image(image.make(tmp_path), RUNNER))
    assert {one.outcome for one in found} == {WILL}
    assert {one.reason for one in found} == {
        "it has no SSH server: the step guest-ssh will not pass"
    }


def test_a_destroyed_partition_table_leaves_nothing_to_boot(tmp_path: Path) -> None:
    path = Foreign().make(tmp_path)
    with path.open("r+b") as file:
        file.write(bytes(64 * 512))
        file.seek(DISK_SIZE - 64 * 512)
        file.write(bytes(64 * 512))
    assert grid_of(path) == only(ALL, WILL_NOT)


def test_a_table_of_which_only_the_backup_is_left_is_no_table_for_a_guest(tmp_path: Path) -> None:
    path = Foreign().make(tmp_path)
    with path.open("r+b") as file:
        file.seek(512)
        file.write(bytes(512))
    report = inspect_image(path, RUNNER)
    assert "primary GPT is damaged" in report.disk.damage
    assert {one.outcome for one in predict_all(report)} == {WILL_NOT}


def test_an_image_cut_short_says_so(tmp_path: Path) -> None:
    path = Foreign().make(tmp_path)
    with path.open("r+b") as file:
        file.truncate(20 << 20)
    report = inspect_image(path, RUNNER)
    assert "is the image cut short?" in report.disk.damage
    assert {one.outcome for one in predict_all(report)} == {WILL_NOT}


def test_an_mbr_cut_short_names_the_partition(tmp_path: Path) -> None:
    root = Foreign().make_root(tmp_path).read_bytes()
    path = tmp_path / "mbr.img"
    path.write_bytes(bytes(1 << 20) + root)
    RUNNER.run(Command.of("sfdisk", "-q", path), stdin=b"label: dos\nstart=2048, type=83\n")
    assert inspect_image(path, RUNNER).root is not None
    with path.open("r+b") as file:
        file.truncate(20 << 20)
    assert "partition 1 reaches past the end" in inspect_image(path, RUNNER).disk.damage


def test_one_file_system_boots_directly_only(tmp_path: Path) -> None:
    path = Foreign().make_root(tmp_path)
    report = inspect_image(path, RUNNER)
    assert report.root is not None
    assert report.root.partition == 0
    found = {f"{one.virt}-{one.boot}": one.outcome for one in predict_all(report)}
    # Both of Xen's boot loaders read a bare file system; no firmware does.
    assert found == expected(hvm_bios=WILL_NOT, hvm_uefi=WILL_NOT)


def test_links_and_long_links_are_followed(tmp_path: Path) -> None:
    image = Foreign()
    kernel = image.files.pop(KERNEL)
    long = "/boot/" + "a-very-long-folder-name/" * 4 + "kernel"
    image.files[long] = kernel
    image.links[KERNEL] = long
    report = inspect_image(image.make(tmp_path), RUNNER)
    assert report.pygrub.kernel is not None
    assert report.pygrub.kernel.path == long


def test_what_is_packed_or_converted_is_the_same_disk(tmp_path: Path) -> None:
    path = Foreign().make(tmp_path)
    data = path.read_bytes()
    (tmp_path / "a.gz").write_bytes(gzip.compress(data, 1))
    (tmp_path / "a.xz").write_bytes(lzma.compress(data, preset=0))
    (tmp_path / "a.bz2").write_bytes(bz2.compress(data, 1))
    RUNNER.run(Command.of("zstd", "-q", "-1", path, "-o", tmp_path / "a.zst"))
    for kind in ("qcow2", "vmdk"):
        argv = ("qemu-img", "convert", "-O", kind, path, tmp_path / f"a.{kind}")
        RUNNER.run(Command.of(*argv))
    for ending in ("gz", "xz", "bz2", "zst", "qcow2", "vmdk"):
        report = inspect_image(tmp_path / f"a.{ending}", RUNNER)
        assert (report.packed or report.format) == ending
        assert report.size == DISK_SIZE
        assert {one.outcome for one in predict_all(report)} == {WILL}


def damaged(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    sound = Foreign().make(tmp_path)
    if name in {"cut.qcow2", "cut.vmdk", "cut.vdi", "cut.vhdx"}:
        kind = path.suffix.removeprefix(".")
        RUNNER.run(Command.of("qemu-img", "convert", "-O", kind, sound, path))
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2)
    elif name == "cut.gz":
        data = gzip.compress(sound.read_bytes(), 1)
        path.write_bytes(data[: len(data) // 2])
    elif name == "cut.zst":
        RUNNER.run(Command.of("zstd", "-q", "-1", sound, "-o", path))
        path.write_bytes(path.read_bytes()[:-2000])
    elif name == "overlay.qcow2":
        argv = ("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", sound, path)
        RUNNER.run(Command.of(*argv))
    elif name == "flat.vmdk":
        options = ("-o", "subformat=monolithicFlat")
        RUNNER.run(Command.of("qemu-img", "convert", "-O", "vmdk", *options, sound, path))
    elif name == "tree.tar":
        RUNNER.run(Command.of("tar", "-C", tmp_path, "-cf", path, "tree"))
    elif name == "letter.txt":
        path.write_text("Dear reader,\n" * 3)
    elif name == "empty.img":
        path.touch()
    elif name == "odd.img":
        path.write_bytes(bytes(2_000_001))
    elif name == "folder.img":
        path.mkdir()
    return path


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cut.qcow2", "is damaged or cut short"),
        ("cut.vmdk", "is damaged or cut short"),
        ("cut.vdi", "is cut short"),
        ("cut.vhdx", "is no image that can be read"),
        ("cut.gz", "is damaged or cut short"),
        ("cut.zst", "is damaged or cut short"),
        ("overlay.qcow2", "is only an overlay"),
        ("flat.vmdk", "is only a description"),
        ("tree.tar", "is a tar archive"),
        ("letter.txt", "too little for a disk"),
        ("empty.img", "is empty"),
        ("odd.img", "no whole number of sectors"),
        ("folder.img", "is a directory"),
        ("nothing.img", "there is no file"),
    ],
)
def test_what_is_no_image_is_refused(name: str, says: str, tmp_path: Path) -> None:
    path = damaged(tmp_path, name)
    with pytest.raises(UsageError) as caught:
        inspect_image(path, RUNNER)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert main(["image", "inspect", str(path)]) == 2


def test_a_disk_that_is_too_big_is_refused_packed_or_not(tmp_path: Path) -> None:
    path = Foreign().make(tmp_path)
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(path.read_bytes(), 1))
    for one in (path, packed):
        with pytest.raises(UsageError, match="more than 32 MiB"):
            inspect_image(one, RUNNER, limit=32 << 20)


def test_the_command_shows_grid_and_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = Foreign()
    image.esp = {}
    path = image.make(tmp_path)
    assert main(["image", "inspect", str(path)]) == 0
    out = capsys.readouterr().out
    assert "hvm, uefi: will not: its EFI system partition has no" in out
    assert "pv, direct: " not in out
    assert main(["image", "inspect", str(path), "--json"]) == 0
    out = capsys.readouterr().out
    assert '"outcome": "will not"' in out
    assert f'"release": "{RELEASE}"' not in out


def test_a_host_that_lacks_something_changes_the_prediction(tmp_path: Path) -> None:
    report = inspect_image(Foreign().make(tmp_path), RUNNER)
    able = set(HostFlag) - {HostFlag.PYGRUB}
    assert predict(report, Virt.PV, Boot.PYGRUB, capabilities=able).outcome is WILL_NOT
    assert predict(report, Virt.PV, Boot.DIRECT, capabilities=able).outcome is WILL
    with pytest.raises(ValueError, match="no pv guest booted by bios"):
        predict(report, Virt.PV, Boot.BIOS)


def test_kernel_args_of_a_flight_count(tmp_path: Path) -> None:
    image = Foreign()
    image.files["/boot/grub/grub.cfg"] = menu(consoles="quiet").encode()
    report = inspect_image(image.make(tmp_path), RUNNER)
    found = predict(report, Virt.HVM, Boot.BIOS, kernel_args="console=ttyS0")
    assert found.outcome is WILL


# -- import ---------------------------------------------------------------------------------


def imported(path: Path, tmp_path: Path, size: Size | None = None, sha256: str = "") -> Image:
    cache = ImageCache(tmp_path / "cache", shutil.rmtree)
    source = ImageSource(location=str(path), sha256=sha256)
    return ensure_import(source, cache=cache, runner=RUNNER, size=size)


def test_an_import_is_the_same_disk_and_its_source_is_not_touched(tmp_path: Path) -> None:
    path = Foreign().make(tmp_path)
    path.chmod(0o444)
    before = path.stat()
    image = imported(path, tmp_path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert image.path.read_bytes() == path.read_bytes()
    assert (path.stat().st_mtime_ns, path.stat().st_mode) == (before.st_mtime_ns, before.st_mode)
    found = image.manifest
    assert (found.root_partition, found.root_offset, found.seedable) == (3, ROOT_AT, True)
    assert found.kernel is not None
    assert found.initrd is not None
    assert (found.kernel.path, found.initrd.path) == (KERNEL, INITRD)
    assert found.kernel.sha256 == hashlib.sha256(Foreign().files[KERNEL]).hexdigest()
    assert (found.menu_path, found.menu) == ("/boot/grub/grub.cfg", menu())
    assert found.data_bytes < DISK_SIZE
    assert sorted(one.name for one in image.directory.iterdir()) == ["manifest.json", "root.img"]


def test_an_import_is_done_once_for_each_size(tmp_path: Path) -> None:
    path = Foreign().make(tmp_path)
    one, again = imported(path, tmp_path), imported(path, tmp_path)
    assert one == again
    bigger = imported(path, tmp_path, Size(64 << 20))
    assert bigger.directory != one.directory
    assert bigger.manifest.image_size == 64 << 20
    assert bigger.manifest.spec["grown_to"] == 64 << 20
    assert {one.outcome for one in predict_all(inspect_image(bigger.path, RUNNER))} == {WILL}


def test_a_qcow2_image_is_imported_as_raw(tmp_path: Path) -> None:
    path = Foreign().make(tmp_path)
    packed = tmp_path / "a.qcow2"
    RUNNER.run(Command.of("qemu-img", "convert", "-O", "qcow2", path, packed))
    image = imported(packed, tmp_path)
    assert image.path.read_bytes() == path.read_bytes()
    assert image.manifest.spec["format"] == "qcow2"


def test_an_import_without_a_readable_root_can_only_boot_by_itself(tmp_path: Path) -> None:
    path = Foreign(root_fs="btrfs").make(tmp_path)
    found = imported(path, tmp_path).manifest
    assert (found.root_partition, found.root_offset, found.seedable) == (3, ROOT_AT, False)
    assert (found.kernel, found.initrd, found.menu) == (None, None, "")


@pytest.mark.parametrize("name", ["cut.qcow2", "cut.gz", "tree.tar", "empty.img", "nothing.img"])
def test_a_bad_image_is_a_fault_of_the_lab_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    path = damaged(tmp_path, name)
    with pytest.raises(LabError, match=name):
        imported(path, tmp_path)
    cache = tmp_path / "cache"
    left = [one for one in cache.iterdir() if one.suffix != ".lock"] if cache.exists() else []
    assert left == []


def test_an_image_bigger_than_the_disk_is_refused(tmp_path: Path) -> None:
    path = Foreign().make(tmp_path)
    with pytest.raises(LabError, match="36 MiB, more than 32 MiB"):
        imported(path, tmp_path, Size(32 << 20))
