"""Writes the embedding and the logits of every turn that has a clip, from one fine-tuned encoder."""

import json

import pyarrow as pa

from emofuse.clips.files import read_manifests, require_whole_clips
from emofuse.encoders.inference import apply
from emofuse.encoders.inputs import TurnDataset, make_inputs
from emofuse.encoders.model import checkpoint_hash, load_classifier, load_processor
from emofuse.runtime.devices import describe_device, device_errors, prepare_device
from emofuse.runtime.store import read_json, read_parquet, write_parquet
from emofuse.splits.parts import read_split


def embed(
    turns, split, manifests, clips, encoder_folder, modality, encoder, split_name, seed, threads, machine, output
):
    """Write the Parquet store of one modality, encoder, split and seed: a row for each turn of the corpus, labelled or
    not, in turn order: turn_id, part (null outside the split), embedding and logits (fixed-size lists of float32).

    encoder_folder: what `fine_tune` wrote. machine: {device, loader_workers}. Metadata: modality, encoder, model, revision
    (the commit, where the model came from the Hub), split, seed, pooling, checkpoint (sha256), classes (JSON), left_out
    (JSON: turn -> why it has no clip).
    """
    trained = read_json(f"{encoder_folder}/training.json")
    settings = trained["settings"]
    device = prepare_device(machine["device"], threads, trained["training"]["deterministic"])
    print(describe_device(device, "fp32", machine["loader_workers"]))
    table, classes = read_split(split)
    manifest = read_manifests(manifests)
    corpus = read_parquet(turns, columns=["turn_id"])["turn_id"].to_pylist()
    left_out = {turn: _reason(manifest[turn]) for turn in corpus if manifest[turn]["status"] != "ok"}
    usable = [turn for turn in corpus if turn not in left_out]
    require_whole_clips(clips, modality, usable, manifest)

    model = load_classifier(encoder_folder, settings["pooling"])
    inputs = make_inputs(
        modality, load_processor(f"{encoder_folder}/processor", modality), model.backbone.config, settings
    )
    model.pixels = getattr(inputs, "pixels", None)
    data = TurnDataset(inputs, clips, modality, usable, manifest)
    smaller = (
        f"End what else uses it and run again, or lower encoders.{modality}.{encoder}.eval_batch_size (the encoder is then"
        " trained again)."
    )
    with device_errors(smaller):
        embedding, logits = apply(
            model.to(device), data, settings["eval_batch_size"], machine["loader_workers"], f"embed {modality}"
        )

    part_of = dict(zip(table["turn_id"].to_pylist(), table["part"].to_pylist(), strict=True))
    store = pa.table(
        {
            "turn_id": pa.array(usable),
            "part": pa.array([part_of.get(turn) for turn in usable], pa.string()),
            "embedding": pa.FixedSizeListArray.from_arrays(embedding.ravel(), embedding.shape[1]),
            "logits": pa.FixedSizeListArray.from_arrays(logits.ravel(), logits.shape[1]),
        }
    )
    metadata = {
        "modality": modality,
        "encoder": encoder,
        "model": settings["model"],
        "revision": trained["commit"] or "",
        "split": split_name,
        "seed": str(seed),
        "pooling": settings["pooling"],
        "checkpoint": checkpoint_hash(encoder_folder),
        "classes": json.dumps(classes),
        "left_out": json.dumps(left_out),
    }
    write_parquet(output, store, metadata)


def _reason(row):
    """Why a turn has no clip, from its manifest row."""
    return f"{row['status']}: {row['note']}" if row["note"] else row["status"]
