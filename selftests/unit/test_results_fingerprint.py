"""Fingerprints: what stays of a failure when all is taken out that changes from run to run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.results.fingerprint import MAX_LENGTH, fingerprint
from harness.results.model import StepResult
from harness.results.normal import normalise
from harness.status import Status

CONSOLES = Path(__file__).parent.parent / "data" / "console"


@pytest.mark.parametrize(
    ("line", "normal"),
    [
        (
            "[    4.202610][    T1] Kernel panic - not syncing: Attempted to kill init! "
            "exitcode=0x00000100",
            "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
        ),
        (
            "BUG: unable to handle page fault for address: ffff88801234abcd",
            "BUG: unable to handle page fault for address: <hex>",
        ),
        # A small offset into a null pointer names the field.
        (
            "BUG: kernel NULL pointer dereference, address: 0000000000000030",
            "BUG: kernel NULL pointer dereference, address: 0000000000000030",
        ),
        ("RIP: 0010:do_exit+0x172/0x240", "RIP: 0010:do_exit"),
        (
            "CPU: 1 PID: 812 Comm: kworker/1:2 Not tainted 6.1.0-47-cloud-amd64 #1",
            "CPU: <n> PID: <pid> Comm: kworker/<n> Not tainted 6.1.0-47-cloud-amd64 #1",
        ),
        (
            "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [kworker/1:2:123]",
            "watchdog: BUG: soft lockup - CPU#<n> stuck for <span>! [kworker/<n>:<pid>]",
        ),
        (
            "INFO: task kworker/0:1:123 blocked for more than 120 seconds.",
            "INFO: task kworker/<n>:<pid> blocked for more than <span>.",
        ),
        (
            "(XEN) [2026-11-22 12:00:00.123] d3v0 Triple fault - invoking HVM shutdown action 1",
            "(XEN) d<domid>v0 Triple fault - invoking HVM shutdown action 1",
        ),
        (
            "libxl: error: libxl_device.c:1094:device_backend_callback: Domain 7:unable to add "
            "device with path /local/domain/0/backend/vbd/7/51712",
            "libxl: error: libxl_device.c:1094:device_backend_callback: Domain <domid>:unable to "
            "add device with path /local/domain/0/backend/vbd/<domid>/51712",
        ),
        ("vif3.0: cannot be added", "vif<domid>.0: cannot be added"),
        ("Dom0 and dom 12, domid=5", "Dom0 and dom <domid>, domid=<domid>"),
        ("Nov 22 12:00:00 box1 sshd[512]: fatal: no keys", "sshd[<pid>]: fatal: no keys"),
        (
            "2026-11-22T12:00:00.123456+00:00 box1 systemd[1]: Failed to start x",
            "systemd[<pid>]: Failed to start x",
        ),
        ("at 2026-11-22 12:00:00 UTC it ended", "at <time> it ended"),
        ("UUID=842fdc88-3ca4-418a-8985-35c006e43606 gone", "UUID=<uuid> gone"),
        ("from 10.77.0.83 and fe80::216:3eff:fe49:9877", "from <ip> and <ip>"),
        ("mac 00:16:3e:49:98:77", "mac <mac>"),
        ("box1 login: ", "<host> login:"),
        ("Debian GNU/Linux 12 box1-cad34d hvc0", "Debian GNU/Linux 12 <host> hvc0"),
        ("xf.smoke-20261122-122153-936659.ffc1c65ade is gone", "<domain> is gone"),
        ("flight smoke-20261122-122153-936659", "flight <flight>"),
        ("image 6fa68da539f2a371", "image <hex>"),
        (
            "[ ***  ] Job x.service/start running (1min 9s / 1min 30s)",
            "Job x.service/start running (<span> / <span>)",
        ),
        # What says something stays.
        ("unknown-block(202,2)", "unknown-block(202,2)"),
        ("vif vif-0 enX0: renamed from eth0", "vif vif-0 enX0: renamed from eth0"),
        ("Linux version 6.1.0-47-cloud-amd64", "Linux version 6.1.0-47-cloud-amd64"),
        ("Xen 4.17.5", "Xen 4.17.5"),
        ("EXT4-fs error (device xvda1): bad header", "EXT4-fs error (device xvda1): bad header"),
        ("defaced facade", "defaced facade"),
        # What could act on its reader does not.
        ("\x1b[1;31mOops\x1b[0m\x07 \x1b]0;owned\x07here", "Oops here"),
        ("right\u202eleft", "right left"),
    ],
)
def test_normal_lines(line: str, normal: str) -> None:
    assert normalise(line) == normal


def test_names_of_this_run() -> None:
    names = {"rack1": "<host>", "boot-x": "<job>", "boot-x-1f3a": "<host>"}
    line = "boot-x-1f3a: boot of boot-x on rack1 failed, not rack12 nor a-boot-x"
    assert normalise(line, names) == (
        "<host>: boot of <job> on <host> failed, not rack12 nor a-boot-x"
    )


@given(st.text(max_size=600))
def test_normal_text_stays_as_it_is(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert once.isprintable()


_WORDS = """d3v0 0xffff8880 12:00:00 2026-11-22 [ ] a-b host login: Domain 7 PID: 12s deadbeef01
task x:1 (d3) vif3.0 1.2.3.4 T sshd[5]: <hex> Linux hvc0 kworker/0:1 CPU#3 +0x1/0x2 - :"""
WORDS = st.sampled_from([*_WORDS.split(), "Nov 22", "120 seconds", "[ ***  ]"])


