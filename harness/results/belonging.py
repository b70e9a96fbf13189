"""Where a flight belongs: its branch and its blessing, which are no part of what it found.

They stand beside its results in the flight's directory, as ``history.json``.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass

from harness.errors import LabError, Place, UsageError
from harness.results.layout import FlightDirectory
from harness.results.recorder import write_atomically

ADHOC = "adhoc"
"""osstest's word for what somebody ran by hand: of flights that do not say how far they are to be
trusted."""
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+/@=:-]{0,99}")
_BLESSING = re.compile(r"[a-z][a-z0-9-]{0,29}")


@dataclass(frozen=True, kw_only=True)
class Belonging:
    """Of one flight."""

    branch: str
    """The series of flights that it is compared with."""
    blessing: str
    """How far it is trusted: osstest's ``real``, ``adhoc``, ``play`` ..."""


def branch_name(text: str) -> str:
    """*text*, if it can name a branch; else `UsageError`."""
    if not _BRANCH.fullmatch(text):
        msg = f"{text[:120]!r} can't name a branch"
        raise UsageError(msg, hint="up to 100 letters, digits and any of _ . + / @ = : -")
    return text


def blessing_word(text: str) -> str:
    """*text*, if it can be a blessing; else `UsageError`."""
    if not _BLESSING.fullmatch(text):
        msg = f"{text[:120]!r} is no blessing"
        hint = "osstest's words are real, adhoc and play; small letters, digits and dashes"
        raise UsageError(msg, hint=hint)
    return text


def write_belonging(files: FlightDirectory, said: Belonging) -> None:
    """Write it beside the results of a flight; `LabError` if it can't be."""
    try:
        write_atomically(files.about, json.dumps(asdict(said)) + "\n")
    except OSError as error:
        msg = f"cannot write {files.about}: {error.strerror or error}"
        raise LabError(msg) from error


def read_belonging(files: FlightDirectory) -> Belonging | None:
    """What stands beside the results of a flight; None where nothing does.

    `UsageError`, with the place, for what can't be read.
    """
    place = Place(file=str(files.about))
    try:
        data = json.loads(files.about.read_text(encoding="utf-8"))
        return Belonging(
            branch=branch_name(str(data["branch"])), blessing=blessing_word(str(data["blessing"]))
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"the file is damaged: {error}"
        raise UsageError(msg, place=place) from error
    except UsageError as error:
        raise UsageError(error.message, hint=error.hint, place=place) from error
