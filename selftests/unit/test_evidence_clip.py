"""Both ends of an answer are kept, and secrets are in neither."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.evidence.clip import Clip
from harness.evidence.mask import Mask, key_lines

PASSWORD = "0123456789abcdef"
LINE = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ"
KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{LINE}\n-----END OPENSSH PRIVATE KEY-----\n"


@given(st.lists(st.binary(max_size=40)), st.integers(2, 60))
def test_head_and_tail_are_those_of_the_whole(chunks: list[bytes], kept: int) -> None:
    clip = Clip(kept)
    for chunk in chunks:
        clip.add(chunk)
    whole, half = b"".join(chunks), kept // 2
    assert clip.total == len(whole)
    if len(whole) <= 2 * half:
        assert (clip.head, clip.tail, clip.cut) == (whole, b"", 0)
    else:
        assert (clip.head, clip.tail) == (whole[:half], whole[-half:])
        assert clip.cut == len(whole) - 2 * half


@given(st.binary(max_size=80), st.binary(max_size=80), st.integers(2, 120))
def test_no_secret_survives_however_it_is_cut(before: bytes, after: bytes, kept: int) -> None:
    mask, clip = Mask([PASSWORD]), Clip(kept)
    clip.add(before + PASSWORD.encode() + after)
    seen = mask.head(clip.head) + b"\n" + mask.tail(clip.tail) if clip.cut else mask(clip.head)
    for begin in range(len(PASSWORD) - 3):
        part = PASSWORD[begin : begin + 4].encode()
        # A part is no secret where it was said for itself.
        assert part not in seen or part in before + b"|" + after


def test_what_stands_at_a_cut() -> None:
    mask = Mask([PASSWORD])
    assert mask.head(b"typed 01234567") == b"typed [secret]"
    assert mask.tail(b"cdef at the prompt") == b"[secret] at the prompt"
    assert mask.head(b"typed 012") == b"typed 012"


def test_the_longer_of_two_secrets_goes_whole() -> None:
    assert Mask(["abcd", "abcdefgh"])(b"abcdefgh abcd") == b"[secret] [secret]"


def test_a_private_key_whole_in_part_and_of_somebody_else() -> None:
    mask = Mask(key_lines(KEY))
    assert mask(b"one line: " + LINE.encode()) == b"one line: [secret]"
    assert mask(f"a\n{KEY}b".encode()) == b"a\n[secret]\nb"
    foreign = KEY.replace(LINE, LINE[::-1])
    assert mask(f"a\n{foreign}b".encode()) == b"a\n[secret]\nb"
    assert mask(f"a\n{foreign[:-40]}".encode()) == b"a\n[secret]"
    assert mask(foreign[40:].encode()).strip() == b"[secret]"
    assert key_lines(KEY) == [LINE]


def test_what_is_called_a_password() -> None:
    mask = Mask([])
    assert mask(b'"passwd": "hunter2",') == b'"passwd": "[secret]",'
    assert mask(b'/vm/1/vncpasswd = "hunter2"   (n0)') == b'/vm/1/vncpasswd = "[secret]"   (n0)'
    assert mask(b"Password=hunter2 x") == b"Password=[secret] x"
    plain = b'"passwd": ""\nAccepted password for root\n'
    assert mask(plain) == plain


def test_without_secrets_nothing_changes() -> None:
    assert Mask(["", "  "])(bytes(range(256))) == bytes(range(256))
