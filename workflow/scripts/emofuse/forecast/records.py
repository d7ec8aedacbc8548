"""What earlier jobs of a corpus took: Snakemake's benchmark files, and the records of trainings."""

import csv
from dataclasses import dataclass, field
from pathlib import Path

from emofuse.runtime.store import read_json, read_metadata, read_parquet

# What a training's speed does not depend on.
INDIFFERENT = {
    *("epochs", "learning_rate", "weight_decay", "warmup", "schedule", "patience", "dropout", "label_smoothing"),
    *("class_weights", "layer_decay"),
}
MACHINE = ("gradient_checkpointing", "threads", "compile", "deterministic", "precision")


@dataclass
class Records:
    """What the jobs of a corpus took, this run's first. seconds: {rule: {name of the benchmark file: seconds}}; trainings:
    {(modality, encoder): list of training.json with `epochs`, how many were trained, `split`, and `took` and `embedded`,
    seconds of that very training and of its embedding, None where they are not known}; stores: {(modality, encoder): list of
    the metadata of a frozen encoder's vectors, with `embedded`}."""

    seconds: dict = field(default_factory=dict)
    trainings: dict = field(default_factory=dict)
    stores: dict = field(default_factory=dict)

    def of(self, rule, name=None):
        """Seconds of the jobs of a rule; of those alone whose benchmark file is <name>_<split>_seed<seed>.tsv."""
        known = self.seconds.get(rule, {}).items()
        return [seconds for stem, seconds in known if name in (None, stem.rsplit("_", 2)[0])]


def read_records(corpus, run):
    """The Records below the folder `corpus` (results/<corpus>); of each job that of the run where it has one."""
    corpus, found = Path(corpus), Records()
    runs = sorted(path.parent for path in corpus.glob("*/splits"))
    for folder in [corpus, corpus / run, *(path for path in runs if path.name != run)]:
        took = {}
        for path in sorted(folder.glob("benchmarks/*/*.tsv")):
            with open(path, encoding="utf-8") as file:
                rows = [float(row["s"]) for row in csv.DictReader(file, delimiter="\t") if row["s"] not in ("NA", "-")]
            if rows:
                took[path.parent.name, path.stem] = rows[0]
                found.seconds.setdefault(path.parent.name, {}).setdefault(path.stem, rows[0])
        for path in sorted(folder.glob("encoders/*/*/*/seed*/training.json")):
            record = read_json(path)
            if history := path.with_name("history.parquet").exists() and read_parquet(
                path.with_name("history.parquet")
            ):
                record["epochs"] = round(max(history["epoch"].to_pylist(), default=0))
                record["split"] = path.parents[1].name
                name = "_".join(path.parts[-5:-1])
                record |= {"took": took.get(("fine_tune", name)), "embedded": took.get(("embed", name))}
                found.trainings.setdefault((record["modality"], record["encoder"]), []).append(record)
        for path in sorted(folder.glob("embeddings/*/*/frozen.parquet")):
            key = path.parts[-3:-1]
            store = read_metadata(path) | {"embedded": took.get(("embed_frozen", "_".join(key)))}
            found.stores.setdefault(key, []).append(store)
    return found


def fitting(trainings, settings, computing, machine, device):
    """Those training records that were made as the config says now, on a device of this name."""
    wanted = {key: value for key, value in settings.items() if key not in INDIFFERENT}
    asked = {key: (computing | machine).get(key) for key in MACHINE}
    return [
        record
        for record in trainings
        if record["device"] == device
        and {key: value for key, value in record["settings"].items() if key not in INDIFFERENT} == wanted
        and {key: record["training"].get(key) for key in MACHINE} == asked
    ]


def fitting_stores(stores, settings):
    """Those vectors of a frozen encoder that are of what the config says now."""
    network = "model" in settings
    wanted = {
        "model": next(settings[key] for key in ("model", "features", "vectors") if key in settings),
        "revision": settings.get("revision", "") if network else "",
        "pooling": settings["pooling"] if network else "",
    }
    return [store for store in stores if {key: store[key] for key in wanted} == wanted]
