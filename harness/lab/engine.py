"""procrastinate, as the lab has it: in its schema, patient with its database, choosing by hosts.

Fetching, locks, heartbeats, notifications and aborts are procrastinate's; here is only what it
leaves to who uses it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import psycopg
from procrastinate import App, PsycopgConnector, exceptions
from procrastinate.connector import Notify
from procrastinate.jobs import Job
from procrastinate.manager import JobManager

from harness.lab.tables import SCHEMA
from harness.lab.words import fits
from harness.store.engine import CONNECT
from harness.store.url import StoreUrl

AWAY = 1.0
"""Seconds for which a database that went away is left alone."""
_FOR_EVER = 10 * 365 * 86400.0
T = TypeVar("T")


class PatientConnector(PsycopgConnector):
    """Waits for a database that went away, where procrastinate's own would end its worker.

    A statement that was under way then may be done twice: all of procrastinate's either say so, or
    do no harm.
    """

    patient = True

    async def execute_query_async(self, query: Any, **arguments: Any) -> None:  # noqa: ANN401
        """See procrastinate."""
        await self._patiently(
            lambda: PsycopgConnector.execute_query_async(self, query, **arguments)
        )

    async def execute_query_one_async(self, query: Any, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        """See procrastinate."""
        act = PsycopgConnector.execute_query_one_async
        return await self._patiently(lambda: act(self, query, **arguments))

    async def execute_query_all_async(
        self,
        query: Any,  # noqa: ANN401
        **arguments: Any,  # noqa: ANN401
    ) -> list[dict[str, Any]]:
        """See procrastinate."""
        act = PsycopgConnector.execute_query_all_async
        return await self._patiently(lambda: act(self, query, **arguments))

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """See procrastinate."""
        act = PsycopgConnector.listen_notify
        names = list(channels)
        await self._patiently(lambda: act(self, on_notification, names))

    async def _patiently(self, act: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await act()
            except exceptions.ConnectorException as error:
                away = isinstance(error.__cause__, psycopg.OperationalError)
                if not (away and self.patient):
                    raise
            await asyncio.sleep(AWAY)


class FittingJobs(JobManager):
    """Gives a worker jobs only that may run on its hosts."""

    def __init__(self, connector: PatientConnector, hosts: Iterable[str]) -> None:
        super().__init__(connector)
        self._patient = connector
        self._hosts = list(hosts)
        self.most: int | None = None
        """So many jobs are given out at most."""

    def lose_patience(self) -> None:
        """From now on a database that is away is an error."""
        self._patient.patient = False

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """See procrastinate; which queues is for us to say."""
        del queues
        if self.most == 0:
            return None
        rows = await self.connector.execute_query_all_async(
            query="SELECT DISTINCT queue, hosts, spec->>'peer' IS NOT NULL AS pair"
            f" FROM {SCHEMA}.lab_jobs"
            " WHERE state = 'waiting' AND hosts ?| %(hosts)s::text[]",
            hosts=self._hosts,
        )
        names = [row["queue"] for row in rows if fits(row["hosts"], self._hosts, pair=row["pair"])]
        found = await super().fetch_job(names, worker_id) if names else None
        if found and self.most is not None:
            self.most -= 1
        return found


def make_app(url: StoreUrl, hosts: Iterable[str], connections: int) -> tuple[App, FittingJobs]:
    """An app on the queue in *url*, not yet open, and what gives out its jobs."""

    async def configure(connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute(f"SET search_path = {SCHEMA}")
        await connection.commit()

    plain = url.url.set(drivername="postgresql")
    connector = PatientConnector(
        conninfo=plain.render_as_string(hide_password=False),
        kwargs={
            "connect_timeout": int(CONNECT.total_seconds()),
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
            "application_name": "xenflight worker",
        },
        configure=configure,
        min_size=1,
        max_size=connections,
        reconnect_timeout=_FOR_EVER,
        timeout=10.0,
    )
    app = App(connector=connector)
    app.job_manager = FittingJobs(connector, hosts)
    return app, app.job_manager
