"""Bundles: the flight in one plans to the job it was made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from results_samples import PV, PVH, failed_flight
from storelab import about, flight, job, put, url_of

from harness.cli import main
from harness.errors import UsageError
from harness.flight.check import check_project
from harness.flight.find import flight_files
from harness.flight.inventory import load_hosts
from harness.flight.loader import load_flight
from harness.flight.model import JobSpec
from harness.flight.plan import make_plan, to_json
from harness.job.wanted import wanted_by
from harness.repro.bundle import write_bundle
from harness.repro.fragment import flight_name, fragment
from harness.repro.origin import find_origin
from harness.results.layout import FlightDirectory
from harness.store.store import Store
from harness.store.url import VARIABLE

ROOT = Path(__file__).parents[2]
NOW = datetime(2024, 11, 22, 9, 0, 0, tzinfo=UTC)
FLIGHT = """
flight: smoke
mirror: {url: 'http://mirror.example/debian', omit: updates}
defaults: {memory: 600M, disk: 3G, timeouts: {kernel: 90s}, packages: [strace]}
matrix: {dist: bookworm, arch: amd64, virt: [pv, pvh], boot: direct}
"""
HOSTS = """
default: testbox
hosts:
  testbox: {testbox: {release: bookworm}}
  second: {testbox: {release: bookworm}}
