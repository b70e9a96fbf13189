#!/bin/sh
# What a person would write: one guest by hand, over one SSH connection to dom0.
# The disk it starts from lets our key in already; all else is as in the flight.
set -eu
# DOM0: the ssh command to dom0; GUEST: the ssh command to the guest, less its address.
lv=$VG/$NAME
$DOM0 lvcreate --yes -qq -s -kn -n "$NAME" "$VG/$ORIGIN"
trap '$DOM0 xl destroy "$NAME" 2>/dev/null; $DOM0 lvremove --yes -qq "$lv" 2>/dev/null' EXIT
$DOM0 "cat > /run/$NAME.cfg" <<X
name = "$NAME"
type = "pv"
memory = $MEMORY
vcpus = 1
kernel = "$KERNEL"
ramdisk = "$INITRD"
cmdline = "root=/dev/xvda1 ro console=hvc0"
disk = [ "format=raw,vdev=xvda1,access=rw,target=/dev/$lv" ]
vif = [ "mac=$MAC,bridge=$BRIDGE" ]
X
$DOM0 xl create -q "/run/$NAME.cfg"
address=
while [ -z "$address" ]; do
    address=$($DOM0 "awk '/$MAC/ {print \$3; exit}' $LEASES")
    [ -n "$address" ] || sleep 1
done
until $GUEST "root@$address" true 2>/dev/null; do sleep 1; done
$DOM0 xl destroy "$NAME"
$DOM0 lvremove --yes -qq "$lv"
$DOM0 rm "/run/$NAME.cfg"
trap - EXIT
