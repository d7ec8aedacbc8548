"""What an encoder gets of a clip: the right frames, samples and words, random in training alone."""

import itertools

import numpy as np
import pytest
import torch
from transformers import ASTFeatureExtractor, BertTokenizer, Wav2Vec2FeatureExtractor
from transformers.models.videomae.image_processing_pil_videomae import VideoMAEImageProcessorPil

import release_tree
from emofuse.clips import video as clip_video
from emofuse.clips.files import manifest_path, read_manifests
from emofuse.corpora.iemocap import paths
from emofuse.encoders import inputs
from emofuse.encoders.inputs import AudioInputs, Collator, TextInputs, TurnDataset, VideoInputs, read_frames
from emofuse.media import reading as media
from emofuse.runtime.errors import EmofuseError

DIALOG = release_tree.DIALOGS[0]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The video clips of one dialog, and their manifest."""
    folder = tmp_path_factory.mktemp("tree")
    root = release_tree.make_release(folder / "release", [DIALOG])
    out, manifest = folder / "clips/video" / DIALOG, manifest_path(folder / "clips", "video", DIALOG)
    clip_video.cut_video(
        DIALOG, paths.label_path(root, DIALOG), paths.avi_path(root, DIALOG), out, manifest, "full", "error"
    )
    return folder / "clips", read_manifests([manifest])


def video(frames=4, stride=3, eval_windows=2, mirror=0.0, size=16):
    processor = VideoMAEImageProcessorPil(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}, do_center_crop=True
    )
    return VideoInputs(processor, frames, stride, eval_windows, mirror)


@pytest.fixture
def frame_numbers(monkeypatch):
    """Stands in for decoding: a picture is its own number."""
    monkeypatch.setattr(inputs, "read_frames", lambda path, wanted: list(wanted))
    monkeypatch.setattr(VideoInputs, "_resized", lambda self, picture: np.array(picture)[None, None, None])
    return lambda windows: [window.ravel().tolist() for window in windows]


@pytest.mark.parametrize(
    ("length", "eval_windows", "expected"),
    [
        (10, 2, [[0, 3, 6, 9]]),  # a window spans exactly ten frames
        (30, 2, [[0, 3, 6, 9], [20, 23, 26, 29]]),
        (30, 1, [[10, 13, 16, 19]]),
        (30, 3, [[0, 3, 6, 9], [10, 13, 16, 19], [20, 23, 26, 29]]),
        (7, 2, [[0, 3, 6, 6]]),  # the last frame again
        (1, 2, [[0, 0, 0, 0]]),
    ],
)
def test_windows_in_evaluation(frame_numbers, length, eval_windows, expected):
    assert frame_numbers(video(eval_windows=eval_windows).windows("x", length)) == expected


def test_windows_in_training_are_random_and_inside(frame_numbers):
    seen = {tuple(frame_numbers(video().windows("x", 14, np.random.default_rng(i)))[0]) for i in range(100)}
    assert seen == {tuple(range(start, start + 10, 3)) for start in range(5)}


def test_frames_read_are_the_ones_wanted(tree):
    folder, manifest = tree
    turn = next(iter(manifest))
    path = folder / "video" / DIALOG / f"{turn}.mp4"
    every = list(read_frames(path, range(int(manifest[turn]["frames"]))))
    some = list(read_frames(path, [1, 4, 5]))
    assert [np.array_equal(a, every[i]) for a, i in zip(some, [1, 4, 5], strict=True)] == [True] * 3
    with pytest.raises(EmofuseError, match="fewer frames than its manifest says"):
        list(read_frames(path, [10_000]))


def test_mirroring_turns_every_frame_of_a_window(tree):
    folder, manifest = tree
    turn = next(iter(manifest))
    path, length = folder / "video" / DIALOG / f"{turn}.mp4", int(manifest[turn]["frames"])
    plain, mirrored = (video(mirror=m).windows(path, length, np.random.default_rng(0))[0] for m in (0.0, 1.0))
    assert np.array_equal(plain[..., ::-1], mirrored) and not np.array_equal(plain, mirrored)


def test_pixels_are_what_the_processor_makes(tree):
    folder, manifest = tree
    turn = next(iter(manifest))
    path, length = folder / "video" / DIALOG / f"{turn}.mp4", int(manifest[turn]["frames"])
    reader = video(eval_windows=1)
    batch = reader.batch(reader.windows(path, length))["pixel_values"]
    assert batch.dtype == torch.uint8
    batch = reader.pixels(batch)
    start = (length - 10) // 2
    pictures = list(read_frames(path, range(start, start + 10, 3)))
    expected = reader.processor(pictures, return_tensors="np")["pixel_values"]
    np.testing.assert_allclose(batch.numpy(), expected, atol=1e-5)


def sound(path, samples):
    path.write_bytes(media.wav_bytes(samples))
    return path


def test_long_sound_is_sliced_so_that_all_of_it_is_heard(tmp_path):
    reader = AudioInputs(Wav2Vec2FeatureExtractor(), max_seconds=1)
    samples = np.arange(40_000).astype(np.int16)
    path = sound(tmp_path / "x.wav", samples)
    windows = [np.round(w * 32_768).astype(np.int64) for w in reader.windows(path, 40_000)]
    starts = [0, 12_000, 24_000]
    assert [w.tolist() for w in windows] == [samples[s : s + 16_000].astype(np.int64).tolist() for s in starts]
    drawn = [reader.windows(path, 40_000, np.random.default_rng(i)) for i in range(20)]
    assert {len(d) for d in drawn} == {1} and len({d[0][0] for d in drawn}) > 10
    assert {len(d[0]) for d in drawn} == {16_000}


def test_short_sound_is_one_window_and_never_too_short_for_an_encoder(tmp_path):
    reader = AudioInputs(Wav2Vec2FeatureExtractor(), max_seconds=1)
    windows = reader.windows(sound(tmp_path / "x.wav", np.full(9_000, 7, np.int16)), 9_000)
    assert [len(w) for w in windows] == [9_000]
    windows = reader.windows(sound(tmp_path / "y.wav", np.full(100, 7, np.int16)), 100)
    assert [len(w) for w in windows] == [4_000] and np.count_nonzero(windows[0]) == 100


def test_batches_of_sound_have_few_lengths_and_say_what_of_them_is_sound():
    reader = AudioInputs(Wav2Vec2FeatureExtractor(), max_seconds=10)
    rng = np.random.default_rng(0)
    for lengths, longest in (((4_000, 7_999), 8_000), ((8_000, 8_001), 16_000), ((160_000, 151_000), 160_000)):
        batch = reader.batch([rng.normal(size=n).astype(np.float32) for n in lengths])
        assert batch["input_values"].shape == batch["attention_mask"].shape == (2, longest)
        assert batch["attention_mask"].sum(1).tolist() == list(lengths)
        assert not batch["input_values"][batch["attention_mask"] == 0].any()


def test_random_choices_depend_on_seed_epoch_and_turn_alone(tmp_path):
    reader = AudioInputs(Wav2Vec2FeatureExtractor(), max_seconds=1)
    (tmp_path / "audio" / DIALOG).mkdir(parents=True)
    turns = [f"{DIALOG}_F{i:03d}" for i in range(3)]
    for turn in turns:
        sound(tmp_path / "audio" / DIALOG / f"{turn}.wav", np.arange(32_000).astype(np.int16))
    manifest = {turn: {"frames": "32000"} for turn in turns}

    def starts(seed, epoch):
        data = TurnDataset(reader, tmp_path, "audio", turns, manifest, np.zeros(3, np.int64), seed)
        return tuple(float(data[i, epoch]["windows"][0][0]) for i in (2, 0, 1))

    assert starts(0, 3) == starts(0, 3)
    assert len({start for seed, epoch in itertools.product((0, 1), (0, 1)) for start in starts(seed, epoch)}) == 12


def test_a_batch_tells_the_turn_of_each_window(tmp_path):
    reader = AudioInputs(Wav2Vec2FeatureExtractor(), max_seconds=1)
    items = [
        {"windows": reader.windows(sound(tmp_path / f"{n}.wav", np.ones(n, np.int16)), n), "label": i}
        for i, n in enumerate((8_000, 40_000, 16_000))
    ]
    batch = Collator(reader)(items)
    third = pytest.approx(1 / 3)
    assert batch["share"].tolist() == [[1, 0, 0, 0, 0], [0, third, third, third, 0], [0, 0, 0, 0, 1]]
    assert batch["lengths"] == [8_000, *[16_000] * 4] and batch["labels"].tolist() == [0, 1, 2]
    assert batch["inputs"]["attention_mask"].sum(1).tolist() == [8_000, 16_000, 16_000, 16_000, 16_000]


def test_spectrogram_windows_are_as_long_as_the_encoder_takes_and_no_longer(tmp_path):
    extractor = ASTFeatureExtractor(max_length=50)
    reader = AudioInputs(extractor, max_seconds=10)
    rng = np.random.default_rng(0)
    path = sound(tmp_path / "x.wav", rng.integers(-9_000, 9_000, 20_000).astype(np.int16))
    windows = reader.windows(path, 20_000)
    assert [len(w) for w in windows] == [8_240, 8_240, 8_240]  # 50 frames of 25 ms every 10 ms
    batch = reader.batch(windows)
    assert set(batch) == {"input_values"} and batch["input_values"].shape == (3, 50, 128)
    alone = extractor(windows[1], sampling_rate=16_000, return_tensors="pt")["input_values"][0]
    np.testing.assert_array_equal(batch["input_values"][1], alone)
    assert (batch["input_values"][0, -1] != batch["input_values"][0, 0]).any()  # the last frame is sound


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("[LAUGHTER], That's what they say.", "That's what they say."),
        ("Well [breathing] I   know.", "Well I know."),
        ("[GARBAGE]", ""),
        ("a [b c] d", "a [b c] d"),
    ],
)
def test_markers_are_kept_or_removed(tmp_path, words, kept):
    tokenizer = BertTokenizer(vocab={"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}, model_max_length=16)
    (tmp_path / "x.txt").write_text(words + "\n", encoding="utf-8")
    for markers, expected in (("keep", " ".join(words.split())), ("remove", kept)):
        reader = TextInputs(tokenizer, 512, markers)
        windows = reader.windows(tmp_path / "x.txt", len(words.split()))
        assert windows == [expected]
        assert reader.batch(windows)["input_ids"].shape[1] >= 2  # the special tokens at least
