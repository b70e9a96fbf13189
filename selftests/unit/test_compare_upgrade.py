"""Is an upgrade safe? What is said of results, and that nothing else is ever said."""

from __future__ import annotations

import json
from math import comb
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from site_samples import flight, job, step

from harness.cli import main
from harness.cli.upgrading import Asked, answer
from harness.compare.statistics import fisher
from harness.compare.upgrade import Fate, Safety, Upgrade, judge_upgrade
from harness.compare.upgradetext import upgrade_text
from harness.flight.plan import Plan
from harness.results.model import FlightResult, HostFacts, JobResult
from harness.results.recorder import to_json
from harness.status import Status

P, F, S, B, X, A = (
    *(Status.PASS, Status.FAIL, Status.SKIP),
    *(Status.BROKEN, Status.STARVED, Status.ABORTED),
)
VERDICTS = (P, F)
NO_VERDICTS = tuple(status for status in Status if status not in VERDICTS)
STEPS = ("boot", "save", "gone")


def one(
    name: str, status: Status, at: str = "boot", reason: str = "as the test wants"
) -> JobResult:
    """A job that goes well up to the step *at*, which ends with *status*."""
    where = STEPS.index(at)
    ends = [P] * where + [status] + [P if status in (P, S) else Status.BLOCKED] * len(STEPS)
    steps = [
        step(1, testid, end, reason=None if end is P else reason, duration=10.0)
        for testid, end in zip(STEPS, ends, strict=False)
    ]
    if status is S:
        steps = [step(1, testid, S, reason=reason) for testid in STEPS]
    return job(1, *steps, name=name)


def side(number: int, jobs: list[JobResult], kind: str = "ssh") -> FlightResult:
    hosts = (HostFacts(name=f"rack{number}", kind=kind, xen_version=f"4.1{number}"),)
    return flight(number, jobs, hosts=hosts)


def judged(*pairs: tuple[Status, Status]) -> Upgrade:
    """Of one round in which each job ended like that before, and after."""
    old = [one(f"j{n}", before) for n, (before, _) in enumerate(pairs)]
    new = [one(f"j{n}", after) for n, (_, after) in enumerate(pairs)]
    return judge_upgrade([(side(1, old), side(2, new))])


def rounds(*pairs: tuple[Status, Status]) -> Upgrade:
    """Of one job that ended like that, time after time."""
    return judge_upgrade([(side(1, [one("j", a)]), side(2, [one("j", b)])) for a, b in pairs])


@pytest.mark.parametrize(
    ("pairs", "safety", "code"),
    [
        ([(P, P)], Safety.SAFE, 0),
        ([(P, P), (F, F)], Safety.SAFE, 0),
        ([(P, P), (F, P)], Safety.SAFE, 0),
        ([(P, P), (S, S)], Safety.SAFE, 0),
        ([(P, P), (S, F)], Safety.SAFE, 0),
        ([(P, P), (P, F)], Safety.NOT_SAFE, 5),
        ([(P, B), (P, F)], Safety.NOT_SAFE, 5),
        ([(P, P), (P, B)], Safety.UNKNOWN, 4),
        ([(P, P), (B, P)], Safety.UNKNOWN, 4),
        ([(P, P), (B, F)], Safety.UNKNOWN, 4),
        ([(P, P), (P, X)], Safety.UNKNOWN, 6),
        ([(P, X), (P, B)], Safety.UNKNOWN, 4),
        ([(P, P), (P, Status.BLOCKED)], Safety.UNKNOWN, 4),
        ([(P, P), (P, A)], Safety.UNKNOWN, 130),
        ([(P, P), (P, S)], Safety.UNKNOWN, 3),
        ([(F, F)], Safety.UNKNOWN, 3),
        ([(S, S)], Safety.UNKNOWN, 3),
        ([], Safety.UNKNOWN, 3),
    ],
)
def test_the_answer(pairs: list[tuple[Status, Status]], safety: Safety, code: int) -> None:
    found = judged(*pairs)
    assert (found.safety, found.exit_code) == (safety, code)
    assert found.why


STATUSES = st.sampled_from([P, F, S, B, X, A, Status.BLOCKED])
PAIRS = st.tuples(STATUSES, STATUSES)


@given(st.lists(PAIRS, max_size=6))
def test_a_fault_of_the_lab_is_never_not_safe_and_what_is_missing_never_safe(
    pairs: list[tuple[Status, Status]],
) -> None:
    found = judged(*pairs)
    if found.safety is Safety.NOT_SAFE:
        assert (P, F) in pairs
    if found.safety is Safety.SAFE:
        assert any(after is P for _, after in pairs)
        assert all(before is S or {before, after} <= {P, F} for before, after in pairs)
        assert (P, F) not in pairs
    assert (found.safety is Safety.SAFE) == (found.exit_code == 0)
    assert (found.safety is Safety.NOT_SAFE) == (found.exit_code == 5)
    assert len(found.jobs) == len(pairs)


