"""Command-line options, and the plan they ask for."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.flight.axes import Keep, choose
from harness.flight.find import hosts_file, resolve_flight
from harness.flight.inventory import load_hosts
from harness.flight.loader import load_flight
from harness.flight.plan import Plan, from_json, make_plan


def add_options(parser: pytest.Parser) -> None:
    """Declare our options."""
    group = parser.getgroup("xenflight", "flights of Xen guests")
    group.addoption("--flight", metavar="NAME", help="flight to run: a name or a YAML file")
    group.addoption(
        "--only",
        action="append",
        default=[],
        metavar="GLOB",
        help="only the jobs whose names match; may be repeated, or a list with commas",
    )
    group.addoption("--host", metavar="NAME", help="a host of hosts.yaml to run on")
    group.addoption(
        "--keep",
        default=Keep.NEVER,
        metavar="WHEN",
        help="leave guests behind: never (default), on-failure or always",
    )
    group.addoption(
        "--timeout-factor",
        type=float,
        metavar="F",
        help="stretch all timeouts by this instead of the host's own factor",
    )
    group.addoption("--plan", metavar="FILE", help="run a plan made by `xenflight plan --json`")
    group.addoption("--live", action="store_true", dest="xenflight_live", help=pytest_hidden())


def pytest_hidden() -> str:
    """The help text that keeps an option out of the help."""
    import argparse

    return argparse.SUPPRESS


def plan_from_options(config: pytest.Config) -> Plan | None:
    """The plan that the command line asks for; None when it asks for none.

    `UsageError` for whatever is wrong with it.
    """
    file, flight = config.getoption("--plan"), config.getoption("--flight")
    if file:
        try:
            return from_json(Path(file).read_text(encoding="utf-8"))
        except OSError as error:
            msg = f"can't read the plan {file}: {error.strerror}"
            raise UsageError(msg) from error
    if not flight:
        return None
    path = resolve_flight(flight)
    plan = make_plan(
        load_flight(path),
        load_hosts(hosts_file(path)),
        now=datetime.now(UTC),
        token=secrets.token_hex(3),
        only=config.getoption("--only"),
        host=config.getoption("--host"),
        keep=choose(Keep, config.getoption("--keep")),
    )
    factor = config.getoption("--timeout-factor")
    return replace(plan, host=replace(plan.host, timeout_factor=factor)) if factor else plan
