"""Strict YAML: what is accepted, what is told, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.flight.problems import InputErrors
from harness.flight.yamlfile import load_document, parse_document


def parse(text: str) -> dict[str, object]:
    document = parse_document(text, file="f.yaml")
    assert document.findings == ()
    return document.value


def message(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse_document(text, file="f.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("true", True),
        ("False", False),
        ("1:30", "1:30"),
        ("0755", "0755"),
        ("0x10", "0x10"),
        ("12", 12),
        ("-3", -3),
        ("1.5", 1.5),
        (".inf", ".inf"),
        ("1e400", "1e400"),
        ("9" * 5000, "9" * 5000),
        ("2026-11-22", "2026-11-22"),
        ("~", None),
        ("", None),
        ("'true'", "true"),
        ("'12'", "12"),
    ],
)
def test_scalars_follow_yaml_1_2(written: str, read: object) -> None:
    value = parse(f"key: {written}\n")["key"]
    assert value == read
    assert type(value) is type(read)


def test_words_yaml_1_1_calls_booleans_are_good_keys() -> None:
    assert parse("no: 1\non: 2\ny: 3\n") == {"no": 1, "on": 2, "y": 3}


def test_every_key_and_value_knows_its_place() -> None:
    document = parse_document("a: 1\nb:\n  - x\n  - {c: 2}\n", file="f.yaml")
    assert str(document.place(("a",), key=True)) == "f.yaml:1:1"
    assert str(document.place(("a",))) == "f.yaml:1:4"
    assert str(document.place(("b", 0))) == "f.yaml:3:5"
    assert str(document.place(("b", 1, "c"), key=True)) == "f.yaml:4:6"


def test_what_was_not_written_is_placed_at_what_is_around_it() -> None:
    document = parse_document("a:\n  b: 1\n", file="f.yaml")
    assert str(document.place(("a", "missing", 3), key=True)) == "f.yaml:2:3"
    assert str(document.place(("nothing",))) == "f.yaml:1:1"


def test_all_duplicate_keys_are_found_with_both_lines() -> None:
    document = parse_document("a: 1\nb: {c: 1, c: 2}\na: 3\n", file="f.yaml")
    assert [str(finding) for finding in document.findings] == [
        "f.yaml:2:11: duplicate key 'c'; it was given on line 2",
        "f.yaml:3:1: duplicate key 'a'; it was given on line 1",
    ]
    assert document.value["a"] == 1


def test_anchors_and_merge_keys_work_and_own_keys_win() -> None:
    text = "base: &b {x: 1, y: 2}\nmore: &m {z: 3, x: 9}\nall: {<<: [*b, *m], y: 5}\nlist: [*b]\n"
    value = parse(text)
    assert value["all"] == {"x": 1, "y": 5, "z": 3}
    assert value["list"] == [{"x": 1, "y": 2}]


def test_duplicates_inside_a_merged_mapping_are_told_once() -> None:
    document = parse_document("b: &b {x: 1, x: 2}\nc: {<<: *b}\n", file="f.yaml")
    assert len(document.findings) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "f.yaml: the file is empty"),
        ("# only a comment\n", "f.yaml: the file is empty"),
        ("- a\n", "f.yaml:1:1: the file must be a mapping of keys to values, not a list"),
        ("12\n", "not the number 12"),
        ("just words\n", "not the text 'just words'"),
        ("a:\n\tb: 1\n", "f.yaml:2:1: there is a tab here; indent with spaces"),
        ("a: [1, 2\nb: 3\n", "f.yaml:2:2: this is not YAML"),
        ("a: b: c\n", "f.yaml:1:5: this is not YAML: mapping values are not allowed"),
        ("a: *nowhere\n", "f.yaml:1:4: this is not YAML: found undefined alias"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: this is not YAML"),
        ("a: 1\nb: \x00\n", "f.yaml:2: this is not YAML: the character U+0000"),
        ("[" * 3000, "the values are nested too deeply"),
        # PyYAML hands these numbers to chr().
        ('a: 1\nb: "\\U00110000"\n', "f.yaml:2:7: this is not YAML: an escape stands for no"),
        ('a: "\\UFFFFFFFF"\n', "f.yaml:1:7: this is not YAML: an escape stands for no"),
    ],
)
def test_what_is_no_mapping_is_told_with_its_place(text: str, told: str) -> None:
    assert told in message(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1: x\n", "f.yaml:1:1: a key must be text; write it in quotes"),
        ("true: x\n", "a key must be text"),
        ("[a]: x\n", "a key must be text"),
        ("a: !!python/object:os.system x\n", "f.yaml:1:4: tags such as"),
        ("a: !!int x\n", "tags such as"),
        ("a: !mine {}\n", "tags such as"),
        ("a: !mine []\n", "tags such as"),
        ("a: &a [*a]\n", "this refers to itself"),
        ("a: &a {<<: *a}\n", "'<<' takes a mapping"),
        ("a: {<<: 3}\n", "'<<' takes a mapping"),
        ("a: {<<: {1: x}}\n", "f.yaml:1:10: a key must be text"),
        # It could not be printed, nor stand in a file's name.
        ('a: "\\ud800"\n', "f.yaml:1:4: an escape here is half of a character"),
        ('"\\udfff": a\n', "f.yaml:1:1: an escape here is half of a character"),
    ],
)
def test_odd_values_are_findings(text: str, told: str) -> None:
    findings = parse_document(text, file="f.yaml").findings
    assert any(told in str(finding) for finding in findings)


def test_aliases_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "more than 20000 values, its aliases counted" in message("\n".join(lines))


def test_merges_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 40)]
    assert "more than 20000 values, its aliases counted" in message("\n".join(lines))


def test_a_list_with_a_bad_tag_tells_the_tag() -> None:
    with pytest.raises(InputErrors, match="tags such as"):
        parse_document("!mine [a]\n", file="f.yaml")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    def told(path: Path) -> str:
        with pytest.raises(UsageError) as caught:
            load_document(path)
        assert caught.value.place is not None
        assert caught.value.place.file == str(path)
        return str(caught.value)

    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: 1\nb: caf\xe9\n")
    big = tmp_path / "big.yaml"
    big.write_bytes(b"#" * (1 << 20) + b"##")
    assert "there is no such file" in told(tmp_path / "none.yaml")
    assert "this is not a file" in told(tmp_path)
    assert ":2: the file is not UTF-8: byte 0xe9" in told(latin)
    assert "no such file is larger" in told(big)
    assert "the file cannot be read" in told(tmp_path / ("x" * 300))


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert load_document(path).value == {"a": 1}
