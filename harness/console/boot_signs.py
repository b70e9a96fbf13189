"""What else fails in a boot: firmware, boot loaders, initramfs, fsck, init."""

from __future__ import annotations

from harness.console.sign import Sign, sign

_E2FSCK_ASKS = (
    "Abort|Allocate|Clear(?: HTree index| flag| inode)?|Clone multiply-claimed blocks"
    "|Connect to /lost\\+found|Continue|Create|Delete file|Expand|Fix|Force rewrite|Ignore error"
    "|Optimize|Recreate|Relocate|Salvage|Split|Suppress messages|Truncate|Unlink"
)
"""prompt[] in e2fsck/problem.c, and e2fsck/ehandler.c."""

FIRMWARE_SIGNS: tuple[Sign, ...] = (
    # SeaBIOS, src/boot.c.
    sign(
        "no-boot-device",
        r"^No bootable device\.",
        "No bootable device.  Retrying in 60 seconds.",
        "No bootable",
    ),
    # edk2, MdeModulePkg/Universal/BdsDxe. "failed to load Boot0001" may come before success.
    sign(
        "no-boot-device",
        r"^BdsDxe: No bootable option or device was found",
        "BdsDxe: No bootable option or device was found.",
        "BdsDxe: ",
    ),
    # edk2, ShellPkg: what OVMF starts when there is nothing else. A startup.nsh that does boot
    # is shown as "Shell> command".
    sign("no-boot-device", r"^Shell> $", "Shell> ", "> ", prompt=True),
    # edk2, UefiCpuPkg/Library/CpuExceptionHandlerLib.
    sign(
        "loader-crash",
        r"^!!!! \w+ Exception Type - [0-9A-F]{2}",
        "!!!! X64 Exception Type - 0D(#GP - General Protection)  CPU Apic ID - 00000000 !!!!",
        "!!!! ",
    ),
    # mini-os, arch/x86/traps.c: Xen's own pv-grub runs on it.
    sign(
        "loader-crash",
        r"^Page fault at linear address (?:0x)?[0-9a-f]+, [er]ip ",
        "Page fault at linear address 8, rip 5e2b, regs 1ffdc8, sp 1ffe78, our_sp 1ffd90, code 0",
        "Page fault at",
    ),
)

GRUB_SIGNS: tuple[Sign, ...] = (
    # grub-core/kern/mm.c, with its own file and line in some builds. The menu comes after it.
    sign(
        "out-of-memory",
        r"^error: (?:\S+:\d+: ?)?out of memory\.",
        "error: out of memory.",
        ": out of memory",
        ":out of memory",
    ),
    # GRUB 2, kern/rescue_reader.c and normal/main.c; "grubdom>" is pv-grub's of Xen.
    sign("grub-prompt", r"^grub(?:dom)?(?: rescue)?> ", "grub rescue> ", "> ", prompt=True),
    sign("grub-prompt", r"^Entering rescue mode\.\.\.", "Entering rescue mode...", "Entering res"),
    # normal/main.c; 0.97 has it in brackets (stage2/stage2.c).
    sign(
        "grub-prompt",
        r"^ *(?:\[ )?Minimal BASH-like line editing is supported\.",
        "   Minimal BASH-like line editing is supported. For the first word, TAB lists",
        "Minimal BASH",
    ),
    # normal/menu.c. It then shows its menu, and waits for ever.
    sign(
        "grub-prompt",
        r"^ *Failed to boot both default and fallback entries",
        "  Failed to boot both default and fallback entries.",
        "Failed to boot both",
    ),
)

