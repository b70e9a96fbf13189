"""What ``xenflight report`` does for other programs: JUnit and Allure, of a flight that is over."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from harness.cli.output import output
from harness.errors import LabError, UsageError
from harness.report.allure.write import write_allure
from harness.report.junit import write_junit
from harness.repro.origin import find_result
from harness.results.belonging import read_belonging
from harness.results.layout import FlightDirectory
from harness.store.store import present_store


def write_for_others(
    flights: Sequence[str],
    *,
    junit: Path | None,
    allure: Path | None,
    store: str | None,
    evidence: bool,
) -> None:
    """Write them, and say where. `UsageError` for more than one flight, or one that is not there;
    `LabError` when they can't be written."""
    if len(flights) > 1:
        msg = f"JUnit and Allure take one flight, and {len(flights)} are named"
        raise UsageError(msg)
    with ExitStack() as until_done:
        found = present_store(store)
        if found:
            until_done.enter_context(found)
        result, path = find_result(flights[0] if flights else None, found)
    said = read_belonging(FlightDirectory(path)) if path else None
    more = {"branch": said.branch, "blessing": said.blessing} if said else {}
    shown = os.path.relpath(path) if path else ""
    try:
        if junit:
            write_junit(result, junit, files="" if shown.startswith("..") else shown)
        if allure:
            write_allure(result, allure, files=path, evidence=evidence, more=more)
    except OSError as error:
        msg = f"cannot write {error.filename}: {error.strerror or error}"
        raise LabError(msg) from error
    for place in filter(None, (junit, allure)):
        output().print(f"{result.flight_id}: {place}", markup=False, soft_wrap=True)