"""


def planned_again(text: str, directory: Path) -> JobSpec:
    """The only job of a flight file."""
    file = directory / "again-repro.yaml"
    file.write_text(text)
    (found,) = load_flight(file).jobs
    return found


def shipped_jobs() -> Iterator[tuple[str, JobSpec]]:
    for name, path in flight_files(ROOT / "flights").items():
        for found in load_flight(path).jobs:
            yield name, found


def test_each_job_of_each_shipped_flight_plans_to_itself(tmp_path: Path) -> None:
    count = 0
    for name, spec in shipped_jobs():
        if spec.skip:
            continue
        again = planned_again(fragment(name, spec), tmp_path)
        # What the matrix says at the end of a name, a job by itself says by a variant.
        assert replace(again, variant=spec.variant) == spec
        assert wanted_by(again).name == wanted_by(spec).name
        count += 1
    assert count > 100


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ("kernel: [default, 6.1.0-50-cloud-amd64]", "6-1-0-50-cloud-amd64"),
        ("memory: [512M, 4G], swap: [none, 256M]", "mem4g-swap256m"),
        ("disk: [2G, 3000000512]", "disk2929688k"),
    ],
)
def test_whatever_a_matrix_calls_it(tmp_path: Path, more: str, name: str) -> None:
    matrix = "dist: bookworm, arch: amd64, virt: pv, boot: direct"
    path = tmp_path / "f.yaml"
    path.write_text(f"flight: f\nmatrix: {{{matrix}, {more}}}\n")
    spec = load_flight(path).jobs[-1]
    assert spec.name.endswith(f"-{name}")
    again = planned_again(fragment("f", spec), tmp_path)
    assert replace(again, variant=spec.variant) == spec


def test_imports_and_options_of_builders_come_along(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    cell = "dist: bookworm, arch: amd64, virt: pv"
    path.write_text(
        "flight: f\njobs:\n"
        f"  - {{{cell}, boot: pygrub, builder: import,\n"
        "     image: {location: a.img, overlay: false}}\n"
        f"  - {{{cell}, boot: direct, builder: xen-create-image, kernel: dom0,\n"
        "     builder_options: {fs: ext3, verbose: true, install-method: debootstrap}}\n"
    )
    for spec in load_flight(path).jobs:
        (elsewhere := tmp_path / spec.builder).mkdir()
        again = planned_again(fragment("f", spec), elsewhere)
        assert replace(again, variant=spec.variant) == spec


def test_a_skipped_job_cannot_be() -> None:
    skipped = next(spec for _, spec in shipped_jobs() if spec.skip)
    with pytest.raises(UsageError, match="nothing to reproduce"):
        fragment("f", skipped)


@pytest.mark.parametrize(
    ("flight", "name"),
    [
        ("smoke", "smoke-repro"),
        ("x" * 40, "x" * 34 + "-repro"),
        ("../../Éa 7", "a-7-repro"),
        ("7", "flight-7-repro"),
        ("//", "flight-repro"),
    ],
)
def test_the_flight_of_a_bundle_has_a_name_of_its_own(flight: str, name: str) -> None:
    assert flight_name(flight) == name


# -- from a flight's directory -----------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose newest flight failed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "history.db"))
    (tmp_path / "flights").mkdir()
    (tmp_path / "flights/smoke.yaml").write_text(FLIGHT)
    (tmp_path / "flights/hosts.yaml").write_text(HOSTS)
    suite = tmp_path / "suites/boot"
    suite.mkdir(parents=True)
    (suite / "test_boot.py").write_text("def test_boot(): ...\n")
    failed_flight(directory(tmp_path).path)
    inventory = load_hosts(tmp_path / "flights/hosts.yaml")
    loaded = load_flight(tmp_path / "flights/smoke.yaml")
    plan = make_plan(loaded, inventory, now=NOW, token="1f3a5c")
    directory(tmp_path).plan.write_text(to_json(plan))
    (config := directory(tmp_path).job(PVH).xl_cfg).parent.mkdir(parents=True)
    config.write_text('name = "xf.x"\n')
    return tmp_path


def directory(root: Path) -> FlightDirectory:
    return FlightDirectory(root / "reports/runs/smoke-20241122-090000-1f3a5c")


def test_a_bundle_says_what_failed_and_holds_what_it_takes(project: Path) -> None:
    assert main(["repro", "latest", PVH, "--out", "bug"]) == 0
    bundle = project / "bug"
    files = {path.name for path in bundle.iterdir()}
    assert files == {
        *("README.txt", "smoke-repro.yaml", "image.json", "job.json", "host.json", "xl.cfg")
    }
    text = (bundle / "README.txt").read_text()
    assert "guest-boot: fail, phase kernel, class no-root" in text
    assert "./xenflight run bug/smoke-repro.yaml --keep on-failure" in text
    assert "Kernel panic - not syncing: VFS" in text
    assert text.replace("\n", "").isprintable()
    assert (bundle / "xl.cfg").read_text() == 'name = "xf.x"\n'
    image = json.loads((bundle / "image.json").read_text())
    assert image["key"] == "bookworm-amd64-0f3c"
    assert image["recipe"]["extra_packages"] == ["strace"]
    assert json.loads((bundle / "host.json").read_text())["xen_version"] == "4.17.5"


def test_its_flight_passes_the_check_and_plans_to_the_same_job(project: Path) -> None:
    (planned,) = (
        one for one in load_flight(project / "flights/smoke.yaml").jobs if one.virt == "pvh"
    )
    assert main(["repro", str(directory(project).path), PVH]) == 0
    file = project / "reports/repro" / directory(project).path.name / PVH / "smoke-repro.yaml"
    assert main(["check", str(file)]) == 0
    again = load_flight(file).jobs
    assert again == (planned,)
    assert wanted_by(again[0]) == wanted_by(planned)
    # Also as one of the project's own.
    file.rename(project / "flights/smoke-repro.yaml")
    assert check_project(project / "flights", project / "suites") == []


def test_a_check_of_one_file_finds_what_is_wrong_with_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["repro", "latest", PVH, "--out", "bug"])
    file = project / "bug/smoke-repro.yaml"
    file.write_text(file.read_text().replace("suite: boot", "suite: bot"))
    capsys.readouterr()
    assert main(["check", str(file)]) == 2
    assert "unknown suite 'bot', did you mean 'boot'?" in capsys.readouterr().out.replace(";", ",")


def test_a_host_that_is_not_the_usual_one_is_named(project: Path) -> None:
    (project / "flights/hosts.yaml").write_text(
        HOSTS.replace("default: testbox", "default: second")
    )
    main(["repro", "latest", PVH, "--out", "bug"])
    assert "run bug/smoke-repro.yaml --host testbox" in (project / "bug/README.txt").read_text()


def test_only_a_bundle_is_replaced(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["repro", "latest", PVH, "--out", "bug"]) == 0
    (project / "bug/of-before").touch()
    assert main(["repro", "latest", PV, "--out", "bug"]) == 0
    assert not (project / "bug/of-before").exists()
    assert "-pv-" in (project / "bug/smoke-repro.yaml").read_text()
    (project / "mine").mkdir()
    assert main(["repro", "latest", PV, "--out", "mine"]) == 2
    assert "mine is there and no bundle" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_said(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "file").touch()
    assert main(["repro", "latest", PV, "--out", "file/bug"]) == 4
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("latest", PVH[:-1]), f"did you mean '{PVH}'?"),
        (("latest", "../x"), "has no job '../x'"),
        (("smoke-20241122-090000-1f3a5d", PVH), "there is no flight"),
        (("none/here", PVH), "there are no results here"),
    ],
)
def test_what_is_not_there(
    project: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, str], told: str
) -> None:
    assert main(["repro", *words]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "this is not a plan"), ("\xff", "cannot be read"), (None, "it is another flight's")],
)
def test_a_damaged_plan_is_no_bug(
    project: Path, capsys: pytest.CaptureFixture[str], text: str | None, told: str
) -> None:
    file = directory(project).plan
    if text is None:
        plan = json.loads(file.read_text())
        file.write_text(json.dumps({**plan, "jobs": plan["jobs"][:1]}))
    else:
        file.write_bytes(text.encode("latin-1"))
    assert main(["repro", "latest", PVH]) == 2
    assert told in (said := capsys.readouterr().err)
    assert "plan.json" in said


# -- from the store ----------------------------------------------------------------------

GIVEN = {"memory": "600M", "vcpus": "1", "disk": "3G", "kernel_args": "", "packages": "strace"}


@pytest.fixture
def store(project: Path) -> Iterator[Store]:
    with Store(url_of(project / "history.db")) as found:
        yield found


def test_what_only_the_store_knows_is_taken_from_the_flight_file_of_today(
    project: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    put(store, flight(1, job(runvars=GIVEN)), about())
    assert main(["repro", "smoke-000001", PV, "--out", "bug"]) == 0
    assert "The plan of smoke-000001 is not on this machine" in capsys.readouterr().out
    (planned, _) = load_flight(project / "flights/smoke.yaml").jobs
    assert load_flight(project / "bug/smoke-repro.yaml").jobs == (planned,)
    assert "xl.cfg is not here" in (project / "bug/README.txt").read_text()


@pytest.mark.parametrize(
    ("given", "text", "told"),
    [
        ({**GIVEN, "memory": "512M"}, FLIGHT, "gives the job another memory now"),
        ({}, FLIGHT, "does not know how the job was defined"),
        (GIVEN, FLIGHT.replace("bookworm", "trixie"), "has no job"),
        (GIVEN, "", "its flight file can't be read"),
    ],
)
def test_another_definition_is_not_passed_off_as_that_one(
    project: Path,
    store: Store,
    capsys: pytest.CaptureFixture[str],
    given: dict[str, str],
    text: str,
    told: str,
) -> None:
    put(store, flight(1, job(runvars=given)), about())
    (project / "flights/smoke.yaml").write_text(text)
    assert main(["repro", "smoke-000001", PV, "--out", "bug"]) == 2
    assert told in capsys.readouterr().err
    assert not (project / "bug").exists()


def test_what_a_guest_said_cannot_act_on_the_reader(project: Path) -> None:
    origin = find_origin("latest", PVH, None)
    steps = tuple(
        one.model_copy(update={"reason": "\x1b[2Jgone\u202e"}) for one in origin.job.steps
    )
    origin = replace(origin, job=origin.job.model_copy(update={"steps": steps}))
    bundle = write_bundle(origin, project / "bug")
    assert (bundle.path / "README.txt").read_text().replace("\n", "").isprintable()
