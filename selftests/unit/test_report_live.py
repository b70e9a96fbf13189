"""The live view: a table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from results_samples import PV, PVH, STEPS
from rich.console import Console

from harness.report.live import LiveView
from harness.results.model import StepResult
from harness.status import Status

GOLDEN = Path(__file__).parents[1] / "data" / "report"
JOBS = {PV: STEPS, PVH: STEPS}


class HandClock:
    """Time that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def check(name: str, text: str) -> None:
    """Compare with the stored text; XENFLIGHT_UPDATE_GOLDEN=1 stores it anew, to be looked at."""
    if os.environ.get("XENFLIGHT_UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text)
    assert text == (GOLDEN / name).read_text()


def console(terminal: bool, height: int = 40) -> Console:
    return Console(
        file=io.StringIO(),
        width=100,
        height=height,
        force_terminal=terminal,
        color_system=None,
        _environ={"TERM": "xterm"},
    )


def written(on: Console) -> str:
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def picture(view: LiveView) -> str:
    """The view as it is now, on paper."""
    paper = console(terminal=False)
    paper.print(view.render())
    return "\n".join(line.rstrip() for line in written(paper).split("\n"))


def done(testid: str, status: Status = Status.PASS, **more: object) -> StepResult:
    values = {"testid": testid, "status": status, "duration": 4.25, **more}
    return StepResult.model_validate(values)


FAILED = done(
    "guest-boot",
    Status.FAIL,
    phase="kernel",
    failure_class="kernel-panic",
    reason="panic: \x1b[2J[red]Attempted to kill init![/red]\nsecond line",
)


def fly(view: LiveView, clock: HandClock) -> None:
    """Some events, up to the middle of a flight."""
    view.preparing("building the image of bookworm amd64")
    for part in range(0, 101, 10):
        view.progress("sending the image", part, 100)
        clock.sleep(1)
    for job in JOBS:
        view.step_started(job, "guest-create")
        clock.sleep(4.25)
        view.step_finished(job, done("guest-create"))
    view.step_started(PVH, "guest-boot")
    clock.sleep(4.25)
    view.step_finished(PVH, FAILED)
    view.step_started(PV, "guest-boot")
    view.step_phase(PV, "initramfs")
    view.note("the mirror is slow today")
    clock.sleep(60)


def test_plain_lines_where_there_is_no_terminal() -> None:
    clock, on = HandClock(), console(terminal=False)
    with LiveView(on, JOBS, clock=clock) as view:
        fly(view, clock)
    check("live-lines.txt", written(on))


def test_table_in_the_middle_of_a_flight() -> None:
    clock = HandClock()
    view = LiveView(console(terminal=False), JOBS, clock=clock)
    fly(view, clock)
    view.progress("reading the console", 3, 12)
    check("live-table.txt", picture(view))


def test_before_anything_happened_all_jobs_wait() -> None:
    view = LiveView(console(terminal=False), JOBS, clock=HandClock())
    view.preparing("resuming the testbox")
    lines = picture(view).split("\n")
    assert lines[0] == "resuming the testbox"
    assert [line.split() for line in lines[1:3]] == [
        [PV, "·······", "waiting"],
        [PVH, "·······", "waiting"],
    ]


def test_elapsed_time_of_a_job_stops_with_its_last_step() -> None:
    clock = HandClock()
    view = LiveView(console(terminal=False), {PV: ("only",)}, clock=clock)
    view.step_started(PV, "only")
    clock.sleep(3)
    assert picture(view).split("\n")[0].split() == [PV, "·", "only", "3.0", "s"]
    view.step_finished(PV, done("only"))
    clock.sleep(30)
    assert picture(view).split("\n")[0].split() == [PV, "●", "pass", "3.0", "s"]
    assert "33.0 s elapsed" in picture(view)


def test_bar_goes_away_when_its_task_is_done() -> None:
    view = LiveView(console(terminal=False), JOBS, clock=HandClock())
    view.progress("sending", 5, 10)
    assert "sending" in picture(view)
    view.progress("sending", 10, 10)
    assert "sending" not in picture(view)


def test_work_that_tells_its_share_has_one_bar_at_a_time() -> None:
    on = console(terminal=False)
    view = LiveView(on, JOBS, clock=HandClock())
    view.working("building")
    view.working("building")
    view.working("copying", 0.5)
    assert "copying" in picture(view)
    assert "50 %" in picture(view)
    view.working("packing", 0.25)
    assert "copying" not in picture(view)
    view.working("packing", 1.0)
    assert "packing" not in picture(view)
    said = [line.split("] ")[1] for line in written(on).splitlines()]
    assert said == ["building", "copying 50 %", "packing 25 %", "packing 100 %"]


def test_each_thread_has_a_bar_of_its_own() -> None:
    view = LiveView(console(terminal=False), JOBS, clock=HandClock())
    with ThreadPoolExecutor(1) as other:
        view.working("building sid: unpacking x", 0.25)
        other.submit(view.working, "building trixie: unpacking y", 0.5).result()
        assert "building sid: unpacking x" in picture(view)
        assert "building trixie: unpacking y" in picture(view)
        view.working("building sid: setting up z", 0.75)
        assert "unpacking x" not in picture(view)
        other.submit(view.working, "image trixie is ready").result()
        assert "building trixie" not in picture(view)
        assert "setting up z" in picture(view)


def test_details_of_a_task_take_no_lines_of_their_own() -> None:
    on = console(terminal=False)
    view = LiveView(on, JOBS, clock=HandClock())
    for number in range(20):
        view.working(f"building sid: package {number}", number / 20)
    assert len(written(on).splitlines()) == 4, "one for each quarter"


def test_a_phase_is_said_once_and_a_skipped_step_not_at_all() -> None:
    on = console(terminal=False)
    view = LiveView(on, JOBS, clock=HandClock())
    view.step_started(PV, "guest-create")
    for _ in range(3):
        view.step_phase(PV, "waiting for its image")
    assert "waiting for its image" in picture(view)
    view.step_phase(PV, "")
    assert "waiting for its image" not in picture(view)
    view.step_finished(PVH, StepResult(testid="x", status=Status.SKIP, reason="no"))
    said = [line.split("] ")[1] for line in written(on).splitlines()]
    assert said == [f"{PV} guest-create started", f"{PV} guest-create: waiting for its image"]


@pytest.mark.parametrize(("completed", "total"), [(0, 0), (5, 0), (7, None), (20, 10)])
def test_odd_amounts_do_no_harm(completed: float, total: float | None) -> None:
    on = console(terminal=False)
    view = LiveView(on, JOBS, clock=HandClock())
    view.progress("t", completed, total)
    assert PV in picture(view)
    assert len(written(on).split("\n")) == 2


def test_job_nobody_announced_does_no_harm() -> None:
    view = LiveView(console(terminal=False), {}, clock=HandClock())
    view.step_finished("surprise", done("x"))
    assert "surprise" in picture(view)


def test_job_that_is_tried_again_begins_anew() -> None:
    view = LiveView(console(terminal=False), {"job": ["a", "b"]})
    for testid, status in (("a", Status.BROKEN), ("b", Status.BLOCKED), ("a", Status.PASS)):
        view.step_started("job", testid)
        view.step_finished("job", StepResult(testid=testid, status=status))
    assert "●·" in picture(view)


def test_low_screen_shows_running_jobs_then_bad_ones_and_counts_the_rest() -> None:
    names = [f"job-{number:02d}" for number in range(20)]
    view = LiveView(
        console(terminal=False, height=9), dict.fromkeys(names, ("only",)), clock=HandClock()
    )
    for name in names[:10]:
        view.step_finished(name, done("only", Status.FAIL if name == "job-03" else Status.PASS))
    view.step_started("job-15", "only")
    lines = picture(view).strip().split("\n")
    assert [line.split()[0] for line in lines[:2]] == ["job-15", "job-03"]
    assert lines[-1] == "and 17 more: 8 waiting, 9 pass · 0.0 s elapsed"


def test_terminal_is_drawn_on_and_left_clean(capsys: pytest.CaptureFixture[str]) -> None:
    clock, on = HandClock(), console(terminal=True)
    view = LiveView(on, JOBS, clock=clock)
    fly(view, clock)
    print("[red]someone else prints[/red]\x1b[2J")
    view.close()
    view.close()
    text = written(on)
    # Others' lines come through the console, above the table, which is then drawn again.
    before, after = text.split("[red]someone else prints[/red]\n")
    assert PV in before
    assert PV in after
    assert "the mirror is slow today" in before
    assert text.endswith("\x1b[2K")
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert "\x1b[2J" not in text
    assert capsys.readouterr().out == ""
    print("and later")
    assert capsys.readouterr().out == "and later\n"


def test_terminal_is_left_clean_when_the_run_is_interrupted() -> None:
    on = console(terminal=True)

    def interrupted() -> None:
        with LiveView(on, JOBS, clock=HandClock()):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert written(on).count("\x1b[?25h") == 1


def test_dumb_terminal_gets_plain_lines() -> None:
    on = Console(file=io.StringIO(), width=100, force_terminal=True, _environ={"TERM": "dumb"})
    with LiveView(on, JOBS, clock=HandClock()) as view:
        view.step_finished(PV, FAILED)
    assert "fail in 4.2 s: phase kernel, kernel-panic: panic: [red]Attempted" in written(on)
    assert "\x1b" not in written(on)
