"""The command: what it prints, where, and with which exit code."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.testing import CliRunner

import harness
from harness.cli import load_verbs, main
from harness.errors import Blocked, GuestFailure, HostLost, LabError, Starved, UsageError
from harness.flight.plan import Plan, from_json
from harness.wait import Deadline, NotYet, wait_for

ROOT = Path(harness.__file__).parent.parent
JOB = "boot-bookworm-amd64-pv-direct"
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """An application with one verb, ``fail``, that raises what it is told to."""
    app = typer.Typer()
    monkeypatch.setattr("harness.cli.load_verbs", lambda: app)
    return app


def raise_in(app: typer.Typer, error: BaseException) -> None:
    @app.command()
    def fail() -> None:
        raise error


def test_plan_shows_the_jobs_and_what_they_need(capsys: Captured) -> None:
    assert main(["plan"]) == 0
    out = capsys.readouterr().out
    assert f"{JOB}  512 MiB" in out
    assert "1 job " in out
    assert "host: testbox, a testbox: Xen on Debian bookworm in QEMU; 2 slot(s)" in out
    assert "\x1b" not in out


def test_plan_adds_up_and_obeys_only(capsys: Captured) -> None:
    assert (
        main(["plan", "must-fail", "--only", "*-panic,*-no-network,*-no-getty", "--host", "rack1"])
        == 0
    )
    out = capsys.readouterr().out
    assert "3 jobs" in out
    assert "1.5 GiB" in out
    assert "6.0 GiB" in out
    assert f"{JOB}-no-network" in out
    assert "wrong-root" not in out
    assert "rack1, at rack1.example" in out


def test_plan_counts_what_is_skipped_by_reason(capsys: Captured) -> None:
    assert main(["plan", "matrix"]) == 0
    out = capsys.readouterr().out
    assert "\n84 jobs " in out
    assert "\n84 run, 66 skipped:\n    20  pv has no firmware: bios and uefi are for hvm\n" in out
    assert "boot-sid-i386-pv-bios" not in out
    assert max(map(len, out.partition("\nhost: ")[0].splitlines())) <= 80


def test_plan_lists_skipped_jobs_when_asked(capsys: Captured) -> None:
    assert main(["plan", "matrix", "--skips", "--only", "*-sid-i386-pv-*"]) == 0
    out = capsys.readouterr().out
    assert "2 run, 3 skipped:" in out
    assert [out.count(f"boot-sid-i386-pv-{boot}") for boot in ("bios", "uefi", "pvgrub")] == [1] * 3
    reason = "GRUB for PV guests unpacks gzip, xz and lzo only"
    assert out.index(reason) < out.index("boot-sid-i386-pv-pvgrub")


def test_swap_and_further_disks_count(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(
        "flight: f\ndefaults: {disk: 2G, swap: 1G, extra_disks: [1G, 512M]}\n"
        "matrix: {dist: bookworm, arch: amd64, virt: pv, boot: direct}\n",
        encoding="utf-8",
    )
    assert main(["plan", str(path)]) == 0
    assert "4.5 GiB" in capsys.readouterr().out


def many(tmp_path: Path, vcpus: int, sizes: int) -> str:
    numbers = list(range(1, vcpus + 1))
    memory = ", ".join(f"{n}G" for n in range(1, sizes + 1))
    path = tmp_path / "f.yaml"
    path.write_text(
        "flight: f\nmatrix:\n  {dist: bookworm, arch: amd64, virt: pv, boot: direct, "
        f"vcpus: {numbers}, memory: [{memory}]}}\n",
        encoding="utf-8",
    )
    return str(path)


def test_many_jobs_are_shown_but_not_run_without_yes(
    tmp_path: Path, capsys: Captured, launched: list[Plan]
) -> None:
    flight = many(tmp_path, 67, 30)
    assert main(["plan", flight]) == 0
    assert "2010 jobs" in capsys.readouterr().out
    assert main(["run", flight, "--dry-run"]) == 0
    assert main(["run", flight]) == 2
    assert "2,010 jobs to run" in capsys.readouterr().err
    assert launched == []
    assert main(["run", flight, "--yes"]) == 0
    assert main(["run", flight, "--only", "*-vcpus2"]) == 0
    assert [len(plan.jobs) for plan in launched] == [2010, 30]


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_very_many_cells_are_refused_at_once(tmp_path: Path, capsys: Captured, verb: str) -> None:
    assert main([verb, many(tmp_path, 512, 200)]) == 2
    assert "the matrix has 102,400 cells" in capsys.readouterr().err


def test_plan_as_json_is_a_plan(capsys: Captured) -> None:
    assert main(["plan", "smoke", "--json"]) == 0
    plan = from_json(capsys.readouterr().out)
    assert [job.name for job in plan.jobs] == [JOB]
    assert plan.flight_id.startswith("smoke-")


def test_plan_ids_differ_from_one_to_the_next(capsys: Captured) -> None:
    assert main(["plan", "--json"]) == main(["plan", "--json"]) == 0
    texts = capsys.readouterr().out.split("\n}\n")[:2]
    first, second = (json.loads(text + "\n}")["flight_id"] for text in texts)
    assert first != second


def test_the_runner_of_typer_sees_the_same() -> None:
    result = CliRunner().invoke(load_verbs(), ["plan", "smoke", "--only", "*-pv-*"])
    assert result.exit_code == 0
    assert JOB in result.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["plan", "smok"], "error: unknown flight 'smok'; did you mean 'smoke'?"),
        (["plan", "--only", "*-hvm-*"], "error: no job matches '*-hvm-*'"),
        (["plan", "--host", "testbx"], "unknown host 'testbx'; did you mean 'testbox'?"),
        (["plan", "flights/none.yaml"], "error: there is no flight file flights/none.yaml"),
        (["plan", "--ony", "x"], "error: No such option: --ony"),
        (
            ["plan", "matrix", "--only", "*-sid-*-pv-uefi"],
            "error: all 2 jobs that match are skipped",
        ),
        (["run", "matrix", "--only", "boot-sid-amd64-pv-uefi"], "uefi is skipped: pv has no firm"),
        (["plan", "smoke", "more"], "more"),
        (["frobnicate"], "error: No such command 'frobnicate'"),
        (["run", "--keep", "maybe", "--dry-run"], "maybe"),
        (["run", "--keep-for", "4h", "--dry-run"], "add --keep on-failure or --keep always"),
        (["run", "--keep", "always", "--keep-for", "4", "--dry-run"], "'4' is not a duration"),
        (["run", "-n", "0", "--dry-run"], "--jobs"),
        (
            ["plan", "--format", "yaml"],
            "'--format': 'yaml' is not one of 'table', 'json', 'gitlab'",
        ),
        (["plan", "--shards", "3"], "of how many jobs a pipeline is (add --format gitlab)"),
        (["plan", "--gantt", "x.html", "--json"], "--gantt goes with the table only"),
        (["run", "smoke", "--only"], "requires an argument.\nsee xenflight run --help\n"),
        (
            ["queue", "cancl", "nightly-1"],
            "no command 'cancl' of the queue; did you mean 'cancel'?",
        ),
        (["testbox", "up", "--bogus"], "see xenflight testbox up --help\n"),
        (["run", "--timeout-factor", "0", "--dry-run"], "--timeout-factor"),
    ],
)
def test_bad_usage_ends_with_2_and_one_message(
    capsys: Captured, arguments: list[str], told: str
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert told in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("verb", ["gate", "report", "mail", "modes", "grid"])
def test_before_the_first_flight_it_is_said_that_there_was_none(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([verb]) == 2
    said = (
        "error: reports/runs/latest: no flight has run here (run one, such as xenflight run smoke"
    )
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["compare", "a", "b"], ["grid", "a"], ["status", "a"]])
def test_nothing_is_accepted_where_nothing_is(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    told = "error: there is no flight 'a' in reports/runs: none has run in this directory\n"
    assert capsys.readouterr().err == told


def test_every_mistake_of_a_flight_is_a_line(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("flight: f\nmatrx: {}\njobs: [{dist: buzz}]\n", encoding="utf-8")
    assert main(["plan", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"error: {path}:2:1: unknown key 'matrx'; did you mean 'matrix'?"
    assert all(line.startswith(f"{path}:3:") for line in lines[1:])
    assert len(lines) == 5


def test_without_a_verb_the_verbs_are_listed(capsys: Captured) -> None:
    assert main([]) == 2
    out = capsys.readouterr().out
    assert all(verb in out for verb in ("run", "plan", "check"))


@pytest.mark.parametrize("verb", ["plan", "check", "run"])
def test_the_help_of_each_verb_has_an_example(capsys: Captured, verb: str) -> None:
    assert main([verb, "--help"]) == 0
    assert f"xenflight {verb}" in capsys.readouterr().out.split("Example")[1]


def test_version(capsys: Captured) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"xenflight {harness.__version__}\n"


def test_check_is_silent_about_good_projects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "all is well: f\n"


def test_check_prints_places_and_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    make_project(tmp_path)
    (tmp_path / "suites" / "boot" / "test_x.py").unlink()
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 2
    assert capsys.readouterr().out.startswith("flights/f.yaml:")


def make_project(root: Path) -> None:
    (root / "flights").mkdir()
    (root / "suites" / "boot").mkdir(parents=True)
    (root / "suites" / "boot" / "test_x.py").write_text("def test_x(): ...\n", encoding="utf-8")
    hosts = (ROOT / "flights" / "hosts.yaml").read_text(encoding="utf-8")
    (root / "flights" / "hosts.yaml").write_text(hosts, encoding="utf-8")
    flight = (ROOT / "flights" / "smoke.yaml").read_text(encoding="utf-8")
    flight = flight.replace("flight: smoke", "flight: f")
    (root / "flights" / "f.yaml").write_text(flight, encoding="utf-8")


def test_a_dry_run_shows_the_plan_and_the_pytest_line(capsys: Captured) -> None:
    arguments = ["run", "must-fail", "--dry-run", "--keep", "on-failure", "--timeout-factor", "8"]
    arguments += ["--keep-for", "1h30m", "--dump-core"]
    arguments += ["--branch", "xen-unstable", "--blessing", "real"]
    assert main([*arguments, "-n", "3"]) == 0
    out = capsys.readouterr().out
    assert "18 jobs" in out
    assert "timeouts x 8" in out
    words = shlex.split(out.splitlines()[-1])
    assert words[:4] == ["pytest", "suites", "--flight", "flights/must-fail.yaml"]
    assert words[words.index("-n") + 1] == "3"
    assert words[-4:] == ["--branch", "xen-unstable", "--blessing", "real"]
    assert words[words.index("--keep") + 1] == "on-failure"
    assert words[words.index("--keep-for") + 1] == "5400s"
    assert "--dump-core" in words


def test_how_many_rounds_is_handed_on(capsys: Captured) -> None:
    assert main(["run", "lifecycle", "--dry-run", "--rounds", "2"]) == 0
    assert shlex.split(capsys.readouterr().out.splitlines()[-1])[-2:] == ["--rounds", "2"]


@pytest.mark.parametrize(("wanted", "used"), [([], "2"), (["-n", "19"], "18")])
def test_workers_are_the_slots_unless_told_and_never_more_than_jobs(
    capsys: Captured, wanted: list[str], used: str
) -> None:
    assert main(["run", "must-fail", "--dry-run", *wanted]) == 0
    assert shlex.split(capsys.readouterr().out.splitlines()[-1])[-2:] == ["-n", used]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("wrong"), 2),
        (LabError("lab"), 4),
        (HostLost("gone"), 4),
        (Blocked("earlier"), 4),
        (GuestFailure("panic"), 5),
        (Starved("no host"), 6),
        (KeyboardInterrupt(), 130),
        (typer.Exit(3), 3),
    ],
)
def test_errors_become_exit_codes(
    failing: typer.Typer, capsys: Captured, error: BaseException, code: int
) -> None:
    raise_in(failing, error)
    assert main([]) == code
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert str(error) in err or isinstance(error, typer.Exit)


def test_a_message_is_printed_as_it_is(failing: typer.Typer, capsys: Captured) -> None:
    raise_in(failing, UsageError("jobs[0] [bold]x[/bold] " + "y" * 400))
    assert main([]) == 2
    assert capsys.readouterr().err == "error: jobs[0] [bold]x[/bold] " + "y" * 400 + "\n"


def test_a_user_without_a_home_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def nobody() -> Path:
        msg = "Could not determine home directory."
        raise RuntimeError(msg)

    monkeypatch.setattr(Path, "home", nobody)
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "XENFLIGHT_STORE"):
        monkeypatch.delenv(name, raising=False)
    assert main(["images", "list"]) == 4
    told = "error: this user has no home directory (set HOME or XDG_CACHE_HOME)\n"
    assert capsys.readouterr().err == told
    assert main(["flights"]) == 4
    assert "(set HOME or XDG_DATA_HOME)" in capsys.readouterr().err


def test_somebody_who_is_unknown_is_bad_usage(tmp_path: Path, capsys: Captured) -> None:
    assert main(["flights", "--store", "~nobody-such/x.db"]) == 2
    assert "'~nobody-such/x.db': there is no such user" in capsys.readouterr().err
    path = tmp_path / "f.yaml"
    text = "flight: f\ndefaults: {builder: import, image: {location: ~nobody-such/x.raw}}\n"
    text += "matrix: {dist: other, arch: amd64, virt: pv, boot: pygrub}\n"
    path.write_text(text, encoding="utf-8")
    assert main(["plan", str(path)]) == 2
    assert f"{path}:2:47: '~nobody-such/x.raw': there is no such" in capsys.readouterr().err


def test_a_place_that_may_not_be_written_is_no_bug(failing: typer.Typer, capsys: Captured) -> None:
    raise_in(failing, PermissionError(13, "Permission denied", "/nonexistent"))
    assert main([]) == 4
    assert capsys.readouterr().err == "error: cannot use /nonexistent: Permission denied\n"


@pytest.mark.parametrize(
    "arguments", [["gate", "--store"], ["gate", "--history"], ["report", "--junit"]]
)
def test_a_name_that_no_file_can_have_is_bad_usage(arguments: list[str], capsys: Captured) -> None:
    run = str(ROOT / "selftests/data/results/schema1-smoke.json")
    assert main([arguments[0], run, arguments[1], "x" * 5000]) in (2, 4)
    assert "bug" not in capsys.readouterr().err


def test_an_argument_that_is_not_utf8_is_bad_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("XENFLIGHT_STORE", str(tmp_path / "history.db"))
    assert main(["db", "upgrade"]) == 0
    capsys.readouterr()
    assert main(["gate", os.fsdecode(b"caf\xe9")]) == 2
    assert capsys.readouterr().err == "error: 'caf\\udce9' is not UTF-8\n"


def test_a_bug_keeps_its_traceback_in_a_file(
    failing: typer.Typer, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    raise_in(failing, ZeroDivisionError("oops"))
    assert main([]) == 1
    err = capsys.readouterr().err
    (file,) = tmp_path.iterdir()
    assert err.splitlines() == [
        "error: this is a bug in xenflight: ZeroDivisionError: oops",
        f"details: {file}",
    ]
    text = file.read_text(encoding="utf-8")
    assert "Traceback" in text
    assert "in fail" in text


def run_module(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **env},
        timeout=60,
    )


def run_shell(line: str) -> subprocess.CompletedProcess[str]:
    """A line for a shell, in which ``xenflight`` is ours. It uses no store."""
    words = line.replace("xenflight", shlex.join([sys.executable, "-m", "harness.cli"]), 1)
    return subprocess.run(
        ["sh", "-c", words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "XENFLIGHT_STORE": "none"},
        timeout=60,
    )


def test_the_help_loads_nothing_heavy() -> None:
    done = run_module("-X", "importtime", "-m", "harness.cli", "--help")
    assert done.returncode == 0
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "harness.cli.app" in loaded
    assert loaded.isdisjoint({"paramiko", "pytest", "pydantic", "yaml", "pexpect", "xdist"})


def test_the_module_runs_and_its_exit_code_is_mains() -> None:
    done = run_module("-m", "harness.cli", "plan", "nothing-such")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("xenflight plan sm", ["smoke"]),
        ("xenflight plan must-fail --only boot-bookworm-amd64-pv-direct-w", [f"{JOB}-wrong-root"]),
        ("xenflight run --only b", [JOB]),
        ("xenflight run matrix --only boot-sid-i386-pv-u", []),
        ("xenflight run matrix --only boot-sid-i386-pv-py", ["boot-sid-i386-pv-pygrub"]),
        (
            "xenflight plan --host testbox-",
            ["testbox-2", "testbox-trixie", "testbox-disk", "testbox-iommu"],
        ),
        ("xenflight plan nothing-such --only b", []),
    ],
)
def test_shells_complete_flights_jobs_and_hosts(line: str, completed: list[str]) -> None:
    done = run_module(
        "-m",
        "harness.cli",
        _XENFLIGHT_COMPLETE="complete_bash",
        COMP_WORDS=line,
        COMP_CWORD=str(line.count(" ")),
    )
    assert done.stdout.split() == completed


def test_a_reader_that_left_is_no_bug() -> None:
    code = (
        "import os, sys\n"
        "read, write = os.pipe()\n"
        "os.close(read)\n"
        "os.dup2(write, 1)\n"
        "from harness.cli import main\n"
        "sys.exit(main(['plan']))\n"
    )
    done = run_module("-c", code)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("arguments", ["plan", "plan --json", "--help", "check", "--version"])
def test_a_full_disk_under_the_output_is_no_bug(arguments: str) -> None:
    done = run_shell(f"exec xenflight {arguments} >/dev/full")
    told = "error: cannot write the output: No space left on device\n"
    assert (done.returncode, done.stderr) == (4, told)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("plan >&-", 0),
        ("plan <&- >&- 2>&-", 0),
        ("plan nothing-such >&- 2>&-", 2),
        ("plan nothing-such 2>/dev/full", 2),
    ],
)
def test_streams_that_are_closed_are_no_bug(line: str, code: int) -> None:
    done = run_shell(f"exec xenflight {line}")
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_a_terminal_of_another_encoding_is_no_bug() -> None:
    code = "import harness.cli, sys; sys.exit(harness.cli.main(['plan', '--only', 'caf\u00e9']))"
    done = run_module("-c", code, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr.count("'caf\\xe9'")) == (2, 1)
    code = code.replace("['plan', '--only', 'caf\u00e9']", "['--help']")
    assert run_module("-c", code, PYTHONIOENCODING="ascii").returncode == 0
    done = run_module("-c", WRITES, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout) == (0, "caf\\xe9 \\u2026\n")


def test_no_escape_of_a_users_word_reaches_the_terminal(capsys: Captured) -> None:
    assert main(["plan", "flights/\x1b[2J\u202ex.yaml"]) == 2
    assert capsys.readouterr().err == "error: there is no flight file flights/\ufffdx.yaml\n"


def test_colour_only_where_someone_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    from harness.cli.output import errors

    def written(screen: io.StringIO) -> str:
        monkeypatch.setattr(sys, "stderr", screen)
        errors().print("[red]x[/]", end="")
        return screen.getvalue()

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31m" in written(Screen())
    assert written(io.StringIO()) == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in written(Screen())


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans that were run; nothing is."""
    given: list[Plan] = []

    def run_flight(plan: Plan, *, workers: int, keeping: Sequence[str]) -> int:
        assert (workers > 0, keeping) == (True, [])
        given.append(plan)
        return 0

    launch = ModuleType("harness.plugin.launch")
    launch.__dict__["run_flight"] = run_flight
    monkeypatch.setitem(sys.modules, "harness.plugin.launch", launch)
    return given


