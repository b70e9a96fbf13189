"""Which hosts a job may have to itself, and what the plugin makes of such a suite."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hostboot_samples import FLIGHTS, SPEC

from harness.flight.axes import Boot, Virt
from harness.flight.build import build_plan
from harness.flight.model import BoxBoot, SimSpec
from harness.flight.needs import needs
from harness.flight.rules import why_impossible
from harness.job.hostjob import misfit

PLAN = build_plan(str(FLIGHTS / "host-boot.yaml"))
(JOB,) = PLAN.jobs
GUEST = replace(JOB, suite="boot")
assert SPEC.testbox


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_its_axes_are_those_of_dom0() -> None:
    assert JOB.name == "host-boot-bookworm-amd64-pv-bios"
    assert JOB.whole_host
    assert not JOB.skip
    assert needs(JOB) == frozenset()
    assert not GUEST.whole_host
    assert why_impossible(GUEST)


@pytest.mark.parametrize(("virt", "boot"), [(Virt.HVM, Boot.BIOS), (Virt.PV, Boot.PYGRUB)])
def test_no_dom0_is_such(virt: Virt, boot: Boot) -> None:
    assert "dom0 is PV or PVH" in why_impossible(replace(JOB, virt=virt, boot=boot))


def test_its_own_flight_fits_its_own_host() -> None:
    assert [misfit(JOB, host) for host in PLAN.hosts] == [""]


@pytest.mark.parametrize(
    ("host", "why"),
    [
        (replace(SPEC, may_reboot=False), "may_reboot: true"),
        (replace(SPEC, testbox=replace(SPEC.testbox, boot=BoxBoot.DIRECT)), "boot: disk"),
        (replace(SPEC, testbox=None, sim=SimSpec()), "simulated"),
        (replace(SPEC, testbox=None), "serial:"),
    ],
)
def test_a_host_that_it_may_not_have(host: object, why: str) -> None:
    assert why in misfit(JOB, host)  # type: ignore[arg-type]
    assert misfit(GUEST, host) == ""  # type: ignore[arg-type]
