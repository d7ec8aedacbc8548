"""What networks of sequences share: projection with positions, means over real steps, recurrent encoders."""

import math

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Projection(nn.Module):
    """Steps (B, S, d) -> (B, S, width): a linear layer, sinusoidal positions, layer norm, dropout; with a learned start before
    them, which no turn lacks: then (B, 1 + S, width)."""

    def __init__(self, inputs, width, dropout):
        super().__init__()
        self.linear, self.norm, self.dropout = nn.Linear(inputs, width), nn.LayerNorm(width), nn.Dropout(dropout)
        self.start = nn.Parameter(torch.randn(width) * width**-0.5)

    def forward(self, steps):
        states = self.linear(steps) + positions(steps.shape[1], self.start.shape[0])
        start = self.start.expand(len(steps), 1, -1)
        return self.dropout(self.norm(torch.cat([start, states], 1)))


def positions(steps, width):
    """Sines and cosines of `Attention is all you need`: (steps, width)."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000) / width))
    angles = torch.arange(steps)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)[:, :width]


def with_start(real):
    """The mask of real steps with the start before them: (B, S) -> (B, 1 + S)."""
    return nn.functional.pad(real, (1, 0), value=True)


def mean(states, real):
    """Over real steps: (B, S, width), (B, S) -> (B, width); zeros where there is none."""
    weights = real[:, :, None].float()
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)


class Recurrent(nn.Module):
    """A bidirectional GRU over real steps: (B, S, d) -> (B, S, width), zeros at padding."""

    def __init__(self, inputs, width, dropout):
        super().__init__()
        self.project = nn.Sequential(nn.Linear(inputs, width), nn.Dropout(dropout))
        self.recurrent = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, steps, real):
        lengths = real.sum(1).clamp(min=1)  # a turn without a step has one of zeros, which no mean looks at
        packed = pack_padded_sequence(self.project(steps), lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=steps.shape[1])[0]


class Attention(nn.Module):
    """Multi-head attention and a feed-forward layer, each with dropout, a residual and a norm after it.

    No dropout of the attention's weights: on a CPU PyTorch then computes them one by one, which takes seven times as long.
    """

    def __init__(self, width, heads, dropout):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.forward_layer = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.norms, self.dropout = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)]), nn.Dropout(dropout)

    def forward(self, query, source, real):
        """query: (B, Q, width); source: (B, S, width) with `real` (B, S), of which at least one step of each turn is."""
        seen = self.attention(query, source, source, key_padding_mask=~real, need_weights=False)[0]
        states = self.norms[0](query + self.dropout(seen))
        return self.norms[1](states + self.dropout(self.forward_layer(states)))
