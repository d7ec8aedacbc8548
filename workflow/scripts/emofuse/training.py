"""Fine-tunes one encoder on one split with Transformers' Trainer and keeps the epoch that did best on validation."""

import hashlib
import json
import os
import platform
import resource
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
import transformers
from safetensors import SafetensorError, safe_open
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_pt_utils import LengthGroupedSampler
from transformers.trainer_utils import get_last_checkpoint

from emofuse.clip_files import read_manifests, require_whole_clips
from emofuse.devices import prepare_device
from emofuse.encoders import EmotionClassifier, checkpoint_hash, load_pretrained, save_classifier
from emofuse.errors import EmofuseError
from emofuse.hub import RECORD, check_download
from emofuse.inputs import Collator, TurnDataset, make_inputs
from emofuse.splits import read_split, turns_digest
from emofuse.store import read_json, read_metadata, whole_folder, write_json, write_parquet


class LengthGroupedTrainer(Trainer):
    """A Trainer whose training batches hold turns of like length, by lengths known without decoding anything."""

    def _get_train_sampler(self, train_dataset=None):
        return LengthGroupedSampler(
            self.args.train_batch_size * self.args.gradient_accumulation_steps, lengths=self.train_dataset.lengths
        )


class StopAfter(TrainerCallback):
    """Ends the training after an epoch, with the learning rates of the whole schedule up to there."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, args, state, control, **kwargs):
        if round(state.epoch) >= self.epoch:
            control.should_training_stop = True


def fine_tune(
    split,
    manifests,
    clips,
    modality,
    encoder,
    model,
    settings,
    training,
    machine,
    seed,
    output,
    state,
    tensorboard,
    code,
    like=None,
    model_files=(),
):
    """Train on the split's training part, choose the epoch on its validation part, save into the folder `output`.

    split: path of the split file. manifests: paths of the modality's clip manifests. clips: folder of all clips. encoder:
    its name in the config. model: the folder that holds it as it is before. settings: its config entries. training:
    {threads, logging_steps, compile}. machine: {device, loader_workers, cache_mb, gradient_checkpointing}, which change
    how fast it is and not what comes out.
    state: folder for resume states, one subfolder for each set of inputs, removed on success. code: fingerprint of the
    code, part of that key, as are the `model_files` of an encoder in a local folder. like: training.json of a training
    whose best epoch is this one's last, under the same schedule. Without a validation part the last epoch is kept. The
    test part is not looked at, unless the split itself says that epochs are chosen on it (rule 'test'). training.json
    holds `train_turns`, the digest of the split's training turns, those without a clip included.
    """
    began = time.monotonic()
    device = prepare_device(machine["device"], training["threads"])
    table, classes = read_split(split)
    watched = "test" if read_metadata(split)["validation"] == "test" else "val"
    manifest = read_manifests(manifests)
    epochs = read_json(like)["best_epoch"] if like else settings["epochs"]
    key = _digest([settings, training, seed, code, epochs], [split, *manifests, *model_files])
    download = check_download(model) if (Path(model) / RECORD).exists() else None
    transformers.set_seed(seed)  # before the head's random weights are drawn
    backbone, processor = load_pretrained(model, modality, f"encoders.{modality}.{encoder}.model")
    classifier = EmotionClassifier(backbone, len(classes), settings["pooling"], settings["dropout"])
    if machine["gradient_checkpointing"]:
        backbone.activation_checkpointing_enable({"use_reentrant": False})
    inputs = make_inputs(modality, processor, backbone.config, settings)
    usable = [t for t in _with_clips(table.to_pylist(), manifest) if t["part"] in ("train", watched)]
    require_whole_clips(clips, modality, [t["turn_id"] for t in usable], manifest)
    data = {}
    for part in ("train", watched):
        rows = [t for t in usable if t["part"] == part]
        labels = np.array([classes.index(t["class"]) for t in rows], dtype=np.int64)
        data[part] = TurnDataset(
            inputs, clips, modality, [t["turn_id"] for t in rows], manifest, labels, seed if part == "train" else None
        )
    if not len(data["train"]):
        raise EmofuseError(f"{split}: no turn of the training part has a clip under {clips}/{modality}")
    validated = len(data[watched]) > 0
    if modality == "video" and not machine["loader_workers"]:
        inputs.keep_in_memory(sum(map(sum, (part.lengths for part in data.values()))), machine["cache_mb"])

    folder = _state_folder(Path(state), key)
    os.environ["TENSORBOARD_LOGGING_DIR"] = f"{tensorboard}/{key}"
    trainer = LengthGroupedTrainer(
        model=classifier,
        args=_arguments(folder, settings, training, machine, seed, device, validated),
        train_dataset=data["train"],
        eval_dataset=data[watched] if validated else None,
        data_collator=Collator(inputs),
        compute_metrics=_scores if validated else None,
        callbacks=[StopAfter(epochs)],
    )
    resumed = _last_whole_checkpoint(folder)
    if resumed:
        print(f"resuming from {resumed}")
    try:
        result = trainer.train(resume_from_checkpoint=resumed)
    except torch.OutOfMemoryError as error:
        raise EmofuseError(
            f"the device ran out of memory ({error}).\nSet training.gradient_checkpointing to true (same results, nothing"
            f" else runs again), or lower encoders.{modality}.{encoder}.batch_size, with gradient_accumulation raised by the"
            " same factor to keep the effective batch."
        ) from error
    if not np.isfinite(result.training_loss):
        raise EmofuseError(
            f"the training loss is {result.training_loss}: lower encoders.{modality}.{encoder}.learning_rate"
        )
    if validated and not Path(trainer.state.best_model_checkpoint, "model.safetensors").exists():
        raise EmofuseError(
            f"{folder}: the weights of the best epoch vanished while it trained. Where another job, left by a Snakemake that"
            " was killed, trains the same, wait for its end or cancel it; then run again."
        )
    best = trainer.state.best_global_step if validated else trainer.state.global_step
    steps_per_epoch = trainer.state.max_steps / trainer.args.num_train_epochs
    with whole_folder(output) as partial:
        save_classifier(trainer.model, partial)
        processor.save_pretrained(partial / "processor")
        write_parquet(partial / "history.parquet", _history(trainer.state.log_history, watched))
        write_json(
            partial / "training.json",
            {
                "modality": modality,
                "encoder": encoder,
                "settings": settings,
                "training": training | machine,
                "commit": download and download["commit"],  # None for an encoder that did not come from the Hub
                "seed": seed,
                "classes": classes,
                "turns": {part: len(rows) for part, rows in data.items()},
                "train_turns": turns_digest(t["turn_id"] for t in table.to_pylist() if t["part"] == "train"),
                "best_epoch": round(best / steps_per_epoch),
                "chosen_on": watched if validated else None,
                "best_wa": trainer.state.best_metric if validated else None,
                "checkpoint": checkpoint_hash(partial),
                "parameters": sum(p.numel() for p in trainer.model.parameters()),
                "device": torch.cuda.get_device_name()
                if device == "cuda"
                else platform.processor() or platform.machine(),
                "seconds": round(time.monotonic() - began, 2),
                "samples_per_second": result.metrics["train_samples_per_second"],
                "peak_memory_mb": round(_peak_memory(device)),
                "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
            },
        )
    shutil.rmtree(folder)


def _with_clips(turns, manifest):
    """The turns that have a clip; those without are named in the log (and in the manifests, with their reasons)."""
    missing = [t["turn_id"] for t in turns if manifest[t["turn_id"]]["status"] != "ok"]
    if missing:
        print(f"left out, for want of a clip: {', '.join(missing)}")
    return [t for t in turns if t["turn_id"] not in missing]


def _arguments(folder, settings, training, machine, seed, device, validated):
    each_epoch = "epoch" if validated else "no"
    return TrainingArguments(
        output_dir=str(folder),
        learning_rate=settings["learning_rate"],
        num_train_epochs=settings["epochs"],
        per_device_train_batch_size=settings["batch_size"],
        per_device_eval_batch_size=settings["eval_batch_size"],
        gradient_accumulation_steps=settings["gradient_accumulation"],
        weight_decay=settings["weight_decay"],
        warmup_steps=settings["warmup"],  # below 1: a share of all steps
        bf16=device == "cuda" and torch.cuda.is_bf16_supported(),
        use_cpu=device == "cpu",
        eval_strategy=each_epoch,
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=validated,
        metric_for_best_model="wa",
        greater_is_better=True,
        logging_steps=training["logging_steps"],
        logging_nan_inf_filter=False,  # a loss that is not a number must show
        torch_compile=training["compile"],
        report_to="tensorboard",
        dataloader_num_workers=machine["loader_workers"],
        remove_unused_columns=False,
        label_names=["labels"],
        seed=seed,
    )


def _scores(prediction):
    """WA and UA of the validation part (logits (N, classes), labels (N,))."""
    logits = prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions
    guess = logits.argmax(-1)
    return {
        "wa": accuracy_score(prediction.label_ids, guess),
        "ua": balanced_accuracy_score(prediction.label_ids, guess),
    }


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


def _state_folder(state, key):
    """The folder for this training's resume state; states of other inputs or settings are removed, aloud."""
    for other in sorted(state.glob("*")):
        if other.name != key:
            print(f"{other}: a state of other inputs or settings; training starts afresh and removes it")
            shutil.rmtree(other)
    folder = state / key
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _last_whole_checkpoint(folder):
    """The last checkpoint in a state folder that can be resumed from, or None; damaged ones are removed, aloud.

    So a training whose state was cut short goes on from an earlier epoch, or starts afresh, and ends the same.
    """
    while checkpoint := get_last_checkpoint(folder):
        damage = _damage(Path(checkpoint))
        if not damage:
            return checkpoint
        print(f"{checkpoint} is removed, for it is damaged or was not finished: {damage}")
        shutil.rmtree(checkpoint)
    return None


def _damage(checkpoint):
    """Why a checkpoint cannot be resumed from, or None. It also needs the best one so far, whose weights are kept.

    trainer_state.json is what the Trainer writes last. The others but the weights are zip archives with checksums; nothing is
    unpickled here.
    """
    try:
        best = read_json(checkpoint / "trainer_state.json")["best_model_checkpoint"]
        for path in {checkpoint, Path(best or checkpoint)}:
            with safe_open(path / "model.safetensors", "pt"):
                pass
        for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
            with zipfile.ZipFile(checkpoint / name) as archive:
                if archive.testzip():
                    return f"{name} has other bytes than were written"
    except (EmofuseError, KeyError, OSError, SafetensorError, zipfile.BadZipFile) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _digest(values, paths):
    """16 hex digits over values (JSON) and the contents of files."""
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for path in paths:
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()[:16]


def _peak_memory(device):
    """Peak memory in MB: of the GPU where one is used, else of the process."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
