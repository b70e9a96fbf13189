"""What a simulated host tells when evidence is asked of it (`harness.evidence.items`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.evidence.after import AFTER
from harness.evidence.items import ITEMS
from harness.remote.outcome import NOT_FOUND
from harness.sim import xl
from harness.sim.census import processes
from harness.sim.host import SimHost
from harness.sim.lvm import lvs
from harness.sim.request import Answer, Request
from harness.sim.xenstore import xenstore_ls

FILES = {item.script: item.file for item in (*ITEMS, *AFTER)}
Teller = Callable[[SimHost, str], Answer]


def evidence(host: SimHost, request: Request) -> Answer:
    """One item: its script, whose name is known, then the domain. The status is its last line."""
    script, _, domain, *_ = request.words
    told = TELLERS.get(FILES.get(script, ""))
    answer = told(host, domain) if told else Answer(stderr="sh: not found\n", status=NOT_FOUND)
    end = f"\nxenflight: exit status {answer.status}\n"
    return Answer(stdout=answer.stdout + answer.stderr + end, seconds=answer.seconds)


def _xl(verb: str, *words: str) -> Teller:
    def tell(host: SimHost, domain: str) -> Answer:
        del domain
        return xl.PROGRAMS[f"xl {verb}"](host, Request(name=f"xl {verb}", words=words))

    return tell


def _plain(text: str) -> Teller:
    return lambda host, domain: Answer(stdout=text.format(host=host.name, domain=domain))


def _network(host: SimHost, domain: str) -> Answer:
    del domain
    return Answer(stdout="".join(f"{name}: <BROADCAST,UP>\n" for name in host.interfaces))


def _keys(host: SimHost, domain: str) -> Answer:
    """Of a domain that is there its console and its CPUs can be asked."""
    if host.find(domain) is None:
        said = f"{domain} is an invalid domain identifier (rc=-6)\n"
        return Answer(stderr=said, status=1)
    return Answer(stdout="rip: ffffffff81c01234 flags: 00000246 i z p\n", seconds=1.0)


def _tree(host: SimHost, domain: str) -> Answer:
    del domain
    return xenstore_ls(host, Request(name="xenstore-ls", words=("-fp",)))


def _volumes(host: SimHost, domain: str) -> Answer:
    del domain
    return lvs(host, Request(name="lvs", words=("--all",)))


def _processes(host: SimHost, domain: str) -> Answer:
    del domain
    return Answer(stdout="".join(f"{line}\n" for line in processes(host)))


TELLERS: Mapping[str, Teller] = {
    "sysrq.txt": _keys,
    "xl-dmesg.txt": _xl("dmesg"),
    "journal.txt": _plain("2027-01-15T09:00:00+0000 {host} systemd[1]: Started session.\n"),
    "dom0.txt": _plain(" 09:00:00 up 1:00,  0 user,  load average: 0.10, 0.10, 0.10\n"),
    "processes.txt": _processes,
    "xen-logs.txt": _plain("==> /var/log/xen/xl-{domain}.log <==\nWaiting for domain to die\n"),
    "xl-info.txt": _xl("info"),
    "xl-list-v.txt": _xl("list", "-v"),
    "xl-vcpu-list.txt": _xl("vcpu-list"),
    "xl-list-l.json": _xl("list", "-l"),
    "xenstore.txt": _tree,
    "network.txt": _network,
    "volumes.txt": _volumes,
    "device-mapper.txt": _plain("Name Maj Min Stat Open Targ Event  UUID\n"),
    "xenctx.txt": _keys,
    "debug-keys.txt": _keys,
    "journal-before.txt": _plain("2027-01-15T09:00:00+0000 {host} kernel: the last of that boot\n"),
    "pstore.txt": _plain("/sys/fs/pstore:\ntotal 0\n"),
    "core.gz": _plain("not a real core\n"),
}
