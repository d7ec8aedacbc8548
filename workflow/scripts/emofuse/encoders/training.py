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
from safetensors.torch import load_file, save_file
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_pt_utils import LengthGroupedSampler
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, get_last_checkpoint

from emofuse.clips.files import read_manifests, require_whole_clips
from emofuse.encoders.hub import RECORD, check_download
from emofuse.encoders.inference import apply
from emofuse.encoders.inputs import Collator, TurnDataset, make_inputs
from emofuse.encoders.model import EmotionClassifier, checkpoint_hash, load_pretrained, save_classifier
from emofuse.encoders.proof import prove
from emofuse.runtime.devices import (
    describe_device,
    device_errors,
    prepare_device,
    require_shared_memory,
    resolve_precision,
)
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_json, read_metadata, share, whole_folder, write_json, write_parquet
from emofuse.splits.parts import read_split, turns_digest


class BestEpoch(TrainerCallback):
    """Keeps the weights of the epoch with the best validation WA in memory, and says when a resume state is due.

    `weights`: {name: tensor on the CPU}, None before the first validation; `wa`, `step`: of that epoch. A state is written
    where as many minutes of work would be lost without it; it brings the best weights along (`write`, `read`).
    """

    FILE = "best.safetensors"

    def __init__(self, minutes):
        self.minutes, self.saved = minutes, time.monotonic()
        self.weights, self.wa, self.step = None, -1.0, 0

    def on_evaluate(self, args, state, control, model, metrics, **kwargs):
        if metrics["eval_wa"] > self.wa:
            self.wa, self.step = metrics["eval_wa"], state.global_step
            self.weights = {name: tensor.to("cpu", copy=True) for name, tensor in model.state_dict().items()}
        self._ask_to_save(state, control)

    def on_epoch_end(self, args, state, control, **kwargs):
        if not control.should_evaluate:
            self._ask_to_save(state, control)

    def _ask_to_save(self, state, control):
        due = time.monotonic() - self.saved >= 60 * self.minutes
        control.should_save = due and state.global_step < state.max_steps
        if control.should_save:
            self.saved = time.monotonic()

    def write(self, checkpoint):
        """Write the best weights so far into a checkpoint's folder, if there are any."""
        if self.weights is not None:
            checkpoint.mkdir(parents=True, exist_ok=True)
            metadata = {"wa": repr(float(self.wa)), "step": str(self.step)}
            save_file({name: t.contiguous() for name, t in self.weights.items()}, checkpoint / self.FILE, metadata)

    def read(self, checkpoint):
        """Go on from what `write` wrote."""
        if (path := Path(checkpoint, self.FILE)).exists():
            self.weights = load_file(path)
            with safe_open(path, "pt") as file:
                self.wa, self.step = float(file.metadata()["wa"]), int(file.metadata()["step"])


