"""What a shell may complete. A completion never fails: it has nothing to say instead."""

from __future__ import annotations

import typer

from harness.errors import XenflightError


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
