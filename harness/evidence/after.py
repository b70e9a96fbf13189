"""What a host is asked for once it is up again after it died: a table.

No item changes anything: what pstore holds stays there for the host's own service, or operator.
"""

from __future__ import annotations

from datetime import timedelta

from harness.evidence.model import Item

# Without a journal on disk (Storage= in journald.conf(5)) it says so, and fails.
_JOURNAL_BEFORE = (
    'journalctl --no-pager --output=short-iso --boot=-1 --since="-$2s" || '
    "{ status=$?; journalctl --no-pager --list-boots; exit $status; }"
)
# systemd-pstore.service(8) moves what the kernel left in the platform's memory to files.
_PSTORE = """\
ls -lR /sys/fs/pstore /var/lib/systemd/pstore /var/crash 2>&1
find /sys/fs/pstore /var/lib/systemd/pstore -type f 2>/dev/null | tail -n 40 | while read -r file
do
    echo "==> $file <=="
    tail -c 65536 "$file"
done
"""

AFTER: tuple[Item, ...] = (
    Item(
        file="journal-before.txt",
        script=_JOURNAL_BEFORE,
        bound=timedelta(seconds=15),
        kept=2 << 20,
    ),
    Item(file="pstore.txt", script=_PSTORE),
    Item(file="xl-dmesg.txt", script="xl dmesg"),
    Item(
        file="journal.txt",
        script="journalctl --no-pager --output=short-iso --boot=0 || dmesg",
        bound=timedelta(seconds=15),
        kept=1 << 20,
    ),
)
