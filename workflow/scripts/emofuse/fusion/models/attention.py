"""Attention between modalities over the steps of a turn: keys and values of one, queries of another."""

import torch
from torch import nn

from emofuse.fusion import networks
from emofuse.fusion.batches import SequenceBatches
from emofuse.fusion.models._sequences import Attention, Projection, mean, with_start

PLACE = 2
TITLE = "cross-modal attention"
SENTENCE = "Transformers over the steps of a turn, in which modalities look at each other. It reads `sequences`."
READS = "sequences"
TRAINS = {"learning_rate": 5e-4, "dropout": 0.2, "batch_size": 32, "epochs": 20, "patience": 3}
SETTINGS = {
    "fusion": {
        "enum": ["middle", "input", "end"],
        "default": "middle",
        "description": "Where modalities meet: in attention from one to another (`middle`), in one transformer over the steps "
        "of all of them (`input`), or in the mean of their probabilities (`end`).",
    },
    "pairs": {
        "oneOf": [
            {"const": "all"},
            {
                "type": "array",
                "minItems": 1,
                "uniqueItems": True,
                "items": {
                    "type": "array",
                    "minItems": 2,
                    "maxItems": 2,
                    "items": {"enum": ["text", "audio", "video", "motion"]},
                },
            },
        ],
        "default": "all",
        "description": "Of `middle`: who looks at whom, as `[query, source]` each, such as `[[text, audio]]`; or `all`.",
    },
    "depth": {
        "type": "integer",
        "minimum": 1,
        "maximum": 12,
        "default": 1,
        "description": "Layers of attention from one modality to another; in `input` and `end` further layers of the "
        "transformer.",
    },
    "own_depth": {
        "type": "integer",
        "minimum": 0,
        "maximum": 12,
        "default": 1,
        "description": "Layers of attention of each modality to itself before that.",
    },
    "read_out": {
        "enum": ["product", "start", "mean"],
        "default": "product",
        "description": "The vector of a turn: of the learned start tokens the `product` of those with one query, one after the "
        "other; all start tokens (`start`); or the `mean` over the steps. Outside of `middle` `product` is "
        "`start`.",
    },
    "width": {
        "type": "integer",
        "minimum": 8,
        "maximum": 1024,
        "default": 64,
        "description": "Numbers of a state; a multiple of `heads`.",
        "listed": True,
    },
    "heads": {"type": "integer", "minimum": 1, "maximum": 16, "default": 4, "description": "Heads of attention."},
}


class Network(nn.Module):
    """Whatever `fusion` says."""

    def __init__(self, widths, classes, settings):
        super().__init__()
        self.fusion, self.read_out = settings["fusion"], settings["read_out"]
        width, dropout = settings["width"], settings["dropout"]
        self.projections = nn.ModuleDict({m: Projection(d, width, dropout) for m, d in widths.items()})
        more = 0 if self.fusion == "middle" else settings["depth"]

        def layers(count):
            return nn.ModuleList([Attention(width, settings["heads"], dropout) for _ in range(count)])

        def head(inputs):
            dense = nn.Sequential(nn.Linear(inputs, width), nn.Tanh(), nn.Dropout(dropout))
            return nn.Sequential(*dense, nn.Linear(width, classes))

        self.own = nn.ModuleDict({m: layers(settings["own_depth"] + more) for m in widths if self.fusion != "input"})
        if self.fusion == "end":
            self.heads = nn.ModuleDict({m: head(width) for m in widths})
        elif self.fusion == "input":
            self.kinds = nn.ParameterDict({m: torch.randn(width) * width**-0.5 for m in widths})
            self.all = layers(settings["own_depth"] + more)
            self.head = head(width)
        else:
            self.pairs = pairs_of(settings["pairs"], widths)
            self.cross = nn.ModuleDict({f"{q}_{s}": layers(settings["depth"]) for q, s in self.pairs})
            queries = {q for q, _ in self.pairs}
            self.head = head(width * (len(queries) if self.read_out == "product" else len(self.pairs)))

    def forward(self, batch):
        """[logits (B, classes)]; of `end` the logarithm of the mean of the modalities' probabilities, and theirs."""
        states = {m: self.projections[m](x) for m, x in batch.steps.items()}
        real = {m: with_start(of) for m, of in batch.real.items()}
        if self.fusion == "input":
            together = torch.cat([x + self.kinds[m] for m, x in states.items()], 1)
            there = torch.cat(list(real.values()), 1)
            for layer in self.all:
                together = layer(together, together, there)
            return [self.head(self._read(together, there))]
        for m, layers in self.own.items():
            for layer in layers:
                states[m] = layer(states[m], states[m], real[m])
        if self.fusion == "end":
            each = [self.heads[m](self._read(x, real[m])) for m, x in states.items()]
            shares = torch.stack([logits.softmax(1) for logits in each]).mean(0)
            return [shares.clamp(min=1e-30).log().detach(), *each]
        read = {}
        for query, source in self.pairs:
            seen = states[query]
            for layer in self.cross[f"{query}_{source}"]:
                seen = layer(seen, states[source], real[source])
            read[query, source] = self._read(seen, real[query])
        if self.read_out == "product":
            queries = dict.fromkeys(query for query, _ in self.pairs)
            of = [torch.stack([x for (q, _), x in read.items() if q == query]).prod(0) for query in queries]
        else:
            of = list(read.values())
        return [self.head(torch.cat(of, 1))]

    def _read(self, states, real):
        return mean(states[:, 1:], real[:, 1:]) if self.read_out == "mean" else states[:, 0]


def pairs_of(pairs, widths):
    """(query, source) of the modalities that there are, in order."""
    return [(q, s) for q in widths for s in widths if q != s and (pairs == "all" or [q, s] in pairs)]


def train(task):
    """`networks.train` of this kind."""
    return networks.train(task, Network, SequenceBatches)
