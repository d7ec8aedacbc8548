"""Reads frames of clips by their numbers."""

from emofuse.runtime.errors import EmofuseError


def frame_rate(path):
    """Frames a second of a clip, float."""
    import av

    with av.open(str(path)) as container:
        return float(container.streams.video[0].average_rate)


def read_frames(path, wanted):
    """Yield the frames with the numbers `wanted` (ascending) of a clip, as RGB arrays uint8 (height, width, 3).

    Of a clip whose frames are all key frames no others are decoded; of another all up to the last one wanted.
    """
    import av  # here, for the benchmark of training runs where there is no PyAV

    wanted, found = list(wanted), 0
    # One for all frames: a conversion set up anew for each, on several threads, costs more than the decoding of a small one.
    converter = av.video.reformatter.VideoReformatter()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1  # the clips are small, and loader workers many
        frames = _key_frames(container, stream, wanted) if stream.codec_context.name == "mjpeg" else _all(container)
        for number, frame in frames:
            if number == wanted[found]:
                yield converter.reformat(frame, format="rgb24", threads=1).to_ndarray()
                found += 1
                if found == len(wanted):
                    return
    raise EmofuseError(
        f"{path} has fewer frames than its manifest says; delete it and run again, and its dialog is cut again."
    )


def _all(container):
    return enumerate(container.decode(video=0))


def _key_frames(container, stream, wanted):
    """Those that are wanted, decoded one by one."""
    those = set(wanted)
    for number, packet in enumerate(container.demux(stream)):
        if number in those and packet.size:
            yield from ((number, frame) for frame in packet.decode())
