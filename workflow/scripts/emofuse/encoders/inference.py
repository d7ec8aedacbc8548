"""Applies an encoder's classifier to turns: their embeddings and logits, in full precision."""

import numpy as np
import torch
from tqdm import tqdm

from emofuse.encoders.inputs import Collator


def apply(model, data, batch_size, workers, description):
    """(embedding (N, width), logits (N, classes)), float32 arrays, of the N turns of a TurnDataset, in its order.

    model: an EmotionClassifier on its device; it is put into evaluation mode. Without autocast, so that what is said of a
    turn does not depend on what else is in its batch, and one encoder has one score on one part.
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
            result = model(batch["share"].to(device, non_blocking=True), inputs, batch["lengths"])
            rows = order[done : done + len(result["logits"])]
            embedding[rows] = result["embedding"].cpu().numpy()
            logits[rows] = result["logits"].cpu().numpy()
            done += len(rows)
    return embedding, logits
