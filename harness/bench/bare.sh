#!/bin/sh
# What a person would write: one guest by hand, over one SSH connection to dom0.
# The disk it starts from lets our key in already; all else is as in the flight.
set -eu
dom0() { ssh -F "$SSH_CONFIG" dom0 PATH=/usr/sbin:/usr/bin "$@"; }
guest() { ssh -F "$SSH_CONFIG" "$address" "$@"; }
config=/run/xenflight/$DOMAIN.cfg

dom0 lvcreate --yes -qq -s -kn --permission rw -n "$VOLUME" "$VG/$ORIGIN"
dom0 "cat > $config" <<X
name = "$DOMAIN"
type = "pv"
memory = $MEMORY
vcpus = 1
kernel = "$KERNEL"
ramdisk = "$INITRD"
cmdline = "root=/dev/xvda1 ro console=hvc0"
disk = [ "format=raw,vdev=xvda1,access=rw,target=/dev/$VG/$VOLUME" ]
vif = [ "mac=$MAC,bridge=$BRIDGE" ]
X
dom0 xl create -q "$config"
address=
for try in $(seq 300); do
    address=$(dom0 "awk '/$MAC/ {print \$3; exit}' $LEASES")
    [ -z "$address" ] || break
    sleep 1
done
[ -n "$address" ] || { echo "the guest got no address" >&2; exit 1; }
for try in $(seq 60); do
    if guest true 2>/dev/null; then break; fi
    [ "$try" -lt 60 ] || { echo "no SSH to the guest at $address" >&2; exit 1; }
    sleep 1
done
dom0 xl destroy "$DOMAIN"
dom0 lvremove --yes -qq "$VG/$VOLUME"
dom0 rm "$config"
