"""Convolutions over time for each modality's steps, or a recurrent network, and dense layers on all of them."""

import torch
from torch import nn

from emofuse.fusion import networks
from emofuse.fusion.batches import SequenceBatches
from emofuse.fusion.models._sequences import Recurrent, mean

PLACE = 4
TITLE = "motion network"
SENTENCE = (
    "Convolutions over the steps of motion, recurrent networks over those of other modalities, dense layers on all "
    "of them. It reads `sequences`."
)
READS = "sequences"
CHANNELS = (32, 64, 64, 128, 128)  # as in Tripathi et al.
TRAINS = {"learning_rate": 1e-3, "dropout": 0.3, "batch_size": 32, "epochs": 30, "patience": 5}
SETTINGS = {
    "width": {
        "type": "integer",
        "minimum": 8,
        "maximum": 1024,
        "multipleOf": 2,
        "default": 128,
        "description": "Numbers of a modality's vector.",
        "listed": True,
    },
}


class Motion(nn.Module):
    """Five convolutions of three steps, every second one, (B, S, d) -> (B, width): the mean over what is left of time.

    Over time alone: the columns stand in no order in which neighbours would mean anything.
    """

    def __init__(self, inputs, width, dropout):
        super().__init__()
        layers = []
        for before, after in zip((inputs, *CHANNELS[:-1]), CHANNELS, strict=True):
            layers += [nn.Conv1d(before, after, 3, stride=2, padding=1), nn.ReLU(), nn.Dropout(dropout)]
        self.layers, self.dense = nn.Sequential(*layers), nn.Linear(CHANNELS[-1], width)

    def forward(self, steps, real):
        """A turn without motion gives zeros."""
        states = self.layers(steps.transpose(1, 2)).mean(2)
        return self.dense(states) * real.any(1, keepdim=True)


class Sequence(nn.Module):
    """A recurrent network, (B, S, d) -> (B, width): the mean over real steps."""

    def __init__(self, inputs, width, dropout):
        super().__init__()
        self.recurrent = Recurrent(inputs, width, dropout)

    def forward(self, steps, real):
        return mean(self.recurrent(steps, real), real)


class Network(nn.Module):
    """A vector of each modality, two dense layers on all of them."""

    def __init__(self, widths, classes, settings):
        super().__init__()
        width, dropout = settings["width"], settings["dropout"]
        self.branches = nn.ModuleDict(
            {m: (Motion if m == "motion" else Sequence)(d, width, dropout) for m, d in widths.items()}
        )
        self.head = nn.Sequential(
            nn.ReLU(), nn.Dropout(dropout), nn.Linear(width * len(widths), width), nn.ReLU(), nn.Linear(width, classes)
        )

    def forward(self, batch):
        """[logits (B, classes)]."""
        vectors = [branch(batch.steps[m], batch.real[m]) for m, branch in self.branches.items()]
        return [self.head(torch.cat(vectors, 1))]


def train(task):
    """`networks.train` of this kind."""
    return networks.train(task, Network, SequenceBatches)
