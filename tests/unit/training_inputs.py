"""A small corpus of text clips with a tiny encoder, and its fine-tuning, whole or killed midway."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from safetensors.torch import load_file
from transformers import BertConfig, BertModel, BertTokenizerFast, TrainerCallback

from emofuse.clips.files import COLUMNS
from emofuse.encoders import trainer as trainers
from emofuse.encoders import training as fine_tuning
from emofuse.encoders.fitness import WORDS as COMMON
from emofuse.encoders.settings import Computing, Data, Encoder, Machine, Traces
from emofuse.runtime.store import write_parquet, write_tsv
from emofuse.splits.parts import make_split
from emofuse.splits.rules import Scheme

WORDS = {"neu": ["table", "door", "letter"], "ang": ["angry", "stop", "hate"], "sad": ["cry", "lost", "alone"]}
CLASSES = {"ang": ["ang"], "neu": ["neu"], "sad": ["sad"]}
SETTINGS = {
    "pooling": "mean",
    "learning_rate": 1e-2,
    "epochs": 8,
    "batch_size": 8,
    "eval_batch_size": 8,
    "gradient_accumulation": 1,
    "weight_decay": 0.01,
    "warmup": 0,
    "dropout": 0.1,
    "schedule": "linear",
    "layer_decay": 1.0,
    "freeze_layers": 0,
    "layer": "last",
    "patience": None,
    "class_weights": "none",
    "label_smoothing": 0.0,
    "max_tokens": 16,
    "markers": "keep",
}
TRAINING = {"threads": 1, "logging_steps": 2, "compile": False, "deterministic": True, "precision": "auto"}
MACHINE = {
    "device": "cpu",
    "loader_workers": 0,
    "jobs_per_gpu": 1,
    "gradient_checkpointing": False,
    "checkpoint_minutes": 0,
}


def make_corpus(root, layers=1):
    """Three sessions of text clips with telling words, a split, and a tiny BERT; returns their folder."""
    rng = np.random.default_rng(0)
    rows, manifest = [], []
    for session in (1, 2, 3):
        dialog = f"Ses0{session}F_impro01"
        (root / f"clips/text/{dialog}").mkdir(parents=True)
        for i in range(24):
            turn, label = f"{dialog}_F{i:03d}", ["ang", "neu", "sad", "xxx"][i % 4]
            words = " ".join(rng.choice(WORDS.get(label, ["table", "cry"]), 1 + i % 5))
            rows.append((turn, session, dialog, "impro01", f"Ses0{session}_F", "improvised", label, float(i)))
            (root / f"clips/text/{dialog}/{turn}.txt").write_text(words)
            gone = session == 1 and i == 0
            status = ("no_words", 0, 0) if gone else ("ok", len(words), len(words.split()))
            checksum = hashlib.sha256(words.encode()).hexdigest()
            manifest.append(dict(zip(COLUMNS, (turn, *status, checksum, ""), strict=True)))
    write_tsv(root / "all.manifest.tsv", manifest, COLUMNS)
    names = ("turn_id", "session", "dialog", "scenario", "speaker", "style", "label", "start_s")
    write_parquet(root / "turns.parquet", pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))))
    split_turns(root, "session3", "previous_session", root / "split.parquet")
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *sorted({*COMMON, *(w for ws in WORDS.values() for w in ws)}),
    ]
    (root / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab=str(root / "vocab.txt")).save_pretrained(root / "bert")
    small = {"hidden_size": 16, "num_hidden_layers": layers, "num_attention_heads": 2, "intermediate_size": 32}
    fine_tuning.transformers.set_seed(0)
    BertModel(BertConfig(**small, vocab_size=len(words))).save_pretrained(root / "bert")
    return root


def split_turns(corpus, name, rule, output):
    make_split(corpus / "turns.parquet", name, CLASSES, "all", Scheme([1, 2, 3], rule), output)


def fine_tune(corpus, output, split="split.parquet", settings=None, seed=0, like=None, machine=None, training=None):
    fine_tuning.fine_tune(
        Encoder("text", "bert", SETTINGS | {"model": "some/bert"} | (settings or {}), corpus / "bert"),
        Data(corpus / split, [corpus / "all.manifest.tsv"], corpus / "clips", turns=corpus / "turns.parquet"),
        Computing(**TRAINING | (training or {})),
        Machine(**MACHINE | (machine or {})),
        seed=seed,
        output=output,
        traces=Traces(output.parent / f"{output.name}-state", output.parent / "tensorboard", "0"),
        like=like,
    )
    return load_file(output / "model.safetensors") | load_file(output / "head.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all((one[k] == other[k]).all() for k in one)


class Killed(Exception):
    """Stands for a job that is killed in the middle."""


def interrupt(corpus, output, monkeypatch, step=8, **others):
    """Kill a training before a step (three steps are an epoch): the paths of its checkpoints, the oldest first."""

    class Kill(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == step:
                raise Killed

    original = trainers.LengthGroupedTrainer.__init__

    def with_kill(self, callbacks, **arguments):
        original(self, callbacks=[*callbacks, Kill()], **arguments)

    with monkeypatch.context() as patch:
        patch.setattr(trainers.LengthGroupedTrainer, "__init__", with_kill)
        with pytest.raises(Killed):
            fine_tune(corpus, output, **others)
    assert not output.exists()
    states = (output.parent / f"{output.name}-state").glob("*/checkpoint-*")
    return sorted(states, key=lambda path: int(path.name.split("-")[1]))
