"""Files of dom0's own disk that a domain has for a while: made only where there is room."""

from __future__ import annotations

NO_ROOM = 87
"""Exit status of what was not begun; chosen by us."""
# The file is there before the toolstack opens it, since another guest's teardown removes their
# common directory once that is empty.
ROOM_FOR = f"""
room_for() {{
    umask 077
    tries=0
    until mkdir -p "${{1%/*}}" && : >"$1"; do
        tries=$((tries + 1)); [ $tries -lt 5 ] || exit 1
    done 2>/dev/null
    free=$(df -Pm "${{1%/*}}" | {{ read -r _; read -r _ _ _ free _; echo "$free"; }})
    if [ "$free" -lt "$2" ]; then
        rm -f "$1"; rmdir "${{1%/*}}" 2>/dev/null || :
        echo "No space left on device: ${{1%/*}} has $free MiB, and $2 are needed" >&2
        exit {NO_ROOM}
    fi
}}
"""
"""Shell: ``room_for FILE MIB`` makes an empty file, or ends the script with `NO_ROOM`."""
FORGET_FILES = 'rm -f "$@"; rmdir "${1%/*}" 2>/dev/null || :'
"""Shell: removes files, and the directory of the first if that is empty then."""
