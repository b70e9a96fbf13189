"""Our entries in the menu of a host, and out of it again; nobody else's line is touched."""

from __future__ import annotations

from collections.abc import Iterable

from harness.grub.entry import XenEntry, to_grub2
from harness.hostboot.facts import CUSTOM
from harness.remote.command import Command, Runner

BEGIN, END = "# xenflight: begin", "# xenflight: end"

# $1 is the file; what shall stand between our marks comes on standard input, with them.
_WRITE = f"""\
new="$1.xenflight"
[ ! -e "$1" ] || cp -p "$1" "$new"
[ ! -e "$1" ] || sed '/^{BEGIN}$/,/^{END}$/d' "$1" >"$new"
cat >>"$new"
if [ -s "$new" ]; then mv "$new" "$1"; else rm -f "$new" "$1"; fi
sync
"""


# The menu has said by then whether an entry was chosen for this boot.
_USUAL = """\
if [ -z "${{boot_once}}" ]; then
\tset default='{}'
fi
"""


def write_entries(
    runner: Runner, entries: Iterable[XenEntry], path: str = CUSTOM, *, usual: str = ""
) -> None:
    """Have *entries* in the menu, in place of those that we had there.

    *usual* is the id of the one that boots unless another is chosen; the host's own if empty.
    """
    text = "".join(map(to_grub2, entries)) + (_USUAL.format(usual) if usual else "")
    _write(runner, f"{BEGIN}\n{text}{END}\n" if text else "", path)


def remove_entries(runner: Runner, path: str = CUSTOM) -> None:
    """Have none there."""
    _write(runner, "", path)


def _write(runner: Runner, text: str, path: str) -> None:
    command = Command.script("write-grub-entries", _WRITE, path)
    runner.run(command, stdin=text.encode("ascii"))
