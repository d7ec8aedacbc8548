"""Says in plain words that a job failed because of a disk: full, over its quota, read-only, failing, another user's."""

import errno
import os
import shutil
import tempfile
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from emofuse.runtime.errors import EmofuseError, first_line, listing

# What is wrong, and what to do about it.
FAULTS = {
    errno.ENOSPC: ("a disk is full", "Make space"),
    errno.EDQUOT: ("a disk quota is used up", "Make space, or have the quota raised"),
    errno.EROFS: ("a file system is read-only", "Make it writable (mount it anew)"),
    errno.EACCES: ("a file or folder is another user's and not shared", "Have its owner give you access (chmod g+rwX)"),
    errno.EPERM: ("a file or folder is another user's and not shared", "Have its owner give you access (chmod g+rwX)"),
    errno.EIO: ("a disk, or the network to it, fails", "Mend it"),
    errno.ESTALE: ("the network to a disk has failed", "Mount it anew"),
}

# What an OSError may say of a file that is not there or is damaged: such as mapping an empty one.
NO_FAULT = {None, errno.ENOENT, errno.EINVAL, errno.EISDIR, errno.ENOTDIR}


def disk_fault(error, folder):
    """A message for an exception that comes of such a disk; None for any other. `folder`: where the job writes."""
    number = _fault(error)
    if number is None:
        return None
    what, remedy = FAULTS[number]
    free = [
        f"{place}: {shutil.disk_usage(place).free // 2**20} MB free"
        for place in dict.fromkeys([os.path.abspath(folder), tempfile.gettempdir()])
    ]
    return (
        f"{what} ({error}).\n{'; '.join(free)}.\n{remedy} and run the same command again: what is done stays, and a training"
        " goes on after the last epoch that it saved."
    )


def read_fault(error):
    """Why a file cannot be read now, though it may be whole, and what to do; None for an exception that says neither."""
    number = _fault(error)
    what, remedy = FAULTS.get(number, (None, "Mend it"))
    while what is None and error is not None:
        if isinstance(error, OSError) and error.errno not in NO_FAULT:
            what = os.strerror(error.errno)
        else:
            error = error.__cause__ or error.__context__
    return what and f"{what} ({first_line(error)}).\n{remedy} and run the same command again; delete nothing."


def require_writable(folder):
    """Raise EmofuseError where the folder, or the one that it will be made in, cannot be written to."""
    place = next(path for path in [Path(folder).absolute(), *Path(folder).absolute().parents] if path.exists())
    if not os.access(place, os.W_OK):
        raise EmofuseError(
            f"{place} cannot be written to: its file system is read-only, or it belongs to another user. Make it writable, or"
            " start in another copy of the project, and run the same command again."
        )


def refuse_future(paths, slack=60):
    """Raise EmofuseError where files are dated in the future, by more than `slack` seconds.

    Snakemake takes what is made from them for older than they are, and refuses it only after each job has run.
    """
    now, late = time.time(), []
    for path in paths:
        with suppress(OSError):  # what is missing is told elsewhere
            if (seconds := os.stat(path).st_mtime) > now + slack:
                late.append(f"{path} ({datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M})")
    if late:
        raise EmofuseError(
            f"Files dated in the future: {len(late)}; this machine's clock says {datetime.fromtimestamp(now):%Y-%m-%d %H:%M}."
            " All that is made from them would count as outdated. Set the clock, or give them a present time: find FOLDER"
            f" -newermt now -exec touch {{}} +\n{listing(late)}"
        )


def _fault(error):
    """The key of FAULTS that an exception, or one that led to it, speaks of.

    By its text, for what writes Parquet, safetensors and tokenizers raises exceptions of its own kinds, without a number.
    PyTorch's writer says only that it is at another position than it should be.
    """
    while error is not None:
        for number in FAULTS:
            if os.strerror(number) in str(error):
                return number
        if "inline_container" in str(error) and "unexpected pos" in str(error):
            return errno.ENOSPC
        error = error.__cause__ or error.__context__
    return None
