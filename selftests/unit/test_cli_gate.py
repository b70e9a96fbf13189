"""``xenflight gate``: text, verdict.json, exit codes, and wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from results_samples import PV, PVH, STEPS, Flight, planned

from harness.cli import main
from harness.gate.verdict import VerdictFile
from harness.status import Status

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory with flights of its own to stand in."""
    monkeypatch.chdir(tmp_path)
    flights = tmp_path / "flights"
    flights.mkdir()
    jobs = ", ".join(
        f"{{dist: bookworm, arch: amd64, virt: {virt}, boot: direct}}" for virt in ("pv", "pvh")
    )
    (flights / "smoke.yaml").write_text(f"flight: smoke\njobs: [{jobs}]\n", encoding="utf-8")
    return tmp_path


def run(number: int, bad: str | None = None, status: Status = Status.FAIL) -> Path:
    """Flight smoke-*number*: two jobs, of which the PVH guest may fail at the step *bad*."""
    directory = Path("reports/runs") / f"smoke-{number}"
    flight = Flight(directory, planned(PV), planned(PVH))
    flight.clock.advance(number * 3600)
    flight.passing_job(PV)
    for testid in STEPS[: STEPS.index(bad) if bad else None]:
        flight.step(PVH, testid)
    if bad:
        after = STEPS[STEPS.index(bad) + 1 :] if status is Status.SKIP else ()
        for testid in (bad, *after):
            evidence = "Kernel panic - not syncing: x\n"
            flight.step(PVH, testid, status, reason="said so", evidence=evidence)
    flight.recorder.job_ended(PVH)
    flight.recorder.finish()
    # The header of the samples knows one moment only, and these flights ran one after the other.
    file = directory / "results.json"
    data = json.loads(file.read_text())
    data["started"] = f"2024-11-22T{number:02}:00:00Z"
    file.write_text(json.dumps(data))
    return directory


def policy(text: str, name: str = "release") -> None:
    folder = Path("flights/policy")
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(f"policy: {name}\n{text}", encoding="utf-8")


def verdict(directory: Path) -> VerdictFile:
    text = (directory / "verdict.json").read_text(encoding="ascii")
    return VerdictFile.model_validate_json(text, strict=True)


def test_a_good_flight_opens_the_gate_and_is_the_next_one_s_baseline(capsys: Captured) -> None:
    first = run(1)
    assert main(["gate"]) == 0
    assert capsys.readouterr().out.endswith("gate of smoke: open (exit code 0)\n")
    assert verdict(first).gate == "open"
    second = run(2, "guest-boot")
    assert main(["gate", "smoke-2"]) == 0, "the same revision passed it in smoke-1"
    out = capsys.readouterr().out
    assert "baseline: smoke-1, the last whose gate opened" in out
    assert f"{PVH}  guest-boot  fail pass in smoke-1" in out
    assert verdict(second).judgements[0].analysis == "heisenbug"


def newer(directory: Path, xen: str = "4.18.0") -> Path:
    """The same flight on another Xen."""
    file = directory / "results.json"
    data = json.loads(file.read_text())
    data["hosts"][0]["xen_version"] = xen
    file.write_text(json.dumps(data))
    return directory


def test_a_regression_shuts_it(capsys: Captured) -> None:
    run(1)
    assert main(["gate"]) == 0
    second = newer(run(2, "guest-boot"))
    capsys.readouterr()
    assert main(["gate", str(second)]) == 5
    out = capsys.readouterr().out
    assert out.startswith("[smoke] flight smoke-2: regressions - FAIL\n")
    assert "  xen: 4.18.0 (was 4.17.5)\n" in out
    assert (
        f"  {PVH}  guest-boot  fail REGR. vs smoke-1\n      Kernel panic - not syncing: x\n" in out
    )
    found = verdict(second)
    assert (found.gate, found.exit_code) == ("shut", 5)
    assert [(str(r.kind), r.job, r.testid) for r in found.reasons] == [
        ("regression", PVH, "guest-boot")
    ]


@pytest.mark.parametrize(
    ("status", "code"),
    [(Status.BROKEN, 4), (Status.STARVED, 6), (Status.SKIP, 3), (Status.ABORTED, 130)],
)
def test_other_exit_codes(status: Status, code: int) -> None:
    run(1)
    assert main(["gate"]) == 0
    newer(run(2, "guest-create", status))
    assert main(["gate"]) == code


def test_json_is_the_file(capsys: Captured) -> None:
    directory = run(1)
    assert main(["gate", "--json"]) == 0
    assert capsys.readouterr().out == (directory / "verdict.json").read_text()


def test_elsewhere_the_record_is_not_touched() -> None:
    directory = run(1)
    assert main(["gate", "--output", "what-if.json"]) == 0
    assert json.loads(Path("what-if.json").read_text())["gate"] == "open"
    assert not (directory / "verdict.json").exists()


def test_a_verdict_that_cannot_be_written_is_broken(capsys: Captured) -> None:
    run(1)
    assert main(["gate", "--output", "none/what-if.json"]) == 4
    assert "cannot write the verdict to none/what-if.json: No such file" in capsys.readouterr().err


def test_a_named_baseline_in_each_spelling(capsys: Captured) -> None:
    run(1, "guest-ssh")
    newer(run(2, "guest-ssh"))
    for name in ("smoke-1", "reports/runs/smoke-1"):
        main(["gate", "--baseline", name])
        assert "baseline: smoke-1, as named" in capsys.readouterr().out


