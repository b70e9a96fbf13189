"""What docs/flights.md says is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import harness
from harness.dists.table import TABLE
from harness.flight.axes import AXES
from harness.flight.loader import load_flight
from harness.flight.model import PHASES
from harness.flight.rules import RULES
from harness.flight.schema import FlightModel, ImageModel, MirrorModel, Overrides

ROOT = Path(harness.__file__).parent.parent
TEXT = (ROOT / "docs" / "flights.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
FLIGHTS = [block for block in BLOCKS if re.search(r"^flight: ", block, re.MULTILINE)]


@pytest.mark.parametrize("block", FLIGHTS, ids=lambda block: re.findall(r"flight: (\w+)", block)[0])
def test_its_examples_load_and_something_in_them_runs(block: str, tmp_path: Path) -> None:
    parts = [part for part in BLOCKS if part not in FLIGHTS]
    (tmp_path / "_debian.yaml").write_text(parts[-1], encoding="utf-8")
    path = tmp_path / "f.yaml"
    path.write_text(block, encoding="utf-8")
    jobs = load_flight(path).jobs
    assert any(not job.skip for job in jobs)
    for said in re.findall(r"# (\d+) jobs", block):
        assert sum(not job.skip for job in jobs) == int(said)


def test_there_are_as_many_examples_as_fences_open() -> None:
    assert len(FLIGHTS) == 4
    assert len(BLOCKS) == TEXT.count("```") // 2


@pytest.mark.parametrize("model", [FlightModel, Overrides, MirrorModel, ImageModel])
def test_every_key_is_in_a_table(model: type[FlightModel]) -> None:
    keys = re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)
    assert set(model.model_fields) <= set(keys)


def test_every_rule_axis_and_phase_is_named() -> None:
    words = set(re.findall(r"`([\w-]+)`", TEXT))
    words |= {f"xen-create-image{word}" for word in words if word.startswith("-")}
    assert {rule.id for rule in RULES} <= words
    assert {*AXES, *PHASES} <= words


@pytest.mark.parametrize(
    ("name", "run", "skip"),
    [
        ("matrix", 84, 66),
        ("nightly", 21, 12),
        ("must-fail", 18, 0),
        ("migration", 4, 0),
        ("lifecycle", 6, 0),
        ("storage", 5, 0),
        ("network", 5, 0),
        ("passthrough", 3, 0),
        ("osstest", 20, 0),
    ],
)
def test_the_counts_of_the_shipped_flights(name: str, run: int, skip: int) -> None:
    jobs = load_flight(ROOT / "flights" / f"{name}.yaml").jobs
    assert (sum(not job.skip for job in jobs), sum(bool(job.skip) for job in jobs)) == (run, skip)
    assert {job.dist for job in jobs if not job.skip} == {job.dist for job in jobs}
    said = re.search(rf"^\| `{name}` \|.*: (\d+) jobs(?:, (\d+) skips)? \|$", TEXT, re.MULTILINE)
    assert said is not None
    assert (int(said[1]), int(said[2] or skip)) == (run, skip)


def test_the_table_of_packed_kernels_is_that_of_the_dists() -> None:
    rows = re.findall(r"^\| (.*) \| (gzip|xz|lz4|zstd) \| (yes|no) \|$", TEXT, re.MULTILINE)
    said: dict[tuple[str, str], tuple[str, str]] = {}
    for kernels, packed, can in rows:
        dists = [dist for dist in TABLE if dist in kernels]
        flavours = re.findall(r"`(\w+)`", kernels) or ["xen"]
        said |= {(dist, flavour): (packed, can) for dist in dists for flavour in flavours}
    assert said == {
        (name, kernel.flavour): (kernel.packed, "yes" if kernel.pvgrub_pv else "no")
        for name, dist in TABLE.items()
        for kernel in dist.kernels_for("amd64")
    }
