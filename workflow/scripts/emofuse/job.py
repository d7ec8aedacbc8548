"""Runs a script's one call: output into the job's log, a user's mistake as a plain message, any failure as exit code 1."""

import faulthandler
import os
import sys
import traceback
import warnings
from contextlib import contextmanager

from emofuse.errors import EmofuseError


@contextmanager
def job(log):
    """Send all that the job prints (Python, C libraries and child processes alike) into the file `log`.

    Yields a text stream that still reaches the terminal, for the few jobs that have something to say there. An
    EmofuseError becomes its message, any other exception its traceback, both in the log, and the process ends with 1.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    terminal = os.fdopen(os.dup(1), "w", encoding="utf-8")
    descriptor = os.open(str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout.reconfigure(line_buffering=True)
    faulthandler.enable()
    warnings.simplefilter("default")
    try:
        with terminal:
            yield terminal
    except EmofuseError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except Exception:
        traceback.print_exc()
        sys.exit(1)
