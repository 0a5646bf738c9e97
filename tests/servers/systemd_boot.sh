#!/bin/bash
# Starts systemd as the first process of the namespaces that tests/servers/systemd.py made for it.
# Its tree is the host's below a tmpfs: what it writes is gone with it. Its network is its caller's.
#   systemd_boot.sh FOLDER FILES [FROM TO]...: FILES is copied over the tree; each folder FROM is bound to TO in it.
set -e
folder=$1 files=$2
shift 2
mount --make-rprivate /
mount -t tmpfs -o mode=755 duckwatch-test "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/tree"
mount -t overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" duckwatch-test "$folder/tree"
cd "$folder/tree"
while [ $# -gt 0 ]; do
    mkdir -p ".$2"
    mount --bind "$1" ".$2"
    mount -o remount,bind,ro ".$2" # pip, run inside, must not change the packages of the tests
    shift 2
done
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys # the kernel's settings are the host's
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=755 dev dev
mkdir dev/shm dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
for device in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
    read -r name major minor <<<"$device"
    mknod -m 666 "dev/$name" c "$major" "$minor"
done
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
: >etc/fstab
rm -rf {lib,etc}/systemd/system/*.{wants,requires} # no service of the host starts
cp -r "$files/." .
pivot_root . mnt
umount --lazy /mnt
mount --make-rshared / # what a service mounts for another, its credentials, reaches it
exec env -i container=duckwatch-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=duckwatch-test.target --show-status=no
