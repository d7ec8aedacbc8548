"""Lets one encoder of a run speak of the test turns of its fold, as they are and degraded."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from emofuse.clips.files import read_manifests, require_whole_clips
from emofuse.encoders.context import make_dataset
from emofuse.encoders.frozen import Network
from emofuse.encoders.inference import apply
from emofuse.encoders.inputs import make_inputs
from emofuse.encoders.model import checkpoint_hash, load_classifier, load_processor
from emofuse.encoders.records import cost
from emofuse.encoders.settings import Data, Encoder
from emofuse.encoders.stores import vectors
from emofuse.fusion.alignment import matrix, softmax
from emofuse.prediction.encoders import head_logits
from emofuse.prediction.speech import listener
from emofuse.robustness.inputs import DegradedSounds, degraded
from emofuse.robustness.turns import Sound, changing
from emofuse.runtime.devices import describe_device, device_errors, prepare_device
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_json, read_metadata, read_parquet, write_parquet
from emofuse.splits.parts import read_split

# Of a softmax output. On a GPU other batches are computed by other kernels, and a CPU computes by others than a GPU.
TOLERANCE = {"cpu": 1e-5, "cuda": 1e-3}


@dataclass(frozen=True)
class Trained:
    """What a run has of one encoder and fold. split: path of the split file. store: of its embeddings. folder: that of its
    training.json. pretrained: folder of a frozen network; else None."""

    split: str | Path
    store: str | Path
    folder: str | Path
    pretrained: str | Path | None = None


@dataclass(frozen=True)
class Corpus:
    """What is read of a corpus. turns: path of turns.parquet. clips: {modality: folder of all clips}. manifests: {modality:
    paths}; those of sound beside those of text where words are recognised. small: as of `settings.Data`."""

    turns: str | Path
    clips: dict
    manifests: dict
    small: int | None = None


@dataclass(frozen=True)
class Conditions:
    """What is tried. severities: {degradation of the encoder's modality: its severities}. seed: of all that is drawn. asr:
    folder of a Whisper model, or None."""

    severities: dict
    seed: int
    asr: str | None = None


def degrade(trained, corpus, conditions, machine, threads, output):
    """Write what an encoder makes of the degraded test turns of its fold.

    trained: a Trained. corpus: a Corpus. conditions: Conditions. machine: `settings.Machine`. A row a degradation, severity and
    test turn, the turns in the order of the embedding store: degradation, severity (float64), turn_id, embedding and logits
    (fixed-size lists of float32). Metadata: modality, encoder, split, seed (of the training), drawn (seed of the degradations),
    difference (the largest of a softmax output of the turns as they are to that in the store). EmofuseError where that is
    above what `tolerance` allows: then this is not what the run did.
    """
    record, metadata = read_json(Path(trained.folder) / "training.json"), read_metadata(trained.store)
    if (record["checkpoint"], record["seed"]) != (metadata["checkpoint"], int(metadata["seed"])):
        raise EmofuseError(
            f"{trained.store}: its vectors are of another encoder than that of {trained.folder}; run again."
        )
    modality = record["modality"]
    stored = read_parquet(trained.store, ["turn_id", "part", "embedding", "logits"])
    stored = stored.take(np.flatnonzero(stored["part"].to_numpy(zero_copy_only=False) == "test"))
    turns = stored["turn_id"].to_pylist()
    manifests = {m: read_manifests(paths) for m, paths in corpus.manifests.items()}
    require_whole_clips(corpus.clips[modality], modality, turns, manifests[modality])
    machine = replace(machine, device=prepare_device(machine.device, threads, deterministic=True))
    print(describe_device(machine.device, "fp32", machine.loader_workers))
    sound, listen = None, None
    if "audio" in manifests:
        rows = read_split(trained.split)[0].to_pylist()
        speakers = {row["turn_id"]: row["speaker"] for row in rows if row["part"] == "test"}
        sound = Sound(corpus.clips["audio"], manifests["audio"], speakers)
    if conditions.asr:
        listen = listener(conditions.asr, machine.device)
        machine = replace(machine, loader_workers=0)  # a process that reads words would need a recogniser of its own
    speaks = _speaker(record, trained, corpus, machine, threads)(turns, manifests[modality])

    difference = require_like_stored(speaks(None), stored, trained.store, tolerance(record, machine.device))
    print(f"{len(turns)} test turns as they are: the same softmax outputs as in the run, to {difference:.1e}")
    tables = []
    for name, severities in conditions.severities.items():
        for severity in severities:
            embedding, logits = speaks(changing(name, severity, conditions.seed, sound, listen))
            tables.append(_table(name, severity, turns, embedding, logits))
    told = {key: metadata[key] for key in ("modality", "encoder", "split", "seed")}
    told |= {"drawn": str(conditions.seed), "difference": f"{difference:.2g}"}
    write_parquet(output, pa.concat_tables(tables), told)


def tolerance(record, device):
    """How far a softmax output may be from the stored one: the looser of this `device` and of the one that the run had.

    record: training.json. Of a frozen network it tells of the probe alone, so that its vectors may be a GPU's.
    """
    computed = not record["frozen"] or "features" in record["settings"]
    same = record["device"] == cost("cpu", 0, 0, 0, {})["device"]
    return max(TOLERANCE[device], TOLERANCE["cpu" if computed and same else "cuda"])


def require_like_stored(said, stored, path, most):
    """The largest difference of a softmax output to the stored one; EmofuseError where it is above `most`, or that of an
    embedding, by its scale, above ten times as much.

    said: (embedding (n, d), logits (n, classes)). stored: table of the store at `path`, the same turns.
    """
    turns, rows = stored["turn_id"].to_pylist(), np.arange(len(stored))
    embedding, logits = (matrix(stored[column], rows, column, turns) for column in ("embedding", "logits"))
    difference = float(np.abs(softmax(np.asarray(said[1], np.float64)) - softmax(logits)).max())
    of_vectors = float(np.abs(said[0] - embedding).max() / max(1.0, np.abs(embedding).max()))
    if difference > most or of_vectors > 10 * most:
        raise EmofuseError(
            f"The encoder says something else of turns as they are than {path}: a softmax output differs by {difference:.2g},"
            f" an embedding by {of_vectors:.2g} of its scale. The run was made with other versions or on another machine, or"
            " something of it has changed since; run it again."
        )
    return difference


def _table(name, severity, turns, embedding, logits):
    return pa.table(
        {
            "degradation": pa.array([name] * len(turns), pa.string()),
            "severity": pa.array([float(severity)] * len(turns), pa.float64()),
            "turn_id": pa.array(turns, pa.string()),
            "embedding": vectors(np.asarray(embedding, np.float32)),
            "logits": vectors(np.asarray(logits, np.float32)),
        }
    )


def _speaker(record, trained, corpus, machine, threads):
    """A function of turns and their manifest that gives a function of a change (or None): (embedding, logits) of the turns."""
    modality, settings = record["modality"], record["settings"]
    clips = corpus.clips[modality]
    encoder = Encoder(modality, record["encoder"], settings, trained.pretrained)
    if "features" in settings:
        return partial(_features, encoder, trained.folder, clips)
    if record["frozen"]:
        data = Data(None, corpus.manifests[modality], clips, corpus.small)
        network = Network(encoder, data, machine, threads)
        model, inputs, head = network.model, network.inputs, trained.folder
    else:
        if checkpoint_hash(trained.folder) != record["checkpoint"]:
            raise EmofuseError(f"{trained.folder}: its weights are not those of its training; delete it and run again.")
        model, head = load_classifier(trained.folder, settings["pooling"], settings["layer"]), None
        processor = load_processor(f"{trained.folder}/processor", modality)
        inputs = make_inputs(modality, processor, model.backbone.config, settings)
        model.pixels = getattr(inputs, "pixels", None)
    model = model.to(machine.device)

    def of(turns, manifest):
        def speak(change):
            read = degraded(inputs, change) if change else inputs
            data = make_dataset(read, clips, modality, turns, manifest, order=corpus.turns)
            with device_errors(f"End what else uses it and run again, or lower {encoder.key}.eval_batch_size."):
                embedding, logits = apply(model, data, settings["eval_batch_size"], machine.loader_workers, modality)
            return embedding, head_logits(head, embedding) if head else logits

        return speak

    return of


def _features(encoder, folder, clips, turns, manifest):
    sounds = DegradedSounds(encoder, clips, turns, manifest)

    def speak(change):
        sounds.change = change
        embedding = np.stack([sounds[number].numpy() for number in range(len(sounds))])
        return embedding, head_logits(folder, embedding)

    return speak