def test_a_job_that_is_not_there_after_is_missing() -> None:
    found = judge_upgrade([(side(1, [one("a", P), one("b", P)]), side(2, [one("a", P)]))])
    assert (found.safety, found.exit_code) == (Safety.UNKNOWN, 3)
    assert [(job.job, job.why) for job in found.of(Fate.UNKNOWN)] == [
        ("b", "after: it was not run")
    ]
    new = judge_upgrade([(side(1, [one("a", P)]), side(2, [one("a", P), one("b", F)]))])
    assert new.safety is Safety.SAFE
    assert [job.job for job in new.of(Fate.ASIDE)] == ["b"]


def test_what_is_skipped_after_and_passed_before_is_missing_too() -> None:
    ends = [step(2, "boot"), step(2, "save", S, reason="no room"), step(2, "gone")]
    found = judge_upgrade([(side(1, [one("j", P)]), side(2, [job(2, *ends)]))])
    assert found.safety is Safety.UNKNOWN
    (lost,) = found.of(Fate.UNKNOWN)
    assert lost.why == "after: skips save, which passed before: no room"
    assert judge_upgrade([(side(1, [job(1, *ends)]), side(2, [one("j", P)]))]).safety is Safety.SAFE


def test_how_a_job_fails_matters_where_it_failed_before() -> None:
    def both(old: JobResult, new: JobResult) -> Fate:
        fine = one("fine", P)
        found = judge_upgrade([(side(1, [fine, old]), side(2, [fine, new]))])
        return next(job.fate for job in found.jobs if job.job == "j")

    late, early = one("j", F, "gone"), one("j", F, "save")
    assert both(late, late) is Fate.AS_BEFORE
    assert both(late, early) is Fate.WORSE
    assert both(early, late) is Fate.UNKNOWN
    assert both(late, one("j", F, "gone", "it said something else")) is Fate.UNKNOWN


@pytest.mark.parametrize(
    ("pairs", "fate"),
    [
        ([(P, P), (P, P), (P, F)], Fate.WORSE),
        ([(P, F), (P, F), (P, F)], Fate.WORSE),
        ([(P, P), (F, P), (P, P)], Fate.BETTER),
        ([(P, P), (F, P), (P, F)], Fate.AS_BEFORE),
        ([(P, F), (F, P), (P, F)], Fate.UNKNOWN),
        ([(P, F), (P, F), (P, F), (P, F), (P, F), (F, F)], Fate.WORSE),
        ([(P, P), (P, B), (P, P)], Fate.UNKNOWN),
        ([(P, F), (P, B), (B, P)], Fate.WORSE),
    ],
)
def test_a_job_that_ran_several_times(pairs: list[tuple[Status, Status]], fate: Fate) -> None:
    found = rounds(*pairs)
    assert [job.fate for job in found.jobs] == [fate]
    assert found.comparison.rounds == len(pairs)


def test_times_of_all_rounds_are_pairs() -> None:
    found = rounds(*[(P, P)] * 6)
    assert {one.pairs for one in found.comparison.measures} == {6}
    assert all(one.enough for one in found.comparison.measures)
    text = upgrade_text(found, "old", "new")
    assert "Each job ran 6 times on each side" in text


def test_fisher_against_all_tables() -> None:
    """Of n + m tries with k failures, those in which the first n have so many or more."""
    for hits, tries, others, more in ((5, 6, 1, 6), (2, 3, 1, 3), (0, 4, 2, 4), (3, 3, 0, 3)):
        total = hits + others
        ways = [
            comb(tries, k) * comb(more, total - k)
            for k in range(total + 1)
            if k <= tries and total - k <= more
        ]
        least = max(0, total - more)
        assert fisher(hits, tries, others, more) == pytest.approx(
            sum(ways[hits - least :]) / sum(ways)
        )
    assert fisher(3, 3, 0, 3) == pytest.approx(1 / 20)


def test_in_words() -> None:
    text = upgrade_text(judged((P, P), (P, F), (P, B)), "rack1", "rack2")
    assert text.startswith("before, A: rack1  (f1)\nafter,  B: rack2  (f2)\n  Xen: 4.11 -> 4.12\n")
    assert "Got worse:\n  j1  fails each time\n    B: boot (fail as the test" not in text
    assert "Got worse:\n  j1  fails each time\n    B: boot (as the test wants)\n" in text
    assert "Can't be told:\n  j2  after: broken: " in text
    assert "Pass on both:\n  j0\n" in text
    last = text.strip().split("\n")[-2:]
    assert last[0] == ("rack1 -> rack2: NOT SAFE: 1 of 2 jobs that can be compared got worse")
    assert "--times 3" in last[1]


