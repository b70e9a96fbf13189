"""Seeding: the plan, and its doing on a real ext4 file system that e2fsck then looks at."""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import CommandFailed, LabError, UsageError
from harness.guest.debugfs import at_offset
from harness.guest.extents import Extent
from harness.guest.fstab import fstab
from harness.guest.kernel_files import extract_boot_files
from harness.guest.manifest import BootFile, Manifest
from harness.guest.seed import (
    Seed,
    SeedFile,
    SeedLink,
    apply_seed,
    debugfs_errors,
    guest_seed,
    patience,
    seed_plan,
)
from harness.remote.command import Command
from harness.remote.fake import FakeRunner
from harness.remote.local import LocalRunner

RUNNER = LocalRunner()
DEBUGFS = shutil.which("debugfs", path="/usr/sbin:/sbin:/usr/bin:/bin")
needs_debugfs = pytest.mark.skipif(not DEBUGFS, reason="needs e2fsprogs")

HASH = "$2b$04$abcdefghijklmnopqrstuu/ABC.def"
SHADOW = "systemd-network:!*:20779::::::\nroot:*:20779:0:99999:7:::\ndaemon:*:20779::::::\n"
KERNEL = b"kernel" * 5000
INITRD = b"initrd" * 3000


@pytest.fixture
def image(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for name in ("etc/ssh", "etc/systemd/system", "root", "usr/lib", "boot"):
        (tree / name).mkdir(parents=True)
    (tree / "lib").symlink_to("usr/lib")
    (tree / "etc/shadow").write_text(SHADOW)
    (tree / "etc/hostname").write_text("localhost\n")
    (tree / "boot/vmlinuz-6").write_bytes(KERNEL)
    (tree / "boot/initrd.img-6").write_bytes(INITRD)
    path = tmp_path / "disk.img"
    with path.open("wb") as file:
        file.truncate(32 << 20)
    RUNNER.run(Command.of("mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, path))
    return path


def ask(image: Path, request: str) -> str:
    return RUNNER.run(Command.of("debugfs", "-R", request, image)).stdout


def status(image: Path, path: str) -> tuple[str, str, str]:
    text = ask(image, f"stat {path}")
    fields = re.search(r"Mode:\s+(\d+).*?User:\s+(\d+)\s+Group:\s+(\d+)", text, re.DOTALL)
    assert fields, text
    return fields[1], fields[2], fields[3]


def assert_sound(image: Path) -> None:
    RUNNER.run(Command.of("e2fsck", "-fn", image))


SEED = guest_seed(
    host_name="boot-x-123456",
    machine_id="0" * 32,
    authorized_keys=["ssh-ed25519 AAAA one\n", "ssh-ed25519 BBBB two"],
    host_key=b"private\n",
    host_key_pub=b"public\n",
    root_hash=HASH,
    extra=[SeedFile(path="/opt/new/deep/file", content=bytes(range(256)), uid=33, gid=34)],
)


@needs_debugfs
def test_a_guests_seed_is_written_with_owners_and_modes(image: Path) -> None:
    apply_seed(RUNNER, str(image), SEED)
    assert_sound(image)
    assert ask(image, "cat /etc/hostname") == "boot-x-123456\n"
    assert ask(image, "cat /root/.ssh/authorized_keys") == (
        "ssh-ed25519 AAAA one\nssh-ed25519 BBBB two\n"
    )
    assert status(image, "/root/.ssh") == ("0700", "0", "0")
    assert status(image, "/root/.ssh/authorized_keys") == ("0600", "0", "0")
    assert status(image, "/etc/ssh/ssh_host_ed25519_key") == ("0600", "0", "0")
    assert status(image, "/opt/new/deep/file") == ("0644", "33", "34")
    assert status(image, "/opt/new") == ("0755", "0", "0")


@needs_debugfs
def test_only_roots_line_of_the_shadow_changes(image: Path) -> None:
    apply_seed(RUNNER, str(image), SEED)
    assert ask(image, "cat /etc/shadow") == SHADOW.replace("root:*", f"root:{HASH}")
    assert status(image, "/etc/shadow") == ("0640", "0", "42")


@needs_debugfs
def test_binary_content_survives(image: Path, tmp_path: Path) -> None:
    apply_seed(RUNNER, str(image), SEED)
    ask(image, f"dump /opt/new/deep/file {tmp_path}/out")
    assert (tmp_path / "out").read_bytes() == bytes(range(256))


@needs_debugfs
def test_seeding_twice_replaces(image: Path) -> None:
    apply_seed(RUNNER, str(image), SEED)
    apply_seed(RUNNER, str(image), Seed(files=(SeedFile(path="/etc/hostname", content=b"b\n"),)))
    assert_sound(image)
    assert ask(image, "cat /etc/hostname") == "b\n"


@needs_debugfs
def test_links_mask_a_unit_also_where_a_file_was(image: Path) -> None:
    path = "/etc/systemd/system/serial-getty@hvc0.service"
    apply_seed(RUNNER, str(image), Seed(files=(SeedFile(path=path, content=b"x"),)))
    apply_seed(RUNNER, str(image), Seed(links=(SeedLink(path=path, target="/dev/null"),)))
    assert_sound(image)
    assert 'Fast link dest: "/dev/null"' in ask(image, f"stat {path}")


@needs_debugfs
def test_a_directory_that_is_a_link_fails(image: Path) -> None:
    with pytest.raises(LabError, match="/lib"):
        apply_seed(RUNNER, str(image), Seed(files=(SeedFile(path="/lib/x", content=b"x"),)))


@needs_debugfs
def test_a_directory_where_the_file_should_be_fails(image: Path) -> None:
    with pytest.raises(LabError, match=r"seeding .* failed"):
        apply_seed(RUNNER, str(image), Seed(files=(SeedFile(path="/etc/ssh", content=b"x"),)))


@needs_debugfs
def test_a_file_where_a_directory_should_be_fails(image: Path) -> None:
    seed = Seed(files=(SeedFile(path="/etc/hostname/x", content=b"x"),))
    with pytest.raises(LabError, match="seeding"):
        apply_seed(RUNNER, str(image), seed)


@needs_debugfs
def test_no_space_fails(image: Path) -> None:
    seed = Seed(files=(SeedFile(path="/big", content=b"x" * (40 << 20)),))
    with pytest.raises(LabError, match="seeding"):
        apply_seed(RUNNER, str(image), seed)


@needs_debugfs
def test_no_file_system_fails(tmp_path: Path) -> None:
    device = tmp_path / "zeros"
    device.write_bytes(bytes(1 << 20))
    with pytest.raises(LabError, match=r"on localhost: seeding .*Bad magic"):
        apply_seed(RUNNER, str(device), SEED)


@needs_debugfs
def test_an_image_without_root_in_its_shadow_fails(image: Path) -> None:
    apply_seed(
        RUNNER, str(image), Seed(files=(SeedFile(path="/etc/shadow", content=b"daemon:*:1\n"),))
    )
    with pytest.raises(LabError, match="no root in the image"):
        apply_seed(RUNNER, str(image), SEED)


@pytest.mark.parametrize(
    "path", ["relative", "/a b", "/a;b", '/a"b', "/a/../b", "/", "/a/", "/a\nb"]
)
def test_paths_that_debugfs_would_misread_are_refused(path: str) -> None:
    with pytest.raises(UsageError, match="cannot seed"):
        seed_plan(Seed(files=(SeedFile(path=path, content=b""),)))
    with pytest.raises(UsageError, match="cannot seed"):
        seed_plan(Seed(directories=((path, 0o700),)))


def test_a_links_target_is_checked_too() -> None:
    with pytest.raises(UsageError, match="cannot make a link"):
        seed_plan(Seed(links=(SeedLink(path="/a", target="x y"),)))


def test_secrets_are_in_staged_files_and_not_in_the_commands() -> None:
    plan = seed_plan(SEED)
    assert HASH.encode() in plan.staged.values()
    assert HASH not in plan.commands
    assert "private" not in plan.commands
    assert "private" not in repr(SEED.files)


def test_harmless_words_of_debugfs_are_told_from_errors() -> None:
    said = """\
debugfs 1.47.0 (5-Feb-2023)
rm: File not found by ext2_lookup while trying to resolve filename
/nodir: File not found by ext2_lookup
write: Ext2 file already exists
"""
    assert debugfs_errors(said) == [
        "/nodir: File not found by ext2_lookup",
        "write: Ext2 file already exists",
    ]


def manifest_of(kernel: bytes, root_offset: int = 0) -> Manifest:
    def boot_file(name: str, data: bytes) -> BootFile:
        digest = hashlib.sha256(data).hexdigest()
        return BootFile(path=f"/boot/{name}", size=len(data), sha256=digest)

    return Manifest(
        key="abc",
        spec={},
        mirror={},
        tools={},
        packages={},
        kernel=boot_file("vmlinuz-6", kernel),
        initrd=boot_file("initrd.img-6", INITRD),
        root_offset=root_offset,
        image_size=1,
        image_mtime_ns=1,
        extents=(Extent(0, 1),),
        build_seconds=1.0,
    )


@needs_debugfs
def test_boot_files_are_taken_out_once(image: Path, tmp_path: Path) -> None:
    root = str(tmp_path / "boot files")
    files = extract_boot_files(RUNNER, str(image), manifest_of(KERNEL), root)
    assert Path(files.kernel).read_bytes() == KERNEL
    assert Path(files.initrd).read_bytes() == INITRD
    first = Path(files.kernel).stat().st_ino
    assert extract_boot_files(RUNNER, str(image), manifest_of(KERNEL), root) == files
    assert Path(files.kernel).stat().st_ino == first


@needs_debugfs
def test_damaged_boot_files_are_taken_out_again(image: Path, tmp_path: Path) -> None:
    root = str(tmp_path / "boot")
    files = extract_boot_files(RUNNER, str(image), manifest_of(KERNEL), root)
    Path(files.kernel).write_bytes(b"")
    extract_boot_files(RUNNER, str(image), manifest_of(KERNEL), root)
    assert Path(files.kernel).read_bytes() == KERNEL


@needs_debugfs
def test_another_images_kernel_is_refused_and_nothing_is_left(image: Path, tmp_path: Path) -> None:
    root = tmp_path / "boot"
    with pytest.raises(LabError, match="not those that were built") as caught:
        extract_boot_files(RUNNER, str(image), manifest_of(b"another"), str(root))
    assert isinstance(caught.value.__cause__, CommandFailed)
    assert list(root.iterdir()) == []


@needs_debugfs
def test_a_shadow_that_claims_to_be_huge_does_not_fill_the_host(image: Path) -> None:
    # No blocks behind it: a dump writes zeros, on the host.
    RUNNER.run(Command.of("debugfs", "-w", "-R", "sif /etc/shadow size 0x100000000", image))
    with pytest.raises(LabError, match=r"seeding .* failed"):
        apply_seed(RUNNER, str(image), SEED)


@pytest.mark.parametrize("name", ["a b", "a\n0 /dev/zero", "*", "$(touch x)", "..", "a;b", 'a"b'])
@pytest.mark.parametrize("which", ["kernel", "initrd"])
def test_boot_files_with_names_that_a_shell_or_debugfs_reads_otherwise(
    name: str, which: str
) -> None:
    manifest = manifest_of(KERNEL)
    file = BootFile(path=f"/boot/{name}", size=1, sha256="0" * 64)
    changed = (
        replace(manifest, kernel=file) if which == "kernel" else replace(manifest, initrd=file)
    )
    runner = FakeRunner()
    with pytest.raises(LabError, match="not a plain name"):
        extract_boot_files(runner, "/dev/x", changed)
    assert runner.lines == []


# -- a file system that is only a part of the device ---------------------------------------

OFFSET = 3 << 20
BEFORE, BEHIND = b"B" * OFFSET, b"A" * (1 << 20)


@pytest.fixture
def disk(image: Path, tmp_path: Path) -> Path:
    """The file system of *image* with something before and behind it."""
    path = tmp_path / "whole disk.img"
    path.write_bytes(BEFORE + image.read_bytes() + BEHIND)
    return path


def test_a_device_has_the_offset_behind_its_name_only_if_there_is_one() -> None:
    assert at_offset("/dev/vg/x", 0) == "/dev/vg/x"
    assert at_offset("/dev/vg/x", 1048576) == "/dev/vg/x?offset=1048576"


@pytest.mark.parametrize(
    ("offset", "fs"), [(0, "/dev/vg/a b"), (1048576, "/dev/vg/a b?offset=1048576")]
)
def test_seeding_asks_debugfs_for_the_offset_and_sync_for_the_device(offset: int, fs: str) -> None:
    runner = FakeRunner()
    runner.on("debugfs")
    apply_seed(runner, "/dev/vg/a b", SEED, offset)
    (call,) = runner.calls
    assert call.command.argv[3:] == ("seed-disk", "/dev/vg/a b", fs)
    head, _, body = call.command.argv[2].partition("\numask")
    assert head == "dev=$1 fs=$2"
    asked = [line for line in body.splitlines() if re.match(r"\s*debugfs ", line)]
    assert len(asked) == 3
    assert all('"$fs"' in line and "$dev" not in line for line in asked)
    assert 'sync "$dev"' in body


@pytest.mark.parametrize(("offset", "fs"), [(0, "/dev/vg/x"), (OFFSET, "/dev/vg/x?offset=3145728")])
def test_boot_files_are_asked_for_at_the_offset_in_the_manifest(offset: int, fs: str) -> None:
    runner = FakeRunner()
    runner.on("debugfs")
    extract_boot_files(runner, "/dev/vg/x", manifest_of(KERNEL, offset))
    script, name, device, where, *_ = runner.calls[0].command.argv[2:]
    assert (name, device, where) == ("take-boot-files", "/dev/vg/x", fs)
    assert script.startswith("dev=$1 fs=$2 ")
    assert 'debugfs -R "dump $path ${path##*/}" "$fs"' in script


@needs_debugfs
def test_a_seed_at_an_offset_changes_that_file_system_alone(disk: Path, tmp_path: Path) -> None:
    apply_seed(RUNNER, str(disk), SEED, OFFSET)
    data = disk.read_bytes()
    assert data[:OFFSET] == BEFORE
    assert data[-len(BEHIND) :] == BEHIND
    inside = tmp_path / "inside.img"
    inside.write_bytes(data[OFFSET : -len(BEHIND)])
    assert_sound(inside)
    assert ask(inside, "cat /etc/hostname") == "boot-x-123456\n"
    assert ask(inside, "cat /etc/shadow") == SHADOW.replace("root:*", f"root:{HASH}")


@needs_debugfs
@pytest.mark.parametrize("offset", [0, OFFSET - 4096])
def test_a_seed_at_the_wrong_offset_fails_and_changes_nothing(disk: Path, offset: int) -> None:
    before = disk.read_bytes()
    with pytest.raises(LabError, match=r"seeding .*Bad magic"):
        apply_seed(RUNNER, str(disk), SEED, offset)
    assert disk.read_bytes() == before


@needs_debugfs
def test_boot_files_are_taken_out_at_an_offset(disk: Path, tmp_path: Path) -> None:
    root = str(tmp_path / "boot")
    files = extract_boot_files(RUNNER, str(disk), manifest_of(KERNEL, OFFSET), root)
    assert Path(files.kernel).read_bytes() == KERNEL
    assert Path(files.initrd).read_bytes() == INITRD


@needs_debugfs
def test_boot_files_at_another_offset_are_an_error(disk: Path, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot take kernel and initramfs out"):
        extract_boot_files(RUNNER, str(disk), manifest_of(KERNEL), str(tmp_path / "boot"))


def seed_with(swap_device: str | None) -> dict[str, bytes]:
    seed = guest_seed(
        host_name="x",
        machine_id="0" * 32,
        authorized_keys=[],
        host_key=b"",
        host_key_pub=b"",
        root_hash=None,
        swap_device=swap_device,
    )
    return {file.path: file.content for file in seed.files}


def test_only_a_guest_with_swap_gets_another_fstab() -> None:
    assert "/etc/fstab" not in seed_with(None)
    assert seed_with("/dev/xvdb")["/etc/fstab"] == fstab("/dev/xvdb").encode()


def test_all_that_a_seed_writes_is_listed() -> None:
    found = SEED.written
    assert {"/etc/hostname", "/root/.ssh/authorized_keys"} <= set(found)
    assert ("/etc/shadow" in found) is bool(SEED.root_hash)


def test_a_guest_of_a_slow_host_is_patient() -> None:
    (file,) = patience(12)
    assert file.path.startswith("/etc/systemd/system.conf.d/")
    assert b"[Manager]\nDefaultTimeoutStartSec=1080\n" in file.content
    assert b"DefaultDeviceTimeoutSec=1080\n" in file.content


@pytest.mark.parametrize("factor", [0.5, 1])
def test_a_guest_of_an_ordinary_host_is_left_as_it_is(factor: float) -> None:
    assert patience(factor) == ()
