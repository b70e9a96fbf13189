"""Flight files: good ones become jobs, bad ones are explained."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.flight.axes import Arch, Boot, Dist, Pocket, Virt
from harness.flight.loader import load_flight
from harness.flight.model import DEFAULT_TIMEOUTS, PHASES, Flight, JobSpec, MirrorSpec
from harness.units import Size

MATRIX = "matrix: {dist: [bookworm], arch: [amd64], virt: [pv], boot: [direct]}\n"
CELL = "dist: bookworm, arch: amd64, virt: pv, boot: direct"


def flight_of(tmp_path: Path, text: str) -> Flight:
    path = tmp_path / "f.yaml"
    path.write_text(text, encoding="utf-8")
    return load_flight(path)


def told(tmp_path: Path, text: str) -> list[str]:
    """The lines of the message, without the folder."""
    with pytest.raises(UsageError) as caught:
        flight_of(tmp_path, text)
    return str(caught.value).replace(f"{tmp_path}/", "").splitlines()


def test_a_flight_with_nothing_but_a_matrix_takes_the_defaults(tmp_path: Path) -> None:
    flight = flight_of(tmp_path, f"flight: f\n{MATRIX}")
    assert flight == Flight(
        name="f",
        description="",
        mirror=MirrorSpec(),
        hosts=(),
        source=str(tmp_path / "f.yaml"),
        jobs=(
            JobSpec(
                name="boot-bookworm-amd64-pv-direct",
                suite="boot",
                dist=Dist.BOOKWORM,
                arch=Arch.AMD64,
                virt=Virt.PV,
                boot=Boot.DIRECT,
                variant=None,
                memory=Size.parse("512M"),
                vcpus=1,
                disk=Size.parse("2G"),
                kernel_args="",
                packages=(),
                timeouts=DEFAULT_TIMEOUTS,
            ),
        ),
    )
    assert tuple(flight.jobs[0].timeouts) == PHASES


def test_the_matrix_expands_in_the_order_of_the_file_then_the_cells(tmp_path: Path) -> None:
    flight = flight_of(
        tmp_path,
        "flight: f\n"
        "matrix: {dist: [trixie, bookworm], arch: [amd64], virt: [pvh, pv], boot: [direct]}\n"
        f"jobs:\n  - {{{CELL}, variant: panic}}\n  - {{{CELL}, suite: other}}\n",
    )
    assert [job.name for job in flight.jobs] == [
        "boot-trixie-amd64-pvh-direct",
        "boot-trixie-amd64-pv-direct",
        "boot-bookworm-amd64-pvh-direct",
        "boot-bookworm-amd64-pv-direct",
        "boot-bookworm-amd64-pv-direct-panic",
        "other-bookworm-amd64-pv-direct",
    ]


def test_a_cell_overrides_defaults_and_timeouts_phase_by_phase(tmp_path: Path) -> None:
    flight = flight_of(
        tmp_path,
        "flight: f\n"
        "defaults: {memory: 1G, vcpus: 2, packages: [vim], timeouts: {kernel: 10s, init: 5m}}\n"
        f"{MATRIX}"
        f"jobs:\n  - {{{CELL}, variant: x, memory: 2GiB, packages: [], timeouts: {{init: 7}}}}\n",
    )
    plain, cell = flight.jobs
    assert (plain.memory, plain.vcpus, plain.packages) == (Size.parse("1G"), 2, ("vim",))
    assert (cell.memory, cell.vcpus, cell.packages) == (Size.parse("2G"), 2, ())
    assert plain.timeouts["init"] == timedelta(minutes=5)
    assert cell.timeouts["init"] == timedelta(seconds=7)
    assert cell.timeouts["kernel"] == timedelta(seconds=10)
    assert cell.timeouts["ssh"] == DEFAULT_TIMEOUTS["ssh"]


def test_a_cell_may_say_the_built_in_default_against_the_flights_own(tmp_path: Path) -> None:
    text = f"flight: f\ndefaults: {{vcpus: 4}}\njobs:\n  - {{{CELL}, vcpus: 1}}\n"
    assert flight_of(tmp_path, text).jobs[0].vcpus == 1


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("auto", MirrorSpec()),
        ("http://mirror.example/debian", MirrorSpec(url="http://mirror.example/debian")),
        ("{accept: [expired]}", MirrorSpec(accept_expired=True)),
        (
            "{accept: expired, omit: security}",
            MirrorSpec(accept_expired=True, omit=(Pocket.SECURITY,)),
        ),
        ("{accept: []}", MirrorSpec()),
        (
            "{url: auto, omit: [security, updates]}",
            MirrorSpec(omit=(Pocket.SECURITY, Pocket.UPDATES)),
        ),
        ("{url: 'https://m.example/d'}", MirrorSpec(url="https://m.example/d")),
    ],
)
def test_mirrors(tmp_path: Path, written: str, read: MirrorSpec) -> None:
    assert flight_of(tmp_path, f"flight: f\nmirror: {written}\n{MATRIX}").mirror == read


def test_text_that_yaml_1_1_reads_as_false_stays_text(tmp_path: Path) -> None:
    flight = flight_of(tmp_path, f"flight: no\ndescription: off\n{MATRIX}")
    assert (flight.name, flight.description) == ("no", "off")


def test_everything_wrong_is_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    lines = told(
        tmp_path,
        "flight: f\n"
        "mirror: {url: ftp://x, omit: [main]}\n"
        "defaults:\n"
        "  memroy: 512M\n"
        "  vcpus: true\n"
        "  vcpus: 3\n"
        "  timeouts: {kernl: 60s}\n"
        "matrix:\n"
        "  dist: [bokworm, slink]\n"
        "  arch: {amd64: 1}\n"
        "  virt:\n"
        "  boot: []\n"
        "jobs:\n"
        "  - {dist: bookworm, arch: amd64, virt: pv, disk: 999999T}\n",
    )
    assert lines == [
        "f.yaml:2:15: mirror.url: 'ftp://x' is not a mirror; write auto, or a URL that begins "
        "with http:// or https://",
        "f.yaml:2:31: mirror.omit[0]: unknown pocket 'main'; accepted: updates, security",
        "f.yaml:4:3: unknown key 'memroy'; did you mean 'memory'?",
        "f.yaml:5:10: defaults.vcpus: this must be a whole number, not true",
        "f.yaml:6:3: duplicate key 'vcpus'; it was given on line 5",
        "f.yaml:7:14: defaults.timeouts.kernl: unknown phase 'kernl'; did you mean 'kernel'?",
        "f.yaml:9:10: matrix.dist[0]: unknown dist 'bokworm'; did you mean 'bookworm'?",
        "f.yaml:9:19: matrix.dist[1]: unknown dist 'slink'; accepted: squeeze, bullseye, "
        "bookworm, trixie, forky, sid, other",
        "f.yaml:10:9: matrix.arch: this must be a list, such as [a, b], not a mapping",
        "f.yaml:11:8: matrix.virt: this must be a list, such as [a, b], not nothing",
        "f.yaml:12:9: matrix.boot: the list is empty",
        "f.yaml:14:5: the key 'boot' is missing in jobs[0]",
        "f.yaml:14:51: jobs[0].disk: 999999T is too large: the most is 16T",
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("memory: 63M", "63M is too small: the least is 64M"),
        ("memory: 2T", "2T is too large: the most is 1T"),
        ("memory: 512", "512 bytes (a number without a unit) is too small: the least is 64M"),
        ("memory: lots", "'lots' is not a size"),
        ("memory: true", "a size is a number and a unit"),
        (f"memory: {'9' * 400}", "a size this long is impossible"),
        ("disk: 511M", "511M is too small: the least is 512M"),
        ("vcpus: 0", "0 is out of bounds; accepted: 1 to 512"),
        ("vcpus: 513", "accepted: 1 to 512"),
        (f"extra_disks: [{'1G, ' * 15}]", "extra_disks: 15 are too many; 14 at most"),
        ("vcpus: 1.5", "this must be a whole number, not the number 1.5"),
        ("vcpus: '2'", "this must be a whole number, not the text '2'"),
        ("timeouts: {kernel: 25h}", "25h is too long: the most is 24h"),
        ("timeouts: {kernel: 0}", "it must be more than zero"),
        ("timeouts: {kernel: soon}", "'soon' is not a duration"),
        ("timeouts: {kernel: true}", "a duration is written as"),
        (f"timeouts: {{kernel: {'9' * 400}h}}", "is too long"),
        ("kernel_args: 12", "this must be text (put it in quotes), not the number 12"),
        ('kernel_args: "a\\nb"', "kernel arguments stand on one line"),
        ("packages: [Vim]", "'Vim' is not the name of a Debian package"),
        ("packages: ['--opt']", "'--opt' is not the name of a Debian package"),
        ("suite: ../boot", "'../boot' is not a suite's name"),
    ],
)
def test_values_out_of_bounds_say_what_is_accepted(
    tmp_path: Path, line: str, expected: str
) -> None:
    lines = told(tmp_path, f"flight: f\n{MATRIX}defaults:\n  {line}\n")
    assert len(lines) == 1
    assert lines[0].startswith("f.yaml:4:")
    assert expected in lines[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"flight: Smoke\n{MATRIX}", "'Smoke' is not a flight's name"),
        (f"flight: {'x' * 41}\n{MATRIX}", "is not a flight's name"),
        (MATRIX, "f.yaml:1:1: the key 'flight' is missing"),
        ("flight: f\n", "f.yaml:1:1: the flight has no jobs"),
        ("flight: f\njobs: []\n", "the flight has no jobs"),
        (f"flight: f\nhosts: [a, a]\n{MATRIX}", "'a' stands in the list twice"),
        (f"flight: f\nhosts: []\n{MATRIX}", "f.yaml:2:8: hosts: the list is empty"),
        (f"flight: f\nhosts: a\n{MATRIX}", "this must be a list"),
        (f"flight: f\nzzz: 1\n{MATRIX}", "unknown key 'zzz'; accepted: flight, extends"),
        (f"flight: f\nmirror: 3\n{MATRIX}", "mirror: this must be a mapping"),
        (f"flight: f\nmirror: 'http://u:pw@m.example'\n{MATRIX}", "holds no password"),
        (
            f"flight: f\nmirror: {{accept: out}}\n{MATRIX}",
            "unknown accept 'out'",
        ),
        (f"flight: f\nmirror: {{accept_expired: true}}\n{MATRIX}", "did you mean 'accept'?"),
        (f"flight: f\njobs: [{{{CELL}, variant: A}}]\n", "'A' is not a variant"),
        (f"flight: f\njobs: [{{{CELL}, wants: 1}}]\n", "f.yaml:2:62: unknown key 'wants'"),
    ],
)
def test_other_mistakes(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in "\n".join(told(tmp_path, text))


@pytest.mark.parametrize("key", ["mirror", "image"])
@pytest.mark.parametrize(
    "url",
    ["http://u:hunter2@m.example", "ftp://u:hunter2@m.example", "http://u:hunter2@m.example/ [x]"],
)
def test_no_password_of_a_url_is_ever_repeated(tmp_path: Path, key: str, url: str) -> None:
    text = f"flight: f\nmirror: '{url}'\n{MATRIX}"
    if key == "image":
        text = f"flight: f\ndefaults: {{builder: import, image: {{location: '{url}'}}}}\n{MATRIX}"
    lines = told(tmp_path, text)
    assert "hunter2" not in "\n".join(lines)
    assert any("holds no password" in line for line in lines)


def test_a_mirror_adds_no_words_to_a_line_of_sources(tmp_path: Path) -> None:
    text = f"flight: f\nmirror: 'http://m.example/debian [trusted=yes]'\n{MATRIX}"
    assert "is not a mirror" in "\n".join(told(tmp_path, text))


def test_a_job_made_twice_names_both_lines(tmp_path: Path) -> None:
    lines = told(tmp_path, f"flight: f\n{MATRIX}jobs:\n  - {{{CELL}}}\n  - {{{CELL}}}\n")
    assert lines == [
        "f.yaml:4:5: the job boot-bookworm-amd64-pv-direct is already made by f.yaml:2:1; "
        "give one a 'variant'",
        "f.yaml:5:5: the job boot-bookworm-amd64-pv-direct is already made by f.yaml:2:1; "
        "give one a 'variant'",
    ]
