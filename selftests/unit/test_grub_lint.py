"""What `grub lint` finds: in the user's notes, in Debian's own menus, and rule by rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from grub_samples import (
    DATA,
    FILE,
    GRUB2,
    INITRD,
    KERNEL,
    LEGACY,
    XEN,
    dom0,
    found,
    read,
    rules,
    xen,
)

from harness.errors import UsageError
from harness.grub.lint import form_of, lint
from harness.grub.model import Form, Severity
from harness.grub.rules import Rule

DOCS = Path(__file__).parents[2] / "docs/grub-lint.md"


def test_the_notes_for_grub_2() -> None:
    assert rules(read("notes-grub2.cfg")) == [
        (10, "placeholder"),
        (22, "placeholder"),
        (22, "misspelt"),
    ]
    quit_ = found(read("notes-grub2.cfg"))[-1]
    assert quit_.message == "the dom0 kernel has no option 'quit'; did you mean 'quiet'?"


def test_the_notes_for_grub_legacy() -> None:
    assert rules(read("notes-legacy.lst")) == [
        (3, "dom0-mem-unit"),
        (3, "dom0-mem-max"),
        (4, "lost-backslash"),
        (4, "glued"),
        (6, "lost-backslash"),
        (6, "misspelt"),
    ]
    said = [one.message for one in found(read("notes-legacy.lst"))]
    assert said[3].endswith("write 'console_to_ring com1=19200,8n1'")
    assert said[5].endswith("did you mean 'nomodeset'?")
    assert "`kernel` in line 3, whose backslash at the end is lost" in said[2]


MARK = "\N{BYTE ORDER MARK}"
DEFAULTS = 'GRUB_CMDLINE_XEN="dom0_mem=1024M,max:1024M"\nGRUB_DEFAULT=0\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MARK + LEGACY, [(1, Severity.ERROR)]),
        (MARK + "# by hand\n" + GRUB2, [(1, Severity.WARNING)]),
        (MARK + DEFAULTS, [(1, Severity.ERROR)]),
        ("# mine\n" + DEFAULTS.replace("\n", "\r\n"), [(2, Severity.ERROR)]),
        (GRUB2.replace("\n", "\r\n"), []),
        (LEGACY.replace("\n", "\r\n"), []),
    ],
)
def test_files_of_other_systems(text: str, expected: list[tuple[int, Severity]]) -> None:
    """A byte order mark belongs to the first word; carriage returns are skipped, but by sh."""
    findings = found(text)
    assert [(one.place.line, one.severity) for one in findings] == expected
    assert {one.rule for one in findings} <= {Rule.SYNTAX}


CLEAN = (
    *("notes-grub2-corrected.cfg", "notes-legacy-corrected.lst"),
    *(
        "bookworm.cfg",
        "bookworm-serial.cfg",
        "bookworm-disk.cfg",
        "trixie.cfg",
        "trixie-lvm.cfg",
        "legacy.lst",
    ),
)


@pytest.mark.parametrize("name", CLEAN)
def test_what_is_right_gives_no_finding(name: str) -> None:
    report = lint({name: read(name)})
    assert report.findings == ()
    assert report.boots == (5 if name.startswith(("bookworm", "trixie")) else 1)


def test_each_mistake_in_the_notes_is_found_alone_too() -> None:
    good, notes = (
        read("notes-legacy-corrected.lst"),
        (
            ("console_to_ring com1", "console_to_ringcom1", "glued"),
            ("nomodeset", "nomodset", "misspelt"),
            ("guest_loglvl=all \\", "guest_loglvl=all", "lost-backslash"),
            ("console=hvc0 \\", "console=hvc0", "lost-backslash"),
            ("root=/dev/vg00/lv01", "", "no-root"),
        ),
    )
    for right, wrong, rule in notes:
        assert [name for _, name in rules(good.replace(right, wrong))] == [rule], wrong


def test_a_menu_whose_default_is_not_xen() -> None:
    [one] = found(read("bookworm-not-default.cfg"))
    assert (one.place.line, one.rule) == (19, Rule.XEN_NOT_DEFAULT)
    assert "'Debian GNU/Linux' (line 106)" in one.message
    assert "line 163" in one.hint
    assert "XEN_OVERRIDE_GRUB_DEFAULT=1" in one.hint


def test_one_cause_in_several_entries_is_told_once() -> None:
    [one] = found(read("bookworm-serial-recovery.cfg"))
    assert (one.rule, one.place.line, one.also) == (Rule.NO_HVC0, 204, (248,))


def test_the_samples_are_right() -> None:
    assert rules(GRUB2) == []
    assert rules(LEGACY) == []


@pytest.mark.parametrize(
    ("options", "rule", "said"),
    [
        ("loglvl=all conole=com1", "misspelt", "did you mean 'console'?"),
        ("sync_consol", "misspelt", "did you mean 'sync_console'?"),
        ("guest_logvl=all", "misspelt", "did you mean 'guest_loglvl'?"),
        ("console_to_ringcom1=115200,8n1", "glued", "write 'console_to_ring com1=115200,8n1'"),
        ("sync_consolenoreboot", "glued", "write 'sync_console noreboot'"),
        ("conring_size=64kloglvl=all", "glued", "write 'conring_size=64k loglvl=all'"),
        ("root=/dev/sda1", "wrong-line", "is an option of the dom0 kernel and not of Xen"),
        ("nomodeset", "wrong-line", "is an option of the dom0 kernel"),
        ("quiet", "wrong-line", "is an option of the dom0 kernel"),
        ("console=hvc0", "wrong-line", "Xen has no such console"),
        ("console=tty0", "wrong-line", "Xen has no such console"),
        ("frobnicate=1", "unknown-option", "Xen 4.17 and Xen 4.20"),
        ("dom0-llc-colors=1", "unknown-option", "Xen 4.17 has no option"),
        ("dom0_max_vcpus=2 maxcpus=two", "bad-value", "takes a number, and not 'two'"),
        ("noreboot=maybe", "bad-value", "takes on or off"),
        ("sched=credit3", "bad-value", "did you mean 'credit'?"),
        ("console=con1", "bad-value", "did you mean 'com1'?"),
        ("conring_size=64X", "bad-value", "takes a size"),
        ("com1=4800000,8n1", "bad-value", "Xen refuses 4800000 baud"),
        ("com1=115200,9x9", "bad-value", "'9x9'"),
        ("dom0_mem=lots", "bad-value", "'lots' is no size"),
        ("dom0_mem=1G,max:1024", "dom0-mem-unit", "'max:1024' is 1024 KiB"),
        ("dom0_mem=1G", "dom0-mem-max", "sets no maximum"),
    ],
)
def test_options_of_xen(options: str, rule: str, said: str) -> None:
    ones = [one for one in found(xen(options)) if one.rule != Rule.NO_HVC0]
    assert [(one.place.line, str(one.rule)) for one in ones] == [(XEN, rule)]
    assert said in ones[0].message


@pytest.mark.parametrize(
    "options",
    [
        *("no-real-mode edd=off", "placeholder", "no-bootscrub", "iommu=verbose,force"),
        *("dom0_mem=1024M,max:1024M", "dom0_mem=min:512M,max:2G,1G", "dom0_mem=25%,max:25%"),
        *(
            "dom0_mem=min:1G dom0_mem=max:4G",
            "dom0_mem=262144,max:262144",
            "console=com1,vga",
            "console=com1H",
            "ivrs_hpet[0]=0:1.0",
        ),
        *("com2=auto", "apic_verbosity=debug", "maxcpus=0x4", "noreboot", "noreboot=1", "gdb=com1"),
        *("cpufreq=xen:performance", "spec-ctrl=no-xen", "vga=text-80x25,keep", "ucode=scan"),
    ],
)
def test_options_that_xen_takes(options: str) -> None:
    assert [rule for _, rule in rules(xen(options)) if rule != "no-hvc0"] == []


def test_an_option_of_a_newer_xen_only() -> None:
    newer = xen("dom0-llc-colors=1").replace("4.17", "4.20")
    assert rules(newer) == []
    assert rules(newer.replace("xen-4.20-amd64", "xen")) == []
    [one] = found(xen("gdb=com1").replace("4.17", "4.20"))
    assert one.message == "Xen 4.20 has no option 'gdb'; Xen 4.17 has"


def test_a_version_of_xen_that_there_is_no_manual_of() -> None:
    old = xen("tmem lowmem_emergency_pool=1M sync_console").replace("xen-4.17", "xen-4.1")
    misspelt, unknown = found(old)
    assert (misspelt.rule, misspelt.severity) == (Rule.MISSPELT, Severity.WARNING)
    assert (unknown.rule, unknown.severity) == (Rule.UNKNOWN_OPTION, Severity.NOTE)
    assert "Xen 4.1 may know it" in misspelt.hint
    assert "Xen 4.1 may know it" in unknown.hint


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("search --fs-uuid --set=root --hint hd0,gpt2 1234-ABCD", []),
        ("search --fs-uuid 1234-ABCD --hint-bios hd0,gpt2", []),
        ("search --fs-uuid --set root 1234-ABCD", []),
        ("search --label --set=root my-root", []),
        ("search --file /boot/xen.gz --set=root", []),
        ("search.fs_uuid 1234-ABCD root", []),
        ("search --fs-uuid --set=root $id", []),
        ("search -u MY-UUID", [(4, "placeholder")]),
    ],
)
def test_what_grub_searches_for(search: str, expected: list[tuple[int, str]]) -> None:
    line = next(line for line in GRUB2.splitlines() if "search" in line)
    assert rules(GRUB2.replace(line, search)) == expected


@pytest.mark.parametrize(
    ("options", "rule", "said"),
    [
        ("quit", "misspelt", "did you mean 'quiet'?"),
        ("nomodset", "misspelt", "did you mean 'nomodeset'?"),
        ("earlyprink=xen", "misspelt", "did you mean 'earlyprintk'?"),
        ("consoel=tty0", "misspelt", "did you mean 'console'?"),
        ("nomodesetquiet", "glued", "write 'nomodeset quiet'"),
        ("console=hvc0earlyprintk=xen", "glued", "write 'console=hvc0 earlyprintk=xen'"),
        ("dom0_mem=1G", "wrong-line", "is an option of Xen and not of the dom0 kernel"),
        ("com1=115200,8n1", "wrong-line", "is an option of Xen"),
        ("console_to_ring", "wrong-line", "is an option of Xen"),
        ("console=com1", "wrong-line", "dom0's kernel has no such console"),
        ("console=hvco", "bad-value", "did you mean 'hvc0'?"),
    ],
)
def test_options_of_dom0(options: str, rule: str, said: str) -> None:
    [one] = found(dom0(options))
    assert (one.place.line, str(one.rule)) == (KERNEL, rule)
    assert said in one.message


@pytest.mark.parametrize(
    "options",
    [
        *("rhgb quiet splash", "3", "single", "-b", "emergency", "rescue", "nomodeset text"),
        *("net.ifnames=0 biosdevname=0", "rd.lvm.lv=vg/root", "rootflags=subvol=@", "boot=local"),
        *("vt.handoff=7", "systemd.unit=rescue.target", "cgroup_enable=memory swapaccount=1"),
        *("print-fatal-signals=1", "xencons=tty", "modprobe_blacklist=nouveau", "noswap", "break"),
        *("crashkernel=256M@16M", "cryptdevice=/dev/sda2:x", "BOOT_IMAGE=/x", "-- dom0_mem=1"),
        *("$vt_handoff", "${extra}=1", "resume=UUID=1234-ABCD", "console=hvc0", "console=ttyS0"),
    ],
)
def test_options_that_dom0_may_have(options: str) -> None:
    assert rules(dom0(options)) == []


def test_options_behind_two_dashes_on_xens_line_are_dom0s() -> None:
    assert rules(xen("loglvl=all -- quiet console=hvc0")) == []
    assert rules(xen("loglvl=all -- quit")) == [(XEN, "misspelt")]
    without = xen("-- root=/dev/sda1").replace("root=/dev/vg00/lv01 ", "")
    assert rules(without) == []


def test_options_in_a_variable_are_checked_where_they_are_written() -> None:
    text = xen("${xen_rm_opts}").replace(
        "    multiboot2", "    xen_rm_opts='edd=of'\n    multiboot2"
    )
    assert rules(text) == [(XEN, "bad-value")]
    outside = "set opts='loglvl=all quiet'\n" + xen("$opts")
    assert rules(outside) == [(1, "wrong-line")]
    assert rules(xen("${never_set}")) == []


SERIAL = "serial --unit=0 --speed={}\nterminal_output serial\n"


@pytest.mark.parametrize(
    ("speed", "on_xen", "on_dom0", "expected"),
    [
        (115200, "com1=115200,8n1 console=com1", "console=hvc0", []),
        (115200, "com1=19200,8n1 console=com1", "console=hvc0", ["serial-speed"]),
        (115200, "com1=baud=19200,parity=n", "console=hvc0", ["serial-speed"]),
        (115200, "com1=auto console=com1", "console=hvc0", []),
        (115200, "com2=19200 console=com2", "console=hvc0", []),
        (115200, "loglvl=all", "console=ttyS0,9600n8", ["serial-speed"]),
        (115200, "loglvl=all", "console=ttyS0,115200n8", []),
        (115200, "loglvl=all", "console=ttyS1,9600", []),
        (9600, "com1=9600", "console=ttyS0,9600 console=hvc0", ["serial-taken"]),
        (9600, "com1=9600", "console=hvc0 earlyprintk=ttyS0,9600", ["serial-taken"]),
        (9600, "com1=9600", "console=hvc0 earlyprintk=xen", []),
        (9600, "com1=9600", "console=tty0", ["no-hvc0"]),
        (9600, "com1=9600", "", ["no-hvc0"]),
        (9600, "com1=9600 console=vga", "", []),
        (9600, "console=com1", "", ["no-hvc0"]),
        (9600, "console=vga", "", []),
        (9600, "loglvl=all", "", []),
    ],
)
def test_serial_lines(speed: int, on_xen: str, on_dom0: str, expected: list[str]) -> None:
    text = SERIAL.format(speed) + dom0(on_dom0, on_xen)
    assert [rule for _, rule in rules(text)] == expected


def spoil(right: str, wrong: str) -> str:
    assert right in GRUB2
    return GRUB2.replace(right, wrong)


KERNEL_LINE, INITRD_LINE = GRUB2.splitlines(keepends=True)[5:7]
XEN_LINE = GRUB2.splitlines(keepends=True)[4]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (spoil(XEN_LINE, ""), [(1, "no-xen")]),
        (spoil(KERNEL_LINE, ""), [(XEN, "no-kernel")]),
        (spoil(INITRD_LINE, ""), [(KERNEL, "no-initrd")]),
        (spoil("multiboot2", "linux"), [(XEN, "wrong-loader")]),
        (spoil("module2 /boot/vml", "linux /boot/vml"), [(KERNEL, "wrong-loader")]),
        (spoil("module2 --nounzip", "initrd"), [(INITRD, "wrong-loader")]),
        (spoil("module2 /boot", "module /boot"), [(KERNEL, "module-kind")]),
        (spoil("multiboot2", "multiboot"), [(KERNEL, "module-kind")]),
        (spoil(KERNEL_LINE + INITRD_LINE, INITRD_LINE + KERNEL_LINE), [(6, "load-order")]),
        (spoil(XEN_LINE + KERNEL_LINE, KERNEL_LINE + XEN_LINE), [(6, "load-order")]),
        (spoil("initrd.img-6.1.0-56", "initrd.img-6.1.0-47"), [(INITRD, "initrd-version")]),
        (
            spoil("initrd.img-", "ucode.cpio /boot/initrd.img-"),
            [(KERNEL, "no-initrd"), (INITRD, "load-order"), (INITRD, "module-arguments")],
        ),
        (spoil(" root=/dev/vg00/lv01", ""), [(KERNEL, "no-root")]),
        (spoil("root=/dev/vg00/lv01", "root="), [(KERNEL, "no-root")]),
        (spoil("root=/dev/vg00/lv01", "root=UUID=<uuid>"), [(KERNEL, "placeholder")]),
        (spoil("3a7512aa-0b1c-4d2e-9f3a-5b6c7d8e9f01", "MY-UUID"), [(4, "placeholder")]),
        (spoil("hd0,gpt2", "hd0,0"), [(3, "partition-zero")]),
        (spoil("multiboot2", "mutliboot2"), [(1, "no-xen"), (XEN, "unknown-command")]),
        (spoil("multiboot2", "kernel"), [(1, "no-xen"), (XEN, "unknown-command")]),
        (spoil(" placeholder loglvl", "\n   loglvl"), [(6, "lost-backslash")]),
        (spoil(" ro\n", "\n   ro quiet\n"), [(7, "lost-backslash")]),
        (spoil(" ro\n", "\n   console=hvc0 ro\n"), [(7, "lost-backslash")]),
        (spoil(" ro\n", " \\\n   console=hvc0 ro\n"), []),
        (spoil("/boot/vmlinuz-6.1.0-56-amd64 placeholder", ""), [(KERNEL, "syntax")]),
        (spoil("}\n", ""), [(1, "syntax")]),
        (GRUB2 + "}\n", [(9, "syntax")]),
        (GRUB2 + "echo 'never\n", [(9, "syntax")]),
        (GRUB2 + "if [ a = b ]; then\n", [(9, "syntax")]),
        (GRUB2 + "fi\n", [(9, "syntax")]),
        (GRUB2 + "title x\n", [(9, "syntax")]),
        ("menuentry 'Linux' {\n linux /vmlinuz root=/dev/sda1\n}\n", [(1, "no-xen")]),
    ],
)
def test_what_entries_load(text: str, expected: list[tuple[int, str]]) -> None:
    assert rules(text) == expected


@pytest.mark.parametrize(
    ("right", "wrong", "severity"),
    [
        ("root=/dev/vg00/lv01", "root=/dev/sda1", Severity.NOTE),
        ("root=/dev/vg00/lv01", "root=PARTUUID=1234-01", Severity.NOTE),
        ("root=/dev/vg00/lv01", "root=LABEL=root", Severity.ERROR),
        ("root=/dev/vg00/lv01", "root=/dev/mapper/vg00-lv01", Severity.ERROR),
    ],
)
def test_who_needs_an_initramfs(right: str, wrong: str, severity: Severity) -> None:
    [one] = found(spoil(INITRD_LINE, "").replace(right, wrong))
    assert (one.rule, one.severity) == (Rule.NO_INITRD, severity)


@pytest.mark.parametrize(
    ("extra", "default", "xen_is_it"),
    [
        ("", "0", False),
        ("", "1", True),
        ("", "Xen", True),
        ("", "linux-id", False),
        ("", "2>0", False),
        ("", "More>Old", False),
        ("", "2", False),
        ("", "gone", True),
        ("", "${saved_entry}", True),
        ("set d=0\n", "$d", False),
        ("if [ $grub_platform = efi ]; then set default=1; fi\n", "", True),
        ("if [ x = y ]; then set default=1; fi\n", "", False),
        ("if [ x = y ]; then true; else set default=1; fi\n", "", True),
        (
            'if [ "${next_entry}" ]; then set default="${next_entry}"; else set default=1; fi\n',
            "",
            True,
        ),
    ],
)
def test_which_entry_is_the_default(extra: str, default: str, xen_is_it: bool) -> None:
    """Where only GRUB knows, nothing is said."""
    linux = "linux /vmlinuz root=/dev/sda1"
    set_it = f'set default="{default}"\n' if default else ""
    text = (
        f"{extra}{set_it}menuentry 'Linux' --id linux-id {{\n {linux}\n}}\n{GRUB2}"
        f"submenu 'More' {{\nmenuentry 'Old' {{\n {linux}\n}}\n}}\n"
    )
    assert [rule for _, rule in rules(text)] == ([] if xen_is_it else ["xen-not-default"])


LEGACY_LINUX = "title Linux\nkernel /vmlinuz root=/dev/sda1\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LEGACY.replace("kernel", "multiboot"), [(2, "no-xen"), (4, "unknown-command")]),
        (LEGACY.replace("module /init", "initrd /init"), [(6, "wrong-loader")]),
        (LEGACY.replace("module /init", "modul /init"), [(5, "no-initrd"), (6, "unknown-command")]),
        (LEGACY.replace("loglvl=all", "\nloglvl=all"), [(5, "lost-backslash")]),
        (LEGACY.replace("root (hd0,0)", "frobnicate"), [(3, "unknown-command")]),
        (LEGACY.replace("loglvl=all", "\\\nloglvl=all"), []),
        (LEGACY.replace("default 0", "default=1"), []),
        ("default 0\n" + LEGACY_LINUX + LEGACY, [(1, "xen-not-default")]),
        ("default saved\n" + LEGACY_LINUX + LEGACY.removeprefix("default 0\n"), []),
        (LEGACY_LINUX, [(1, "no-xen")]),
        (LEGACY.replace("/xen-4.0.gz", "(hd0,0)/xen-4.0.gz"), []),
        (
            "serial --unit=0 --speed=9600\n" + LEGACY.replace("loglvl=all", "com1=19200"),
            [(5, "serial-speed"), (6, "no-hvc0")],
        ),
    ],
)
def test_grub_legacy(text: str, expected: list[tuple[int, str]]) -> None:
    assert rules(text) == expected


def test_options_in_the_magic_comments_of_grub_legacy() -> None:
    text = read("legacy.lst")
    assert rules(text.replace("# xenkopt=console", "# xenkopt=conole")) == [(92, "misspelt")]
    assert rules(text.replace("# xenhopt=dom0_mem", "# xenhopt=quiet dom0_mem")) == [
        (89, "wrong-line")
    ]
    without = re.sub("# kopt=root=\\S+", "# kopt=", text)
    assert rules(without) == [(62, "no-root")]


DEFAULTS = """\
GRUB_DEFAULT=0
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX=""
GRUB_TERMINAL=serial
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
"""
XEN_CFG = """\
GRUB_CMDLINE_XEN_DEFAULT="dom0_mem=1G,max:1G com1=115200,8n1 console=com1"
GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT console=hvc0"
if [ "$XEN_OVERRIDE_GRUB_DEFAULT" = "" ]; then
	XEN_OVERRIDE_GRUB_DEFAULT=1
