"""Hosts and what became of them; waivers and notes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from harness.store.tables.base import NOTHING_BESIDE, Base


class HostRow(Base):
    """A Xen host that a flight ran on."""

    __tablename__ = "hosts"
    __table_args__ = (NOTHING_BESIDE,)

    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    """``testbox`` or ``ssh``."""


class HostStateRow(Base):
    """A host as a flight found it: the same state is one row, however often it was found."""

    __tablename__ = "host_states"
    __table_args__ = (Index("host_states_of", "host"),)

    key: Mapped[str] = mapped_column(primary_key=True)
    """Stands for all of it."""
    host: Mapped[str]
    xen_version: Mapped[str | None]
    dom0_kernel: Mapped[str | None]
    facts: Mapped[dict[str, Any]]
    """All of it, as results.json has it."""


class HostEventRow(Base):
    """Something that happened to a host: its life cycle, in the order of time.

    osstest's ``host_lifecycle`` has the same use: who touched the host before an innocent job.
    """

    __tablename__ = "host_events"
    __table_args__ = (Index("host_events_of_flight", "flight"), NOTHING_BESIDE)

    host: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    """``flight-began``, ``flight-ended``, ``reaped``, or what an operator did."""
    subject: Mapped[str] = mapped_column(primary_key=True)
    """The flight or the job that it is about, empty for none."""
    flight: Mapped[int | None] = mapped_column(ForeignKey("flights.id", ondelete="CASCADE"))
    text: Mapped[str]


class WaiverRow(Base):
    """A failure that is allowed for a while, as a gate's policy has it."""

    __tablename__ = "waivers"

    key: Mapped[str] = mapped_column(primary_key=True)
    """Stands for all of it but its last day, which may be put off."""
    kind: Mapped[str]
    """``allowed`` or ``known issue``."""
    name: Mapped[str]
    jobs: Mapped[list[str]]
    """Globs, as are the next."""
    steps: Mapped[list[str]]
    pattern: Mapped[str | None]
    """What the fingerprint must have in it."""
    owner: Mapped[str]
    reason: Mapped[str]
    link: Mapped[str | None]
    expires: Mapped[date]
    """The last day on which it holds, in UTC."""
    first_used: Mapped[datetime]


class WaiverUseRow(Base):
    """A waiver that excused a step of a flight."""

    __tablename__ = "waiver_uses"
    __table_args__ = (Index("waiver_uses_of_flight", "flight"), NOTHING_BESIDE)

    waiver: Mapped[str] = mapped_column(
        ForeignKey("waivers.key", ondelete="CASCADE"), primary_key=True
    )
    flight: Mapped[int] = mapped_column(
        ForeignKey("flights.id", ondelete="CASCADE"), primary_key=True
    )
    job: Mapped[str] = mapped_column(primary_key=True)
    testid: Mapped[str] = mapped_column(primary_key=True)


class NoteRow(Base):
    """What somebody wrote about a flight, a job of it, or a host."""

    __tablename__ = "notes"
    __table_args__ = (Index("notes_of_flight", "flight"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    author: Mapped[str]
    text: Mapped[str]
    flight: Mapped[int | None] = mapped_column(ForeignKey("flights.id", ondelete="CASCADE"))
    job: Mapped[str | None]
    host: Mapped[str | None]
