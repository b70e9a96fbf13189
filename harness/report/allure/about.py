"""What Allure shows beside the results: what was tested, by whom, and how failures are sorted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.report.evidence import one_line
from harness.report.words import SIMULATED
from harness.results.model import FlightResult
from harness.status import Status

_CATEGORIES = {
    "The guest failed (fail)": (Status.FAIL, "failed"),
    "Our lab or harness failed (broken)": (Status.BROKEN, "broken"),
    "Cut short (aborted)": (Status.ABORTED, "unknown"),
    "No host in time (starved)": (Status.STARVED, "skipped"),
    "An earlier step did not pass (blocked)": (Status.BLOCKED, "skipped"),
    "Not applicable (skip)": (Status.SKIP, "skipped"),
}


def categories() -> str:
    """``categories.json``: one for each status, by the word that a message begins with."""
    found = [
        {"name": name, "matchedStatuses": [theirs], "messageRegex": f"(?s){ours}: .*"}
        for name, (ours, theirs) in _CATEGORIES.items()
    ]
    return json.dumps(found, indent=1) + "\n"


def environment(flight: FlightResult, more: Mapping[str, str]) -> str:
    """``environment.properties``: what was tested. *more*: branch and blessing, say."""
    found = {"flight": flight.flight_id, "status": str(flight.status), **more}
    if flight.simulated:
        found["NOTE"] = SIMULATED
    for host in flight.hosts:
        parts = [f"Xen {host.xen_version}"] if host.xen_version else []
        parts += [f"dom0 Linux {host.dom0_kernel}"] if host.dom0_kernel else []
        parts += [host.dom0_release] if host.dom0_release else []
        parts += [f"not usable: {host.unusable}"] if host.unusable else []
        found[f"host.{host.name}"] = ", ".join(parts) or "nothing is known of it"
    for image in flight.images:
        name = f"image.{image.dist}.{image.arch}.{image.key}"
        parts = [image.builder, *([image.kernel] if image.kernel else [])]
        parts += [f"{pocket} of {date:%Y-%m-%d}" for pocket, date in image.release_dates.items()]
        found[name] = ", ".join(parts)
    found["xenflight"] = flight.revision or flight.harness_version
    found["command"] = flight.command
    return "".join(f"{_key(name)}={_value(text)}\n" for name, text in found.items())


def executor(flight: FlightResult, surroundings: Mapping[str, str]) -> str:
    """``executor.json``: which build it was, by what a CI system says in the environment."""
    found: dict[str, Any] = {
        "name": "xenflight",
        "type": "xenflight",
        "buildName": flight.flight_id,
        "buildOrder": int(flight.started.timestamp()),
        "reportName": f"{flight.flight}: {flight.status}",
    }
    for name, kind, url, build, number in _SYSTEMS:
        if address := surroundings.get(url):
            found |= {"name": name, "type": kind, "buildUrl": address}
            found["buildName"] = f"{surroundings.get(build, '')} {flight.flight_id}".strip()
            order = surroundings.get(number, "")
            found |= {"buildOrder": int(order)} if order.isdecimal() else {}
            break
    return json.dumps(found, indent=1) + "\n"


_SYSTEMS = (
    ("GitLab CI", "gitlab", "CI_JOB_URL", "CI_JOB_NAME", "CI_PIPELINE_IID"),
    ("Jenkins", "jenkins", "BUILD_URL", "JOB_NAME", "BUILD_NUMBER"),
)
"""Name, Allure's word, and the variables with the address, the name and the number of a build."""


def _key(text: str) -> str:
    return "".join(f"\\{char}" if char in "=:#! " else char for char in _value(text))


def _value(text: str) -> str:
    """For a file that Java reads: ASCII, on one line."""
    plain = one_line(text).replace("\\", "\\\\")
    return "".join(char if char.isascii() else _java(char) for char in plain)


def _java(char: str) -> str:
    units = char.encode("utf-16-be", "replace")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
