"""Boot menus, as GRUB reads them and as pygrub does."""

from __future__ import annotations

import pytest

from harness.preflight.menu import Search, parse_menu
from harness.preflight.pygrub import PygrubError, choose

DEBIAN = """\
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
else
   set default="0"
fi
function load_video {
  if [ x$feature_all_video_module = xy ]; then
    insmod all_video
  fi
}
if loadfont unicode ; then
  search --no-floppy --fs-uuid --set=root 1111-font
fi
if [ x$feature_timeout_style = xy ] ; then
  set timeout_style=menu
  set timeout=5
else
  set timeout=5
fi
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1' {
\tload_video
\tinsmod gzio
\tif [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
\tset root='hd0,gpt3'
\tsearch --no-floppy --fs-uuid --set=root --hint-bios=hd0,gpt3 aaaa-bbbb
\techo\t'Loading Linux 6.1 ...'
\tlinux\t/boot/vmlinuz-6.1 root=UUID=aaaa-bbbb ro quiet $vt_handoff
\techo\t'Loading initial ramdisk ...'
\tinitrd\t/boot/initrd.img-6.1
}
submenu 'Advanced options' $menuentry_id_option 'gnulinux-advanced-1' {
\tmenuentry 'Debian, with Linux 6.1' --class debian $menuentry_id_option 'gnulinux-6.1' {
\t\tlinux\t/boot/vmlinuz-6.1 root=/dev/xvda1
\t}
\tmenuentry 'Debian, with Linux 5.10' --class debian $menuentry_id_option 'gnulinux-5.10' {
\t\tlinux\t($root)/boot/vmlinuz-5.10 root=/dev/xvda1
\t\tinitrd\t/boot/ucode.img /boot/initrd.img-5.10
\t}
}
menuentry 'Firmware' {
\tfwsetup
}
"""


def test_the_default_entry_is_read_as_grub_does() -> None:
    entry, doubt = parse_menu(DEBIAN).chosen()
    assert doubt == ""
    assert entry is not None
    assert (entry.title, entry.id) == ("Debian GNU/Linux", "gnulinux-simple-1")
    assert entry.kernel == "/boot/vmlinuz-6.1"
    assert entry.initrds == ("/boot/initrd.img-6.1",)
    assert entry.args == "root=UUID=aaaa-bbbb ro quiet"
    assert entry.search == Search(by="fs-uuid", value="aaaa-bbbb")


@pytest.mark.parametrize(
    ("default", "title"),
    [
        ("1>1", "Debian, with Linux 5.10"),
        ("1", "Debian, with Linux 6.1"),
        ("gnulinux-advanced-1>gnulinux-5.10", "Debian, with Linux 5.10"),
        ("Debian, with Linux 5.10", "Debian, with Linux 5.10"),
        ("2", "Firmware"),
    ],
)
def test_a_default_may_be_a_number_a_title_or_an_id(default: str, title: str) -> None:
    entry, doubt = parse_menu(DEBIAN.replace('default="0"', f'default="{default}"')).chosen()
    assert entry is not None
    assert (entry.title, doubt) == (title, "")


def test_a_saved_entry_is_that_of_the_environment() -> None:
    text = DEBIAN.replace('default="0"', 'default="${saved_entry}"')
    entry, _ = parse_menu(text, "# GRUB\nsaved_entry=gnulinux-5.10\n####").chosen()
    assert entry is not None
    assert entry.kernel == "/boot/vmlinuz-5.10"
    assert entry.device == ""
    assert entry.initrds == ("/boot/ucode.img", "/boot/initrd.img-5.10")
    first, _ = parse_menu(text).chosen()
    assert first is not None
    assert first.title == "Debian GNU/Linux"


def test_an_unknown_default_is_a_doubt() -> None:
    entry, doubt = parse_menu(DEBIAN.replace('default="0"', 'default="other"')).chosen()
    assert entry is not None
    assert "'other' is not in it" in doubt


def test_a_menu_of_entries_elsewhere_has_none_here() -> None:
    found = parse_menu("insmod blscfg\nblscfg\n")
    assert found.bls
    assert found.chosen() == (None, "")


def test_devices_and_other_searches() -> None:
    found = parse_menu(
        "search.fs_label data root\nmenuentry x {\n linux (hd0,msdos2)/k\n search.file /k root\n}\n"
    )
    assert found.search == Search(by="label", value="data")
    entry = found.entries[0]
    assert (entry.kernel, entry.device) == ("/k", "hd0,msdos2")
    assert entry.search == Search(by="file", value="/k")


def test_pygrub_reads_what_debian_writes() -> None:
    with pytest.raises(PygrubError, match="stumbles over the device"):
        choose(DEBIAN.encode())
    entry = choose(DEBIAN.replace("($root)", "").encode())
    assert (entry.title, entry.kernel) == ("Debian GNU/Linux", "/boot/vmlinuz-6.1")
    assert entry.initrd == "/boot/initrd.img-6.1"
    # It knows no variables.
    assert entry.args == "root=UUID=aaaa-bbbb ro quiet $vt_handoff"


def entry(*lines: str) -> str:
    return "\n".join(["set timeout=5", "menuentry 'x' {", *lines, "}"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (entry("linuxefi /k"), "no line `linux`"),
        (entry("set root='hostdisk//dev/loop0,gpt3'", "linux /k"), "stumbles over `set root"),
        (entry("set root='lvm/vg-root'", "linux /k"), "stumbles over `set root"),
        (entry("linux ($root)/k"), "stumbles over the device"),
        ("set default=-1\n" + entry("linux /k"), "stumbles over the default"),
        (entry("linux /k").replace("timeout=5", "timeout=${t}"), "stumbles over the timeout"),
        (entry("linux /k") + "\n}", "a brace is closed"),
        (entry("menuentry 'y' {", "linux /k"), "stands inside another"),
        ("set timeout=5\nmenuentry 'x' {\nlinux /k\n", "does not end"),
        ("set timeout=5\nblscfg\n", "no menuentry"),
        ("menuentry x {\nlinux /k\n", "no menuentry"),
    ],
)
def test_pygrub_gives_up_on(text: str, says: str) -> None:
    """Each of these was given to the pygrub of Xen 4.17, which gave up, too."""
    with pytest.raises(PygrubError, match=says.replace("$", r"\$")):
        choose(text.encode())


def test_pygrub_takes_only_utf_8() -> None:
    with pytest.raises(PygrubError, match="UTF-8"):
        choose(b"\xff\xfe")


def test_pygrub_takes_disks_that_it_knows_and_the_first_for_what_it_does_not() -> None:
    text = entry("set root='hd0,gpt3'", "linux (hd0,1)/k root=/dev/xvda1", "initrd /i")
    found = choose(text.replace("set timeout", "set default=title\nset timeout").encode())
    assert (found.kernel, found.args, found.initrd) == ("/k", "root=/dev/xvda1", "/i")


@pytest.mark.parametrize("timeout", ["", "set timeout=0", "set timeout=-1"])
def test_pygrub_goes_on_by_itself_whatever_the_timeout(timeout: str) -> None:
    """Tried with the pygrub of Xen 4.17, on a terminal: each time it went on after a second."""
    assert choose(entry("linux /k").replace("set timeout=5", timeout).encode()).kernel == "/k"
