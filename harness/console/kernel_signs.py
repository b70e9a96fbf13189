"""What a Linux kernel says when it fails, 2.6.32 to 6.12, with the file that says it."""

from __future__ import annotations

from harness.console.sign import KERNEL, Sign, sign

KERNEL_SIGNS: tuple[Sign, ...] = (
    # mm/oom_kill.c. "Kill process ... or sacrifice child" until 4.20. A control group's limit
    # is told as "Memory cgroup out of memory", and is no lack of the guest's.
    sign(
        "out-of-memory",
        r"Out of memory(?: \(oom_kill_allocating_task\))?: Kill(?:ed)? process \d+",
        "[   12.345678] Out of memory: Killed process 142 (cryptsetup) total-vm:64512kB",
        "Out of memory",
    ),
    # mm/oom_kill.c; the second until 5.0, and with panic_on_oom.
    sign(
        "out-of-memory",
        r"Kernel panic - not syncing: (?:System is deadlocked on memory|Out of memory)",
        "[    2.114532] Kernel panic - not syncing: System is deadlocked on memory",
        "Kernel panic",
    ),
    # init/initramfs.c: the root of a memory file system is full. Its other complaints
    # ("Decoding failed", "junk in compressed archive") often stand in a good boot.
    sign(
        "out-of-memory",
        r"Initramfs unpacking failed: write error",
        "[    1.842211] Initramfs unpacking failed: write error",
        "Initramfs unpacking",
    ),
    # init/do_mounts.c, both.
    sign(
        "root-not-found",
        r"Kernel panic - not syncing: VFS: Unable to mount root fs",
        "[    1.3] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
        "Kernel panic",
    ),
    sign(
        "root-not-found",
        KERNEL + r"VFS: Cannot open root device ",
        '[    1.204411] VFS: Cannot open root device "xvda1" or unknown-block(0,0): error -6',
        "VFS: Cannot",
    ),
    # kernel/panic.c.
    sign(
        "kernel-panic",
        KERNEL + r"Kernel panic - not syncing",
        "[    4.020211] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
        "Kernel panic",
    ),
    # arch/x86/boot/compressed/misc.c: the kernel could not unpack itself.
    sign("kernel-panic", r"^ -- System halted", " -- System halted", "System halted"),
    # Many files. Those left out say that time was lost, not that anything is wrong: below.
    sign(
        "kernel-oops",
        KERNEL + r"BUG: (?!soft lockup|workqueue lockup|spinlock lockup)",
        "[    5.1] BUG: kernel NULL pointer dereference, address: 0000000000000008",
        "BUG: ",
    ),
    # arch/x86/mm/fault.c and, since 6.10, arch/x86/kernel/dumpstack.c.
    sign(
        "kernel-oops",
        KERNEL + r"(?:Internal error: )?Oops: ",
        "[    5.100114] Oops: 0000 [#1] PREEMPT SMP NOPTI",
        "Oops: ",
    ),
    # arch/x86/kernel/dumpstack.c, __die_header: general protection fault, divide error... A
    # program's own fault is told as "traps: foo[123] general protection fault ip:...".
    sign(
        "kernel-oops",
        KERNEL + r"[a-z][\w ,-]{2,100}: [0-9a-f]{4} \[#\d+\]",
        "[    0.4] general protection fault, probably for non-canonical address 0x6b6b: 0000 [#1]",
        "[#",
    ),
    # arch/x86/kernel/traps.c and, before there is an interrupt table, arch/x86/mm/extable.c.
    sign(
        "kernel-oops",
        KERNEL + r"PANIC: (?:double fault|early exception)",
        "[    0.910021] PANIC: double fault, error_code: 0x0",
        "PANIC: ",
    ),
    # lib/bug.c.
    sign(
        "kernel-oops",
        KERNEL + r"kernel BUG at ",
        "[    1.204512] kernel BUG at mm/slub.c:305!",
        "BUG at ",
    ),
    # block/blk-core.c ("end_request:", "blk_update_request:", since 5.16 neither), of a disk
    # that a domain may have. A missing floppy or CD gives the same in a good boot.
    sign(
        "disk-error",
        r"I/O error, dev (?:xvd|sd|hd|vd)[a-z]+, sector \d+",
        "[   21.204512] blk_update_request: I/O error, dev xvda, sector 4196352 op 0x1:(WRITE)",
        "I/O error, dev ",
    ),
    # fs/ext4/super.c, and ext3's before it.
    sign(
        "disk-error",
        r"EXT[234]-fs error \(device ",
        "[   30.1] EXT4-fs error (device xvda1): ext4_find_entry:1455: inode #2: reading directory",
        "EXT2-fs error",
        "EXT3-fs error",
        "EXT4-fs error",
    ),
    # drivers/xen/xenbus/xenbus_probe_frontend.c, after up to five minutes.
    sign(
        "device-timeout",
        r"Timeout connecting to device: \S+ \(local state \d+, remote state \d+\)",
        "[  301.9] XENBUS: Timeout connecting to device: device/vbd/51712 (local state 3, remote"
        " state 2)",
        "Timeout connecting",
    ),
    # kernel/watchdog.c; "watchdog:" or "NMI watchdog:" before it since 3.x. Hard lockups are
    # kernel/watchdog_hld.c's.
    sign(
        "soft-lockup",
        r"BUG: soft lockup - CPU#\d+ stuck|Watchdog detected hard LOCKUP on cpu",
        "[   48.000114] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [swapper/0:1]",
        "BUG: soft lockup",
        "Watchdog detected",
    ),
    # kernel/workqueue.c, kernel/locking/spinlock_debug.c.
    sign(
        "soft-lockup",
        KERNEL + r"BUG: (?:workqueue lockup - pool|spinlock lockup suspected)",
        "[   65.2] BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 33s!",
        "BUG: workqueue",
        "BUG: spinlock",
    ),
    # kernel/rcu/tree_stall.h; kernel/rcutree.c before 5.1, without "rcu:" before 4.19, and
    # "RCU detected CPU 0 stall" in 2.6.32.
    sign(
        "rcu-stall",
        r"INFO: \w+ (?:self-)?detected (?:expedited )?(?:stalls? on (?:CPU|tasks)|CPU \d+ stall)",
        "[   27.0] rcu: INFO: rcu_sched detected stalls on CPUs/tasks: { 1-... }",
        "INFO: ",
    ),
    sign(
        "rcu-stall",
        r"\brcu_\w{1,20} kthread (?:timer wakeup didn't happen|starved) for \d+ jiffies",
        "[   27.0] rcu: rcu_preempt kthread starved for 5252 jiffies! g109 f0x0 RCU_GP_WAIT_FQS(5)",
        "jiffies",
    ),
    # kernel/hung_task.c.
    sign(
        "hung-task",
        r"INFO: task \S.{0,40}:\d+ blocked(?: in I/O wait)? for more than \d+ seconds",
        "[  242.7] INFO: task systemd-udevd:187 blocked for more than 120 seconds.",
        "INFO: task ",
    ),
)
