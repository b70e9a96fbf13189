"""A guest's life by a bare shell script, to hold a flight's against."""

from __future__ import annotations

import shutil
import tempfile
import time
from datetime import timedelta
from importlib import resources
from pathlib import Path

from harness.bench.model import Better, Finding
from harness.cache import cache_root
from harness.errors import LabError
from harness.flight.model import HostSpec, JobSpec
from harness.guest.cache import check_image
from harness.guest.identity import mac_address, machine_id
from harness.guest.kernel_files import boot_files
from harness.guest.seed import apply_seed, guest_seed
from harness.host.xenhost import XenHost
from harness.remote.command import Command
from harness.remote.keys import load_public, make_keypair
from harness.remote.local import LocalRunner
from harness.remote.sshlink import SshEndpoint
from harness.storage.names import golden_name, scratch_name, scratch_tags
from harness.testbox.volumes import VOLUME_GROUP
from harness.wait import Deadline

GOAL = 1.10
TIMEOUT = timedelta(minutes=20)
LEASES = "/run/xenflight-dhcp.leases"
"""Where a testbox's DHCP server writes what it gave to whom."""
RUN = "bench"


def measure_bare(spec: HostSpec, endpoint: SshEndpoint, job: JobSpec, image_key: str) -> float:
    """Seconds that the script took for the guest of *job*, from the image's golden LV."""
    if not shutil.which("ssh"):
        msg = "the bare script needs the OpenSSH client"
        raise LabError(msg, hint="apt install openssh-client")
    host = XenHost.connect(spec, endpoint)
    origin = scratch_name(RUN, "origin")
    try:
        with tempfile.TemporaryDirectory(prefix="xenflight-bench-") as directory:
            work = Path(directory)
            _make_origin(host, origin, image_key, work)
            return _run(host, endpoint, job, image_key, origin, work)
    finally:
        host.volumes.remove(scratch_name(RUN, "guest"), Deadline.after(TIMEOUT))
        host.volumes.remove(origin, Deadline.after(TIMEOUT))
        host.close()


def ratio_finding(flight_seconds: float, bare_seconds: float) -> Finding:
    """How much longer a job takes through the harness."""
    return Finding(
        name="a job against a bare script",
        value=flight_seconds / bare_seconds,
        unit="× as long",
        goal=GOAL,
        better=Better.LOWER,
        details=f"job {flight_seconds:.1f} s, script {bare_seconds:.1f} s",
    )


def _make_origin(host: XenHost, origin: str, image_key: str, work: Path) -> None:
    """A snapshot that lets our key in; making it is not part of what is measured."""
    user_key = make_keypair(work / "user")
    make_keypair(work / "host")
    host.volumes.remove(origin, Deadline.after(TIMEOUT))
    path = host.volumes.snapshot(golden_name(image_key), origin, scratch_tags(RUN, "origin"))
    seed = guest_seed(
        host_name="bench",
        machine_id=machine_id(RUN, "bench"),
        authorized_keys=[user_key],
        host_key=(work / "host").read_bytes(),
        host_key_pub=(load_public(work / "host") + "\n").encode(),
        root_hash=None,
    )
    apply_seed(host.runner, path, seed)


def _run(
    host: XenHost,
    endpoint: SshEndpoint,
    job: JobSpec,
    image_key: str,
    origin: str,
    work: Path,
) -> float:
    manifest = check_image(cache_root() / "images" / image_key).manifest
    boot = boot_files(image_key, manifest.kernel, manifest.initrd)
    common = "-q -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    dom0 = (
        f"ssh {common} -o ControlMaster=auto -o ControlPath={work}/dom0 -o ControlPersist=60 "
        f"-i {endpoint.key_file} -p {endpoint.port} root@{endpoint.address}"
    )
    through = f"{dom0} -W %h:%p"
    env = {
        "DOM0": f"{dom0} PATH=/usr/sbin:/usr/bin",
        "GUEST": f"ssh {common} -o ConnectTimeout=20 -i {work}/user -o ProxyCommand='{through}'",
        "VG": VOLUME_GROUP,
        "NAME": scratch_name(RUN, "guest"),
        "ORIGIN": origin,
        "KERNEL": boot.kernel,
        "INITRD": boot.initrd,
        "MEMORY": str(job.memory.mib),
        "MAC": mac_address(RUN, "guest"),
        "BRIDGE": host.bridge,
        "LEASES": LEASES,
    }
    script = Path(str(resources.files("harness.bench") / "bare.sh"))
    began = time.monotonic()
    try:
        LocalRunner().run(Command(("sh", str(script)), env=env), timeout=TIMEOUT)
        return time.monotonic() - began
    finally:
        LocalRunner().run(
            Command(("ssh", "-O", "exit", "-o", f"ControlPath={work}/dom0", endpoint.address)),
            check=False,
        )
