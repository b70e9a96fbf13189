"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    _flights()
    _parts_of_flights()
    _jobs()
    _attempts()
    _steps()
    _parts_of_steps()
    _revisions_and_hosts()
    _host_events()
    _waivers()
    _notes()


def _flights() -> None:
    op.create_table(
        "flights",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("flight_id", sa.Text(), nullable=False),
        sa.Column("flight", sa.Text(), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("blessing", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration", sa.Double(), nullable=False),
        sa.Column("heard", sa.DateTime(timezone=True), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("controller", sa.Text(), nullable=True),
        sa.Column("directory", sa.Text(), nullable=True),
        sa.Column("harness_version", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=True),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("leak_check", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("gate", sa.Text(), nullable=True),
        sa.Column("gate_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("flight_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("flights_by_time", "flights", ["started"], unique=False)
    op.create_index("flights_of_branch", "flights", ["branch", "started"], unique=False)


def _parts_of_flights() -> None:
    op.create_table(
        "flight_hosts",
        sa.Column("flight", sa.Integer(), nullable=False),
        sa.Column("host_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["flight"], ["flights.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("flight", "host_no"),
        sqlite_with_rowid=False,
    )
    op.create_index("flights_on_host", "flight_hosts", ["host", "flight"], unique=False)
    op.create_table(
        "images",
        sa.Column("flight", sa.Integer(), nullable=False),
        sa.Column("image_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("dist", sa.Text(), nullable=False),
        sa.Column("arch", sa.Text(), nullable=False),
        sa.Column("facts", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["flight"], ["flights.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("flight", "image_no"),
    )
    op.create_index("images_by_key", "images", ["key"], unique=False)
    op.create_table(
        "problems",
        sa.Column("flight", sa.Integer(), nullable=False),
        sa.Column("problem_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["flight"], ["flights.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("flight", "problem_no"),
    )
    op.create_table(
        "artifacts",
        sa.Column("flight", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("job_no", sa.Integer(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["flight"], ["flights.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("flight", "path"),
        sqlite_with_rowid=False,
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("flight", sa.Integer(), nullable=False),
        sa.Column("job_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("dist", sa.Text(), nullable=False),
        sa.Column("arch", sa.Text(), nullable=False),
        sa.Column("virt", sa.Text(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["flight"], ["flights.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("flight", "job_no"),
        sqlite_with_rowid=False,
    )


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("flight", sa.Integer(), nullable=False),
        sa.Column("job_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("blessing", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("host", sa.Text(), nullable=True),
        sa.Column("host_told", sa.Boolean(), nullable=False),
        sa.Column("host_state", sa.Text(), nullable=True),
        sa.Column("revisions", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("started", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration", sa.Double(), nullable=False),
        sa.Column("over", sa.Boolean(), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("console_log", sa.Text(), nullable=True),
        sa.Column("waits", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("evidence", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["flight"], ["flights.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("flight", "job_no", "attempt"),
        sqlite_with_rowid=False,
    )
    op.create_index("attempts_at", "attempts", ["revisions"], unique=False)
    op.create_index("attempts_history", "attempts", ["job", "branch", "at"], unique=False)
    op.create_index("attempts_on_host", "attempts", ["host", "at"], unique=False)


def _steps() -> None:
    op.create_table(
        "steps",
        sa.Column("flight", sa.Integer(), nullable=False),
        sa.Column("job_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("testid", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("failure_class", sa.Text(), nullable=True),
        sa.Column("phase", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["flight"], ["flights.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("flight", "job_no", "attempt", "step_no"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "steps_by_fingerprint",
        "steps",
        ["fingerprint"],
        unique=False,
        sqlite_where=sa.text("fingerprint IS NOT NULL"),
        postgresql_where=sa.text("fingerprint IS NOT NULL"),
    )
    op.create_table(
        "step_details",
        sa.Column("flight", sa.Integer(), nullable=False),
        sa.Column("job_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("facts", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["flight"], ["flights.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("flight", "job_no", "attempt", "step_no"),
    )


def _parts_of_steps() -> None:
    op.create_table(
        "phases",
        sa.Column("flight", sa.Integer(), nullable=False),
        sa.Column("job_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("phase_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started", sa.Double(), nullable=False),
        sa.Column("duration", sa.Double(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["flight"], ["flights.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("flight", "job_no", "attempt", "step_no", "phase_no"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "runvars",
        sa.Column("flight", sa.Integer(), nullable=False),
        sa.Column("job_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["flight"], ["flights.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("flight", "job_no", "attempt", "name"),
        sqlite_with_rowid=False,
    )


def _revisions_and_hosts() -> None:
    op.create_table(
        "revisions",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("tree", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("tells", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", "tree"),
        sqlite_with_rowid=False,
    )
    op.create_index("revisions_by_value", "revisions", ["tree", "revision"], unique=False)
    op.create_table(
        "hosts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "host_states",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("xen_version", sa.Text(), nullable=True),
        sa.Column("dom0_kernel", sa.Text(), nullable=True),
        sa.Column("facts", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("host_states_of", "host_states", ["host"], unique=False)


def _host_events() -> None:
    op.create_table(
        "host_events",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("flight", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["flight"], ["flights.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("host", "at", "kind", "subject"),
        sqlite_with_rowid=False,
    )
    op.create_index("host_events_of_flight", "host_events", ["flight"], unique=False)


def _waivers() -> None:
    op.create_table(
        "waivers",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("jobs", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("steps", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("pattern", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("expires", sa.Date(), nullable=False),
        sa.Column("first_used", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "waiver_uses",
        sa.Column("waiver", sa.Text(), nullable=False),
        sa.Column("flight", sa.Integer(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("testid", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["flight"], ["flights.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["waiver"], ["waivers.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("waiver", "flight", "job", "testid"),
        sqlite_with_rowid=False,
    )
    op.create_index("waiver_uses_of_flight", "waiver_uses", ["flight"], unique=False)


def _notes() -> None:
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("flight", sa.Integer(), nullable=True),
        sa.Column("job", sa.Text(), nullable=True),
        sa.Column("host", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["flight"], ["flights.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("notes_of_flight", "notes", ["flight"], unique=False)
