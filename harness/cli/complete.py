"""What a shell may complete. A completion never fails: it has nothing to say instead."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import typer

from harness.errors import XenflightError

if TYPE_CHECKING:
    from harness.store.store import Transaction


def flights(incomplete: str) -> list[str]:
    """Names of flights."""
    from harness.flight.find import flight_files, flights_dir

    try:
        names = list(flight_files(flights_dir()))
    except XenflightError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def jobs(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the jobs that can run, of the flight that stands on the line."""
    from harness.flight.find import resolve_flight
    from harness.flight.loader import load_flight

    # While the last option has no value yet, the words before it are still unread arguments.
    words = [word for word in context.args if not word.startswith("-")]
    name = words[0] if words else str(context.params.get("flight") or "smoke")
    try:
        flight = load_flight(resolve_flight(name))
    except XenflightError:
        return []
    return [j.name for j in flight.jobs if not j.skip and j.name.startswith(incomplete)]


def hosts(incomplete: str) -> list[str]:
    """Names of hosts."""
    from harness.flight.find import HOSTS_FILE, flights_dir
    from harness.flight.inventory import load_hosts

    try:
        names = list(load_hosts(flights_dir() / HOSTS_FILE).hosts)
    except XenflightError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def stored_flights(context: typer.Context, incomplete: str) -> list[str]:
    """Ids of the newest flights in the store."""
    from harness.store.names import flight_ids

    return _from_store(context, lambda connection: flight_ids(connection, incomplete))


def stored_jobs(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the jobs in the store; after a flight, of those in that flight."""
    from harness.store.names import job_names, jobs_of

    flight = context.params.get("flight")
    if flight:
        return _from_store(context, lambda connection: jobs_of(connection, flight, incomplete))
    return _from_store(context, lambda connection: job_names(connection, incomplete))


def stored_steps(context: typer.Context, incomplete: str) -> list[str]:
    """Testids of the job that stands on the line."""
    from harness.store.names import step_names

    job = str(context.params.get("job") or "")
    return _from_store(context, lambda connection: step_names(connection, job, incomplete))


def branches(context: typer.Context, incomplete: str) -> list[str]:
    """Branches in the store."""
    from harness.store.names import branches as known

    names = _from_store(context, known)
    return [name for name in names if name.startswith(incomplete)]


def _from_store(context: typer.Context, look: Callable[[Transaction], Iterable[str]]) -> list[str]:
    from datetime import timedelta

    from harness.store.store import Store
    from harness.store.url import find_store

    try:
        url = find_store(context.params.get("store"))
        if url is None:
            return []
        store = Store(url, patience=timedelta(seconds=1))
        with store, store.reading() as connection:
            return list(look(connection))
    except XenflightError:
        return []


def queued_flights(context: typer.Context, incomplete: str) -> list[str]:
    """Ids of the newest flights in the lab's queue."""
    from datetime import timedelta

    from harness.lab.lab import Lab, lab_url
    from harness.lab.look import queued_flights as known
    from harness.store.store import Store

    try:
        store = Store(lab_url(context.params.get("store")), patience=timedelta(seconds=1))
        with Lab(store) as lab, lab.reading() as connection:
            names = [one.flight_id for one in known(connection)]
    except XenflightError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def shards(incomplete: str) -> list[str]:
    """Parts of a flight: of two and four, until a slash says of how many."""
    _, slash, count = incomplete.partition("/")
    counts = [int(count)] if slash and count.isdecimal() and int(count) <= 100 else [2, 4]
    names = [f"{index}/{whole}" for whole in counts for index in range(1, whole + 1)]
    return [name for name in names if name.startswith(incomplete)]


def formats(incomplete: str) -> list[str]:
    """What a plan can be written as."""
    return [name for name in ("table", "json", "gitlab") if name.startswith(incomplete)]


def grub_forms(incomplete: str) -> list[str]:
    """Languages of boot configurations."""
    from harness.grub.model import Form

    return [form.value for form in Form if form.value.startswith(incomplete)]
