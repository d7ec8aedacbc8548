"""A small file system of its own, in memory, for tests of full and read-only disks; Linux, and root alone may mount it."""

import subprocess
from contextlib import contextmanager

import pytest


@contextmanager
def small_disk(folder, size):
    """Mount a tmpfs of `size` (such as "1m") at `folder` within the block; skips the test where that is not possible."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True
        )
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder, options):
    """Change a mounted small disk: "size=64m", "ro"."""
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)
