"""Applies an encoder's classifier to turns: their embeddings and logits, in full precision."""

import numpy as np
import torch
from tqdm import tqdm

from emofuse.encoders.inputs import Collator


def apply(model, data, batch_size, workers, description, keep=None):
    """(embedding (N, width), logits (N, classes)), float32 arrays, of the N turns of a TurnDataset, in its order.

    model: an EmotionClassifier on its device; it is put into evaluation mode. Without autocast, so that what is said of a
    turn does not depend on what else is in its batch, and one encoder has one score on one part. keep: None, or a function
    that gets of each turn, those of like length after each other, its number, the states of its windows (w, T, width) and
    which are real, (w, T) or None.
    """
    device = next(model.parameters()).device
    order = np.argsort(data.lengths, kind="stable")  # like lengths together: little padding
    loader = torch.utils.data.DataLoader(
        torch.utils.data.Subset(data, order.tolist()),
        batch_size=batch_size,
        collate_fn=Collator(data.inputs),
        num_workers=workers,
        pin_memory=device.type == "cuda",
    )
    embedding = np.zeros((len(data), model.head.in_features), np.float32)
    logits = np.zeros((len(data), model.head.out_features), np.float32)
    done = 0
    model.eval()
    with torch.inference_mode():
        for batch in tqdm(loader, description, unit="batch"):
            inputs = {name: tensor.to(device, non_blocking=True) for name, tensor in batch["inputs"].items()}
            share = batch["share"].to(device, non_blocking=True)
            result = model(share, inputs, batch["lengths"], states=keep is not None)
            rows = order[done : done + len(result["logits"])]
            embedding[rows] = result["embedding"].cpu().numpy()
            logits[rows] = result["logits"].cpu().numpy()
            done += len(rows)
            if keep:
                _keep(keep, rows, batch["share"], result)
    return embedding, logits


def _keep(keep, rows, share, result):
    """Hand on the states of a batch's turns. share: (N, W), of which a row is above 0 at the turn's windows."""
    states = result["states"].cpu().numpy()
    real = None if result["real"] is None else result["real"].cpu().numpy()
    for row, windows in zip(rows, share.numpy() > 0, strict=True):
        keep(int(row), states[windows], None if real is None else real[windows])
