"""Where flights, suites and hosts.yaml are.

A folder beside the user comes first, then the copy that an installed package carries, then
the checkout that the package was imported from.
"""

from __future__ import annotations

from pathlib import Path

import harness
from harness.errors import UsageError
from harness.flight.hints import listed, nearest

HOSTS_FILE = "hosts.yaml"
_PACKAGE = Path(harness.__file__).parent


def flights_dir(cwd: Path | None = None) -> Path:
    """The folder with the flight files."""
    return _folder("flights", cwd)


def suites_dir(cwd: Path | None = None) -> Path:
    """The folder with the suites."""
    return _folder("suites", cwd)


def flight_files(folder: Path) -> dict[str, Path]:
    """The flights in *folder* by name, in order.

    hosts.yaml is none, nor are files that begin with an underscore: they are there to be
    extended.
    """
    found = [p for p in folder.glob("[!_]*.yaml") if p.name != HOSTS_FILE]
    return {path.stem: path for path in sorted(found)}


def resolve_flight(text: str, cwd: Path | None = None) -> Path:
    """The file meant by a name such as ``smoke`` or by a path such as ``flights/smoke.yaml``.

    `UsageError` lists the flights there are when it is none of them.
    """
    if "/" in text or text.endswith((".yaml", ".yml")):
        path = (cwd or Path()) / text
        if path.name == HOSTS_FILE:
            msg = f"{text} lists hosts; it is no flight"
            raise UsageError(msg)
        if not path.is_file():
            msg = f"there is no flight file {text}"
            raise UsageError(msg)
        return path
    folder = flights_dir(cwd)
    known = flight_files(folder)
    if text not in known:
        near = nearest(text, known, count=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        msg = f"unknown flight {text!r}; {guess}the flights in {folder} are: {listed(known)}"
        raise UsageError(msg)
    return known[text]


def hosts_file(flight: Path, cwd: Path | None = None) -> Path:
    """The inventory for a flight: the hosts.yaml beside it, else the usual one."""
    beside = flight.parent / HOSTS_FILE
    path = beside if beside.is_file() else flights_dir(cwd) / HOSTS_FILE
    if not path.is_file():
        msg = f"there is no {HOSTS_FILE} beside {flight}, nor in {path.parent}"
        raise UsageError(msg, hint="it lists the Xen hosts; docs/hosts.md shows one")
    return path


def _folder(name: str, cwd: Path | None) -> Path:
    beside_user = (cwd or Path()) / name
    places = (beside_user, _PACKAGE / "_bundled" / name, _PACKAGE.parent / name)
    for place in places:
        if place.is_dir():
            return place
    msg = f"there is no folder {name} here"
    raise UsageError(msg, hint="run xenflight in a folder that has one, or in a checkout")
