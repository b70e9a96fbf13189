"""What is done to disks in a simulated guest, and behind them in dom0 (`harness.job.diskwork`).

Of what is on a disk there is a word for each part that was written at once, by where it begins, and
one for each file: as much as tells whether it is the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping

from harness.flight.faults import FaultKind
from harness.job.backings import DAMAGED, VDEV
from harness.job.diskwork import MISSING, MOUNTS
from harness.sim.host import SimHost
from harness.sim.inside import Inside
from harness.sim.request import Answer, Handler, Request
from harness.sim.volumes import Contents, Volume

_MIB = 1 << 20
_PATTERN = b"what fio writes by its seed"
_FILE_SYSTEM = 0.9
"""The share of a disk that files may take."""
_GONE = "dd: failed to open '/dev/{device}': No such file or directory\n"
_NO_ROOM = "dd: error writing '{path}': No space left on device\n"
_REFUSED = "dd: error writing '/dev/{device}': Input/output error\nfailed\n"
_BAD = (
    "fio: verify type mismatch (0 media, 3 given)\n"
    "verify: bad magic header 0, wanted acca at file /dev/{device} offset 65536, length 16384\n"
)


def make_image(host: SimHost, request: Request) -> Answer:
    """The script of `harness.job.backings`: file, format, MiB."""
    path, _, size = request.words
    host.files.write(path)
    host.images[path] = Volume(name=path, size=int(size) * _MIB, minor=0)
    return Answer(disk=True)


def forget_image(host: SimHost, request: Request) -> Answer:
    """The script that removes it."""
    host.files.remove(request.words[0])
    host.images.pop(request.words[0], None)
    return Answer()


def hash_backing(host: SimHost, request: Request) -> Answer:
    """The script by which dom0 reads all of it."""
    path, written_as = request.words
    volume = host.behind(path)
    if volume is None:
        said = f"dd: failed to open '{path}': No such file or directory\n"
        return Answer(stderr=said, status=1)
    if written_as != "raw" and host.faults.strike(FaultKind.DATA_SPOILT, job=request.job):
        said = f"qemu-img: Check failed: {path}: Input/output error\n"
        return Answer(stderr=said, status=DAMAGED)
    return Answer(stdout=_hash(volume.contents), seconds=1.0, disk=True)


def _fio(it: Inside) -> Answer:
    device, what = it.words
    volume = it.disk(device)
    if volume is None:
        said = f"fio: looks like your file system does not support direct=1: {device}\n"
        return Answer(stderr=said, status=1)
    if what == "write":
        _write(volume.contents, 0, volume.size // _MIB, _PATTERN)
    elif volume.contents.files.get("@0") != _PATTERN:
        return Answer(stdout=_BAD.format(device=device), status=1, disk=True)
    read = {"io_bytes": volume.size, "bw": 21042}
    written = {"io_bytes": volume.size if what == "write" else 0, "bw": 18040}
    report = {"fio version": "fio-3.33", "jobs": [{"error": 0, "read": read, "write": written}]}
    return Answer(stdout=f"{json.dumps(report)}\n", seconds=6.0, disk=True)


def _hash_disk(it: Inside) -> Answer:
    volume = it.disk(it.words[0])
    if volume is None:
        return Answer(stderr=_GONE.format(device=it.words[0]), status=1)
    return Answer(stdout=_hash(volume.contents, it.words[1]), seconds=1.0, disk=True)


def _write_raw(it: Inside) -> Answer:
    device, begin, count = it.words[0], int(it.words[1]), int(it.words[2])
    volume = it.disk(device)
    if volume is None:
        return Answer(stdout=f"{_GONE.format(device=device)}failed\n")
    room = volume.size // _MIB
    _write(volume.contents, begin, min(count, max(0, room - begin)), _anything(it))
    if begin + count > room:
        return Answer(stdout=_REFUSED.format(device=device), seconds=2.0, disk=True)
    return Answer(stdout=f"{count}+0 records out\n", seconds=2.0, disk=True)


def _size(it: Inside) -> Answer:
    volume = it.disk(it.words[0])
    return Answer(stdout=f"{volume.size // _MIB if volume else 0}\n")


def _make_fs(it: Inside) -> Answer:
    volume = it.disk(it.words[0])
    if volume is None:
        said = f"The file /dev/{it.words[0]} does not exist and no size was specified.\n"
        return Answer(stderr=said, status=1)
    volume.contents = Contents(formatted=volume.size)
    return Answer(seconds=1.0, disk=True)


def _grow_fs(it: Inside) -> Answer:
    volume = it.disk(it.words[0])
    if volume is None:
        return Answer(status=1)
    volume.contents.formatted = volume.size
    return Answer(stdout=f"{int(volume.size * _FILE_SYSTEM) // _MIB}\n", disk=True)


def _put(it: Inside) -> Answer:
    path, size = it.words[0], int(it.words[1]) * _MIB
    word = _anything(it)
    if it.forgets and path.startswith("/var/"):
        it.guest.in_memory[path] = word
        return Answer(stdout=_sha256(word))
    contents = _contents(it, path)
    if size > _room(contents, path):
        return Answer(stderr=_NO_ROOM.format(path=path), status=1)
    _forget(contents, path)
    contents.files[path] = word
    contents.sizes[path] = size
    contents.written += size
    return Answer(stdout=_sha256(word), seconds=2.0, disk=True)


def _read(it: Inside) -> Answer:
    path = it.words[0]
    found = it.guest.in_memory.get(path) or _contents(it, path).files.get(path)
    return Answer(stdout=_sha256(found) if found else f"{MISSING}\n", disk=True)


def _fill(it: Inside) -> Answer:
    path = it.words[0]
    contents = _contents(it, path)
    contents.sizes[path] = _room(contents, path)
    contents.written += contents.sizes[path]
    return Answer(stdout=_NO_ROOM.format(path=path), seconds=2.0, disk=True)


def _drop(it: Inside) -> Answer:
    _forget(_contents(it, it.words[0]), it.words[0])
    return Answer()


def _trim(it: Inside) -> Answer:
    contents = _contents(it, f"{MOUNTS}/")
    contents.written -= contents.deleted
    contents.deleted = 0
    return Answer(disk=True)


def _nothing(it: Inside) -> Answer:
    del it
    return Answer()


def _busy(it: Inside) -> Answer:
    return Answer(stdout=f"{it.host.next_process()}\n")


def _version(it: Inside) -> Answer:
    del it
    return Answer(stdout="fio-3.33\n")


def _contents(it: Inside, path: str) -> Contents:
    """Of the disk that such a file is on."""
    volume = it.disk(VDEV) if path.startswith(f"{MOUNTS}/") else None
    return volume.contents if volume else it.host.root_of(it.domain.config)


def _room(contents: Contents, path: str) -> int:
    """Bytes that a file may have; on the root there is enough for anything."""
    if not path.startswith(f"{MOUNTS}/"):
        return 1 << 40
    taken = sum(size for name, size in contents.sizes.items() if name != path)
    return int(contents.formatted * _FILE_SYSTEM) - taken


def _forget(contents: Contents, path: str) -> None:
    contents.files.pop(path, None)
    contents.deleted += contents.sizes.pop(path, 0)


def _write(contents: Contents, begin: int, count: int, word: bytes) -> None:
    """From *begin* on, both in MiB."""
    if f"@{begin}" not in contents.files:
        contents.written += count * _MIB
    contents.files[f"@{begin}"] = word


def _anything(it: Inside) -> bytes:
    return f"random {it.machine.boot_id} {it.host.next_process()}".encode()


def _hash(contents: Contents, count: str = "") -> str:
    """Of all that was written to it, or of what begins before *count* MiB."""
    parts = sorted((int(at[1:]), word) for at, word in contents.files.items() if at[:1] == "@")
    return _sha256(b"\n".join(word for at, word in parts if not count or at < int(count)))


def _sha256(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}  -\n"


IN_GUEST_DISKS: Mapping[str, Callable[[Inside], Answer]] = {
    "fio": _version,
    "fio-disk": _fio,
    "hash-disk": _hash_disk,
    "write-raw": _write_raw,
    "disk-size": _size,
    "make-fs": _make_fs,
    "close-fs": _nothing,
    "grow-fs": _grow_fs,
    "put-file": _put,
    "read-file": _read,
    "fill-fs": _fill,
    "drop-file": _drop,
    "trim-fs": _trim,
    "begin-writing": _busy,
    "end-writing": _nothing,
}

PROGRAMS: Mapping[str, Handler] = {
    "make-image": make_image,
    "forget-image": forget_image,
    "hash-backing": hash_backing,
}
