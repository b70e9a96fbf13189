"""Names and tags of volumes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.storage import names


def test_golden_volume_is_named_after_its_key() -> None:
    key = "0123456789abcdef0123456789abcdef"
    assert names.golden_name(key) == "xf-golden-0123456789abcdef"
    tags = names.golden_tags(key)
    assert tags == ("xenflight", "xenflight.role=golden", f"xenflight.key={key}")
    assert names.tag_value(tags, "key") == key
    assert names.tag_value(tags, "run") is None


def test_scratch_volume_says_whose_it_is() -> None:
    tags = names.scratch_tags("20261122-1", "boot-bookworm-amd64-pv")
    assert names.tag_value(tags, "run") == "20261122-1"
    assert names.tag_value(tags, "job") == "boot-bookworm-amd64-pv"
    assert names.tag_value(tags, "role") == names.Role.SCRATCH


@given(st.tuples(st.text(max_size=300), st.text(max_size=300), st.sampled_from(["root", "swap"])))
def test_scratch_names_are_always_valid_and_stable(owner: tuple[str, str, str]) -> None:
    name = names.scratch_name(*owner)
    assert name == names.scratch_name(*owner)
    assert re.fullmatch(r"xf-[0-9a-f]{12}-(root|swap)", name)


def test_scratch_names_of_other_jobs_differ() -> None:
    assert names.scratch_name("r", "ab") != names.scratch_name("ra", "b")
    assert names.scratch_name("r", "ab") != names.scratch_name("r", "ab", part="swap")


@pytest.mark.parametrize("tag", ["a", "xenflight.key=ab/c.d", "A_z+0-9=!:&#"])
def test_tags_that_lvm_takes(tag: str) -> None:
    assert names.check_tag(tag) == tag


@pytest.mark.parametrize("tag", ["", "two words", "-x", "a,b", "ümlaut", "a@b", "x" * 1025, "a\n"])
def test_tags_that_lvm_refuses(tag: str) -> None:
    with pytest.raises(UsageError, match="cannot be an LVM tag"):
        names.check_tag(tag)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "allowed are"),
        ("-a", "hyphen"),
        (".", "allowed are"),
        ("a b", "allowed are"),
        ("a/b", "allowed are"),
        ("x" * 128, "longer than 127"),
        ("snapshot1", "'snapshot'"),
        ("pvmove0", "'pvmove'"),
        ("root_tmeta", "'_tmeta'"),
        ("a_mimage_0", "'_mimage'"),
    ],
)
def test_names_that_lvm_refuses(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        names.check_name(name)
