"""The site as a directory."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import LabError, UsageError
from harness.site.pages.kit import Output
from harness.site.site import Site

MARKER = ".xenflight-site"
"""Says that a directory is ours to replace."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was written. *size*: bytes."""

    index: Path
    files: int
    size: int


def write_site(site: Site, out: Path) -> Written:
    """Write the site to *out*, whole or not at all; one that stands there is replaced.

    `UsageError` when something else stands there; `LabError` when it can't be written.
    """
    _refuse_others(out)
    fresh = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        written = _write_all(site, fresh)
        _replace(fresh, out)
    except OSError as error:
        msg = f"cannot write the site to {out}: {error.strerror or error}"
        raise LabError(msg) from error
    finally:
        with suppress(OSError):
            shutil.rmtree(fresh)
    return Written(index=out / "index.html", files=written.files, size=written.size)


def _refuse_others(out: Path) -> None:
    if out.is_symlink():
        msg = f"{out} is a link: name the directory that it leads to"
        raise UsageError(msg)
    if out.exists() and not out.is_dir():
        msg = f"{out} is there already, and is no directory"
        raise UsageError(msg)
    if out.resolve() in (Path.cwd(), *Path.cwd().parents):
        # It is replaced whole, and whoever stands in it would stand nowhere.
        msg = f"{out} is where you are: a site cannot take its place"
        raise UsageError(msg, hint="name a new directory with --out")
    if out.is_dir() and any(out.iterdir()) and not (out / MARKER).is_file():
        msg = f"{out} is no site of xenflight's, and is not empty: nothing was written"
        raise UsageError(msg, hint="name a new directory with --out")


def _write_all(site: Site, folder: Path) -> Written:
    folder.mkdir(parents=True)
    (folder / MARKER).touch()
    files, size = 0, 0
    made: set[Path] = set()
    for output in site.outputs():
        file = folder / output.path
        if file.parent not in made:
            file.parent.mkdir(parents=True, exist_ok=True)
            made.add(file.parent)
        size += _write(output, file)
        files += 1
    return Written(index=folder, files=files, size=size)


def _write(output: Output, file: Path) -> int:
    if isinstance(output.body, bytes):
        file.write_bytes(output.body)
        return len(output.body)
    shutil.copyfile(output.body, file)
    return file.stat().st_size


def _replace(fresh: Path, out: Path) -> None:
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    if out.exists():
        out.rename(old)
    try:
        fresh.rename(out)
    except OSError:
        with suppress(OSError):
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)
