"""Counts the work of a training step, and says how much of it a device could do."""

import copy
import time

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from emofuse.clips.files import clip_path
from emofuse.encoders.inputs import SHORTEST

# Nominal dense bf16 rates (FLOP/s) by the name that the driver gives; NVIDIA's data sheets of the H200, H100 and A100, whose
# rates with sparsity are twice these. Other devices are measured.
PEAKS = {
    "NVIDIA H200": 989e12,
    "NVIDIA H100 80GB HBM3": 989e12,
    "NVIDIA A100-SXM4-40GB": 312e12,
    "NVIDIA A100-SXM4-80GB": 312e12,
    "NVIDIA A100-PCIE-40GB": 312e12,
    "NVIDIA A100 80GB PCIe": 312e12,
}


def per_turn_flops(backbone, inputs, case):
    """FLOPs of one training step on each of the clips alone, without padding: a list in the manifest's order.

    Matrix products and convolutions, forward and backward, as PyTorch counts them on tensors without data; heads, of a few
    thousand weights, are left out. A polynomial of degree 2 through three lengths gives the others: attention grows with
    the square of a turn's length, all else with the length.
    """
    lengths = np.array(_real_lengths(inputs, case))
    if len(set(lengths)) <= 3:
        counted = {length: count_flops(backbone, int(length)) for length in set(lengths)}
        return [counted[length] for length in lengths]
    points = [int(p) for p in np.linspace(lengths.min(), lengths.max(), 3)]
    fit = np.polynomial.Polynomial.fit(points, [count_flops(backbone, p) for p in points], 2)
    return fit(lengths).tolist()


def _real_lengths(inputs, case):
    """Tokens, samples or spectrogram frames of each clip that carry something; 0 for video, whose windows are all alike."""
    lengths = [int(row["frames"]) for row in case["manifest"].values()]
    if case["modality"] == "video":
        return [0] * len(lengths)
    if case["modality"] == "audio":
        samples = [min(max(length, SHORTEST), inputs.most) for length in lengths]
        return [1 + (n - 400) // 160 for n in samples] if inputs.spectrogram else samples
    texts = [clip_path(case["clips"], "text", turn).read_text(encoding="utf-8").strip() for turn in case["manifest"]]
    return [len(ids) for ids in inputs.tokenizer(texts, truncation=True, max_length=inputs.max_tokens)["input_ids"]]


def count_flops(backbone, length):
    """FLOPs of forward and backward pass of one window of `length` (see `_real_lengths`), by a copy without weights."""
    config = copy.deepcopy(backbone.config)
    config.apply_spec_augment = False  # multiplies nothing, and needs data
    kind = config.model_type
    if kind == "audio-spectrogram-transformer":
        config.max_length = length
        shape = (1, length, config.num_mel_bins)
    elif kind == "videomae":
        shape = (1, config.num_frames, config.num_channels, config.image_size, config.image_size)
    else:
        shape = (1, length)
    with torch.device("meta"):  # with eager attention, whose products the counter knows on every device
        model = type(backbone)._from_config(config, attn_implementation="eager").eval()
        ids = kind in ("bert", "roberta", "distilbert")
        window = torch.zeros(shape, dtype=torch.int64 if ids else torch.float32)
    frozen = {name for name, parameter in backbone.named_parameters() if not parameter.requires_grad}
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name not in frozen
    flops = _flops_of_step(model, window)
    dropped = getattr(config, "layerdrop", 0.0)  # HuBERT leaves out each layer with this probability
    if dropped:
        model.encoder.layers = torch.nn.ModuleList()
        flops = (1 - dropped) * flops + dropped * _flops_of_step(model, window)
    return flops


def _flops_of_step(model, window):
    with FlopCounterMode(display=False) as counter:
        model(window).last_hidden_state.sum().backward()
    return counter.get_total_flops()


def peak_rate(device, bf16):
    """The device's peak in FLOP/s and where it is from: a data sheet, or a large matrix product in the case's precision."""
    if device == "cuda" and torch.cuda.get_device_name() in PEAKS:
        return PEAKS[torch.cuda.get_device_name()], "data sheet, dense bf16"
    size = 8_192 if device == "cuda" else 2_048
    dtype = torch.bfloat16 if bf16 else torch.float32
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    best = np.inf
    for _ in range(3):
        began = time.perf_counter()
        _ = a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best, f"measured, {'bf16' if bf16 else 'fp32'} product of {size} x {size}"
