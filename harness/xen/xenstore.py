"""xenstore, through its command line tools on the host.

The tools print values with backslash escapes, and so does ``xenstore-ls -f``; a quote inside a
value is printed as it is (``sanitise_value`` in xen/tools/xs/xs_lib.c).
"""

from __future__ import annotations

import re
from datetime import timedelta

from harness.errors import LabError
from harness.remote.command import Command, CommandResult, Runner

TIMEOUT = timedelta(seconds=30)

_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|([0-3][0-7]{2})|(.))")
_LETTERS = {"n": "\n", "t": "\t", "r": "\r"}
_GONE = re.compile(r"^/[A-Za-z0-9/_@-]*:(?:\n?$| \(.*\)$)\n?", re.MULTILINE)
"""A key that went away while the tree was printed: a colon and an empty line; newer tools add the
reason instead (do_ls in xen/tools/xs/xenstore_client.c)."""
_ABSENT = ("No such file or directory", "couldn't read path")


class Xenstore:
    """The xenstore of one host."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def tree(self, path: str = "/") -> dict[str, str]:
        """Every path below *path*, with its value; empty when there is no such path."""
        result = self._run("xenstore-ls", "-f", path)
        if _is_absent(result):
            return {}
        return parse_tree(result.check().stdout)

    def read(self, path: str) -> str | None:
        """The value at *path*, or None."""
        result = self._run("xenstore-read", path)
        if _is_absent(result):
            return None
        return unescape(result.check().stdout.removesuffix("\n"))

    def exists(self, path: str) -> bool:
        """Whether there is such a path."""
        result = self._run("xenstore-exists", path)
        # It ends with 1 for "no" and says nothing.
        if result.exit_status == 1 and not result.stderr.strip():
            return False
        return result.check().ok

    def write(self, path: str, value: str) -> None:
        """Write *value*; makes the path.

        The tool takes a backslash for the beginning of an escape, too (``unsanitise_value``).
        """
        self._run("xenstore-write", path, value.replace("\\", "\\\\")).check()

    def remove(self, path: str) -> None:
        """Remove *path* and all below it; well if it is not there."""
        result = self._run("xenstore-rm", path)
        if not _is_absent(result):
            result.check()

    def backends(self, domid: int) -> tuple[str, ...]:
        """What dom0 still keeps for the devices of a domain, such as ``vbd/51712``.

        They outlive the domain for a moment after it is destroyed, and a device is only free
        once they are gone. The console's back end is xenconsoled's and counts too.
        """
        root = "/local/domain/0/backend"
        paths = re.compile(rf"{root}/([^/]+)/{domid}/([^/]+)")
        found = (paths.fullmatch(path) for path in self.tree(root))
        return tuple(f"{match[1]}/{match[2]}" for match in found if match)

    def _run(self, *argv: str) -> CommandResult:
        return self._runner.run(Command.of(*argv), timeout=TIMEOUT, check=False)


def parse_tree(text: str) -> dict[str, str]:
    """The output of ``xenstore-ls -f``: path to value; `LabError` if it is something else."""
    tree = {}
    for line in _GONE.sub("", text).splitlines():
        path, separator, value = line.partition(' = "')
        if not (path.startswith("/") and separator and value.endswith('"')):
            msg = f"xenstore-ls -f printed a line that makes no sense: {line[:200]!r}"
            raise LabError(msg)
        tree[path] = unescape(value[:-1])
    return tree


def unescape(text: str) -> str:
    """The value that the tools print as *text*: UTF-8, bad bytes replaced."""

    def plain(match: re.Match[str]) -> str:
        if match[1] or match[2]:
            return chr(int(match[1], 16) if match[1] else int(match[2], 8))
        return _LETTERS.get(match[3], match[3])

    # The tools print every byte outside ASCII as an escape of its own.
    single_bytes = _ESCAPE.sub(plain, text).encode("latin-1", errors="replace")
    return single_bytes.decode(errors="replace")


def _is_absent(result: CommandResult) -> bool:
    return not result.ok and any(words in result.stderr for words in _ABSENT)