fi
if [ "$XEN_OVERRIDE_GRUB_DEFAULT" = "1" ]; then
	GRUB_DEFAULT=$( \\
		printf "$(gettext "%s, with Xen hypervisor")" "$GRUB_DISTRIBUTOR GNU/Linux")
fi
"""


def in_defaults(*changes: tuple[str, str]) -> list[tuple[str, int | None, str]]:
    """Findings in both files, with these changes made."""
    texts = {"grub": DEFAULTS, "xen.cfg": XEN_CFG}
    for right, wrong in changes:
        assert any(right in text for text in texts.values())
        texts = {file: text.replace(right, wrong) for file, text in texts.items()}
    report = lint(texts)
    assert set(report.forms.values()) == {Form.DEFAULTS}
    return [(one.place.file, one.place.line, str(one.rule)) for one in report.findings]


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        ("quiet", "quiet", []),
        ("quiet", "quit", [("grub", 2, "misspelt")]),
        ("com1=115200", "com1=19200", [("xen.cfg", 1, "serial-speed")]),
        (
            "dom0_mem=1G,max:1G ",
            "dom0_mem=1024 ",
            [("xen.cfg", 1, "dom0-mem-unit"), ("xen.cfg", 1, "dom0-mem-max")],
        ),
        (" console=hvc0", "", [("grub", 2, "no-hvc0")]),
        ("console=hvc0", "console=com1", [("xen.cfg", 2, "wrong-line"), ("grub", 2, "no-hvc0")]),
        ("XEN_DEFAULT=", "XEN_DEFUALT=", [("xen.cfg", 1, "unknown-variable")]),
        ("GRUB_CMDLINE_LINUX=", "GRUB_CMDLINE_LINUX =", [("grub", 3, "assignment-spaces")]),
        ("OVERRIDE_GRUB_DEFAULT=1", "OVERRIDE_GRUB_DEFAULT=0", [("xen.cfg", 4, "xen-not-default")]),
    ],
)
def test_etc_default_grub(
    right: str, wrong: str, expected: list[tuple[str, int | None, str]]
) -> None:
    assert sorted(in_defaults((right, wrong))) == sorted(expected)


def test_a_quote_that_is_not_closed_in_etc_default_grub() -> None:
    assert ("xen.cfg", 1, "syntax") in in_defaults(('console=com1"', "console=com1"))


def test_what_a_file_is() -> None:
    assert form_of(GRUB2, FILE) is Form.GRUB2
    assert form_of(LEGACY, FILE) is Form.LEGACY
    assert form_of(DEFAULTS, FILE) is Form.DEFAULTS
    for text in ("", "\n", "hello", "\0\1", "#menuentry\n", "name: x\n"):
        with pytest.raises(UsageError, match="no configuration of GRUB"):
            form_of(text, FILE)


def test_an_empty_menu_that_is_said_to_be_one() -> None:
    assert rules("", Form.GRUB2) == [(1, "no-xen")]
    assert rules("", Form.LEGACY) == [(1, "no-xen")]
    assert rules("", Form.DEFAULTS) == []


def test_a_menu_that_goes_on_elsewhere_may_have_xen_there() -> None:
    assert rules("insmod blscfg\nblscfg\n") == []
    assert rules("search --file /x\nconfigfile /boot/grub/grub.cfg\n", Form.GRUB2) == []


def test_xen_that_the_firmware_loads_counts_as_xen() -> None:
    assert rules("menuentry 'Xen' {\n chainloader /EFI/xen/xen.efi\n}\n") == []


def test_another_systems_multiboot_kernel_is_none_of_ours() -> None:
    hurd = (
        "menuentry 'Hurd' {\n multiboot /boot/gnumach.gz root=x\n module /hurd/ext2fs.static\n}\n"
    )
    assert rules(hurd + GRUB2.replace("\n", "\n", 1)) == [(1, "xen-not-default")]


def test_arm() -> None:
    text = GRUB2.replace("multiboot2", "xen_hypervisor").replace("module2", "xen_module")
    assert rules(text) == []


def test_every_rule_is_documented_and_found_here() -> None:
    _, _, rules_of_docs = DOCS.read_text(encoding="utf-8").partition("\n## Rules\n")
    documented = set(re.findall(r"^\| `([a-z0-9-]+)` \|", rules_of_docs, re.MULTILINE))
    assert documented == {str(rule) for rule in Rule}
    here = Path(__file__)
    tests = "".join(
        path.read_text(encoding="utf-8") for path in (here, here.with_name("test_grub_files.py"))
    )
    assert {rule for rule in Rule if f'"{rule}"' not in tests} <= {
        rule for rule in Rule if f"Rule.{rule.name}" in tests
    }


def test_all_recorded_files_are_used() -> None:
    names = {path.name for path in DATA.iterdir()} - {"README.md"}
    text = Path(__file__).read_text(encoding="utf-8")
    assert {name for name in names if name not in text} == set()