def test_foreign_words_are_cleaned() -> None:
    found = judge_upgrade(
        [(side(1, [one("j", P)]), side(2, [one("j", F, reason="a\x1b[2J\nSAFE")]))]
    )
    text = upgrade_text(found, "ra\x1bck1", "rack2")
    assert "\x1b" not in text
    assert "\nSAFE" not in text


# -- the verb --------------------------------------------------------------------------------

HOSTS = """\
default: rack1
hosts:
  rack1: {slots: 1, testbox: {release: bookworm}}
  rack2: {slots: 1, testbox: {release: trixie}}
"""
FLIGHT = """\
flight: upgrade
mirror: auto
defaults: {suite: boot, memory: 512M}
jobs:
  - {dist: bookworm, arch: amd64, virt: pv, boot: direct}
  - {dist: bookworm, arch: amd64, virt: pvh, boot: direct}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XENFLIGHT_STORE", "none")
    (tmp_path / "flights").mkdir()
    (tmp_path / "flights" / "hosts.yaml").write_text(HOSTS)
    (tmp_path / "flights" / "upgrade.yaml").write_text(FLIGHT)
    for number, status in ((1, P), (2, F), (3, B)):
        place = tmp_path / "reports" / "runs" / f"f{number}"
        place.mkdir(parents=True)
        (place / "results.json").write_text(to_json(side(number, [one("j", status)])))
    return tmp_path


class Flights:
    """Flights that end as they are told to, instead of real ones."""

    def __init__(self, **ends: list[Status]) -> None:
        self.ends = ends
        self.flown: list[str] = []

    def fly(self, plan: Plan) -> FlightResult:
        (host,) = plan.hosts
        self.flown.append(host.name)
        status = self.ends[host.name].pop(0)
        jobs = [one(spec.name, status) for spec in plan.jobs]
        return side(int(host.name[-1]), jobs)


def test_of_flights_that_have_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upgrade", "--from", "f1", "--to", "f2", "--html", "page.html"]) == 5
    assert "rack1 -> rack2: NOT SAFE" in capsys.readouterr().out
    page = (project / "page.html").read_text()
    assert "Is the upgrade from A to B safe?" in page
    assert "NOT SAFE" in page
    assert "as the test wants" in page
    assert main(["upgrade", "--from", "f1", "--to", "reports/runs/f3", "--json"]) == 4
    found = json.loads(capsys.readouterr().out)
    assert (found["safety"], found["exit_code"]) == ("can't tell", 4)
    assert found["jobs"][0]["fate"] == "can't be told"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "rack1"], "--to"),
        (["--from", "rack1", "--to", "rack1"], "nothing would be otherwise"),
        (["--from", "f1", "--to", "reports/runs/f1"], "nothing would be otherwise"),
        (["--from", "rack1", "--to", "rakc2"], "did you mean 'rack2'?"),
        (["--from", "rack1", "--to", "rack2", "smokee"], "unknown flight 'smokee'"),
        (["--from", "f1", "--to", "rack2", "--times", "2", "upgrade"], "is there once"),
        (["--from", "rack1", "--to", "rack2", "--only", "*-hvm-*"], "hvm"),
    ],
)
def test_wrong_words(
    project: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["upgrade", *words]) == 2
    assert said in capsys.readouterr().err
    assert len(list((project / "reports" / "runs").iterdir())) == 3, "nothing ran"


def test_both_hosts_take_turns(project: Path) -> None:
    flights = Flights(rack1=[P, P, P], rack2=[P, P, P])
    asked = Asked(before="rack1", after="rack2", times=3)
    assert answer(asked, flights.fly) == 0
    assert flights.flown == ["rack1", "rack2", "rack2", "rack1", "rack1", "rack2"]


def test_no_more_is_flown_once_one_says_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flights = Flights(rack1=[X], rack2=[])
    assert answer(Asked(before="rack1", after="rack2", times=3), flights.fly) == 6
    assert flights.flown == ["rack1"]
    said = capsys.readouterr().out
    assert "rack2 need not run" in said
    assert "CAN'T TELL" in said
    flights = Flights(rack1=[P], rack2=[P, B])
    assert answer(Asked(before="rack1", after="rack2", times=3), flights.fly) == 4
    assert flights.flown == ["rack1", "rack2", "rack2"]


def test_after_an_earlier_flight_the_same_one_runs(project: Path) -> None:
    early = side(9, [one("boot-bookworm-amd64-pv-direct", P)])
    early = early.model_copy(update={"flight": "upgrade"})
    (project / "reports" / "runs" / "f1" / "results.json").write_text(to_json(early))
    flights = Flights(rack2=[P])
    only = ("*-pv-*",)
    assert answer(Asked(before="f1", after="rack2", only=only), flights.fly) == 0
    assert flights.flown == ["rack2"]


def test_a_dry_run_runs_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upgrade", "--from", "rack1", "--to", "rack2", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "host: rack1" in said
    assert "host: rack2" in said
    assert said.count("boot-bookworm-amd64-pvh-direct") == 2
