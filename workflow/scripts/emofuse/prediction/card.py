"""Writes the model card of an export, in the form of the Hugging Face Hub."""

from pathlib import Path

import jinja2
import numpy as np
import yaml

from emofuse.evaluation import statistics
from emofuse.evaluation.folds import clusters, strata
from emofuse.evaluation.predictions import read_splits
from emofuse.prediction.learning import stored_answers
from emofuse.prediction.system import KEPT
from emofuse.report.outputs import MODALITY_TITLES, class_title, protocol_title, split_title
from emofuse.runtime import kinds
from emofuse.runtime.store import read_parquet, whole

TITLES = {
    "wa": "accuracy (WA)",
    "ua": "unweighted average recall (UA)",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
}


def write_card(path, run, record, stored, split, evaluation):
    """Write model_card.md.

    run: an `export.Run`. record: what export.json says. stored: `learning.Stored` of the system. split: path of the fold's
    split file. evaluation: the folder evaluation/<protocol>.
    """
    frames, classes = read_splits([split])
    turns, said, _ = stored_answers(stored.path, stored.name, classes)
    tested = next(iter(frames.values())).loc[turns]
    own = scores(tested, said, classes)
    pooled = read_parquet(f"{evaluation}/intervals.parquet").to_pandas()
    pooled = pooled[(pooled["system"] == "chosen") & (pooled["kind"] == "chosen")].set_index("measure")
    classifier = kinds.load(KEPT, stored.facts["classifier"]) if stored.facts["train_vectors"] else None
    text = _template().render(
        header=yaml.safe_dump(header(run, record, own), sort_keys=False, allow_unicode=True).strip(),
        run=run,
        record=record,
        stored=stored,
        tested=len(turns),
        clusters=clusters(tested),
        rows=[(title, own[name], pooled.loc[name].to_dict()) for name, title in TITLES.items()],
        protocol=protocol_title(record["protocol"]),
        fold=split_title(record["fold"]),
        classes=[f"{name} ({class_title(name)})" if class_title(name) != name else name for name in classes],
        modalities=" + ".join(MODALITY_TITLES[modality] for modality in record["modalities"]),
        keeps=classifier.SENTENCE if classifier else "it has no classifier beside the encoders' own",
        stand_ins=sorted(filter(None, {"+".join(missing) for missing in stored.variants()})),
    )
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def scores(tested, said, classes):
    """{measure: (value, low, high)}, fractions, of what was said (n,) str of the test turns of one fold, a DataFrame by
    turn_id: with 95 % intervals by bootstrap over dialogs."""
    place = {name: number for number, name in enumerate(classes)}
    truth, answers = (np.array([place[name] for name in names]) for names in (tested["class"], said))
    counts = statistics.count(tested["dialog"].to_numpy(str), strata(tested), truth, answers[None, None], len(classes))
    values, bounds = statistics.scores(counts), statistics.intervals(counts)
    return {name: (float(values[name][0, 0]), *map(float, bounds[name][0])) for name in TITLES}


def header(run, record, own):
    """The metadata of a card that the Hub reads."""
    models = sorted({of["model"] for of in record["encoders"].values() if of["commit"]})
    dataset = {"name": f"{run.corpus}, {record['protocol']}, test part of {record['fold']}", "type": run.corpus}
    metrics = [{"type": name, "name": TITLES[name], "value": round(value, 4)} for name, (value, *_) in own.items()]
    task = {"type": "audio-classification", "name": "multimodal emotion recognition"}
    return {
        "license": "other",
        "license_name": f"see-the-licence-of-{run.corpus}",
        "library_name": "emofuse",
        "tags": ["emotion-recognition", "multimodal", *record["modalities"]],
        **({"base_model": models} if models else {}),
        "model-index": [
            {
                "name": f"{run.corpus}-{run.name}-{record['fold']}",
                "results": [{"task": task, "dataset": dataset, "metrics": metrics}],
            }
        ],
    }


def _template():
    # No HTML: nothing is escaped, and all that is filled in comes from the config and the run's own files.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["percent"] = lambda value: f"{100 * value:.1f}"
    return environment.get_template("card.md.j2")
