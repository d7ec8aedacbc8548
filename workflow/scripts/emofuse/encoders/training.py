"""Fine-tunes one encoder on one split with Transformers' Trainer and keeps the epoch that did best on validation."""

import hashlib
import json
import os
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
import transformers
from sklearn.metrics import accuracy_score

from emofuse.clips.files import read_manifests, require_whole_clips
from emofuse.encoders.context import make_dataset
from emofuse.encoders.fitness import check_small
from emofuse.encoders.hub import RECORD, check_download
from emofuse.encoders.inference import apply
from emofuse.encoders.inputs import Collator, make_inputs
from emofuse.encoders.layers import set_up
from emofuse.encoders.losses import make_loss
from emofuse.encoders.model import EmotionClassifier, checkpoint_hash, load_pretrained, save_classifier
from emofuse.encoders.proof import prove
from emofuse.encoders.records import cost
from emofuse.encoders.resuming import last_whole_checkpoint, state_folder
from emofuse.encoders.trainer import make_arguments, make_trainer
from emofuse.runtime.devices import (
    describe_device,
    device_errors,
    prepare_device,
    require_shared_memory,
    resolve_precision,
)
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_json, read_metadata, whole_folder, write_json, write_parquet
from emofuse.splits.parts import read_split, turns_digest


def fine_tune(encoder, data, computing, machine, seed, output, traces, like=None):
    """Train on the split's training part, choose the epoch on its validation part, save into the folder `output`.

    encoder, data, computing, machine, traces: as in `settings`. like: training.json of a training whose best epoch is this
    one's last, under the same schedule. Without a validation part the last epoch is kept. The test part is not looked at,
    unless the split itself says that epochs are chosen on it (rule 'test'). training.json holds `train_turns`, the digest
    of the split's training turns, those without a clip included, and `best_wa`, the WA of the weights that are kept, in
    full precision as in the stored embeddings; the epochs in history.parquet were measured and compared in the training's
    own `precision`.
    """
    began = time.monotonic()
    device = prepare_device(machine.device, computing.threads, computing.deterministic)
    precision = resolve_precision(computing.precision, device)
    print(describe_device(device, precision, machine.loader_workers))
    table, classes = read_split(data.split)
    watched = "test" if read_metadata(data.split)["validation"] == "test" else "val"
    epochs = read_json(like)["best_epoch"] if like else encoder.settings["epochs"]
    key = _digest(
        [encoder.settings, asdict(computing), precision, seed, traces.code, epochs],
        [data.split, *data.manifests, *encoder.files, *filter(None, [data.turns])],
    )
    download = check_download(encoder.folder) if (Path(encoder.folder) / RECORD).exists() else None
    transformers.set_seed(seed)  # before the head's random weights are drawn
    classifier, inputs, processor = _load(encoder, len(classes), machine)
    check_small(inputs, data.small, encoder.key)
    parts = _read_parts(encoder, data, table.to_pylist(), classes, {"train": seed, watched: None}, inputs)
    classifier.loss = make_loss(encoder.settings, parts["train"].labels, len(classes))
    require_shared_memory(_batch_bytes(parts.values(), encoder.settings), machine.loader_workers)

    folder = state_folder(Path(traces.state), key)
    os.environ["TENSORBOARD_LOGGING_DIR"] = f"{traces.tensorboard}/{key}"
    validated = len(parts[watched]) > 0
    arguments = make_arguments(folder, encoder.settings, computing, machine, seed, device, precision, validated)
    validation = parts[watched] if validated else None
    trainer = make_trainer(classifier, parts["train"], validation, arguments, encoder.settings, machine, epochs)
    speed = _train(trainer, folder, encoder, machine)
    wa = _best_wa(classifier, trainer.best, parts[watched], encoder, machine) if validated else None
    kept = trainer.best.step if validated else trainer.state.global_step
    record = {
        "modality": encoder.modality,
        "encoder": encoder.name,
        "settings": encoder.settings,
        "training": asdict(computing) | asdict(machine),
        "frozen": False,
        "commit": download and download["commit"],  # None for an encoder that did not come from the Hub
        "seed": seed,
        "classes": classes,
        "turns": {part: len(rows) for part, rows in parts.items()},
        "train_turns": turns_digest(t["turn_id"] for t in table.to_pylist() if t["part"] == "train"),
        "best_epoch": round(kept / (trainer.state.max_steps / trainer.args.num_train_epochs)),
        "chosen_on": watched if validated else None,
        "best_wa": wa,
        "precision": precision,
    }
    with whole_folder(output) as partial:
        save_classifier(classifier, partial)
        processor.save_pretrained(partial / "processor")
        write_parquet(partial / "history.parquet", _history(trainer.state.log_history, watched))
        record |= {"checkpoint": checkpoint_hash(partial)} | cost(
            device,
            time.monotonic() - began,
            speed,
            sum(p.numel() for p in trainer.model.parameters()),
            {"torch": torch.__version__, "transformers": transformers.__version__},
        )
        write_json(partial / "training.json", record)
    shutil.rmtree(folder)


