"""What `xenflight images list` and `prune` show. Imported when they run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from harness.guest.builder import ImageBuilder
from harness.guest.cache import Entry, ImageCache
from harness.remote.local import LocalRunner
from harness.units import Size, human_seconds, human_size

_DAY = 24 * 3600


def image_cache(root: Path | None = None) -> ImageCache:
    """The images of this user."""
    return ImageBuilder(LocalRunner(), root=root).cache


def list_table(entries: Sequence[Entry], now: datetime) -> Table:
    """A line for each image. *now* is an aware time."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("key", "dist", "arch", "layout", "kernel"):
        table.add_column(column, no_wrap=True)
    for column in ("size", "data", "disk", "age", "last use"):
        table.add_column(column, no_wrap=True, justify="right")
    for entry in entries:
        facts = describe(entry)
        words = [facts["dist"], facts["arch"], facts["layout"], facts["kernel"]]
        sizes = [facts["size"], facts["data"], facts["disk"]]
        table.add_row(
            Text(entry.directory.name, style="" if entry.image else "bold magenta"),
            *(Text(word or "") for word in words),
            *("" if size is None else human_size(size) for size in sizes),
            _ago(facts["built"], now),
            _ago(facts["last_use"], now),
        )
    return table


def list_text(entries: Sequence[Entry]) -> str:
    """How much all of it takes, and what is wrong with some of it."""
    if not entries:
        return "there are no images yet; `xenflight images build FLIGHT` makes those of a flight"
    total = human_size(sum(entry.disk for entry in entries))
    count = f"{len(entries)} image{'s' if len(entries) > 1 else ''}"
    lines = [f"\n{count}, {total} on the disk"]
    lines += [
        f"{entry.directory.name} is damaged, and will be built anew: {entry.problem}"
        for entry in entries
        if not entry.image
    ]
    return "\n".join(lines)


def describe(entry: Entry) -> dict[str, Any]:
    """One image as values that JSON knows, but for the times. Sizes in bytes."""
    manifest = entry.image.manifest if entry.image else None
    spec = manifest.spec if manifest else {}
    return {
        "key": entry.directory.name,
        "builder": spec.get("builder"),
        "dist": spec.get("dist") or spec.get("location"),
        "arch": spec.get("arch"),
        "layout": spec.get("layout"),
        "kernel": spec.get("kernel"),
        "size": manifest.image_size if manifest else None,
        "data": manifest.data_bytes if manifest else None,
        "disk": entry.disk,
        "built": entry.built,
        "last_use": entry.last_use,
        "problem": entry.problem,
    }


def to_json(entries: Sequence[Entry]) -> str:
    """All of it."""
    return json.dumps([describe(entry) for entry in entries], indent=2, default=_plain)


def pruned_text(gone: Sequence[Entry], *, dry_run: bool) -> str:
    """What went, or would."""
    if not gone:
        return "nothing to remove"
    freed = human_size(Size(sum(entry.disk for entry in gone)))
    keys = ", ".join(entry.directory.name for entry in gone)
    return f"{'would remove' if dry_run else 'removed'} {len(gone)}, {freed}: {keys}"


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _ago(moment: datetime, now: datetime) -> str:
    seconds = max(0.0, (now - moment).total_seconds())
    return f"{seconds / _DAY:.0f} d" if seconds >= 2 * _DAY else human_seconds(seconds)
