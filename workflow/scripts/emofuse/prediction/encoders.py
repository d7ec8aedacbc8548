"""Keeps the encoders of an export, and lets them speak of turns of which there are clips and no labels."""

import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from emofuse.encoders.context import make_dataset
from emofuse.encoders.frozen import Sounds
from emofuse.encoders.inference import apply
from emofuse.encoders.inputs import make_inputs
from emofuse.encoders.model import load_classifier, load_pretrained, load_processor
from emofuse.encoders.settings import Encoder
from emofuse.runtime.devices import device_errors

# What of an encoder's settings is needed after its training.
READ = (
    *("features", "pooling", "layer", "eval_batch_size", "max_tokens", "markers", "context"),
    *("max_seconds", "stride", "eval_windows"),
)


def keep(record, trained, pretrained, target):
    """Write an encoder into the folder `target`, as `fine_tune` leaves it: config.json, model.safetensors, head.safetensors,
    processor/; of a feature set the head alone. What the export says of it.

    record: its training.json, read. trained: the folder of that. pretrained: that of a frozen network, else None.
    """
    trained, target = Path(trained), Path(target)
    target.mkdir(parents=True)
    settings, frozen = record["settings"], record["frozen"]
    shutil.copy(trained / "head.safetensors", target)
    if frozen and "model" in settings:
        backbone, processor = load_pretrained(pretrained, record["modality"], record["encoder"])
        backbone.save_pretrained(target)
        processor.save_pretrained(target / "processor")
    elif not frozen:
        for name in ("config.json", "model.safetensors"):
            shutil.copy(trained / name, target)
        hidden = shutil.ignore_patterns(".*")  # what Snakemake leaves in folders
        shutil.copytree(trained / "processor", target / "processor", ignore=hidden)
    return {
        "encoder": record["encoder"],
        "frozen": frozen,
        "model": _public(settings.get("model")),
        "commit": record["commit"],
        "settings": {key: settings[key] for key in READ if key in settings},
    }


def _public(model):
    """A Hub id; of a folder its name alone, for where it lies says something of its owner's machine."""
    return Path(model).name if model and (Path(model).is_dir() or model.startswith((".", "/", "~"))) else model


def head_logits(folder, embedding):
    """(n, classes) float64: what a frozen encoder's probe says of its vectors, as `probe.Fitted` does."""
    head = {name: array.astype(np.float64) for name, array in load_file(Path(folder) / "head.safetensors").items()}
    return np.asarray(embedding, np.float64) @ head["weight"].T + head["bias"]


def encode(facts, folder, modality, clips, machine):
    """(embedding (n, d), logits (n, classes)) of turns, as the run would store them.

    facts: what `keep` returned. folder: what it wrote. clips: a `clips.Clips` of one modality. machine: `settings.Machine`, its
    device resolved.
    """
    settings = facts["settings"]
    if "features" in settings:
        sounds = Sounds(Encoder(modality, facts["encoder"], settings), clips.root, clips.turns, clips.manifest)
        embedding = np.stack([sounds[number].numpy() for number in range(len(sounds))])
        return embedding, head_logits(folder, embedding)
    model = load_classifier(folder, settings["pooling"], settings.get("layer", "last"))
    inputs = make_inputs(
        modality, load_processor(Path(folder) / "processor", modality), model.backbone.config, settings
    )
    model.pixels = getattr(inputs, "pixels", None)
    data = make_dataset(inputs, clips.root, modality, clips.turns, clips.manifest, order=clips.order)
    with device_errors("Predict fewer clips at once."):
        model = model.to(torch.device(machine.device))
        embedding, logits = apply(model, data, settings["eval_batch_size"], machine.loader_workers, modality)
    return embedding, head_logits(folder, embedding) if facts["frozen"] else logits
