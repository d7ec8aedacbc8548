"""Tells how long a medium is, without decoding it."""

import av


def seconds_of(path):
    """The length in seconds that a file's header states; None where it states none, or the file cannot be opened."""
    try:
        with av.open(str(path)) as container:
            return None if container.duration is None else container.duration / av.time_base
    except (av.FFmpegError, OSError, ValueError):
        return None
