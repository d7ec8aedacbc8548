"""Keeps what a training has to show so far: the best epoch's weights, and the states that it can be resumed from."""

import os
import shutil
import time
import zipfile
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback
from transformers.trainer_utils import get_last_checkpoint

from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_json


class BestEpoch(TrainerCallback):
    """Keeps the weights of the epoch with the best validation WA in memory, and says when a resume state is due.

    `weights`: {name: tensor on the CPU}, None before the first validation; `wa`, `step`: of that epoch. A state is written
    where as many minutes of work would be lost without it; it brings the best weights along (`write`, `read`). The training
    ends `patience` epochs after the best one, if that is given; since they are counted from `step`, a kill changes nothing.
    """

    FILE = "best.safetensors"

    def __init__(self, minutes, patience=None):
        self.minutes, self.saved, self.patience = minutes, time.monotonic(), patience
        self.weights, self.wa, self.step = None, -1.0, 0

    def on_evaluate(self, args, state, control, model, metrics, **kwargs):
        if metrics["eval_wa"] > self.wa:
            self.wa, self.step = metrics["eval_wa"], state.global_step
            self.weights = {name: tensor.to("cpu", copy=True) for name, tensor in model.state_dict().items()}
        an_epoch = state.max_steps / args.num_train_epochs
        if self.patience and round((state.global_step - self.step) / an_epoch) >= self.patience:
            control.should_training_stop = True
        self._ask_to_save(state, control)

    def on_epoch_end(self, args, state, control, **kwargs):
        if not control.should_evaluate:
            self._ask_to_save(state, control)

    def _ask_to_save(self, state, control):
        due = time.monotonic() - self.saved >= 60 * self.minutes
        # Not of an end: resumed from there, the training would go on for an epoch.
        control.should_save = due and not control.should_training_stop and state.global_step < state.max_steps
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


def state_folder(state, key):
    """The folder for this training's resume state; states of other inputs or settings are removed, aloud."""
    for other in sorted(state.glob("*")):
        if other.name != key:
            print(f"{other}: a state of other inputs or settings; training starts afresh and removes it")
            shutil.rmtree(other)
    folder = state / key
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def last_whole_checkpoint(folder):
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
