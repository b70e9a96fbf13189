"""The gate of one flight: its verdict, and where that is written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from harness.errors import LabError, UsageError
from harness.flight.find import flights_dir
from harness.gate.evaluate import evaluate
from harness.gate.names import Known, check_names, flight_jobs
from harness.gate.past import Past
from harness.gate.policy import Policy
from harness.gate.subject import Subject
from harness.gate.verdict import Gate, VerdictFile
from harness.gate.waivers import recent_flights
from harness.judge.history import FlightRecord, History
from harness.judge.waiver import Waiver
from harness.results.layout import FlightDirectory
from harness.results.recorder import to_json, write_atomically
from harness.store.remarks import record_gate, record_waivers
from harness.store.store import Store


def judge_subject(
    subject: Subject, past: Past, policy: Policy, *, now: datetime, baseline: str | None = None
) -> VerdictFile:
    """The verdict on *subject*. *baseline* names the flight to compare with.

    `UsageError` for whatever of the input is wrong; nothing is written.
    """
    _check(policy, subject, past.history)
    that = _named(baseline, past) if baseline else None
    return evaluate(subject.record, past.history, policy, now=now, baseline=that)


def write_verdict(verdict: VerdictFile, file: Path) -> None:
    """Write a ``verdict.json``. `LabError` if that cannot be."""
    try:
        write_atomically(file, to_json(verdict, indent=2) + "\n")
    except OSError as error:
        msg = f"cannot write the verdict to {file}: {error.strerror or error}"
        raise LabError(msg) from error


def keep_verdict(store: Store, verdict: VerdictFile, policy: Policy) -> None:
    """Write into the store what the gate said, and which waivers it went by.

    `UsageError` when the flight is not in it, `StoreError` when that cannot be.
    """
    opened, at = verdict.gate is Gate.OPEN, verdict.judged
    with store.writing() as connection:
        if not record_gate(connection, verdict.flight, opened=opened, at=at):
            msg = f"flight {verdict.flight} is not in it"
            raise UsageError(msg)
        record_waivers(connection, verdict.flight, _used(verdict, policy), at=at)


def verdict_file(path: Path) -> Path:
    """Where the verdict on the flight in the directory *path* stands."""
    return FlightDirectory(path).verdict


def _used(verdict: VerdictFile, policy: Policy) -> Iterator[tuple[Waiver, str, str]]:
    """Each waiver that excused something of this flight, and what."""
    waivers = {waiver.name: waiver for waiver in policy.waivers}
    for one in verdict.judgements:
        waiver = waivers.get(one.waiver or "")
        if waiver is None or one.flight != verdict.flight or one.blocking:
            continue
        if not waiver.blocks and not waiver.expired(verdict.judged.date()):
            yield waiver, one.job, one.testid


def _check(policy: Policy, subject: Subject, history: History) -> None:
    """Whether what the policy names is in the flight, in those before it, or in the flight file."""
    flights = [subject.record, *recent_flights(subject.record, history)]
    check_names(policy, Known.of(flights, flight_jobs(flights_dir(), [subject.name])))


def _named(text: str, past: Past) -> FlightRecord:
    found = past.named(text)
    if found is None:
        msg = f"there is no flight {text!r} to compare with"
        raise UsageError(msg, hint="name one that is in the history, or its directory")
    return found
