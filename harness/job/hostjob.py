"""Giving a job a whole host (`JobSpec.whole_host`) instead of a guest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from harness.errors import LabError, Starved
from harness.flight.hostcare import PowerCycle
from harness.flight.model import BoxBoot, HostSpec, JobSpec
from harness.flight.plan import Plan
from harness.host.slots import Claim, whoami
from harness.host.whole import take_whole
from harness.host.xenhost import XenHost
from harness.hostboot.serial import serial_command
from harness.job.hostline import HostLine
from harness.job.hostundertest import HostUnderTest
from harness.job.secrets import FlightSecrets
from harness.job.slot import Waiting, slot_terms
from harness.power.choose import power_of
from harness.power.model import Power
from harness.results.layout import FlightDirectory
from harness.steps import StepRecord

Connect = Callable[[str], XenHost]


def misfit(spec: JobSpec, host: HostSpec) -> str:
    """Why the job of *spec* may not have *host* to itself, or a device of it; empty if it may, or
    needs neither."""
    if not spec.whole_host:
        if spec.passthrough and not host.devices:
            key = "testbox: {spare_nics: 1}" if host.testbox else "passthrough: [ADDRESS]"
            return f"{host.name}: hosts.yaml gives away none of its PCI devices ({key})"
        return ""
    if host.sim:
        return f"{host.name}: it is simulated, and has no boot"
    if not host.may_reboot:
        return f"{host.name}: hosts.yaml does not allow that it is rebooted (may_reboot: true)"
    if host.testbox and host.testbox.boot is not BoxBoot.DISK:
        return f"{host.name}: QEMU itself loads its Xen (testbox: {{boot: disk}})"
    if serial_command(host) is None:
        return f"{host.name}: nothing listens to its serial line (serial:)"
    return ""


def take_host(
    spec: JobSpec,
    plan: Plan,
    names: Iterable[str],
    connect: Connect,
    files: FlightDirectory,
    secrets: FlightSecrets,
    step: StepRecord,
) -> HostUnderTest:
    """The first of the hosts *names* that can be had, all of it; a wait is a phase of *step*.

    *connect* makes a connection that is the job's own: it ends with each boot. `Starved` or
    `LabError` when there is none.
    """
    problem: LabError | Starved | None = None
    for name in names:
        try:
            return _take(spec, plan, name, connect, files, secrets, step)
        except (LabError, Starved) as error:
            problem = problem or error
    raise problem or LabError(f"no host is known for {spec.name}")


def _power(terms: HostSpec, plan: Plan) -> Power | None:
    """What may take its power away, if it does not come up."""
    allowed = (
        plan.power_cycle and terms.power_terms and terms.power_terms.cycle is not PowerCycle.NEVER
    )
    return power_of(terms) if allowed else None


def _take(
    spec: JobSpec,
    plan: Plan,
    name: str,
    connect: Connect,
    files: FlightDirectory,
    secrets: FlightSecrets,
    step: StepRecord,
) -> HostUnderTest:
    terms = plan.host_named(name)
    serial = serial_command(terms)
    if serial is None:
        msg = f"nothing listens to the serial line of {name}"
        raise LabError(msg)
    host = connect(name)
    try:
        claim = Claim(holder=whoami(), flight=plan.flight_id, job=spec.name)
        patience: timedelta = terms.slot_timeout
        with Waiting(spec.name, files.path, step) as waiting:
            whole = take_whole(host, claim, slot_terms(terms, patience), waiting.on_busy(name))
    except BaseException:
        host.close()
        raise
    its_files = files.job(spec.name)
    return HostUnderTest(
        spec=spec,
        host_spec=terms,
        plan=plan,
        host=host,
        again=lambda: connect(name),
        whole=whole,
        power=_power(terms, plan),
        line=HostLine(name, serial, its_files.path),
        files=its_files,
        secrets=secrets,
    )
