"""The package cache with the real apt-cacher-ng, in front of a made-up mirror."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import pytest

from harness.errors import LabError
from harness.mirror.fake import FakeMirror, serve_mirror, unsigned
from harness.mirror.mirror import Mirror
from harness.mirror.opening import OpenMirror
from harness.mirror.probe import probe_mirror
from harness.mirror.proxy import PROGRAM, AptCache, Running, free_ports
from harness.mirror.release import fetch
from harness.remote.local import LocalRunner

pytestmark = pytest.mark.skipif(
    not os.access(PROGRAM, os.X_OK), reason="needs Debian's apt-cacher-ng"
)

DEB = "/debian/pool/main/h/hello/hello_1_all.deb"


@pytest.fixture
def served() -> Iterator[FakeMirror]:
    with serve_mirror() as mirror:
        for suite in ("bookworm", "bookworm-updates", "bookworm-security"):
            mirror.add_pocket(suite)
        mirror.files[DEB] = b"a package" * 1000
        yield mirror


@pytest.fixture
def cache(served: FakeMirror, tmp_path: Path) -> Iterator[AptCache]:
    cache = AptCache(Mirror.from_url(served.url), LocalRunner(), base=tmp_path)
    yield cache
    cache.stop()


def test_a_package_comes_from_the_back_end_once_and_then_from_the_cache(
    cache: AptCache, served: FakeMirror
) -> None:
    running = cache.ensure()
    url = f"{cache.through(running).main}/pool/main/h/hello/hello_1_all.deb"
    first, second = fetch(url)[0], fetch(url)[0]
    assert first == second == served.files[DEB]
    assert served.asked.count(f"GET {DEB}") == 1


def test_a_mirror_can_be_probed_through_the_cache(cache: AptCache, served: FakeMirror) -> None:
    seen = probe_mirror(cache.through(cache.ensure()), "bookworm", verify=unsigned)
    direct = probe_mirror(Mirror.from_url(served.url), "bookworm", verify=unsigned)
    assert seen.key == direct.key


def test_it_is_no_open_proxy(cache: AptCache, served: FakeMirror) -> None:
    running = cache.ensure()
    with pytest.raises(LabError, match=r"40[36]"):
        fetch(f"{running.url()}/127.0.0.1:{served.port}{DEB}")
    assert served.asked == []


def test_it_listens_on_loopback_only(cache: AptCache) -> None:
    port = cache.ensure().port
    local = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and int(line.split()[1].rpartition(":")[2], 16) == port
    ]
    assert local == [f"0100007F:{port:04X}"]


def test_a_second_user_of_it_gets_the_one_that_runs(cache: AptCache) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: cache.ensure(), range(4)))
    assert len(found) == 1
    assert cache.running() == found.pop()


def test_stop_ends_it_and_the_next_one_keeps_the_packages(
    cache: AptCache, served: FakeMirror
) -> None:
    url = f"{cache.through(cache.ensure()).main}/pool/main/h/hello/hello_1_all.deb"
    fetch(url)
    assert cache.stop() is True
    assert cache.running() is None
    assert cache.stop() is False
    again = f"{cache.through(cache.ensure()).main}/pool/main/h/hello/hello_1_all.deb"
    fetch(again)
    assert served.asked.count(f"GET {DEB}") == 1


def test_a_port_that_was_taken_meanwhile_leads_to_another(
    served: FakeMirror, tmp_path: Path
) -> None:
    free = free_ports()
    port = next(free)
    with socket.create_server(("127.0.0.1", port)):
        cache = AptCache(
            Mirror.from_url(served.url),
            LocalRunner(),
            base=tmp_path,
            ports=lambda: chain([port], free),
        )
        try:
            assert cache.ensure().port != port
        finally:
            cache.stop()


def test_a_cache_that_was_killed_is_started_again(cache: AptCache) -> None:
    first = cache.ensure()
    state = cache.directory / "running.json"
    os.kill(first.pid, 9)
    second = cache.ensure()
    assert second.pid != first.pid
    assert json.loads(state.read_text())["pid"] == second.pid
    assert isinstance(second, Running)


class TestBlame:
    """A build that failed, and what was behind it."""

    ERROR = LabError("building the bookworm image failed: E: Unable to fetch some archives")

    @pytest.fixture
    def opened(self, served: FakeMirror, cache: AptCache) -> OpenMirror:
        mirror = Mirror.from_url(served.url)
        return OpenMirror(
            mirror=mirror,
            snapshot=probe_mirror(mirror, "bookworm", verify=unsigned),
            cache=cache,
            running=cache.ensure(),
            arches=("amd64",),
            accept_expired=False,
            verify=unsigned,
        )

    def test_the_mirror_died(self, served: FakeMirror, opened: OpenMirror) -> None:
        served.files.clear()
        found = opened.blame(self.ERROR)
        assert found.message.startswith(f"the mirror {served.url} failed in the middle: ")
        assert "404" in found.message
        assert found.message.endswith(self.ERROR.message)

    def test_the_cache_died(self, opened: OpenMirror, cache: AptCache) -> None:
        cache.stop()
        assert "the package cache http://127.0.0.1:" in opened.blame(self.ERROR).message

    def test_neither_did(self, opened: OpenMirror) -> None:
        assert opened.blame(self.ERROR) is self.ERROR
