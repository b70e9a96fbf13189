"""What the verbs of ``xenflight db`` say, and how they read their options."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rich.console import Console, RenderableType

from harness.cli.storeview import table_of, when
from harness.errors import UsageError
from harness.report.words import plain
from harness.results.belonging import blessing_word, branch_name
from harness.store.about import flight_name
from harness.store.importing import Imported
from harness.store.junit.flight import Said
from harness.store.limits import LONGEST
from harness.store.prune import Prunable
from harness.store.put import Given, Outcome
from harness.store.stats import StoreStats
from harness.units import human_size, parse_duration

_DAYS = re.compile(r"(?P<days>\d{1,5})d")
_TREE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+/-]{0,99}")
_LISTED = 20


def age(text: str) -> timedelta:
    """``365d``, or what a duration may be elsewhere; `UsageError` for anything else."""
    if match := _DAYS.fullmatch(text.strip()):
        return timedelta(days=int(match["days"]))
    try:
        return parse_duration(text)
    except (ValueError, OverflowError) as error:
        msg = f"--older-than: {text!r} is no time; write it as 365d, 36h or 90m"
        raise UsageError(msg) from error


def revisions_given(words: Sequence[str]) -> dict[str, str]:
    """``TREE=REVISION``, as often as it was given; `UsageError` for anything else."""
    found: dict[str, str] = {}
    for word in words:
        tree, equals, revision = word.partition("=")
        if not equals or not _TREE.fullmatch(tree) or not 0 < len(revision) <= LONGEST:
            msg = f"--revision: {word[:80]!r} is no TREE=REVISION, such as xen=4.20.1"
            raise UsageError(msg)
        if found.setdefault(tree, revision) != revision:
            msg = f"--revision: two are given for {tree}"
            raise UsageError(msg)
    return found


def import_said(given: Given, flight: str | None, time: datetime | None, host: str | None) -> Said:
    """What the command line says of JUnit files; `UsageError` for words that can't be."""
    return Said(
        flight=flight_name(flight) if flight else None,
        branch=branch_name(given.branch) if given.branch else None,
        blessing=blessing_word(given.blessing) if given.blessing else None,
        time=time,
        host=branch_name(host) if host else None,
        revisions=given.revisions,
    )


def say_imported(console: Console, errors: Console, done: Imported) -> None:
    """What became of it all; what was refused goes to standard error."""
    counts = [
        f"{done.outcomes[outcome]} {outcome}" for outcome in Outcome if done.outcomes[outcome]
    ]
    total = sum(done.outcomes.values())
    told = f": {', '.join(counts)}" if counts else ""
    console.print(f"{total} flight{'' if total == 1 else 's'}{told}", markup=False)
    for text in done.refused[:_LISTED]:
        errors.print(f"refused: {text}", markup=False, soft_wrap=True)
    if len(done.refused) > _LISTED:
        errors.print(f"and {len(done.refused) - _LISTED} more were refused")


def say_pruning(console: Console, found: Sequence[Prunable], *, done: bool) -> None:
    """Which flights go, or are gone."""
    if not found:
        console.print("nothing is that old, or all of it is needed")
        return
    table = table_of("began", "branch", "flight")
    for flight in found[:_LISTED]:
        table.add_row(when(flight.started), plain(flight.branch), plain(flight.flight_id))
    console.print(table)
    rest = f" ({len(found) - _LISTED} more than are listed)" if len(found) > _LISTED else ""
    count = f"{len(found)} flight{'' if len(found) == 1 else 's'}{rest}"
    said = f"{count} removed" if done else f"{count} would go; say --yes to remove them"
    console.print(said, markup=False)


def stats_view(found: StoreStats) -> Iterator[RenderableType]:
    """A store in numbers."""
    size = human_size(found.bytes)
    yield f"{found.store}: {found.engine}, schema {found.version}, {size}"
    if found.waiting:
        yield f"{found.waiting} kept results wait to be delivered: xenflight db import"
    yield ""
    table = table_of("branch", "flights", "first", "last", "gate opened", right=("flights",))
    for one in found.branches:
        row = (plain(one.branch), str(one.flights), when(one.first), when(one.last))
        table.add_row(*row, str(one.opened))
    yield table
    yield ""
    table = table_of("table", "rows", right=("rows",))
    for name, count in found.rows.items():
        if count:
            table.add_row(name, f"{count:,}")
    yield table