def test_the_policy_of_the_branch_and_one_by_name(capsys: Captured) -> None:
    run(1, "guest-ssh")
    policy("branches: smoke\nno_baseline: report\n")
    policy("branches: other\n", "strict")
    assert main(["gate"]) == 0
    assert "policy: release (flights/policy/release.yaml)" in capsys.readouterr().out
    assert main(["gate", "--policy", "strict"]) == 5
    assert main(["gate", "--branch", "other"]) == 5
    assert "[other] flight smoke-1" in capsys.readouterr().out


def test_blessings(capsys: Captured) -> None:
    run(1)
    policy("branches: smoke\nblessings: [real]\n")
    newer(run(2, "guest-boot"))
    main(["gate", "smoke-1", "--blessing", "real"])
    capsys.readouterr()
    assert main(["gate", "--blessing", "real"]) == 5
    assert "REGR. vs smoke-1" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["reports/rnus", "flights/smoke.yaml"])
def test_a_history_that_is_not_there_opens_no_gate(name: str, capsys: Captured) -> None:
    run(1)
    assert main(["gate", "--history", name]) == 2
    assert capsys.readouterr().err == f"error: --history: there is no directory {name}\n"
    assert main(["gate", "--history", "reports/runs"]) == 0


def test_a_flight_that_cannot_be_read_is_left_out_of_history(capsys: Captured) -> None:
    run(2)
    (run(1) / "results.json").write_text("{")
    assert main(["gate", "smoke-2"]) == 0
    err = capsys.readouterr().err
    assert "left out of history: " in err
    assert "smoke-1/results.json:1:2: the file is damaged" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["smok-1"], "there is no flight 'smok-1' in reports/runs; did you mean 'smoke-1'?"),
        (["./nowhere"], "nowhere: there are no results here"),
        (["--policy", "relase"], "unknown policy 'relase'; did you mean 'release'?"),
        (["--policy", "x/none.yaml"], "x/none.yaml: there is no such file"),
        (["--baseline", "smoke-7"], "there is no flight 'smoke-7' to compare with"),
        (["--baselin", "smoke-1"], "No such option: --baselin"),
    ],
)
def test_wrong_input(arguments: list[str], said: str, capsys: Captured) -> None:
    directory = run(1)
    policy("branches: other\n")
    assert main(["gate", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (directory / "verdict.json").exists()


def test_a_simulated_flight_counts_for_nothing(capsys: Captured) -> None:
    simulated = run(1)
    file = simulated / "results.json"
    data = json.loads(file.read_text())
    data["hosts"] = [{"name": "sim1", "kind": "sim"}]
    file.write_text(json.dumps(data))
    assert main(["gate", simulated.name]) == 2
    said = capsys.readouterr().err
    assert "was on simulated hosts: it counts for nothing" in " ".join(said.split())
    assert not (simulated / "verdict.json").exists()
    assert main(["gate", run(2).name]) == 0
    assert "left out of history: " in capsys.readouterr().err


def test_where_no_flight_ever_ran(capsys: Captured) -> None:
    assert main(["gate"]) == 2
    assert "reports/runs/latest: no flight has run here" in capsys.readouterr().err
    assert main(["gate", "smoke-1"]) == 2
    assert "there is no flight 'smoke-1' in reports/runs" in capsys.readouterr().err


def test_a_policy_with_a_mistake_is_told_with_its_line(capsys: Captured) -> None:
    directory = run(1)
    policy(f"branches: smoke\nrequired:\n  - jobs: {PV[:-1]}\n  - jobs: '*-pvh-direct'\n")
    assert main(["gate"]) == 2
    err = capsys.readouterr().err
    assert f"flights/policy/release.yaml:4:11: unknown job {PV[:-1]!r}; did you mean {PV!r}?" in err
    assert not (directory / "verdict.json").exists()


def test_jobs_of_the_flight_file_are_known_though_they_did_not_run(
    capsys: Captured, at_home: Path
) -> None:
    run(1)
    jobs = (
        "[{dist: bookworm, arch: amd64, virt: pv, boot: direct},"
        " {dist: trixie, arch: amd64, virt: pv, boot: direct}]"
    )
    (at_home / "flights" / "smoke.yaml").write_text(f"flight: smoke\njobs: {jobs}\n")
    policy("branches: smoke\nrequired: [{jobs: '*-trixie-*'}]\n")
    assert main(["gate"]) == 3
    assert "required, and neither here nor in the baseline: *-trixie-*" in capsys.readouterr().out


def test_check_looks_at_policies_too(capsys: Captured, at_home: Path) -> None:
    policy("branches: smoke\nrequired: [{jobs: smoke-*}]\n")
    assert main(["check"]) == 2
    assert "release.yaml:3:19: unknown job 'smoke-*'" in capsys.readouterr().out


def test_bench_judge_on_a_small_history(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.bench.judge.FLIGHTS", 60)
    assert main(["bench", "judge", "--json", "--no-record"]) == 0
    usual, worst, growth = json.loads(capsys.readouterr().out)
    assert (usual["unit"], usual["goal"], growth["unit"]) == ("s", 1, "× as long")
    assert "60 flights, 12000 steps; Python 3" in usual["details"]
    assert 0 < usual["value"] < worst["value"]
    assert main(["bench", "jugde"]) == 2
