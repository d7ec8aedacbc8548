"""Recurrent encoders of each modality's steps, attention over what they give, and over its means: two levels."""

import torch
from torch import nn

from emofuse.fusion import networks
from emofuse.fusion.batches import SequenceBatches
from emofuse.fusion.models._sequences import Attention, Recurrent, mean

PLACE = 3
TITLE = "multi-level attention"
SENTENCE = (
    "Recurrent encoders with self-attention over each modality's steps, multi-head attention over what all of them "
    "give, and over the means of both levels. It reads `sequences`."
)
READS = "sequences"
TRAINS = {"learning_rate": 1e-3, "dropout": 0.3, "batch_size": 32, "epochs": 20, "patience": 3}
SETTINGS = {
    "width": {
        "type": "integer",
        "minimum": 8,
        "maximum": 1024,
        "multipleOf": 2,
        "default": 64,
        "description": "Numbers of a state, of both directions together; a multiple of `heads`.",
        "listed": True,
    },
    "heads": {"type": "integer", "minimum": 1, "maximum": 16, "default": 4, "description": "Heads of attention."},
}


class Network(nn.Module):
    """Means of the states of each modality, and of what each sees of all of them, look at each other."""

    def __init__(self, widths, classes, settings):
        super().__init__()
        width, dropout, heads = settings["width"], settings["dropout"], settings["heads"]
        self.recurrent = nn.ModuleDict({m: Recurrent(d, width, dropout) for m, d in widths.items()})
        self.own = nn.ModuleDict({m: Attention(width, heads, dropout) for m in widths})
        self.steps = nn.ModuleDict({m: Attention(width, heads, dropout) for m in widths})
        self.means = Attention(width, heads, dropout)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * len(widths) * width, classes))

    def forward(self, batch):
        """[logits (B, classes)]."""
        # A turn without a step looks at one of zeros: softmax of nothing is nan.
        real = {m: torch.cat([of[:, :1] | ~of.any(1, keepdim=True), of[:, 1:]], 1) for m, of in batch.real.items()}
        states = {m: self.recurrent[m](x, batch.real[m]) for m, x in batch.steps.items()}
        states = {m: self.own[m](x, x, real[m]) for m, x in states.items()}
        together, there = torch.cat(list(states.values()), 1), torch.cat(list(real.values()), 1)
        seen = {m: self.steps[m](x, together, there) for m, x in states.items()}
        means = torch.stack([mean(x[m], batch.real[m]) for x in (states, seen) for m in states], 1)
        every = torch.ones(means.shape[:2], dtype=torch.bool)
        return [self.head(self.means(means, means, every).flatten(1))]


def train(task):
    """`networks.train` of this kind."""
    return networks.train(task, Network, SequenceBatches)
