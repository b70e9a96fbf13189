"""One description of a boot, written in both of GRUB's languages, and read again by the linter."""

from __future__ import annotations

from dataclasses import replace

import pytest
from grub_samples import found

from harness.grub.entry import XenEntry, to_grub2, to_legacy
from harness.grub.grub2 import read_grub2
from harness.grub.legacy import read_legacy
from harness.grub.model import Form
from harness.grub.resolve import boots
from harness.grub.vocabulary import Speller

ENTRY = XenEntry(
    title="xenflight: emergency",
    ident="xenflight-emergency",
    root="hd0,msdos1",
    uuid="3a7512aa-0b1c-4d2e-9f3a-5b6c7d8e9f01",
    xen="/xen-4.17-amd64.gz",
    xen_args=("loglvl=all", "sync_console", "com1=115200,8n1", "console=com1"),
    kernel="/vmlinuz-6.1.0-56-amd64",
    kernel_args=("root=/dev/mapper/vg00-lv01", "ro", "console=hvc0", "earlyprintk=xen"),
    initrd="/initrd.img-6.1.0-56-amd64",
)


def test_grub_legacy_counts_partitions_from_0() -> None:
    assert to_legacy(ENTRY) == (
        "title\txenflight: emergency\n"
        "root\t(hd0,0)\n"
        "kernel\t/xen-4.17-amd64.gz loglvl=all sync_console com1=115200,8n1 console=com1\n"
        "module\t/vmlinuz-6.1.0-56-amd64 root=/dev/mapper/vg00-lv01 ro console=hvc0"
        " earlyprintk=xen\n"
        "module\t/initrd.img-6.1.0-56-amd64\n"
    )


def test_both_forms_are_clean() -> None:
    assert found(to_grub2(ENTRY), Form.GRUB2) == []
    assert found("default 0\n" + to_legacy(ENTRY), Form.LEGACY) == []


def test_both_forms_say_the_same() -> None:
    new, old = (
        next(boots(read(text, "x"), Speller()))
        for read, text in ((read_grub2, to_grub2(ENTRY)), (read_legacy, to_legacy(ENTRY)))
    )
    for one in (new, old):
        words = tuple(word.text for word in one.xen_words if word.text not in GRUB2_ONLY)
        assert words == ENTRY.xen_args
        assert tuple(word.text for word in one.dom0_words) == ENTRY.kernel_args
        assert [load.path and load.path.text for load in one.loads] == [
            ENTRY.xen,
            ENTRY.kernel,
            ENTRY.initrd,
        ]
    assert new.entry
    assert new.entry.id == "xenflight-emergency"


GRUB2_ONLY = ("no-real-mode", "edd=off")
"""What ``xen_rm_opts`` may be: for firmware that is no BIOS."""


def test_a_spoilt_option_is_found_in_both() -> None:
    bad = replace(ENTRY, xen_args=("sync_consol", "console=com1"))
    assert [one.rule for one in found(to_grub2(bad), Form.GRUB2)] == ["misspelt"]
    assert [one.rule for one in found(to_legacy(bad), Form.LEGACY)] == ["misspelt"]


def test_without_an_initramfs_nothing_is_loaded_for_one() -> None:
    bare = replace(ENTRY, initrd=None)
    assert "initrd" not in to_grub2(bare) + to_legacy(bare)


def test_a_gpt_disk_needs_its_module() -> None:
    assert "insmod part_gpt\n" in to_grub2(replace(ENTRY, root="hd0,gpt2", uuid=""))
    assert "set root='hd0,gpt2'\n" in to_grub2(replace(ENTRY, root="hd0,gpt2", uuid=""))


@pytest.mark.parametrize("word", ["a b", "x'", "$y", 'z"', "", "a;b"])
def test_what_would_need_quotes_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="quotes"):
        replace(ENTRY, kernel_args=(word,))


def test_a_title_ends_with_its_quote() -> None:
    with pytest.raises(ValueError, match="title"):
        replace(ENTRY, title="it's")


def test_legacy_knows_no_volumes() -> None:
    with pytest.raises(ValueError, match="legacy"):
        to_legacy(replace(ENTRY, root="lvm/vg00-lv01"))
