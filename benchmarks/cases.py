"""Measures one case of the benchmark: one encoder under one setting, in a process of its own."""

import os
import platform
import resource
import time

import material
import numpy as np
import torch
import transformers
from flops import peak_rate, per_turn_flops
from transformers import (
    AutoModelForAudioClassification,
    AutoModelForSequenceClassification,
    AutoModelForVideoClassification,
)
from transformers.data.data_collator import torch_default_data_collator
from transformers.trainer_pt_utils import LengthGroupedSampler

from emofuse.encoders import inputs as emofuse_inputs
from emofuse.encoders.architectures import build
from emofuse.encoders.inputs import AudioInputs, Collator, TurnDataset, VideoInputs, make_inputs
from emofuse.encoders.model import EmotionClassifier
from emofuse.forecast.sampling import representative
from emofuse.runtime.devices import prepare_device, resolve_precision

CLASSES = 4
EXAMPLE_TOKENS = 128  # run_glue.py: max_seq_length, with pad_to_max_length
WHOLE_TURN = 3_600  # seconds; run_audio_classification.py does not cut what it evaluates
HEADS = {
    "text": AutoModelForSequenceClassification,
    "audio": AutoModelForAudioClassification,
    "video": AutoModelForVideoClassification,
}


def measure(case):
    """Train and evaluate for some steps; a dict of what was measured, all numbers plain Python.

    case: encoder, modality, setting (emofuse | compiled | example), settings (its config entries), training (the config's),
    device (auto | cuda | cpu), threads (None: as the setting has it), workers, tiny, steps, warmup (steps that are not
    timed), clips (folder), manifest (turn id -> frames), turns ({part: number of turns}), decode (False: pictures come
    from memory).
    """
    transformers.logging.set_verbosity_error()
    example = case["setting"] == "example"
    device = _prepare(case, example)
    if not case["decode"]:
        emofuse_inputs.read_frames = material.generated_frames
    transformers.set_seed(0)
    backbone, processor = build(case["encoder"], material.made_up_words(), tiny=case["tiny"])
    make = _example if example else _emofuse
    model, train_inputs, eval_inputs = make(case, backbone, processor)
    backbone = model.base_model if example else backbone  # the example's own; the other's memory is freed
    bf16 = not example and resolve_precision(case["training"]["precision"], device) == "bf16"
    bench = Bench(case, device, bf16, 0 if example else case["workers"])

    flops = per_turn_flops(backbone, train_inputs, case)
    model.to(device).train()
    if case["setting"] == "compiled":
        model.compile(dynamic=True)
    train = bench.train(model, train_inputs, grouped=not example)
    if device == "cuda":
        memory = torch.cuda.max_memory_allocated()
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    model.eval()
    validation = bench.evaluate(model, eval_inputs, "val", in_order=True)
    # The examples make no embeddings; their encoder would read the corpus as it reads the validation part.
    embedding = validation if example else bench.evaluate(model, eval_inputs, "all", in_order=False)

    useful = sum(flops[index % len(flops)] for batch in train["batches"] for index in batch)
    peak, source = peak_rate(device, bf16)
    return _description(bench, backbone, model) | {
        "steps": len(train["batches"]),
        "seconds": train["seconds"],
        "cpu_seconds": train["cpu_seconds"],
        "turns_per_second": train["turns_per_second"],
        "waiting_share": train["waiting_share"],
        "start_seconds": train["start_seconds"],
        "peak_memory_mb": memory / 2**20,
        "useful_flops_per_turn": useful / train["turns"],
        "peak_flops": peak,
        "peak_source": source,
        "utilisation": useful / train["seconds"] / peak,
        "validation_turns_per_second": validation["turns_per_second"],
        "embedding_turns_per_second": embedding["turns_per_second"],
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "cuda": torch.version.cuda},
    }


def _description(bench, backbone, model):
    """What was measured, and with what."""
    case, device = bench.case, bench.device
    settings = case["settings"]
    return {
        "encoder": case["encoder"],
        "modality": case["modality"],
        "setting": case["setting"],
        "device": torch.cuda.get_device_name() if device == "cuda" else _processor_name(),
        "precision": "bf16 autocast" if bench.bf16 else "fp32",
        "attention": backbone.config._attn_implementation,
        "parameters": sum(p.numel() for p in model.parameters()),
        "batch_size": settings["batch_size"],
        "eval_batch_size": settings["eval_batch_size"],
        "loader_workers": bench.workers,
        "threads": torch.get_num_threads(),
        "onednn": device == "cpu" and torch.backends.mkldnn.enabled,
    }


