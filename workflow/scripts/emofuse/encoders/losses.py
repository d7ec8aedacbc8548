"""The loss of a training: cross-entropy, which may weigh classes and smooth labels."""

import numpy as np
import torch
from torch import nn


class Loss(nn.Module):
    """Mean cross-entropy over turns. In training mode each turn counts by the weight of its class, and labels are smoothed;
    in evaluation neither, so that validation losses of all trainings can be compared.

    The weights' mean over the training part is 1, and it is divided by the number of turns and not by the sum of their
    weights: so it does not matter how turns are cut into batches, and gradients may be accumulated.
    """

    def __init__(self, weights=None, smoothing=0.0):
        """weights: float32 (classes,) or None. smoothing: the share of a label that is spread over all classes."""
        super().__init__()
        self.register_buffer("weights", weights, persistent=False)
        self.smoothing = smoothing

    def forward(self, logits, labels):
        """logits: float32 (N, classes). labels: int64 (N,). A scalar."""
        if not self.training:
            return nn.functional.cross_entropy(logits, labels)
        if self.weights is None:
            return nn.functional.cross_entropy(logits, labels, label_smoothing=self.smoothing)
        each = nn.functional.cross_entropy(logits, labels, label_smoothing=self.smoothing, reduction="none")
        return (self.weights[labels] * each).mean()


def make_loss(settings, labels, classes):
    """The Loss of an encoder's config entries; labels: int64 (N,) of the training part, of `classes` classes."""
    weights = class_weights(labels, classes) if settings["class_weights"] == "balanced" else None
    return Loss(weights, settings["label_smoothing"])


def class_weights(labels, classes):
    """float32 (classes,): n / (k n_c) for a class with n_c of n labels, k being the classes that have any; 0 for the others."""
    counts = np.bincount(labels, minlength=classes)
    weights = np.divide(len(labels), (counts > 0).sum() * counts, out=np.zeros(classes), where=counts > 0)
    return torch.tensor(weights, dtype=torch.float32)
