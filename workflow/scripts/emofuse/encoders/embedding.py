"""Writes the embedding and the logits of every turn that has a clip, from one fine-tuned encoder."""

import json

from emofuse.clips.files import read_manifests, require_whole_clips
from emofuse.encoders.context import make_dataset
from emofuse.encoders.inference import apply
from emofuse.encoders.inputs import make_inputs
from emofuse.encoders.model import checkpoint_hash, load_classifier, load_processor
from emofuse.encoders.sequences import keeping
from emofuse.encoders.stores import why_left_out, write_embeddings
from emofuse.runtime.devices import describe_device, device_errors, prepare_device
from emofuse.runtime.store import read_json, read_metadata, read_parquet
from emofuse.splits.parts import read_split


def embed(turns, data, folder, machine, threads, output, sequences=None):
    """Write the Parquet store of one modality, encoder, split and seed: a row for each turn of the corpus, labelled or
    not, in turn order: turn_id, part (null outside the split), embedding and logits (fixed-size lists of float32).

    turns: path of turns.parquet. data: `settings.Data` of the split. folder: what `fine_tune` wrote. machine:
    `settings.Machine`. sequences: None, or the config's setting and the path of what comes before pooling (`sequences`).
    Metadata: modality, encoder, model, revision (the commit, where the model came from the Hub), split, seed, pooling, frozen
    ('false'), checkpoint (sha256), classes (JSON), left_out (JSON: turn -> why it has no clip).
    """
    trained = read_json(f"{folder}/training.json")
    settings, modality = trained["settings"], trained["modality"]
    device = prepare_device(machine.device, threads, trained["training"]["deterministic"])
    print(describe_device(device, "fp32", machine.loader_workers))
    table, classes = read_split(data.split)
    manifest = read_manifests(data.manifests)
    corpus = read_parquet(turns, columns=["turn_id"])["turn_id"].to_pylist()
    left_out = {turn: why_left_out(manifest[turn]) for turn in corpus if manifest[turn]["status"] != "ok"}
    usable = [turn for turn in corpus if turn not in left_out]
    require_whole_clips(data.clips, modality, usable, manifest)

    model = load_classifier(folder, settings["pooling"], settings["layer"])
    inputs = make_inputs(modality, load_processor(f"{folder}/processor", modality), model.backbone.config, settings)
    model.pixels = getattr(inputs, "pixels", None)
    smaller = (
        f"End what else uses it and run again, or lower encoders.{modality}.{trained['encoder']}.eval_batch_size (the"
        " encoder is then trained again)."
    )
    metadata = {
        "modality": modality,
        "encoder": trained["encoder"],
        "model": settings["model"],
        "revision": trained["commit"] or "",
        "split": read_metadata(data.split)["split"],
        "seed": str(trained["seed"]),
        "pooling": settings["pooling"],
        "frozen": "false",
        "checkpoint": checkpoint_hash(folder),
        "classes": json.dumps(classes),
        "left_out": json.dumps(left_out),
    }
    clips = make_dataset(inputs, data.clips, modality, usable, manifest, order=turns)
    with (
        device_errors(smaller, machine.jobs_per_gpu),
        keeping(sequences, modality, model, clips, usable, metadata) as keep,
    ):
        embedding, logits = apply(
            model.to(device), clips, settings["eval_batch_size"], machine.loader_workers, f"embed {modality}", keep
        )
    part_of = dict(zip(table["turn_id"].to_pylist(), table["part"].to_pylist(), strict=True))
    write_embeddings(output, usable, part_of, embedding, logits, metadata)
