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
from harness.host.names import domain_name
from harness.host.xenhost import XenHost
from harness.job.teardown import remove_guest
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
        left = host.xl.find(domain_name(RUN, "guest"))
        remove_guest(host, domain_name(RUN, "guest"), left, scratch_name(RUN, "guest"))
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
    boot = boot_files(manifest)
    config = work / "ssh_config"
    config.write_text(_ssh_config(endpoint, work), encoding="utf-8")
    env = {
        "SSH_CONFIG": str(config),
        "VG": VOLUME_GROUP,
        "DOMAIN": domain_name(RUN, "guest"),
        "VOLUME": scratch_name(RUN, "guest"),
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
        LocalRunner().run(Command.of("ssh", "-F", config, "-O", "exit", "dom0"), check=False)


def _ssh_config(endpoint: SshEndpoint, work: Path) -> str:
    """One shared connection to dom0, and guests through it."""
    known_hosts = work / "known_hosts"
    known_hosts.write_text(f"dom0 {endpoint.host_key}\n", encoding="utf-8")
    # ssh takes the first value it finds. The guest is the script's own, and has whatever host key
    # its image made on its first boot.
    return f"""\
Host dom0
    StrictHostKeyChecking yes
    UserKnownHostsFile {known_hosts}
    HostKeyAlias dom0
Host *
    BatchMode yes
    LogLevel ERROR
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    User root
Host dom0
    HostName {endpoint.address}
    Port {endpoint.port}
    IdentityFile {endpoint.key_file}
    ControlMaster auto
    ControlPath {work}/dom0
    ControlPersist 60
Host * !dom0
    IdentityFile {work}/user
    ConnectTimeout 20
    ProxyCommand ssh -F {work}/ssh_config -W %h:%p dom0
"""
