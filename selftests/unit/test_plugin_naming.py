"""From node ids to jobs and steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.plugin import naming
from harness.plugin.naming import split_nodeid, suite_of

JOB = "boot-bookworm-amd64-pv-direct"
JOBS = (JOB, f"{JOB}-panic", "extra-trixie-amd64-pvh-direct")
FILE = "suites/boot/test_boot.py"


@pytest.mark.parametrize(
    ("nodeid", "expected"),
    [
        (f"{FILE}::test_guest_boot[{JOB}]", (JOB, "guest-boot")),
        (f"test_boot.py::test_guest_boot[{JOB}]", (JOB, "guest-boot")),
        (f"{FILE}::TestBoot::test_x[{JOB}]", (JOB, "x")),
        (f"{FILE}::test_x[{JOB}]@group", (JOB, "x")),
        (f"{FILE}::test_x[{JOB}-panic]", (f"{JOB}-panic", "x")),
        (f"{FILE}::test_x[{JOB}-panic-2]", (f"{JOB}-panic", "x.2")),
        (f"{FILE}::test_guest_saverestore[{JOB}-2]", (JOB, "guest-saverestore.2")),
        (f"{FILE}::test_guest_start__2[{JOB}]", (JOB, "guest-start.2")),
        (f"{FILE}::test_on__crash[{JOB}-2]", (JOB, "on.crash.2")),
        (f"{FILE}::test_x[{JOB}2]", None),
        (f"{FILE}::test_x[other]", None),
        (f"{FILE}::test_x[2-{JOB}]", None),
        (f"{FILE}::test_x", None),
        (FILE, None),
        ("", None),
    ],
)
def test_split(nodeid: str, expected: tuple[str, str] | None) -> None:
    assert split_nodeid(nodeid, JOBS) == expected


@given(st.sampled_from(JOBS), st.text(min_size=1))
def test_whatever_a_steps_own_parameter_is(job: str, own: str) -> None:
    found = split_nodeid(f"{FILE}::test_x[{job}-{own}]", JOBS)
    assert found in ((job, f"x.{own}"), (f"{JOB}-panic", "x"), (f"{JOB}-panic", f"x.{own[6:]}"))


def test_testid() -> None:
    assert naming.testid_of("test_guest_boot") == "guest-boot"


@pytest.mark.parametrize(
    ("path", "suite"),
    [
        ("/srv/xenflight/suites/boot/test_boot.py", "boot"),
        ("suites/boot/test_boot.py", "boot"),
        ("/suites/x/suites/boot/test_boot.py", "boot"),
        ("suites/test_stray.py", None),
        ("suites/boot/deep/test_boot.py", None),
        ("tests/boot/test_boot.py", None),
        ("test_boot.py", None),
    ],
)
def test_suite(path: str, suite: str | None) -> None:
    assert suite_of(Path(path)) == suite
