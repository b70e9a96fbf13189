"""Choosing jobs, hosts, and plans as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness.errors import UsageError
from harness.flight.axes import (
    Arch,
    Boot,
    Builder,
    Devices,
    DiskFormat,
    Dist,
    Keep,
    Layout,
    Pocket,
    Toolstack,
    Virt,
)
from harness.flight.build import MANY_JOBS, build_plan, keep_time, refuse_many
from harness.flight.expected import Expectation, Last
from harness.flight.hostcare import CanarySpec, IpmiSpec, PowerCommands, PowerSpec
from harness.flight.inventory import Inventory
from harness.flight.model import (
    DEFAULT_TIMEOUTS,
    PHASES,
    Flight,
    HostSpec,
    ImageSource,
    JobSpec,
    MirrorSpec,
    SshSpec,
    TestboxSpec,
)
from harness.flight.naming import job_name
from harness.flight.plan import SCHEMA_VERSION, Plan, from_json, make_plan, to_json
from harness.flight.selector import select
from harness.units import Size

NOW = datetime(2026, 11, 22, 11, 44, 12, 5, tzinfo=UTC)


def job(virt: Virt = Virt.PV, variant: str | None = None) -> JobSpec:
    return JobSpec(
        name=job_name("boot", Dist.BOOKWORM, Arch.AMD64, virt, Boot.DIRECT, variant),
        suite="boot",
        dist=Dist.BOOKWORM,
        arch=Arch.AMD64,
        virt=virt,
        boot=Boot.DIRECT,
        variant=variant,
        memory=Size.parse("512M"),
        vcpus=1,
        disk=Size.parse("2G"),
        kernel_args="",
        packages=(),
        timeouts=DEFAULT_TIMEOUTS,
    )


JOBS = (job(), job(Virt.PVH), job(variant="panic"))
BOX = HostSpec(
    name="testbox",
    slots=2,
    timeout_factor=4.0,
    testbox=TestboxSpec(
        release="bookworm", memory=Size.parse("4G"), vcpus=2, disk=Size.parse("16G")
    ),
)
INVENTORY = Inventory(
    default="testbox",
    hosts={"testbox": BOX, "other": replace(BOX, name="other")},
    source="hosts.yaml",
)
FLIGHT = Flight(
    name="smoke", description="", mirror=MirrorSpec(), hosts=(), jobs=JOBS, source="smoke.yaml"
)


@pytest.mark.parametrize(
    ("only", "chosen"),
    [
        ([], [0, 1, 2]),
        (["*-pvh-*"], [1]),
        (["*-panic", "*-pvh-*"], [1, 2]),
        (["*-panic, *-pvh-*"], [1, 2]),
        (["boot-bookworm-amd64-pv-direct"], [0]),
        (["*", "*-pvh-*"], [0, 1, 2]),
        (["*-pv[h]-direct"], [1]),
    ],
)
def test_select_keeps_the_order_of_the_flight(only: list[str], chosen: list[int]) -> None:
    assert select(JOBS, only) == tuple(JOBS[index] for index in chosen)


@pytest.mark.parametrize(
    ("only", "told"),
    [
        (["*-hvm-*"], "no job matches '*-hvm-*'; the jobs are boot-bookworm-amd64-pv-direct, "),
        (["boot-bokworm-amd64-pvh-direct"], "did you mean boot-bookworm-amd64-pvh-direct"),
        (["*-pvh-*", "nothing"], "no job matches 'nothing'"),
        ([""], "no job matches ''"),
        (["*,"], "no job matches ''"),
        (["BOOT-*"], "no job matches 'BOOT-*'"),
    ],
)
def test_a_glob_that_matches_nothing_is_an_error(only: list[str], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(JOBS, only)
    assert told in str(caught.value)


def test_every_glob_that_matches_nothing_is_told() -> None:
    with pytest.raises(UsageError, match=r"'x'.*'y'"):
        select(JOBS, ["x", "y", "*"])


SKIPPED = tuple(
    replace(spec, name=f"{spec.name}-{index}", skip=reason)
    for index, (spec, reason) in enumerate(zip(JOBS, ("rule a", "rule b", "rule b"), strict=True))
)


@pytest.mark.parametrize(
    ("only", "told"),
    [
        (["*-0"], "boot-bookworm-amd64-pv-direct-0 is skipped: rule a"),
        (["*-0,*-1", "*-2"], "all 3 jobs that match are skipped: rule b (2); rule a (1)"),
    ],
)
def test_picking_only_skipped_jobs_by_hand_is_an_error(only: list[str], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(SKIPPED, only)
    assert str(caught.value) == told


def test_skipped_jobs_stay_beside_those_that_run() -> None:
    assert select((*SKIPPED, *JOBS), ["*-0", "*-panic"]) == (SKIPPED[0], JOBS[2])
    assert select(SKIPPED, []) == SKIPPED


def test_more_jobs_than_anyone_runs_by_accident_are_refused() -> None:
    plan = make_plan(FLIGHT, INVENTORY, now=NOW, token="a1b2c3")
    run = [replace(JOBS[0], name=f"job{n}") for n in range(MANY_JOBS)]
    refuse_many(replace(plan, jobs=(*run, *SKIPPED)))
    with pytest.raises(UsageError, match=r"2,001 jobs to run; more than 2,000 .*--yes"):
        refuse_many(replace(plan, jobs=(*run, JOBS[0])))


def test_a_plan_is_named_by_flight_time_and_token() -> None:
    east = NOW.astimezone(timezone(timedelta(hours=5)))
    plan = make_plan(FLIGHT, INVENTORY, now=east, token="a1b2c3")
    assert plan.flight_id == "smoke-20261122-114412-a1b2c3"
    assert plan.created == NOW
    assert plan.jobs == JOBS
    assert plan.keep is Keep.NEVER
    assert re.fullmatch(r"[a-z0-9-]+", plan.flight_id)


@pytest.mark.parametrize(
    ("of_flight", "asked", "used"),
    [
        ((), (), "testbox"),
        (("other",), (), "other"),
        (("other", "testbox"), (), "other testbox"),
        (("other",), ("testbox",), "testbox"),
        ((), ("testbox, other", "testbox"), "testbox other"),
    ],
)
def test_the_hosts_are_those_asked_for_then_the_flights_then_the_default(
    of_flight: tuple[str, ...], asked: tuple[str, ...], used: str
) -> None:
    flight = replace(FLIGHT, hosts=of_flight)
    plan = make_plan(flight, INVENTORY, now=NOW, token="000000", hosts=asked)
    assert [host.name for host in plan.hosts] == used.split()
    assert plan.slots == sum(INVENTORY.get(name).slots for name in used.split())
    assert plan.host_named(used.split()[-1]) == plan.hosts[-1]


def test_an_unknown_host_is_an_error_with_a_guess() -> None:
    with pytest.raises(UsageError, match=r"hosts.yaml: unknown host 'ohter'; did you mean 'other'"):
        make_plan(FLIGHT, INVENTORY, now=NOW, token="000000", hosts=["ohter"])


@pytest.mark.parametrize(
    ("now", "token"), [(NOW.replace(tzinfo=None), "000000"), (NOW, "ABCDEF"), (NOW, "../../")]
)
def test_a_plan_takes_no_naive_time_and_no_odd_token(now: datetime, token: str) -> None:
    with pytest.raises(ValueError, match="aware time"):
        make_plan(FLIGHT, INVENTORY, now=now, token=token)


WORDS = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
TEXTS = st.text(max_size=20)
SIZES = st.integers(1, 1 << 50).map(Size)
DURATIONS = st.timedeltas(timedelta(microseconds=1), timedelta(days=1))
MIRRORS = st.builds(
    MirrorSpec,
    url=st.none() | TEXTS,
    accept_expired=st.booleans(),
    omit=st.lists(st.sampled_from(Pocket), max_size=2).map(tuple),
)
JOB_SPECS = st.builds(
    JobSpec,
    name=WORDS,
    suite=WORDS,
    variant=st.none() | WORDS,
    memory=SIZES,
    vcpus=st.integers(1, 512),
    disk=SIZES,
    kernel_args=TEXTS,
    packages=st.lists(WORDS, max_size=3).map(tuple),
    timeouts=st.fixed_dictionaries(dict.fromkeys(PHASES, DURATIONS)),
    swap=st.none() | SIZES,
    extra_disks=st.lists(SIZES, max_size=2).map(tuple),
    image=st.none() | st.builds(ImageSource, overlay=st.booleans()),
    builder_options=st.lists(st.tuples(WORDS, st.none() | TEXTS), max_size=3).map(tuple),
    mirror=MIRRORS,
    kernel=TEXTS,
    skip=TEXTS,
    builder=st.sampled_from(Builder),
    layout=st.sampled_from(Layout),
    disk_format=st.sampled_from(DiskFormat),
    toolstack=st.sampled_from(Toolstack),
    devices=st.sampled_from(Devices),
    passthrough=st.booleans(),
)
TESTBOXES = st.builds(TestboxSpec, memory=SIZES, disk=SIZES)
SSHS = st.builds(SshSpec, port=st.integers(1, 65535))
FACTORS = st.floats(0.1, 100)
OVERCOMMITS = st.floats(1, 100)
LINES: st.SearchStrategy[tuple[str, ...]] = st.lists(st.text(), max_size=3).map(tuple)
POWERS = st.builds(
    PowerSpec,
    boot_timeout=DURATIONS,
    ipmi=st.none() | st.builds(IpmiSpec),
    command=st.none() | st.builds(PowerCommands, cycle=LINES, status=LINES, log=LINES),
)
CARE = {
    "power": st.none() | POWERS,
    "canary": st.builds(CanarySpec, interval=DURATIONS, timeout=DURATIONS),
}
COMMON = {
    "timeout_factor": FACTORS,
    "slot_timeout": DURATIONS,
    "vcpu_overcommit": OVERCOMMITS,
    "disk_overcommit": OVERCOMMITS,
    "dom0_memory": SIZES,
    "passthrough": LINES,
    **CARE,
}
HOSTS = st.builds(HostSpec, testbox=TESTBOXES, ssh=st.none(), **COMMON) | st.builds(
    HostSpec, testbox=st.none(), ssh=SSHS, **COMMON
)
EXPECTED = st.builds(
    lambda two, last, host: Expectation(usual=min(two), long=max(two), last=last, host=host),
    st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)),
    st.sampled_from(Last),
    st.none() | TEXTS,
)
PLANS = st.builds(
    Plan,
    schema_version=st.just(SCHEMA_VERSION),
    hosts=st.lists(HOSTS, min_size=1, max_size=2).map(tuple),
    mirror=MIRRORS,
    jobs=st.lists(JOB_SPECS, min_size=1, max_size=3).map(tuple),
    created=st.datetimes(timezones=st.just(UTC)),
    keep_for=st.none() | DURATIONS,
    dump_core=st.booleans(),
    power_cycle=st.booleans(),
    expected=st.dictionaries(TEXTS, EXPECTED, max_size=3),
)


@given(PLANS)
def test_a_plan_survives_json_exactly(plan: Plan) -> None:
    back = from_json(to_json(plan))
    assert back == plan
    assert to_json(back) == to_json(plan)
    assert type(back.jobs[0].memory) is Size
    assert type(back.keep) is Keep
    assert type(back.jobs[0].dist) is Dist
    assert type(back.jobs[0].builder) is Builder
    assert all(type(size) is Size for size in back.jobs[0].extra_disks)


@given(PLANS)
def test_a_job_is_one_line_of_a_plan(plan: Plan) -> None:
    lines = to_json(plan).split("\n")
    assert sum(line.startswith('    {"name": ') for line in lines) == len(plan.jobs)


def _plan_with(**changes: object) -> str:
    plan = make_plan(FLIGHT, INVENTORY, now=NOW, token="a1b2c3")
    return json.dumps({**json.loads(to_json(plan)), **changes})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "this is not a plan"),
        ("[]", "this is not a plan"),
        ("{}", "this is not a plan: it has no 'schema_version'; it may be of another version"),
        (_plan_with(schema_version=1), "schema version 1; this xenflight knows 5"),
        (_plan_with(keep="sometimes"), "this is not a plan"),
        (_plan_with(extra=1), "this is not a plan"),
        (_plan_with(keep_for="soon"), "this is not a plan"),
        (_plan_with(jobs=[{}]), "this is not a plan"),
    ],
)
def test_what_is_no_plan_is_refused(text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_json(text)
    assert told in str(caught.value)


def test_jobs_can_be_keys_of_a_mapping() -> None:
    assert {job(): 1}[job()] == 1


def test_shipped_names_are_paths_safe(tmp_path: Path) -> None:
    plan = make_plan(FLIGHT, INVENTORY, now=NOW, token="a1b2c3")
    (tmp_path / plan.flight_id).mkdir()
    assert [path.name for path in tmp_path.iterdir()] == [plan.flight_id]


def test_a_time_for_what_nobody_keeps_is_a_mistake() -> None:
    path = str(Path(harness.__file__).parent.parent / "flights" / "smoke.yaml")
    with pytest.raises(UsageError, match="add --keep on-failure or --keep always"):
        build_plan(path, keep_for=timedelta(hours=4))
    plan = build_plan(path, keep=Keep.ON_FAILURE, keep_for=timedelta(hours=4))
    assert plan.keep_for == timedelta(hours=4)


@pytest.mark.parametrize("text", ["4", "4d", "0h", "soon", "", "9" * 400 + "h"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match=r"--keep-for: .* is not a duration|too long"):
        keep_time(text)


def test_a_time_as_it_is_written_elsewhere() -> None:
    assert keep_time("1h30m") == timedelta(minutes=90)
    assert keep_time(None) is None
