from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.console.buffer import ConsoleBuffer
from harness.console.secret import REDACTED, Redactor
from harness.secret import Secret


def test_reads_by_position() -> None:
    buffer = ConsoleBuffer()
    buffer.append(b"abc", 1.0)
    buffer.append(b"def", 2.0)
    assert buffer.read(1, 4) == b"bcde"
    assert buffer.read(6, 10) == b""
    assert buffer.end == 6


def test_knows_when_each_byte_came() -> None:
    buffer = ConsoleBuffer()
    assert buffer.time_at(0) is None
    assert buffer.last_time is None
    buffer.append(b"abc", 1.0)
    buffer.append(b"def", 2.0)
    assert [buffer.time_at(at) for at in (0, 2, 3, 5)] == [1.0, 1.0, 2.0, 2.0]
    assert buffer.last_time == 2.0


def test_wait_tells_data_from_the_end() -> None:
    buffer = ConsoleBuffer()
    assert not buffer.wait(0, 0)
    buffer.append(b"a", 1.0)
    assert buffer.wait(0, 0)
    assert not buffer.wait(1, 0)
    buffer.finish()
    assert buffer.wait(0, 0), "what came before the end can still be read"
    assert not buffer.wait(1, 1e9), "the end is not waited out"
    buffer.reopen()
    assert not buffer.ended


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=60))
def test_memory_is_bounded_and_the_newest_kept(chunks: list[bytes]) -> None:
    buffer = ConsoleBuffer(cap=64)
    whole = b""
    for chunk in chunks:
        buffer.append(chunk, 0.0)
        whole += chunk
        kept = buffer.read(buffer.first, 1 << 20)
        assert kept is not None
        assert len(kept) <= 64
        assert whole.endswith(kept)
        assert buffer.end == len(whole)
    if buffer.first:
        assert buffer.read(buffer.first - 1, 1) is None
        assert buffer.end - buffer.first >= 32


def test_secret_shows_nothing() -> None:
    assert "hunter2" not in repr(Secret("hunter2"))
    assert "hunter2" not in f"{Secret('hunter2')}"


def run_redactor(secret: bytes, chunks: list[bytes]) -> bytes:
    redactor = Redactor()
    redactor.arm(secret)
    return b"".join(redactor.filter(chunk) for chunk in chunks) + redactor.flush()


@given(st.integers(0, 12), st.integers(0, 12))
def test_an_echoed_secret_is_cut_out_however_it_is_split(first: int, second: int) -> None:
    whole = b"huhunter2\r\n"
    a, b = sorted((first, second))
    said = run_redactor(b"hunter2\r", [whole[:a], whole[a:b], whole[b:]])
    assert said == b"hu" + REDACTED + b"\r\n"


@given(st.lists(st.binary(max_size=5), max_size=20))
def test_other_bytes_pass_unchanged(chunks: list[bytes]) -> None:
    assert run_redactor(b"a secret that is not in there\r", chunks) == b"".join(chunks)


def test_after_a_few_lines_the_word_is_free_again() -> None:
    said = run_redactor(b"root\r", [b"\r\nLinux 6.1\r\n\r\n", b"root@guest:~# "])
    assert said.endswith(b"root@guest:~# ")


def test_unarmed_nothing_is_touched() -> None:
    redactor = Redactor()
    assert redactor.filter(b"root") == b"root"
    assert redactor.flush() == b""


def test_a_secret_that_is_long_stays_out_for_good() -> None:
    secret, lines = b"0123456789abcdef", b"line\r\n" * 50
    chunks = [b"\r\n", lines, b"su: 0123456789", b"abcdef\r\n", lines, secret]
    assert secret not in run_redactor(secret + b"\r", chunks)


def test_a_reboot_is_no_reason_to_show_it() -> None:
    redactor = Redactor()
    redactor.arm(b"0123456789abcdef\r")
    assert redactor.flush() == b""
    assert redactor.filter(b"0123456789abcdef") == REDACTED


@given(st.lists(st.integers(0, 40), max_size=6), st.integers(0, 5))
def test_a_short_secret_that_begins_in_the_last_line_is_cut_out_whole(
    cuts: list[int], lines: int
) -> None:
    whole = b"\n" * lines + b"hunter2" + b"\nhunter2 is a film\n"
    ends = [0, *sorted(cuts), len(whole)]
    chunks = [whole[a:b] for a, b in pairwise(ends)]
    said = run_redactor(b"hunter2\r", chunks)
    if lines < 3:
        assert b"hunter2" not in said[: lines + len(REDACTED)]
    assert said.replace(REDACTED, b"hunter2") == whole
