"""Writes the embedding and the logits of every turn that has a clip, from one fine-tuned encoder."""

import json

import numpy as np
import pyarrow as pa
import torch
from tqdm import tqdm

from emofuse.clip_files import read_manifests, require_whole_clips
from emofuse.devices import prepare_device
from emofuse.encoders import checkpoint_hash, load_classifier, load_processor
from emofuse.errors import EmofuseError
from emofuse.inputs import Collator, TurnDataset, make_inputs
from emofuse.splits import read_split
from emofuse.store import read_json, read_parquet, write_parquet


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
    device = prepare_device(machine["device"], threads)
    table, classes = read_split(split)
    manifest = read_manifests(manifests)
    corpus = read_parquet(turns, columns=["turn_id"])["turn_id"].to_pylist()
    left_out = {turn: _reason(manifest[turn]) for turn in corpus if manifest[turn]["status"] != "ok"}
    usable = [turn for turn in corpus if turn not in left_out]
    require_whole_clips(clips, modality, usable, manifest)

    model = load_classifier(encoder_folder, settings["pooling"]).to(device)
    inputs = make_inputs(
        modality, load_processor(f"{encoder_folder}/processor", modality), model.backbone.config, settings
    )
    data = TurnDataset(inputs, clips, modality, usable, manifest)
    order = np.argsort(data.lengths, kind="stable")  # like lengths together: little padding
    embedding = np.zeros((len(usable), model.head.in_features), np.float32)
    logits = np.zeros((len(usable), len(classes)), np.float32)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.Subset(data, order.tolist()),
        batch_size=settings["eval_batch_size"],
        collate_fn=Collator(inputs),
        num_workers=machine["loader_workers"],
    )
    done = 0
    with torch.inference_mode():
        for batch in tqdm(loader, desc=f"embed {modality}", unit="batch"):
            on_device = {name: tensor.to(device) for name, tensor in batch["inputs"].items()}
            try:
                result = model(on_device, batch["window_turn"].to(device))
            except torch.OutOfMemoryError as error:
                raise EmofuseError(
                    f"the device ran out of memory ({error}).\nEnd what else uses it and run again, or lower"
                    f" encoders.{modality}.{encoder}.eval_batch_size (the encoder is then trained again)."
                ) from error
            rows = order[done : done + len(result["logits"])]
            embedding[rows] = result["embedding"].float().cpu().numpy()
            logits[rows] = result["logits"].float().cpu().numpy()
            done += len(rows)

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
