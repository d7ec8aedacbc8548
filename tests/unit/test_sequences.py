"""What is stored before pooling: real positions alone, each moment once, written and read by the row group."""

from types import SimpleNamespace

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from emofuse.clips.files import read_manifests
from emofuse.demo.encoders import write_encoder
from emofuse.encoders.architectures import build
from emofuse.encoders.inference import apply
from emofuse.encoders.inputs import AudioInputs, TurnDataset, VideoInputs, make_inputs
from emofuse.encoders.model import EmotionClassifier
from emofuse.encoders.sequences import Sequences, Steps, keeping, writing
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata

RATE = 16_000
RNG = np.random.default_rng(0)


def test_written_and_read_again_by_the_row_group(tmp_path):
    turns = {f"turn{n}": RNG.standard_normal((n % 7 + 1, 5)).astype(np.float32) for n in range(230)}
    with writing(tmp_path / "s.parquet", {"encoder": "x"}, 5) as write:
        for number, (turn, states) in enumerate(turns.items()):
            write(turn, states, None if number % 2 else np.arange(len(states), dtype=np.float32))
    assert [pq.ParquetFile(tmp_path / "s.parquet").metadata.row_group(i).num_rows for i in range(3)] == [100, 100, 30]
    assert read_metadata(tmp_path / "s.parquet") == {"encoder": "x", "width": "5"}
    found = Sequences(tmp_path / "s.parquet")
    assert found.turns == list(turns) and found.width == 5
    for number, (turn, states, seconds) in enumerate(found):
        assert (turn, states.dtype) == (list(turns)[number], np.float32)
        np.testing.assert_array_equal(states, turns[turn].astype(np.float16))
        assert (seconds is None) == bool(number % 2) and (seconds is None or len(seconds) == len(states))
    assert [turn for turn, _, _ in found.group(2)] == list(turns)[200:]


def test_numbers_that_float16_does_not_hold_are_refused_and_leave_no_file(tmp_path):
    with pytest.raises(EmofuseError, match=r"turn0: its states go up to 1e\+05"):  # noqa: SIM117
        with writing(tmp_path / "s.parquet", {}, 1) as write:
            write("turn0", np.array([[1e5]]), None)
    assert not list(tmp_path.iterdir())


def sound(most, **config):
    inputs = AudioInputs(SimpleNamespace(), most)
    return Steps("audio", {"rate": 10}, inputs, SimpleNamespace(**config))


def test_a_moment_in_two_slices_counts_once():
    """Slices of a second, of a turn of 2.5 s: each position holds the time that it stands for."""
    steps = sound(1.0)
    starts = steps.inputs.starts(40_000)
    assert starts.tolist() == [0, 12_000, 24_000]
    positions = (np.arange(50) + 0.5) / 50
    states = np.stack([start / RATE + positions for start in starts])[..., None]
    made, seconds = steps(None, 40_000, states, np.ones((3, 50)))
    np.testing.assert_allclose(seconds, np.arange(25) / 10 + 0.05, rtol=1e-6)
    np.testing.assert_allclose(made[:, 0], seconds, atol=0.02)  # each mean lies in the middle of its tenth of a second


def test_padding_of_a_batch_and_silence_after_a_short_turn_are_left_out():
    steps = sound(10.0)
    states = np.arange(20.0)[None, :, None]
    real = np.array([[1] * 12 + [0] * 8])  # 12 frames of the quarter of a second that a shorter turn is filled up to
    made, seconds = steps(None, 3_200, states, real)
    np.testing.assert_allclose(seconds, [0.05, 0.15])
    # A frame stands for 333 samples: of 3,200 the first five lie in one tenth of a second, the next five in the other.
    np.testing.assert_allclose(made[:, 0], [2, 7])


