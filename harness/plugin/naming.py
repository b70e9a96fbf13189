"""From a pytest node to a job and a step, and back."""

from __future__ import annotations

import re
from pathlib import Path

SUITES = "suites"
_NODE = re.compile(r"::test_(?P<step>\w+)\[(?P<job>[^\[\]]+)\](?:@.*)?$")


def testid_of(function_name: str) -> str:
    """``test_guest_boot`` → ``guest-boot``."""
    return function_name.removeprefix("test_").replace("_", "-")


def split_nodeid(nodeid: str) -> tuple[str, str] | None:
    """Job and testid of a node id such as ``suites/boot/test_boot.py::test_x[JOB]``.

    None for a node that is no step of a job. xdist may append ``@group``.
    """
    match = _NODE.search(nodeid)
    return (match["job"], testid_of(match["step"])) if match else None


def suite_of(path: Path) -> str | None:
    """The suite that a test file belongs to: the folder below ``suites``."""
    parts = path.parts
    for index, part in enumerate(parts[:-2]):
        if part == SUITES and index == len(parts) - 3:
            return parts[index + 1]
    return None
