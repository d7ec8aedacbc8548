"""Measures one encoder for a minute, in a process of its own: real steps of its training, of its validation, of embedding.

Started as `python -m emofuse.forecast.measuring CASE FOUND`, two JSON files; see `measure`.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import transformers
from torch.utils.data import Subset
from transformers import AutoConfig, AutoModel, TrainerCallback, WhisperConfig
from transformers.trainer_pt_utils import LengthGroupedSampler

from emofuse.clips.files import read_manifests
from emofuse.encoders import model as models
from emofuse.encoders.architectures import build
from emofuse.encoders.context import make_dataset
from emofuse.encoders.fitness import WORDS
from emofuse.encoders.inference import apply
from emofuse.encoders.inputs import make_inputs
from emofuse.encoders.layers import set_up
from emofuse.encoders.losses import make_loss
from emofuse.encoders.model import EmotionClassifier, save_classifier
from emofuse.encoders.records import cost
from emofuse.encoders.settings import Computing, Machine
from emofuse.encoders.trainer import make_arguments, make_trainer
from emofuse.forecast.sampling import representative, stand_ins
from emofuse.runtime.devices import prepare_device, resolve_precision
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_json, write_json

# Architectures whose sizes are known without a download.
KNOWN = {
    "google-bert/bert-base-uncased": "bert",
    "FacebookAI/roberta-base": "roberta",
    "distilbert/distilbert-base-uncased": "distilbert",
    "facebook/wav2vec2-base": "wav2vec2",
    "facebook/hubert-base-ls960": "hubert",
    "MIT/ast-finetuned-audioset-10-10-0.4593": "ast",
    "MCG-NJU/videomae-base": "videomae",
}
SHARES = {"train": 0.5, "val": 0.2, "all": 0.3}  # of the seconds that the timed steps may take
WARM = 3  # steps before them; the first is the largest of the epoch, as in a training
MOST = 60  # batches of an epoch that are measured before they come again
SHORT = 5  # seconds


class Cut(dict):
    """Rows of manifests; a turn that is not cut yet is one without a clip."""

    def __missing__(self, turn):
        return {"status": "missing"}


def measure(case):
    """What an encoder takes, a dict: load_s, save_s; train_s, val_s and all_s, seconds a turn, each with its standard error
    as a share (train_error ...); and what `records.cost` says of memory and device.

    case: modality, encoder, settings (its config entries), folder, classes (their number), computing, machine (as of
    `settings`), clips (folder), manifests (paths, of the dialogs that are cut), lengths ({train, val and all: list of turns'
    lengths in the clips' unit}), turns (path of turns.parquet), seconds (that timed steps may take), frozen. Clips stand for
    turns of about their length. train_s is 0 where nothing is trained.
    """
    computing, machine = Computing(**case["computing"]), Machine(**case["machine"])
    device = prepare_device(machine.device, computing.threads, computing.deterministic)
    precision = resolve_precision(computing.precision, device)
    transformers.set_seed(0)
    began = time.perf_counter()
    classifier, inputs, random = load(case, machine)
    found = {"load_s": time.perf_counter() - began, "random": random, "width": classifier.head.in_features}
    data = {part: _data(case, inputs, part) for part in case["lengths"]}
    if case["frozen"]:
        found |= {"train_s": 0.0, "train_error": 0.0, "val_s": 0.0, "val_error": 0.0, "save_s": 0.0}
    else:
        with tempfile.TemporaryDirectory(prefix="emofuse-plan-") as folder:
            os.environ["TENSORBOARD_LOGGING_DIR"] = folder
            setup = (folder, case["settings"], computing, machine, 0, device, precision, False)
            found |= _trained(classifier, data, make_arguments(*setup), case, machine)
            began = time.perf_counter()
            save_classifier(classifier, folder)
            found["save_s"] = time.perf_counter() - began
    found |= _applied(classifier.to(device), data["all"], case, machine, found["train_s"])
    return found | cost(device, 0, 0, sum(p.numel() for p in classifier.parameters()), {}) | {"precision": precision}


def load(case, machine):
    """(EmotionClassifier, its inputs, whether its weights are random because they are not there) of an encoder."""
    folder, modality, settings = Path(case["folder"]), case["modality"], case["settings"]
    random = not (folder / "model.safetensors").exists()
    if not random:
        backbone, processor = models.load_pretrained(folder, modality, f"encoders.{modality}.{case['encoder']}.model")
    elif (folder / "config.json").exists():
        config = AutoConfig.from_pretrained(folder, **models.LOCAL)
        kind = models.WhisperEncoder if isinstance(config, WhisperConfig) else AutoModel
        backbone = kind(config) if kind is not AutoModel else kind.from_config(config)
        processor = models.read_processor(folder, modality)
    else:
        backbone, processor = build(KNOWN[settings["model"]], list(WORDS), tiny=False)
    inputs = make_inputs(modality, processor, backbone.config, settings)
    if not case["frozen"]:
        set_up(backbone, settings, f"encoders.{modality}.{case['encoder']}")
    pixels = getattr(inputs, "pixels", None)
    shape = (case["classes"], settings["pooling"], settings.get("dropout", 0.0), pixels, settings.get("layer", "last"))
    classifier = EmotionClassifier(backbone, *shape)
    if machine.gradient_checkpointing:
        backbone.activation_checkpointing_enable({"use_reentrant": False})
    return classifier, inputs, random


def _data(case, inputs, part):
    """A TurnDataset of as many turns as the part has, of about their lengths."""
    manifest = Cut(read_manifests(case["manifests"]))
    known = {turn: int(row["frames"]) for turn, row in manifest.items() if row["status"] == "ok"}
    if not known:
        raise EmofuseError(f"the dialogs that were cut to be measured hold no clip of {case['modality']}")
    turns = stand_ins(case["lengths"][part], known)
    labels = np.arange(len(turns)) % case["classes"]
    seed = 0 if part == "train" else None
    return make_dataset(inputs, case["clips"], case["modality"], turns, manifest, labels, seed, case["turns"])


class Clock(TrainerCallback):
    """Notes how long each step takes after the first, which warm up, and ends the training when its time is over."""

    def __init__(self, seconds, warm):
        self.seconds, self.warm, self.steps, self.times = seconds, warm, 0, []
        self.began = self.before = None

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.before = now()
        self.began = self.began or self.before

    def on_step_end(self, args, state, control, **kwargs):
        self.steps += 1
        here = now()
        warm = self.steps <= self.warm and here - self.began < self.seconds / 3
        self.times.append((self.steps, 0.0 if warm else here - self.before))
        self.before = here
        if here - self.began > self.seconds and sum(seconds > 0 for _, seconds in self.times) > 1:
            control.should_training_stop = True


def _trained(classifier, data, arguments, case, machine):
    """train_s, val_s and their errors, of the Trainer's own loop over batches that stand for an epoch."""
    settings = case["settings"]
    size = settings["batch_size"] * settings["gradient_accumulation"]
    classifier.loss = make_loss(settings, data["train"].labels, case["classes"])
    order = _ordered(data["train"], list(LengthGroupedSampler(size, lengths=data["train"].lengths)), size)
    trainer = make_trainer(classifier, data["train"], data["val"], arguments, settings, machine, settings["epochs"])
    trainer._get_train_sampler = lambda *_: _Fixed([i for batch in order for i in batch])
    # Neither the weights of a best epoch nor a resume state are kept here.
    trainer.best.on_evaluate = trainer.best.on_epoch_end = lambda *_, **__: None
    clock = Clock(case["seconds"] * SHARES["train"], min(WARM, len(order) - 1))
    trainer.add_callback(clock)
    trainer.train()
    timed = [(seconds, len(order[(step - 1) % len(order)])) for step, seconds in clock.times if seconds]
    found = rate(*zip(*timed, strict=True), "train")
    number = _affordable(case, "val", found["train_s"] / 2, settings["eval_batch_size"])
    some = _some(list(range(len(data["val"]))), data["val"], settings["eval_batch_size"], number)
    validation = Subset(data["val"], [i for batch in some for i in batch])
    trainer._get_eval_sampler = lambda _: range(len(validation))
    times = []
    for _ in range(3 if found["train_s"] * len(validation) < SHORT else 1):
        before = now()
        trainer.evaluate(validation)
        times.append(now() - before)
    return found | rate(times, [len(validation)] * len(times), "val")


def _affordable(case, part, seconds, size):
    """How many batches, 1 to 4, of turns that take about so many seconds each can be evaluated at once."""
    return int(np.clip(case["seconds"] * SHARES[part] / max(seconds * size, 1e-6), 1, 4))


def _ordered(data, order, size):
    """Batches of an epoch in the order in which they are measured: the largest, then those that stand for all,
    so mixed that the first of them do so too."""
    batches = [order[i : i + size] for i in range(0, len(order) - size + 1, size)] or [order]
    sizes = _sizes(data, batches)
    chosen = representative(batches, sizes, MOST)
    rng = np.random.default_rng(0)
    return [batches[sizes.argmax()], *(chosen[i] for i in rng.permutation(len(chosen)))]


def _some(order, data, size, number):
    """`number` batches of an evaluation that stand for all."""
    batches = [order[i : i + size] for i in range(0, len(order), size)]
    return representative(batches, _sizes(data, batches), number)


def _sizes(data, batches):
    most = getattr(data.inputs, "most", np.inf)
    return np.array([len(batch) * max(min(data.lengths[i], most) for i in batch) for batch in batches], float)


class _Fixed(torch.utils.data.Sampler):
    """Numbers of turns in a given order, each with an epoch."""

    def __init__(self, order):
        self.order = order

    def __len__(self):
        return len(self.order)

    def __iter__(self):
        return ((index, 0) for index in self.order)


def _applied(classifier, data, case, machine, train_s):
    """all_s and its error: embedding turns of all lengths, batch by batch."""
    settings, times, counts, began = case["settings"], [], [], now()
    order = np.argsort(data.lengths, kind="stable").tolist()
    chosen = _some(order, data, settings["eval_batch_size"], MOST)
    chosen = [chosen[i] for i in np.random.default_rng(0).permutation(len(chosen))]
    # Several at a time, for the loader's processes are started for each call.
    at_once = _affordable(case, "all", train_s / 2, settings["eval_batch_size"])
    for number in range(0, len(chosen), at_once):
        turns = [i for batch in chosen[number : number + at_once] for i in batch]
        part = Subset(data, turns)
        part.inputs, part.lengths = data.inputs, [data.lengths[i] for i in turns]
        before = now()
        apply(classifier, part, settings["eval_batch_size"], machine.loader_workers, "measure")
        times.append(now() - before)
        counts.append(len(turns))
        if now() - began > case["seconds"] * SHARES["all"]:
            break
    return rate(times, counts, "all")


def rate(times, counts, name):
    """{name_s: seconds a turn, name_error: its standard error as a share of it, None of a single one} of stretches of work."""
    times, counts = np.asarray(times, float), np.asarray(counts, float)
    each = times.sum() / counts.sum()
    residuals = times - each * counts
    error = np.sqrt((residuals**2).sum() / max(1, len(times) - 1) * len(times)) / times.sum()
    return {f"{name}_s": each, f"{name}_error": float(error) if len(times) > 1 else None}


def now():
    """Seconds, when all that was sent to the device is done."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    case = read_json(sys.argv[1])
    start = time.time() - case["spawned"]
    write_json(sys.argv[2], measure(case) | {"start_s": start})
