"""Any bytes may be called grub.cfg: no crash, no hang, no time that grows with its square."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from grub_samples import DATA
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.grub.lint import Report, lint
from harness.grub.model import Form

FORMS = st.sampled_from([*Form, None])
PIECES = st.sampled_from(
    [
        *("menuentry", "submenu", "title", "function", "if", "then", "else", "elif", "fi", "for"),
        *("{", "}", ";", "\n", "\\\n", "\\", "'", '"', "$", "${", "${a}", "$a", "=", "[", "]", "#"),
        *("multiboot2", "module2", "multiboot", "module", "kernel", "linux", "initrd", "serial"),
        *("/xen.gz", "/xen-4.17.gz", "/vmlinuz-1", "/initrd-1", "(hd0,0)/xen", "--", "--nounzip"),
        *("com1=", "com1=9600,8n1", "console=com1", "console=hvc0", "dom0_mem=", "dom0_mem=1"),
        *("loglvl=all", "console_to_ringcom1=1", "quit", "root=", "root=UUID=UUID", "placeholder"),
        *("set", "set default=1", "set a=$a$a", "default", "search --fs-uuid", "--unit=9", "root"),
        *("GRUB_CMDLINE_XEN=", "GRUB_SERIAL_COMMAND='serial --speed=1'", "export", "XEN_X ="),
        *("## ## Start Default Options ##", "# xenhopt=a", "# kopt=", "\0", "\r\n", "é", "\u202e"),
    ]
)


def lint_any(text: str, form: Form | None) -> Report | None:
    """The report; None when the text is refused as no configuration."""
    try:
        return lint({"grub.cfg": text}, form=form)
    except UsageError:
        return None


def check(report: Report | None, text: str) -> None:
    lines = text.count("\n") + 1
    for one in report.findings if report else ():
        assert one.place.line is not None
        assert 1 <= one.place.line <= lines
        assert one.message


@settings(max_examples=300)
@given(st.binary(max_size=2000), FORMS)
def test_any_bytes(content: bytes, form: Form | None) -> None:
    text = content.decode("utf-8", "replace")
    check(lint_any(text, form), text)


@settings(max_examples=500)
@given(st.lists(st.tuples(PIECES, st.sampled_from([" ", "\n", "", "\t"])), max_size=60), FORMS)
def test_any_order_of_what_menus_are_made_of(
    pieces: list[tuple[str, str]], form: Form | None
) -> None:
    text = "".join(piece + blank for piece, blank in pieces)
    check(lint_any(text, form), text)


RECORDED = sorted(path for path in DATA.iterdir() if path.suffix in {".cfg", ".lst"})


@settings(max_examples=200)
@given(st.data())
def test_recorded_menus_cut_and_spoilt(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(RECORDED)).read_text(encoding="utf-8")
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 4000)))
    with_piece = text[:begin][-2000:] + data.draw(PIECES) + text[end:][:2000]
    check(lint_any(with_piece, data.draw(FORMS)), with_piece)


XEN = "menuentry x {\nmultiboot2 /xen.gz "
KERNEL = "\nmodule2 /vmlinuz root=/dev/sda1 "
GROWING: dict[str, tuple[Form, Callable[[int], str]]] = {
    "entries": (Form.GRUB2, lambda n: f"{XEN}{KERNEL}\n}}\n" * n),
    "variables": (
        Form.GRUB2,
        lambda n: f'set v="{"a=b " * n}"\n' + f"{XEN}$v $v{KERNEL}$v\n}}\n" * n,
    ),
    "doubling": (Form.GRUB2, lambda n: "set a=$a$a$a$a\n" * n + XEN + "$a"),
    "words for xen": (Form.GRUB2, lambda n: XEN + " ".join(f"x{i:x}" for i in range(4 * n))),
    "words for dom0": (
        Form.GRUB2,
        lambda n: XEN + KERNEL + " ".join(f"abcdefg{i:x}" for i in range(4 * n)),
    ),
    "lost lines": (Form.GRUB2, lambda n: XEN + "\nloglvl=all" * n),
    "unknown lines": (Form.GRUB2, lambda n: XEN + "".join(f"\ncmd{i:x}" for i in range(n))),
    "submenus": (Form.GRUB2, lambda n: "submenu a {\n" * n),
    "ifs": (Form.GRUB2, lambda n: "if [ a = b ]; then\n" * n),
    "one condition": (Form.GRUB2, lambda n: "if [ " + "a -o " * n + " ]; then\n"),
    "single quotes": (Form.GRUB2, lambda n: "'menuentry {\n" * (2 * n + 1)),
    "double quotes": (Form.GRUB2, lambda n: '"menuentry {\\"\n' * (2 * n + 1)),
    "backslashes": (Form.GRUB2, lambda n: '"' + '\\"' * 4 * n),
    "serial lines": (
        Form.GRUB2,
        lambda n: "serial --speed=1\n" * 50 + f"{XEN}com1=9600{KERNEL}\n}}\n" * n,
    ),
    "titles": (Form.LEGACY, lambda n: "title x\nkernel /xen.gz a=b\nmodule /vmlinuz\n" * n),
    "joined lines": (Form.LEGACY, lambda n: "title x\nkernel /xen.gz " + "a\\\n" * 4 * n),
    "assignments": (
        Form.DEFAULTS,
        lambda n: 'GRUB_CMDLINE_XEN="$GRUB_CMDLINE_XEN $GRUB_CMDLINE_XEN a=b"\n' * n,
    ),
    "settings": (Form.DEFAULTS, lambda n: "".join(f"GRUB_X{i}=1\n" for i in range(n))),
}


def seconds(text: str, form: Form) -> float:
    """Processor time, which other programs do not use up."""
    begin = time.process_time()
    check(lint_any(text, form), text)
    return time.process_time() - begin


@pytest.mark.parametrize("name", GROWING)
def test_time_grows_no_faster_than_the_text(name: str) -> None:
    """Sixteen times the text: were it quadratic, 256 times the time. Fixed costs only help."""
    form, make = GROWING[name]
    small = max(seconds(make(200), form) for _ in range(2))
    large = min(seconds(make(3200), form) for _ in range(2))
    assert large < 64 * max(small, 0.005)


def test_there_is_an_end_to_what_is_told() -> None:
    report = lint_any(XEN + " ".join(f"x{i}=1" for i in range(100_000)), Form.GRUB2)
    assert report is not None
    assert len(report.findings) <= 1000
    assert report.more