def test_run_hands_the_plan_over_and_ends_as_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Plan, int, list[str]]] = []

    def run_flight(plan: Plan, *, workers: int, keeping: Sequence[str]) -> int:
        given.append((plan, workers, list(keeping)))
        return 5

    launch = ModuleType("harness.plugin.launch")
    launch.__dict__["run_flight"] = run_flight
    monkeypatch.setitem(sys.modules, "harness.plugin.launch", launch)
    arguments = ["run", "must-fail", "--only", "*-panic", "--keep", "always", "--host", "rack1"]
    arguments += ["--keep-for", "1h30m", "--dump-core"]
    arguments += ["--branch", "xen-unstable", "--blessing", "real"]
    assert main(arguments) == 5
    ((plan, workers, keeping),) = given
    assert keeping == ["--branch", "xen-unstable", "--blessing", "real"]
    assert [job.name for job in plan.jobs] == [f"{JOB}-panic"]
    assert (plan.keep, plan.hosts[0].name, workers) == ("always", "rack1", 1)
    assert plan.keep_for == timedelta(minutes=90)
    assert plan.dump_core is True


WRITES = """
import harness.cli, sys
harness.cli._run = lambda argv: print("caf\\xe9 \\u2026") or 0
sys.exit(harness.cli.main([]))
"""

ENDLESS = """
import signal
import sys
from datetime import timedelta
import harness.cli
from harness.cli.app import app
from harness.remote.command import Command
from harness.remote.local import LocalRunner

# Who runs in the background of a shell has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

@app.command()
def endless(told: str) -> None:
    script = "echo $$ > $1; exec sleep 300"
    LocalRunner().run(Command(("sh", "-c", script, "sh", told)), timeout=timedelta(hours=1))

sys.exit(harness.cli.main(["endless", sys.argv[1]]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_verb_that_is_ended_says_so_and_takes_along_what_it_runs(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Else `bench reliability` would leave a flight that nobody waits for."""
    told = tmp_path / "pid"
    verb = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(told)], stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = Deadline.after(timedelta(seconds=60))
        wait_for(lambda: _written(told), what="its program", deadline=deadline)
        program = int(told.read_text())
        verb.send_signal(number)
        assert verb.communicate(timeout=60)[1] == "error: interrupted\n"
        assert verb.returncode == 130
        with pytest.raises(ProcessLookupError):
            os.kill(program, 0)
    finally:
        verb.kill()


def _written(path: Path) -> None:
    if not (path.exists() and path.read_text().strip()):
        msg = "nothing there"
        raise NotYet(msg)
