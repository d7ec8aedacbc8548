"""The seven architectures at full size, with random weights: each trains, embeds a turn alike in any batch, is saved."""

import gc
import math
import re
import shutil
import time
import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from emofuse.clips.files import clip_path
from emofuse.demo import plan as demo_plan
from emofuse.encoders import architectures, inputs
from emofuse.encoders.inputs import SAMPLE_RATE, Collator, TurnDataset, make_inputs
from emofuse.encoders.model import EmotionClassifier, load_classifier, load_processor, save_classifier

pytestmark = pytest.mark.slow

POOLING = {"bert": "cls", "roberta": "cls", "distilbert": "cls", "wav2vec2": "mean", "hubert": "mean", "ast": "cls"}
POOLING["videomae"] = "mean"
# Parameters of the pretrained models (their backbones, as AutoModel loads them).
PARAMETERS = {
    "bert": 109_482_240,
    "roberta": 124_645_632,
    "distilbert": 66_362_880,
    "wav2vec2": 94_371_712,
    "hubert": 94_371_712,
    "ast": 86_187_264,
    "videomae": 86_227_200,
}
SETTINGS = {
    "text": {"max_tokens": 512, "markers": "keep"},
    "audio": {"max_seconds": 10},
    "video": {"stride": 4, "eval_windows": 2, "mirror": 0.5},
}
LENGTHS = {"text": (1, 12, 700), "audio": (0.6, 1.7, 4.5, 12.0), "video": (1, 20, 90)}  # words, seconds, frames
WINDOWS = {"text": [1, 1, 1], "audio": [1, 1, 1, 2], "video": [1, 1, 2]}  # in evaluation; the longest are sliced
TURNS = [f"Ses01F_impro01_F{n:03d}" for n in range(4)]


@pytest.fixture(scope="module")
def words():
    rng = np.random.default_rng(0)
    return sorted({"".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), rng.integers(3, 9))) for _ in range(300)})


@pytest.fixture
def clips(tmp_path, words, monkeypatch):
    """A folder with random text and sound of LENGTHS; random pictures in place of decoded video."""
    rng = np.random.default_rng(1)
    for turn, count in zip(TURNS, LENGTHS["text"], strict=False):
        _file(tmp_path, "text", turn).write_text(
            " ".join(rng.choice(words, count)).capitalize() + ".\n", encoding="utf-8"
        )
    for turn, seconds in zip(TURNS, LENGTHS["audio"], strict=True):
        count = round(seconds * SAMPLE_RATE)
        tone = np.sin(2 * np.pi * rng.uniform(80, 800) * np.arange(count) / SAMPLE_RATE)
        with wave.open(str(_file(tmp_path, "audio", turn)), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes((3_000 * (tone + rng.standard_normal(count))).astype("<i2").tobytes())

    def pictures(path, wanted):
        for number in wanted:
            yield np.random.default_rng([TURNS.index(Path(path).stem), number]).integers(
                0, 256, (480, 360, 3), np.uint8
            )

    monkeypatch.setattr(inputs, "read_frames", pictures)
    return tmp_path


def _file(clips, modality, turn):
    path = clip_path(clips, modality, turn)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def forget_peak_memory():
    """Set the process's peak memory back to what it holds now."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")


def peak_memory():
    """In GB, since `forget_peak_memory`."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 2**20


def embed(model, dataset, turns):
    """float32 (len(turns), width), of the turns in one batch."""
    batch = Collator(dataset.inputs)([dataset[i] for i in turns])
    with torch.inference_mode():
        return model.eval()(**batch)["embedding"]


@pytest.mark.parametrize("name", demo_plan.ENCODERS)
def test_full_size(name, words, clips, tmp_path):
    modality = demo_plan.ENCODERS[name]
    forget_peak_memory()
    clock = [time.monotonic()]
    torch.manual_seed(0)
    backbone, processor = architectures.build(name, words, tiny=False)
    assert sum(p.numel() for p in backbone.parameters()) == PARAMETERS[name]
    prepared = make_inputs(modality, processor, backbone.config, SETTINGS[modality])
    pixels = getattr(prepared, "pixels", None)
    model = EmotionClassifier(backbone, classes=4, pooling=POOLING[name], dropout=0.1, pixels=pixels)
    turns = TURNS[: len(LENGTHS[modality])]
    per_second = SAMPLE_RATE if modality == "audio" else 1
    manifest = {t: {"frames": str(round(n * per_second))} for t, n in zip(turns, LENGTHS[modality], strict=True)}
    everyone = list(range(len(turns)))

    clock.append(time.monotonic())
    before = {key: p.detach().clone() for key, p in model.named_parameters()}
    labels = np.arange(len(turns)) % 4
    training = TurnDataset(prepared, clips, modality, turns, manifest, labels, seed=0)
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-4)
    loss = model(**Collator(prepared)([training[i] for i in everyone]))["loss"]
    loss.backward()
    optimizer.step()
    clock.append(time.monotonic())
    assert math.isfinite(loss.item())
    moved = {key for key, p in model.named_parameters() if not torch.equal(p, before[key])}
    assert moved == {key for key, p in model.named_parameters() if p.grad is not None}
    assert sum(before[key].numel() for key in moved) > 0.8 * PARAMETERS[name], "but for poolers and dropped layers"
    assert all(torch.isfinite(p).all() for p in model.parameters())
    model.zero_grad()
    del before, optimizer, loss

    evaluation = TurnDataset(prepared, clips, modality, turns, manifest)
    assert [len(evaluation[i]["windows"]) for i in everyone] == WINDOWS[modality]
    clock.append(time.monotonic())
    together = embed(model, evaluation, everyone)
    clock.append(time.monotonic())
    assert together.shape == (len(turns), 768)
    assert torch.isfinite(together).all()
    assert torch.pdist(together).min() > 0.01, "turns differ far more than a turn does between batches"
    for i in everyone:
        torch.testing.assert_close(embed(model, evaluation, [i])[0], together[i], atol=1e-4, rtol=1e-4)

    save_classifier(model, tmp_path / "saved")
    processor.save_pretrained(tmp_path / "saved/processor")
    del model, backbone
    again = load_classifier(tmp_path / "saved", POOLING[name])
    again.pixels = pixels
    prepared = make_inputs(
        modality, load_processor(tmp_path / "saved/processor", modality), again.backbone.config, SETTINGS[modality]
    )
    evaluation = TurnDataset(prepared, clips, modality, turns, manifest)
    torch.testing.assert_close(embed(again, evaluation, everyone), together, atol=1e-5, rtol=1e-5)
    shutil.rmtree(tmp_path / "saved")  # hundreds of megabytes, which pytest would keep for three runs
    clock.append(time.monotonic())
    step, embedding, everything = clock[2] - clock[1], clock[4] - clock[3], clock[5] - clock[0]
    print(
        f"\n{name}: training step {step:.1f} s, embedding {embedding:.1f} s, in all {everything:.1f} s;"
        f" peak memory {peak_memory():.1f} GB"
    )
