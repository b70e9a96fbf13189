"""From a pytest node to a job and a step."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

SUITES = "suites"
# The scheduler of `--dist loadgroup` appends "@group".
_NODE = re.compile(r"::test_(?P<step>\w+)\[(?P<parameters>.*)\](?:@[^\]]*)?$", re.DOTALL)


def testid_of(function_name: str) -> str:
    """``test_guest_boot`` → ``guest-boot``, ``test_guest_start__2`` → ``guest-start.2``."""
    return function_name.removeprefix("test_").replace("__", ".").replace("_", "-")


def split_nodeid(nodeid: str, jobs: Collection[str]) -> tuple[str, str] | None:
    """Job and testid of a node such as ``suites/boot/test_boot.py::test_x[JOB]``.

    A step's own parameters follow the job, and end its testid as in osstest:
    ``test_guest_saverestore[JOB-2]`` is ``guest-saverestore.2``. None for a node that is no
    step of any of *jobs*.
    """
    match = _NODE.search(nodeid)
    if not match:
        return None
    parameters = match["parameters"]
    # From the whole down to its first word: a flight may have very many jobs.
    job = parameters
    while job not in jobs:
        job, dash, _ = job.rpartition("-")
        if not dash:
            return None
    own = parameters[len(job) + 1 :]
    return job, testid_of(match["step"]) + (f".{own}" if own else "")


def suite_of(path: Path) -> str | None:
    """The suite that a test file belongs to: ``suites/SUITE/test_x.py``."""
    parts = path.parts[-3:]
    return parts[1] if len(parts) == 3 and parts[0] == SUITES else None
