"""Lines that betray a failure, as many programs and versions print them, and lines that do not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.console.phases import LOGIN_HINT, PHASE_MARKS, PhaseMark, login_prompt
from harness.console.sieve import BOOT_SIEVE
from harness.console.sign import Sign
from harness.console.text import lines_of
from harness.console.verdicts import FAILURE_CLASSES, SIGNS, find_sign
from harness.job.delay import SLOW

ROOT = Path(__file__).parents[2]
DATA = ROOT / "selftests" / "data"
CLASSES = {failure.name: failure for failure in FAILURE_CLASSES}
GOOD_BOOTS = [
    *sorted(DATA.glob("console/*-pass.log")),
    *sorted(DATA.glob("console/*-login.log")),
    *sorted(DATA.glob("console/*-no-getty.log")),
    *sorted(DATA.glob("testbox/*-boot.log")),
]

VARIANTS = {
    "out-of-memory": [
        "[ 9.1] Out of memory: Kill process 412 (apt) score 712 or sacrifice child",
        "Out of memory (oom_kill_allocating_task): Kill process 1 (init) score 0 or sacrifice",
        "[ 2.1] Kernel panic - not syncing: Out of memory and no killable processes...",
        "[ 2.1] Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled",
        "error: ../../grub-core/kern/mm.c:376:out of memory.",
    ],
    "root-not-found": [
        "Gave up waiting for root device.  Common problems:",
        '[ 1.2] Kernel panic - not syncing: VFS: Unable to mount root fs on "LABEL=x" or nothing',
        'dracut-initqueue[301]: Warning: "/dev/mapper/vg0-root" does not exist',
        "ALERT!  UUID=718ed077-947d-4018-80ad-59825678e81d does not exist.  Dropping to a shell!",
    ],
    "fsck-prompt": [
        "Free blocks count wrong (1, counted=2).  Fix<y>? ",
        "Superblock has an invalid journal (inode 8).  Clear<n>? ",
        "Error reading block 5 (Input/output error).  Ignore error (y/n)? ",
        "Unattached inode 12  Connect to /lost+found<y>? ",
        "[FAIL] File system check failed. A log is being saved in /var/log/fsck/checkfs if that",
    ],
    "kernel-panic": ["Kernel panic - not syncing: Attempted to kill init!"],
    "kernel-oops": [
        "[ 5.1] BUG: unable to handle kernel paging request at ffffc90000385000",
        "[ 5.1][    T1] BUG: unable to handle page fault for address: 0000000000001000",
        "[ 5.1] BUG: KASAN: use-after-free in xen_foo+0x1/0x2",
        "[ 5.1] Oops: general protection fault, probably for non-canonical address 0x6b: 0000 [#1]",
        "[ 5.1] general protection fault: 0000 [#1] SMP",
        "[ 5.1] divide error: 0000 [#1] PREEMPT SMP NOPTI",
        "[ 0.0] PANIC: early exception 0x0d IP 10:ffffffff81e9 error 0 cr2 0xffff888002a00ff8",
    ],
    "init-frozen": ["[!!!!!!] Failed to allocate manager object, freezing."],
    "emergency-shell": [
        'You are in rescue mode. After logging in, type "journalctl -xb" to view',
        'Welcome to rescue mode! Type "systemctl default" or ^D to enter default mode.',
        "Press Enter for maintenance",
    ],
    "initramfs-shell": [
        "(initramfs) [   45.1] random: crng init done",
        "You are now being dropped into an emergency shell.",
    ],
    "grub-prompt": [
        "grub> ",
        "grubdom> ",
        "Entering rescue mode...",
        " [ Minimal BASH-like line editing is supported.  For the first word, TAB",
    ],
    "loader-crash": [
        "Page fault at linear address 0x8, eip 0x5e2b, regs 0x1ffdc8, sp 0x1ffe78, our_sp 0x1",
    ],
    "no-boot-device": ["No bootable device."],
    "disk-error": [
        "[ 21.2] end_request: I/O error, dev xvda, sector 4196352",
        "[ 21.2] I/O error, dev xvda, sector 0 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 2",
        "[ 30.1] EXT3-fs error (device xvda1): ext3_lookup: deleted inode referenced: 12",
    ],
    "device-timeout": [
        "[ 5.0] xenbus_probe_frontend: Timeout connecting to device: device/vif/0 (local state 1,"
        " remote state 1)",
    ],
    "soft-lockup": [
        "[ 48.0] BUG: soft lockup - CPU#1 stuck for 61s! [modprobe:312]",
        "[ 48.0] NMI watchdog: BUG: soft lockup - CPU#0 stuck for 23s! [kworker/0:1:35]",
        "[ 48.0] watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 0",
        "[ 48.0] BUG: spinlock lockup suspected on CPU#0, swapper/0/1",
    ],
    "rcu-stall": [
        "[ 27.0] rcu: INFO: rcu_preempt self-detected stall on CPU",
        "[ 27.0] rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 0-...D }",
        "[ 27.0] INFO: rcu_sched self-detected stall on CPU { 0}  (t=5250 jiffies g=1 c=2 q=3)",
        "[ 27.0] INFO: rcu_sched_state detected stall on CPU 0 (t=15000 jiffies)",
        "[ 27.0] INFO: RCU detected CPU 0 stall (t=4294898816/10000 jiffies)",
        "[ 27.0] rcu: rcu_preempt kthread timer wakeup didn't happen for 5316 jiffies! g1 f0x0",
    ],
    "hung-task": [
        "[ 242.7] INFO: task jbd2/xvda1-8:91 blocked for more than 241 seconds.",
        "[ 242.7] INFO: task mount:91 blocked in I/O wait for more than 120 seconds.",
    ],
}

HARMLESS = [
    # What a kernel says of its own options, and of others' faults.
    "[    0.000000] Kernel command line: root=/dev/xvda1 panic=10 oops=panic softlockup_panic=1",
    "[    0.000000] Command line: systemd.unit=emergency.target hung_task_panic=1",
    "[    0.016000] [Firmware Bug]: TSC doesn't count with P0 frequency!",
    "[    0.1] ACPI BIOS Error (bug): Could not resolve symbol [\\_SB.PCI0], AE_NOT_FOUND",
    "[    0.2] rcu: \tRCU restricting CPUs from NR_CPUS=8192 to nr_cpu_ids=1.",
    "[    0.2] rcu: RCU calculated value of scheduler-enlistment delay is 25 jiffies.",
    "[    0.3] clocksource: jiffies: mask: 0xffffffff max_cycles: 0xffffffff",
    "[    0.4] NMI watchdog: Perf NMI watchdog permanently disabled",
    "[    0.5] Initramfs unpacking failed: junk within compressed archive",
    "[    1.0] blk_update_request: I/O error, dev fd0, sector 0 op 0x0:(READ)",
    "[    1.0] blk_update_request: I/O error, dev sr0, sector 0 op 0x0:(READ)",
    "[    1.9] INFO: lockdep is turned off.",
    "[    3.1] foo[123] general protection fault ip:55d1 sp:7ffc error:0 in libc.so[7f+1]",
    "[    3.2] foo[123]: segfault at 0 ip 000055d1 sp 00007ffc error 4 in foo[55d1+1000]",
    "[    4.1] Memory cgroup out of memory: Killed process 412 (job) total-vm:64512kB",
    "[    4.2] systemd[1]: systemd-oomd.service - Userspace Out-Of-Memory (OOM) Killer skipped.",
    "[    5.0] WARNING: CPU: 0 PID: 1 at arch/x86/xen/multicalls.c:102 xen_mc_flush+0x1/0x2",
    "[    6.0] reboot: System halted",
    "[    6.0] xenbus_probe_frontend: Device with no driver: device/vbd/51713",
    "[    6.1] ---[ end trace 0000000000000000 ]---",
    "[    6.2] pstore: crashed kernel left an Oops: see /sys/fs/pstore",
    # initramfs.
    "Gave up waiting for suspend/resume device",
    "Warning: fsck not present, so skipping root file system",
    "mount: /dev/xvda9 does not exist",
    "Begin: Waiting for root file system ... done.",
    # fsck.
    "fsck from util-linux 2.38.1",
    "/dev/xvda1: clean, 11/65536 files, 8852/262144 blocks",
    "/dev/xvda1: recovering journal",
    "/dev/xvda1 was not cleanly unmounted, check forced.",
    "/dev/xvda1: Clearing orphaned inode 12 (uid=0, gid=0, mode=0100644, size=0)",
    "Free blocks count wrong (1, counted=2).  Fix? yes",
    "Do you want to continue? [Y/n] ",
    # GRUB and firmware.
    "error: no suitable video mode found.",
    "Booting in blind mode",
    "error: no such device: /boot/xen/pvboot-x86_64.elf.",
    "grub-pc: update-grub ran",
    "      Press enter to boot the selected OS, `e' to edit the commands       ",
    'BdsDxe: failed to load Boot0001 "UEFI Floppy" from PciRoot(0x0): Not Found',
    "Shell> fs0:\\efi\\boot\\bootx64.efi",
    "Boot failed: not a bootable disk",
    # init.
    "[  OK  ] Started emergency-log.service - collects logs of an emergency.",
    "         Starting systemd-fsck-root.service - File System Check on Root Device...",
    "[    5.1] systemd[1]: Condition check resulted in rescue.service being skipped.",
    "[ TIME ] Timed out waiting for device dev-xvdz1.device.",
    "[DEPEND] Dependency failed for data.mount - /data.",
    "[FAILED] Failed to mount data.mount - /data.",
    "Welcome to Debian GNU/Linux 12 (bookworm)!",
    "Press Enter to continue",
]


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, lines in VARIANTS.items() for line in lines]
)
def test_variants(name: str, line: str) -> None:
    found = find_sign(line)
    assert found is not None
    assert found.failure.name == name
    assert BOOT_SIEVE.pick([(7, line.encode())]) == [(7, line)]


@pytest.mark.parametrize("line", HARMLESS)
def test_harmless_lines(line: str) -> None:
    assert find_sign(line) is None
    assert find_sign(line, complete=False) is None


@pytest.mark.parametrize("log", GOOD_BOOTS, ids=lambda log: log.name)
def test_a_good_boot_shows_no_sign(log: Path) -> None:
    lines = lines_of(log.read_bytes())
    assert len(lines) > 20
    assert [one for line in lines if (one := find_sign(line))] == []


@pytest.mark.parametrize("sign", [*SIGNS, *PHASE_MARKS], ids=lambda sign: sign.sample)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_whatever_a_pattern_finds_holds_a_hint(data: st.DataObject, sign: Sign | PhaseMark) -> None:
    line = data.draw(st.from_regex(sign.pattern))
    assert any(hint in line for hint in sign.hints)


@settings(deadline=None)
@given(st.from_regex(login_prompt("guest")))
def test_every_login_prompt_holds_its_hint(line: str) -> None:
    assert LOGIN_HINT in line


def test_only_lost_time_can_be_the_hosts_doing() -> None:
    slow = {one.name for one in FAILURE_CLASSES if one.slow}
    assert slow == {"device-timeout", "soft-lockup", "rcu-stall", "hung-task"}
    assert not any(one.fatal for one in FAILURE_CLASSES if one.slow)


def test_every_class_is_explained_in_order() -> None:
    text = (ROOT / "docs" / "triage.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)`((?: \*)?(?: †)?) \|", text, re.MULTILINE)
    marks = dict(rows)
    names = [name for name, _ in rows]
    assert [name for name in names if name in marks and name in CLASSES] == list(CLASSES)
    for name, failure in CLASSES.items():
        assert ("*" in marks[name]) is not failure.fatal
    assert {name for name, mark in rows if "†" in mark} == SLOW
