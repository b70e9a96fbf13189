"""The image cache and the builder's order of doing things, with a stand-in for the tools."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock
from guest_samples import BOOT_IMG, CORE_IMG

from harness.errors import CommandFailed, LabError
from harness.guest.builder import ImageBuilder, Packages, scratch_prefix
from harness.guest.cache import MANIFEST
from harness.guest.grub import boot_sector, core_image
from harness.guest.layout import Layout
from harness.guest.manifest import DamagedImage, dump, load
from harness.guest.spec import ImageSpec
from harness.mirror.mirror import Mirror
from harness.mirror.probe import MirrorSnapshot, Pocket
from harness.remote.command import DEFAULT_TIMEOUT, Command, CommandResult
from harness.remote.local import LocalRunner

SPEC = ImageSpec(dist="bookworm")
DISK = ImageSpec(dist="bookworm", layout=Layout.DISK)
LINES = ("I: running apt-get update...", "I: creating tarball...")


@dataclass
class FakeTools:
    """mmdebstrap and mke2fs, without their work; `rm` is real."""

    kernels: tuple[str, ...] = ("vmlinuz-6.1",)
    missing: bool = False
    complaints: tuple[str, ...] = ()
    unremovable: Path | None = None
    core: bytes = CORE_IMG
    on_build: Callable[[], None] = lambda: None
    builds: int = 0
    sources: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, command: Command, *, timeout: timedelta = DEFAULT_TIMEOUT) -> CommandResult:
        words = command.argv
        if words[-1] == str(self.unremovable):
            return result(command, exit_status=1).check()
        if "rm" in words:
            return LocalRunner().run(Command(words[words.index("rm") :]))
        if self.missing:
            return result(command, exit_status=127).check()
        if "sh" in words:
            directory, size, *_, table = words[words.index("sh", words.index("-ec")) + 1 :]
            self._make_image(Path(directory), int(size), partitions=bool(table))
        return result(command)

    def run_with_lines(
        self,
        command: Command,
        on_line: Callable[[str], None],
        timeout: timedelta = DEFAULT_TIMEOUT,
    ) -> CommandResult:
        with self.lock:
            self.builds += 1
        self.sources = [word for word in command.argv if word.startswith("deb ")]
        for line in (*LINES, *self.complaints):
            on_line(line)
        if self.complaints:
            return result(command, exit_status=25).check()
        Path(command.env["TMPDIR"], "mmdebstrap.x").mkdir()
        self.on_build()
        return result(command)

    def _make_image(self, directory: Path, size: int, *, partitions: bool) -> None:
        with (directory / "root.img").open("wb") as image:
            image.write(b"x" * 8192)
            image.truncate(size)
        (directory / "boot").mkdir()
        for name in (*self.kernels, "initrd.img-6.1"):
            (directory / "boot" / name).write_bytes(name.encode())
        (directory / "packages").write_text("udev 252 amd64\nbase-files 12.4 amd64\n")
        (directory / "menu").write_text("the menu\n")
        if partitions:
            (directory / "parts").mkdir()
            (directory / "parts" / "boot.img").write_bytes(BOOT_IMG)
            (directory / "parts" / "core.img").write_bytes(self.core)


def result(command: Command, exit_status: int = 0) -> CommandResult:
    return CommandResult(
        command=command,
        where="localhost",
        exit_status=exit_status,
        stdout="mmdebstrap 1.3.5\n",
        stderr="mke2fs 1.47.0 (5-Feb-2023)\n",
        duration=timedelta(seconds=1),
    )


def packages(sha: str = "aa") -> Packages:
    pockets = tuple(
        Pocket(
            name=name,
            suite=suite,
            url="http://m.example/debian",
            origin="Debian",
            codename=suite,
            date=datetime(2026, 8, 1, tzinfo=UTC),
            valid_until=None,
            sha256=sha,
            expired=name == "security",
        )
        for name, suite in (("main", "bookworm"), ("security", "bookworm-security"))
    )
    return Packages(
        mirror=Mirror.from_url("http://m.example/debian"),
        snapshot=MirrorSnapshot(pockets=pockets, omitted=("updates",)),
        accept_expired=True,
    )


def test_an_image_is_built_once_and_then_found(tmp_path: Path) -> None:
    tools = FakeTools()
    builder = ImageBuilder(tools, root=tmp_path)
    one, other = builder.ensure(SPEC, packages()), builder.ensure(SPEC, packages())
    assert one == other
    assert tools.builds == 1
    assert sorted(path.name for path in one.directory.iterdir()) == ["manifest.json", "root.img"]


def test_the_manifest_tells_what_went_in(tmp_path: Path) -> None:
    manifest = ImageBuilder(FakeTools(), root=tmp_path).ensure(SPEC, packages()).manifest
    assert manifest.packages == {"udev": "252", "base-files": "12.4"}
    assert manifest.kernel
    assert manifest.kernel.path == "/boot/vmlinuz-6.1"
    assert manifest.initrd
    assert manifest.initrd.name == "initrd.img-6.1"
    assert manifest.mirror["omitted"] == ["updates"]
    assert manifest.mirror["expired"] == ["security"]
    assert manifest.data_bytes == 8192
    assert manifest.tools["mke2fs"] == "mke2fs 1.47.0 (5-Feb-2023)"


def test_a_bare_image_is_its_root_file_system_and_has_a_menu(tmp_path: Path) -> None:
    manifest = ImageBuilder(FakeTools(), root=tmp_path).ensure(SPEC, packages()).manifest
    assert (manifest.root_partition, manifest.root_offset) == (0, 0)
    assert (manifest.menu, manifest.menu_path) == ("the menu\n", "/boot/grub/grub.cfg")


def test_a_disk_gets_its_boot_loader_and_tells_where_its_root_is(tmp_path: Path) -> None:
    image = ImageBuilder(FakeTools(), root=tmp_path).ensure(DISK, packages())
    assert (image.manifest.root_partition, image.manifest.root_offset) == (3, 16 << 20)
    data = image.path.read_bytes()
    assert data[:440] == boot_sector(BOOT_IMG)
    assert data[440:512] == b"x" * 72, "the partition table of the first sector stays"
    assert data[1 << 20 : (1 << 20) + len(CORE_IMG)] == core_image(CORE_IMG)
    assert sorted(path.name for path in image.directory.iterdir()) == ["manifest.json", "root.img"]


def test_a_disk_whose_boot_loader_is_none_is_not_an_image(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"not GRUB's core\.img"):
        ImageBuilder(FakeTools(core=b"?" * 2048), root=tmp_path).ensure(DISK, packages())
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == []


def test_only_the_probed_pockets_are_used(tmp_path: Path) -> None:
    tools = FakeTools()
    ImageBuilder(tools, root=tmp_path).ensure(SPEC, packages())
    assert [line.split()[-2] for line in tools.sources] == ["bookworm", "bookworm-security"]
    assert all("check-valid-until=no" in line for line in tools.sources)


def test_another_state_of_the_mirror_is_another_image(tmp_path: Path) -> None:
    tools = FakeTools()
    builder = ImageBuilder(tools, root=tmp_path)
    keys = {builder.ensure(SPEC, packages(sha)).manifest.key for sha in ("aa", "bb")}
    assert len(keys) == tools.builds == 2


def test_progress_goes_from_mmdebstrap_to_done(tmp_path: Path) -> None:
    said: list[tuple[str, float | None]] = []
    builder = ImageBuilder(FakeTools(), root=tmp_path)
    builder.ensure(SPEC, packages(), lambda text, fraction=None: said.append((text, fraction)))
    assert said[0][0] == "reading package lists"
    assert said[-1] == ("done", 1.0)


def damage_manifest(directory: Path) -> None:
    path = directory / MANIFEST
    path.write_text(path.read_text().replace("12.4", "12.5"))


def damage_size(directory: Path) -> None:
    with (directory / "root.img").open("ab") as image:
        image.write(b"x")


def damage_content(directory: Path) -> None:
    with (directory / "root.img").open("r+b") as image:
        image.write(b"y")


def lose_image(directory: Path) -> None:
    (directory / "root.img").unlink()


def lose_manifest(directory: Path) -> None:
    (directory / MANIFEST).unlink()


@pytest.mark.parametrize(
    "damage", [damage_manifest, damage_size, damage_content, lose_image, lose_manifest]
)
def test_a_damaged_image_is_built_again(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    tools = FakeTools()
    builder = ImageBuilder(tools, root=tmp_path)
    image = builder.ensure(SPEC, packages())
    image.path.chmod(0o644)
    damage(image.directory)
    again = builder.ensure(SPEC, packages())
    assert tools.builds == 2
    with again.path.open("rb") as file:
        assert file.read(2) == b"xx"


class Killed(BaseException):
    """Like KeyboardInterrupt."""


def killed() -> None:
    raise Killed


def test_an_interrupted_build_leaves_nothing(tmp_path: Path) -> None:
    tools = FakeTools(on_build=killed)
    builder = ImageBuilder(tools, root=tmp_path)
    with pytest.raises(Killed):
        builder.ensure(SPEC, packages())
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == []


def test_what_a_killed_build_left_does_not_count_and_is_removed(tmp_path: Path) -> None:
    tools = FakeTools()
    builder = ImageBuilder(tools, root=tmp_path)
    key = builder.ensure(SPEC, packages()).manifest.key
    # As after a kill -9: everything is there but the last rename, and the scratch directory.
    (tmp_path / key).rename(tmp_path / f".{key}.building-x")
    left = Path(tempfile.mkdtemp(prefix=scratch_prefix(tmp_path, key)))
    assert builder.cache.get(key) is None
    builder.ensure(SPEC, packages())
    assert tools.builds == 2
    assert not left.exists()
    assert list(tmp_path.glob(".*.building-*")) == []


def test_a_build_for_another_cache_is_left_alone(tmp_path: Path) -> None:
    key = ImageBuilder(FakeTools(), root=tmp_path / "one").ensure(SPEC, packages()).manifest.key
    theirs = Path(tempfile.mkdtemp(prefix=scratch_prefix(tmp_path / "one", key)))
    try:
        ImageBuilder(FakeTools(), root=tmp_path / "two").ensure(SPEC, packages())
        assert theirs.is_dir()
    finally:
        theirs.rmdir()


def test_a_killed_builds_scratch_that_cannot_be_removed_yet_does_not_matter(tmp_path: Path) -> None:
    tools = FakeTools()
    builder = ImageBuilder(tools, root=tmp_path)
    key = builder.ensure(SPEC, packages()).manifest.key
    damage_manifest(tmp_path / key)
    left = Path(tempfile.mkdtemp(prefix=scratch_prefix(tmp_path, key)))
    tools.unremovable = left
    try:
        assert builder.ensure(SPEC, packages()).manifest.key == key
    finally:
        left.rmdir()


def test_of_many_that_need_an_image_one_builds_and_the_others_wait(tmp_path: Path) -> None:
    first_is_in, others_wait = threading.Event(), threading.Event()

    def hold() -> None:
        first_is_in.set()
        assert others_wait.wait(10)

    tools = FakeTools(on_build=hold)

    def ensure(_: int) -> str:
        def tell(text: str, fraction: float | None = None) -> None:
            if "another process" in text:
                others_wait.set()

        return ImageBuilder(tools, root=tmp_path).ensure(SPEC, packages(), tell).manifest.key

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(ensure, 0)
        assert first_is_in.wait(10)
        rest = [pool.submit(ensure, number) for number in (1, 2)]
        keys = {future.result() for future in (first, *rest)}
    assert len(keys) == 1
    assert tools.builds == 1


def test_pruning_keeps_the_images_used_last_and_any_that_is_being_built(tmp_path: Path) -> None:
    builder = ImageBuilder(FakeTools(), root=tmp_path)
    keys = [builder.ensure(SPEC, packages(sha)).manifest.key for sha in ("aa", "bb", "cc", "dd")]
    for age, key in enumerate(keys):
        os.utime(tmp_path / key / MANIFEST, (1e9 + age, 1e9 + age))
    builder.ensure(SPEC, packages("aa"))  # used again
    with FileLock(tmp_path / f".{keys[1]}.lock"):
        assert builder.cache.prune(2) == [keys[2]]
    assert builder.cache.prune(2) == [keys[1]]
    assert {key for key in keys if builder.cache.get(key)} == {keys[0], keys[3]}
    assert builder.cache.prune(2) == []


def test_two_kernels_in_an_image_are_not_guessed_between(tmp_path: Path) -> None:
    tools = FakeTools(kernels=("vmlinuz-6.1", "vmlinuz-6.2"))
    with pytest.raises(LabError, match=r"one /boot/vmlinuz-\*, but has: vmlinuz-6.1, vmlinuz-6.2"):
        ImageBuilder(tools, root=tmp_path).ensure(SPEC, packages())


def test_a_failed_build_says_why_in_short_and_leaves_nothing(tmp_path: Path) -> None:
    complaint = "E: Unable to locate package no-such-package"
    tools = FakeTools(complaints=(complaint,))
    with pytest.raises(LabError, match=r"bookworm image failed \(mmdebstrap ended with 25\)") as c:
        ImageBuilder(tools, root=tmp_path).ensure(SPEC, packages())
    assert str(c.value).endswith(complaint)
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == []


def test_missing_tools_are_said_with_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="install mmdebstrap") as caught:
        ImageBuilder(FakeTools(missing=True), root=tmp_path).ensure(SPEC, packages())
    assert isinstance(caught.value.__cause__, CommandFailed)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"digest": 1, "format": 2}'])
def test_what_is_no_manifest_is_damage(text: str) -> None:
    with pytest.raises(DamagedImage):
        load(text)


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    manifest = ImageBuilder(FakeTools(), root=tmp_path).ensure(SPEC, packages()).manifest
    assert load(dump(manifest)) == manifest
