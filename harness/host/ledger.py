"""The leak ledger: two censuses of a host compared, and each difference told with its owner.

What is ours and still there is a leak, whether or not it was there before: our things bear our
marks, so they cannot be somebody else's. All else that appeared, or went, is told and not judged;
nothing is ever removed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.host.census import Census, Entry, Kind
from harness.host.kept import KEPT
from harness.host.owners import Owner, Owners, Whose
from harness.storage.names import tag_value

MOST_LINES = 25
"""Of one section of the text."""
MOST_NAMED = 3
"""Things named in one sentence."""
# What somebody would miss. Processes end, files come and go, and the rest follows from these.
_MISSED = frozenset({Kind.DOMAIN, Kind.VOLUME, Kind.LOOP, Kind.NBD, Kind.MOUNT, Kind.PCI})
# Arguments and paths of others are theirs, and results are read by many.
_PRIVATE = frozenset({Kind.PROCESS})

Owned = tuple[Entry, Owner]
Mine = Callable[[Owner], bool]
"""Whether what has that owner should be gone by now."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A quantity of the host, before and after; see `harness.host.figures`."""

    name: str
    text: str
    leak: str = ""
    """What of it is missing and ours; empty when none is, or when nobody can tell."""


@dataclass(frozen=True, kw_only=True)
class Reckoning:
    """What came of a comparison. Each list in the order of kinds."""

    left: tuple[Owned, ...]
    """Ours, and should be gone."""
    kept: tuple[Owned, ...] = ()
    """Ours, left on purpose: its operator asked to keep a guest."""
    stays: tuple[Owned, ...] = ()
    """Appeared, and is the host's from now on: golden volumes."""
    appeared: tuple[Owned, ...] = ()
    """Appeared, and is not ours."""
    gone: tuple[Owned, ...] = ()
    """Was there before, was not ours, and would be missed."""
    figures: tuple[Figure, ...] = ()

    @property
    def leaked(self) -> bool:
        """Whether anything of ours is left that should not be."""
        return bool(self.left) or any(figure.leak for figure in self.figures)

    @property
    def leaks(self) -> str:
        """It in one sentence's part; empty when there is none."""
        parts = [named(self.left)] if self.left else []
        return "; ".join([*parts, *(figure.leak for figure in self.figures if figure.leak)])

    @property
    def remarks(self) -> str:
        """What else should be known, in one line; empty when that is nothing."""
        parts = [f"kept for its operator: {named(self.kept)}"] if self.kept else []
        stays = [pair for pair in self.stays if pair[0].kind is Kind.VOLUME]
        parts += [f"stays for later flights: {named(stays)}"] if stays else []
        told = [pair for pair in self.appeared if pair[1].whose in (Whose.NOBODY, Whose.DOMAIN)]
        parts += [f"appeared meanwhile, not ours: {named(told)}"] if told else []
        parts += [f"gone meanwhile, not ours: {named(self.gone)}"] if self.gone else []
        return "; ".join(parts)

    @property
    def text(self) -> str:
        """All of it for people: a section for each kind of owner; empty when nothing differs."""
        return "\n".join(self._sections())

    def _sections(self) -> Iterator[str]:
        nobodys = [one for one in self.appeared if one[1].whose is Whose.NOBODY]
        domains = [one for one in self.appeared if one[1].whose is Whose.DOMAIN]
        yield from _section("left behind, ours:", "+", self.left)
        yield from (f"  ! {figure.leak}" for figure in self.figures if figure.leak)
        yield from _section("kept for its operator:", "=", self.kept)
        yield from _section("stays on the host for later flights:", "=", self.stays)
        yield from _section("appeared meanwhile, of domains that are not ours:", "+", domains)
        yield from _section("appeared meanwhile, of nobody known:", "+", nobodys)
        yield from _section("gone meanwhile, not ours:", "-", self.gone)
        yield from self._of_flights()
        yield from (f"{figure.name}: {figure.text}" for figure in self.figures)

    def _of_flights(self) -> Iterator[str]:
        """How many things of other jobs and flights came: they are at work, that is all."""
        whose = (Whose.JOB, Whose.FLIGHT, Whose.OTHERS)
        counts = Counter(
            f"{owner.whose} {owner.name}".strip()
            for _, owner in self.appeared
            if owner.whose in whose
        )
        if counts:
            told = ", ".join(f"{count} of {name}" for name, count in sorted(counts.items()))
            yield f"appeared meanwhile, of others at work here: {told}"


