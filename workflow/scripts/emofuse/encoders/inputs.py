"""Turns clips into what an encoder takes: windows of words, sound or frames, and their batches."""

import math

import numpy as np
import torch

from emofuse.clips.files import clip_path
from emofuse.encoders.texts import ContextInputs, TextInputs
from emofuse.media.frames import read_frames
from emofuse.media.wav import RATE as SAMPLE_RATE
from emofuse.media.wav import read_clip
from emofuse.runtime.errors import EmofuseError

GRAIN = 8_000  # samples; batches of sound are filled up to a multiple, for cuDNN plans anew for each length
SHORTEST = 4_000  # samples (a quarter of a second): wav2vec 2.0 masks spans of ten frames in training, and refuses less


def make_inputs(modality, processor, backbone_config, settings):
    """The TextInputs, ContextInputs, AudioInputs or VideoInputs for an encoder; `settings` are its config entries."""
    if modality == "text":
        given = (processor, settings["max_tokens"], settings["markers"])
        context = settings.get("context")
        return ContextInputs(*given, context) if context else TextInputs(*given)
    if modality == "audio":
        return AudioInputs(processor, settings["max_seconds"])
    frames = getattr(backbone_config, "num_frames", None)
    if frames is None:
        raise EmofuseError(
            f"a video encoder must say its number of frames; {type(backbone_config).__name__} has no num_frames"
        )
    return VideoInputs(processor, frames, settings["stride"], settings["eval_windows"], settings.get("mirror", 0))


