"""From a flight file to its jobs, in the order of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from harness.errors import UsageError
from harness.flight.axes import REQUIRED_AXES
from harness.flight.cells import (
    Cell,
    axes_of,
    bad_overrides,
    bad_stripes,
    name_taken,
    without_effect,
)
from harness.flight.layers import Condition, Settings, base_settings, given, job_of, merged
from harness.flight.naming import Naming, job_name
from harness.flight.problems import Finding, InputErrors
from harness.flight.rules import why_impossible
from harness.flight.schema import FlightModel
from harness.flight.stripe import Cell as AxisValues
from harness.flight.stripe import count, product, stripe
from harness.flight.yamlfile import Document, KeyPath

MAX_CELLS = 100_000
"""A matrix of more is most likely a slip; it is expanded only for one who insists."""


def expand(model: FlightModel, document: Document, *, huge: bool = False) -> tuple[Cell, ...]:
    """All jobs: the matrix first, its last axis changing fastest, then the explicit ones.

    Jobs that cannot run, by a rule or because they are excluded, are among them, with the
    reason as their ``skip``. `InputErrors` names both lines for every job whose name is already
    taken, and every ``exclude`` and override without effect. `UsageError` for more than
    `MAX_CELLS` cells, unless *huge*.
    """
    findings = [*bad_stripes(model, document), *bad_overrides(model, document)]
    if findings:
        raise InputErrors(findings)
    _refuse_huge(model, document, huge=huge)
    cells: dict[str, Cell] = {}
    taken: list[Finding] = []
    for cell in _Expansion(model, document).cells():
        first = cells.setdefault(cell.job.name, cell)
        if first is not cell:
            taken.append(name_taken(cell, first, document))
    findings = [*dict.fromkeys(taken), *without_effect(model, document, cells.values())]
    if findings:
        raise InputErrors(findings)
    return tuple(cells.values())


@dataclass(frozen=True, kw_only=True)
class _Change:
    """An entry of ``overrides`` or ``exclude``."""

    path: KeyPath
    where: Condition
    settings: Settings
    reason: str = ""


class _Expansion:
    """Makes cells out of a flight."""

    def __init__(self, model: FlightModel, document: Document) -> None:
        self._model = model
        self._document = document
        own = given(model.defaults, document, ("defaults",))
        self._base = merged(base_settings(model.mirror), own)
        self._axes = axes_of(model)
        self._naming = Naming(self._axes, self._base)
        self._overrides = [
            _Change(
                path=("overrides", i, "set"),
                where=Condition.of(entry.where),
                settings=given(entry.set, document, ("overrides", i, "set")),
            )
            for i, entry in enumerate(model.overrides)
        ]
        self._excludes = [
            _Change(
                path=("exclude", i),
                where=Condition.of(entry.where),
                settings={},
                reason=entry.reason,
            )
            for i, entry in enumerate(model.exclude)
        ]

    def cells(self) -> Iterator[Cell]:
        for values in self._assignments():
            yield self._make({}, values, ("matrix",))
        for index, job in enumerate(self._model.jobs):
            path: KeyPath = ("jobs", index)
            yield self._make(given(job, self._document, path), {}, path)

    def _assignments(self) -> Iterator[AxisValues]:
        striped = self._model.stripe
        if not self._axes:
            return iter(())
        if not striped:
            return product(self._axes)
        matter = self._matter()
        return stripe(self._axes, striped, self._possible(matter), matter)

    def _matter(self) -> frozenset[str]:
        """The axes on which it can depend whether a cell runs: what rules and conditions see."""
        changes = (*self._overrides, *self._excludes)
        seen = {name for change in changes for name in change.where.wanted}
        ruled = ("builder", "kernel", "layout", "disk_format", "swap", "devices")
        return frozenset({*seen, *REQUIRED_AXES, *ruled})

    def _possible(self, matter: frozenset[str]) -> Callable[[AxisValues], bool]:
        """Whether a cell can run. Many cells differ only in what does not matter."""
        keys = [axis for axis in self._axes if axis in matter]
        known: dict[tuple[object, ...], bool] = {}

        def possible(values: AxisValues) -> bool:
            key = tuple(values[axis] for axis in keys)
            if key not in known:
                known[key] = not self._make({}, values, ("matrix",)).job.skip
            return known[key]

        return possible

    def _make(self, own: Settings, values: AxisValues, origin: KeyPath) -> Cell:
        """The cell with *values* of the matrix, or with an explicit job's *own* settings,
        which win over overrides."""
        lower = {**self._base, **values}
        settings = merged(lower, own) if own else lower
        layers: list[KeyPath] = [("defaults",)]
        for change in self._overrides:
            if change.where.matches(settings):
                layers.append(change.path)
                lower = merged(lower, change.settings)
                settings = merged(lower, own) if own else lower
        excludes = [change for change in self._excludes if change.where.matches(settings)]
        suffix = self._naming.suffix(values) if values else settings["variant"]
        dist, arch, virt, boot = (settings[axis] for axis in REQUIRED_AXES)
        name = job_name(settings["suite"], dist, arch, virt, boot, suffix)
        job = job_of(settings, name, excludes[0].reason if excludes else "")
        if not excludes:
            reason = why_impossible(job)
            job = replace(job, skip=reason) if reason else job
        paths = tuple(change.path for change in excludes)
        return Cell(job=job, origin=origin, layers=(*layers, origin), excluded=paths)


def _refuse_huge(model: FlightModel, document: Document, *, huge: bool) -> None:
    axes = axes_of(model)
    cells = count(axes, model.stripe) if axes else 0
    if cells > MAX_CELLS and not huge:
        sizes = " x ".join(f"{len(v)} {axis}" for axis, v in axes.items() if len(v) > 1)
        msg = f"the matrix has {cells:,} cells ({sizes}); more than {MAX_CELLS:,} are refused"
        raise UsageError(
            msg, hint="--yes makes them all the same", place=document.place(("matrix",), key=True)
        )
