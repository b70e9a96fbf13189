"""What a UEFI guest's loader would boot: GRUB's menu, or systemd-boot's entries."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, replace

from harness.preflight.choices import Chooser
from harness.preflight.esp import FALLBACK
from harness.preflight.files import names, read_text
from harness.preflight.model import Choice, EfiLoader, Esp

_ENTRIES = "/loader/entries"


def fallback_loader(esp: Esp | None) -> EfiLoader | None:
    """The program that OVMF starts in a guest it has not seen before; None without one."""
    found = (loader for loader in esp.loaders if loader.path == FALLBACK) if esp else iter(())
    return next(found, None)


def uefi_choice(chooser: Chooser, esp: Esp | None) -> Choice:
    """What the loader in the ESP would take."""
    loader = fallback_loader(esp)
    if loader is None or esp is None:
        return chooser.grub()
    if loader.kind == "systemd-boot":
        return _systemd_boot(chooser, esp)
    if loader.kind in {"GRUB", "shim"}:
        return chooser.grub()
    why = f"{loader.path} is {loader.kind!r}; what it would boot is not known here"
    return Choice(menu="", doubt=why)


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A boot loader entry of type 1 (UAPI.1)."""

    name: str
    fields: dict[str, list[str]]

    def one(self, key: str) -> str:
        """The last value of a field; empty without it."""
        return (self.fields.get(key) or [""])[-1]


def _systemd_boot(chooser: Chooser, esp: Esp) -> Choice:
    """systemd-boot(7). Where its order of entries is not plain, that is a doubt."""
    tree = chooser.trees[esp.partition]
    entries = [
        _Entry(name=name, fields=_fields(read_text(tree, f"{_ENTRIES}/{name}") or ""))
        for name in names(tree, _ENTRIES)
        if name.endswith(".conf")
    ]
    choice = Choice(menu=_ENTRIES, partition=esp.partition)
    if not entries:
        return replace(choice, doubt="systemd-boot has no entries of the kind that is known here")
    pattern = _fields(read_text(tree, "/loader/loader.conf") or "").get("default", ["*"])[-1]
    wanted = [entry for entry in entries if fnmatch.fnmatch(entry.name, pattern.lower())]
    doubt = "" if len(wanted) == 1 else "it has several entries; the last one was looked at"
    entry = (wanted or entries)[-1]
    choice = replace(choice, title=entry.one("title"), args=entry.one("options"), doubt=doubt)
    return _files(chooser, esp, entry, choice)


def _files(chooser: Chooser, esp: Esp, entry: _Entry, choice: Choice) -> Choice:
    path = entry.one("linux").lower()
    if not path:
        return replace(choice, doubt=f"{entry.name} names no `linux` kernel")
    kernel = chooser.kernel(esp.partition, path)
    if kernel is None:
        return replace(choice, broken=f"there is no {path} in the EFI system partition")
    initrd = entry.one("initrd").lower()
    found = chooser.initrd(esp.partition, initrd) if initrd else None
    if initrd and found is None:
        return replace(choice, kernel=kernel, broken=f"there is no {initrd} beside it")
    return replace(choice, kernel=kernel, initrd=found)


def _fields(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        if key and not key.startswith("#"):
            found.setdefault(key, []).append(value.strip())
    return found
