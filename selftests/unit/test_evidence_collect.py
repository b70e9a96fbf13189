"""All items: each costs its own bound, all together one, and a host may go away."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from evidence_samples import OCCASION, EvidenceRunner, item

from harness.errors import HostLost
from harness.evidence.collect import PATIENCE, TOTAL, Collector
from harness.evidence.link import Link
from harness.evidence.mask import Mask
from harness.evidence.model import Index, Only, Outcome

ITEMS = (item("a.txt"), item("b.txt"), item("c.txt"))
SECRET = "5eb63bbbe01eeed0"


def no_way() -> EvidenceRunner:
    msg = f"rack1 does not answer {SECRET}"
    raise HostLost(msg)


def collector(
    runner: EvidenceRunner,
    directory: Path,
    again: Callable[[], EvidenceRunner] = no_way,
    factor: float = 1.0,
) -> Collector:
    link = Link(runner, again, PATIENCE)
    return Collector(
        link, OCCASION, directory / "evidence", Mask([SECRET]), factor=factor, clock=runner.clock
    )


def read_index(directory: Path) -> Index:
    return Index.model_validate_json((directory / "evidence" / "index.json").read_text())


def outcomes(index: Index) -> list[str]:
    return [str(entry.outcome) for entry in index.items]


def test_all_is_well(tmp_path: Path) -> None:
    runner = EvidenceRunner()
    runner.says("b.txt", b"said")
    index = collector(runner, tmp_path).collect(ITEMS)
    assert runner.asked == ["a.txt", "b.txt", "c.txt"]
    assert outcomes(index) == ["done"] * 3
    assert index.had == 1
    assert index.notes == ()
    assert read_index(tmp_path) == index
    assert (index.testid, index.failure_class) == ("guest-boot", "silent")
    assert not runner.closed, "the flight's own connection is not ours to close"


def test_one_that_hangs_and_one_that_fails_cost_nothing_but_their_own(tmp_path: Path) -> None:
    runner = EvidenceRunner()
    runner.says("a.txt", endless=True)
    runner.says("b.txt", b"no", status=1)
    runner.says("c.txt", b"said")
    index = collector(runner, tmp_path).collect(ITEMS)
    assert outcomes(index) == ["hung", "failed", "done"]
    assert index.seconds == 10


def test_a_slow_host_has_more_time(tmp_path: Path) -> None:
    runner = EvidenceRunner()
    runner.says("a.txt", endless=True)
    assert collector(runner, tmp_path, factor=3).collect(ITEMS[:1]).seconds == 30
    assert collector(runner, tmp_path, factor=0.1).collect(ITEMS[:1]).seconds == 10


def test_all_together_are_bounded_and_what_was_asked_for_is_taken_still(tmp_path: Path) -> None:
    runner = EvidenceRunner()
    many = [item(f"{number}.txt") for number in range(20)]
    core = item("core.gz", only=Only.REQUEST, packed=True, bound=timedelta(minutes=5))
    for one in many:
        runner.says(one.file, endless=True)
    runner.says("core.gz", b"core")
    index = collector(runner, tmp_path).collect([*many, core])
    assert index.seconds == TOTAL.total_seconds()
    assert outcomes(index) == ["hung"] * 9 + ["not taken"] * 11 + ["done"]
    assert index.items[9].note == "no time was left"


def test_a_lost_connection_is_made_again_once(tmp_path: Path) -> None:
    first = EvidenceRunner()
    second = EvidenceRunner(clock=first.clock)
    first.says("b.txt", b"hal", loses=True)
    second.says("b.txt", b"half and whole")
    index = collector(first, tmp_path, lambda: second).collect(ITEMS)
    assert outcomes(index) == ["done"] * 3
    assert (first.asked, second.asked) == (["a.txt", "b.txt"], ["b.txt", "c.txt"])
    assert (tmp_path / "evidence" / "b.txt").read_bytes() == b"half and whole"
    assert index.notes == (
        "the SSH connection to rack1 is lost",
        "taken over a new connection from here on",
    )
    assert second.closed
    assert not first.closed


def test_a_connection_that_is_lost_before_and_a_second_one_too(tmp_path: Path) -> None:
    first = EvidenceRunner()
    first.alive = False
    second = EvidenceRunner(clock=first.clock)
    second.says("a.txt", b"it begins\n" * 9, loses=True)
    index = collector(first, tmp_path, lambda: second).collect(ITEMS)
    assert outcomes(index) == ["lost", "not taken", "not taken"]
    assert index.items[1].note == "the host does not answer"
    assert second.closed


def test_a_host_that_is_gone(tmp_path: Path) -> None:
    runner = EvidenceRunner()
    runner.alive = False
    index = collector(runner, tmp_path).collect(ITEMS)
    assert outcomes(index) == ["not taken"] * 3
    assert index.had == 0
    assert index.notes == (
        "the SSH connection to rack1 is lost",
        "rack1 does not answer [secret]",
    )
    assert SECRET not in (tmp_path / "evidence" / "index.json").read_text()


def test_a_host_that_takes_connections_and_answers_nothing(tmp_path: Path) -> None:
    first = EvidenceRunner()
    second = EvidenceRunner(clock=first.clock)
    first.answers = second.answers = 0
    index = collector(first, tmp_path, lambda: second).collect(ITEMS)
    assert outcomes(index) == ["not taken"] * 3
    assert index.seconds == 2 * PATIENCE.total_seconds()
    assert second.closed


def test_a_host_that_stops_answering_meanwhile(tmp_path: Path) -> None:
    """It is found out at the first item that does not end, not at each."""
    runner = EvidenceRunner()
    runner.says("b.txt", b"it begins\n" * 9, endless=True)
    runner.answers = 1
    index = collector(runner, tmp_path).collect(ITEMS)
    assert outcomes(index) == ["done", "hung", "not taken"]


def test_an_interrupt_leaves_a_true_index(tmp_path: Path) -> None:
    first = EvidenceRunner()
    first.alive = False
    second = EvidenceRunner(clock=first.clock)
    second.says("a.txt", b"said")
    second.says("b.txt", interrupts=True)
    with pytest.raises(KeyboardInterrupt):
        collector(first, tmp_path, lambda: second).collect(ITEMS)
    index = read_index(tmp_path)
    assert outcomes(index) == ["done", "not taken", "not taken"]
    assert [entry.note for entry in index.items] == ["", "interrupted", "interrupted"]
    assert second.closed


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("in the way")
    with pytest.raises(OSError, match="exists"):
        collector(EvidenceRunner(), tmp_path).collect(ITEMS)


def test_an_interrupt_is_not_hidden_by_an_index_that_cannot_be_written(tmp_path: Path) -> None:
    runner = EvidenceRunner()
    runner.says("a.txt", interrupts=True)
    (tmp_path / "evidence" / "index.json").mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt):
        collector(runner, tmp_path).collect(ITEMS)


def test_the_index_is_plain_json(tmp_path: Path) -> None:
    collector(EvidenceRunner(), tmp_path).collect(ITEMS)
    text = (tmp_path / "evidence" / "index.json").read_text()
    assert text.isascii()
    data = json.loads(text)
    assert data["items"][0]["outcome"] == Outcome.DONE
    assert data["since"] == OCCASION.since


def test_a_host_that_tells_nothing_is_dead(tmp_path: Path) -> None:
    gone = EvidenceRunner()
    gone.alive = False
    assert collector(gone, tmp_path).collect(ITEMS).dead


def test_one_that_answers_and_hangs_at_all_is_dead_too(tmp_path: Path) -> None:
    runner = EvidenceRunner()
    for one in ITEMS:
        runner.says(one.file, endless=True)
    assert collector(runner, tmp_path).collect(ITEMS).dead


def test_one_that_says_a_word_is_not(tmp_path: Path) -> None:
    runner = EvidenceRunner()
    runner.says("a.txt", endless=True)
    runner.says("b.txt", b"a word", endless=True)
    runner.says("c.txt", endless=True)
    assert not collector(runner, tmp_path).collect(ITEMS).dead


def test_nor_one_that_had_nothing_to_say(tmp_path: Path) -> None:
    index = collector(EvidenceRunner(), tmp_path).collect(ITEMS)
    assert index.had == 0
    assert not index.dead


def test_nor_is_a_full_disk_here_its_doing(tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    for one in ITEMS:
        (tmp_path / "evidence" / one.file).mkdir()
    index = collector(EvidenceRunner(), tmp_path).collect(ITEMS)
    assert set(outcomes(index)) == {"failed"}
    assert not index.dead
