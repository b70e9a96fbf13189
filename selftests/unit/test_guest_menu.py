"""The boot menu, and what a job adds to it."""

from __future__ import annotations

import re

import pytest

from harness.errors import UsageError
from harness.guest.fstab import fstab
from harness.guest.menu import COMMAND_LINE, MAKE_MENU, menu_with_args

MENU = """\
set timeout=0

menuentry 'Linux 6.1' --class gnu-linux {
        echo    'Loading Linux 6.1 ...'
        linux   /boot/vmlinuz-6.1 root=LABEL=x ro console=hvc0
        initrd  /boot/initrd.img-6.1
}
"""


def test_arguments_go_to_the_end_of_every_kernel_line() -> None:
    found = menu_with_args(MENU + MENU, "panic=5 systemd.unit=rescue.target")
    lines = [line for line in found.splitlines() if line.lstrip().startswith("linux ")]
    assert (
        lines
        == [
            "        linux   /boot/vmlinuz-6.1 root=LABEL=x ro console=hvc0 "
            "panic=5 systemd.unit=rescue.target"
        ]
        * 2
    )
    others = [line for line in (MENU + MENU).splitlines() if "vmlinuz" not in line]
    assert [line for line in found.splitlines() if "vmlinuz" not in line] == others


def test_without_arguments_a_menu_stays_as_it_is() -> None:
    assert menu_with_args(MENU, "") == menu_with_args(MENU, "  ") == MENU


@pytest.mark.parametrize(
    "args", ["a;reboot", "a=$b", "a='x", 'a="x"', "a\nb", "{", "a&", "\\", "#"]
)
def test_arguments_that_grub_would_take_for_its_own_are_refused(args: str) -> None:
    with pytest.raises(UsageError, match="cannot be written into a boot menu"):
        menu_with_args(MENU, args)


@pytest.mark.parametrize("menu", ["", "menuentry 'x' {\n}\n", "# linux /vmlinuz\n"])
def test_a_menu_without_a_kernel_is_refused(menu: str) -> None:
    with pytest.raises(UsageError, match="no entry with a kernel"):
        menu_with_args(menu, "quiet")


def test_the_menu_that_images_get_is_one_that_arguments_can_be_added_to() -> None:
    text = menu_with_args(MAKE_MENU, "quiet")
    assert f"        linux   /boot/vmlinuz-$version {COMMAND_LINE} quiet\n" in text


def test_pygrub_finds_an_entry_in_it() -> None:
    # The expression with which it does (tools/pygrub/src/GrubConf.py).
    titles = re.findall(r"""^menuentry ["'](.*?)["'] (.*){""", MAKE_MENU, re.MULTILINE)
    assert len(titles) == 1


def test_swap_is_a_line_of_its_own_and_no_reason_to_stop() -> None:
    assert fstab("/dev/xvdb") == fstab() + "/dev/xvdb none swap sw,nofail 0 0\n"
    assert fstab().startswith("LABEL=")
