"""Writes the demo's encoders: tiny models of the real architectures with random weights, made without a network."""

from pathlib import Path

import torch

from emofuse.demo.words import vocabulary
from emofuse.encoders.architectures import build


def write_encoder(name, folder, seed):
    """Save the tiny encoder `name` (a key of demo_plan.ENCODERS) and its processor to `folder`, as Transformers does.

    The weights depend on `seed` alone; the caller's random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, processor = build(name, vocabulary())
    model.save_pretrained(Path(folder))
    processor.save_pretrained(Path(folder))
