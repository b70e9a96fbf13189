"""What is otherwise in the packages of a flight's images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.results.layout import FlightDirectory
from harness.results.model import FlightResult, ImageFacts
from harness.site.changes import Change, kind_of

_VERSIONS: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])
_MOST = 4 << 20
"""Bytes of a file that is looked at."""


def package_changes(
    then: FlightResult, now: FlightResult, folders: Sequence[Path | None]
) -> dict[str, list[Change]]:
    """By kind of image the packages that are not the same; *folders*: of both flights.

    Only of images that both flights had, and whose packages are known in both.
    """
    old, new = _by_kind(then), _by_kind(now)
    found: dict[str, list[Change]] = {}
    for kind in [kind for kind in new if kind in old]:
        if old[kind].key == new[kind].key:
            continue
        before, after = _versions(folders[0], old[kind].key), _versions(folders[1], new[kind].key)
        if before and after and (changes := _differences(before, after)):
            found[kind] = changes
    return found


def _by_kind(flight: FlightResult) -> Mapping[str, ImageFacts]:
    """The images of which there is only one of its kind."""
    kinds = [kind_of(image) for image in flight.images]
    return {
        kind: image
        for kind, image in zip(kinds, flight.images, strict=True)
        if kinds.count(kind) == 1
    }


def _versions(folder: Path | None, key: str) -> dict[str, str]:
    """Name and version of each package; nothing when it is not known."""
    try:
        file = FlightDirectory(folder).packages(key) if folder else None
        if file is None or file.is_symlink() or file.stat().st_size > _MOST:
            return {}
        return _VERSIONS.validate_json(file.read_bytes())
    except (OSError, ValueError, ValidationError):
        return {}


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    return [
        Change(what=name, then=old.get(name, ""), now=new.get(name, ""))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