def _load(encoder, classes, machine):
    """(EmotionClassifier, its inputs, its processor) of an encoder as it is before training, proven to be fit for it."""
    backbone, processor = load_pretrained(encoder.folder, encoder.modality, f"{encoder.key}.model")
    settings = encoder.settings
    inputs = make_inputs(encoder.modality, processor, backbone.config, settings)
    set_up(backbone, settings, encoder.key)
    pixels = getattr(inputs, "pixels", None)
    classifier = EmotionClassifier(
        backbone, classes, settings["pooling"], settings["dropout"], pixels, settings["layer"]
    )
    if machine.gradient_checkpointing:
        backbone.activation_checkpointing_enable({"use_reentrant": False})
    prove(classifier, inputs, encoder.modality, encoder.key, _smaller(encoder))  # on the CPU, before clips are read
    return classifier, inputs, processor


def _smaller(encoder):
    """What to do where memory is short."""
    return (
        "Set training.gradient_checkpointing to true (same results, nothing else runs again), or lower"
        f" {encoder.key}.batch_size, with gradient_accumulation raised by the same factor to keep the effective batch."
    )


def _read_parts(encoder, data, turns, classes, seeds, inputs):
    """{part: TurnDataset} of the parts in `seeds`, {part: seed of its random windows, or None}: those of the
    split's `turns` that have a clip."""
    manifest = read_manifests(data.manifests)
    usable = [t for t in _with_clips(turns, manifest) if t["part"] in seeds]
    require_whole_clips(data.clips, encoder.modality, [t["turn_id"] for t in usable], manifest)
    parts = {}
    for part, seed in seeds.items():
        rows = [t for t in usable if t["part"] == part]
        labels = np.array([classes.index(t["class"]) for t in rows], dtype=np.int64)
        turns_of_part = [t["turn_id"] for t in rows]
        parts[part] = make_dataset(
            inputs, data.clips, encoder.modality, turns_of_part, manifest, labels, seed, data.turns
        )
    if not len(parts["train"]):
        raise EmofuseError(
            f"{data.split}: no turn of the training part has a clip under {data.clips}/{encoder.modality}"
        )
    return parts


def _train(trainer, folder, encoder, machine):
    """Train to the end, from the last whole state in `folder` if there is one; turns a second."""
    resumed = last_whole_checkpoint(folder)
    if resumed:
        print(f"resuming from {resumed}")
        trainer.best.read(resumed)
    with device_errors(_smaller(encoder), machine.jobs_per_gpu):
        result = trainer.train(resume_from_checkpoint=resumed)
    if not np.isfinite(result.training_loss):
        raise EmofuseError(f"the training loss is {result.training_loss}: lower {encoder.key}.learning_rate")
    return result.metrics["train_samples_per_second"]


def _best_wa(classifier, best, validation, encoder, machine):
    """WA of the best epoch's weights, which the classifier takes back, in full precision."""
    classifier.load_state_dict(best.weights)
    with device_errors(_smaller(encoder), machine.jobs_per_gpu):
        _, logits = apply(
            classifier, validation, encoder.settings["eval_batch_size"], machine.loader_workers, "best epoch"
        )
    return accuracy_score(validation.labels, logits.argmax(1))


def _with_clips(turns, manifest):
    """The turns that have a clip; those without are named in the log (and in the manifests, with their reasons)."""
    missing = [t["turn_id"] for t in turns if manifest[t["turn_id"]]["status"] != "ok"]
    if missing:
        print(f"left out, for want of a clip: {', '.join(missing)}")
    return [t for t in turns if t["turn_id"] not in missing]


def _batch_bytes(parts, settings):
    """Bytes of the largest batch of some TurnDatasets: as if all of its turns were as long as the longest."""
    most = 0
    for part, turns in zip(parts, (settings["batch_size"], settings["eval_batch_size"]), strict=True):
        if len(part):
            batch = Collator(part.inputs)([part[int(np.argmax(part.lengths))]] * min(turns, len(part)))
            most = max(most, sum(tensor.nbytes for tensor in batch["inputs"].values()))
    return most


def _history(log, watched):
    """The Trainer's log as a table: step, epoch, part (train, or the one watched), loss, wa, ua (null for train)."""
    rows = []
    for entry in log:
        if "eval_loss" in entry:
            scores = (entry["eval_loss"], entry["eval_wa"], entry["eval_ua"])
            rows.append((entry["step"], entry["epoch"], watched, *scores))
        elif "loss" in entry:
            rows.append((entry["step"], entry["epoch"], "train", entry["loss"], None, None))
    names = ("step", "epoch", "part", "loss", "wa", "ua")
    types = (pa.int64(), pa.float64(), pa.string(), pa.float64(), pa.float64(), pa.float64())
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pa.table({n: pa.array(c, t) for n, c, t in zip(names, columns, types, strict=True)})


def _digest(values, paths):
    """16 hex digits over values (JSON) and the contents of files."""
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for path in paths:
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()[:16]
