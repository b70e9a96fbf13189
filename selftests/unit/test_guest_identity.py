"""Host names, MAC addresses, machine ids and passwords."""

from __future__ import annotations

import re

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import LabError
from harness.guest.identity import (
    MacAllocator,
    host_name,
    mac_address,
    machine_id,
    make_password,
)

JOB = "boot-bookworm-amd64-pvh-direct"


@given(st.text(), st.text())
def test_host_names_are_always_valid(run: str, job: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", host_name(run, job))


def test_host_names_tell_the_job_and_differ_between_runs() -> None:
    assert host_name("run1", JOB).startswith(f"{JOB}-")
    assert host_name("run1", JOB) != host_name("run2", JOB)
    assert host_name("run1", "a" * 100) != host_name("run1", "a" * 101)


def test_machine_ids_are_of_systemds_form_and_differ() -> None:
    assert re.fullmatch("[0-9a-f]{32}", machine_id("run1", JOB))
    assert machine_id("run1", JOB) != machine_id("run2", JOB)


def test_mac_addresses_are_xens_and_follow_from_run_job_and_index() -> None:
    assert re.fullmatch(r"00:16:3e(:[0-9a-f]{2}){3}", mac_address("run1", JOB))
    assert mac_address("run1", JOB) == mac_address("run1", JOB)
    found = {mac_address(*key) for key in (("run1", JOB), ("run2", JOB), ("run1", JOB, 1))}
    assert len(found) == 3


def test_no_collision_inside_a_run_of_thousands() -> None:
    # By the birthday paradox, 10000 addresses of 2^24 would collide about three times.
    jobs = [f"job{number}" for number in range(10000)]
    assert len({mac_address("run", job) for job in jobs}) < len(jobs)
    allocator = MacAllocator("run", jobs)
    assert len({allocator.mac(job) for job in jobs}) == len(jobs)


def test_every_worker_gets_the_same_addresses_whatever_order_it_names_the_jobs_in() -> None:
    one = MacAllocator("run", ["a", "b", "c"], interfaces=2)
    other = MacAllocator("run", ["c", "a", "b", "a"], interfaces=2)
    assert [one.mac(j, i) for j in "abc" for i in (0, 1)] == [
        other.mac(j, i) for j in "abc" for i in (0, 1)
    ]


def test_an_address_in_use_on_the_host_is_passed_over() -> None:
    usual = mac_address("run", JOB)
    assert MacAllocator("run", [JOB], in_use=[usual.upper()]).mac(JOB) != usual


def test_no_address_left_is_said() -> None:
    in_use = [mac_address("run", JOB, 0, attempt) for attempt in range(64)]
    with pytest.raises(LabError, match=f"no free MAC address for {JOB}"):
        MacAllocator("run", [JOB], in_use=in_use)


def test_a_job_it_was_not_told_of() -> None:
    with pytest.raises(KeyError):
        MacAllocator("run", [JOB]).mac("another")


def test_passwords_differ_fit_their_hash_and_stay_out_of_logs() -> None:
    one, other = make_password(), make_password()
    assert one.text != other.text
    assert one.hash.startswith("$2b$04$")
    assert bcrypt.checkpw(one.text.encode(), one.hash.encode())
    assert not bcrypt.checkpw(other.text.encode(), one.hash.encode())
    assert one.text not in repr(one)
    assert one.hash not in repr(one)
