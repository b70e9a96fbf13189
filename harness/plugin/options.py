"""Command-line options, and the plan they ask for."""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.flight.plan import Plan

RUNS = Path("reports/runs")
PLAN: pytest.StashKey[Plan | None] = pytest.StashKey()


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
    group.addoption(
        "--host",
        action="append",
        default=[],
        metavar="NAME",
        help="a host of hosts.yaml to run on; may be repeated, or a list with commas",
    )
    group.addoption(
        "--keep",
        default="never",
        metavar="WHEN",
        help="leave guests behind: never (default), on-failure or always",
    )
    group.addoption(
        "--keep-for",
        metavar="TIME",
        help="how long, such as 4h or 1h30m; after that any flight on the host may remove them",
    )
    group.addoption(
        "--timeout-factor",
        type=float,
        metavar="F",
        help="stretch all timeouts by this instead of the host's own factor",
    )
    group.addoption(
        "--rounds",
        type=_rounds,
        default=10,
        metavar="N",
        help="how often a step of many rounds does its thing (10)",
    )
    group.addoption(
        "--dump-core",
        action="store_true",
        help="with the evidence of a failure, keep the guest's memory too (it holds secrets)",
    )
    group.addoption(
        "--branch", metavar="NAME", help="what it is compared with; the flight's name if not given"
    )
    group.addoption(
        "--blessing", metavar="WORD", help="how far it is trusted: real, adhoc (default), play"
    )
    group.addoption(
        "--store",
        metavar="STORE",
        help="where its results go beside its directory: a file, postgresql://..., or none",
    )
    group.addoption(
        "--no-retry",
        action="store_true",
        help="do not try jobs once more that were broken by the lab",
    )
    group.addoption(
        "--no-power-cycle",
        action="store_true",
        help="leave a host that does not answer as it is, whatever hosts.yaml says",
    )
    group.addoption(
        "--fail-fast",
        action="store_true",
        help="once a job failed begin no other; those that run end as usual",
    )
    group.addoption(
        "--reports",
        default="reports",
        metavar="DIR",
        help="below it, in runs/, are the directories of flights (default: reports)",
    )
    group.addoption(
        "--shard",
        metavar="I/N",
        help="run only that part of the flight, such as 2/4; `xenflight merge` puts them together",
    )
    group.addoption("--plan", metavar="FILE", help="run a plan made by `xenflight plan --json`")


def _rounds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        msg = f"{text!r} is no number of rounds: write 1 or more"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def plan_of(config: pytest.Config) -> Plan | None:
    """The plan that the command line asks for, always the same; None when it asks for none.

    `UsageError` for whatever is wrong with it.
    """
    if PLAN not in config.stash:
        config.stash[PLAN] = _plan(config)
    return config.stash[PLAN]


def _plan(config: pytest.Config) -> Plan | None:
    # Imported only now: other projects' tests must not pay for what they don't use.
    file, flight = config.getoption("--plan"), config.getoption("--flight")
    if file:
        from harness.flight.plan import from_json

        try:
            return from_json(Path(file).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            msg = f"can't read the plan {file}: {getattr(error, 'strerror', error)}"
            raise UsageError(msg) from error
    if not flight:
        return None
    from harness.flight.axes import Keep, choose
    from harness.flight.build import build_plan, keep_time

    try:
        keep = choose(Keep, config.getoption("--keep"))
    except ValueError as error:
        msg = f"--keep: {error}"
        raise UsageError(msg) from error
    plan = build_plan(
        flight,
        only=config.getoption("--only"),
        hosts=config.getoption("--host"),
        keep=keep,
        keep_for=keep_time(config.getoption("--keep-for")),
        timeout_factor=config.getoption("--timeout-factor"),
        dump_core=config.getoption("--dump-core"),
        retry=not config.getoption("--no-retry"),
        power_cycle=not config.getoption("--no-power-cycle"),
        fail_fast=config.getoption("--fail-fast"),
    )
    from harness.schedule.past import expecting
    from harness.schedule.shard import take_shard

    branch, store = config.getoption("--branch"), config.getoption("--store")
    plan = expecting(plan, branch=branch, store=store, runs=config.invocation_params.dir / RUNS)
    shard = config.getoption("--shard")
    return take_shard(plan, shard, token=secrets.token_hex(3)) if shard else plan
