# Things of others that look like ours: laid out, looked at, and taken away again.
#
#   decoys.sh plant|state|remove VG POOL ALIVE
#
# ALIVE is the id of a flight whose lock somebody holds: what carries it is tagged as ours is,
# down to the last letter, and must stay all the same.
set -eu
do=$1 vg=$2 pool=$3 alive=$4

volumes="xf-0123456789ab-root xf-golden-0123456789abcdef xf-ba9876543210-root xfdecoy-disk
xfdecoy-swap xf-a11ve0000000-root"
domains="xf.decoy.012345678 xf-decoy.0123456789 XF.decoy.0123456789 xf.$alive.0123456789"
files=/tmp/xf-decoy
places="$files /run/xenflight/decoy /run/xenflight/flights/$alive /run/xenflight/flights.old/xf-dead
/var/lib/xenflight/builds/$alive /var/lib/xenflight/builds.old/xf-dead"
mount=/mnt/xf-decoy

# Tags of the volume $1, an option each.
tags_of() {
    case $1 in
    xf-ba9876543210-root)
        # All of ours but the one that makes a volume ours.
        echo "--addtag xenflight.role=scratch --addtag xenflight.run=xf-dead --addtag xenflight.job=x"
        ;;
    xf-a11ve0000000-root)
        echo "--addtag xenflight --addtag xenflight.role=scratch --addtag xenflight.run=$alive" \
            "--addtag xenflight.job=decoy"
        ;;
    xfdecoy-disk) echo "--addtag xenflight2 --addtag owner=xenflight" ;;
    esac
}

plant() {
    for volume in $volumes; do
        # shellcheck disable=SC2046
        lvcreate --yes --wipesignatures n --setactivationskip n --virtualsize 4m \
            --thinpool "$pool" --name "$volume" $(tags_of "$volume") "$vg" >/dev/null
        printf 'this is %s\n' "$volume" | dd of="/dev/$vg/$volume" conv=fsync status=none
    done
    for place in $places; do
        mkdir -p "$place"
        echo "this is $place" >"$place/decoy"
    done
    mkdir -p "$mount"
    mount -t tmpfs -o size=1m xf-decoy "$mount"
    truncate --size 1M "$files/loop"
    losetup --find "$files/loop"
    for domain in $domains; do
        # A kernel that is there anyway, and never runs.
        printf 'name="%s"\ntype="pv"\nkernel="/boot/vmlinuz-%s"\nmemory=128\non_crash="preserve"\n' \
            "$domain" "$(uname -r)" >"$files/$domain.cfg"
        xl create -p -q "$files/$domain.cfg" >/dev/null
    done
}

# One line for each, which stays the same to the letter as long as nobody touches it.
state() {
    for volume in $volumes; do
        lvs --noheadings --options lv_name,lv_uuid,lv_size,lv_attr,pool_lv,lv_tags \
            "$vg/$volume" 2>/dev/null | tr -s ' ' || echo " $volume is gone"
        head -c 64 "/dev/$vg/$volume" 2>/dev/null | sha256sum | sed "s|-|$volume|"
    done
    for domain in $domains; do
        xl list -v "$domain" 2>/dev/null | awk 'NR > 1 { print $1, $2, $3, $4, $5, $7 }' |
            grep . || echo "$domain is gone"
    done
    for place in $places; do
        find "$place" -type f -exec sha256sum {} + 2>/dev/null || echo "$place is gone"
    done
    grep "^xf-decoy $mount " /proc/mounts || echo "$mount is gone"
    losetup --noheadings --output BACK-FILE --associated "$files/loop" | grep . || echo "loop is gone"
}

remove() {
    for domain in $domains; do xl destroy "$domain" 2>/dev/null || :; done
    umount "$mount" 2>/dev/null || :
    for loop in $(losetup --noheadings --output NAME --associated "$files/loop"); do
        losetup --detach "$loop"
    done
    for volume in $volumes; do lvremove --yes --force "$vg/$volume" >/dev/null 2>&1 || :; done
    for place in $places; do rm -f "$place"/decoy; done
    rm -rf "$files" /run/xenflight/decoy /run/xenflight/flights.old /var/lib/xenflight/builds.old
    rmdir "$mount" "/run/xenflight/flights/$alive" "/var/lib/xenflight/builds/$alive" 2>/dev/null || :
}

"$do"
