"""From a flight file to its jobs: names, stripes, excludes, overrides."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.flight.axes import AXES, Builder, Dist, Layout, Pocket
from harness.flight.loader import load_flight
from harness.flight.matrix import MAX_CELLS, expand
from harness.flight.model import JobSpec, MirrorSpec
from harness.flight.schema import FlightModel
from harness.flight.stripe import count, stripe
from harness.flight.validate import validate
from harness.flight.yamlfile import parse_document
from harness.units import Size

FOUR = "dist: bookworm, arch: amd64, virt: pv, boot: direct"
VALUES: dict[str, list[object]] = {
    "dist": ["bullseye", "bookworm", "trixie", "sid"],
    "arch": ["amd64", "i386", "arm64"],
    "virt": ["pv", "pvh", "hvm"],
    "boot": ["direct", "pygrub", "pvgrub", "bios", "uefi"],
    "builder": ["mmdebstrap", "xen-create-image", "debian-installer"],
    "kernel": ["default", "dom0", "generic", "6.1.0-50-cloud-amd64"],
    "layout": ["auto", "bare", "disk"],
    "memory": ["256M", "512M", "1G"],
    "vcpus": [1, 2, 3],
    "disk": ["2G", "3G"],
    "disk_format": ["raw", "qcow2"],
    "toolstack": ["xl"],
    "swap": ["none", "100M", "1G"],
    "devices": ["pv", "emulated"],
}
_REQUIRED = ("dist", "arch", "virt", "boot")


def jobs_of(text: str, *, huge: bool = False) -> tuple[JobSpec, ...]:
    document = parse_document(f"flight: f\n{text}", file="f.yaml")
    cells = expand(validate(FlightModel, document), document, huge=huge)
    return tuple(cell.job for cell in cells)


def names_of(text: str) -> list[str]:
    return [job.name.removeprefix("boot-bookworm-amd64-pv-direct") for job in jobs_of(text)]


def told(text: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        jobs_of(text)
    return str(caught.value).splitlines()


@st.composite
def matrices(draw: st.DrawFn, *, most: int = 3) -> dict[str, list[object]]:
    free = draw(st.lists(st.sampled_from(AXES[4:]), unique=True, max_size=3))
    axes = [axis for axis in AXES if axis in {*_REQUIRED, *free}]
    return {
        axis: draw(st.lists(st.sampled_from(VALUES[axis]), min_size=1, max_size=most, unique=True))
        for axis in axes
    }


def text_of(matrix: dict[str, list[object]], *, striped: list[str] | None = None) -> str:
    lines = [f"  {axis}: {values}" for axis, values in matrix.items()]
    text = "matrix:\n" + "\n".join(lines).replace("'", '"') + "\n"
    return text + (f"stripe: [{', '.join(striped)}]\n" if striped else "")


def cells_of(matrix: dict[str, list[object]], striped: list[str]) -> set[tuple[object, ...]]:
    jobs = jobs_of(text_of(matrix, striped=striped))
    return {tuple(str(getattr(job, axis)) for axis in matrix if axis != "layout") for job in jobs}


@given(matrices())
def test_names_are_unique_and_fit_everywhere(matrix: dict[str, list[object]]) -> None:
    jobs = jobs_of(text_of(matrix))
    names = [job.name for job in jobs]
    assert len(set(names)) == len(names) == count(matrix, [])
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names)


@given(matrices(), st.sampled_from(AXES[4:]), st.data())
def test_an_axis_with_one_value_renames_nothing(
    matrix: dict[str, list[object]], axis: str, data: st.DataObject
) -> None:
    smaller = {name: values for name, values in matrix.items() if name != axis}
    larger = {**smaller, axis: [data.draw(st.sampled_from(VALUES[axis]))]}
    striped = data.draw(st.lists(st.sampled_from(sorted(smaller)), unique=True, max_size=2))
    before = {job.name for job in jobs_of(text_of(smaller))}
    assert {job.name for job in jobs_of(text_of(larger))} == before
    if axis in ("memory", "vcpus", "disk", "toolstack"):  # no rule looks at these
        before = {job.name for job in jobs_of(text_of(smaller, striped=striped))}
        assert {job.name for job in jobs_of(text_of(larger, striped=striped))} == before


@given(matrices())
def test_a_second_value_renames_no_job_that_keeps_the_usual_one(
    matrix: dict[str, list[object]],
) -> None:
    plain = {axis: values for axis, values in matrix.items() if axis != "vcpus"}
    before = {job.name for job in jobs_of(text_of(plain))}
    after = {job.name: job.vcpus for job in jobs_of(text_of({**plain, "vcpus": [1, 4]}))}
    assert {name for name, vcpus in after.items() if vcpus == 1} == before


@given(matrices(), st.data())
def test_stripes_use_every_value_and_no_cell_twice(
    matrix: dict[str, list[object]], data: st.DataObject
) -> None:
    striped = data.draw(st.lists(st.sampled_from(sorted(matrix)), unique=True, min_size=1))
    jobs = jobs_of(text_of(matrix, striped=striped))
    assert len({job.name for job in jobs}) == len(jobs) >= count(matrix, striped)
    for index, axis in enumerate(name for name in matrix if name != "layout"):
        found = {cell[index] for cell in cells_of(matrix, striped)}
        assert len(found) == len(matrix[axis])
    assert [job.name for job in jobs_of(text_of(matrix, striped=striped))] == [j.name for j in jobs]


@given(matrices(), st.data())
def test_a_value_that_can_run_somewhere_runs_in_some_stripe(
    matrix: dict[str, list[object]], data: st.DataObject
) -> None:
    axis = data.draw(st.sampled_from([name for name in matrix if name != "layout"]))

    def run(striped: list[str]) -> set[str]:
        jobs = jobs_of(text_of(matrix, striped=striped))
        return {str(getattr(job, axis)) for job in jobs if not job.skip}

    others = data.draw(st.lists(st.sampled_from(sorted(matrix)), unique=True, max_size=1))
    assert run(list(dict.fromkeys([axis, *others]))) == run([])


@given(matrices())
def test_every_skip_is_an_impossible_job_with_a_reason(matrix: dict[str, list[object]]) -> None:
    for job in jobs_of(text_of(matrix)):
        if (job.virt, job.boot) == ("pv", "uefi") or job.arch == "arm64":
            assert job.skip
        assert job.skip == job.skip.strip()


def test_stripes_meet_every_value_of_the_others_and_of_each_other() -> None:
    axes = {"a": "01", "b": "01", "c": "xy", "d": "pq"}
    cells = list(stripe(axes, ["c", "d"], lambda cell: True))
    assert ["".join(map(str, cell.values())) for cell in cells] == ["00xp", "01yq", "10yp", "11xq"]
    for one, two in itertools.combinations("abc", 2):
        assert len({(cell[one], cell[two]) for cell in cells}) == 4
    assert len({(cell["c"], cell["d"]) for cell in cells}) == 4


NAMES = "abcd"


@given(
    st.fixed_dictionaries({name: st.integers(1, 4) for name in NAMES}),
    st.permutations(NAMES),
    st.integers(1, 4),
    st.sets(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=6),
)
def test_what_does_not_matter_need_not_be_tried(
    sizes: dict[str, int], order: list[str], many: int, bad: set[tuple[int, int]]
) -> None:
    axes = {name: range(size) for name, size in sizes.items()}

    def possible(cell: dict[str, object]) -> bool:
        return (cell["a"], cell["c"]) not in bad

    striped = order[:many]
    assert list(stripe(axes, striped, possible, "ac")) == list(stripe(axes, striped, possible))


def test_more_values_than_cells_go_round_again() -> None:
    cells = list(stripe({"a": "01", "b": "vwxyz"}, ["b"], lambda cell: True))
    assert ["".join(map(str, cell.values())) for cell in cells] == ["0v", "1w", "0x", "1y", "0z"]


def test_stripes_avoid_what_is_impossible_and_show_what_is_so_everywhere() -> None:
    axes = {"a": "01", "b": "vwx"}
    cells = list(stripe(axes, ["b"], lambda cell: cell["b"] == "w" or cell == {"a": "1", "b": "v"}))
    assert ["".join(map(str, cell.values())) for cell in cells] == ["0w", "1v", "0x"]


def test_one_value_may_stand_alone() -> None:
    assert jobs_of(f"matrix: {{{FOUR}}}") == jobs_of(
        "matrix: {dist: [bookworm], arch: [amd64], virt: [pv], boot: [direct]}"
    )


@pytest.mark.parametrize(
    ("axes", "names"),
    [
        ("memory: [512M, 1G]", ["", "-mem1g"]),
        ("memory: [1G, 1536M]", ["-mem1g", "-mem1536m"]),
        ("memory: 1G", [""]),
        ("vcpus: [1, 2]", ["", "-vcpus2"]),
        ("disk: [2G, 4G]", ["", "-disk4g"]),
        ("disk_format: [qcow2, raw]", ["-qcow2", ""]),
        ("layout: [auto, disk]", ["", "-disk"]),
        ("builder: [mmdebstrap, xen-create-image]", ["", "-xen-create-image"]),
        ("kernel: [default, dom0, generic]", ["", "-dom0", "-generic"]),
        ("kernel: [6.1.0-50-cloud-amd64, default]", ["-6-1-0-50-cloud-amd64", ""]),
        ("swap: [none, 1000M]", ["", "-swap1000m"]),
        ("toolstack: [xl]", [""]),
        (
            "vcpus: [1, 2], memory: [512M, 1G]",
            ["", "-vcpus2", "-mem1g", "-mem1g-vcpus2"],
        ),
    ],
)
def test_the_parts_of_names(axes: str, names: list[str]) -> None:
    assert names_of(f"matrix: {{{FOUR}, {axes}}}\n") == names


def test_what_is_usual_is_what_the_flights_defaults_say() -> None:
    text = f"defaults: {{memory: 1G, swap: 1G, kernel: cloud}}\nmatrix: {{{FOUR}, "
    assert names_of(text + "memory: [512M, 1G]}\n") == ["-mem512m", ""]
    assert names_of(text + "swap: [none, 1G]}\n") == ["-noswap", ""]
    assert names_of(text + "kernel: [default, cloud]}\n") == ["-default-kernel", ""]


def test_kernels_whose_names_would_be_the_same_are_refused() -> None:
    assert told(f"matrix: {{{FOUR}, kernel: [6.1.0-50-amd64, 6.1.0+50-amd64]}}") == [
        "f.yaml:2:1: two cells of the matrix have the same name, "
        "boot-bookworm-amd64-pv-direct-6-1-0-50-amd64: their values differ too little"
    ]


@pytest.mark.parametrize(
    ("where", "excluded"),
    [
        ("virt: hvm", ["bookworm-hvm", "sid-hvm"]),
        ("virt: hvm, dist: [sid]", ["sid-hvm"]),
        ("virt: [pv, hvm], dist: sid", ["sid-pv", "sid-hvm"]),
        ("memory: 512M, virt: pv", ["bookworm-pv", "sid-pv"]),
        ("layout: bare, dist: sid", ["sid-pv", "sid-hvm"]),
        ("suite: boot, swap: none, vcpus: 1, dist: sid", ["sid-pv", "sid-hvm"]),
    ],
)
def test_excluded_jobs_stay_with_the_reason(where: str, excluded: list[str]) -> None:
    jobs = jobs_of(
        "matrix: {dist: [bookworm, sid], arch: amd64, virt: [pv, hvm], boot: direct}\n"
        f"exclude: [{{where: {{{where}}}, reason: not today}}]\n"
    )
    assert len(jobs) == 4
    assert [f"{job.dist}-{job.virt}" for job in jobs if job.skip] == excluded
    assert {job.skip for job in jobs} == {"", "not today"}


def test_an_excludes_reason_goes_before_a_rules() -> None:
    text = f"matrix: {{{FOUR.replace('direct', 'uefi')}}}\n"
    assert "firmware" in jobs_of(text)[0].skip
    text += "exclude: [{where: {boot: uefi}, reason: mine}, {where: {virt: pv}, reason: other}]\n"
    assert jobs_of(text)[0].skip == "mine"


def test_overrides_are_applied_in_order_and_see_each_other() -> None:
    jobs = jobs_of(
        "defaults: {packages: [vim], timeouts: {init: 5s}}\n"
        "matrix: {dist: [bookworm, sid], arch: amd64, virt: pv, boot: direct, memory: 256M}\n"
        "overrides:\n"
        "  - {where: {dist: sid}, set: {memory: 1G, timeouts: {kernel: 7s}}}\n"
        "  - {where: {memory: 1G}, set: {vcpus: 4, swap: 64M, extra_disks: [1G, 2G], suite: x}}\n"
    )
    assert [(job.name, job.memory, job.vcpus) for job in jobs] == [
        ("boot-bookworm-amd64-pv-direct", Size.parse("256M"), 1),
        ("x-sid-amd64-pv-direct", Size.parse("1G"), 4),
    ]
    assert jobs[1].swap == Size.parse("64M")
    assert jobs[1].extra_disks == (Size.parse("1G"), Size.parse("2G"))
    assert jobs[1].packages == ("vim",)
    assert [jobs[1].timeouts[phase].total_seconds() for phase in ("kernel", "init")] == [7, 5]


def test_a_jobs_own_keys_win_over_overrides() -> None:
    (job,) = jobs_of(
        f"jobs: [{{{FOUR}, vcpus: 2}}]\n"
        "overrides: [{where: {vcpus: 2}, set: {vcpus: 8, memory: 1G}}]\n"
    )
    assert (job.vcpus, job.memory) == (2, Size.parse("1G"))


def test_a_mirror_is_merged_key_by_key() -> None:
    jobs = jobs_of(
        "mirror: {url: 'http://m.example/d', omit: [updates]}\n"
        "matrix: {dist: [bookworm, trixie, sid], arch: amd64, virt: pv, boot: direct}\n"
        "overrides:\n"
        "  - {where: {dist: sid}, set: {mirror: {accept: expired}}}\n"
        "  - {where: {dist: trixie}, set: {mirror: {url: auto, omit: [security]}}}\n"
    )
    assert [job.mirror for job in jobs] == [
        MirrorSpec(url="http://m.example/d", omit=(Pocket.UPDATES,)),
        MirrorSpec(url=None, omit=(Pocket.SECURITY,)),
        MirrorSpec(url="http://m.example/d", accept_expired=True, omit=(Pocket.UPDATES,)),
    ]


@pytest.mark.parametrize(
    ("cell", "layout"),
    [
        ("boot: direct", Layout.BARE),
        ("boot: direct, virt: hvm", Layout.BARE),
        ("boot: pygrub", Layout.DISK),
        ("boot: direct, layout: disk", Layout.DISK),
        ("boot: pygrub, layout: bare", Layout.BARE),
        ("boot: pygrub, builder: xen-create-image", Layout.BARE),
        ("boot: pygrub, builder: debian-installer", Layout.DISK),
        ("boot: direct, builder: import, image: {location: x}", Layout.DISK),
    ],
)
def test_what_auto_comes_to(cell: str, layout: Layout) -> None:
    usual = "" if "virt" in cell else "virt: pv, "
    (job,) = jobs_of(f"jobs: [{{dist: bookworm, arch: amd64, {usual}{cell}}}]\n")
    assert job.layout is layout


def test_images_and_builder_options_go_only_to_their_builder() -> None:
    jobs = jobs_of(
        "defaults: {image: {location: /i/x.raw}, builder_options: {role: minimal, install: 1}}\n"
        f"matrix: {{{FOUR}, builder: [mmdebstrap, import, xen-create-image]}}\n"
        "overrides: [{where: {builder: xen-create-image}, set: {builder_options: {keep: true}}}]\n"
    )
    assert [(job.builder, job.image is not None, job.builder_options) for job in jobs] == [
        (Builder.MMDEBSTRAP, False, ()),
        (Builder.IMPORT, True, ()),
        (
            Builder.XEN_CREATE_IMAGE,
            False,
            (("role", "minimal"), ("install", "1"), ("keep", None)),
        ),
    ]


def test_a_path_of_an_image_is_seen_from_the_flight(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "f.yaml"
    path.parent.mkdir()
    image = "{location: ../i.raw, sha256: " + "a" * 64 + ", overlay: false}"
    path.write_text(
        "flight: f\njobs: [{dist: other, arch: amd64, virt: hvm, boot: uefi, builder: import, "
        f"image: {image}}}]\n",
        encoding="utf-8",
    )
    (job,) = load_flight(path).jobs
    assert job.dist is Dist.OTHER
    assert job.image is not None
    assert job.image.location == str(tmp_path.resolve() / "i.raw")
    assert (job.image.sha256, job.image.overlay) == ("a" * 64, False)


MATRIX = f"matrix: {{{FOUR}, memory: [512M, 1G]}}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{MATRIX}exclude: [{{where: {{dist: sid}}, reason: x}}]", "f.yaml:3:19: this matches no"),
        (f"{MATRIX}exclude: [{{where: {{dist: sid}}}}]", "the key 'reason' is missing"),
        (f"{MATRIX}exclude: [{{where: {{virt: pv}}, reason: ' '}}]", "a reason is a sentence"),
        (f"{MATRIX}exclude: [{{where: {{}}, reason: x}}]", "an empty 'where' means every job"),
        (f"{MATRIX}exclude: [{{where: {{dsit: sid}}, reason: x}}]", "did you mean 'dist'?"),
        (f"{MATRIX}exclude: [{{where: {{dist: []}}, reason: x}}]", "the list is empty"),
        (
            f"{MATRIX}overrides: [{{where: {{dist: sid}}, set: {{vcpus: 2}}}}]",
            "f.yaml:3:21: this matches no job of the flight",
        ),
        (f"{MATRIX}overrides: [{{where: {{dist: bookworm}}, set: {{}}}}]", "this sets nothing"),
        (
            f"{MATRIX}overrides: [{{where: {{dist: bookworm}}, set: {{memory: 2G}}}}]",
            "f.yaml:3:45: the matrix has several values of 'memory'",
        ),
        (f"{MATRIX}stripe: [vcpus]", "f.yaml:3:10: stripe: the matrix has no axis 'vcpus'"),
        (f"{MATRIX}stripe: [memroy]", "unknown axis 'memroy'; did you mean 'memory'?"),
        (f"{MATRIX}stripe: []", "stripe: the list is empty"),
        (f"matrix: {{{FOUR}, memory: [1024M, 1G]}}", "'1G' stands in the list twice"),
        (f"matrix: {{{FOUR}, memory: none}}", "'none' is not a size"),
        (f"matrix: {{{FOUR}, builder: debootstrap}}", "matrix.builder: unknown builder"),
        (f"matrix: {{{FOUR}, disk_format: qcow}}", "unknown disk format 'qcow'; did you mean"),
        (f"matrix: {{{FOUR}, kernel: 6.1}}", "must be text (put it in quotes)"),
        (f"matrix: {{{FOUR}, kernel: '../vmlinuz'}}", "is not a kernel: default, dom0"),
        (f"matrix: {{{FOUR}, swap: 1}}", "is too small: the least is 16M"),
        (f"{MATRIX}defaults: {{extra_disks: [0M]}}", "must be more than zero"),
        (f"{MATRIX}defaults: {{image: {{location: x}}}}", "f.yaml:3:12: 'image' is for builder"),
        (f"{MATRIX}defaults: {{builder_options: {{role: x}}}}", "is for builder xen-create-image"),
        (f"{MATRIX}defaults: {{image: {{}}}}", "the key 'location' is missing"),
        (f"{MATRIX}defaults: {{image: {{location: ''}}}}", "must be a path, or a URL"),
        (f"{MATRIX}defaults: {{image: {{location: 'ftp://a/b'}}}}", "is not a URL that begins"),
        (f"{MATRIX}defaults: {{image: {{location: 'http://a/b'}}}}", "needs its 'sha256'"),
        (f"{MATRIX}defaults: {{image: {{location: 'http://u:p@a/b'}}}}", "holds no password"),
        (f"{MATRIX}defaults: {{image: {{location: x, sha256: AB}}}}", "is not a SHA-256"),
        (f"{MATRIX}defaults: {{mirror: {{accept: old}}}}", "unknown accept 'old'"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, expected: str) -> None:
    lines = told(text)
    assert len(lines) == 1
    assert expected in lines[0]
    assert lines[0].startswith("f.yaml:")


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("memory: 1G", "'memory' is not for a flight to set: the flight's key for it is 'memory'"),
        ("size: 1G", "the flight's key for it is 'disk'"),
        ("kernel: /boot/x", "the flight's key for it is 'kernel'"),
        ("hostname: x", "the harness names"),
        ("force: true", "the harness makes the volumes"),
        ("'--role': x", "write 'role', without the dashes"),
        ("'a;b': x", "'a;b' is no option of xen-create-image"),
        ("role: 'a; rm'", "'a; rm' would be read by a shell"),
        ("role: false", "leave out one that is not meant"),
        ("role: [a]", "is text, a number or true"),
        ("fs: btrfs", "fs is 'btrfs'"),
    ],
)
def test_options_of_xen_create_image_that_are_refused(option: str, expected: str) -> None:
    lines = told(
        f"defaults: {{builder: xen-create-image, builder_options: {{{option}}}}}\n{MATRIX}"
    )
    assert len(lines) == 1
    assert expected in lines[0]


def huge(vcpus: int) -> str:
    numbers = ", ".join(map(str, range(1, vcpus + 1)))
    sizes = ", ".join(f"{n}G" for n in range(1, 201))
    return f"matrix: {{{FOUR}, vcpus: [{numbers}], memory: [{sizes}]}}\n"


def test_a_matrix_of_very_many_cells_is_refused_before_it_is_made() -> None:
    text = huge(512) + "stripe: [memory]\n"
    assert len(jobs_of(text)) == 512
    assert told(huge(512)) == [
        "f.yaml:2:1: the matrix has 102,400 cells (200 memory x 512 vcpus); more than 100,000 are "
        "refused (--yes makes them all the same)"
    ]
    assert MAX_CELLS == 100_000


def test_who_insists_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.flight.matrix.MAX_CELLS", 3)
    assert len(jobs_of(huge(1), huge=True)) == 200
    assert len(told(huge(1))) == 1


def test_a_wide_matrix_can_be_refused_without_counting_on_fingers() -> None:
    axes: dict[str, Any] = {name: range(1000) for name in "abcdef"}
    assert count(axes, []) == 1000**6
    assert count(axes, list("abcdef")) == 1000
