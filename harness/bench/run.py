"""All benchmarks, one after the other, in one run."""

from __future__ import annotations

import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from harness.bench.bare import measure_bare, ratio_finding
from harness.bench.console import consoles, measure_console
from harness.bench.flights import job_seconds, share_finding, snapshot_finding
from harness.bench.model import Finding
from harness.bench.resume import measure_resume
from harness.errors import LabError, UsageError
from harness.flight.find import flights_dir, hosts_file, resolve_flight
from harness.flight.inventory import load_hosts
from harness.flight.loader import load_flight
from harness.progress import Progress
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.results.load import load_results
from harness.results.model import FlightResult
from harness.testbox.machine import Testbox

FLIGHT_TIMEOUT = timedelta(minutes=30)


def measure_all(host_name: str | None, progress: Progress) -> list[Finding]:
    """Every finding; `UsageError` for a host that is no testbox, `LabError` when a part fails."""
    bench = resolve_flight("bench")
    spec = load_hosts(hosts_file(bench)).get(host_name)
    if not spec.testbox:
        msg = f"host {spec.name} is no testbox, so there is no cold boot to measure"
        raise UsageError(msg)
    findings = [measure_resume(spec.testbox, progress)]
    started = Testbox(spec.name, spec.testbox).up(progress)
    progress("a first flight, to have everything warm")
    run_flight("bench", spec.name)
    progress("the smoke flight, with everything warm")
    texts: list[bytes] = []
    smoke = run_flight("smoke", spec.name, texts)
    progress("the bench flight")
    flight = run_flight("bench", spec.name)
    progress("the same by a bare script")
    (job,) = load_flight(bench).jobs
    bare = measure_bare(spec, started.endpoint, job, flight.images[0].key)
    findings += [snapshot_finding([smoke, flight]), share_finding(smoke)]
    findings.append(measure_console(texts[0]))
    return [*findings, ratio_finding(job_seconds(flight), bare)]


def run_flight(name: str, host: str, texts: list[bytes] | None = None) -> FlightResult:
    """Run a flight as a user would, and read its results; `LabError` if it does not pass.

    What its guests printed is added to *texts*.
    """
    with tempfile.TemporaryDirectory(prefix="xenflight-bench-") as directory:
        root = Path(__file__).parents[2]
        script = 'cd "$1"; shift; exec "$@"'
        words = ("sh", "-ec", script, "sh", directory)
        file = flights_dir().resolve() / f"{name}.yaml"
        argv = (sys.executable, "-m", "harness.cli", "run", str(file), "--host", host)
        # Its directory goes at once, and no history is to be made of what was only measured.
        aside = ("--store", "none")
        command = Command((*words, *argv, *aside), env={"PYTHONPATH": str(root)})
        result = LocalRunner().run(command, timeout=FLIGHT_TIMEOUT, check=False)
        if not result.ok:
            msg = f"the {name} flight did not pass:\n{result.stdout}{result.stderr}"
            raise LabError(msg)
        latest = Path(directory) / "reports" / "runs" / "latest"
        if texts is not None:
            texts.append(consoles(latest))
        return load_results(latest)
