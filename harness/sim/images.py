"""What is done to volumes of a simulated host: images, the files in them, a guest's seed."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping

from harness.flight.faults import FaultKind
from harness.sim.disk import BadSeedError, apply_seed
from harness.sim.host import SimHost
from harness.sim.request import Answer, Handler, Request
from harness.units import Size

WRITE_IMAGE = "write-image"
"""Stands for the scripts of `harness.host.transfer`: no bytes of an image are really sent."""
_NOT_WHOLE = "the packed image did not arrive whole\n"
_DAMAGED = "debugfs: Bad magic number in super-block while trying to open {device}\n"


def pack(files: Mapping[str, bytes], data_bytes: int) -> bytes:
    """The input of `WRITE_IMAGE`: the files that matter, and how much the image takes."""
    texts = {path: base64.b64encode(data).decode() for path, data in files.items()}
    return json.dumps({"files": texts, "bytes": data_bytes}).encode()


def write_image(host: SimHost, request: Request) -> Answer:
    """An image comes to a volume."""
    volume = host.group.at(request.words[0])
    if volume is None:
        said = f"dd: failed to open '{request.words[0]}': No such file or directory\n"
        return Answer(stderr=said, status=1)
    if host.faults.strike(FaultKind.TRANSFER_BREAKS, command=request.name):
        return Answer(stderr=_NOT_WHOLE, status=1, seconds=2.0, disk=True)
    image = json.loads(request.stdin)
    files = {path: base64.b64decode(text) for path, text in image["files"].items()}
    if host.faults.strike(FaultKind.BOOT_FILES_WRONG, command=request.name):
        files = {path: b"spoilt" if "/boot/" in path else data for path, data in files.items()}
    volume.contents.files.update(files)
    volume.contents.written = image["bytes"]
    return Answer(seconds=3.0, disk=True)


def take_boot_files(host: SimHost, request: Request) -> Answer:
    """The script of `harness.guest.kernel_files`."""
    device, _, directory, expected, paths = request.words
    sums = (line.split("  ", 1) for line in expected.splitlines())
    wanted = {name: digest for digest, name in sums}
    if all(_sum(host.files.read(f"{directory}/{name}")) == wanted[name] for name in wanted):
        return Answer()
    volume = host.group.at(device)
    files = volume.contents.files if volume else {}
    taken = {path.rpartition("/")[2]: files.get(path) for path in paths.split()}
    if any(_sum(taken.get(name)) != wanted[name] for name in wanted):
        said = f"the files taken out of {device} are not those that were built\n"
        return Answer(stderr=said, status=1, seconds=0.5, disk=True)
    for name, data in taken.items():
        host.files.write(f"{directory}/{name}", data or b"")
    return Answer(seconds=0.5, disk=True)


def seed_disk(host: SimHost, request: Request) -> Answer:
    """The script of `harness.guest.seed`."""
    device = request.words[0]
    volume = host.group.at(device)
    broken = host.faults.strike(FaultKind.SEED_FAILS, job=request.job, command=request.name)
    if volume is None or broken:
        return Answer(stderr=_DAMAGED.format(device=device), seconds=0.3, disk=True)
    try:
        apply_seed(volume.contents, request.stdin)
    except BadSeedError as error:
        return Answer(stderr=f"{error}\n", status=1, seconds=0.3, disk=True)
    return Answer(seconds=0.5, disk=True)


def mkswap(host: SimHost, request: Request) -> Answer:
    """``mkswap``."""
    volume = host.group.at(request.rest[0])
    if volume is None:
        said = f"mkswap: cannot open {request.rest[0]}: No such file or directory\n"
        return Answer(stderr=said, status=1)
    volume.contents.swap = True
    return Answer(seconds=0.1, disk=True)


def qemu_img(host: SimHost, request: Request) -> Answer:
    """``qemu-img create -f qcow2 [-b BACKING] ... DEVICE [SIZE]``."""
    words = request.words
    (device,) = [word for word in words if word.startswith("/dev/")][-1:]
    volume = host.group.at(device)
    if volume is None:
        said = f"qemu-img: {device}: Could not open '{device}'\n"
        return Answer(stderr=said, status=1)
    if "-b" in words:
        volume.contents.backing = words[words.index("-b") + 1]
    volume.contents.written = Size.parse("1M")
    return Answer(seconds=0.2, disk=True)


def _sum(data: bytes | None) -> str:
    return "" if data is None else hashlib.sha256(data).hexdigest()


PROGRAMS: Mapping[str, Handler] = {
    WRITE_IMAGE: write_image,
    "take-boot-files": take_boot_files,
    "seed-disk": seed_disk,
    "mkswap": mkswap,
    "qemu-img": qemu_img,
}
