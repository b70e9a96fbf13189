"""What a flight found, as data: the content of ``results.json``.

Every class is frozen and goes to JSON and back without loss. Times are aware and in UTC;
durations are seconds. The words of statuses are those of `harness.status`.
docs/results.md explains the file to its readers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from harness.status import Status
from harness.steps import PhaseTiming, StepRecord

SCHEMA_VERSION: Final = 3
"""Counts up with every change of the classes below, so that an old reader refuses a new file."""


def _well_formed(value: object) -> object:
    """Guest output may hold lone surrogates, which no JSON file can."""
    if not isinstance(value, str) or value.isascii():
        return value
    return value.encode("utf-8", "replace").decode()


Words = Annotated[str, BeforeValidator(_well_formed)]
UtcTime = Annotated[AwareDatetime, AfterValidator(lambda time: time.astimezone(UTC))]
Seconds = Annotated[float, Field(ge=0)]


class Record(BaseModel):
    """Base of all: frozen, and a name that is not known is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class PhaseResult(Record):
    """One timed part of a step, such as the ``kernel`` phase of a boot."""

    name: Words
    started: float
    """Seconds since the step began."""
    duration: float
    """Seconds."""
    status: Status = Status.PASS

    @classmethod
    def of(cls, timing: PhaseTiming) -> PhaseResult:
        """The same, from the record that a driver filled in."""
        return cls(
            name=timing.name,
            started=timing.started,
            duration=timing.duration,
            status=timing.status,
        )


class StepResult(Record):
    """What became of one step of a job."""

    testid: Words
    status: Status
    started: UtcTime | None = None
    """None: the step never began."""
    duration: Seconds = 0.0
    reason: Words | None = None
    """One sentence; always there when the status is not `pass`, unless nobody knows."""
    failure_class: Words | None = None
    """A short stable word, such as ``kernel-panic``."""
    phase: Words | None = None
    """The phase in which it failed."""
    phases: tuple[PhaseResult, ...] = ()
    evidence: Words = ""
    """Text as it came, normally the last lines of the guest's console."""
    facts: dict[Words, Words] = Field(default_factory=dict)
    """Runvars that the step stored, such as ``guest_ip``."""

    @classmethod
    def of(
        cls,
        record: StepRecord,
        *,
        status: Status,
        started: datetime,
        duration: float,
        reason: str | None = None,
    ) -> StepResult:
        """The result of a step, from the record that its drivers filled in. *duration*: seconds."""
        return cls(
            testid=record.testid,
            status=status,
            started=started,
            duration=max(0.0, duration),
            reason=reason,
            failure_class=record.failure_class,
            phase=record.failed_phase,
            phases=tuple(PhaseResult.of(timing) for timing in record.phases),
            evidence=record.evidence,
            facts=dict(record.facts),
        )


class HostFacts(Record):
    """A Xen host that a flight ran on."""

    name: Words
    kind: Words
    """``testbox``, ``ssh``, or ``sim``: a simulated host, whose verdicts are worth nothing."""
    xen_version: Words | None = None
    dom0_kernel: Words | None = None
    dom0_release: Words | None = None
    """Such as ``Debian GNU/Linux 12 (bookworm)``."""
    cpus: int | None = None
    memory: int | None = None
    """Bytes."""
    virt_caps: tuple[Words, ...] = ()
    """The words of ``virt_caps`` in ``xl info``."""
    accel: Words | None = None
    """Of a testbox: ``kvm`` or ``tcg``."""
    timeout_factor: float = 1.0
    """Every timeout was multiplied by this."""
    unusable: Words | None = None
    """Why no job ran there; None when they could."""
    extra: dict[Words, Words] = Field(default_factory=dict)

    @property
    def simulated(self) -> bool:
        """Whether there is no such host: nothing that the flight found says anything of a guest."""
        return self.kind == "sim"


