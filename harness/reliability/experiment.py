"""The whole experiment: rounds, one after the other, each written down as it ends."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import LabError
from harness.flight.model import HostSpec
from harness.host.xenhost import XenHost
from harness.job.reach import reach_host
from harness.progress import Progress
from harness.reliability import decoys
from harness.reliability.round import Round, play, shots
from harness.reliability.victim import Place
from harness.testbox.machine import Testbox
from harness.wait import SYSTEM_CLOCK, Clock


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What is done, and how often."""

    spec: HostSpec
    flight: str
    """The path of its file."""
    kills: int
    goods: int
    """How many times the flight is run undisturbed, and has to pass."""
    seed: int
    again: bool
    """Whether a testbox is saved and resumed before each round."""


@dataclass(frozen=True, kw_only=True)
class GoodRun:
    """A flight that nobody disturbed. *wrong* is empty when it passed."""

    number: int
    seconds: float
    wrong: str = ""

    def __str__(self) -> str:
        return f"good run {self.number}, {self.seconds:.0f} s"


Outcome = Round | GoodRun


def run_experiment(
    setup: Setup, place: Place, progress: Progress, clock: Clock = SYSTEM_CLOCK
) -> Iterator[Outcome]:
    """Good runs first, then kills; each outcome as it comes.

    The first good run also tells how long a flight takes, and has everything warm for the others.
    `LabError` when the host can't be used, or that first run does not pass.
    """
    words = (setup.flight, "--host", setup.spec.name)
    progress("a flight that nobody disturbs, to have everything warm")
    first = _good(0, place, words, clock)
    if first.wrong:
        msg = f"the flight does not pass even when nobody disturbs it: {first.wrong}"
        raise LabError(msg)
    total = setup.goods + setup.kills
    lengths: list[GoodRun] = []
    for number in range(1, setup.goods + 1):
        progress(f"good run {number} of {setup.goods}", (number - 1) / total)
        lengths.append(_good(number, place, words, clock))
        yield lengths[-1]
    if not setup.kills:
        return
    # The first may have built images: then most moments would be after the end of the others.
    length = min(one.seconds for one in (first, *lengths) if not one.wrong)
    with _decoys(setup.spec, progress):
        for shot in shots(setup.kills, length, setup.seed):
            text = f"kill {shot.number} of {setup.kills}: {shot.aim} after {shot.after:.1f} s"
            progress(text, (setup.goods + shot.number - 1) / total)
            with _host(setup, progress) as host:
                yield play(shot, host, place, words, clock)


def write_down(outcome: Outcome, file: Path) -> None:
    """Add *outcome* to *file*, a line of JSON: what is there stays, whatever comes after."""
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps({**asdict(outcome), "wrong": outcome.wrong}) + "\n")


def verdict(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Figures for all of them, by name."""
    found = list(outcomes)
    killed = [one for one in found if isinstance(one, Round)]
    good = [one for one in found if isinstance(one, GoodRun)]
    return {
        "kills": len(killed),
        "objects left": sum(len(one.left) for one in killed),
        "objects of others touched": sum(len(one.touched) for one in killed),
        "rounds with a problem": sum(bool(one.problem) for one in killed),
        "good runs": len(good),
        "false failures": sum(bool(one.wrong) for one in good),
    }


def _good(number: int, place: Place, words: tuple[str, ...], clock: Clock) -> GoodRun:
    began = clock.monotonic()
    done = place.xenflight("run", *words)
    wrong = "" if done.ok else f"exit status {done.exit_status}: {done.stdout}{done.stderr}"
    return GoodRun(number=number, seconds=round(clock.monotonic() - began, 1), wrong=wrong)


@contextmanager
def _host(setup: Setup, progress: Progress) -> Iterator[XenHost]:
    if setup.spec.testbox and setup.again:
        Testbox(setup.spec.name, setup.spec.testbox).down(progress=progress)
    host = reach_host(setup.spec, progress).host
    try:
        yield host
    finally:
        host.close()


@contextmanager
def _decoys(spec: HostSpec, progress: Progress) -> Iterator[None]:
    host = reach_host(spec, progress).host
    try:
        decoys.plant(host)
    finally:
        host.close()
    try:
        yield
    finally:
        host = reach_host(spec, progress).host
        try:
            decoys.remove(host)
        finally:
            host.close()