def _prepare(case, example):
    """The device; PyTorch is set up as emofuse does it, or left as it ships."""
    if not example:
        training = case["training"]
        return prepare_device(case["device"], case["threads"] or training["threads"], training["deterministic"])
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    if case["threads"]:
        torch.set_num_threads(case["threads"])
    return "cuda" if case["device"] != "cpu" and torch.cuda.is_available() else "cpu"


def _emofuse(case, backbone, processor):
    """The classifier and inputs of emofuse's training; the same inputs evaluate."""
    settings = case["settings"]
    inputs = make_inputs(case["modality"], processor, backbone.config, settings)
    pixels = getattr(inputs, "pixels", None)
    model = EmotionClassifier(backbone, CLASSES, settings["pooling"], settings["dropout"], pixels)
    return model, inputs, inputs


def _example(case, backbone, processor):
    """The model and inputs of Transformers' examples (see README.md), for training and for evaluation."""
    settings, modality = case["settings"], case["modality"]
    config = backbone.config
    config.num_labels = CLASSES
    model = HEADS[modality].from_config(config)
    if modality == "text":
        inputs = PaddedText(processor)
        return model, inputs, inputs
    if modality == "audio":
        if hasattr(model, "freeze_feature_encoder"):
            model.freeze_feature_encoder()  # run_audio_classification.py does, unless it is told otherwise
        return model, OneSlice(processor, settings["max_seconds"]), OneSlice(processor, WHOLE_TURN)
    frames = (config.num_frames, settings["stride"], settings["eval_windows"], settings["mirror"])
    inputs = NormalisedVideo(processor, *frames)
    return model, inputs, inputs


class NormalisedVideo(VideoInputs):
    """Video as the guide of Transformers has it: normalised by the processes that load it."""

    def batch(self, windows):
        """pixel_values float32 (W, frames, 3, height, width)."""
        return {"pixel_values": self.pixels(super().batch(windows)["pixel_values"])}


class PaddedText:
    """Text as run_glue.py has it: tokenised once before training, every turn padded to the same length."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.max_tokens = min(EXAMPLE_TOKENS, tokenizer.model_max_length)
        self.ready = {}

    def prepare(self, paths):
        """Tokenise the files `paths`, before any time is taken."""
        for path in set(paths) - set(self.ready):
            self.ready[path] = dict(
                self.tokenizer(
                    path.read_text(encoding="utf-8").strip(),
                    padding="max_length",
                    truncation=True,
                    max_length=self.max_tokens,
                )
            )

    def windows(self, path, length, rng=None):
        """The turn's token ids and attention mask, as lists."""
        return [self.ready[path]]

    def batch(self, windows):
        """Token ids and attention mask, int64 (W, EXAMPLE_TOKENS)."""
        return torch_default_data_collator(windows)


class OneSlice(AudioInputs):
    """Sound as run_audio_classification.py has it: one slice of each turn, in training a random one."""

    def windows(self, path, length, rng=None):
        """A list of one float32 waveform; without `rng` the turn's beginning, at most as much as AudioInputs gives."""
        return super().windows(path, length, rng)[:1]


