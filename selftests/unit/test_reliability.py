"""What the experiment with killed flights calls wrong, and when it kills."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.host.census import Census, Entry, Kind
from harness.host.censustaking import read_census
from harness.reliability.experiment import GoodRun, Outcome, verdict, write_down
from harness.reliability.round import Cleaner, Round, new_entries, shots
from harness.reliability.victim import Aim, Place

CENSUS = read_census(
    (Path(__file__).parents[1] / "data/host/census-4.17-two-guests.txt").read_text()
)


def with_entries(*more: Entry) -> Census:
    return dataclasses.replace(CENSUS, entries=CENSUS.entries | set(more))


def a_round(**more: object) -> Round:
    start = Round(number=1, after=2.0, aim=Aim.GROUP, cleaner=Cleaner.REAP, doing="guest-boot")
    return dataclasses.replace(start, **more)  # type: ignore[arg-type]


@given(st.integers(0, 300), st.floats(0.1, 1e4), st.integers(0, 99))
def test_kills_are_within_the_flight_and_the_same_for_a_seed(
    number: int, length: float, seed: int
) -> None:
    made = list(shots(number, length, seed))
    assert made == list(shots(number, length, seed))
    assert [shot.number for shot in made] == list(range(1, number + 1))
    assert all(0 <= shot.after <= length for shot in made)


def test_a_hundred_kills_are_of_every_kind_and_all_over_the_flight() -> None:
    made = list(shots(100, 60.0, seed=1))
    assert {(shot.aim, shot.cleaner) for shot in made} == {
        (aim, cleaner) for aim in Aim for cleaner in Cleaner
    }
    assert {int(shot.after // 6) for shot in made} == set(range(10))


def test_what_a_dead_flight_leaves_is_seen() -> None:
    left = [
        Entry(Kind.VOLUME, "xf-123456789abc-root", "xenflight xenflight.role=scratch"),
        Entry(Kind.DOMAIN, "xf.smoke-1.0123456789", "domid 12, paused"),
        Entry(Kind.FILE, "/run/xenflight/flights/smoke-1/xl.cfg"),
        Entry(Kind.FILE, "/run/xenflight/locks/smoke-1"),
        Entry(Kind.MOUNT, "/tmp/xen-create-image.x", "/dev/xenvg/a-disk"),
    ]
    assert new_entries(CENSUS, with_entries(*left)) == sorted(left, key=lambda entry: entry.place)


def test_what_a_flight_may_leave_is_not() -> None:
    golden = next(
        volume for volume in CENSUS.volumes if "xenflight.role=golden" in volume.tags
    ).name
    before = dataclasses.replace(
        CENSUS,
        entries=frozenset(entry for entry in CENSUS.entries if entry.name != golden),
    )
    after = with_entries(
        Entry(Kind.MAPPER, f"xenvg-{golden.replace('-', '--')}"),
        Entry(Kind.FILE, "/run/xenflight/slots/1.lock"),
        Entry(Kind.FILE, "/run/xenflight/slots/token"),
        Entry(Kind.FILE, "/run/xenflight/locks/golden-0123abcd"),
    )
    assert new_entries(before, after) == []


def test_a_round_is_well_only_if_nothing_is_left_touched_or_said() -> None:
    assert a_round().wrong == ""
    assert a_round(left=("LV x",)).wrong == "left: LV x"
    assert a_round(touched=("was LV y",)).wrong == "touched: was LV y"
    assert a_round(problem="reap ended with 4: no").wrong == "reap ended with 4: no"


def test_the_figures_add_up() -> None:
    outcomes: list[Outcome] = [
        a_round(),
        a_round(left=("a", "b"), touched=("c",), problem="d"),
        GoodRun(number=1, seconds=3.0),
        GoodRun(number=2, seconds=3.0, wrong="exit status 4"),
    ]
    assert verdict(outcomes) == {
        "kills": 2,
        "objects left": 2,
        "objects of others touched": 1,
        "rounds with a problem": 1,
        "good runs": 2,
        "false failures": 1,
    }


def test_each_outcome_is_a_line_that_is_added(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    write_down(a_round(left=("LV x",)), file)
    write_down(GoodRun(number=1, seconds=3.0), file)
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    assert (first["aim"], first["cleaner"], first["wrong"]) == ("group", "reap", "left: LV x")
    assert second["wrong"] == ""


def test_what_a_flight_did_last_is_read_from_its_events_even_if_cut_short(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert (place.flights(), place.doing()) == (set(), "nothing yet")
    run = tmp_path / "reports/runs/smoke-1"
    run.mkdir(parents=True)
    (run.parent / "latest").symlink_to("smoke-1")
    assert (place.flights(), place.doing()) == ({"smoke-1"}, "nothing yet")
    (run / "events.jsonl").write_text(
        '{"event": "flight-started"}\n'
        '{"event": "step-started", "job": "boot-x", "testid": "guest-boot"}\n'
        '{"event": "step-fini'
    )
    assert place.doing() == "boot-x guest-boot"
