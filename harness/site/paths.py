"""Where each page is in the site: every name stands here and nowhere else.

Paths are relative to the root of the site, with slashes. Whatever a flight, a job or a host is
called, its part of a path is one safe name: it holds nothing that a shell, a URL or HTML takes for
something else.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from harness.results.layout import safe_name

INDEX = "index.html"
STATIC = "static"
TIMES = "times.html"
_MOST = 120
"""Characters: file systems take 255 bytes, and something may be added."""
_OTHER = re.compile(r"[^A-Za-z0-9_.@-]+")


def part(name: str) -> str:
    """*name* as one part of a path: as it is if it can be, else cut down, with a hash behind."""
    try:
        if len(name) <= _MOST:
            return safe_name(name)
    except ValueError:
        pass
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"_{_OTHER.sub('_', name)[: _MOST - 20]}.{digest}"


def static(file: str) -> str:
    """A style sheet or a script."""
    return f"{STATIC}/{file}"


def branch(name: str) -> str:
    """All jobs of a branch over its flights."""
    return f"branch/{part(name)}/{INDEX}"


def history(branch: str, job: str) -> str:
    """One job over the flights of a branch."""
    return f"branch/{part(branch)}/job/{part(job)}.html"


def host(name: str) -> str:
    """A host."""
    return f"host/{part(name)}.html"


def flight(name: str) -> str:
    """A flight."""
    return f"flight/{part(name)}/{INDEX}"


def times(name: str) -> str:
    """Where the time of a flight went."""
    return f"flight/{part(name)}/{TIMES}"


@dataclass(frozen=True)
class JobPaths:
    """What is there of one job of one flight; *attempt* is 0 for the last one."""

    flight: str
    job: str
    attempt: int = 0

    @property
    def page(self) -> str:
        """All that is known of it."""
        return f"{self._folder}/{INDEX}"

    @property
    def console(self) -> str:
        """Its console, to look at."""
        return self.file("console.html")

    def block(self, number: int) -> str:
        """A part of a large console, loaded when somebody looks at it."""
        return self.file(f"console-{number}.js")

    def file(self, name: str) -> str:
        """A file of it, of this attempt."""
        folder = f"{self._folder}/attempt-{self.attempt}" if self.attempt else self._folder
        return f"{folder}/{name}"

    @property
    def _folder(self) -> str:
        return f"flight/{part(self.flight)}/job/{part(self.job)}"


def relative(target: str, page: str) -> str:
    """The link from *page* to *target*."""
    depth = page.count("/")
    return "../" * depth + target
