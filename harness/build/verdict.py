"""Whose fault it was that nothing got built: read in what the builder said.

A mirror, a full host or an option that does not exist is not the builder's fault; all the rest is,
for the builder is under test. docs/builders.md has the same in words.
"""

from __future__ import annotations

import re
from pathlib import Path

from harness.build.model import FAILURE_CLASS, PHASE
from harness.build.output import last_lines, read_log
from harness.errors import GuestFailure, LabError, UsageError, XenflightError

_USAGE = re.compile(r"^(?:Unknown option: .*|ERROR: '[\w-]+' argument .*)$", re.MULTILINE)

# debootstrap's words (its functions file), apt's (apt-pkg), wget's, and those of the installer's
# components (anna, choose-mirror, net-retriever).
_MIRROR = re.compile(
    r"^.*(?:"
    r"E: (?:Failed getting release|Couldn't download|Invalid Release|Failed to get|"
    r"Release (?:file|signed)|No release file|Couldn't find these debs|Couldn't find (?:valid|a))"
    r"|E: (?:Failed to fetch|Unable to fetch|Asked to install suite)"
    r"|Err:\d+ |[Hh]ash [Ss]um mismatch|Temporary failure resolving|Could not (?:connect|resolve)"
    r"|[Uu]nable to resolve host|Connection (?:refused|timed out)|Network is unreachable"
    r"|Bad archive mirror|Failed to download|[Dd]ownloading .* failed|corrupted download"
    r"|Failed to load installer component|Loading .* failed for unknown reasons"
    r").*$",
    re.MULTILINE,
)
_LAB = re.compile(
    r"^.*(?:No space left on device|[Ii]nsufficient (?:suitable )?(?:free|allocatable)"
    r"|reached threshold|out of (?:data|metadata) space|Cannot allocate memory|Out of memory"
    r"|Volume group .* not found|Running command 'lvcreate .*failed|E: No such script"
    r"|Input/output error|E: (?:gpgv|You must install|Keyring-based)).*$",
    re.MULTILINE,
)
_KILLED = (137, 139)
"""128 + SIGKILL: by the kernel when memory is short, as a rule. 128 + SIGSEGV."""


def verdict(builder: str, log: Path, how: str, status: int | None = None) -> XenflightError:
    """The error for a build that did not succeed; *how* says what was seen of its end."""
    text = read_log(log)
    if usage := _USAGE.search(text):
        msg = f"{builder}: {usage[0].strip()}"
        return UsageError(msg, hint="it was called with the job's `builder_options`")
    if found := _first_cause(_LAB, text):
        msg = f"{builder} {how}: the host: {found}"
        return LabError(msg)
    if found := _first_cause(_MIRROR, text):
        msg = f"{builder} {how}: the mirror: {found}"
        return LabError(msg, hint="`xenflight mirror check` looks at all of it")
    if status in _KILLED:
        msg = f"{builder} {how}: something of it was killed; is the host short of memory?"
        return LabError(msg)
    msg = f"{builder} {how}"
    return GuestFailure(msg, phase=PHASE, failure_class=FAILURE_CLASS, evidence=last_lines(log))


def _first_cause(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[0].strip()[:300] if found else ""
