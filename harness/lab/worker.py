"""A worker: takes jobs from the queue that its hosts can run, and has each run by a process."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from procrastinate import App, JobContext, exceptions
from procrastinate.worker import Worker as Fetcher

from harness.errors import XenflightError
from harness.flight.inventory import Inventory
from harness.lab.attempt import GIVING_UP, Attempt
from harness.lab.engine import FittingJobs, make_app
from harness.lab.flow import now
from harness.lab.lab import TASK, Lab
from harness.lab.look import open_jobs
from harness.lab.run import WorkerId
from harness.lab.tend import Suspects, say_alive, starve, take_over
from harness.store.about import this_controller
from harness.store.faults import StoreError

STALLED = timedelta(seconds=30)
_NEVER = 10 * 365 * 86400.0
_TURN = 1.0
_SOON = 0.05


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How a worker works."""

    hosts: tuple[str, ...]
    concurrency: int = 1
    once: bool = False
    """One job, and no more."""
    until_empty: bool = False
    """Until nothing waits or runs that could be for it."""
    stalled_after: timedelta = STALLED
    """A worker that was not heard of for so long is dead; three heartbeats fit into that."""

    @property
    def heartbeat(self) -> timedelta:
        """How often it says that it lives."""
        return self.stalled_after / 3


class Worker:
    """One worker, in this process. `run` returns when it has no more to do, or is told to end.

    SIGTERM: takes no more jobs, and lets those end that run. SIGINT, or SIGTERM again: those that
    run end in good order and wait again for other workers; once more: without their clean-up.
    """

    def __init__(
        self, lab: Lab, inventory: Inventory, terms: Terms, say: Callable[[str], None]
    ) -> None:
        self._lab = lab
        self._inventory = inventory
        self._terms = terms
        self._say = say
        self._attempts: dict[int, Attempt] = {}
        self._suspects = Suspects(terms.heartbeat * 1.5)
        self._pool = ThreadPoolExecutor(terms.concurrency + 1, thread_name_prefix="job")
        self._fetcher: Fetcher | None = None
        self._signals = 0
        self._id: WorkerId | None = None
        self._over = 0
        """Attempts that came to their end."""
        self._away = False

    def run(self) -> None:
        """Work. `XenflightError` when the lab can't be used."""
        try:
            asyncio.run(self._run())
        except exceptions.ConnectorException as error:
            msg = f"the queue in {self._lab.store.url.shown} failed: {error.__cause__ or error}"
            raise StoreError(msg, passing=True) from error
        finally:
            self._pool.shutdown()

    async def _run(self) -> None:
        terms = self._terms
        # We say ourselves that the database is away, and once is enough.
        logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
        app, jobs = make_app(self._lab.store.url, terms.hosts, terms.concurrency + 4)
        jobs.most = 1 if terms.once else None
        app.task(name=TASK, pass_context=True)(self._fly)
        async with app.open_async():
            self._fetcher = fetcher = Fetcher(
                app=app,
                name=this_controller(),
                concurrency=terms.concurrency,
                install_signal_handlers=False,
                fetch_job_polling_interval=5.0,
                abort_job_polling_interval=2.0,
                update_heartbeat_interval=terms.heartbeat.total_seconds(),
                # What came of it is told in our own tables.
                delete_jobs="always",
                # Who is dead is for us to say: procrastinate would forget it when it begins.
                stalled_worker_timeout=_NEVER,
            )
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self._signalled, number, jobs)
            work = asyncio.create_task(fetcher.run())
            tending = asyncio.create_task(self._tend(app, jobs))
            done, _ = await asyncio.wait({work, tending}, return_when=asyncio.FIRST_COMPLETED)
            fetcher.stop()
            if tending in done and (error := tending.exception()):
                self._give_back()
                await work
                raise error
            await work
            tending.cancel()
            with suppress(asyncio.CancelledError):
                await tending

    # -- jobs --------------------------------------------------------------------------

    async def _fly(self, context: JobContext, flight_id: str, job_no: int) -> None:
        number = context.job.id
        assert number is not None
        attempt = Attempt(
            self._lab,
            self._me(),
            self._inventory,
            self._say,
            flight_id=flight_id,
            job_no=job_no,
            number=number,
        )
        self._attempts[number] = attempt
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._pool, attempt.run)
        try:
            cancelled = False
            while not running.done():
                try:
                    await asyncio.shield(running)
                except asyncio.CancelledError:
                    # Somebody cancels the job: its process ends in good order, and then we do.
                    cancelled = True
                    attempt.cancel()
            await running
            if cancelled:
                raise asyncio.CancelledError
        finally:
            del self._attempts[number]
            self._over += 1

    def _me(self) -> WorkerId:
        """Known once procrastinate gave us a number, which it does before any job."""
        if self._id is None:
            assert self._fetcher
            assert self._fetcher.worker_id is not None
            number = self._fetcher.worker_id
            self._id = WorkerId(number=number, name=this_controller(), hosts=self._terms.hosts)
        return self._id

    def _signalled(self, number: int, jobs: FittingJobs) -> None:
        assert self._fetcher
        self._signals += 1
        self._fetcher.stop()
        if number == signal.SIGTERM and self._signals == 1:
            count = len(self._attempts)
            self._say(f"no more jobs are taken; {count} still run" if count else "ending")
            return
        self._say("jobs that run are ended, and wait for other workers")
        later = asyncio.get_running_loop().call_later
        later(GIVING_UP.total_seconds(), jobs.lose_patience)
        self._give_back()

    def _give_back(self) -> None:
        for attempt in list(self._attempts.values()):
            attempt.stop(give_back=True)

    # -- looking after the queue -------------------------------------------------------

    async def _tend(self, app: App, jobs: FittingJobs) -> None:
        """Until this worker has no more to do."""
        assert self._fetcher
        loop = asyncio.get_running_loop()
        pool = ThreadPoolExecutor(1, thread_name_prefix="tend")
        due = 0.0
        try:
            while self._fetcher.worker_id is None:
                await asyncio.sleep(_SOON)
            while True:
                if loop.time() >= due:
                    due = loop.time() + min(5.0, self._terms.heartbeat.total_seconds())
                    await self._turn(app, partial(loop.run_in_executor, pool))
                if self._idle(jobs) and not await loop.run_in_executor(pool, self._left):
                    return
                await asyncio.sleep(_TURN)
        finally:
            if self._id:
                with suppress(XenflightError):
                    say_alive(self._lab, self._id, self._terms.concurrency, ended=True)
            pool.shutdown()

    def _idle(self, jobs: FittingJobs) -> bool:
        """Whether it is to be asked if there is anything left to do."""
        if self._attempts:
            return False
        return self._over > 0 and jobs.most == 0 if self._terms.once else self._terms.until_empty

    def _left(self) -> int:
        if self._terms.once:
            return 0
        try:
            return open_jobs(self._lab, self._terms.hosts)
        except XenflightError:
            return 1  # nobody knows

    async def _turn(self, app: App, apart: Callable[[Callable[[], None]], Awaitable[None]]) -> None:
        """Say that we live, and see to what dead workers left and to what is cancelled.

        procrastinate's own heartbeat and its ear for aborts end when it takes no more jobs; the
        last of them may still run for an hour.
        """
        await app.job_manager.update_heartbeat(self._me().number)
        for number in await app.job_manager.list_jobs_to_abort_async():
            if attempt := self._attempts.get(number):
                attempt.cancel()
        stalled = await app.job_manager.get_stalled_jobs(
            task_name=TASK, seconds_since_heartbeat=self._terms.stalled_after.total_seconds()
        )
        mine = self._attempts.keys()
        found = {job.id: job for job in stalled if job.id is not None and job.id not in mine}
        dead = self._suspects.dead(found.keys(), now())
        left = [
            (number, str(found[number].task_kwargs["flight_id"]), _number(found[number]))
            for number in dead
        ]

        def turn() -> None:
            try:
                say_alive(self._lab, self._me(), self._terms.concurrency)
                for text in (*take_over(self._lab, left), *starve(self._lab)):
                    self._say(text)
            except XenflightError as error:
                if not self._away:
                    self._say(f"the queue is not looked after: {error}")
                self._away = True
            else:
                self._away = False

        await apart(turn)


def _number(job: Any) -> int:  # noqa: ANN401  # procrastinate's values are JSON
    return int(job.task_kwargs["job_no"])
