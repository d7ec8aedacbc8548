#!/bin/sh
# Installs SLURM and munge from Debian, or Ubuntu, where they are missing; only root can.
PATH="$PATH:/usr/sbin" # the daemons' place, which only root has on its PATH

all_there() {
    for tool in munged slurmctld slurmd sbatch srun; do
        command -v "$tool" >/dev/null || return
    done
}

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 "$@" >/dev/null
}

all_there && exit
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "make test-slurm needs SLURM and munge. On Debian and Ubuntu have root run apt-get install slurm-wlm munge, or run this as root." >&2
    exit 1
fi
for pause in 10 30 0; do # a mirror may fail once
    apt update
    apt install --no-install-recommends slurm-wlm munge
    all_there && exit # whatever apt-get says of services that do not start here
    sleep "$pause"
done
echo "SLURM could not be installed; apt-get says above why." >&2
exit 1
