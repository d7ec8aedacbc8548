"""Small copies of video clips: what is in them, and that an encoder gets what it would get of the clips themselves."""

import hashlib
import io

import av
import numpy as np
import pytest
from PIL import Image
from transformers.models.videomae.image_processing_pil_videomae import VideoMAEImageProcessorPil

from emofuse.clips.files import COLUMNS, clip_path
from emofuse.clips.small import shrink, shrink_clips
from emofuse.encoders.fitness import check_small
from emofuse.encoders.inputs import VideoInputs
from emofuse.media.frames import read_frames
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_tsv, write_tsv

DIALOG = "Ses01F_impro01"
TURNS = [f"{DIALOG}_F00{n}" for n in range(3)]
FRAMES = 40


def processor(size=64):
    return VideoMAEImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size})


def psnr(one, other):
    error = np.mean((np.asarray(one, float) - np.asarray(other, float)) ** 2)
    return 10 * np.log10(255**2 / error)


def encode(height, width, frames=FRAMES):
    """An mp4 as cutting makes them, of soft shapes that move."""
    rng, buffer = np.random.default_rng(0), io.BytesIO()
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize((width * 2, height), Image.BICUBIC)
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast", "crf": "17", "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for number in range(frames):
            picture = np.ascontiguousarray(np.asarray(coarse)[:, 3 * number : 3 * number + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(folder of clips, folder of their small copies, {turn: row of the copies' manifest}); the last turn has no clip."""
    root = tmp_path_factory.mktemp("clips")
    rows = []
    for turn, (height, width) in zip(TURNS, [(240, 180), (180, 240)], strict=False):
        path = clip_path(root / "full", "video", turn)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data := encode(height, width))
        rows.append((turn, "ok", len(data), FRAMES, hashlib.sha256(data).hexdigest(), "ends 0.1 s early"))
    rows.append((TURNS[2], "past_end", 0, 0, "", "begins after the last frame"))
    write_tsv(root / "full.tsv", [dict(zip(COLUMNS, row, strict=True)) for row in rows], COLUMNS)
    shrink_clips(root / "full", root / "full.tsv", 64, root / "small/video" / DIALOG, root / "small.tsv")
    return root / "full", root / "small", {row["turn"]: row for row in read_tsv(root / "small.tsv")}


def test_the_manifest_speaks_of_the_copies(made):
    _, small, rows = made
    assert list(rows) == TURNS and rows[TURNS[2]]["note"] == "begins after the last frame"
    for turn in TURNS[:2]:
        data = clip_path(small, "video", turn).read_bytes()
        assert rows[turn]["checksum"] == hashlib.sha256(data).hexdigest() and rows[turn]["bytes"] == str(len(data))
        assert rows[turn]["frames"] == str(FRAMES) and rows[turn]["note"] == "ends 0.1 s early"
    assert sorted(path.name for path in (small / "video" / DIALOG).iterdir()) == [f"{turn}.mp4" for turn in TURNS[:2]]


def test_each_frame_is_that_of_the_clip_alone_or_with_others(made):
    full, small, _ = made
    for turn, shape in zip(TURNS, [(85, 64, 3), (64, 85, 3)], strict=False):
        pictures = [shrink(picture, 64) for picture in read_frames(clip_path(full, "video", turn), range(FRAMES))]
        copies = list(read_frames(clip_path(small, "video", turn), range(FRAMES)))
        assert {picture.shape for picture in (*pictures, *copies)} == {shape}
        quality = [[psnr(copy, picture) for picture in pictures] for copy in copies]
        assert min(quality[n][n] for n in range(FRAMES)) > 30  # saturated colours, of which JPEG keeps every other
        assert [int(np.argmax(row)) for row in quality] == list(range(FRAMES))
        for wanted in ([0], [FRAMES - 1], [3, 17, 18]):
            some = list(read_frames(clip_path(small, "video", turn), wanted))
            assert all(np.array_equal(one, copies[n]) for one, n in zip(some, wanted, strict=True))


def test_a_clip_that_ends_early_is_refused(made):
    with pytest.raises(EmofuseError, match="fewer frames than its manifest says"):
        list(read_frames(clip_path(made[1], "video", TURNS[0]), [2, FRAMES]))


@pytest.mark.parametrize("turn", TURNS[:2])
@pytest.mark.parametrize("seed", [None, 0])
def test_an_encoder_gets_the_windows_of_the_clip(made, turn, seed):
    reader = VideoInputs(processor(), frames=8, stride=4, eval_windows=2, mirror=0.5)
    windows = [
        reader.windows(clip_path(folder, "video", turn), FRAMES, seed if seed is None else np.random.default_rng(seed))
        for folder in made[:2]
    ]
    assert [len(one) for one in windows] == [2 if seed is None else 1] * 2
    assert all(psnr(one, other) > 30 and one.shape == (8, 3, 64, 64) for one, other in zip(*windows, strict=True))


@pytest.mark.parametrize("shape", [(64, 64), (85, 64), (64, 86), (64, 200)])
def test_a_small_picture_is_cropped_as_its_processor_crops_it(shape):
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    made = processor()([picture], do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0, 0]
    reader = VideoInputs(processor(), frames=1, stride=1, eval_windows=1, mirror=0.0)
    assert np.array_equal(reader._resized(picture), made)


@pytest.mark.parametrize("shape", [(90, 67), (67, 90), (240, 320)])
def test_a_picture_is_shrunk_as_processors_resize_it(shape):
    picture = np.random.default_rng(2).integers(0, 256, (*shape, 3), np.uint8)
    resize = VideoMAEImageProcessorPil(size={"shortest_edge": 64}, do_center_crop=False)
    made = resize([picture], do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0, 0]
    assert np.array_equal(shrink(picture, 64).transpose(2, 0, 1), made)
    assert shrink(picture, 400) is picture


def test_a_clip_with_other_bytes_is_refused_and_leaves_no_manifest(made, tmp_path):
    path = clip_path(tmp_path / "full", "video", TURNS[0])
    path.parent.mkdir(parents=True)
    path.write_bytes(b"other bytes")
    row = dict(zip(COLUMNS, (TURNS[0], "ok", 1, FRAMES, "0" * 64, ""), strict=True))
    write_tsv(tmp_path / "full.tsv", [row], COLUMNS)
    with pytest.raises(EmofuseError, match=r"Ses01F_impro01_F000.mp4 \(damaged\)"):
        shrink_clips(tmp_path / "full", tmp_path / "full.tsv", 64, tmp_path / "out", tmp_path / "out.tsv")
    assert not (tmp_path / "out.tsv").exists()


def test_copies_that_are_too_small_for_an_encoder_are_refused():
    reader = VideoInputs(processor(224), frames=16, stride=4, eval_windows=2, mirror=0.5)
    for small in (224, 300, None):
        check_small(reader, small, "encoders.video.videomae")
    with pytest.raises(EmofuseError, match=r"videomae: it takes pictures of 224 pixels, and clips.small is 112; set"):
        check_small(reader, 112, "encoders.video.videomae")
