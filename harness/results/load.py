"""Reading what flights left: ``results.json``, or ``events.jsonl`` after a kill."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from harness.errors import Place, UsageError
from harness.results.events import EVENT, Event, FlightStarted
from harness.results.layout import FlightDirectory
from harness.results.log import FlightLog
from harness.results.model import SCHEMA_VERSION, FlightResult


def load_results(path: Path) -> FlightResult:
    """Read a ``results.json``; *path* is the file or its flight's directory.

    Raises `UsageError`, with the place, when it is missing, damaged, or written by a newer
    xenflight.
    """
    file = FlightDirectory(path).results if path.is_dir() else path
    text = _read(file)
    _check_version(file, text)
    try:
        return FlightResult.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise _damaged(file, None, error) from error


def recover_results(directory: Path) -> FlightResult:
    """Add up a flight's ``events.jsonl``: what can be known of a flight that was killed.

    A last line that was cut off is left out. Raises `UsageError` for any other damage.
    """
    file = FlightDirectory(directory).events
    lines = _read(file).split("\n")
    # Every whole line ends with a newline, so what follows the last one was cut off.
    events = [_event(file, number, line) for number, line in enumerate(lines[:-1], start=1)]
    if not events or not isinstance(events[0], FlightStarted):
        msg = "this is not the record of a flight: it does not begin with flight-started"
        raise UsageError(msg, place=Place(file=str(file), line=1))
    log = FlightLog(events[0].header)
    for number, event in enumerate(events, start=1):
        try:
            log.add(event)
        except ValueError as error:
            raise UsageError(str(error), place=Place(file=str(file), line=number)) from error
    return log.result()


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        msg = "there are no results here"
        hint = "give the directory of a flight, such as reports/runs/latest"
        raise UsageError(msg, hint=hint, place=Place(file=str(file))) from error
    except UnicodeDecodeError as error:
        msg = f"the file is damaged: byte {error.start} is not UTF-8"
        raise UsageError(msg, place=Place(file=str(file))) from error
    except OSError as error:
        msg = f"cannot be read: {error.strerror or error}"
        raise UsageError(msg, place=Place(file=str(file))) from error


def _check_version(file: Path, text: str) -> None:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        msg = f"the file is damaged: {error.msg}"
        place = Place(file=str(file), line=error.lineno, column=error.colno)
        raise UsageError(msg, place=place) from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        msg = f"written by a newer xenflight: schema {version}, and this one reads {SCHEMA_VERSION}"
        raise UsageError(msg, hint="update xenflight to read it", place=Place(file=str(file)))
    if version is None:
        msg = "this is not a results.json of xenflight: it has no schema_version"
        raise UsageError(msg, place=Place(file=str(file)))


def _event(file: Path, number: int, line: str) -> Event:
    try:
        return EVENT.validate_json(line, strict=True)
    except ValidationError as error:
        raise _damaged(file, number, error) from error


def _damaged(file: Path, line: int | None, error: ValidationError) -> UsageError:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    msg = f"the file is damaged: {where + ': ' if where else ''}{first['msg']}"
    return UsageError(msg, place=Place(file=str(file), line=line))
