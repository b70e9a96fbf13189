"""How boot configurations are read: words, statements, conditions, entries."""

from __future__ import annotations

import pytest
from grub_samples import read
from hypothesis import given
from hypothesis import strategies as st

from harness.grub.conditions import Branch, Variables, both, either, judge, negated
from harness.grub.defaults import effective, read_defaults
from harness.grub.grub2 import read_grub2
from harness.grub.legacy import read_legacy
from harness.grub.model import Load
from harness.grub.script import Lexer, expanded


def words(text: str) -> list[list[str]]:
    return [[word.text for word in one.words] for one in Lexer(text=text).statements()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("echo a b", [["echo", "a", "b"]]),
        ("a; b\nc", [["a"], ["b"], ["c"]]),
        ("a # b\n#c\nd#e", [["a"], ["d#e"]]),
        ("a 'b c' \"d e\"", [["a", "b c", "d e"]]),
        ("a'b'\"c\"d", [["abcd"]]),
        ("a \\\n b", [["a", "b"]]),
        ("a\\\nb", [["ab"]]),
        ("a\\ b \\'", [["a b", "'"]]),
        ('"\\"x\\\\ \\n"', [['"x\\ \\n']]),
        ("'\\'", [["\\"]]),
        ('""', [[""]]),
        ("$a ${b}c \"$d\" '$e'", [["${a}", "${b}c", "${d}", "$e"]]),
        ("a $", [["a", "$"]]),
        ("a\r\nb\r\n", [["a"], ["b"]]),
        ("echo }", [["echo", "}"]]),
    ],
)
def test_words(text: str, expected: list[list[str]]) -> None:
    assert words(text) == expected


def test_blocks_and_lines() -> None:
    text = "menuentry 'a\nb' {\n  x \\\n  y; z\n}\n"
    found = [
        (one.mark, one.line, [w.line for w in one.words]) for one in Lexer(text=text).statements()
    ]
    assert found == [("{", 1, [1, 1]), ("", 3, [3, 4]), ("", 4, [4]), ("}", 5, [])]


def test_variables_are_named() -> None:
    [statement] = Lexer(text="a $b \"${c}x$d\" '$e'").statements()
    assert [word.variables for word in statement.words] == [(), ("b",), ("c", "d"), ()]


@pytest.mark.parametrize(
    ("text", "unclosed"), [("a 'b\nc", [1]), ('a\n"b', [2]), ("'a' \"b\"", []), ("# it's\n", [])]
)
def test_quotes_without_end(text: str, unclosed: list[int]) -> None:
    lexer = Lexer(text=text)
    list(lexer.statements())
    assert lexer.unclosed == unclosed


def test_a_value_that_doubles_itself_is_given_up() -> None:
    values: dict[str, str | None] = {"a": "x"}
    for _ in range(64):
        values["a"] = expanded("${a}${a}", lambda name: values[name])
        if values["a"] is None:
            break
    assert values["a"] is None


THREE = st.sampled_from([True, False, None])


@given(THREE, THREE, THREE)
def test_three_values_go_by_the_rules_of_logic(
    a: bool | None, b: bool | None, c: bool | None
) -> None:
    assert both(a, b) == both(b, a)
    assert either(a, b) == negated(both(negated(a), negated(b)))
    assert both(a, either(b, c)) == either(both(a, b), both(a, c))
    assert negated(negated(a)) == a


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[ a = a ]", True),
        ("[ a != a ]", False),
        ("[ x$known = xy ]", True),
        ("[ -z $unset -o $known = n ]", True),
        ("[ -n $unset -a $grub_platform = pc ]", False),
        ("[ $grub_platform = pc ]", None),
        ("[ $grub_platform = pc -o a = a ]", True),
        ("[ ! a = b ]", True),
        ("[ -s $prefix/grubenv ]", None),
        ("[ -f /x ]", None),
        ("[ $unset ]", False),
        ("[ x$feature_menuentry_id = xy ]", True),
        ("[ ]", False),
        ("[ a b c d ]", None),
        ("loadfont x", None),
        ("test a = a", True),
    ],
)
def test_conditions(text: str, expected: bool | None) -> None:
    [statement] = Lexer(text=text).statements()
    variables = Variables(known={"known": "y"})
    assert judge([word.text for word in statement.words], variables) is expected