INITRAMFS_SIGNS: tuple[Sign, ...] = (
    # initramfs-tools, scripts/local. "Gave up waiting for suspend/resume device" is harmless.
    sign(
        "root-not-found",
        r"^ALERT! +\S+ does not exist\.",
        "ALERT!  /dev/xvdz9 does not exist.  Dropping to a shell!",
        "ALERT!",
    ),
    sign(
        "root-not-found",
        r"Gave up waiting for (?:the )?root",
        "Gave up waiting for root file system device.  Common problems:",
        "Gave up waiting",
    ),
    sign(
        "root-not-found",
        r"^No root device specified\.",
        "No root device specified. Boot arguments must include a root= parameter.",
        "No root device",
    ),
    sign(
        "root-not-found",
        r"^Failed to mount \S+ as root file system",
        "Failed to mount /dev/xvda1 as root file system.",
        "Failed to mount",
    ),
    # initramfs-tools, init.
    sign(
        "root-not-found",
        r"^No init found\. Try passing init=",
        "No init found. Try passing init= bootarg.",
        "No init found",
    ),
    # dracut, what wait_for_dev leaves for the emergency shell to say (dracut-lib.sh).
    sign(
        "root-not-found",
        r'Warning: "?/dev/\S+ does not exist',
        "[  190.2] dracut-initqueue[231]: Warning: /dev/disk/by-label/root does not exist",
        "Warning: /dev/",
        'Warning: "/dev/',
    ),
    # BusyBox, with the prompt that initramfs-tools' panic() sets.
    sign("initramfs-shell", r"^\(initramfs\) ", "(initramfs) ", "(initramfs)", prompt=True),
    # dracut, dracut-emergency.sh and, without systemd, dracut-lib.sh.
    sign(
        "initramfs-shell",
        r"^Entering emergency mode\. Exit the shell to continue",
        "Entering emergency mode. Exit the shell to continue.",
        "Entering eme",
    ),
    sign(
        "initramfs-shell",
        r"^Dropping to debug shell\.",
        "Dropping to debug shell.",
        "Dropping to debug",
    ),
    # mkinitcpio, init_functions; Alpine's mkinitfs, initramfs-init.
    sign(
        "initramfs-shell",
        r"^You are now being dropped into an emergency shell",
        "You are now being dropped into an emergency shell.",
        "You are ",
    ),
    sign(
        "initramfs-shell",
        r"^initramfs emergency recovery shell launched\. Type 'exit'",
        "initramfs emergency recovery shell launched. Type 'exit' to continue boot",
        "Type 'exit'",
    ),
)

FSCK_SIGNS: tuple[Sign, ...] = (
    # e2fsck/problem.c, preenhalt().
    sign(
        "fsck-prompt",
        r"UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY",
        "/dev/xvda1: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.",
        "UNEXPECTED INCON",
    ),
    # e2fsck/util.c, ask_yn().
    sign(
        "fsck-prompt",
        rf"\b(?:{_E2FSCK_ASKS})(?:<[yn]>| \(y/n\))\? ?$",
        "Inode 12 has illegal block(s).  Clear<y>? ",
        "<y>",
        "<n>",
        "(y/n)",
        prompt=True,
    ),
    # initramfs-tools, scripts/functions.
    sign(
        "fsck-prompt",
        r"The \S+ filesystem on \S+ requires a manual fsck",
        "The root filesystem on /dev/xvda1 requires a manual fsck",
        "The ",
    ),
    # initscripts (sysvinit), checkroot.sh and checkfs.sh.
    sign(
        "fsck-prompt",
        r"^An automatic file system check \(fsck\) of the root filesystem failed",
        "An automatic file system check (fsck) of the root filesystem failed.",
        "An automatic file",
    ),
    sign(
        "fsck-prompt",
        r"File system check failed\. +A log is being saved in",
        "[FAIL] File system check failed. A log is being saved in /var/log/fsck/checkfs if that",
        "File system check failed",
    ),
)

INIT_SIGNS: tuple[Sign, ...] = (
    # systemd, src/core/main.c: it lives on, so that the kernel does not panic, and does nothing.
    sign(
        "init-frozen",
        r"systemd\[1\]: Freezing execution",
        "[    3.114211] systemd[1]: Freezing execution.",
        "Freezing",
    ),
    sign(
        "init-frozen",
        r"^\[!!!!!!\] ",
        "[!!!!!!] Failed to mount API filesystems.",
        "[!!!!!!]",
    ),
    # systemd, sulogin-shell.c; emergency.service and rescue.service say "Welcome" before 229.
    sign(
        "emergency-shell",
        r"^You are in (?:emergency|rescue) mode",
        'You are in emergency mode. After logging in, type "journalctl -xb" to view',
        "You are ",
    ),
    sign(
        "emergency-shell",
        r"^Welcome to (?:emergency|rescue) mode!",
        'Welcome to emergency mode! After logging in, type "journalctl -xb" to view',
        "Welcome to ",
    ),
    # util-linux's and sysvinit's sulogin.
    sign(
        "emergency-shell",
        r"^(?:Give root password|Press [Ee]nter) for (?:system )?maintenance",
        "Give root password for maintenance",
        "Give root",
        "Press Enter for",
        "Press enter for",
    ),
    sign(
        "emergency-shell",
        r"^(?:Give root password|Press [Ee]nter) for login: ?$",
        "Give root password for login: ",
        "Give root",
        "Press Enter for",
        "Press enter for",
        prompt=True,
    ),
    sign(
        "emergency-shell",
        r"^Cannot open access to console, the root account is locked",
        "Cannot open access to console, the root account is locked.",
        "Cannot open access",
    ),
)

BOOT_SIGNS = (*FIRMWARE_SIGNS, *GRUB_SIGNS, *INITRAMFS_SIGNS, *FSCK_SIGNS, *INIT_SIGNS)
