"""What each boot loader would take from the image: its menu, and the kernel that names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from harness.preflight import menu, pygrub
from harness.preflight.files import Tree, UnreadableError, exists, read_bytes, read_text
from harness.preflight.initrd import read_initrd
from harness.preflight.kernel import newest_kernel, read_kernel
from harness.preflight.model import Choice, Disk, Initrd, Kernel, Partition
from harness.preflight.opened import RawImage
from harness.remote.command import Runner

# Debian's grub-xen-host: the menu built into grub-*-xen*.bin (debian/grub-xen-host_grub.cfg).
PVGRUB_MENUS = ("/boot/grub/grub.cfg", "/grub/grub.cfg")
GRUB_MENUS = (*PVGRUB_MENUS, "/boot/grub2/grub.cfg", "/grub2/grub.cfg")
_CHAINED = ("/boot/xen/pvboot-x86_64.elf", "/xen/pvboot-x86_64.elf")
# What libfsimage opens (tools/libfsimage), but for ext, which it leaves to e2fsprogs.
PYGRUB_READS = frozenset(
    {"ext2", "ext3", "ext4", "vfat", "msdos", "xfs", "reiserfs", "iso9660", "ufs", "zfs_member"}
)


@dataclass(kw_only=True)
class Chooser:
    """Looks into the file systems of one image. Each kernel and initramfs is read once."""

    image: RawImage
    runner: Runner
    disk: Disk
    trees: Mapping[int, Tree]
    _kernels: dict[tuple[int, str], Kernel | None] = field(default_factory=dict)
    _initrds: dict[tuple[int, str], Initrd | None] = field(default_factory=dict)

    def grub(self, paths: tuple[str, ...] = GRUB_MENUS) -> Choice:
        """What GRUB would boot whose menu is at one of *paths*, in the first place it is found."""
        for path in paths:
            for part in self._readable():
                if exists(self.trees[part.number], path):
                    return self._from_grub(part, path)
        return self._no_menu()

    def pvgrub(self) -> Choice:
        """What Debian's GRUB for Xen guests would boot."""
        for path in _CHAINED:
            for part in self._readable():
                if exists(self.trees[part.number], path):
                    msg = "it brings a GRUB of its own for Xen, which is not looked into"
                    return Choice(menu=path, partition=part.number, doubt=msg)
        return self.grub(PVGRUB_MENUS)

    def pygrub(self) -> Choice:
        """What pygrub would boot: of the first partition, as they are numbered, that has it."""
        refused = ""
        for part in self._pygrub_order():
            fs = part.fs
            if fs is None or fs.type not in PYGRUB_READS:
                continue
            if fs.problem:
                return Choice(
                    menu="",
                    doubt=f"pygrub may read {part}, but it cannot be read here: {fs.problem}",
                )
            choice = self._from_pygrub(part)
            if choice is not None and (not choice.broken or choice.kernel or choice.title):
                return choice
            refused = choice.broken if choice is not None else refused
        return Choice(menu="", broken=refused or self._no_pygrub_menu())

    def direct(self, root: int | None) -> Choice:
        """What a toolstack would be given: the default of the menu, else the newest kernel."""
        choice = self.grub()
        if choice.kernel is not None:
            return replace(choice, broken="", doubt="")
        numbers = [part.number for part in self._readable()]
        numbers.sort(key=lambda number: number != root)
        for number in numbers:
            for folder in ("/boot", ""):
                if found := self._newest(number, folder):
                    return found
        if any(part.fs and part.fs.problem for part in self.disk.partitions):
            return Choice(
                menu="", doubt=f"no kernel was found where files can be read: {self._why()}"
            )
        return Choice(menu="", broken="there is no kernel in the image")

    def _newest(self, number: int, folder: str) -> Choice | None:
        tree = self.trees[number]
        path = newest_kernel(tree, folder or "/")
        kernel = self.kernel(number, path) if path else None
        if kernel is None or path is None:
            return None
        release = kernel.release or path.partition("vmlinuz-")[2]
        for name in (f"initrd.img-{release}", f"initramfs-{release}.img", f"initrd-{release}"):
            if initrd := self.initrd(number, f"{folder}/{name}"):
                return Choice(menu="", partition=number, kernel=kernel, initrd=initrd)
        return Choice(menu="", partition=number, kernel=kernel)

    def _from_grub(self, part: Partition, path: str) -> Choice:
        tree = self.trees[part.number]
        folder = path.rpartition("/")[0]
        text = read_text(tree, path) or ""
        found = menu.parse_menu(text, read_text(tree, f"{folder}/grubenv") or "")
        entry, doubt = found.chosen()
        choice = Choice(menu=path, partition=part.number, doubt=doubt)
        if entry is None:
            if found.bls:
                why = "its menu is made of boot loader entries (blscfg), which are not followed"
                return replace(choice, doubt=why)
            return replace(choice, broken=f"{path} has no menuentry")
        choice = replace(choice, title=entry.title, args=entry.args)
        if not entry.kernel or "$" in entry.kernel:
            why = f"the entry {entry.title!r} loads {entry.kernel or 'no kernel by `linux`'}"
            return replace(choice, doubt=f"{why}, which is not followed")
        home, doubt = self._home(entry, found, part)
        initrd = entry.initrds[-1] if entry.initrds else ""
        loaded = self._loaded(choice, home, entry.kernel, initrd)
        return replace(loaded, doubt="; ".join(filter(None, (loaded.doubt, doubt))))

    def _home(
        self, entry: menu.Entry, found: menu.GrubMenu, part: Partition
    ) -> tuple[Partition, str]:
        """Where the entry's files are: what GRUB's $root is then. And a doubt."""
        if entry.device:
            digits = "".join(c for c in entry.device.rpartition(",")[2] if c in "0123456789")
            there = [one for one in self.disk.partitions if str(one.number) == digits.lstrip("0")]
            return (there or [part])[0], f"the kernel's path names the device ({entry.device})"
        for search, own in ((entry.search, True), (found.search, False)):
            if search is None:
                continue
            if there := self._search(search):
                return there[0], ""
            if own:
                return part, f"the menu looks for a file system that is not there: {search}"
        return part, ""

    def _search(self, search: menu.Search) -> list[Partition]:
        if search.by == "file":
            return [p for p in self._readable() if exists(self.trees[p.number], search.value)]
        found = []
        for part in self.disk.partitions:
            if part.fs:
                value = part.fs.uuid if search.by == "fs-uuid" else part.fs.label
                if value and value.lower() == search.value.lower():
                    found.append(part)
        return found

    def _from_pygrub(self, part: Partition) -> Choice | None:
        """Its choice in one partition; None when it finds no menu there."""
        tree = self.trees[part.number]
        path = next((path for path in pygrub.MENUS if exists(tree, path)), "")
        other = next((path for path in pygrub.OTHER_MENUS if exists(tree, path)), "")
        if not path:
            if not other:
                return None
            doubt = "menus of that kind are not followed here"
            return Choice(menu=other, partition=part.number, title=other, doubt=doubt)
        choice = Choice(menu=path, partition=part.number)
        try:
            entry = pygrub.choose(read_bytes(tree, path) or b"")
        except pygrub.PygrubError as error:
            return replace(choice, broken=f"pygrub gives up on {path}: {error}")
        choice = replace(choice, title=entry.title, args=entry.args)
        return self._loaded(choice, part, entry.kernel, entry.initrd)

    def _loaded(self, choice: Choice, home: Partition, kernel: str, initrd: str) -> Choice:
        """*choice*, with the files of those names."""
        if home.fs is not None and home.fs.problem:
            return replace(choice, doubt=f"its kernel is in {home}, unread: {home.fs.problem}")
        if home.number not in self.trees:
            return replace(choice, broken=f"{home} has no file system")
        found = self.kernel(home.number, kernel)
        if found is None:
            return replace(choice, broken=f"there is no {kernel} in {home}")
        unpacks = self.initrd(home.number, initrd) if initrd else None
        if initrd and unpacks is None:
            return replace(choice, kernel=found, broken=f"there is no {initrd} in {home}")
        return replace(choice, kernel=found, initrd=unpacks)

    def kernel(self, number: int, path: str) -> Kernel | None:
        """The kernel at *path* in that partition."""
        key = (number, path)
        if key not in self._kernels:
            tree = self.trees[number]
            self._kernels[key] = read_kernel(self.image, tree, number, path, self.runner)
        return self._kernels[key]

    def initrd(self, number: int, path: str) -> Initrd | None:
        """The initramfs at *path* in that partition."""
        key = (number, path)
        if key not in self._initrds:
            tree = self.trees[number]
            self._initrds[key] = read_initrd(self.image, tree, number, path, self.runner)
        return self._initrds[key]

    def _readable(self) -> list[Partition]:
        return [
            part
            for part in self.disk.partitions
            if part.fs is not None and not part.fs.problem and part.number in self.trees
        ]

    def _pygrub_order(self) -> list[Partition]:
        parts = list(self.disk.partitions)
        if self.disk.table == "dos":
            parts = [part for part in parts if part.number <= pygrub.MOST_PARTITIONS]
        return parts

    def _no_menu(self) -> Choice:
        if why := self._why():
            return Choice(menu="", doubt=f"no grub.cfg was found where files can be read: {why}")
        return Choice(menu="", broken="there is no grub.cfg in the image")

    def _no_pygrub_menu(self) -> str:
        fs = {part.fs.type for part in self.disk.partitions if part.fs and part.fs.type}
        unread = sorted(fs - PYGRUB_READS)
        if unread:
            return (
                f"no menu in a file system that pygrub reads (it does not read {', '.join(unread)})"
            )
        return "there is no boot menu in the image"

    def _why(self) -> str:
        """Which partitions could not be looked into."""
        bad = [part for part in self.disk.partitions if part.fs and part.fs.problem]
        return "; ".join(f"{part}: {part.fs.problem}" for part in bad if part.fs)


def unreadable(error: UnreadableError) -> Choice:
    """For an image with damage in the middle of its files."""
    return Choice(menu="", doubt=f"its files cannot all be read: {error}")