@pytest.mark.parametrize(
    ("conditions", "active"),
    [
        ([True, True], [True, False]),
        ([False, True], [False, True]),
        ([None, True], [None, None]),
        ([False, None, True], [False, None, None]),
        ([None, False, True], [None, False, None]),
    ],
)
def test_branches(conditions: list[bool | None], active: list[bool | None]) -> None:
    branch = Branch(outside=True)
    found = []
    for condition in conditions:
        branch.begin(condition)
        found.append(branch.active)
    assert found == active
    inside = Branch(outside=False)
    inside.begin(None)
    assert inside.active is False


def loads(name: str, number: int) -> list[tuple[str, str, int]]:
    text = read(name)
    menu = read_legacy(text, name) if name.endswith(".lst") else read_grub2(text, name)
    body = [item for item in menu.entries[number].body if isinstance(item, Load)]
    return [(one.command.text, one.path.text if one.path else "", one.line) for one in body]


def test_debians_menu_for_xen() -> None:
    menu = read_grub2(read("trixie.cfg"), "grub.cfg")
    # GRUB_DISTRIBUTOR of Debian 13 holds "GNU/Linux" already.
    assert menu.default == "Debian GNU/Linux GNU/Linux, with Xen hypervisor"
    assert [entry.number for entry in menu.entries] == [
        *((0,), (1, 0), (1, 1), (2,)),
        *((3, 0, 0), (3, 0, 1), (3, 1, 0), (3, 1, 1)),
        # On UEFI only, which GRUB alone knows.
        (4,),
    ]
    assert menu.entries[3].id.startswith("xen-gnulinux-simple-")
    assert menu.problems == ()
    assert loads("trixie.cfg", 3) == [
        ("multiboot2", "/boot/xen-4.20-amd64.gz", 175),
        ("module2", "/boot/vmlinuz-6.12.107+deb13-amd64", 177),
        ("module2", "/boot/initrd.img-6.12.107+deb13-amd64", 179),
    ]


def test_the_serial_line_of_a_menu() -> None:
    [serial] = read_grub2(read("trixie-lvm.cfg"), "grub.cfg").serials
    assert (serial.line, serial.unit, serial.speed) == (58, 0, 19200)
    [other] = read_grub2("serial --port=0x2f8 --speed 57600\n", "x").serials
    assert (other.unit, other.speed) == (1, 57600)
    [least] = read_grub2("serial\n", "x").serials
    assert (least.unit, least.speed) == (0, 9600)


def test_legacys_menu() -> None:
    menu = read_legacy(read("legacy.lst"), "menu.lst")
    assert next(entry.title.partition(" /")[0] for entry in menu.entries) == "Xen 4.0-amd64"
    assert loads("legacy.lst", 0)[0] == ("kernel", "/boot/xen-4.0-amd64.gz", 124)
    assert [(one.source, one.line, one.for_xen) for one in menu.options] == [
        ("# kopt=", 62, False),
        ("# defoptions=", 81, False),
        ("# xenhopt=", 89, True),
        ("# xenkopt=", 92, False),
    ]


def test_legacys_lines_are_joined_by_backslashes() -> None:
    menu = read_legacy(
        "title x\nkernel /xen.gz a \\\n  b\\\n\\\nc\n# no \\\nmodule /y\nmodule /z\n", "x"
    )
    xen, module = menu.entries[0].body
    assert isinstance(xen, Load)
    assert isinstance(module, Load)
    assert [(word.text, word.line) for word in xen.arguments] == [("a", 2), ("b", 3), ("c", 5)]
    assert module.path is not None
    assert module.path.text == "/z"


def test_variables_in_etc_default_grub() -> None:
    menu = read_defaults(
        [
            ("grub", 'GRUB_CMDLINE_LINUX="a b"\nGRUB_CMDLINE_LINUX_DEFAULT=quiet\n'),
            ("xen.cfg", 'GRUB_CMDLINE_LINUX_XEN_REPLACE="$GRUB_CMDLINE_LINUX c"\n'),
            ("last.cfg", 'GRUB_CMDLINE_XEN=x\nGRUB_CMDLINE_XEN="$GRUB_CMDLINE_XEN y"\n'),
        ]
    )
    dom0 = [(word.text, word.file) for word in effective(menu, for_xen=False)]
    assert dom0 == [("a", "grub"), ("b", "grub"), ("c", "xen.cfg"), ("quiet", "grub")]
