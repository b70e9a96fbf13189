"""The cells of a flight, and what can be wrong with how they come about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from harness.flight.axes import AXES, FREE_AXES, Builder
from harness.flight.model import JobSpec
from harness.flight.problems import Finding
from harness.flight.schema import FlightModel
from harness.flight.yamlfile import Document, KeyPath

_FOR_ONE_BUILDER = {
    "image": Builder.IMPORT,
    "builder_options": Builder.XEN_CREATE_IMAGE,
}
"""Keys that mean something for one builder only."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A job, and what parts of the file it comes from."""

    job: JobSpec
    origin: KeyPath
    layers: tuple[KeyPath, ...]
    """Where its settings stand, the strongest last."""
    excluded: tuple[KeyPath, ...] = ()
    """The excludes that match it."""


def axes_of(model: FlightModel) -> dict[str, list[object]]:
    """The axes that the matrix has, in their own order, with their values."""
    matrix = model.matrix
    if matrix is None:
        return {}
    return {axis: getattr(matrix, axis) for axis in AXES if axis in matrix.model_fields_set}


def bad_stripes(model: FlightModel, document: Document) -> Iterator[Finding]:
    axes = axes_of(model)
    for index, axis in enumerate(model.stripe):
        if axis not in axes:
            text = f"stripe: the matrix has no axis {axis!r}"
            yield document.finding(text, ("stripe", index))


def bad_overrides(model: FlightModel, document: Document) -> Iterator[Finding]:
    several = {axis for axis, values in axes_of(model).items() if len(values) > 1}
    for index, entry in enumerate(model.overrides):
        path: KeyPath = ("overrides", index, "set")
        if not entry.set.model_fields_set:
            yield document.finding("this sets nothing", path)
        for name in FREE_AXES:
            if name in several & entry.set.model_fields_set:
                text = (
                    f"the matrix has several values of {name!r}, which are in the jobs' names; "
                    "exclude what is not meant instead of setting it"
                )
                yield document.finding(text, (*path, name), key=True)


def name_taken(cell: Cell, first: Cell, document: Document) -> Finding:
    name = cell.job.name
    if cell.origin == first.origin:
        text = f"two cells of the matrix have the same name, {name}: their values differ too little"
    else:
        taken = document.place(first.origin, key=True)
        text = f"the job {name} is already made by {taken}; give one a 'variant'"
    return document.finding(text, cell.origin, key=True)


def without_effect(
    model: FlightModel, document: Document, cells: Collection[Cell]
) -> Iterator[Finding]:
    """What was written and changes no job: a misspelt one must not pass in silence."""
    builders: dict[KeyPath, set[Builder]] = defaultdict(set)
    excluded = {path for cell in cells for path in cell.excluded}
    for cell in cells:
        for path in cell.layers:
            builders[path].add(cell.job.builder)
    text = "this matches no job of the flight"
    for index in range(len(model.exclude)):
        if ("exclude", index) not in excluded:
            yield document.finding(text, ("exclude", index, "where"))
    for index in range(len(model.overrides)):
        if ("overrides", index, "set") not in builders:
            yield document.finding(text, ("overrides", index, "where"))
    for path, found in builders.items():
        for name, builder in _FOR_ONE_BUILDER.items():
            if (*path, name) in document.spans and builder not in found:
                text = f"{name!r} is for builder {builder}, and no job here has it"
                yield document.finding(text, (*path, name), key=True)
