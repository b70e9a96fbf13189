"""Makes the tables in ``harness/grub/data`` out of Debian packages.

::

    python -m harness.grub.table                 # fetches the packages with apt
    python -m harness.grub.table FILE.deb ...    # takes these, and leaves the other tables
    python -m harness.grub.table --check         # changes nothing; 1 if anything would change

A table names its package, the package's version and the file in it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from harness.errors import LabError, XenflightError
from harness.grub import documents
from harness.grub.documents import Options
from harness.grub.packages import Package, fetch, look_at, read
from harness.remote.command import Runner
from harness.remote.local import LocalRunner

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where one table comes from. *version* is how the package's version begins."""

    name: str
    suite: str
    package: str
    version: str = ""
    pattern: str
    reader: Callable[[str], Options]


def _man(name: str, package: str, page: str) -> Source:
    return Source(
        name=f"userland-{name}",
        suite="bookworm",
        package=package,
        pattern=f"usr/share/man/man7/{page}.7.gz",
        reader=documents.man_options,
    )


def _xen(version: str, suite: str) -> Source:
    return Source(
        name=f"xen-{version}",
        suite=suite,
        package="xen-doc",
        version=version,
        pattern="usr/share/doc/xen/html/misc/xen-command-line.html",
        reader=documents.xen_options,
    )


def _linux(version: str, suite: str) -> Source:
    return Source(
        name=f"linux-{version}",
        suite=suite,
        package=f"linux-doc-{version}",
        pattern="usr/share/doc/*/Documentation/admin-guide/kernel-parameters.txt.gz",
        reader=documents.linux_options,
    )


def _grub(name: str, package: str, pattern: str, reader: Callable[[str], Options]) -> Source:
    return Source(
        name=f"grub-{name}", suite="bookworm", package=package, pattern=pattern, reader=reader
    )


SOURCES = (
    _xen("4.17", "bookworm"),
    _xen("4.20", "trixie"),
    _linux("6.1", "bookworm"),
    _linux("6.12", "trixie"),
    _man("initramfs-tools", "initramfs-tools-core", "initramfs-tools"),
    _man("dracut", "dracut-core", "dracut.cmdline"),
    _man("systemd", "systemd", "kernel-command-line"),
    _man("live-boot", "live-boot-doc", "live-boot"),
    _grub("pc", "grub-pc-bin", "usr/lib/grub/i386-pc/command.lst", documents.grub_commands),
    _grub(
        "efi",
        "grub-efi-amd64-bin",
        "usr/lib/grub/x86_64-efi/command.lst",
        documents.grub_commands,
    ),
    _grub(
        "legacy",
        "grub-legacy-doc",
        "usr/share/info/grub-legacy.info.gz",
        documents.legacy_commands,
    ),
    _grub("mkconfig", "grub-common", "usr/sbin/grub-mkconfig", documents.grub_variables),
    _grub("xen", "grub-common", "etc/grub.d/20_linux_xen", documents.grub_variables),
    _grub(
        "xen-cfg",
        "xen-hypervisor-common",
        "etc/default/grub.d/xen.cfg",
        documents.grub_variables,
    ),
)
_FEWEST = 3
"""Names in the smallest table: fewer, and the document is of another form than was thought."""


def make(source: Source, package: Package, directory: Path, runner: Runner) -> str:
    """The text of one table. `LabError` when the document holds next to nothing."""
    file, text = read(package, source.pattern, directory, runner)
    options = source.reader(text)
    if len(options) < _FEWEST:
        msg = f"{len(options)} names were found in {file} of {package.path.name}"
        raise LabError(msg, hint="its form has changed; see harness/grub/documents.py")
    table = {
        "name": source.name,
        "package": package.name,
        "version": package.version,
        "file": file,
        "options": dict(sorted(options.items())),
    }
    return json.dumps(table, indent=1, ensure_ascii=False) + "\n"


def make_all(packages: Sequence[Package], directory: Path, runner: Runner) -> dict[str, str]:
    """The tables that can be made of *packages*, by name."""
    return {
        source.name: make(source, package, directory, runner)
        for source in SOURCES
        for package in packages
        if package.name == source.package and package.version.startswith(source.version)
    }


def _fetch_all(directory: Path, runner: Runner) -> list[Package]:
    found: list[Package] = []
    for suite, group in groupby(sorted(SOURCES, key=lambda one: one.suite), lambda one: one.suite):
        names = sorted({source.package for source in group})
        print(f"fetching {', '.join(names)} of {suite}", file=sys.stderr)
        found += fetch(suite, names, directory / suite, runner)
    return found


def main(arguments: Sequence[str]) -> int:
    """The command line; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m harness.grub.table")
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.deb")
    options = parser.parse_args(arguments)
    runner = LocalRunner()
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        packages = [look_at(path, runner) for path in options.files]
        tables = make_all(packages or _fetch_all(directory, runner), directory, runner)
    changed = 0
    for name, text in tables.items():
        path = DATA / f"{name}.json"
        same = path.is_file() and path.read_text(encoding="utf-8") == text
        changed += not same
        if not options.check:
            path.write_text(text, encoding="utf-8")
        print(f"{path.name}: {'unchanged' if same else 'differs' if options.check else 'written'}")
    return int(bool(changed and options.check) or not tables)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except XenflightError as error:
        sys.exit(f"error: {error}")
