"""A census's command in a real shell: Xen's and LVM's tools are stubs, the rest is real."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import CommandFailed
from harness.host.census import Census, Kind
from harness.host.censustaking import census_command, read_census
from harness.remote.local import LocalRunner

SAID = (Path(__file__).parents[1] / "data/host/census-4.17-two-guests.txt").read_text()
MARK = "=== 0a1b2c "
STUBS = {
    "xl": 'case $1 in list) cat "$RECORDED/domains" ;; info) echo "free_memory : 1997" ;; esac',
    "dmsetup": 'cat "$RECORDED/mapper"',
    "losetup": "echo '/dev/loop0 /dev/dm-5'",
    "xenstore-ls": 'cat "$RECORDED/xenstore"',
    "lvs": 'cat "$RECORDED/volumes"',
}


class Dom0:
    """A place with stubs for what is not on this machine, and the shell that finds them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        parts = re.split(r"^=== (\w+)\n", SAID, flags=re.MULTILINE)
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            (folder / name).write_text(text)
        (folder / "bin").mkdir()
        for name, script in STUBS.items():
            self.stub(name, script)

    def stub(self, name: str, script: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def census(self) -> Census:
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        env = {"PATH": path, "RECORDED": str(self.folder)}
        command = replace(census_command("vg0", MARK), env=env)
        return read_census(LocalRunner().run(command).stdout, MARK)


@pytest.fixture
def dom0(tmp_path: Path) -> Dom0:
    return Dom0(tmp_path)


def test_every_part_of_it_answers(dom0: Dom0) -> None:
    found = dom0.census()
    assert set(found.names) == {8, 9}
    assert found.free_memory == 1997
    kinds = {entry.kind for entry in found.entries}
    assert {Kind.DOMAIN, Kind.VOLUME, Kind.MAPPER, Kind.BACKEND, Kind.XENSTORE} <= kinds
    # Of this machine itself.
    assert {Kind.INTERFACE, Kind.MOUNT, Kind.FILE} <= kinds
    (loop,) = (entry for entry in found.entries if entry.kind is Kind.LOOP)
    assert loop.detail == "/dev/mapper/xenflight-xf--41ebbd314eb5--root"


def test_names_with_line_feeds_are_one_file_each(dom0: Dom0) -> None:
    # In pytest's own directory, which is in /tmp as a rule: only what is right there is listed.
    odd = Path("/tmp") / f"xf-census\n{MARK}volumes\n{os.getpid()}"
    odd.touch()
    try:
        names = {entry.name for entry in dom0.census().entries if entry.kind is Kind.FILE}
    finally:
        odd.unlink()
    assert str(odd).replace("\n", "?") in names


@pytest.mark.parametrize("tool", ["xl", "losetup", "xenstore-ls", "lvs"])
def test_a_tool_that_fails_is_told(dom0: Dom0, tool: str) -> None:
    dom0.stub(tool, "echo no such luck >&2; exit 1")
    part = {"xl": "domains", "losetup": "loop", "xenstore-ls": "xenstore", "lvs": "volumes"}[tool]
    with pytest.raises(CommandFailed, match=rf"`census .*{part}: no answer"):
        dom0.census()


def test_a_host_without_device_mapper_is_no_failure(dom0: Dom0) -> None:
    dom0.stub("dmsetup", "echo No devices found")
    assert Kind.MAPPER not in {entry.kind for entry in dom0.census().entries}
