"""``xenflight selftest``: the project's own tests, for checkouts."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.app import app

# First what needs no testbox, on all processors; then the rest, one by one, on a machine that does
# nothing else: an emulated host is slow, and what is late there fails. $1 and $2 choose the tests
# of each part. A part without any test (5) is none that failed, unless the other has none either.
_PARTS = """
first=$1 second=$2
shift 2
"$@" -m "$first" -n auto --dist loadfile
quick=$?
[ -n "$second" ] || exit "$quick"
case $quick in 0 | 1 | 5) ;; *) exit "$quick" ;; esac
"$@" -m "$second"
real=$?
[ "$real" != 5 ] || exit "$quick"
[ "$real" = 0 ] && [ "$quick" != 5 ] && exit "$quick"
exit "$real"
"""


@app.command()
def selftest(
    expression: Annotated[
        str | None,
        typer.Option("-k", metavar="EXPR", help="Only tests that match, as pytest's -k."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Without the tests that need a real Xen in QEMU.")
    ] = False,
    thorough: Annotated[
        bool,
        typer.Option(
            "--thorough",
            help="With those that show again, at length, what others show. -k runs them, too.",
        ),
    ] = False,
) -> None:
    """Test xenflight itself, a real Xen host and real guests included.

    Takes an hour on two cores without KVM; with --thorough, several. Without KVM it first builds
    the QEMU of 'testbox mend', once: ten minutes.

    [bold]Examples[/bold]

    [cyan]xenflight selftest[/cyan]

    [cyan]xenflight selftest --quick -k console[/cyan]
    """
    import os
    import sys
    from pathlib import Path

    import harness
    from harness.errors import UsageError
    from harness.remote.command import Command
    from harness.remote.local import become

    root = Path(harness.__file__).parent.parent
    if not (root / "selftests").is_dir():
        msg = "an installed xenflight does not carry its own tests"
        raise UsageError(msg, hint="run ./xenflight selftest in a checkout")
    if not quick:
        _mend()
    # A test that hangs fails: the longest, which boots hosts, takes minutes on a busy machine.
    words = [sys.executable, "-m", "pytest", "selftests", "--timeout", "900"]
    words += ["--durations", "12", "--durations-min", "20"]
    words += ["-k", expression] if expression else []
    light = "" if thorough or expression else " and not thorough"
    os.chdir(root)
    # Its output and exit code are the answer.
    parts = (f"not testbox{light}", "" if quick else f"testbox{light}")
    become(Command(("sh", "-c", _PARTS, "selftest", *parts, *words)))


def _mend() -> None:
    """PVH and HVM guests are among the tests, and plain QEMU may kill them (ADR 11)."""
    from harness.cli.output import errors
    from harness.cli.progress import shown_progress
    from harness.errors import LabError
    from harness.remote.local import LocalRunner
    from harness.testbox.accel import Accel, choose_accel
    from harness.testbox.mending import build_mended

    accel, _ = choose_accel()
    if accel is not Accel.TCG:
        return
    try:
        with shown_progress() as progress:
            build_mended(LocalRunner(), progress)
    except LabError as error:
        errors().print(f"{error}; what wants it is skipped", markup=False)
