"""Makes small copies of video clips for trainings, from which any frame is read without the ones before it."""

import io
from pathlib import Path

import av
import numpy as np
from PIL import Image

from emofuse.clips.files import COLUMNS, clear, clip_path, require_whole_clips, save_clip
from emofuse.media.frames import read_frames
from emofuse.runtime import store

# Of 135 frames of 360x480 with a camera's noise, made 224 pixels wide; a window is 16 frames, read on one core, CPU-ms
# beside the 86 ms from the full-size clip; PSNR of what the encoder gets against that:
# MJPEG q 2: 6.0 kB a frame, 7.4 ms, 40.1 dB; q 4: 4.1 kB, 6.6 ms, 38.6 dB; H.264 of key frames alone, ultrafast, crf 17:
# 3.8 kB, 9.6 ms, 39.9 dB; crf 12: 5.5 kB, 14.9 ms, 41.1 dB.
MJPEG = {"qmin": "2", "qmax": "2", "huffman": "optimal", "threads": "1"}


def shrink_clips(clips, manifest_path, size, out_dir, out_manifest):
    """Write `<out_dir>/<turn>.mp4`, every frame a JPEG, for each turn that has a clip under `clips`, and their manifest.

    size: pixels of the shorter side; a clip that is no larger keeps its size. Resized as Transformers' image processors do,
    by Pillow's bilinear filter. Raises EmofuseError where a clip is not as it was cut.
    """
    rows = store.read_tsv(manifest_path)
    Path(out_manifest).unlink(missing_ok=True)
    clear(out_dir, ".mp4")
    Path(out_dir).mkdir(parents=True, exist_ok=True)
    there = [row for row in rows if row["status"] == "ok"]
    require_whole_clips(clips, "video", [row["turn"] for row in there], {row["turn"]: row for row in there})
    for row in there:
        frames = int(row["frames"])
        data = encode(read_frames(clip_path(clips, "video", row["turn"]), range(frames)), size)
        row |= save_clip(Path(out_dir) / f"{row['turn']}.mp4", data)
    store.write_tsv(out_manifest, rows, COLUMNS)


def encode(pictures, size):
    """The mp4's bytes of some pictures, uint8 (height, width, 3) each. Each has a time of its own: frames are counted."""
    buffer, stream = io.BytesIO(), None
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        for picture in pictures:
            small = shrink(picture, size)
            if stream is None:
                stream = container.add_stream("mjpeg", rate=30, options=MJPEG)
                stream.height, stream.width, stream.pix_fmt = *small.shape[:2], "yuvj420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(small, format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def shrink(picture, size):
    """A picture, uint8 (height, width, 3), with `size` pixels on its shorter side, as image processors make it; itself where it
    is no larger."""
    height, width = picture.shape[:2]
    short = min(height, width)
    if short <= size:
        return picture
    made = (size, int(size * max(height, width) / short))
    return np.asarray(
        Image.fromarray(picture).resize(made if width <= height else made[::-1], Image.Resampling.BILINEAR)
    )
