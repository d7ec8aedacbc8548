"""Writes the vectors of a frozen encoder, once for all folds: a pretrained network, a feature set, or a file's."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from tqdm import tqdm

from emofuse.clips.files import clip_path, read_manifests, require_whole_clips
from emofuse.encoders.context import make_dataset
from emofuse.encoders.fitness import check_small
from emofuse.encoders.hub import RECORD, check_download
from emofuse.encoders.inference import apply
from emofuse.encoders.inputs import make_inputs
from emofuse.encoders.model import EmotionClassifier, load_pretrained
from emofuse.encoders.outside import read_vectors
from emofuse.encoders.sequences import keeping, resampled, writing
from emofuse.encoders.stores import vectors, why_left_out
from emofuse.media.wav import RATE, read_clip
from emofuse.runtime import kinds
from emofuse.runtime.devices import describe_device, device_errors, prepare_device
from emofuse.runtime.errors import EmofuseError, listing
from emofuse.runtime.store import read_parquet, write_parquet

FEATURES = "encoders/features"


def embed_frozen(turns, encoder, data, machine, threads, drop, output, sequences=None):
    """Write the vectors of a frozen encoder: a row for each turn of the corpus that has one, in turn order: turn_id and
    embedding (a fixed-size list of float32).

    turns: path of turns.parquet. encoder: `settings.Encoder`. data: `settings.Data` without a split. machine:
    `settings.Machine`. drop: whether turns that a file of vectors lacks are left out. sequences: as for `embed`, of a network
    or of a feature set that has steps.
    Metadata: modality, encoder, model, revision, pooling, checkpoint (sha256 of the vectors), parameters, frozen ('true') and
    left_out (JSON: turn -> why it has none). No label is read.
    """
    settings = encoder.settings
    corpus = read_parquet(turns, columns=["turn_id"])["turn_id"].to_pylist()
    manifest = read_manifests(data.manifests)
    left_out = {turn: why_left_out(manifest[turn]) for turn in corpus if manifest[turn]["status"] != "ok"}
    metadata = {
        "modality": encoder.modality,
        "encoder": encoder.name,
        "frozen": "true",
        "left_out": json.dumps(left_out),
    }
    found = {"model": "", "revision": "", "pooling": "", "parameters": 0}
    if "vectors" in settings:
        left_out, embedding = read_vectors(settings["vectors"], corpus, left_out, f"{encoder.key}.vectors", drop)
        found |= {"model": settings["vectors"]}
    else:
        usable = [turn for turn in corpus if turn not in left_out]
        require_whole_clips(data.clips, encoder.modality, usable, manifest)
        torch.set_num_threads(threads)
        if "features" in settings:
            found |= {"model": settings["features"]}
            sounds = Sounds(encoder, data.clips, usable, manifest, sequences)
            embedding = _features(sounds, machine, metadata | _text(found))
        else:
            network = Network(encoder, data, machine, threads)
            clips = make_dataset(network.inputs, data.clips, encoder.modality, usable, manifest, order=turns)
            embedding = network.embed(clips, usable, sequences, metadata | _text(network.said))
            found |= network.said
    usable = [turn for turn in corpus if turn not in left_out]
    if faulty := [turn for turn, row in zip(usable, embedding, strict=True) if not np.isfinite(row).all()]:
        raise EmofuseError(f"{encoder.key}: it gives vectors that are not finite for:\n{listing(faulty)}")
    found["checkpoint"] = hashlib.sha256(embedding.tobytes()).hexdigest()
    table = pa.table({"turn_id": pa.array(usable, pa.string()), "embedding": vectors(embedding)})
    write_parquet(output, table, metadata | {"left_out": json.dumps(left_out)} | _text(found))


def _text(found):
    return {key: str(value) for key, value in found.items()}


class Network:
    """A pretrained network as it is. `said`: what the store says of it."""

    def __init__(self, encoder, data, machine, threads):
        self.encoder, self.machine, settings = encoder, machine, encoder.settings
        self.device = prepare_device(machine.device, threads, deterministic=True)
        print(describe_device(self.device, "fp32", machine.loader_workers))
        download = check_download(encoder.folder) if (Path(encoder.folder) / RECORD).exists() else None
        backbone, processor = load_pretrained(encoder.folder, encoder.modality, f"{encoder.key}.model")
        self.inputs = make_inputs(encoder.modality, processor, backbone.config, settings)
        check_small(self.inputs, data.small, encoder.key)
        pixels = getattr(self.inputs, "pixels", None)
        self.model = EmotionClassifier(backbone, 1, settings["pooling"], 0.0, pixels, settings["layer"])
        self.said = {
            "model": settings["model"],
            "revision": download["commit"] if download else "",
            "pooling": settings["pooling"],
            "parameters": sum(p.numel() for p in backbone.parameters()),
        }

    def embed(self, data, turns, sequences, metadata):
        """float32 (n, width) of the turns of a TurnDataset, whose ids are `turns`; and their sequences, with `metadata`."""
        smaller = f"End what else uses it and run again, or lower {self.encoder.key}.eval_batch_size."
        with (
            device_errors(smaller, self.machine.jobs_per_gpu),
            keeping(sequences, self.encoder.modality, self.model, data, turns, metadata) as keep,
        ):
            size, workers = self.encoder.settings["eval_batch_size"], self.machine.loader_workers
            return apply(self.model.to(self.device), data, size, workers, f"embed {self.encoder.modality}", keep)[0]


def _features(sounds, machine, metadata):
    """float32 (n, width) of the turns of `Sounds`; and their sequences, with `metadata`."""
    loader = torch.utils.data.DataLoader(sounds, batch_size=None, num_workers=machine.loader_workers)
    rows = tqdm(loader, sounds.name, unit="turn")
    if sounds.rate is None:
        return np.stack([row.numpy() for row in rows])
    found = []
    with writing(sounds.path, metadata, sounds.width) as write:
        for turn, (vector, states, seconds) in zip(sounds.turns, rows, strict=True):
            write(turn, states.numpy(), seconds.numpy())
            found.append(vector.numpy())
    return np.stack(found)


class Sounds(torch.utils.data.Dataset):
    """What a feature set makes of turns by number, each of the whole turn: a vector (width,) float32, or where sequences are
    stored (vector, states (steps, width), seconds (steps,)). `path`: where they are stored; `width`: of their steps."""

    def __init__(self, encoder, clips, turns, manifest, sequences=None):
        """clips: folder of all clips. manifest: turn -> row. sequences: None, or the config's setting and the path."""
        self.name, self.turns, self.rate = encoder.settings["features"], turns, None
        features = kinds.load(FEATURES, self.name)
        try:
            self.vector_of = features.make()
        except EmofuseError as error:
            raise EmofuseError(f"{encoder.key}.features: {self.name}: {error}") from error
        self.clips = [(clip_path(clips, "audio", turn), int(manifest[turn]["frames"])) for turn in turns]
        if sequences:
            self.rate, self.path, self.steps_of = sequences[0]["rate"], sequences[1], features.make_steps()
            self.width = self.steps_of(np.zeros(RATE, np.float32))[0].shape[1]

    def __len__(self):
        return len(self.clips)

    def __getitem__(self, index):
        samples = read_clip(*self.clips[index]).astype(np.float32) / 32_768
        vector = torch.from_numpy(self.vector_of(samples))
        if self.rate is None:
            return vector
        states, seconds = resampled(*self.steps_of(samples), len(samples) / RATE, self.rate)
        return vector, torch.from_numpy(states), torch.from_numpy(seconds)