@given(st.lists(WORDS, max_size=20).map(" ".join) | st.lists(WORDS, max_size=20).map("".join))
def test_normal_lines_stay_as_they_are(line: str) -> None:
    once = normalise(line)
    assert normalise(once) == once


@pytest.mark.parametrize("part", ["a-", "0", "a1", "ab:", "1:", "[a:", " ", "d1", "<", "1.", "f"])
def test_a_line_without_end_costs_no_more_than_another(part: str) -> None:
    assert len(normalise(part * 200_000)) <= 1000


def failed(evidence: str = "", **more: object) -> StepResult:
    values = {"testid": "guest-boot", "status": Status.FAIL, "evidence": evidence, **more}
    return StepResult.model_validate(values)


@pytest.mark.parametrize(
    ("log", "says"),
    [
        ("recorded-bookworm-pv-panic.log", "Kernel panic - not syncing: Attempted to kill init!"),
        ("recorded-bookworm-pv-wrong-root.log", "Gave up waiting for root file system device."),
        ("sketch-bookworm-pv-out-of-memory.log", "Initramfs unpacking failed: write error"),
    ],
)
def test_the_line_that_betrays_it_on_real_consoles(log: str, says: str) -> None:
    text = (CONSOLES / log).read_text(encoding="utf-8", errors="replace")
    found = fingerprint(failed(text, failure_class="x"))
    assert found is not None
    assert found.startswith("x: ")
    assert says in found


def test_two_runs_with_one_cause_have_one_fingerprint() -> None:
    text = (CONSOLES / "recorded-bookworm-pv-panic.log").read_text(encoding="utf-8")
    later = re.sub(r"\[ *(\d+)\.\d{6}\]", r"[  1\1.000001]", text).replace("PID: 1", "PID: 7")
    assert later != text
    assert fingerprint(failed(text)) == fingerprint(failed(later))


def test_of_a_kernel_bug_the_function_is_told() -> None:
    text = (
        "[    1.0] junk\n"
        "[   21.187136] BUG: kernel NULL pointer dereference, address: 0000000000000030\n"
        "[   21.187140] RIP: 0010:xen_blkif_schedule+0x172/0x240 [xen_blkback]\n"
    )
    assert fingerprint(failed(text, failure_class="kernel-oops")) == (
        "kernel-oops: BUG: kernel NULL pointer dereference, address: 0000000000000030"
        " in xen_blkif_schedule"
    )


def test_without_such_a_line_the_last_ones_that_say_something_new() -> None:
    text = (
        "one\n[ ***  ] Job a running (9s / 1min 30s)\n[  *** ] Job a running (10s / 1min 30s)\n"
        "two\n\nthree in 9s\nthree in 10s\nfour\n"
    )
    assert fingerprint(failed(text)) == "two | three in <span> | four"


def test_without_a_console_the_reason() -> None:
    reason = "boot of boot-x failed: Domain 7 is gone"
    names = {"boot-x": "<job>"}
    assert (
        fingerprint(failed(reason=reason), names) == "boot of <job> failed: Domain <domid> is gone"
    )


def test_of_what_did_not_fail_there_is_none() -> None:
    for status in set(Status) - {Status.FAIL, Status.BROKEN}:
        step = StepResult(testid="s", status=status, evidence="Kernel panic - not syncing: x")
        assert fingerprint(step) is None
    assert fingerprint(failed()) is None


@given(st.text())
def test_it_is_short_and_harmless_whatever_a_guest_says(text: str) -> None:
    found = fingerprint(failed(text)) or ""
    assert len(found) <= MAX_LENGTH
    assert found.isprintable()