def test_patches_of_a_spectrogram_are_averaged_over_frequencies():
    steps = sound(10.0, frequency_stride=10, time_stride=10, patch_size=16, num_mel_bins=36, max_length=1024)
    high, wide = steps.inputs.patches(steps.config)
    assert (high, wide) == (3, 101)
    grid = np.add.outer([-5.0, 0.0, 5.0], (10 * np.arange(wide) + 8) / 100)  # the middle of each patch, in seconds
    states = np.concatenate([[99.0, 99.0], grid.ravel()])[None, :, None]  # two start tokens come first
    made, seconds = steps(None, 2 * RATE, states, None)
    assert len(made) == 20  # those of the silence that the spectrogram is filled up with are not there
    np.testing.assert_allclose(made[:, 0], seconds, atol=0.05)


def test_a_turn_shorter_than_a_patch_has_a_step():
    steps = sound(10.0, frequency_stride=10, time_stride=10, patch_size=16, num_mel_bins=16, max_length=1024)
    made, seconds = steps(None, 800, np.arange(101.0)[None, :, None], None)
    assert made.tolist() == [[0.0]] and len(seconds) == 1


def write_clip(path, frames, rate=30):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.height = stream.width = 64
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("frames, expected", [(61, [4, 12, 20, 28, 36, 44, 52, 60]), (12, [4, 12])])
def test_tokens_of_pictures_over_time(tmp_path, frames, expected):
    """Windows of eight frames, every fourth: 29 frames each, four tokens of eight frames."""
    _, processor = build("videomae", [])
    inputs = VideoInputs(processor, 8, 4, eval_windows=2, mirror=0)
    steps = Steps("video", True, inputs, SimpleNamespace(num_frames=8, tubelet_size=2))
    starts = inputs.starts(frames)
    first = np.add.outer(starts, 8 * np.arange(4))
    states = np.repeat((first + 4.0) / 30, 9, axis=1)[..., None] + np.tile([-1, 0, 1.0] * 3, 4)[None, :, None]
    made, seconds = steps(write_clip(tmp_path / "clip.mp4", frames), frames, states, None)
    np.testing.assert_allclose(made[:, 0], np.array(expected) / 30, atol=1e-6)
    np.testing.assert_allclose(seconds, made[:, 0], atol=8 / 30)


def test_words_against_transformers_alone(tmp_path):
    write_encoder("bert", tmp_path / "bert", seed=0)
    texts = {
        "Ses01F_impro01_F000": "I am so happy today",
        "Ses01F_impro01_F001": "no",
        "Ses01F_impro01_F002": "oh no it is",
    }
    lines = ["turn\tstatus\tbytes\tframes\tchecksum\tnote"]
    for turn, text in texts.items():
        path = tmp_path / f"clips/text/Ses01F_impro01/{turn}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        lines.append(f"{turn}\tok\t{len(text)}\t{len(text.split())}\tx\t")
    (tmp_path / "manifest.tsv").write_text("\n".join(lines) + "\n")
    backbone, tokenizer = (
        AutoModel.from_pretrained(tmp_path / "bert").eval(),
        AutoTokenizer.from_pretrained(tmp_path / "bert"),
    )
    inputs = make_inputs("text", tokenizer, backbone.config, {"max_tokens": 64, "markers": "keep"})
    data = TurnDataset(inputs, tmp_path / "clips", "text", list(texts), read_manifests([tmp_path / "manifest.tsv"]))
    model = EmotionClassifier(backbone, 1, "mean", 0.0)
    with keeping((True, tmp_path / "s.parquet"), "text", model, data, list(texts), {}) as keep:
        embedding, _ = apply(model, data, 3, 0, "", keep)
    found = {turn: (states, seconds) for turn, states, seconds in Sequences(tmp_path / "s.parquet")}
    for number, (turn, text) in enumerate(texts.items()):
        with torch.no_grad():
            expected = backbone(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()
        states, seconds = found[turn]
        assert states.shape == expected.shape and seconds is None
        np.testing.assert_allclose(states, expected, atol=2e-3)
        np.testing.assert_allclose(states.mean(0), embedding[number], atol=2e-3)
