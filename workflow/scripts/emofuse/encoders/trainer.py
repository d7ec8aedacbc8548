"""Transformers' Trainer as emofuse sets it up: its order of turns, its learning rates, when it saves and when it ends."""

from pathlib import Path

import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_pt_utils import LengthGroupedSampler
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from emofuse.encoders.inputs import Collator
from emofuse.encoders.layers import scale_rates
from emofuse.encoders.resuming import BestEpoch
from emofuse.runtime.store import share

SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}  # each rises over `warmup`


class Draws:
    """Makes the loader of one part take as many numbers from PyTorch's generator whether it keeps its workers or not.

    A DataLoader takes one each time that it starts to read, with or without workers; one that keeps its workers takes it once.
    Without the others the epochs after the first would be in another order.
    """

    def __init__(self, kept):
        self.kept, self.begun = kept, False

    def begin(self):
        """To be called whenever a sampler begins."""
        if self.kept and self.begun:
            torch.empty((), dtype=torch.int64).random_()
        self.begun = True


class LengthGrouped(LengthGroupedSampler):
    """Turns of like length in one batch, in an order drawn anew for each epoch; gives (number, epoch) of each."""

    def __init__(self, batch_size, lengths, kept):
        super().__init__(batch_size, lengths=lengths)
        self.draws, self.epoch = Draws(kept), 0

    def set_epoch(self, epoch):
        """Called by the Trainer's data loader at the start of each epoch."""
        self.epoch = epoch

    def __iter__(self):
        self.draws.begin()
        epoch = self.epoch
        return ((index, epoch) for index in super().__iter__())


class InOrder(SequentialSampler):
    """The turns of the validation part."""

    def __init__(self, data, kept):
        super().__init__(data)
        self.draws = Draws(kept)

    def __iter__(self):
        self.draws.begin()
        return super().__iter__()


class LengthGroupedTrainer(Trainer):
    """A Trainer whose training batches hold turns of like length, by lengths known without decoding anything.

    best: the BestEpoch, whose weights go into each checkpoint before the file that says that it is whole. settings: the
    encoder's config entries.
    """

    def __init__(self, *arguments, best, settings, **others):
        self.best, self.settings = best, settings
        super().__init__(*arguments, **others)
        self.add_callback(best)

    def create_optimizer(self, model=None):
        """The Trainer's own, with the learning rates that `layer_decay` gives the layers."""
        new = self.optimizer is None
        optimizer = super().create_optimizer(model)
        if new and self.settings["layer_decay"] != 1:
            scale_rates(optimizer, self.model, self.settings["layer_decay"], self.settings["layer"])
        return optimizer

    def _save_checkpoint(self, model, trial):
        folder = Path(self.args.output_dir, f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}")
        self.best.write(folder)
        super()._save_checkpoint(model, trial)
        share(path for path in folder.iterdir())

    def _get_train_sampler(self, train_dataset=None):
        return LengthGrouped(
            self.args.train_batch_size * self.args.gradient_accumulation_steps,
            self.train_dataset.lengths,
            self.args.dataloader_persistent_workers,
        )

    def _get_eval_sampler(self, eval_dataset):
        return InOrder(eval_dataset, self.args.dataloader_persistent_workers)


class StopAfter(TrainerCallback):
    """Ends the training after an epoch, with the learning rates of the whole schedule up to there."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, args, state, control, **kwargs):
        if round(state.epoch) >= self.epoch:
            control.should_training_stop = True


def make_trainer(classifier, train, validation, arguments, settings, machine, epochs):
    """A Trainer that keeps its best epoch in `best`. train, validation: TurnDatasets, the latter may be None."""
    return LengthGroupedTrainer(
        best=BestEpoch(machine.checkpoint_minutes, settings["patience"]),
        settings=settings,
        model=classifier,
        args=arguments,
        train_dataset=train,
        eval_dataset=validation,
        data_collator=Collator(train.inputs),
        compute_metrics=_scores if validation is not None else None,
        callbacks=[StopAfter(epochs)],
    )


def make_arguments(folder, settings, computing, machine, seed, device, precision, validated):
    """The TrainingArguments of an encoder's config entries."""
    return TrainingArguments(
        output_dir=str(folder),
        learning_rate=settings["learning_rate"],
        lr_scheduler_type=SCHEDULES[settings["schedule"]],
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
        logging_steps=computing.logging_steps,
        logging_nan_inf_filter=False,  # a loss that is not a number must show
        torch_compile=computing.compile,
        report_to="tensorboard",
        dataloader_num_workers=machine.loader_workers,
        dataloader_persistent_workers=machine.loader_workers > 0,
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
