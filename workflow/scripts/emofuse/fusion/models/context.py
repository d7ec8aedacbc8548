"""Recurrent network over the turns of a dialog, in order of time."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from emofuse.fusion import networks
from emofuse.fusion.batches import DialogBatches

PLACE = 1
TITLE = "recurrent network over the dialog"
SENTENCE = "A recurrent network (GRU) over the vectors of all turns of a dialog, labelled or not, in order of time."
READS = "vectors"
REACH = (
    "direction",
)  # the settings that say how much of the dialog it reads: the later value, or the larger, the more
LATER = "direction"  # the one by which it reads later turns: with its last value, or any number above 0
TRAINS = {"learning_rate": 1e-3, "dropout": 0.5, "batch_size": 4, "epochs": 60, "patience": 6}
SETTINGS = {
    "direction": {
        "enum": ["none", "past", "both"],
        "default": "past",
        "description": "`past`: a turn's answer knows it and what came before, as a live system would; `both`: the whole "
        "dialog, also what comes after, so it works on recordings only; `none`: the turn alone, to compare with.",
    },
    "levels": {
        "enum": [1, 2],
        "default": 1,
        "description": "`1`: one network of the modalities' vectors side by side; `2`: one of each modality first, then one on "
        "what they give.",
    },
    "width": {
        "type": "integer",
        "minimum": 4,
        "maximum": 1024,
        "default": 64,
        "description": "Numbers of a state, in each direction.",
        "listed": True,
    },
}


class Layer(nn.Module):
    """A projection of each turn, a GRU over the turns of a dialog as one of its speakers sees it, a dense layer on both.

    The projection is linear and its input whole: the vectors of encoders are so correlated that dropping some of their
    numbers, or clipping them, loses most of what a linear classifier finds in them.
    """

    def __init__(self, inputs, settings):
        super().__init__()
        width, self.direction = settings["width"], settings["direction"]
        self.project, self.dropout = nn.Linear(inputs, width), nn.Dropout(settings["dropout"])
        out = width + 1
        if self.direction != "none":
            both = self.direction == "both"
            self.recurrent = nn.GRU(width + 1, width, batch_first=True, bidirectional=both)
            out = width * (1 + both)
        self.dense = nn.Sequential(nn.Linear(out + width, width), nn.Tanh())

    def forward(self, x, batch, of_view=None):
        """x: (D, T, inputs) of dialogs, or (V, T, inputs) of views where of_view is None -> (V, T, width)."""
        turns = self.dropout(self.project(x))
        if of_view is not None:
            turns = turns[of_view]
        states = torch.cat([turns, batch.own[:, :, None]], 2)
        if self.direction != "none":
            packed = pack_padded_sequence(states, batch.lengths, batch_first=True, enforce_sorted=False)
            states = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=x.shape[1])[0]
        return self.dense(self.dropout(torch.cat([states, turns], 2)))


class Network(nn.Module):
    """One Layer; or one of each modality, and one on what they give that sends no gradient down: each learns by its head."""

    def __init__(self, widths, classes, settings):
        super().__init__()
        width, self.two = settings["width"], settings["levels"] == 2
        if self.two:
            self.first = nn.ModuleDict({m: Layer(d, settings) for m, d in widths.items()})
            self.heads = nn.ModuleDict({m: nn.Linear(width, classes) for m in widths})
        self.last = Layer(width * len(widths) if self.two else sum(widths.values()), settings)
        self.head = nn.Sequential(nn.Dropout(settings["dropout"]), nn.Linear(width, classes))

    def forward(self, batch):
        """[logits (rows, classes)] of the wanted turns, view after view; of two levels also those of each modality."""
        if not self.two:
            said = self.last(torch.cat(list(batch.vectors.values()), 2), batch, batch.dialog)
            return [self.head(said[batch.wanted])]
        first = {m: self.first[m](x, batch, batch.dialog) for m, x in batch.vectors.items()}
        said = self.last(torch.cat([x.detach() for x in first.values()], 2), batch)
        each = [self.heads[m](x[batch.wanted]) for m, x in first.items()]
        return [self.head(said[batch.wanted]), *each]


def train(task):
    """`networks.train` of this kind."""
    return networks.train(task, Network, DialogBatches)


def notes(settings):
    """What a reader has to know of it."""
    return ["it reads turns that come after the one that it speaks of"] if settings["direction"] == "both" else []
