"""Asks whether what emofuse computes with one encoder on this device is right: the real training and embedding, made-up turns.

Each answer has a bound beyond which it is wrong; README.md says why it is where it is.
"""

import os
import signal
import threading
import time
from dataclasses import fields
from pathlib import Path

import material
import numpy as np
import pyarrow as pa
import torch
import transformers

from emofuse.clips.files import COLUMNS, read_manifests
from emofuse.encoders import inputs as emofuse_inputs
from emofuse.encoders.architectures import build
from emofuse.encoders.embedding import embed
from emofuse.encoders.inputs import Collator, TurnDataset, make_inputs
from emofuse.encoders.model import load_classifier, load_processor
from emofuse.encoders.settings import Computing, Data, Encoder, Machine, Traces
from emofuse.encoders.training import fine_tune
from emofuse.runtime.devices import prepare_device
from emofuse.runtime.store import read_json, read_parquet, write_parquet, write_tsv
from emofuse.splits.parts import make_split, read_split
from emofuse.splits.rules import Scheme

CLASSES = ("ang", "hap", "neu", "sad")
EPOCHS = 2
# Shares of the largest number. What is in a batch, or which device computes, may change the last digits of fp32; bf16 has
# 8 bits, and errors of twelve layers add up.
BOUNDS = {"alone": 1e-4, "cpu": 1e-3, "bf16": 0.1}


def prepare(case):
    """Write what the trainings of a case read: the encoder as it is before, turns.parquet, the split, the manifest."""
    folder = Path(case["folder"])
    transformers.set_seed(0)
    backbone, processor = build(case["encoder"], material.made_up_words(), tiny=case["tiny"])
    backbone.save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    rows = []
    for number, turn in enumerate(case["manifest"]):
        session = 1 + number % 3
        dialog = turn.rpartition("_")[0]
        label = CLASSES[number // 3 % len(CLASSES)]
        rows.append((turn, session, dialog, "impro01", f"Ses0{session}_F", "improvised", label))
    names = ("turn_id", "session", "dialog", "scenario", "speaker", "style", "label")
    write_parquet(folder / "turns.parquet", pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))))
    classes = {label: [label] for label in CLASSES}
    scheme = Scheme([1, 2, 3], "previous_session")
    make_split(folder / "turns.parquet", "session3", classes, "all", scheme, folder / "split.parquet")
    write_tsv(folder / "manifest.tsv", [row | {"turn": turn} for turn, row in case["manifest"].items()], COLUMNS)


def train(case, output, state):
    """The real fine-tuning of the case's encoder; the sha256 of the weights that it keeps."""
    folder = Path(case["folder"])
    fine_tune(
        Encoder(case["modality"], case["encoder"], case["settings"] | {"epochs": EPOCHS}, folder / "model"),
        Data(folder / "split.parquet", [folder / "manifest.tsv"], case["clips"]),
        _picked(Computing, case["training"], threads=case["threads"] or case["training"]["threads"]),
        _picked(Machine, case["training"], device=case["device"], loader_workers=case["workers"], checkpoint_minutes=0),
        seed=0,
        output=folder / output,
        traces=Traces(folder / state, folder / "tensorboard", "0"),
    )
    return read_json(folder / output / "training.json")["checkpoint"]


def _picked(kind, training, **others):
    """The settings of one kind out of the config's section `training`."""
    return kind(**{field.name: training[field.name] for field in fields(kind)} | others)


def train_until_killed(case):
    """Train until the first state is written, then die as a killed job does."""
    _prepare_process(case)
    state = Path(case["folder"]) / "killed-state"

    def watch():
        while not list(state.glob("*/checkpoint-*/trainer_state.json")):
            time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
    prepare(case)
    train(case, "killed", "killed-state")
    raise RuntimeError("the training ended before it could be killed")


