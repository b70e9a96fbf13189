"""What the package cache does before there is an apt-cacher-ng; the rest is a contract test."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.cache import cache_root
from harness.errors import LabError
from harness.mirror.mirror import Mirror
from harness.mirror.proxy import SLIRP_HOST, AptCache, Running, configuration
from harness.remote.local import LocalRunner

MIRROR = Mirror(main="http://m.example/debian", security="http://m.example/debian-security")


def test_configuration_is_loopback_only_with_our_back_ends_and_no_others(tmp_path: Path) -> None:
    lines = configuration(MIRROR, tmp_path, 20001).splitlines()
    assert "BindAddress: 127.0.0.1" in lines
    assert "ForceManaged: 1" in lines
    assert "Remap-main: /main ; http://m.example/debian" in lines
    assert "Remap-security: /security ; http://m.example/debian-security" in lines
    assert sum(line.startswith("Remap-") for line in lines) == 2


def test_a_mirror_without_security_has_none_through_the_cache(tmp_path: Path) -> None:
    mirror = Mirror(main=MIRROR.main)
    assert "Remap-security" not in configuration(mirror, tmp_path, 20001)
    cache = AptCache(mirror, LocalRunner(), base=tmp_path)
    seen = cache.through(Running(pid=1, port=20001), host=SLIRP_HOST)
    assert seen == Mirror(main="http://10.0.2.2:20001/main")


def test_not_installed_is_said(tmp_path: Path) -> None:
    cache = AptCache(MIRROR, LocalRunner(), base=tmp_path, program="/usr/sbin/no-such-cacher")
    with pytest.raises(LabError, match="install Debian's apt-cacher-ng"):
        cache.ensure()


def test_a_back_ends_port_that_it_cannot_use_is_said(tmp_path: Path) -> None:
    mirror = Mirror(main="http://m.example:40000/debian")
    with pytest.raises(LabError, match="no port above 32767"):
        AptCache(mirror, LocalRunner(), base=tmp_path).ensure()


def test_a_program_that_ends_at_once_is_said_with_its_last_words(tmp_path: Path) -> None:
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\necho it hurts\n")
    program.chmod(0o755)
    cache = AptCache(MIRROR, LocalRunner(), base=tmp_path, program=str(program))
    with pytest.raises(LabError, match=r"did not start.*it hurts"):
        cache.ensure()
    assert cache.running() is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": "x", "port": 1}'])
def test_a_damaged_state_file_counts_as_not_running(tmp_path: Path, text: str) -> None:
    cache = AptCache(MIRROR, LocalRunner(), base=tmp_path)
    cache.directory.mkdir(parents=True)
    (cache.directory / "running.json").write_text(text)
    assert cache.running() is None
    assert cache.stop() is False


def test_a_process_that_is_not_ours_is_never_signalled(tmp_path: Path) -> None:
    cache = AptCache(MIRROR, LocalRunner(), base=tmp_path)
    cache.directory.mkdir(parents=True)
    state = {"pid": os.getpid(), "port": 20001}
    (cache.directory / "running.json").write_text(json.dumps(state))
    # Were it signalled, this very test run would end.
    assert cache.stop() is False
    assert cache.running() is None


def test_each_mirror_has_a_directory_of_its_own(tmp_path: Path) -> None:
    other = Mirror(main="http://other.example/debian")
    assert (
        AptCache(MIRROR, LocalRunner(), base=tmp_path).directory
        != AptCache(other, LocalRunner(), base=tmp_path).directory
    )


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_CACHE_HOME": "/var/tmp/c"}, Path("/var/tmp/c/xenflight")),
        ({"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache/xenflight"),
        ({}, Path.home() / ".cache/xenflight"),
    ],
)
def test_cache_root_follows_xdg(environ: dict[str, str], expected: Path) -> None:
    assert cache_root(environ) == expected
