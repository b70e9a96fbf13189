"""Flights, and what belongs to a whole flight."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from harness.store.tables.base import NOTHING_BESIDE, Base, FlightNumber, Number


class FlightRow(Base):
    """One flight. While it runs, and for ever if its controller dies, it is `aborted`."""

    __tablename__ = "flights"
    __table_args__ = (
        Index("flights_of_branch", "branch", "started"),
        Index("flights_by_time", "started"),
        # A number that was seen once is never another flight's, even when the newest is pruned.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    """Its number in this store."""
    flight_id: Mapped[str] = mapped_column(unique=True)
    """Its name everywhere: what makes an import of it twice one flight."""
    flight: Mapped[str]
    """The flight's name; its file is ``flights/NAME.yaml``."""
    branch: Mapped[str]
    blessing: Mapped[str]
    status: Mapped[str]
    started: Mapped[datetime]
    ended: Mapped[datetime | None]
    """None: it still runs, or its controller died."""
    duration: Mapped[float]
    heard: Mapped[datetime]
    """When its controller last wrote here; every half a minute while it runs."""
    origin: Mapped[str]
    """``run``, ``results`` or ``junit``."""
    controller: Mapped[str | None]
    """Machine and process id, such as ``ci7:4711``."""
    directory: Mapped[str | None]
    """Where its files are, on that machine."""
    harness_version: Mapped[str]
    revision: Mapped[str | None]
    command: Mapped[str]
    leak_check: Mapped[dict[str, Any] | None]
    """That of the whole flight, a step as results.json has it; None: it did not come to that."""
    digest: Mapped[str]
    """Stands for all that its results say; empty until it ends."""
    gate: Mapped[str | None]
    """``open`` or ``shut``; None when it was not judged."""
    gate_at: Mapped[datetime | None]


class FlightHostRow(Base):
    """A host that a flight was to run on, as it was then."""

    __tablename__ = "flight_hosts"
    __table_args__ = (Index("flights_on_host", "host", "flight"), NOTHING_BESIDE)

    flight: Mapped[FlightNumber]
    host_no: Mapped[Number]
    host: Mapped[str]
    state: Mapped[str]
    """The key of the `HostStateRow`."""


class ImageRow(Base):
    """A guest image that a flight used."""

    __tablename__ = "images"
    __table_args__ = (Index("images_by_key", "key"),)

    flight: Mapped[FlightNumber]
    image_no: Mapped[Number]
    key: Mapped[str]
    dist: Mapped[str]
    arch: Mapped[str]
    facts: Mapped[dict[str, Any]]
    """All of it, as results.json has it."""


class ProblemRow(Base):
    """Something wrong with the lab that belongs to no step."""

    __tablename__ = "problems"

    flight: Mapped[FlightNumber]
    problem_no: Mapped[Number]
    text: Mapped[str]


class ArtifactRow(Base):
    """A file that a flight left."""

    __tablename__ = "artifacts"
    __table_args__ = (NOTHING_BESIDE,)

    flight: Mapped[FlightNumber]
    path: Mapped[str] = mapped_column(primary_key=True)
    """Relative to the flight's directory."""
    job_no: Mapped[int | None]
    kind: Mapped[str]
    """``results``, ``events``, ``junit``, ``console``, ``cast``, ``config`` or ``evidence``."""
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes."""
