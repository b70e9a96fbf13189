"""Take the kernel and the initramfs out of a golden LV, on its host.

So they never need to be sent apart from the image, and can never be those of another image.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from harness.errors import CommandFailed, LabError
from harness.guest.debugfs import at_offset, is_plain
from harness.guest.manifest import BootFile, Manifest
from harness.remote.command import Command, Runner

BOOT_DIR = "/var/lib/xenflight/boot"
_TIMEOUT = timedelta(minutes=3)

# The directory appears when it is whole; one that is there is kept if its files are right.
_EXTRACT = """\
dev=$1 fs=$2 dest=$3 expected=$4 paths=$5
sums() { (cd "$1" && printf '%s' "$expected" | sha256sum --status -c -) 2>/dev/null; }
if sums "$dest"; then exit 0; fi
new="$dest.new.$$"
trap 'rm -rf "$new"' EXIT
mkdir -p "$new"
for path in $paths; do
    (cd "$new" && debugfs -R "dump $path ${path##*/}" "$fs" >&2)
done
sums "$new" || { echo "the files taken out of $dev are not those that were built" >&2; exit 1; }
chmod 755 "$new"
rm -rf "$dest"
mv "$new" "$dest"
"""


@dataclass(frozen=True, kw_only=True)
class BootFiles:
    """Paths on the host, for xl.cfg."""

    kernel: str
    initrd: str


def boot_files(manifest: Manifest, root: str = BOOT_DIR) -> BootFiles:
    """Where the boot files of that image are, once they are there. `LabError` if it has none."""
    kernel, initrd = _wanted(manifest)
    where = f"{root}/{manifest.key}"
    return BootFiles(kernel=f"{where}/{kernel.name}", initrd=f"{where}/{initrd.name}")


def _wanted(manifest: Manifest) -> tuple[BootFile, BootFile]:
    if manifest.kernel is None or manifest.initrd is None:
        msg = f"image {manifest.key} has no kernel and initramfs to boot it with"
        raise LabError(msg)
    for file in (manifest.kernel, manifest.initrd):
        if not is_plain(file.path):
            msg = (
                f"image {manifest.key} calls one of its boot files {file.path!r}: not a plain name"
            )
            raise LabError(msg)
    return manifest.kernel, manifest.initrd


def extract_boot_files(
    runner: Runner, device: str, manifest: Manifest, root: str = BOOT_DIR
) -> BootFiles:
    """Copy them out of the image on *device* into ``<root>/<key>``, unless they are there.

    Checked against what was built; `LabError` when they are not the same.
    *device* is an absolute path, as *root* is.
    """
    files = _wanted(manifest)
    expected = "".join(f"{file.sha256}  {file.name}\n" for file in files)
    words = (
        *(device, at_offset(device, manifest.root_offset), f"{root}/{manifest.key}"),
        *(expected, " ".join(file.path for file in files)),
    )
    try:
        runner.run(Command.script("take-boot-files", _EXTRACT, *words), timeout=_TIMEOUT)
    except CommandFailed as error:
        msg = f"on {runner.name}: cannot take kernel and initramfs out of {device}: {error.stderr}"
        raise LabError(msg) from error
    return boot_files(manifest, root)
