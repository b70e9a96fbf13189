"""Reads flight files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.flight.matrix import Cell, expand
from harness.flight.model import Flight, MirrorSpec
from harness.flight.schema import FlightModel, validate
from harness.flight.yamlfile import Document, load_document


@dataclass(frozen=True, kw_only=True)
class LoadedFlight:
    """A flight, and where in its file each thing was said."""

    flight: Flight
    cells: tuple[Cell, ...]
    document: Document


def load_flight(path: Path) -> Flight:
    """The flight in *path*. `UsageError` tells all that is wrong with the file, line by line."""
    return load_with_places(path).flight


def load_with_places(path: Path) -> LoadedFlight:
    """The same, with what is needed to point at lines afterwards."""
    document = load_document(path)
    model = validate(FlightModel, document)
    cells = expand(model, document)
    flight = Flight(
        name=model.flight,
        description=model.description,
        mirror=MirrorSpec(
            url=model.mirror.url,
            accept_expired=model.mirror.accept_expired,
            omit=tuple(model.mirror.omit),
        ),
        hosts=tuple(model.hosts),
        jobs=tuple(cell.job for cell in cells),
        source=str(path),
    )
    return LoadedFlight(flight=flight, cells=cells, document=document)