class Bench:
    """Runs a model over batches that stand for an epoch, and takes the time."""

    def __init__(self, case, device, bf16, workers):
        self.case, self.device, self.bf16, self.workers = case, device, bf16, workers
        self.settings = case["settings"]
        self.example = case["setting"] == "example"

    def train(self, model, inputs, grouped):
        """Time training steps: batches of like length (grouped) or random ones; see `_timed` for what it returns."""
        # The settings of Trainer's default optimiser, adamw_torch_fused.
        optimizer = torch.optim.AdamW(
            [p for p in model.parameters() if p.requires_grad], lr=self.settings["learning_rate"], fused=True
        )
        data = self._data(inputs, "train", seed=0)
        if grouped:
            order = list(LengthGroupedSampler(self.settings["batch_size"], lengths=data.lengths))
        else:
            order = torch.randperm(len(data)).tolist()

        def step(batch):
            with self._autocast(self.bf16):
                loss = self._forward(model, batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()

        return self._timed(data, order, self.settings["batch_size"], step, getattr(inputs, "most", np.inf))

    def evaluate(self, model, inputs, part, in_order):
        """Time evaluation: of the validation part, in the order of its turns, as Trainer does it, or of all turns, sorted by
        length and without autocast, as embedding.py does it."""
        data = self._data(inputs, part, seed=None)
        order = list(range(len(data))) if in_order else np.argsort(data.lengths, kind="stable").tolist()

        def step(batch):
            with torch.inference_mode(), self._autocast(self.bf16 and in_order):
                self._forward(model, batch).cpu()

        return self._timed(data, order, self.settings["eval_batch_size"], step, np.inf)

    def _data(self, inputs, part, seed):
        """A TurnDataset of as many turns as the part of a real fold has; they take turns on the clips that were written."""
        turns = list(self.case["manifest"])
        turns = [turns[i % len(turns)] for i in range(self.case["turns"][part])]
        labels = np.arange(len(turns)) % CLASSES
        data = TurnDataset(
            inputs, self.case["clips"], self.case["modality"], turns, self.case["manifest"], labels, seed
        )
        if isinstance(inputs, PaddedText):
            inputs.prepare(data.paths)
        return data

    def _autocast(self, wanted):
        return torch.autocast(self.device, torch.bfloat16, enabled=wanted)

    def _forward(self, model, batch):
        """The loss of a batch, which is first brought to the device."""
        inputs = {name: tensor.to(self.device, non_blocking=True) for name, tensor in batch["inputs"].items()}
        if self.example:
            windows = batch["labels"][batch["share"].argmax(0)].to(self.device)
            return model(**inputs, labels=windows).loss
        share, labels = (batch[name].to(self.device, non_blocking=True) for name in ("share", "labels"))
        return model(share, inputs, batch["lengths"], labels)["loss"]

    def _timed(self, data, order, batch_size, step, most):
        """Run `warmup` steps, then time `steps`; most: the longest part of a turn that is used, in the unit of its length.

        Returns batches (the timed ones, lists of indices), turns, seconds, cpu_seconds (processor time of this process),
        turns_per_second, waiting_share (of the time in which the device had nothing to do but wait for the next batch) and
        start_seconds (from the start of the loader's processes to the first batch; 0 without them).
        """
        batches = [order[i : i + batch_size] for i in range(0, len(order) - batch_size + 1, batch_size)]
        sizes = np.array([len(b) * max(min(data.lengths[i], most) for i in b) for b in batches])
        timed = representative(batches, sizes, self.case["steps"])
        # The largest batch comes first, as in Trainer's length-grouped epochs, so that memory is that of a whole epoch. The
        # others are not among the timed ones: the work that a new shape costs shall not be done before.
        rest = [batch for batch in batches if batch not in timed]
        warm = [batches[sizes.argmax()], *rest[: self.case["warmup"] - 1]]
        loader = torch.utils.data.DataLoader(
            data,
            batch_sampler=warm + timed,
            collate_fn=Collator(data.inputs),
            num_workers=self.workers,
            pin_memory=self.device == "cuda",
            multiprocessing_context="fork" if self.workers else None,  # as in a training; this process was spawned
        )
        marks = []
        began = time.perf_counter()
        iterator = iter(loader)
        for number in range(len(warm) + len(timed)):
            if number == len(warm):
                start, processor = self._now(), time.process_time()
            before = self._mark()
            batch = next(iterator)
            marks.append((before, self._mark()))
            if number == 0:
                start_seconds = time.perf_counter() - began if self.workers else 0.0
            step(batch)
        seconds, processor = self._now() - start, time.process_time() - processor
        waiting = sum(self._between(*pair) for pair in marks[len(warm) :])
        turns = sum(map(len, timed))
        return {
            "batches": timed,
            "turns": turns,
            "seconds": seconds,
            "cpu_seconds": processor,
            "turns_per_second": turns / seconds,
            "waiting_share": waiting / seconds,
            "start_seconds": start_seconds,
        }

    def _now(self):
        """Seconds, when all that was sent to the device is done."""
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def _mark(self):
        """A point in the device's time. On CUDA an event: between one that is recorded after a step and one that is recorded
        when the next batch is there, the GPU has nothing to do; neither makes the program wait for the GPU."""
        if self.device == "cpu":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _between(self, before, after):
        """Seconds between two marks."""
        return after - before if self.device == "cpu" else before.elapsed_time(after) / 1_000


def _processor_name():
    """The CPU's model, where the system says it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
