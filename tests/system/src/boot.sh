# boot.sh LOWER WORK NAME NAMESPACE [ARGUMENT of systemd-nspawn...]
# Boots a machine over the Debian root LOWER, with the files in WORK/seed, in a mount namespace that nothing else sees: what it
# mounts is gone with its last process. `reboot` inside boots it again, `poweroff` ends it.
set -eu
lower=$1 work=$2 name=$3 namespace=$4
shift 4

# systemd wants cgroup2 alone; the tree that this machine has there may be another one.
umount -R -l /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$name"
echo 0 >"/sys/fs/cgroup/$name/cgroup.procs"

# In memory: it needs no disk that takes overlays, and leaves nothing on one.
mount -t tmpfs -o mode=755 none "$work/machine"
mkdir "$work"/machine/{upper,work,root}
cp -a "$work/seed/." "$work/machine/upper/"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$work/machine/upper,workdir=$work/machine/work" "$work/machine/root"

while :; do
  status=0
  systemd-nspawn --quiet --register=no --keep-unit --directory="$work/machine/root" --boot --machine="$name" --console=pipe \
    --network-namespace-path="/run/netns/$namespace" "$@" || status=$?
  # What it ends with when it is to boot again.
  [ "$status" = 133 ] || exit "$status"
done
