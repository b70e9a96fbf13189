"""What `xenflight reap` does. Imported when it runs."""

from __future__ import annotations

from datetime import timedelta

from rich.console import Console

from harness.errors import UsageError
from harness.flight.hints import did_you_mean
from harness.host.reaper import Leftovers, find_dead, inventory, reap_kept
from harness.host.xenhost import XenHost
from harness.job.reap import reap
from harness.job.secrets import FlightSecrets
from harness.units import human_seconds


def show(host: XenHost, console: Console, *, kept: str | None) -> None:
    """Say what would be removed, and what only its operator removes."""
    dead = find_dead(host)
    for left in dead:
        _say(console, f"{host.name}: would remove what flight {left.run} left: {left}")
    if kept:
        jobs = ", ".join(_kept(host, kept).kept_jobs)
        _say(console, f"{host.name}: would remove what flight {kept} kept: {jobs}")
    elif not dead:
        _say(console, f"{host.name}: nothing to reap")
    _say_kept(host, console, but=kept)


def remove_dead(host: XenHost, console: Console) -> None:
    """Remove what dead flights left. `LabError` names what would not go."""
    removed = reap(host)
    for left in removed:
        _say(console, f"{host.name}: removed what flight {left.run} left: {left}")
    if not removed:
        _say(console, f"{host.name}: nothing to reap")
    _say_kept(host, console)


def remove_kept(host: XenHost, run: str, console: Console) -> None:
    """Remove the guests that the flight *run* kept, and its key and password."""
    _kept(host, run)
    left = reap_kept(host, run)
    FlightSecrets.of(run).remove()
    _say(console, f"{host.name}: removed what flight {run} kept: {left}")


def _kept(host: XenHost, run: str) -> Leftovers:
    """What the flight *run* kept; `UsageError` when that is nothing."""
    keepers = {left.run: left for left in inventory(host).values() if left.kept_jobs}
    if run not in keepers:
        msg = f"flight {run!r} kept nothing on {host.name}{did_you_mean(run, keepers)}"
        raise UsageError(msg)
    return keepers[run]


def _say_kept(host: XenHost, console: Console, *, but: str | None = None) -> None:
    for left in inventory(host).values():
        if left.kept_jobs and left.run != but:
            jobs = ", ".join(_with_time(job, time) for job, time in left.kept.items())
            _say(console, f"{host.name}: kept for you: {jobs}; --kept {left.run} removes that")


def _with_time(job: str, left: timedelta | None) -> str:
    """A job whose guest is kept, and for how long yet, if that has an end."""
    return job if left is None else f"{job} ({human_seconds(left.total_seconds())} left)"


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
