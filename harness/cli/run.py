"""``xenflight run``."""

from __future__ import annotations

import shlex
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import app
from harness.cli.options import (
    BlessingOption,
    FlightArgument,
    HostsOption,
    JobsOption,
    OnlyOption,
    OwnBranchOption,
    RetryOption,
    ShardOption,
    StoreOption,
    YesOption,
)
from harness.flight.axes import Keep

if TYPE_CHECKING:
    from harness.flight.plan import Plan


@app.command()
def run(
    flight: FlightArgument = "smoke",
    only: OnlyOption = None,
    host: HostsOption = None,
    keep: Annotated[
        Keep, typer.Option(help="When to leave guests and volumes behind, to look at them.")
    ] = Keep.NEVER,
    keep_for: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="How long, such as 4h or 1h30m; then any flight there may remove them.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and stop.")
    ] = False,
    shard: ShardOption = None,
    jobs: JobsOption = None,
    timeout_factor: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=100,
            metavar="F",
            help="Stretch timeouts by this, not the host's factor.",
        ),
    ] = None,
    dump_core: Annotated[
        bool,
        typer.Option(
            "--dump-core",
            help="Of a guest that fails keep the memory, too. It holds the guest's secrets.",
        ),
    ] = False,
    retry: RetryOption = True,
    no_power_cycle: Annotated[
        bool,
        typer.Option(
            "--no-power-cycle",
            help="Leave a host that does not answer as it is, whatever hosts.yaml says.",
        ),
    ] = False,
    rounds: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="How often steps of many rounds do their thing; 10 by default."
        ),
    ] = None,
    fail_fast: Annotated[
        bool,
        typer.Option(
            "--fail-fast", help="Once a job failed begin no other; those that run end as usual."
        ),
    ] = False,
    until_first_failure: Annotated[
        bool,
        typer.Option(
            "--until-first-failure",
            help="Repeat the flight until a job fails; each time is a flight of its own.",
        ),
    ] = False,
    times: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, metavar="N", help="With that: so many times at most."),
    ] = None,
    within: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="TIME", help="With that: begin no flight after so long, such as 8h."
        ),
    ] = None,
    branch: OwnBranchOption = None,
    blessing: BlessingOption = None,
    store: StoreOption = None,
    yes: YesOption = False,
) -> None:
    """Run a flight: build its guests, boot, prove and remove them.

    What it gave is in reports/runs/latest. The exit code is that of its worst job: 0 passed,
    5 failed, 4 broken by the lab, 6 starved, 3 nothing ran, 130 aborted.

    [bold]Examples[/bold]

    [cyan]xenflight run smoke[/cyan]

    [cyan]xenflight run smoke --only '*-pv-*' --keep on-failure --keep-for 4h[/cyan]

    [cyan]xenflight run smoke --host rack1 -n 4[/cyan]

    [cyan]xenflight run nightly --host rack1,rack2[/cyan]

    [cyan]xenflight run nightly --shard 2/4 --store none[/cyan]

    [cyan]xenflight run nightly --fail-fast[/cyan]

    [cyan]xenflight run smoke --until-first-failure --times 50 --keep on-failure[/cyan]

    [cyan]xenflight run nightly --branch xen-unstable --blessing real[/cyan]
    """
    import secrets

    from harness.cli.output import output
    from harness.cli.planning import (
        host_lines,
        keeping_words,
        print_plan,
        pytest_line,
        workers_for,
    )
    from harness.cli.repeat import Flown, any_failed, bounds_of, until_failure
    from harness.flight.build import build_plan, keep_time, refuse_many
    from harness.schedule.past import expecting
    from harness.schedule.shard import take_shard

    bounds = bounds_of(wanted=until_first_failure, times=times, within=within)

    def plan_anew() -> Plan:
        plan = build_plan(
            flight,
            only=only or (),
            hosts=host or (),
            keep=keep,
            keep_for=keep_time(keep_for),
            timeout_factor=timeout_factor,
            dump_core=dump_core,
            retry=retry,
            power_cycle=not no_power_cycle,
            fail_fast=fail_fast,
            huge=yes,
        )
        plan = expecting(plan, branch=branch, store=store)
        return take_shard(plan, shard, token=secrets.token_hex(3)) if shard else plan

    plan = plan_anew()
    keeping = keeping_words(branch, blessing, store)
    keeping += ["--rounds", str(rounds)] if rounds else []
    workers = workers_for(plan, jobs)
    if dry_run:
        console = output()
        print_plan(console, plan)
        console.print(f"\n{host_lines(plan)}", markup=False)
        line = shlex.join([*pytest_line(plan, workers, only or (), shard), *keeping])
        console.print(line, markup=False, soft_wrap=True)
        return
    if not yes:
        refuse_many(plan)
    from harness.plugin.launch import run_flight

    if bounds is None:
        raise typer.Exit(run_flight(plan, workers=workers, keeping=keeping))
    plans = chain([plan], iter(plan_anew, None))

    def fly() -> Flown:
        one = next(plans)
        code = run_flight(one, workers=workers, keeping=keeping)
        return Flown(flight_id=one.flight_id, code=code, failed=any_failed(one.flight_id))

    raise typer.Exit(until_failure(fly, bounds, partial(output().print, markup=False)))
