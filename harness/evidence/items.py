"""What a host is asked for, in this order: a table.

osstest's ``ts-logs-capture`` asks for much the same. What is known to be dangerous is not in it:
no sysrq but those that print, no debug key that resets, traps or reboots.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from harness.evidence.model import Item, Only

_JOURNAL = """\
if command -v journalctl >/dev/null
then journalctl --no-pager --output=short-iso --since="-$2s"
else dmesg; tail -n 5000 /var/log/syslog /var/log/messages 2>/dev/null
fi
"""
# Its own logs, by its name, and those that are of no domain: hotplug scripts, xenstored.
_LOGS = """\
for log in /var/log/xen/*"$1"*.log /var/log/xen/xen-hotplug*.log /var/log/xen/xenstored*.log \
    /var/log/xen/bootloader*.log
do
    [ -f "$log" ] || continue
    echo "==> $log <=="
    tail -c 65536 "$log"
done
"""
_VOLUMES = """\
lvs --all --units m --options vg_name,lv_name,lv_attr,lv_size,pool_lv,origin,data_percent,\
metadata_percent,lv_tags
status=$?
vgs --units m
pvs --units m
exit $status
"""
_MAPPER = "dmsetup info --columns && dmsetup table && dmsetup status"
# wchan tells in which function of the kernel a process is stuck.
_PROCESSES = "ps -eo pid,ppid,stat,etimes,wchan:32,args"
_DOM0 = """\
uptime
free -m
df -k
grep -s . /proc/pressure/*
cat /proc/mounts
"""
_NETWORK = "ip -s address; ip route; bridge link"
# m memory, w blocked tasks, l where each CPU is. A kernel that forbids them says so on its console,
# and so that it can still take an interrupt.
_SYSRQ = """\
for key in m w l
do xl sysrq "$1" $key || exit
done
"""
# Registers and stack of each virtual CPU, twice: does it move? As osstest does.
_CONTEXT = """\
domid=$(xl domid "$1") || exit
for tool in /usr/lib/xen*/bin/xenctx /usr/libexec/xen*/bin/xenctx
do [ -x "$tool" ] && break
done
"$tool" -C "$domid" && echo && sleep 1 && "$tool" -C "$domid"
"""
# r run queues, e event channels. q, all domains, also raises an interrupt in every guest, which
# older kernels answer on their console (xen/common/keyhandler.c, VIRQ_DEBUG): only where there is
# no other guest. The keys are worked on after xl has gone, so they get a moment.
_KEYS = """\
keys="r e"
[ "$(xl list | tail -n +3 | wc -l)" -gt 1 ] || keys="$keys q"
for key in $keys
do xl debug-keys $key || exit
done
sleep 1
xl dmesg | tail -c 262144
"""
# The pipe's reader must not get what xl says, nor hide that it failed. No file is made on the host.
_CORE = """\
exec 3>&1
status=$({ { xl dump-core "$1" /dev/stdout 2>/dev/null; echo $? >&4; } | gzip -1 >&3; } 4>&1)
exit $status
"""

ITEMS: tuple[Item, ...] = (
    # First: what it brings about shows on the guest's console while the others are taken.
    Item(file="sysrq.txt", script=_SYSRQ, only=Only.HANG),
    Item(file="xl-dmesg.txt", script="xl dmesg"),
    Item(file="journal.txt", script=_JOURNAL, bound=timedelta(seconds=15), kept=2 << 20),
    Item(file="dom0.txt", script=_DOM0),
    Item(file="processes.txt", script=_PROCESSES),
    Item(file="xen-logs.txt", script=_LOGS),
    Item(file="xl-info.txt", script="xl info"),
    Item(file="xl-list-v.txt", script="xl list -v"),
    Item(file="xl-vcpu-list.txt", script="xl vcpu-list"),
    Item(file="xl-list-l.json", script="xl list -l"),
    Item(file="xenstore.txt", script="xenstore-ls -fp", kept=1 << 20),
    Item(file="network.txt", script=_NETWORK),
    Item(file="volumes.txt", script=_VOLUMES),
    Item(file="device-mapper.txt", script=_MAPPER),
    Item(file="xenctx.txt", script=_CONTEXT, only=Only.HANG),
    # After `xl dmesg`: the buffer is a ring, and the keys fill it.
    Item(file="debug-keys.txt", script=_KEYS, only=Only.HANG),
    Item(
        file="core.gz",
        script=_CORE,
        bound=timedelta(minutes=5),
        read=512 << 20,
        only=Only.REQUEST,
        packed=True,
    ),
)


def wanted(occasions: Iterable[Only]) -> tuple[Item, ...]:
    """The items for an occasion that is all of *occasions*."""
    these = set(occasions)
    return tuple(item for item in ITEMS if item.only is None or item.only in these)
