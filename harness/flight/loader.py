"""Reads flight files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.flight.cells import Cell
from harness.flight.extends import load_extended
from harness.flight.layers import base_settings, mirror_spec
from harness.flight.matrix import expand
from harness.flight.model import Flight
from harness.flight.schema import FlightModel
from harness.flight.validate import validate
from harness.flight.yamlfile import Document


@dataclass(frozen=True, kw_only=True)
class LoadedFlight:
    """A flight, and where in its file each thing was said."""

    flight: Flight
    cells: tuple[Cell, ...]
    document: Document


def load_flight(path: Path, *, huge: bool = False) -> Flight:
    """The flight in *path*. `UsageError` tells all that is wrong with the file, line by line;
    it refuses a matrix of very many cells, unless *huge*."""
    return load_with_places(path, huge=huge).flight


def load_with_places(path: Path, *, huge: bool = False) -> LoadedFlight:
    """The same, with what is needed to point at lines afterwards."""
    document = load_extended(path)
    model = validate(FlightModel, document)
    cells = expand(model, document, huge=huge)
    flight = Flight(
        name=model.flight,
        description=model.description,
        mirror=mirror_spec(base_settings(model.mirror)["mirror"]),
        hosts=tuple(model.hosts),
        jobs=tuple(cell.job for cell in cells),
        source=str(path),
    )
    return LoadedFlight(flight=flight, cells=cells, document=document)