def reckon(before: Census | None, after: Census, owners: Owners, mine: Mine, run: str) -> Reckoning:
    """Compare *before* (None: nobody knows) and *after*; what is left of *mine* is a leak.

    Guests of *run* that are kept are told apart by the tags of their volumes.
    """
    kept_jobs = _kept_jobs(after, run)
    left: list[Owned] = []
    kept: list[Owned] = []
    stays: list[Owned] = []
    appeared: list[Owned] = []
    known = {entry.key for entry in before.entries} if before else None
    for entry in sorted(after.entries, key=lambda entry: entry.place):
        owner = owners.of(entry)
        new = known is not None and entry.key not in known
        if mine(owner):
            is_kept = owner.whose is Whose.JOB and owner.name in kept_jobs
            (kept if is_kept else left).append((entry, owner))
        elif new:
            (stays if owner.whose is Whose.HOST else appeared).append((entry, owner))
    if kept_jobs and mine(Owner(Whose.FLIGHT, run)):
        left, more = _needed_by_kept(left)
        kept += more
    return Reckoning(
        left=tuple(left),
        kept=tuple(kept),
        stays=tuple(stays),
        appeared=tuple(appeared),
        gone=tuple(_gone(before, after, owners)) if before else (),
    )


def named(owned: Sequence[Owned]) -> str:
    """The first few of them by name, and how many more there are."""
    names = [f"{entry.kind} {entry.name}" for entry, _ in owned[:MOST_NAMED]]
    more = len(owned) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _kept_jobs(census: Census, run: str) -> set[str]:
    return {
        job
        for volume in census.volumes
        if KEPT in volume.tags and tag_value(volume.tags, "run") == run
        if (job := tag_value(volume.tags, "job")) is not None
    }


def _needed_by_kept(left: Iterable[Owned]) -> tuple[list[Owned], list[Owned]]:
    """What of a flight's own stays with a kept guest: the files that tell that it was here."""
    found: tuple[list[Owned], list[Owned]] = ([], [])
    for entry, owner in left:
        files = entry.kind is Kind.FILE and owner.whose is Whose.FLIGHT
        found[files].append((entry, owner))
    return found


def _gone(before: Census, after: Census, owners: Owners) -> Iterator[Owned]:
    there = {entry.key for entry in after.entries}
    for entry in sorted(before.entries, key=lambda entry: entry.place):
        owner = owners.of(entry)
        others = owner.whose in (Whose.NOBODY, Whose.DOMAIN)
        if others and entry.kind in _MISSED and entry.key not in there:
            yield entry, owner


def _section(title: str, sign: str, owned: Sequence[Owned]) -> Iterator[str]:
    if not owned:
        return
    yield title
    for entry, owner in owned[:MOST_LINES]:
        private = entry.kind in _PRIVATE and owner.whose in (Whose.NOBODY, Whose.DOMAIN)
        shown = f"{entry.kind} {entry.name}" if private else str(entry)
        yield f"  {sign} {shown}" + (f", {_of(owner)}" if _of(owner) else "")
    if len(owned) > MOST_LINES:
        yield f"  {sign} and {len(owned) - MOST_LINES} more"


def _of(owner: Owner) -> str:
    match owner.whose:
        case Whose.JOB:
            return f"of {owner.name}"
        case Whose.DOMAIN:
            return f"of domain {owner.name}"
        case Whose.FLIGHT:
            return "of the flight"
        case _:
            return owner.name
