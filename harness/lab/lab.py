"""The lab's queue, opened: transactions on it and the store, and procrastinate within these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from procrastinate import exceptions
from procrastinate.jobs import Job
from procrastinate.manager import JobManager
from procrastinate.sync_psycopg_connector import SyncPsycopgConnector
from sqlalchemy import Connection

from harness.errors import UsageError
from harness.lab.schema import demand_current, into_lab, read_version
from harness.store.faults import StoreError
from harness.store.store import Store
from harness.store.url import VARIABLE, StoreUrl, find_store

TASK = "xenflight.fly"
"""The only task there is: one attempt of one job of a flight."""
_HINT = f"name a PostgreSQL with --store or {VARIABLE}: postgresql://USER@HOST/DATABASE"


class Lab:
    """A store in PostgreSQL with a queue in it, to be closed; may be used by any thread."""

    def __init__(self, store: Store) -> None:
        self.store = store
        # Never opened: it is given our connections, so that queue and store change together.
        self._jobs = JobManager(SyncPsycopgConnector())

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that changes nothing. `StoreError` when there is no queue as ours."""
        with self.store.reading() as connection:
            demand_current(self.store.url.shown, read_version(connection))
            into_lab(connection)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that takes effect at its end, or not at all; `StoreError` as above."""
        with self.store.writing() as connection:
            demand_current(self.store.url.shown, read_version(connection))
            into_lab(connection)
            yield connection

    def defer(self, connection: Connection, jobs: Sequence[Job]) -> list[int]:
        """Queue *jobs*; procrastinate's numbers of them.

        `UsageError` when one with the same queueing lock waits already.
        """
        try:
            with self._faults():
                made = self._jobs.batch_defer_jobs(list(jobs), connection=_raw(connection))
        except exceptions.AlreadyEnqueued as error:
            msg = f"it is queued already: {error}"
            raise UsageError(msg) from error
        return [job.id for job in made if job.id is not None]

    def cancel(self, connection: Connection, number: int) -> bool:
        """Take it from the queue, or ask its worker to end it; False when it is over."""
        with self._faults():
            return self._jobs.cancel_job_by_id(
                number, abort=True, delete_job=True, connection=_raw(connection)
            )

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except exceptions.ConnectorException as error:
            said = error.__cause__ or error
            msg = f"the queue in {self.store.url.shown} failed: {said}"
            raise StoreError(msg, passing=True) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()


def lab_url(text: str | None) -> StoreUrl:
    """The PostgreSQL that *text*, else the environment names; `UsageError` for anything else."""
    url = find_store(text)
    if url is None:
        msg = "the queue is in the store, and there is none: --store or the environment says none"
        raise UsageError(msg, hint=_HINT)
    if url.path is not None:
        msg = f"the queue needs PostgreSQL, and the store is a file: {url.path}"
        raise UsageError(msg, hint=_HINT)
    return url


def open_lab(text: str | None) -> Lab:
    """The lab that *text* names, to be closed. `UsageError` when it can be none, `StoreError`
    when it is not to be reached or has no queue."""
    url = lab_url(text)
    lab = Lab(Store(url))
    try:
        with lab.reading():
            return lab
    except BaseException:
        lab.store.close()
        raise


def _raw(connection: Connection) -> Any:  # noqa: ANN401  # psycopg's connection, for procrastinate
    return connection.connection.driver_connection
