"""JUnit XML as data: suites and their cases. The file is not trusted.

No document type, no entity and nothing outside of the file is read (defusedxml); sizes, depth
and numbers are bounded. There is no standard; what is read is what GitLab, Jenkins, pytest,
Maven and we ourselves write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from harness.errors import Place, UsageError

MOST_BYTES = 256 << 20
MOST_CASES = 500_000
DEEPEST = 60
LONGEST_NAME = 500
LONGEST_TEXT = 16 << 10
"""Letters that are kept of what a case printed, from its end."""
_OUTCOMES = ("failure", "error", "skipped")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One test case."""

    name: str
    classname: str
    time: str
    outcome: str = ""
    """``failure``, ``error``, ``skipped``; empty when it passed."""
    kind: str = ""
    """The outcome's ``type``."""
    message: str = ""
    text: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Suite:
    """One test suite that has cases of its own, or properties."""

    name: str
    time: str = ""
    timestamp: str = ""
    hostname: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    cases: list[Case] = field(default_factory=list)


@dataclass(kw_only=True)
class Document:
    """A whole file."""

    name: str = ""
    time: str = ""
    timestamp: str = ""
    suites: list[Suite] = field(default_factory=list)

    @property
    def properties(self) -> dict[str, str]:
        """Those of all suites; of two with one name the first."""
        found: dict[str, str] = {}
        for suite in self.suites:
            for name, value in suite.properties.items():
                found.setdefault(name, value)
        return found


def parse_junit(path: Path) -> Document:
    """Read a file; `UsageError`, with the place, for whatever is wrong with it."""
    place = Place(file=str(path))
    try:
        with path.open("rb") as file:
            return _Reader(place).read(_Bounded(file, place))
    except ParseError as error:
        line, column = error.position
        where = Place(file=str(path), line=line, column=column + 1)
        msg = f"this is no XML: {str(error).partition(':')[0]}"
        raise UsageError(msg, place=where) from error
    except DefusedXmlException as error:
        msg = "a document type or an entity is declared in it, which JUnit never needs"
        raise UsageError(msg, hint="it is not read, as it may be an attack", place=place) from error
    except (LookupError, ValueError) as error:  # an encoding that is none, or is not kept to
        msg = f"this is no XML: {error}"
        raise UsageError(msg, place=place) from error
    except OSError as error:
        msg = f"cannot be read: {error.strerror or error}"
        raise UsageError(msg, place=place) from error


class _Bounded:
    """A file of which no more than so much is read: it may be a pipe, or grow."""

    def __init__(self, file: BinaryIO, place: Place) -> None:
        self._file = file
        self._place = place
        self._left = MOST_BYTES

    def read(self, size: int = -1) -> bytes:
        """As files have it."""
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            msg = f"the file is larger than {MOST_BYTES >> 20} MiB"
            raise UsageError(msg, place=self._place)
        return data


class _Reader:
    """Goes through the document once; what was read of it is forgotten on the way."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._document = Document()
        self._open: list[Suite] = []
        self._tags: list[str] = []
        self._cases = 0

    def read(self, file: _Bounded) -> Document:
        for event, element in iterparse(file, events=("start", "end"), forbid_dtd=True):
            tag = _local(element.tag)
            if event == "start":
                self._start(tag, element)
            else:
                self._end(tag, element)
        if not self._cases:
            msg = "there is no test case in it"
            raise UsageError(msg, place=self._place)
        return self._document

    def _start(self, tag: str, element: Element) -> None:
        if not self._tags and tag not in {"testsuites", "testsuite"}:
            msg = f"this is no JUnit: it begins with <{_short(tag)}>"
            hint = "JUnit begins with <testsuites> or <testsuite>"
            raise UsageError(msg, hint=hint, place=self._place)
        self._tags.append(tag)
        if len(self._tags) > DEEPEST:
            msg = f"elements are nested more than {DEEPEST} deep"
            raise UsageError(msg, place=self._place)
        if tag == "testsuites":
            self._document.name = self._name(element, "name")
            self._document.time = element.get("time", "")
            self._document.timestamp = element.get("timestamp", "")
        elif tag == "testsuite":
            suite = Suite(
                name=self._name(element, "name"),
                time=element.get("time", ""),
                timestamp=element.get("timestamp", ""),
                hostname=self._name(element, "hostname"),
            )
            self._document.suites.append(suite)
            self._open.append(suite)

    def _end(self, tag: str, element: Element) -> None:
        self._tags.pop()
        inside = "testcase" in self._tags
        if tag == "testcase":
            self._case(element)
        elif tag == "property" and not inside and self._open:
            name = self._name(element, "name")
            value = element.get("value", element.text or "")
            self._open[-1].properties.setdefault(name, value[:LONGEST_TEXT])
        elif tag == "testsuite":
            self._open.pop()
        if not inside:
            element.clear()

    def _case(self, element: Element) -> None:
        self._cases += 1
        if self._cases > MOST_CASES:
            msg = f"there are more than {MOST_CASES:,} test cases in it"
            raise UsageError(msg, place=self._place)
        if not self._open:
            self._open.append(Suite(name=self._document.name or "tests"))
            self._document.suites.append(self._open[-1])
        self._open[-1].cases.append(
            _made(element, self._name(element, "name"), self._name(element, "classname"))
        )

    def _name(self, element: Element, attribute: str) -> str:
        text = " ".join(element.get(attribute, "").split())
        if len(text) > LONGEST_NAME:
            msg = f"{attribute}={_short(text)!r} has {len(text)} letters, more than {LONGEST_NAME}"
            raise UsageError(msg, place=self._place)
        return text


def _made(element: Element, name: str, classname: str) -> Case:
    outcome = kind = message = ""
    texts: list[str] = []
    properties: dict[str, str] = {}
    for child in element.iter():
        tag = _local(child.tag)
        if tag in _OUTCOMES:
            if not outcome or (outcome == "skipped" and tag != "skipped"):
                outcome, kind = tag, child.get("type", "")
                message = child.get("message", "")
            texts.append(child.text or "")
        elif tag in {"system-out", "system-err"}:
            texts.insert(0, child.text or "")
        elif tag == "property":
            value = child.get("value", child.text or "")
            properties.setdefault(child.get("name", "")[:LONGEST_NAME], value[:LONGEST_TEXT])
    text = "\n".join(text.strip("\n") for text in texts if text.strip())
    return Case(
        name=name,
        classname=classname,
        time=element.get("time", ""),
        outcome=outcome,
        kind=kind[:LONGEST_NAME],
        message=message[:LONGEST_TEXT],
        text=text[-LONGEST_TEXT:] if outcome else "",
        properties=properties,
    )


def _local(tag: object) -> str:
    """The name without a namespace; comments have none."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."