class ImageFacts(Record):
    """A guest image that the flight used."""

    key: Words
    """Stands for all that went in; equal keys mean equal images."""
    dist: Words
    arch: Words
    builder: Words
    layout: Words | None = None
    """``bare`` or ``disk``; None when its builder decides that."""
    kernel: Words | None = None
    """The kernel's package."""
    source: Words | None = None
    """Where an imported image came from."""
    reused: bool
    """Whether it was there already."""
    release_dates: dict[Words, UtcTime] = Field(default_factory=dict)
    """Date of the mirror's Release file, for each pocket."""
    omitted: tuple[Words, ...] = ()
    """Pockets of the mirror that the flight left out."""
    expired: tuple[Words, ...] = ()
    """Pockets past their date, which the flight accepted."""
    build_seconds: Seconds | None = None


class EvidenceResult(Record):
    """What was taken from the host when a job's first step did not pass."""

    index: Words | None = None
    """Path relative to the flight's directory, of a file that names the others beside it; None
    when nothing could be written."""
    asked: int = 0
    """How many things the host was to be asked for."""
    had: int = 0
    """How many of them brought something."""
    note: Words = ""
    """What went wrong with taking it, such as a host that did not answer."""


class AttemptResult(Record):
    """What became of a job that was then tried once more: our lab's fault, not the guest's."""

    status: Status
    reason: Words | None = None
    steps: tuple[StepResult, ...] = ()
    host: Words | None = None
    started: UtcTime | None = None
    duration: Seconds = 0.0
    runvars: dict[Words, Words] = Field(default_factory=dict)
    console_log: Words | None = None
    """As in `JobResult`."""
    evidence: EvidenceResult | None = None


class JobResult(Record):
    """What became of one job."""

    name: Words
    suite: Words
    dist: Words
    arch: Words
    virt: Words
    boot: Words
    status: Status
    """The word of the first step that did not pass (osstest's rule)."""
    reason: Words | None = None
    steps: tuple[StepResult, ...] = ()
    """In the suite's order; a step that never ran is there too, `blocked` or `aborted`."""
    runvars: dict[Words, Words] = Field(default_factory=dict)
    """Those given, and those that steps stored."""
    console_log: Words | None = None
    """Path relative to the flight's directory; no such file if there never was a console."""
    host: Words | None = None
    """The name of the host that it ran on; None when it never had one."""
    started: UtcTime | None = None
    duration: Seconds = 0.0
    kept: bool = False
    """Whether its domain and LVs were left on the host, as the operator asked."""
    waits: dict[Words, Seconds] = Field(default_factory=dict)
    """Where the time went: seconds for each word, such as ``guest`` and ``harness``."""
    evidence: EvidenceResult | None = None
    """None: there was no occasion to take any, or no guest yet."""
    attempts: tuple[AttemptResult, ...] = ()
    """Earlier ones, the oldest first. All else here is of the last."""


class FlightResult(Record):
    """What became of a flight: the whole of ``results.json``."""

    schema_version: Literal[1, 2, 3] = SCHEMA_VERSION
    """2: images tell more of themselves. 3: evidence of jobs; several hosts, and which of them a
    job ran on; earlier attempts; a leak check of the flight. Older files can be read."""
    flight_id: Words
    flight: Words
    """The flight's name; its file is ``flights/NAME.yaml``."""
    status: Status
    """The worst of its jobs; `broken` at least when there are problems."""
    started: UtcTime
    ended: UtcTime | None
    """None: the flight is still running, or its controller was killed."""
    duration: Seconds
    harness_version: Words
    revision: Words | None
    """``git describe`` of the harness; None when it is not a checkout."""
    hosts: tuple[HostFacts, ...] = ()
    """Those that it was to run on, in the order in which they were ready, or found not to be."""
    images: tuple[ImageFacts, ...] = ()
    jobs: tuple[JobResult, ...] = ()
    command: Words
    """The command line, to paste into a shell."""
    problems: tuple[Words, ...] = ()
    """What is wrong with our lab and belongs to no step, such as a leftover. One line each."""
    leak_check: StepResult | None = None
    """What was on the host at the end that was not there at the beginning, and whose it is; the
    jobs have one each, too. None: it did not come to that."""

    @property
    def simulated(self) -> bool:
        """Whether its hosts are none: then its verdict counts for nothing."""
        return any(host.simulated for host in self.hosts)