class AudioInputs:
    """16 kHz sound through the encoder's own feature extractor, at most `max_seconds` a window.

    Sound of less than a quarter of a second is filled up with silence. Longer turns are sliced: in training one slice, drawn
    anew in each epoch; in evaluation as few evenly spaced slices as cover the turn. An extractor of spectrograms (AST,
    Whisper) fills each window up to the one length that its encoder was pretrained with; its windows are no longer than that.
    """

    def __init__(self, extractor, max_seconds):
        self.extractor = extractor
        self.most = int(max_seconds * SAMPLE_RATE)
        self.spectrogram = hasattr(extractor, "num_mel_bins")
        if self.spectrogram:  # Kaldi's frames: 25 ms every 10 ms
            self.most = min(self.most, 400 + 160 * (extractor.max_length - 1))
        self.padding = True
        if hasattr(extractor, "nb_max_frames"):  # Whisper's: always 30 s
            self.most, self.padding = min(self.most, extractor.n_samples), "max_length"

    def windows(self, path, length, rng=None):
        """float32 waveforms in -1..1 of a clip of `length` samples; with `rng` one random slice, without it those for
        evaluation. No more is read than a slice."""
        slack = max(0, max(length, SHORTEST) - self.most)
        starts = self.starts(length) if rng is None else [int(rng.integers(slack + 1))]
        windows = [read_clip(path, length, int(start), self.most).astype(np.float32) / 32_768 for start in starts]
        return [np.pad(window, (0, max(0, min(SHORTEST, self.most) - len(window)))) for window in windows]

    def starts(self, length):
        """(W,) samples at which the windows for evaluation begin, of a clip of `length` samples."""
        padded = max(length, SHORTEST)
        return np.linspace(0, max(0, padded - self.most), max(1, math.ceil(padded / self.most))).astype(int)

    def patches(self, config):
        """How many patches a spectrogram is cut into, by frequency and over time; None of an encoder that takes no patches."""
        if not hasattr(config, "frequency_stride"):
            return None
        high = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
        return high, (config.max_length - config.patch_size) // config.time_stride + 1

    def batch(self, windows):
        """input_values float32: (W, samples) with attention_mask (W, samples), or spectrograms (W, frames, mel bins); Whisper's
        input_features (W, mel bins, frames) with attention_mask (W, frames)."""
        if self.spectrogram:
            return self.extractor(windows, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        return self.extractor(
            windows,
            sampling_rate=SAMPLE_RATE,
            padding=self.padding,
            pad_to_multiple_of=GRAIN,
            return_attention_mask=True,
            return_tensors="pt",
        )


class VideoInputs:
    """Frames through the encoder's own image processor, every `stride`-th of a window.

    In training one window, drawn anew in each epoch and mirrored with probability `mirror`; in evaluation `eval_windows`
    evenly spaced windows, not mirrored (the middle one for 1; one where the clip is no longer than a window). A clip
    shorter than a window repeats its last frame.
    """

    def __init__(self, processor, frames, stride, eval_windows, mirror):
        self.processor = processor
        self.frames = frames
        self.stride = stride
        self.eval_windows = eval_windows
        self.mirror = mirror
        self.pixels = Pixels(processor)
        size, crop = processor.size, processor.crop_size
        self.short = size["shortest_edge"] or min(size["height"], size["width"])  # pixels that the processor resizes to
        self.crop = (crop["height"], crop["width"]) if size["shortest_edge"] and processor.do_center_crop else None

    def windows(self, path, length, rng=None):
        """uint8 (frames, 3, height, width) each; `length` is the clip's number of frames."""
        span = (self.frames - 1) * self.stride + 1
        starts = self.starts(length) if rng is None else [int(rng.integers(max(0, length - span) + 1))]
        indices = [np.minimum(start + self.stride * np.arange(self.frames), length - 1) for start in starts]
        wanted = sorted({int(i) for window in indices for i in window})
        pictures = dict(zip(wanted, map(self._resized, read_frames(path, wanted)), strict=True))
        windows = [np.stack([pictures[int(i)] for i in window]) for window in indices]
        if rng is not None and rng.random() < self.mirror:
            windows = [np.ascontiguousarray(window[..., ::-1]) for window in windows]
        return windows

    def starts(self, length):
        """(W,) frames at which the windows for evaluation begin, of a clip of `length` frames."""
        slack = max(0, length - ((self.frames - 1) * self.stride + 1))
        if self.eval_windows == 1:
            return np.array([slack // 2])
        return np.linspace(0, slack, self.eval_windows if slack else 1).astype(int)

    def _resized(self, picture):
        """A picture, uint8 (height, width, 3), as uint8 (3, height, width), resized and cropped by the processor.

        One by one: a clip of full-size pictures at once costs more in page faults than in work. Small copies of clips are
        of the processor's size already; cropping is then all that it would do, a fifth of the time of a window.
        """
        if self.crop and min(picture.shape[:2]) == self.short >= max(self.crop):
            top, left = (picture.shape[0] - self.crop[0]) // 2, (picture.shape[1] - self.crop[1]) // 2
            return picture[top : top + self.crop[0], left : left + self.crop[1]].transpose(2, 0, 1)
        settings = {"do_rescale": False, "do_normalize": False, "return_tensors": "np"}
        return self.processor([picture], **settings)["pixel_values"][0, 0].astype(np.uint8)

    def batch(self, windows):
        """pixel_values uint8 (W, frames, 3, height, width), a quarter of what `Pixels` makes of them on the device."""
        return {"pixel_values": torch.from_numpy(np.stack(windows))}


class Pixels(torch.nn.Module):
    """Makes of uint8 pixels what a video encoder takes: rescaled and normalised, as its processor says."""

    def __init__(self, processor):
        super().__init__()
        self.factor = processor.rescale_factor if processor.do_rescale else 1.0
        mean, std = (
            torch.tensor(values if processor.do_normalize else [filler] * 3, dtype=torch.float32).view(3, 1, 1)
            for values, filler in ((processor.image_mean, 0.0), (processor.image_std, 1.0))
        )
        # Not persistent: they are the processor's, and no weights.
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(self, pixels):
        """(..., 3, height, width), uint8 -> float32."""
        return (pixels.float() * self.factor - self.mean) / self.std


class TurnDataset(torch.utils.data.Dataset):
    """The turns of one modality: windows and label by number. Random choices depend on seed, epoch and turn alone, so
    that a resumed training draws the same as an undisturbed one."""

    def __init__(self, inputs, clips, modality, turns, manifest, labels=None, seed=None):
        """clips: folder of all clips. turns: turn ids. manifest: turn id -> manifest row. labels: int64 (N,) or None.
        seed: for training; None for evaluation, where nothing is random."""
        self.inputs = inputs
        self.paths = [clip_path(clips, modality, turn) for turn in turns]
        self.lengths = [int(manifest[turn]["frames"]) for turn in turns]
        self.labels = labels
        self.seed = seed

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, place):
        """place: the turn's number, in a training with that of the epoch: (number, epoch). The epoch comes with each turn, for
        the processes that read clips keep the dataset that they were started with."""
        index, epoch = place if isinstance(place, tuple) else (place, 0)
        rng = None if self.seed is None else np.random.default_rng([self.seed, epoch, index])
        label = None if self.labels is None else int(self.labels[index])
        return {"windows": self.windows(index, rng), "label": label}

    def windows(self, index, rng):
        """The windows of the turn of this number; rng: for what is random in training, else None."""
        return self.inputs.windows(self.paths[index], self.lengths[index], rng)


class Collator:
    """Makes a batch of TurnDataset items, as EmotionClassifier takes it: the windows of all turns, whose they are, the labels.

    `share` comes first, for accelerate takes the first tensor's rows for the number of turns.
    """

    def __init__(self, inputs):
        self.inputs = inputs

    def __call__(self, items):
        counts = [len(item["windows"]) for item in items]
        windows = [window for item in items for window in item["windows"]]
        batch = {
            "share": torch.block_diag(*(torch.full((1, count), 1 / count) for count in counts)),
            "inputs": dict(self.inputs.batch(windows)),
            "lengths": [len(window) for window in windows],
        }
        if items[0]["label"] is not None:
            batch["labels"] = torch.tensor([item["label"] for item in items])
        return batch
