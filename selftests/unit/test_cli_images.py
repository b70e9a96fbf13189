"""`xenflight images`: what is listed, built and removed."""

from __future__ import annotations

import json
import os
import shutil
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import harness
from harness.cli.imagebuild import build_all, show
from harness.cli.imagestore import describe, list_table, list_text, pruned_text, to_json
from harness.cli.output import output
from harness.errors import LabError
from harness.flight.axes import Builder
from harness.flight.build import build_plan
from harness.guest.cache import IMAGE, MANIFEST, Image, ImageCache
from harness.guest.extents import Extent
from harness.guest.manifest import Manifest, dump
from harness.job.images import Built
from harness.job.wanted import Wanted, in_order
from harness.progress import Progress

FLIGHTS = Path(harness.__file__).parent.parent / "flights"
NOW = datetime.now(UTC)
DAY = timedelta(days=1)
JOB = build_plan(str(FLIGHTS / "smoke.yaml")).jobs[0]


class Store:
    """A cache with made-up images."""

    def __init__(self, root: Path) -> None:
        self.cache = ImageCache(root, shutil.rmtree)

    def add(self, key: str, days: float) -> Image:
        """An image that was last used so many days ago."""

        def build(directory: Path) -> None:
            image = directory / IMAGE
            image.write_bytes(b"x" * 8192)
            status = image.stat()
            manifest = Manifest(
                key=key,
                spec={"builder": "mmdebstrap", "dist": "sid", "arch": "i386", "layout": "disk"},
                mirror={},
                tools={},
                packages={},
                kernel=None,
                initrd=None,
                image_size=status.st_size,
                image_mtime_ns=status.st_mtime_ns,
                extents=(Extent(0, 4096),),
                build_seconds=1.0,
            )
            (directory / MANIFEST).write_text(dump(manifest))

        image = self.cache.get_or_build(key, build, waiting=lambda: None)
        then = (NOW - timedelta(days=days)).timestamp()
        os.utime(image.directory / MANIFEST, (then, then))
        return image

    @property
    def keys(self) -> set[str]:
        return {entry.directory.name for entry in self.cache.entries()}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "images")
    for days, key in enumerate(("a", "b", "c")):
        store.add(key, days)
    return store


def test_they_are_listed_in_the_order_of_their_use(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = store.cache.entries()
    output().print(list_table(entries, NOW))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["key", "a", "b", "c"]
    assert lines[3][:4] == ["c", "sid", "i386", "disk"]
    assert lines[3][-2:] == ["2", "d"]
    assert list_text(entries).startswith("\n3 images, ")
    first = json.loads(to_json(entries))[0]
    assert (first["key"], first["size"], first["data"]) == ("a", 8192, 4096)


def test_a_damaged_one_is_listed_as_that(store: Store) -> None:
    image = store.cache.root / "b" / IMAGE
    image.write_bytes(b"somebody wrote to it")
    (entry,) = [entry for entry in store.cache.entries() if entry.directory.name == "b"]
    assert entry.image is None
    assert "b is damaged" in list_text([entry])
    assert describe(entry)["size"] is None


def test_none_at_all_says_how_to_make_some(tmp_path: Path) -> None:
    assert "images build" in list_text(ImageCache(tmp_path / "none", shutil.rmtree).entries())


def test_the_last_used_are_kept(store: Store) -> None:
    assert store.cache.prune(2, dry_run=True) == ["c"]
    assert store.keys == {"a", "b", "c"}
    assert store.cache.prune(2) == ["c"]
    assert store.keys == {"a", "b"}


@pytest.mark.parametrize(("days", "gone"), [(0.5, ["b", "c"]), (1.5, ["c"]), (9, [])])
def test_only_old_ones_go(store: Store, days: float, gone: list[str]) -> None:
    assert store.cache.prune(0, older_than=days * DAY) == gone
    assert store.keys == {"a", "b", "c"} - set(gone)


def test_what_went_is_said(store: Store) -> None:
    entries = store.cache.entries()[1:]
    assert pruned_text(entries, dry_run=False).endswith(": b, c")
    assert pruned_text(entries, dry_run=True).startswith("would remove 2, ")
    assert pruned_text([], dry_run=True) == "nothing to remove"


class Workshop:
    """Builds nothing, and says what it was asked."""

    def __init__(self, store: Store) -> None:
        self.asked: list[str] = []
        self.errors: dict[str, BaseException] = {}
        self._store = store

    def build(self, wanted: Wanted, progress: Progress) -> Built:
        self.asked.append(wanted.name)
        progress(f"building {wanted.name}: x", 0.5)
        if error := self.errors.get(wanted.name):
            raise error
        image = self._store.cache.get("a")
        return Built(image=image, reused=len(self.asked) > 1)


def test_a_flights_images_are_built_each_once(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    other = replace(JOB, name="other", packages=("tcpdump",))
    on_host = replace(JOB, name="xci", builder=Builder.XEN_CREATE_IMAGE)
    skipped = replace(JOB, name="never", packages=("gdb",), skip="no such kernel")
    workshop = Workshop(store)
    jobs = [JOB, replace(JOB, name="again"), other, on_host, skipped]
    outcomes = build_all(jobs, build=workshop.build)
    names = [wanted.name for wanted in in_order([JOB, other])]
    assert sorted(workshop.asked) == sorted(names)
    show(outcomes, output())
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    assert [line[0] for line in lines[1:]] == names
    assert {" ".join(line[2:4]) for line in lines[1:]} == {"built in", "was there"}


def test_one_that_cannot_be_built_says_why_and_the_others_are(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    other = replace(JOB, name="other", packages=("tcpdump",))
    bad, good = (wanted.name for wanted in in_order([JOB, other]))
    workshop = Workshop(store)
    workshop.errors[bad] = LabError("the mirror is down")
    outcomes = build_all([JOB, other], build=workshop.build)
    assert [outcome.broken for outcome in outcomes] == ["the mirror is down", ""]
    show(outcomes, output())
    assert f"{bad}: the mirror is down" in capsys.readouterr().out
    assert good in workshop.asked


def test_an_interrupt_ends_the_builds(store: Store) -> None:
    stop = threading.Event()
    workshop = Workshop(store)
    workshop.errors[next(iter(in_order([JOB]))).name] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        build_all([JOB], build=workshop.build, stop=stop)
    assert stop.is_set()
