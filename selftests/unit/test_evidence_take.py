"""One item: each way in which its answer can fail to come, or be too much."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from evidence_samples import OCCASION, EvidenceRunner, item, pieces

from harness.evidence.items import ITEMS, wanted
from harness.evidence.mask import Mask
from harness.evidence.model import Entry, Item, Only, Outcome
from harness.evidence.take import Taker, command_for
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.wait import Deadline

BOUND = timedelta(seconds=10)
SECRET = "5eb63bbbe01eeed0"


def take(runner: EvidenceRunner, what: Item, directory: Path) -> Entry:
    taker = Taker(OCCASION, directory, Mask([SECRET]))
    return taker.take(what, runner, Deadline.after(BOUND, runner.clock))


def test_all_is_well(tmp_path: Path) -> None:
    runner = EvidenceRunner()
    stream = runner.says("a.txt", b"one\n", b"two\n")
    entry = take(runner, item(), tmp_path)
    assert (entry.outcome, entry.exit_status) == (Outcome.DONE, 0)
    assert (entry.bytes, entry.cut, entry.note) == (8, 0, "")
    assert (tmp_path / "a.txt").read_bytes() == b"one\ntwo\n"
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o600
    assert stream.closed


def test_the_exit_status_comes_in_pieces(tmp_path: Path) -> None:
    runner = EvidenceRunner()
    said = b"xenflight: exit status 0\nno such domain\n"
    runner.says("a.txt", *pieces(said + b"\nxenflight: exit status 3\n", 7), status=None)
    entry = take(runner, item(), tmp_path)
    assert (entry.outcome, entry.exit_status) == (Outcome.FAILED, 3)
    assert entry.bytes == len(said)
    assert (tmp_path / "a.txt").read_bytes() == said + b"\n[xenflight: exit status 3]\n"


def test_nothing_said_makes_no_file(tmp_path: Path) -> None:
    entry = take(EvidenceRunner(), item(), tmp_path)
    assert (entry.outcome, entry.bytes) == (Outcome.DONE, 0)
    assert not (tmp_path / "a.txt").exists()


def test_a_hang_costs_its_bound_and_what_was_said_is_kept(tmp_path: Path) -> None:
    runner = EvidenceRunner()
    stream = runner.says("a.txt", b"it begins\n", endless=True)
    began = runner.clock.now
    entry = take(runner, item(), tmp_path)
    assert runner.clock.now - began == BOUND.total_seconds()
    assert (entry.outcome, entry.exit_status, entry.seconds) == (Outcome.HUNG, None, 10)
    told = "not at its end after 10 s, and ended"
    assert entry.note == told
    assert (tmp_path / "a.txt").read_text() == f"it begins\n\n[xenflight: {told}]\n"
    assert stream.closed


def test_a_huge_answer_is_cut_in_the_middle_and_says_so(tmp_path: Path) -> None:
    runner = EvidenceRunner()
    runner.says("a.txt", b"head" + b"." * 1000, b"tail")
    entry = take(runner, item(kept=8), tmp_path)
    assert (entry.outcome, entry.bytes, entry.cut) == (Outcome.DONE, 1008, 1000)
    told = b"\n[xenflight: 1000 bytes cut out here]\n"
    assert (tmp_path / "a.txt").read_bytes() == b"head" + told + b"tail"


def test_an_endless_answer_is_ended(tmp_path: Path) -> None:
    runner = EvidenceRunner()
    stream = runner.says("a.txt", *[b"x" * 1000] * 50)
    entry = take(runner, item(read=5000, kept=100), tmp_path)
    assert entry.outcome is Outcome.FLOODED
    assert 5000 <= entry.bytes <= 6000
    assert entry.cut == entry.bytes - 100
    assert b"[xenflight: ended after" in (tmp_path / "a.txt").read_bytes()
    assert stream.closed


def test_binary_garbage_is_kept_as_it_is(tmp_path: Path) -> None:
    garbage = bytes(range(256)) * 3 + b"\xff\xfe\x1b[2J"
    runner = EvidenceRunner()
    runner.says("a.txt", *pieces(garbage, 13))
    assert take(runner, item(), tmp_path).outcome is Outcome.DONE
    assert (tmp_path / "a.txt").read_bytes() == garbage


def test_a_lost_connection(tmp_path: Path) -> None:
    runner = EvidenceRunner()
    runner.says("a.txt", b"it begins\n", loses=True)
    entry = take(runner, item(), tmp_path)
    assert (entry.outcome, entry.exit_status) == (Outcome.LOST, None)
    assert "the connection was lost" in entry.note
    assert b"it begins" in (tmp_path / "a.txt").read_bytes()
    entry = take(runner, item(), tmp_path)
    assert (entry.outcome, entry.bytes) == (Outcome.LOST, 0)
    assert entry.note == "lost the SSH connection to rack1"


def test_secrets_are_masked_in_the_file_and_in_the_index(tmp_path: Path) -> None:
    runner = EvidenceRunner(SECRET)
    runner.says("a.txt", *pieces(f"typed {SECRET} here".encode(), 5))
    take(runner, item(), tmp_path)
    assert (tmp_path / "a.txt").read_bytes() == b"typed [secret] here"
    runner.alive = False
    assert SECRET not in take(runner, item(), tmp_path).model_dump_json()


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    runner = EvidenceRunner()
    stream = runner.says("a.txt", b"much")
    entry = take(runner, item(), tmp_path / "none")
    assert entry.outcome is Outcome.FAILED
    assert "cannot write a.txt: No such file" in entry.note
    stream = runner.says("a.txt", b"much")
    (tmp_path / "a.txt").mkdir()
    assert take(runner, item(), tmp_path).outcome is Outcome.FAILED
    assert not stream.written


def test_an_interrupt_comes_through_and_ends_the_command(tmp_path: Path) -> None:
    runner = EvidenceRunner()
    stream = runner.says("a.txt", b"it begins\n" * 10, interrupts=True)
    with pytest.raises(KeyboardInterrupt):
        take(runner, item(), tmp_path)
    assert stream.closed
    assert (tmp_path / "a.txt").read_bytes().startswith(b"it begins\n")


def test_a_packed_one_is_written_as_it_comes_up_to_its_bound(tmp_path: Path) -> None:
    core = SECRET.encode() + b"\x00" * 500
    runner = EvidenceRunner()
    runner.says("core.gz", *pieces(core, 100))
    packed = item("core.gz", packed=True, kept=4)
    assert take(runner, packed, tmp_path).outcome is Outcome.DONE
    assert (tmp_path / "core.gz").read_bytes() == core
    runner.says("core.gz", *pieces(core, 100))
    entry = take(runner, item("core.gz", packed=True, read=200), tmp_path)
    assert (entry.outcome, entry.cut) == (Outcome.FLOODED, 0)
    assert (tmp_path / "core.gz").stat().st_size == entry.bytes < len(core)


class TestOnARealShell:
    """The commands as a host runs them."""

    def take(self, script: str, directory: Path) -> Entry:
        what = Item(file="a.txt", script=script)
        taker = Taker(OCCASION, directory, Mask([]))
        return taker.take(what, LocalRunner(), Deadline.after(timedelta(minutes=1)))

    @pytest.mark.parametrize(("script", "status"), [("true", 0), ("exit 7", 7), ("nosuch", 127)])
    def test_the_status_is_the_scripts(self, script: str, status: int, tmp_path: Path) -> None:
        assert self.take(script, tmp_path).exit_status == status

    def test_output_without_a_last_newline_and_on_both_channels(self, tmp_path: Path) -> None:
        entry = self.take('printf "$1 $2"; cat; printf " %s" oops >&2', tmp_path)
        assert entry.outcome is Outcome.DONE
        assert (tmp_path / "a.txt").read_text() == "xf.f.1234 75 oops"

    def test_a_killed_script(self, tmp_path: Path) -> None:
        assert self.take("kill -9 $$", tmp_path).exit_status == 137


@pytest.mark.parametrize("what", ITEMS, ids=lambda one: one.file)
def test_every_script_is_one(what: Item) -> None:
    LocalRunner().run(Command.of("sh", "-n", "-c", what.script))
    assert str(command_for(what, OCCASION)) == what.file


def test_files_have_names_of_their_own() -> None:
    assert len({one.file for one in ITEMS}) == len(ITEMS)


def test_what_is_asked_for_when() -> None:
    usual = {one.file for one in wanted(())}
    assert {"xl-dmesg.txt", "journal.txt", "xenstore.txt", "volumes.txt"} <= usual
    hung = {one.file for one in wanted([Only.HANG])}
    assert hung - usual == {"sysrq.txt", "xenctx.txt", "debug-keys.txt"}
    assert {one.file for one in wanted([Only.REQUEST])} - usual == {"core.gz"}


def test_no_key_that_does_harm() -> None:
    """sysrq: only what prints (Documentation/admin-guide/sysrq.rst). Xen: keyhandler.c."""
    scripts = {one.file: one.script for one in ITEMS}
    assert "for key in m w l\n" in scripts["sysrq.txt"]
    assert 'keys="r e"' in scripts["debug-keys.txt"]
