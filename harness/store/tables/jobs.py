"""Jobs, their attempts, steps, phases and runvars, and what was under test."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Index, and_, text
from sqlalchemy.orm import Mapped, mapped_column

from harness.store.tables.base import NOTHING_BESIDE, Base, FlightNumber, Number


class JobRow(Base):
    """A job of a flight; its status is that of its last attempt."""

    __tablename__ = "jobs"
    __table_args__ = (NOTHING_BESIDE,)

    flight: Mapped[FlightNumber]
    job_no: Mapped[Number]
    name: Mapped[str]
    suite: Mapped[str]
    dist: Mapped[str]
    arch: Mapped[str]
    virt: Mapped[str]
    boot: Mapped[str]
    status: Mapped[str]


class AttemptRow(Base):
    """A job done once. A job that was `broken` may be tried again on another host.

    The flight's branch and blessing and the job's name stand here, too: history is looked up by
    them, and they never change.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        Index("attempts_history", "job", "branch", "at"),
        Index("attempts_on_host", "host", "at"),
        Index("attempts_at", "revisions"),
        NOTHING_BESIDE,
    )

    flight: Mapped[FlightNumber]
    job_no: Mapped[Number]
    attempt: Mapped[Number]
    """From 1."""
    job: Mapped[str]
    branch: Mapped[str]
    blessing: Mapped[str]
    at: Mapped[datetime]
    """When it started; of one that never did, when its flight did."""
    host: Mapped[str | None]
    host_told: Mapped[bool]
    """Whether the results name it; else it is the only one that the flight had."""
    host_state: Mapped[str | None]
    revisions: Mapped[str | None]
    """The key of the `RevisionRow` set that was under test."""
    status: Mapped[str]
    reason: Mapped[str | None]
    started: Mapped[datetime | None]
    duration: Mapped[float]
    over: Mapped[bool]
    """Whether it came to its end, its teardown included."""
    kept: Mapped[bool]
    console_log: Mapped[str | None]
    waits: Mapped[dict[str, Any]]
    evidence: Mapped[dict[str, Any] | None]


class StepRow(Base):
    """One step of an attempt."""

    __tablename__ = "steps"
    __table_args__ = (
        Index(
            "steps_by_fingerprint",
            "fingerprint",
            sqlite_where=text("fingerprint IS NOT NULL"),
            postgresql_where=text("fingerprint IS NOT NULL"),
        ),
        NOTHING_BESIDE,
    )

    flight: Mapped[FlightNumber]
    job_no: Mapped[Number]
    attempt: Mapped[Number]
    step_no: Mapped[Number]
    testid: Mapped[str]
    status: Mapped[str]
    started: Mapped[datetime | None]
    duration: Mapped[float]
    reason: Mapped[str | None]
    failure_class: Mapped[str | None]
    phase: Mapped[str | None]
    fingerprint: Mapped[str | None]


def of_attempt() -> ColumnElement[bool]:
    """A step and the attempt that it belongs to, to join them by."""
    return and_(
        StepRow.flight == AttemptRow.flight,
        StepRow.job_no == AttemptRow.job_no,
        StepRow.attempt == AttemptRow.attempt,
    )


class StepDetailRow(Base):
    """What is long, and few steps have. Apart, so that history reads past it."""

    __tablename__ = "step_details"

    flight: Mapped[FlightNumber]
    job_no: Mapped[Number]
    attempt: Mapped[Number]
    step_no: Mapped[Number]
    evidence: Mapped[str]
    facts: Mapped[dict[str, Any]]


class PhaseRow(Base):
    """One timed part of a step. Seconds; it began so long after its step."""

    __tablename__ = "phases"
    __table_args__ = (NOTHING_BESIDE,)

    flight: Mapped[FlightNumber]
    job_no: Mapped[Number]
    attempt: Mapped[Number]
    step_no: Mapped[Number]
    phase_no: Mapped[Number]
    name: Mapped[str]
    started: Mapped[float]
    duration: Mapped[float]
    status: Mapped[str]


class RunvarRow(Base):
    """A named text of a job."""

    __tablename__ = "runvars"
    __table_args__ = (NOTHING_BESIDE,)

    flight: Mapped[FlightNumber]
    job_no: Mapped[Number]
    attempt: Mapped[Number]
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    source: Mapped[str | None]
    """osstest's ``definition`` (given) or ``execution`` (stored by a step); None: not known."""


class RevisionRow(Base):
    """One revision of a set that was under test together: a tree and what stood in it."""

    __tablename__ = "revisions"
    __table_args__ = (Index("revisions_by_value", "tree", "revision"), NOTHING_BESIDE)

    key: Mapped[str] = mapped_column(primary_key=True)
    """Stands for the whole set."""
    tree: Mapped[str] = mapped_column(primary_key=True)
    """``xen``, ``dom0-kernel``, ``guest-kernel``, ``image``, ``mirror``, or another's word."""
    revision: Mapped[str]
    tells: Mapped[bool]
    """Whether two runs are told by it to be of the same; else it is for people only."""
