"""From what a user asked for to a plan: the same for the command and for plain pytest."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from harness.errors import UsageError
from harness.flight.axes import Keep
from harness.flight.find import hosts_file, resolve_flight
from harness.flight.inventory import load_hosts
from harness.flight.loader import load_flight
from harness.flight.plan import Plan, make_plan
from harness.units import parse_duration

MANY_JOBS = 2_000
"""More than these take a day on any host, so somebody must have meant them."""


def refuse_many(plan: Plan) -> None:
    """`UsageError` for a plan of more jobs than anyone runs by accident."""
    count = sum(not job.skip for job in plan.jobs)
    if count > MANY_JOBS:
        msg = f"this plan has {count:,} jobs to run; more than {MANY_JOBS:,} are refused"
        raise UsageError(msg, hint="choose some with --only, or say --yes")


def keep_time(text: str | None) -> timedelta | None:
    """The value of ``--keep-for``: ``4h``, ``1h30m``. `UsageError` when it is no duration."""
    if text is None:
        return None
    try:
        return parse_duration(text)
    except OverflowError:
        msg = "--keep-for: that is too long"
    except ValueError as error:
        msg = f"--keep-for: {error}"
    raise UsageError(msg)


def build_plan(
    flight: str,
    *,
    only: Sequence[str] = (),
    hosts: Sequence[str] = (),
    keep: Keep = Keep.NEVER,
    keep_for: timedelta | None = None,
    timeout_factor: float | None = None,
    dump_core: bool = False,
    retry: bool = True,
    power_cycle: bool = True,
    fail_fast: bool = False,
    huge: bool = False,
) -> Plan:
    """The plan for *flight*, a name or a file; `UsageError` when it cannot be.

    A matrix of more than `harness.flight.matrix.MAX_CELLS` cells is refused, unless *huge*.
    """
    if timeout_factor is not None and timeout_factor <= 0:
        msg = f"a timeout factor of {timeout_factor:g} leaves no time for anything"
        raise UsageError(msg)
    if keep_for is not None and keep is Keep.NEVER:
        msg = "--keep-for says for how long guests are kept, but none is"
        raise UsageError(msg, hint="add --keep on-failure or --keep always")
    path = resolve_flight(flight)
    plan = make_plan(
        load_flight(path, huge=huge),
        load_hosts(hosts_file(path)),
        now=datetime.now(UTC),
        token=secrets.token_hex(3),
        only=only,
        hosts=hosts,
        keep=keep,
        keep_for=keep_for,
    )
    plan = replace(
        plan, dump_core=dump_core, retry=retry, power_cycle=power_cycle, fail_fast=fail_fast
    )
    if timeout_factor is None:
        return plan
    hosts_then = tuple(replace(host, timeout_factor=timeout_factor) for host in plan.hosts)
    return replace(plan, hosts=hosts_then)
