"""The tables of the lab's queue, in a schema of their own beside the store's.

Which attempt of a job waits or runs is procrastinate's to say (its tables lie in the same schema);
these tell what is to be done, by whom, and what came of it. None is called like one of the store's:
both are found without their schema's name.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "xenflight_lab"
METADATA = MetaData(schema=SCHEMA)
_FLIGHT = f"{SCHEMA}.lab_flights.flight_id"
_TIME = DateTime(timezone=True)

VERSION = Table(
    "lab_version",
    METADATA,
    Column("ours", Integer, nullable=False),
    Column("procrastinate", Text, nullable=False),
    # A second row can't be.
    Column("one", Boolean, primary_key=True, default=True),
)

FLIGHTS = Table(
    "lab_flights",
    METADATA,
    Column("flight_id", Text, primary_key=True),
    Column("plan", JSONB, nullable=False, doc="Without its jobs, and hosts by name only."),
    Column("header", JSONB, nullable=False, doc="A `FlightHeader`."),
    Column("branch", Text, nullable=False),
    Column("blessing", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("patience", Float, nullable=False, doc="Seconds without any fitting worker."),
    Column("longest", Float, nullable=False, doc="Seconds that a job may wait in all."),
    Column("submitted", _TIME, nullable=False),
    Column("owner", Text, nullable=False),
    Column("finished", _TIME, doc="When its last job ended; None: some have not."),
    Column("hosts", JSONB(none_as_null=True), nullable=False, doc="`HostFacts`, by name."),
    Column("images", JSONB(none_as_null=True), nullable=False, doc="`ImageFacts`, by key."),
)

JOBS = Table(
    "lab_jobs",
    METADATA,
    Column("flight_id", Text, ForeignKey(_FLIGHT, ondelete="CASCADE"), primary_key=True),
    Column("job_no", Integer, primary_key=True, autoincrement=False),
    Column("job", Text, nullable=False),
    Column("spec", JSONB, nullable=False, doc="As `plan.job_dict` has it."),
    Column("hosts", JSONB, nullable=False, doc="The names of those that it may still run on."),
    Column("queue", Text, nullable=False),
    Column("state", Text, nullable=False, doc="A `State`."),
    Column("queue_id", BigInteger, doc="procrastinate's number of its attempt."),
    Column("since", _TIME, nullable=False, doc="In this state."),
    Column("losses", Integer, nullable=False, default=0, doc="How often its worker was lost."),
    Column("misfits", JSONB, nullable=False, doc="By host why it can't run there."),
    Column("cancelled", Text, doc="Who wants it to end."),
    Column("result", JSONB(none_as_null=True), doc="A `JobResult`; None before there is any."),
    UniqueConstraint("flight_id", "job"),
    Index("lab_jobs_open", "state", "queue"),
)

FOR_PAIR = JOBS.c.spec["peer"].astext.is_not(None).label("pair")
"""Whether a job needs two hosts; see `words.for_pair`."""

ATTEMPTS = Table(
    "lab_attempts",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("flight_id", Text, ForeignKey(_FLIGHT, ondelete="CASCADE"), nullable=False),
    Column("job_no", Integer, nullable=False),
    Column("run_id", Text, nullable=False, doc="What hosts know it by."),
    Column("worker_id", BigInteger, nullable=False),
    Column("worker", Text, nullable=False),
    Column("began", _TIME, nullable=False),
    Column("heard", _TIME, nullable=False),
    Column("ended", _TIME),
    Column("outcome", Text, doc="An `Outcome`; None while it runs."),
    Column("reason", Text),
    Column("host", Text),
    Column("directory", Text, doc="Where its files are, on its worker's machine."),
    Column("result", JSONB(none_as_null=True), doc="A `JobResult`, as far as it is known."),
    Column("problems", JSONB, nullable=False),
    Column("leak_check", JSONB(none_as_null=True)),
    Index("lab_attempts_of_job", "flight_id", "job_no"),
)

FILES = Table(
    "lab_files",
    METADATA,
    Column(
        "attempt",
        BigInteger,
        ForeignKey(f"{SCHEMA}.lab_attempts.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("path", Text, primary_key=True, doc="Relative to the job's directory."),
    Column("packed", LargeBinary, nullable=False, doc="By gzip."),
)

WORKERS = Table(
    "lab_workers",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=False, doc="procrastinate's number."),
    Column("name", Text, nullable=False, doc="Machine and process id, such as ``ci7:4711``."),
    Column("hosts", JSONB, nullable=False),
    Column("concurrency", Integer, nullable=False),
    Column("began", _TIME, nullable=False),
    Column("heard", _TIME, nullable=False),
    Column("ended", _TIME),
)
