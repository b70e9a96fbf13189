"""Checks flights and suites against each other, without importing a suite or touching a host."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import Place, UsageError
from harness.flight.cells import Cell
from harness.flight.find import HOSTS_FILE, flight_files
from harness.flight.hints import did_you_mean
from harness.flight.inventory import Inventory, load_hosts
from harness.flight.loader import LoadedFlight, load_with_places
from harness.flight.problems import Finding, findings_of
from harness.flight.yamlfile import Document, KeyPath


@dataclass
class _Tests:
    """The test functions of one suite, and those in files that pytest does not read."""

    collected: list[Place] = field(default_factory=list)
    lost: list[Finding] = field(default_factory=list)


def check_project(flights_dir: Path, suites_dir: Path) -> list[Finding]:
    """All that is wrong, in the order of files and lines; nothing when all is well.

    Every flight parses and expands, its hosts and suites exist; every suite is used by some
    flight, and every test function is in such a suite, in a file that pytest reads. Suites that
    came with xenflight, and not with these flights, need not be used by any of them; nor is
    one said to be unused while a flight cannot be read.
    """
    findings: list[Finding] = []
    inventory = _inventory(flights_dir / HOSTS_FILE, findings)
    suites, stray = _suites(suites_dir)
    findings += stray
    used: set[str] = set()
    all_read = True
    files = flight_files(flights_dir)
    if not files:
        findings.append(Finding(place=Place(file=str(flights_dir)), text="there is no flight here"))
    for path in files.values():
        try:
            loaded = load_with_places(path)
        except UsageError as error:
            findings += findings_of(error)
            all_read = False
            continue
        used |= {job.suite for job in loaded.flight.jobs}
        findings += _check_flight(path, loaded, inventory, suites)
    own = flights_dir.resolve().parent == suites_dir.resolve().parent
    findings += [lost for tests in suites.values() for lost in tests.lost]
    if own and all_read:
        findings += _unused(suites_dir, suites, used)
    return sorted(set(findings), key=lambda f: (f.place.file, f.place.line or 0, f.text))


def check_flights(paths: Iterable[Path], flights_dir: Path, suites_dir: Path) -> list[Finding]:
    """The same of these flight files only, wherever they are."""
    findings: list[Finding] = []
    inventory = _inventory(flights_dir / HOSTS_FILE, findings)
    suites, _ = _suites(suites_dir)
    for path in paths:
        try:
            findings += _check_flight(path, load_with_places(path), inventory, suites)
        except UsageError as error:
            findings += findings_of(error)
    return sorted(set(findings), key=lambda f: (f.place.file, f.place.line or 0, f.text))


def _inventory(path: Path, findings: list[Finding]) -> Inventory | None:
    try:
        return load_hosts(path)
    except UsageError as error:
        findings += findings_of(error)
        return None


def _check_flight(
    path: Path, loaded: LoadedFlight, inventory: Inventory | None, suites: dict[str, _Tests]
) -> Iterator[Finding]:
    flight, document = loaded.flight, loaded.document
    if flight.name != path.stem:
        text = f"the flight is called {flight.name!r}, its file {path.name}; call them the same"
        yield document.finding(text, ("flight",))
    for index, name in enumerate(flight.hosts if inventory else ()):
        if inventory and name not in inventory.hosts:
            text = f"unknown host {name!r}{did_you_mean(name, inventory.hosts)}"
            yield document.finding(text, ("hosts", index))
    for cell in loaded.cells:
        suite = cell.job.suite
        if suite not in suites or not suites[suite].collected:
            known = [name for name, tests in suites.items() if tests.collected]
            text = f"unknown suite {suite!r}{did_you_mean(suite, known)}"
            yield document.finding(text, _said_by(cell, "suite", document))


def _said_by(cell: Cell, name: str, document: Document) -> KeyPath:
    """Where the file says what *cell* has for the key *name*; the nearest thing if nowhere."""
    paths: list[KeyPath] = [(*layer, name) for layer in reversed(cell.layers)]
    return next((path for path in paths if path in document.spans), paths[-1])


def _unused(suites_dir: Path, suites: dict[str, _Tests], used: set[str]) -> Iterator[Finding]:
    for name, tests in suites.items():
        if name not in used and tests.collected:
            count = len(tests.collected)
            text = f"no flight uses the suite {name!r}: its {count} test(s) never run"
            yield Finding(place=Place(file=str(suites_dir / name)), text=text)


def _suites(suites_dir: Path) -> tuple[dict[str, _Tests], list[Finding]]:
    """The test functions by suite, and what belongs to none."""
    suites: dict[str, _Tests] = {}
    stray: list[Finding] = []
    for path in sorted(suites_dir.rglob("*.py")):
        parts = path.relative_to(suites_dir).parts
        tests, broken = _tests_in(path)
        stray += broken
        if len(parts) == 1:
            text = "this test is in no suite: tests are in suites/<suite>/test_*.py"
            stray += [Finding(place=place, text=text) for place in tests]
            continue
        suite = suites.setdefault(parts[0], _Tests())
        if path.name.startswith("test_"):
            suite.collected += tests
        else:
            text = "pytest never reads this test: its file is not called test_*.py"
            suite.lost += [Finding(place=place, text=text) for place in tests]
    return suites, stray


def _tests_in(path: Path) -> tuple[list[Place], list[Finding]]:
    """Where the test functions of a Python file are; read, never run."""
    if not path.is_file():
        return [], [Finding(place=Place(file=str(path)), text="this is not a file")]
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except OSError as error:
        text = f"cannot be read: {error.strerror}"
        return [], [Finding(place=Place(file=str(path)), text=text)]
    except (SyntaxError, ValueError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        text = f"this is not Python: {error.args[0]}"
        return [], [Finding(place=Place(file=str(path), line=line), text=text)]
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        Place(file=str(path), line=node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, functions) and node.name.startswith("test_")
    ], []
