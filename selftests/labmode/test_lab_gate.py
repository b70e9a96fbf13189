"""A flight of the queue is like any other to who asks later: the gate, pages, an import."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.cli.gating import Asked, ask_gate
from harness.flight.build import build_plan
from harness.gate.verdict import Gate
from harness.lab.fetch import fetch
from harness.lab.lab import Lab
from harness.lab.run import store_files
from harness.lab.submit import Terms, submit
from harness.results.model import HostFacts
from harness.site.choose import choose
from harness.site.site import Site
from harness.site.write import write_site
from harness.status import Status
from harness.store.importing import import_files
from harness.store.junit.flight import Said
from harness.store.put import Given, Outcome
from labmode.project import LabProject, header_of
from labmode.test_lab_queue_db import ended, registered, taken, told


def flown(project: LabProject, lab: Lab, *statuses: Status, xen: str = "4.17.5") -> str:
    """A flight on a host that is said to be real, all of it."""
    plan = build_plan(str(project.path / "flights" / "nightly.yaml"), hosts=["rack"])
    worker = registered(lab, "rack")
    submit(lab, plan, header_of(plan), Terms(owner="ada@ci7", branch="nightly", blessing="real"))
    for status in statuses:
        begun = taken(lab, worker)
        real = HostFacts(name="rack", kind="ssh", xen_version=xen)
        store_files(lab, begun, {"console.log": b"Debian GNU/Linux login:\r\n"})
        ended(lab, begun, replace(told(begun, status, on="rack"), hosts=(real,)), worker)
    return plan.flight_id


def asked(project: LabProject, flight_id: str) -> Asked:
    return Asked(flight_id, None, None, None, None, None, project.url, None)


def test_the_gate_judges_it_by_the_one_before(
    project: LabProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.path)
    now = datetime.now(UTC)
    with project.lab() as lab:
        good = flown(project, lab, Status.PASS, Status.PASS)
        verdict, _ = ask_gate(asked(project, good), now)
        assert verdict.gate is Gate.OPEN
        bad = flown(project, lab, Status.PASS, Status.FAIL, xen="4.20.0")
        verdict, _ = ask_gate(asked(project, bad), now)
    assert verdict.gate is Gate.SHUT
    assert verdict.exit_code == 5
    assert verdict.baseline
    assert verdict.baseline.flight == good


def test_pages_are_made_of_it_with_its_consoles(
    project: LabProject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(project.path)
    with project.lab() as lab:
        flight_id = flown(project, lab, Status.PASS, Status.FAIL)
        fetch(lab, flight_id, Path("reports"))
        chosen = choose([flight_id], store=lab.store)
        site = Site(chosen.archive, chosen.flights, made=datetime.now(UTC))
        write_site(site, tmp_path / "site")
        text = "".join(path.read_text() for path in (tmp_path / "site").rglob("*.html"))
        assert "Debian GNU/Linux login:" in text
        # Who imports what was fetched finds it there already.
        found = [Path("reports") / "runs" / flight_id]
        done = import_files(lab.store, found, Said(), Given())
    assert done.outcomes == {Outcome.SAME: 1}, done.refused
