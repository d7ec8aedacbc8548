"""Writes down what is said in a clip, by a Whisper model in a local folder."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from emofuse.clips.files import clip_path
from emofuse.media.wav import RATE, read_clip
from emofuse.runtime.errors import EmofuseError, first_line


def listener(model, device):
    """A function of a waveform, float32 (n,) at 16 kHz, that gives its words, by Transformers' own pipeline."""
    if not (Path(model) / "config.json").is_file():
        raise EmofuseError(
            f"{model}: no folder of a Whisper model is there (config.json, model.safetensors, its processor)"
        )
    from transformers import pipeline

    try:
        listen = pipeline(
            "automatic-speech-recognition",
            model=str(model),
            device=device,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except Exception as error:  # the loaders each raise their own kinds
        raise EmofuseError(f"{model}: it cannot be loaded to recognise speech ({first_line(error)})") from error

    def words(samples):
        sound = {"raw": samples, "sampling_rate": RATE}
        return " ".join(listen(sound, return_timestamps=len(samples) > 30 * RATE)["text"].split())

    return words


def transcribe(model, clips, turns, device):
    """{turn: words} of some turns of the `clips.Clips` of sound."""
    listen, said = listener(model, device), {}
    for turn in tqdm(turns, "recognise speech", unit="turn"):
        samples = read_clip(clip_path(clips.root, "audio", turn), int(clips.manifest[turn]["frames"]))
        said[turn] = listen(samples.astype(np.float32) / 32_768)
    return said
