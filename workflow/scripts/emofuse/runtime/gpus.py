"""Leases each job of a workstation a GPU, or a share of one, by a file lock that the kernel drops when the job ends."""

import fcntl
import os
import re
import struct
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from emofuse.runtime.errors import EmofuseError

# One folder for all jobs and users of a machine, so not TMPDIR, which each shell may set as it likes, and not results/, which
# may be on a disk of several machines. Nobody can take away another's file there.
LOCKS = "/tmp"


def lease_gpu(wanted, gpus=None, folder=LOCKS, pause=5.0, jobs=1):
    """Lease one of the machine's GPUs for as long as this process lives: CUDA_VISIBLE_DEVICES names it alone.

    wanted: the config's `auto | cuda | cpu`. gpus: names as CUDA_VISIBLE_DEVICES takes them, or None for all that there
    are. folder: where the lock files are. jobs: how many may hold one GPU at a time; of several GPUs the one that the fewest
    hold is taken. While all are taken it tries again every `pause` seconds, and the log says so.
    To be called before CUDA starts. Does nothing for `cpu`, without a GPU, and where CUDA_VISIBLE_DEVICES is set, for
    then a cluster or the user has decided. Raises EmofuseError if a lock file cannot be used.
    """
    if wanted == "cpu" or "CUDA_VISIBLE_DEVICES" in os.environ:
        return
    gpus = list_gpus() if gpus is None else gpus
    if not gpus:
        return
    began, gpu = time.monotonic(), _lease(gpus, jobs, folder)
    waits = gpu is None
    if waits:
        print(
            f"{time.strftime('%H:%M:%S')}: other jobs hold {'the lease' if jobs == 1 else f'all {jobs} leases'} of every GPU"
            f" ({len(gpus)}); waiting for one to end."
            " `--resources gpu=N` sets how many GPU jobs one Snakemake runs at a time."
        )
    while gpu is None:
        time.sleep(pause)
        gpu = _lease(gpus, jobs, folder)
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    if waits:
        print(f"leased {gpu} after {time.monotonic() - began:.0f} s")


def list_gpus():
    """UUIDs of this machine's GPUs, of a divided one those of its MIG instances; empty if nvidia-smi is missing or fails.

    It sees what CUDA would see, in a container too (/proc/driver/nvidia may list all of the host's), and CUDA is not
    started. UUIDs, because CUDA may count in another order, and has no numbers for MIG instances.
    """
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    except OSError:
        return []
    except subprocess.TimeoutExpired:
        print("nvidia-smi has not answered for a minute; no GPU is leased")
        return []
    if done.returncode:
        print(f"nvidia-smi fails, so no GPU is leased: {done.stdout}{done.stderr}".strip())
        return []
    gpus = []
    for kind, uuid in re.findall(r"^\s*(GPU|MIG) .*\(UUID: (\S+)\)", done.stdout, re.MULTILINE):
        if kind == "MIG" and gpus[-1].startswith("GPU-"):
            gpus.pop()  # a line of instances follows that of their GPU, which CUDA cannot use as a whole any more
        gpus.append(uuid)
    return gpus


def _lease(gpus, jobs, folder):
    """The GPU, one of the emptiest, of which this process could lock a slot; None where all slots are locked."""
    slots = {gpu: [_slot(folder, gpu, number) for number in range(jobs)] for gpu in gpus}
    while True:
        free = {gpu: [path for path in paths if _is_free(path)] for gpu, paths in slots.items()}
        emptiest = max(gpus, key=lambda gpu: len(free[gpu]))
        if not free[emptiest]:
            return None
        if _lock(free[emptiest][0]):  # else another job was faster: look again
            return emptiest


def _slot(folder, gpu, number):
    """The lock file of a GPU's slot. The first is called as if there were no others, for runs that know only one."""
    return Path(folder) / f"emofuse-{gpu.replace('/', '-')}{f'.{number}' if number else ''}.lock"


def _is_free(path):
    """Whether no other process holds the lock of the file, without taking it. A file that cannot be used counts as free, for
    taking its lock then tells why."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return True
    try:  # Linux's struct flock: type, whence, start, length, pid
        asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        return struct.unpack("hhqqi4x", fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))[0] == fcntl.F_UNLCK
    finally:
        os.close(descriptor)


def _lock(path):
    """Whether this process could take the lock of the file; it then holds it until it ends, killed or not.

    A record lock (lockf) and not flock: that would live on in loader workers, forked with the descriptor, after their parent
    was killed. A record lock goes when its process closes the file; so nothing closes it, and nobody else opens it.
    """
    try:
        _create(path)
        # Without O_CREAT, for in a sticky folder Linux may refuse it on a file of another user. Nothing is written, and
        # no link is followed: what another user has put there cannot lead to a file of ours.
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.utime(descriptor)  # what cleans /tmp removes files that were not touched for days
    except OSError as error:
        raise EmofuseError(
            f"{path}: jobs lease GPUs by this lock file, which cannot be used ({error.strerror}); make its folder"
            " writable or have its owner remove it, or choose a GPU for all jobs: CUDA_VISIBLE_DEVICES=0 snakemake ..."
        ) from None
    return True


def _create(path):
    """Make the lock file unless it is there; every user may lock it, for they share the GPUs too."""
    mask = os.umask(0)
    try:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    finally:
        os.umask(mask)
