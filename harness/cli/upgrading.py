"""What ``xenflight upgrade`` does: runs what has not run yet, on both sides in turn, and asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from harness.cli.output import errors, output
from harness.cli.planning import host_lines, keeping_words, print_plan, workers_for
from harness.compare.compare import Round
from harness.compare.page import write_page
from harness.compare.upgrade import Upgrade, judge_upgrade, nothing_known
from harness.compare.upgradetext import upgrade_text, verdict_of
from harness.errors import LabError, UsageError
from harness.flight.build import build_plan, refuse_many
from harness.flight.find import flights_dir, hosts_file, resolve_flight
from harness.flight.hints import did_you_mean
from harness.flight.inventory import load_hosts
from harness.flight.plan import Plan
from harness.gate.subject import RUNS, find_directory
from harness.results.layout import FlightDirectory
from harness.results.load import load_results
from harness.results.model import FlightResult
from harness.schedule.past import expecting
from harness.status import EXIT_USAGE, Status

FLIGHT = "upgrade"
Fly = Callable[[Plan], FlightResult]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options of the command line."""

    before: str
    after: str
    flight: str | None = None
    only: tuple[str, ...] = ()
    times: int = 1
    rounds: int | None = None
    jobs: int | None = None
    retry: bool = True
    dry_run: bool = False
    html: Path | None = None
    as_json: bool = False
    branch: str | None = None
    blessing: str | None = None
    store: str | None = None
    yes: bool = False


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side: a *host* to fly on, or a flight that has *flown*."""

    name: str
    host: str = ""
    flown: FlightResult | None = None


def answer(asked: Asked, fly: Fly | None = None) -> int:
    """Answer, in words or as JSON; the exit code. `UsageError` before anything runs."""
    sides = _sides(asked)
    plans = [_plan(asked, side, sides[0]) if side.host else None for side in sides]
    keeping = keeping_words(asked.branch, asked.blessing, asked.store)
    keeping += ["--rounds", str(asked.rounds)] if asked.rounds else []
    # Only the answer goes to standard output where a program reads it.
    console = errors() if asked.as_json else output()
    if asked.dry_run:
        _show(console, plans)
        return 0
    found = judge_upgrade(
        list(_rounds(asked, sides, fly or _Flying(asked, keeping).fly, console.out))
    )
    names = [side.name for side in sides]
    if asked.html:
        write_page(found.comparison, asked.html, datetime.now(UTC), verdict_of(found, *names))
    if asked.as_json:
        print(json.dumps(_data(found, *names), indent=2))
    else:
        console.print(upgrade_text(found, *names), end="", markup=False, soft_wrap=True)
    return found.exit_code


def _sides(asked: Asked) -> tuple[Side, Side]:
    # Flights that have run are compared though nobody has a flight of that name any more.
    flight = resolve_flight(asked.flight) if asked.flight else flights_dir() / FLIGHT
    hosts = load_hosts(hosts_file(flight)).hosts
    before, after = (_side(text, list(hosts)) for text in (asked.before, asked.after))
    ids = [side.flown.flight_id if side.flown else side.host for side in (before, after)]
    if ids[0] == ids[1]:
        msg = f"--from and --to are both {asked.after}: nothing would be otherwise"
        raise UsageError(
            msg, hint="of a host that was upgraded, give --from a flight of before that"
        )
    if asked.times > 1 and (before.flown or after.flown):
        msg = "--times: a flight that has run is there once"
        raise UsageError(msg, hint="name two hosts")
    return before, after


def _side(text: str, hosts: list[str]) -> Side:
    if text in hosts:
        return Side(name=text, host=text)
    found = find_directory(text)
    if found is None or not found.exists():
        msg = f"{text!r} is no host, and no flight in {RUNS}{did_you_mean(text, hosts)}"
        raise UsageError(msg)
    flown = load_results(found)
    hosts_then = ", ".join(host.name for host in flown.hosts)
    return Side(name=hosts_then or flown.flight_id, flown=flown)


def _plan(asked: Asked, side: Side, before: Side) -> Plan:
    flight = asked.flight or (before.flown.flight if before.flown else FLIGHT)
    plan = build_plan(
        flight,
        only=asked.only,
        hosts=(side.host,),
        retry=asked.retry,
        huge=asked.yes,
    )
    if not asked.yes:
        refuse_many(plan)
    return expecting(plan, branch=asked.branch, store=asked.store)


def _show(console: Console, plans: list[Plan | None]) -> None:
    for plan in filter(None, plans):
        console.print(host_lines(plan), markup=False)
        print_plan(console, plan)


def _rounds(
    asked: Asked, sides: tuple[Side, Side], fly: Fly, say: Callable[[str], object]
) -> Iterator[Round]:
    """Each as it was flown. None begins after one of which nothing is known."""

    def one(side: Side) -> FlightResult:
        if side.flown:
            return side.flown
        say(
            f"--- {side.name}, {number} of {asked.times}" if asked.times > 1 else f"--- {side.name}"
        )
        return fly(_plan(asked, side, sides[0]))

    for number in range(1, asked.times + 1):
        # In turn who is first: what goes up or down meanwhile is then no difference between them.
        order = sides if number % 2 else sides[::-1]
        flown = [one(order[0])]
        if stop := _stops(flown[0]):
            say(f"that says nothing to compare with, so {order[1].name} need not run")
            flown.append(order[1].flown or _not_flown(flown[0]))
        else:
            flown.append(one(order[1]))
        before, after = flown if number % 2 else flown[::-1]
        yield before, after
        if stop or _stops(flown[1]):
            return


def _stops(flight: FlightResult) -> bool:
    """Whether no more need be flown: it was interrupted, or there is nothing to compare with."""
    return flight.status is Status.ABORTED or nothing_known(flight)


def _not_flown(other: FlightResult) -> FlightResult:
    """In place of the flight that *other* would have been compared with."""
    return other.model_copy(update={"flight_id": "-", "jobs": (), "hosts": (), "images": ()})


class _Flying:
    """Real flights, in this process."""

    def __init__(self, asked: Asked, keeping: list[str]) -> None:
        self._asked = asked
        self._keeping = keeping

    def fly(self, plan: Plan) -> FlightResult:
        """Run *plan*: its results. `LabError` when it came to write none."""
        from harness.plugin.launch import run_flight

        code = run_flight(
            plan,
            workers=workers_for(plan, self._asked.jobs),
            keeping=self._keeping,
            terminal=2 if self._asked.as_json else 1,
        )
        results = FlightDirectory.of(Path("reports"), plan.flight_id).results
        if not results.exists():
            msg = f"flight {plan.flight_id} left no results; its exit code was {code}"
            raise UsageError(msg) if code == EXIT_USAGE else LabError(msg)
        return load_results(results)


def _data(found: Upgrade, before: str, after: str) -> dict[str, object]:
    sides = {"before": before, "after": after}
    return {"safety": found.safety, "sides": sides, **asdict(found)}
