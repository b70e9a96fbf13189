"""Since when, how long, and what is otherwise: the site's questions to history."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from site_samples import START, flight, job, run, step

from harness.results.layout import FlightDirectory
from harness.results.model import HostFacts, ImageFacts, JobResult
from harness.site.changes import Change, flight_changes, last_good, run_changes
from harness.site.failures import failure_of, groups_of, quote_of
from harness.site.packages import package_changes
from harness.site.records import head_of, runs_of
from harness.site.since import since
from harness.site.trend import AROUND, judged, phase_trends
from harness.status import Status

P, F, B, K, S = Status.PASS, Status.FAIL, Status.BROKEN, Status.BLOCKED, Status.SKIP


@pytest.mark.parametrize(
    ("statuses", "first", "times", "passed", "known"),
    [
        ([F], 0, 1, None, 0),
        ([P, F], 1, 1, 0, 1),
        ([P, F, F, F], 1, 3, 0, 3),
        ([F, F], 0, 2, None, 1),
        ([P, F, K, B], 1, 2, 0, 2),  # what was blocked says nothing, broken is no verdict
        ([F, P, K, S, F], 4, 1, 1, 2),
        ([P, Status.ABORTED, F], 2, 1, 0, 1),
    ],
)
def test_since_when_it_fails(
    statuses: list[Status], first: int, times: int, passed: int | None, known: int
) -> None:
    runs = [run(number, status) for number, status in enumerate(statuses)][::-1]
    found = since(runs, f"f{len(statuses) - 1}", "boot")
    assert found
    assert (found.first.flight, found.times) == (f"f{first}", times)
    assert (found.passed and found.passed.flight) == (None if passed is None else f"f{passed}")
    assert found.known == known
    assert found.new is (times == 1)


def test_later_flights_do_not_count() -> None:
    runs = [run(number, status) for number, status in enumerate([P, F, P, P])][::-1]
    found = since(runs, "f1", "boot")
    assert found
    assert (found.first.flight, found.times) == ("f1", 1)


def test_of_a_flight_that_is_not_there_nothing_is_known() -> None:
    assert since([run(0)], "f9", "boot") is None


def test_a_time_far_from_its_neighbours_is_an_outlier() -> None:
    times = [10.0 + 0.1 * (n % 3) for n in range(40)]
    times[20] = 14.0
    assert [at for at, (_, far) in enumerate(judged(times)) if far] == [20]


def test_what_became_slower_for_good_is_none() -> None:
    times = [10.0] * 40 + [15.0] * 40
    far = [at for at, (_, outlier) in enumerate(judged(times)) if outlier]
    assert all(abs(at - 40) <= AROUND for at in far)
    assert not any(outlier for _, outlier in list(judged(times))[40 + AROUND :])


def test_of_a_few_runs_nothing_is_said() -> None:
    assert not any(far for _, far in judged([1.0, 1.0, 1.0, 99.0, 1.0, 1.0, 1.0]))


@given(st.lists(st.floats(0, 1e6), max_size=60))
def test_times_that_are_the_same_have_no_outliers(times: list[float]) -> None:
    found = list(judged(times))
    assert len(found) == len(times)
    if len(set(times)) == 1:
        assert not any(far for _, far in found)


def test_hosts_have_speeds_of_their_own() -> None:
    runs = [run(n, host=f"rack{n % 2}", seconds=10.0 + 20 * (n % 2)) for n in range(40)][::-1]
    trends = {trend.name: trend for trend in phase_trends(runs)}
    assert list(trends) == ["create", "boot: kernel"]
    assert trends["boot: kernel"].medians == {"rack0": 10.0, "rack1": 30.0}
    assert trends["boot: kernel"].outliers == ()
    assert trends["boot: kernel"].points[0].flight == "f0"


def test_how_long_a_failure_took_is_no_time_of_anything() -> None:
    (trend,) = phase_trends([run(0, F)])
    assert trend.name == "create"


def image(key: str, mirror: int, dist: str = "bookworm") -> ImageFacts:
    dates = {"main": START + timedelta(days=mirror)}
    return ImageFacts(
        key=key, dist=dist, arch="amd64", builder="mmdebstrap", reused=True, release_dates=dates
    )


def test_what_the_flight_file_says_otherwise_is_told() -> None:
    """Of jobs that are in both, those that changed alike together; what steps stored is not."""
    names = [f"j{number}" for number in range(8)]

    def defined(number: int, name: str, **runvars: str) -> JobResult:
        given = {"memory": "512M", "kernel_args": "", "domid": str(number), **runvars}
        return job(number, step(number, "guest-boot"), name=name, runvars=given)

    old = flight(1, [defined(1, name) for name in names])
    quiet = [defined(2, name, kernel_args="quiet", packages="fio") for name in names[1:]]
    never = defined(2, "new", memory="2G")
    assert flight_changes(old, flight(2, [defined(2, "j0", memory="1G"), *quiet, never])) == [
        Change(what="memory of j0", then="512M", now="1G"),
        Change(what="kernel_args of j1, j2, j3, j4, j5, j6 and 1 more", then="none", now="quiet"),
    ]
    assert flight_changes(old, old) == []


def test_what_changed_between_two_flights() -> None:
    old = flight(1, [], images=(image("a", 0), image("b", 0, "sid")), revision="v1")
    hosts = (
        HostFacts(name="rack1", kind="ssh", xen_version="4.18.0"),
        HostFacts(name="rack2", kind="ssh", xen_version="4.17.0"),
    )
    new = flight(2, [], images=(image("c", 7), image("d", 7, "sid")), revision="v1", hosts=hosts)
    assert flight_changes(old, new) == [
        Change(what="Xen", then="4.17.0", now="4.18.0 on rack1, 4.17.0 on rack2"),
        Change(what="hosts", then="rack1", now="rack1, rack2"),
        Change(
            what="images bookworm amd64, sid amd64",
            then="mmdebstrap, main of 2026-01-01",
            now="mmdebstrap, main of 2026-01-08",
        ),
    ]
    assert flight_changes(old, old) == []


def test_packages_of_an_image_that_changed(tmp_path: Path) -> None:
    folders = [tmp_path / "f1", tmp_path / "f2"]
    old, new = flight(1, [], images=(image("a", 0),)), flight(2, [], images=(image("b", 0),))
    assert package_changes(old, new, folders) == {}, "of which nothing is known"
    had = {"libc6": "2.36-9", "systemd": "252.39-1", "gone": "1"}
    has = {"libc6": "2.36-9", "systemd": "252.40-1", "come": "2"}
    for folder, key, versions in zip(folders, "ab", (had, has), strict=True):
        file = FlightDirectory(folder).packages(key)
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(versions))
    assert package_changes(old, new, folders) == {
        "bookworm amd64": [
            Change(what="come", then="", now="2"),
            Change(what="gone", then="1", now=""),
            Change(what="systemd", then="252.39-1", now="252.40-1"),
        ]
    }
    assert package_changes(old, old, [folders[0], folders[0]]) == {}
    FlightDirectory(folders[1]).packages("b").write_text("[1]")
    assert package_changes(old, new, folders) == {}
    assert package_changes(old, flight(2, [], images=(image("../b", 0),)), folders) == {}


def test_an_image_that_only_has_another_key_is_told_by_it() -> None:
    old, new = flight(1, [], images=(image("a", 0),)), flight(2, [], images=(image("b", 0),))
    assert flight_changes(old, new) == [Change(what="image bookworm amd64", then="a", now="b")]


def test_what_a_job_tests_otherwise() -> None:
    then = run(1, revisions={"xen": "4.17.0", "image": "a"})
    now = run(2, F, host="rack2", revisions={"xen": "4.18.0", "image": "a"})
    assert run_changes(then, now) == [
        Change(what="Xen", then="4.17.0", now="4.18.0"),
        Change(what="host", then="rack1", now="rack2"),
    ]


def test_the_last_good_flight_is_the_last_whose_gate_opened() -> None:
    known = [(4, F, None), (3, P, None), (2, F, True), (1, P, None)]
    heads = [head_of(flight(n, [], status=s), gate_open=gate) for n, s, gate in known]
    found = last_good(heads, "f4")
    assert found
    assert found.flight == "f2"
    found = last_good([heads[0], heads[1], heads[3]], "f4")
    assert found
    assert found.flight == "f3", "where no gate opened, the last that passed"
    assert last_good(heads, "f1") is None
    assert last_good(heads, "f9") is None


PANIC = (
    "[    4.202610] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n"
    "[    4.203001] more\r\n"
)


def failing(number: int, name: str, evidence: str = PANIC, status: Status = F) -> JobResult:
    return job(
        number,
        step(number, "create"),
        step(number, "boot", status, reason="it did not boot", evidence=evidence),
        step(number, "ssh", K, reason="boot did not pass"),
        name=name,
    )


def test_failures_that_look_the_same_are_told_of_once() -> None:
    result = flight(
        2,
        [
            failing(
                2, "a", "[   17.912345] Kernel panic - not syncing: VFS: Unable to mount root fs\n"
            ),
            job(2, step(2, "create"), step(2, "boot"), name="fine"),
            failing(2, "b"),
            failing(2, "c", "something else\n"),
            failing(2, "d", "", B),
            job(2, step(2, "create", S, reason="not here"), name="skipped"),
        ],
    )
    groups = groups_of(result, lambda name: [one for one in runs_of(result) if one.job == name])
    assert [[one.job.name for one in group.failures] for group in groups] == [
        ["a", "b"],
        ["c"],
        ["d"],
    ]
    assert groups[0].quote.telling.endswith("VFS: Unable to mount root fs")
    assert groups[0].first.since
    assert groups[0].first.since.new


def test_a_job_that_passed_has_no_failure() -> None:
    assert failure_of(job(1, step(1, "create")), [], "f1") is None


def test_a_quote_begins_with_the_line_that_tells() -> None:
    before = "".join(f"line {n}\r\n" for n in range(20))
    found = quote_of(step(1, "boot", F, evidence=before + PANIC + before))
    assert found.lines[0] == found.telling == PANIC.split("\r\n")[0]
    assert len(found.rest) == 42
    assert quote_of(step(1, "boot", F, evidence="")).lines == ()


def test_of_a_boot_that_nothing_betrays_the_last_lines_are_quoted() -> None:
    said = "\n".join(f"[  OK  ] Started unit {number}." for number in range(40))
    late = quote_of(step(1, "boot", F, evidence=said, phase="login"))
    assert late.lines[-1] == "[  OK  ] Started unit 39."
    other = quote_of(step(1, "guest-ssh", F, evidence=said))
    assert other.lines[0] == "[  OK  ] Started unit 0.", "whose words those are is not known"
