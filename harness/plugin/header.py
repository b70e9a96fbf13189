"""What is known of a flight before it starts, for its results."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from harness import __version__
from harness.flight.model import JobSpec
from harness.flight.runvars import given_runvars
from harness.plugin.state import FlightState
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.results.events import FlightHeader, PlannedJob
from harness.results.layout import FlightDirectory
from harness.results.provenance import describe_revision


def flight_header(state: FlightState, steps: Mapping[str, Sequence[str]]) -> FlightHeader:
    """The header of this flight; *steps* are the testids of each job that were collected."""
    jobs = tuple(
        planned_job(job, steps[job.name], state.files) for job in state.plan.jobs if steps[job.name]
    )
    return FlightHeader(
        flight_id=state.plan.flight_id,
        flight=state.plan.flight,
        started=datetime.now(UTC),
        harness_version=__version__,
        revision=describe_revision(LocalRunner(), Path(__file__).parent),
        command=command_line(),
        jobs=jobs,
    )


def planned_job(job: JobSpec, steps: Sequence[str], files: FlightDirectory) -> PlannedJob:
    """What is told of a job before it runs; *steps* are its testids."""
    return PlannedJob(
        name=job.name,
        suite=job.suite,
        dist=job.dist,
        arch=job.arch,
        virt=job.virt,
        boot=job.boot,
        steps=tuple(steps),
        runvars=given_runvars(job),
        console_log=files.relative(files.job(job.name).console_log),
    )


def command_line() -> str:
    """The command that is running, to paste into a shell."""
    program = os.environ.get("XENFLIGHT_COMMAND", Path(sys.argv[0]).name)
    return str(Command((program, *sys.argv[1:])))
