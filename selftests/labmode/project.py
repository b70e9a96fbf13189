"""A checkout whose flights go through a queue: real workers on simulated hosts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from storelab import url_of

import harness
from harness.flight.build import build_plan
from harness.flight.inventory import load_hosts
from harness.flight.plan import Plan
from harness.lab.fetch import fetch
from harness.lab.lab import Lab
from harness.lab.look import QueuedJob, queued_jobs
from harness.lab.submit import Terms, submit
from harness.lab.worker import Terms as WorkerTerms
from harness.lab.worker import Worker
from harness.plugin.header import planned_job
from harness.results.events import FlightHeader
from harness.results.layout import FlightDirectory
from harness.steps import LEAK_CHECK
from harness.store.store import Store
from harness.wait import Deadline, NotYet, wait_for

ROOT = Path(harness.__file__).parent.parent
SOON = timedelta(minutes=5)
STALLED = timedelta(seconds=12)
SIM = "harness.plugin.simulated"
DISTS = ("bookworm", "trixie")
BOOT = (
    *("guest-create", "guest-boot", "guest-console", "guest-ssh", "guest-network"),
    *("guest-shutdown", "guest-gone", LEAK_CHECK),
)
HOSTS = """\
default: rack
hosts:
  rack: {testbox: {release: bookworm}}
  sim1: {slots: 2, slot_timeout: 10m, sim: {}}
  sim2: {slots: 2, slot_timeout: 10m, sim: {}}
