"""Strong compression of the picture."""

from fractions import Fraction

import numpy as np

PLACE = 5
TITLE = "Compression"
MODALITY = "video"
UNIT = "rate factor"
SAID = "rate factor {:g}"
SENTENCE = "the pictures of a window, as the encoder reads them, through H.264 at so large a rate factor (51: the most)"
SEVERITIES = [35, 43, 51]
RANGE = (0, 51)


def degrade(pictures, severity, turn):
    """uint8 (frames, 3, height, width) as the encoder reads them; severity: x264's constant rate factor."""
    import av

    frames, _, height, width = pictures.shape
    even = np.pad(pictures, ((0, 0), (0, 0), (0, height % 2), (0, width % 2)), mode="edge").transpose(0, 2, 3, 1)
    writer = av.CodecContext.create("libx264", "w")
    writer.width, writer.height, writer.pix_fmt = even.shape[2], even.shape[1], "yuv420p"
    writer.time_base, writer.framerate, writer.thread_count = Fraction(1, 30), Fraction(30), 1
    writer.options = {"crf": str(severity), "preset": "veryfast", "bf": "0"}
    reader = av.CodecContext.create("h264", "r")
    reader.thread_count = 1
    converter, packets, seen = av.video.reformatter.VideoReformatter(), [], []
    for number, picture in enumerate(even):
        frame = converter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"), format="yuv420p", threads=1
        )
        frame.pts = number
        packets += writer.encode(frame)
    for packet in [*packets, *writer.encode(None), None]:
        seen += [converter.reformat(frame, format="rgb24", threads=1).to_ndarray() for frame in reader.decode(packet)]
    if len(seen) != frames:
        raise RuntimeError(f"H.264 gave {len(seen)} of {frames} pictures back")
    return np.ascontiguousarray(np.stack(seen)[:, :height, :width].transpose(0, 3, 1, 2))
