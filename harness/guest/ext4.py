"""A tree from a tar archive, and an ext4 file system of it: shell, for guests' images and dom0's.

To be run in a user namespace (`harness.guest.mmdebstrap.in_user_namespace`), where files get the
owners that the archive names. See docs/adr/0004 for why neither fakeroot nor mke2fs alone will do.
"""

from __future__ import annotations

UNPACK_TREE = """\
unpack_tree() {  # ARCHIVE TREE
    mkdir "$2"
    # Device files cannot be made without root, and the kernel makes them anyway.
    tar -C "$2" --numeric-owner --xattrs --xattrs-include='*' --exclude='./dev/*' -xpf "$1"
    mkdir -p -m 0755 "$2/dev"
}
"""

# Features that older kernels and an older e2fsprogs on the host do not know are off.
MAKE_EXT4 = """\
make_ext4() {  # TREE IMAGE OFFSET KIB LABEL [OPTION...]
    tree=$1 image=$2 offset=$3 kib=$4 label=$5
    shift 5
    mke2fs -q -F -t ext4 -b 4096 -L "$label" -O '^orphan_file,^metadata_csum_seed' \\
        -E "offset=$offset,nodiscard" "$@" -d "$tree" "$image" "${kib}K"
}
"""
