"""The shell scripts that take a slot of a host, and that tell who holds which.

They are for any POSIX shell with util-linux's flock and coreutils; `harness.host.lease` and
`harness.host.slots` say what for.
"""

from __future__ import annotations

TELL = """\
tell() {
    if { read -r token since && IFS= read -r who; } <"$1"; then
        printf 'held %s %s %s %s\\n' "$1" "$token" "$since" "$who"
    else
        printf 'held %s\\n' "$1"
    fi
} 2>/dev/null
"""
"""Shell: say what is known of the holder of slot $1, as `parse_holder` reads it."""

DRAINED = """\
end_if_drained() {
    [ ! -s "$drain_file" ] || { printf 'drained %s\\n' "$(cat "$drain_file")"; exit 0; }
}
"""
"""Shell: say so and end when no job may begin on the host, whose file for that is $drain_file."""

READ = f"""\
{TELL}
[ ! -s "$2" ] || printf 'drained %s\\n' "$(cat "$2")"
cd "$1" 2>/dev/null || exit 0
for lock in [0-9]*.lock; do
    [ -e "$lock" ] || continue
    flock --shared --nonblock "$lock" true || tell "${{lock%.lock}}"
done
"""

# Descriptors: 7 the slot's record, 8 its lock, 9 the gate, at which those who wait stand in line.
# The child that listens does not inherit the lock, which would outlive this shell. Uptime and not
# the time of day, which a resumed testbox sets right by hours. While it waits, and before it takes
# anything, the shell goes on talking, so that it ends when there is nobody to hear it.
TAKE = f"""\
umask 022
mkdir -p "$1"
cd "$1"
slots=$2 patience=$3 drain_file=$4 claim=$5 silence=$6 settle=$7 poll=$8
{TELL}
holders() {{
    for record in $(seq "$slots"); do
        [ ! -s "$record" ] || tell "$record"
    done
}}
uptime() {{
    read -r up rest </proc/uptime
    up=${{up%.*}}
}}
{DRAINED}
find_free() {{
    for slot in $(seq "$slots"); do
        exec 8>>"$slot.lock"
        ! flock --nonblock 8 || return 0
    done
    return 1
}}
end_if_drained
uptime
end=$((up + patience + 1))
exec 9>>gate
if ! flock --nonblock 9; then
    holders
    echo busy
    flock --wait "$patience" 9 || {{ holders; echo starved; exit 0; }}
fi
said=none turn=0
while end_if_drained; ! find_free; do
    uptime
    seen=$(holders)
    [ "$up" -lt "$end" ] || {{ printf '%s\\n' "$seen"; echo starved; exit 0; }}
    # Whoever looks whether a slot is free holds it for a moment: not worth a word.
    if [ "$turn" -gt 0 ] && [ "$seen" != "$said" ]; then
        printf '%s\\nbusy\\n' "$seen"
        said=$seen
    else
        echo wait
    fi
    slot=$((turn % slots + 1)) turn=$((turn + 1))
    exec 8>>"$slot.lock"
    ! flock --wait "$poll" 8 9>&- || break
done
end_if_drained
echo next
token=0
[ ! -s token ] || read -r token <token
token=$((token + 1))
echo "$token" >token.new
mv token.new token
exec 9>&-
exec 7>>"$slot"
flock --wait "$settle" 7 || {{ echo "stuck $slot"; exit 0; }}
[ ! -s "$slot" ] || (tell "$slot" | sed 's/^held/left/')
printf '%s %s\\n%s\\n' "$token" "$(date +%s)" "$claim" >"$slot"
exec 7>&-
echo "lease $slot $token"
while heard=$(timeout "$silence" dd bs=1 count=1 2>/dev/null 8>&-); do
    case $heard in
    .) ;;
    q) : >"$slot"; exit 0 ;;
    *) exit 1 ;;
    esac
done
"""
