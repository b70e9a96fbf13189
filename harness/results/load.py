"""Reading what flights left: ``results.json``, or ``events.jsonl`` after a kill."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from harness.errors import Place, UsageError
from harness.results.events import EVENT, Event, FlightHeader, FlightStarted
from harness.results.layout import LATEST, FlightDirectory
from harness.results.log import FlightLog
from harness.results.model import SCHEMA_VERSION, FlightResult

_NONE_YET = "run one, such as xenflight run smoke, or name the directory of one"


def load_results(path: Path) -> FlightResult:
    """Read a ``results.json``; *path* is the file or its flight's directory.

    Raises `UsageError`, with the place, when it is missing, damaged, or written by a newer
    xenflight.
    """
    file = FlightDirectory(path).results if path.is_dir() else path
    text = read_text(file)
    try:
        result = FlightResult.model_validate_json(text, strict=True)
        if "schema_version" in result.model_fields_set:
            return result
    except ValidationError:
        pass  # of another version, perhaps; most are of this one, and reading twice takes long
    try:
        return FlightResult.model_validate_json(_of_now(file, text), strict=True)
    except ValidationError as error:
        raise _damaged(file, None, error) from error


def recover_results(directory: Path) -> FlightResult:
    """Add up a flight's ``events.jsonl``: what can be known of a flight that was killed.

    A last line that was cut off is left out. Raises `UsageError` for any other damage.
    """
    file = FlightDirectory(directory).events
    return add_up(file, read_text(file)).result()


def read_events(file: Path) -> list[Event]:
    """All events in *file*, the first of them the flight's begin; a last line that was cut off is
    left out. Raises `UsageError` for any other damage."""
    lines = read_text(file).split("\n")[:-1]
    events = [_event(file, number, line) for number, line in enumerate(lines, start=1)]
    _require_begin(file, events, 1)
    return events


def add_up(file: Path, text: str, *, first: int = 1) -> FlightLog:
    """The events in *text*, which stands in *file* from line *first* on, added up."""
    lines = text.split("\n")
    # Every whole line ends with a newline, so what follows the last one was cut off.
    events = [_event(file, number, line) for number, line in enumerate(lines[:-1], start=first)]
    log = FlightLog(_require_begin(file, events, first))
    for number, event in enumerate(events, start=first):
        try:
            log.add(event)
        except ValueError as error:
            raise UsageError(str(error), place=Place(file=str(file), line=number)) from error
    return log


def _require_begin(file: Path, events: list[Event], line: int) -> FlightHeader:
    if not events or not isinstance(events[0], FlightStarted):
        msg = "this is not the record of a flight: it does not begin with flight-started"
        raise UsageError(msg, place=Place(file=str(file), line=line))
    return events[0].header


def read_text(file: Path) -> str:
    """The whole of a file that a flight left; `UsageError`, with the place, when it can't be."""
    if file.exists() and not file.is_file():
        # A device may have no end, and a FIFO nobody who writes.
        msg = "this is no ordinary file"
        raise UsageError(msg, place=Place(file=str(file)))
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if file.name == LATEST:
            msg, hint = "no flight has run here", _NONE_YET
        else:
            msg = "there are no results here"
            hint = "give the directory of a flight, such as reports/runs/latest"
        raise UsageError(msg, hint=hint, place=Place(file=str(file))) from error
    except UnicodeDecodeError as error:
        msg = f"the file is damaged: byte {error.start} is not UTF-8"
        raise UsageError(msg, place=Place(file=str(file))) from error
    except OSError as error:
        msg = f"cannot be read: {error.strerror or error}"
        raise UsageError(msg, place=Place(file=str(file))) from error


def _of_now(file: Path, text: str) -> str:
    """*text* as this version would have written it; `UsageError` when it can't be known."""
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
    if "host" not in data:
        return text
    # Before version 3 there was one, or none.
    host = data.pop("host")
    return json.dumps({**data, "hosts": [] if host is None else [host]})


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
