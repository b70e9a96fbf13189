"""The file systems that can be read without mounting them: ext by debugfs, FAT by mtools."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from datetime import timedelta
from pathlib import PurePosixPath

from harness.errors import DeadlineExceeded, TooMuchOutput
from harness.preflight.files import Node, NoTree, Tree, UnreadableError
from harness.preflight.model import FileSystem, Partition
from harness.preflight.opened import RawImage
from harness.preflight.tools import look
from harness.remote.command import CommandResult, Runner

EXT = frozenset({"ext2", "ext3", "ext4"})
FAT = frozenset({"vfat", "msdos"})
_TIMEOUT = timedelta(minutes=1)
_MOST = 512 << 20
"""Bytes of the biggest file that is read: no kernel or initramfs is bigger."""
_LINK_LENGTH = 4096
_ROOT_INODE = "<2>"

# debugfs(8), ls -p: /inode/mode/uid/gid/name/size/
_LINE = re.compile(r"/(?P<inode>\d+)/(?P<mode>[0-7]+)/\d+/\d+/(?P<name>[^/]*)/(?P<size>\d*)/")
_FAST_LINK = re.compile(r'^Fast link dest: "(?P<target>.*)"$', re.MULTILINE | re.DOTALL)
_EMPTY = 'File "::/" not found'
"""What mdir says of a file system with nothing in it."""
_BANNER = re.compile(r"debugfs \d.*")


def tree_of(image: RawImage, partition: Partition, runner: Runner) -> Tree:
    """The files of a partition; a `NoTree`, which says why, when they cannot be read."""
    fs = partition.fs
    if fs is None:
        return NoTree("there is no file system in it")
    if fs.problem:
        return NoTree(fs.problem)
    if fs.type in EXT:
        return ExtTree(image, partition.start, runner)
    if fs.type in FAT:
        return FatTree(image, partition.start, runner)
    return NoTree(f"no tool here reads {fs.type} without mounting it")


def looked_into(image: RawImage, partition: Partition, runner: Runner) -> FileSystem | None:
    """Its file system, with what is only known once it is opened: features, and problems."""
    fs = partition.fs
    if fs is None or fs.problem:
        return fs
    try:
        tree = tree_of(image, partition, runner)
        tree.entries(tree.top)
        features = tree.features() if isinstance(tree, ExtTree) else ()
        return FileSystem(type=fs.type, uuid=fs.uuid, label=fs.label, features=features)
    except UnreadableError as error:
        return FileSystem(type=fs.type, uuid=fs.uuid, label=fs.label, problem=str(error))


def _bounded(runner: Runner, *argv: object) -> CommandResult:
    """Run a program on the image. Who made that may want it to go on for ever, and fill the memory
    with what it says: a directory that is in itself does both."""
    try:
        return look(runner, *argv, check=False, timeout=_TIMEOUT)
    except (DeadlineExceeded, TooMuchOutput) as error:
        msg = f"{argv[0]} does not come to an end with it; it may contain itself"
        raise UnreadableError(msg) from error


class ExtTree:
    """ext2, ext3 and ext4, by debugfs(8), which opens them read-only.

    Everything is found by inode number, so a file's name never stands in a command.
    """

    def __init__(self, image: RawImage, offset: int, runner: Runner) -> None:
        self._device = f"{image.path}?offset={offset}" if offset else str(image.path)
        self._scratch = image.directory / "file"
        self._runner = runner
        self._listed: dict[str, Mapping[str, Node]] = {}

    @property
    def top(self) -> Node:
        """Its root directory."""
        return Node(key=_ROOT_INODE, mode=stat.S_IFDIR, size=0)

    def entries(self, directory: Node) -> Mapping[str, Node]:
        """What is in a directory, asked for once."""
        if directory.key not in self._listed:
            said = self._ask(f"ls -p {directory.key}").stdout
            self._listed[directory.key] = {
                match["name"]: Node(
                    key=f"<{match['inode']}>",
                    mode=int(match["mode"], 8),
                    size=int(match["size"] or 0),
                )
                for match in _LINE.finditer(said)
                if match["name"] not in {".", ".."}
            }
        return self._listed[directory.key]

    def content(self, file: Node) -> bytes:
        """All of a file, by way of a scratch file: output of commands is text."""
        if file.size > _MOST:
            msg = f"a file of {file.size} bytes is too big to look into"
            raise UnreadableError(msg)
        self._scratch.unlink(missing_ok=True)
        self._ask(f"dump {file.key} {self._scratch}")
        try:
            return self._scratch.read_bytes()
        except FileNotFoundError as error:
            msg = f"debugfs did not give out inode {file.key}"
            raise UnreadableError(msg) from error

    def target(self, link: Node) -> str:
        """Where a symbolic link leads: in the inode itself, or in a block when it is long."""
        if found := _FAST_LINK.search(self._ask(f"stat {link.key}").stdout):
            return found["target"]
        if link.size > _LINK_LENGTH:
            msg = f"a symbolic link of {link.size} bytes leads nowhere"
            raise UnreadableError(msg)
        return self._ask(f"cat {link.key}").stdout

    def features(self) -> tuple[str, ...]:
        """Those of the superblock."""
        said = self._ask("features").stdout
        return tuple(said.partition(":")[2].split())

    def _ask(self, request: str) -> CommandResult:
        result = _bounded(self._runner, "debugfs", "-R", request, self._device)
        # debugfs ends with 0 whatever happens; what it complains of stands on stderr.
        wrong = [
            line
            for line in result.stderr.splitlines()
            if line.strip() and not _BANNER.fullmatch(line)
        ]
        if wrong:
            msg = wrong[0].strip().replace(self._device, "it")
            raise UnreadableError(msg)
        return result


class FatTree:
    """FAT, by mtools(1). Names are in small letters: FAT does not tell them apart."""

    def __init__(self, image: RawImage, offset: int, runner: Runner) -> None:
        self._device = f"{image.path}@@{offset}"
        self._scratch = image.directory / "fat-file"
        self._runner = runner
        self._paths: dict[str, Mapping[str, Node]] | None = None

    @property
    def top(self) -> Node:
        """Its root directory."""
        return Node(key="/", mode=stat.S_IFDIR, size=0)

    def entries(self, directory: Node) -> Mapping[str, Node]:
        """What is in a directory; the whole tree is listed once."""
        if self._paths is None:
            self._paths = self._list()
        return self._paths.get(directory.key, {})

    def content(self, file: Node) -> bytes:
        """All of a file."""
        self._scratch.unlink(missing_ok=True)
        self._run("mcopy", "-n", "-i", self._device, f"::{file.key}", self._scratch)
        if not self._scratch.is_file() or self._scratch.stat().st_size > _MOST:
            msg = f"mcopy did not give out {file.key!r}, or it is too big to look into"
            raise UnreadableError(msg)
        return self._scratch.read_bytes()

    def target(self, link: Node) -> str:
        """FAT has no links."""
        msg = f"{link.key} is no symbolic link"
        raise UnreadableError(msg)

    def _list(self) -> dict[str, Mapping[str, Node]]:
        argv = ("mdir", "-/", "-b", "-a", "-i", self._device, "::/")
        try:
            said = self._run(*argv).stdout
        except UnreadableError as error:
            if str(error).endswith(_EMPTY):
                return {}
            raise
        tree: dict[str, dict[str, Node]] = {}
        for line in said.splitlines():
            real = line.strip().removeprefix("::")
            place = PurePosixPath(real)
            mode = stat.S_IFDIR if real.endswith("/") else stat.S_IFREG
            node = Node(key=str(place), mode=mode, size=0)
            tree.setdefault(str(place.parent), {})[place.name.lower()] = node
        return dict(tree)

    def _run(self, *argv: object) -> CommandResult:
        result = _bounded(self._runner, *argv)
        if not result.ok:
            said = (result.stderr.strip().splitlines() or ["mtools gave no reason"])[0]
            raise UnreadableError(said.replace(self._device, "it"))
        return result