class LengthGroupedTrainer(Trainer):
    """A Trainer whose training batches hold turns of like length, by lengths known without decoding anything.

    best: the BestEpoch, whose weights go into each checkpoint before the file that says that it is whole.
    """

    def __init__(self, *arguments, best, **settings):
        self.best = best
        super().__init__(*arguments, **settings)
        self.add_callback(best)

    def _save_checkpoint(self, model, trial):
        folder = Path(self.args.output_dir, f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}")
        self.best.write(folder)
        super()._save_checkpoint(model, trial)
        share(path for path in folder.iterdir())

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
    {threads, logging_steps, compile, deterministic, precision}. machine: {device, loader_workers, cache_mb,
    gradient_checkpointing, checkpoint_minutes}, which change how fast it is and not what comes out.
    state: folder for resume states, one subfolder for each set of inputs, removed on success. code: fingerprint of the
    code, part of that key, as are the `model_files` of an encoder in a local folder. like: training.json of a training
    whose best epoch is this one's last, under the same schedule. Without a validation part the last epoch is kept. The
    test part is not looked at, unless the split itself says that epochs are chosen on it (rule 'test'). training.json
    holds `train_turns`, the digest of the split's training turns, those without a clip included, and `best_wa`, the WA of
    the weights that are kept, in full precision as in the stored embeddings; the epochs in history.parquet were measured
    and compared in the training's own `precision`.
    """
    began = time.monotonic()
    device = prepare_device(machine["device"], training["threads"], training["deterministic"])
    precision = resolve_precision(training["precision"], device)
    print(describe_device(device, precision, machine["loader_workers"]))
    table, classes = read_split(split)
    watched = "test" if read_metadata(split)["validation"] == "test" else "val"
    manifest = read_manifests(manifests)
    epochs = read_json(like)["best_epoch"] if like else settings["epochs"]
    key = _digest([settings, training, precision, seed, code, epochs], [split, *manifests, *model_files])
    download = check_download(model) if (Path(model) / RECORD).exists() else None
    transformers.set_seed(seed)  # before the head's random weights are drawn
    backbone, processor = load_pretrained(model, modality, f"encoders.{modality}.{encoder}.model")
    inputs = make_inputs(modality, processor, backbone.config, settings)
    classifier = EmotionClassifier(
        backbone, len(classes), settings["pooling"], settings["dropout"], getattr(inputs, "pixels", None)
    )
    if machine["gradient_checkpointing"]:
        backbone.activation_checkpointing_enable({"use_reentrant": False})
    smaller = (
        "Set training.gradient_checkpointing to true (same results, nothing else runs again), or lower"
        f" encoders.{modality}.{encoder}.batch_size, with gradient_accumulation raised by the same factor to keep the"
        " effective batch."
    )
    prove(
        classifier, inputs, modality, f"encoders.{modality}.{encoder}", smaller
    )  # still on the CPU; before clips are read
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
    require_shared_memory(_batch_bytes(data.values(), settings), machine["loader_workers"])

    folder = _state_folder(Path(state), key)
    os.environ["TENSORBOARD_LOGGING_DIR"] = f"{tensorboard}/{key}"
    best = BestEpoch(machine["checkpoint_minutes"])
    trainer = LengthGroupedTrainer(
        best=best,
        model=classifier,
        args=_arguments(folder, settings, training, machine, seed, device, precision, validated),
        train_dataset=data["train"],
        eval_dataset=data[watched] if validated else None,
        data_collator=Collator(inputs),
        compute_metrics=_scores if validated else None,
        callbacks=[StopAfter(epochs)],
    )
    resumed = _last_whole_checkpoint(folder)
    if resumed:
        print(f"resuming from {resumed}")
        best.read(resumed)
    with device_errors(smaller):
        result = trainer.train(resume_from_checkpoint=resumed)
    if not np.isfinite(result.training_loss):
        raise EmofuseError(
            f"the training loss is {result.training_loss}: lower encoders.{modality}.{encoder}.learning_rate"
        )
    wa = None
    if validated:
        classifier.load_state_dict(best.weights)
        with device_errors(smaller):
            _, logits = apply(
                classifier, data[watched], settings["eval_batch_size"], machine["loader_workers"], "best epoch"
            )
        wa = accuracy_score(data[watched].labels, logits.argmax(1))
    kept = best.step if validated else trainer.state.global_step
    steps_per_epoch = trainer.state.max_steps / trainer.args.num_train_epochs
    with whole_folder(output) as partial:
        save_classifier(classifier, partial)
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
                "best_epoch": round(kept / steps_per_epoch),
                "chosen_on": watched if validated else None,
                "best_wa": wa,
                "precision": precision,
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


def _batch_bytes(parts, settings):
    """Bytes of the largest batch of some TurnDatasets: as if all of its turns were as long as the longest."""
    most = 0
    for part, turns in zip(parts, (settings["batch_size"], settings["eval_batch_size"]), strict=True):
        if len(part):
            batch = Collator(part.inputs)([part[int(np.argmax(part.lengths))]] * min(turns, len(part)))
            most = max(most, sum(tensor.nbytes for tensor in batch["inputs"].values()))
    return most


def _arguments(folder, settings, training, machine, seed, device, precision, validated):
    return TrainingArguments(
        output_dir=str(folder),
        learning_rate=settings["learning_rate"],
        num_train_epochs=settings["epochs"],
        per_device_train_batch_size=settings["batch_size"],
        per_device_eval_batch_size=settings["eval_batch_size"],
        gradient_accumulation_steps=settings["gradient_accumulation"],
        weight_decay=settings["weight_decay"],
        warmup_steps=settings["warmup"],  # below 1: a share of all steps
        bf16=precision == "bf16",
        use_cpu=device == "cpu",
        eval_strategy="epoch" if validated else "no",
        save_strategy="no",  # but for those that BestEpoch asks for
        save_total_limit=2,  # one may be damaged
        logging_steps=training["logging_steps"],
        logging_nan_inf_filter=False,  # a loss that is not a number must show
        torch_compile=training["compile"],
        report_to="tensorboard",
        dataloader_num_workers=machine["loader_workers"],
        accelerator_config={"non_blocking": device == "cuda"},
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
    """Why a checkpoint cannot be resumed from, or None.

    trainer_state.json is what the Trainer writes last. The others but the weights are zip archives with checksums; nothing is
    unpickled here. Raises OSError where a file cannot be read, which says nothing of what it holds.
    """
    try:
        read_json(checkpoint / "trainer_state.json")
        for name in ("model.safetensors", BestEpoch.FILE):
            if name != BestEpoch.FILE or (checkpoint / name).exists():
                os.close(os.open(checkpoint / name, os.O_RDONLY))
                with safe_open(checkpoint / name, "pt"):
                    pass
        for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
            with zipfile.ZipFile(checkpoint / name) as archive:
                if archive.testzip():
                    return f"{name} has other bytes than were written"
    except (EmofuseError, FileNotFoundError, SafetensorError, zipfile.BadZipFile) as error:
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
