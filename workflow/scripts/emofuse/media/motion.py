"""Reads how a picture moves from the motion vectors that an encoder of H.264 left in a clip."""

import av
import numpy as np
from av.codec.context import Flags2

from emofuse.runtime.errors import EmofuseError

CELLS = 8  # of the grid, either way
WIDTH = 2 * CELLS * CELLS


def motion_on_grid(path, frames):
    """float32 (frames, 128): how far each of 8 x 8 cells of the picture moved since the frame before, in pixels.

    First dx of the cells, row by row from the top left, right being positive; then dy, down being positive. A cell's motion is
    the mean over the blocks whose middle lies in it, by their area; 0 where it has none, as in the first frame. Clips as they
    are cut refer to no frame but the one before. Raises EmofuseError unless the clip has so many frames.
    """
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1  # clips are read side by side
        stream.codec_context.flags2 |= Flags2.export_mvs
        size = stream.width, stream.height
        for frame in container.decode(stream):
            vectors = frame.side_data.get("MOTION_VECTORS")
            found.append(np.zeros(WIDTH) if vectors is None else _on_grid(vectors.to_ndarray(), *size))
    if len(found) != frames:
        raise EmofuseError(
            f"{path} has {len(found)} frames, and its manifest says {frames}; delete it and run again, and its dialog is cut"
            " again."
        )
    return np.array(found, np.float32)


def _on_grid(vectors, width, height):
    """(128,) of FFmpeg's motion vectors, which say from where, in the frame referred to, a block was taken."""
    middles = (vectors[f"dst_{axis}"].astype(int) * CELLS // size for axis, size in (("x", width), ("y", height)))
    column, row = (np.clip(middle, 0, CELLS - 1) for middle in middles)
    cell, area = CELLS * row + column, vectors["w"].astype(float) * vectors["h"]
    total = np.maximum(np.bincount(cell, area, CELLS * CELLS), 1)
    moved = [-vectors[f"motion_{axis}"] / vectors["motion_scale"] for axis in "xy"]
    return np.concatenate([np.bincount(cell, area * by, CELLS * CELLS) / total for by in moved])