def ask(case):
    """A dict of answers about a case, after `train_until_killed`: encoder, device, precision, seconds; training_seconds,
    peak_memory_mb of a training; resumed, repeated (whether the weights are equal to the last bit); one_wa (whether the
    stored logits have the validation WA that the training says); alone, cpu, bf16 (largest differences, see BOUNDS)."""
    began = time.monotonic()
    _prepare_process(case)
    folder = Path(case["folder"])
    if not list((folder / "killed-state").glob("*/checkpoint-*/trainer_state.json")):
        raise RuntimeError("the killed training left no state")
    resumed, undisturbed = train(case, "killed", "killed-state"), train(case, "first", "state")
    # A resumed training that ends the same was computed by two processes, and each step of it repeated another's.
    repeated = resumed == undisturbed or undisturbed == train(case, "second", "state")
    record = read_json(folder / "first/training.json")
    store = _embedded(case)
    table, classes = read_split(folder / "split.parquet")
    class_of = dict(zip(table["turn_id"].to_pylist(), table["class"].to_pylist(), strict=True))
    rows = [row for row in store.to_pylist() if row["part"] == "val"]
    wa = np.mean([classes[int(np.argmax(row["logits"]))] == class_of[row["turn_id"]] for row in rows])
    return {
        "encoder": case["encoder"],
        "device": record["device"],
        "precision": record["precision"],
        "resumed": resumed == undisturbed,
        "repeated": repeated,
        "one_wa": bool(abs(wa - record["best_wa"]) < 1e-9),
        **_differences(case),
        "training_seconds": record["seconds"],
        "peak_memory_mb": record["peak_memory_mb"],
        "seconds": time.monotonic() - began,
    }


def wrong(answers):
    """What of the answers is wrong, as a list of sentences."""
    faults = [
        (not answers["repeated"], "a training of the same seed gives other weights"),
        (
            answers["repeated"] and not answers["resumed"],
            "a resumed training gives other weights than an undisturbed one",
        ),
        (not answers["one_wa"], "the stored logits have another validation WA than the training says"),
    ]
    words = {
        "alone": "a turn's embedding differs by {} between a batch of others and a batch of its own",
        "cpu": "an embedding differs by {} from the CPU's",
        "bf16": "logits in bf16 differ by {} from those in fp32",
    }
    for name, bound in BOUNDS.items():
        if answers[name] is not None:  # None for cpu where the device is one
            faults.append(
                (not answers[name] <= bound, f"{words[name].format(f'{answers[name]:.2g}')} (bound {bound:g})")
            )
    return [fault for is_wrong, fault in faults if is_wrong]


def _prepare_process(case):
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if not case["decode"]:
        emofuse_inputs.read_frames = material.generated_frames


def _embedded(case):
    """The store of all turns, as the embedding job writes it."""
    folder = Path(case["folder"])
    embed(
        folder / "turns.parquet",
        Data(folder / "split.parquet", [folder / "manifest.tsv"], case["clips"]),
        folder / "first",
        Machine(case["device"], case["workers"], 1),
        threads=case["threads"] or case["training"]["threads"],
        output=folder / "store.parquet",
    )
    return read_parquet(folder / "store.parquet")


def _differences(case):
    """alone, cpu, bf16: the largest differences, as shares of the largest number, over turns of all lengths."""
    folder, modality, settings = Path(case["folder"]), case["modality"], case["settings"]
    device = prepare_device(case["device"], case["threads"] or os.cpu_count(), case["training"]["deterministic"])
    model = load_classifier(folder / "first", settings["pooling"])
    inputs = make_inputs(
        modality, load_processor(folder / "first/processor", modality), model.backbone.config, settings
    )
    model.pixels = getattr(inputs, "pixels", None)
    manifest = read_manifests([folder / "manifest.tsv"])
    turns = sorted(manifest, key=lambda turn: int(manifest[turn]["frames"]))
    turns = [turns[int(i)] for i in np.linspace(0, len(turns) - 1, 6)]  # the shortest to the longest
    data = TurnDataset(inputs, case["clips"], modality, turns, manifest)
    items = [data[i] for i in range(len(turns))]

    def apply(items, device, autocast=False):
        batch = Collator(inputs)(items)
        tensors = {key: tensor.to(device) for key, tensor in batch["inputs"].items()}
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=autocast):
            found = model.to(device)(batch["share"].to(device), tensors, batch["lengths"])
        return found["embedding"].cpu(), found["logits"].cpu()

    together, logits = apply(items, device)
    alone = torch.cat([apply([item], device)[0] for item in items])
    _, bf16 = apply(items, device, autocast=True)
    on_cpu = None if device == "cpu" else apply(items[:3], "cpu")[0]

    def share(numbers, exact):
        return float((numbers - exact).abs().max() / exact.abs().max())

    return {
        "alone": share(alone, together),
        "cpu": None if on_cpu is None else share(on_cpu, together[:3]),
        "bf16": share(bf16, logits),
    }
