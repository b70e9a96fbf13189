"""The shell scripts that tell what jobs have claimed, and that admit a job.

They are for any POSIX shell with util-linux's flock and coreutils; `harness.host.roomlook` and
`harness.host.admission` say what for. A claim is the third line of a slot's record, under the
lease's token: it is gone when the slot is given back, and is nobody's when its holder died.
"""

from __future__ import annotations

from harness.host.slotshell import DRAINED, TELL

# The last command of a holder that died may be making a domain just now: it holds the record's
# lock (harness.host.fence), so its claim counts until it has ended.
FACTS = f"""\
{TELL}
claims() {{
    for lock in [0-9]*.lock; do
        slot_of=${{lock%.lock}}
        [ -s "$slot_of" ] || continue
        if flock --shared --nonblock "$lock" true && flock --nonblock "$slot_of" true; then
            continue
        fi
        tell "$slot_of"
        want=$(sed -n 3p "$slot_of")
        [ -z "$want" ] || printf 'want %s %s\\n' "$slot_of" "$want"
    done
}}
facts() {{
    claims
    sh -c "$look" | sed 's/^/| /'
    echo looked
}}
"""
"""Shell: ``facts`` says all that `harness.host.roomlook` reads. $look is what asks the host."""

FIND = f"""\
look=$2
{FACTS}
if cd "$1" 2>/dev/null; then facts; else cd / && facts; fi
"""

# Descriptors: 9 the lock of those who want to be admitted, one after the other; 7 the record of our
# slot. What is asked of the host does not inherit the first: LVM complains, and xl may stay.
# Whoever is first has its slot in the file, for those behind it to tell.
ADMIT = f"""\
umask 022
cd "$1"
slot=$2 token=$3 patience=$4 silence=$5 drain_file=$6 look=$7
{DRAINED}
{FACTS}
exec 9>>admission
if ! flock --nonblock 9; then
    (exec 9>&-; claims)
    printf 'behind %s\\n' "$(cat admission)"
    flock --wait "$patience" 9 || {{ echo late; exit 0; }}
fi
echo "$slot" >admission
echo first
while :; do
    end_if_drained
    (exec 9>&-; facts)
    answer=$(timeout "$silence" dd bs=1 count=1 2>/dev/null 9>&-) || exit 1
    case $answer in
    n) ;;
    y) break ;;
    *) exit 1 ;;
    esac
done
want=$(timeout "$silence" head -n 1 9>&-)
exec 7<"$slot"
flock --shared 7
if read -r now rest <"$slot" && [ "$now" = "$token" ]; then
    printf '%s\\n' "$want" >>"$slot"
    echo admitted
else
    echo lost
fi
"""
