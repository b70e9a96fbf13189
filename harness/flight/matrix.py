"""From the axes of a flight file to its jobs, in the order of the file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from harness.flight.axes import Arch, Boot, Dist, Virt
from harness.flight.model import DEFAULT_TIMEOUTS, JobSpec
from harness.flight.problems import Finding, InputErrors
from harness.flight.schema import FlightModel, Overrides
from harness.flight.yamlfile import Document, KeyPath


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A job, and what part of the file it comes from."""

    job: JobSpec
    origin: KeyPath


def job_name(
    suite: str, dist: Dist, arch: Arch, virt: Virt, boot: Boot, variant: str | None
) -> str:
    """The name of a job, like osstest's: stable, since history is kept under it."""
    return "-".join([suite, dist, arch, virt, boot, *([variant] if variant else [])])


def expand(model: FlightModel, document: Document) -> tuple[Cell, ...]:
    """All jobs: the matrix first, its last axis changing fastest, then the explicit ones.

    `InputErrors` names both lines for every job whose name is already taken.
    """
    cells: dict[str, Cell] = {}
    findings: list[Finding] = []
    for cell in _cells(model):
        first = cells.setdefault(cell.job.name, cell)
        if first is not cell:
            taken = document.place(first.origin, key=True)
            text = f"the job {cell.job.name} is already made by {taken}; give one a 'variant'"
            findings.append(document.finding(text, cell.origin, key=True))
    if findings:
        raise InputErrors(findings)
    return tuple(cells.values())


def _cells(model: FlightModel) -> Iterator[Cell]:
    if model.matrix:
        axes = model.matrix
        for dist, arch, virt, boot in itertools.product(axes.dist, axes.arch, axes.virt, axes.boot):
            job = _job((model.defaults,), dist, arch, virt, boot, None)
            yield Cell(job=job, origin=("matrix",))
    for index, cell in enumerate(model.jobs):
        layers = (model.defaults, cell)
        job = _job(layers, cell.dist, cell.arch, cell.virt, cell.boot, cell.variant)
        yield Cell(job=job, origin=("jobs", index))


def _job(
    layers: tuple[Overrides, ...],
    dist: Dist,
    arch: Arch,
    virt: Virt,
    boot: Boot,
    variant: str | None,
) -> JobSpec:
    """A job from its layers: what a later one gives wins; timeouts win phase by phase."""
    final = _merged(layers)
    return JobSpec(
        name=job_name(final.suite, dist, arch, virt, boot, variant),
        suite=final.suite,
        dist=dist,
        arch=arch,
        virt=virt,
        boot=boot,
        variant=variant,
        memory=final.memory,
        vcpus=final.vcpus,
        disk=final.disk,
        kernel_args=final.kernel_args,
        packages=tuple(final.packages),
        timeouts={**DEFAULT_TIMEOUTS, **final.timeouts},
    )


def _merged(layers: tuple[Overrides, ...]) -> Overrides:
    given: dict[str, object] = {}
    timeouts = {phase: t for layer in layers for phase, t in layer.timeouts.items()}
    for layer in layers:
        names = layer.model_fields_set & set(Overrides.model_fields)
        given |= {name: getattr(layer, name) for name in names}
    return Overrides().model_copy(update={**given, "timeouts": timeouts})