"""
FLIGHT = """\
flight: nightly
mirror: auto
hosts: [sim1, sim2]
defaults: {suite: boot, memory: 512M, vcpus: 1, disk: 2G}
matrix: {dist: [%s], arch: [amd64], virt: [pv], boot: [direct]}
"""
GATED = '''
"""A guest that is there until somebody opens the gate."""

import time
from pathlib import Path

def test_guest_create(guest):
    guest.create()

def test_waits(guest):
    Path("began-" + guest.step.job).touch()
    until = time.monotonic() + 300
    while not Path("gate").exists():
        assert time.monotonic() < until, "nobody opened the gate"
        time.sleep(0.05)
'''


@dataclass
class Process:
    """A worker that runs: a real process, forked off so that it need not import everything anew."""

    pid: int
    log: Path
    code: int | None = None

    def kill(self) -> None:
        """As when its machine goes."""
        os.kill(self.pid, signal.SIGKILL)
        self.end()

    def tell(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def end(self) -> int:
        """Its exit code, when it has come to its end."""

        def look() -> int:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if not pid:
                msg = f"it runs, and said:\n{self.said}"
                raise NotYet(msg)
            return os.waitstatus_to_exitcode(status)

        if self.code is None:
            self.code = wait_for(look, what="a worker's end", deadline=Deadline.after(SOON))
        return self.code

    @property
    def said(self) -> str:
        return self.log.read_text()


@dataclass
class LabProject:
    """A project folder, and a database with a queue."""

    path: Path
    url: str
    workers: list[Process] = field(default_factory=list)

    @classmethod
    def make(cls, path: Path, url: str) -> LabProject:
        made = cls(path, url)
        shutil.copytree(ROOT / "suites", path / "suites")
        made.write("suites/gated/test_gated.py", GATED)
        made.write("flights/hosts.yaml", HOSTS)
        made.write("flights/nightly.yaml", FLIGHT % ", ".join(DISTS))
        made.write("flights/gated.yaml", made.gated("bookworm"))
        made.write("conftest.py", 'pytest_plugins = ["harness.plugin"]\n')
        return made

    @staticmethod
    def gated(*dists: str) -> str:
        text = FLIGHT % ", ".join(dists)
        return text.replace("suite: boot", "suite: gated").replace(
            "flight: nightly", "flight: gated"
        )

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip())
        return path

    @property
    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "XENFLIGHT_STORE": self.url,
            "XDG_CACHE_HOME": str(self.path / "cache"),
            "XDG_DATA_HOME": str(self.path / "data"),
            "PYTHONPATH": str(ROOT),
            "PYTEST_PLUGINS": SIM,
            "COLUMNS": "200",
        }

    def run(self, *words: str, code: int = 0, **env: str) -> str:
        """Run xenflight to its end; what it said, on both of its outputs."""
        done = subprocess.run(
            [sys.executable, "-m", "harness.cli", *words],
            cwd=self.path,
            env={**self.env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SOON.total_seconds(),
            check=False,
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def submit(self, flight: str = "nightly", **terms: Any) -> str:  # noqa: ANN401
        """The id of a flight that was queued."""
        plan = build_plan(str(self.path / "flights" / f"{flight}.yaml"))
        given = {"owner": "ada@ci7", "branch": flight, **terms}
        with self.lab() as lab:
            submit(lab, plan, header_of(plan), Terms(**given))
        return plan.flight_id

    def worker(self, *hosts: str, stalled_after: timedelta = STALLED, **terms: Any) -> Process:  # noqa: ANN401
        """Start a worker."""
        log = self.path / f"worker{len(self.workers)}.log"
        log.touch()
        found = WorkerTerms(hosts=hosts or ("sim1", "sim2"), stalled_after=stalled_after, **terms)
        pid = os.fork()
        if not pid:
            self._work(found, log)
        self.workers.append(Process(pid, log))
        return self.workers[-1]

    def _work(self, terms: WorkerTerms, log: Path) -> NoReturn:
        code = 1
        try:
            os.setsid()
            out = os.open(log, os.O_WRONLY | os.O_APPEND)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out, 1)
            os.dup2(out, 2)
            os.chdir(self.path)
            os.environ.update(self.env)
            inventory = load_hosts(self.path / "flights" / "hosts.yaml")

            def say(text: str) -> None:
                os.write(out, f"{text}\n".encode())

            with self.lab() as lab:
                Worker(lab, inventory, terms, say).run()
            code = 0
        except BaseException:  # noqa: BLE001  # this process ends here
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(code)

    def jobs(self, flight_id: str) -> dict[str, QueuedJob]:
        """The flight's jobs by name."""
        with self.lab() as lab, lab.reading() as connection:
            return {job.job: job for job in queued_jobs(connection, flight_id, STALLED)}

    def status(self, flight_id: str) -> set[str]:
        """What became of its jobs; "" for those that are not over."""
        return {job.status for job in self.jobs(flight_id).values()}

    def results(self, flight_id: str) -> dict[str, Any]:
        """What results.json has, once it was fetched."""
        with self.lab() as lab:
            _, path = fetch(lab, flight_id, self.path / "reports")
        found = json.loads((path / "results.json").read_text())
        assert isinstance(found, dict)
        return found

    def runs(self) -> list[str]:
        """What became of the runs that are over, as they tell themselves."""
        files = (self.path / "reports" / "lab" / "runs").glob("gated-*/results.json")
        found = [json.loads(file.read_text()) for file in files]
        return [one["status"] for one in found if one["ended"]]

    @contextmanager
    def lab(self) -> Iterator[Lab]:
        with Lab(Store(url_of(self.url))) as lab:
            yield lab

    def until(self, there: Callable[[], object], what: str) -> None:
        """Wait until something is so."""

        def look() -> None:
            if not there():
                said = "\n".join(worker.said[-2000:] for worker in self.workers)
                msg = f"not yet; workers said:\n{said}"
                raise NotYet(msg)

        wait_for(look, what=what, deadline=Deadline.after(SOON))

    def began(self, job: str) -> bool:
        """Whether a job of the suite `gated` stands at its gate."""
        return (self.path / f"began-{job}").exists()

    def open_gate(self) -> None:
        (self.path / "gate").touch()

    def close(self) -> None:
        for worker in self.workers:
            if worker.code is None:
                worker.kill()


def header_of(plan: Plan) -> FlightHeader:
    """As `collect_header` makes it, without pytest; a test holds them against each other."""
    steps = {"boot": BOOT, "gated": ("guest-create", "waits", LEAK_CHECK)}
    files = FlightDirectory(Path(plan.flight_id))
    return FlightHeader(
        flight_id=plan.flight_id,
        flight=plan.flight,
        started=datetime.now(UTC),
        harness_version="0",
        command="xenflight submit",
        jobs=tuple(planned_job(job, steps[job.suite], files) for job in plan.jobs),
    )
