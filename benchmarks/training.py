"""How fast emofuse trains the encoders of config.yaml, against the settings of Transformers' examples, in one run.

Random weights of the real sizes, turns of IEMOCAP's lengths, nothing downloaded; README.md says what is compared and how.
Needs PyTorch, Transformers and NumPy, and uses PyAV if it is there (video is then decoded for real). Prints Markdown;
progress goes to stderr.
"""

import argparse
import csv
import datetime
import importlib.util
import json
import os
import platform
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))

from emofuse.corpora.class_sets import CLASS_SETS

ROOT = Path(__file__).resolve().parents[1]

DEFAULTS = {
    "dropout": 0.1, "markers": "keep", "schedule": "linear", "layer_decay": 1.0, "freeze_layers": 0, "layer": "last",
    "patience": None, "class_weights": "none", "label_smoothing": 0.0,
}  # fmt: skip  # of the config's schema
LOADER_WORKERS = 4  # what `auto` has where CPUs are not short
CORPUS_TURNS = 10_039
PASSED_ON = ("device", "threads", "workers", "tiny", "steps", "warmup")  # options that are part of a case


def main():
    """Run all cases, print the tables; the exit code says whether every case could be measured."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    encoders = {name: modality for modality, of in config["encoders"].items() for name in of}
    options = _options(encoders, config["training"])
    decode = importlib.util.find_spec("av") is not None
    folds = fold_sizes(config)
    settings = ["emofuse", "compiled", "example"] if options.compile else ["emofuse", "example"]
    import material  # after sys.path is set

    results, clips = [], {}
    with tempfile.TemporaryDirectory(prefix="emofuse-benchmark-") as folder:
        for encoder in options.encoders:
            modality = encoders[encoder]
            if modality not in clips:
                _say(f"writing {material.FILES[modality]} clips: {modality}")
                clips[modality] = material.write_clips(folder, modality, decode, material.FILES[modality])
            for setting in settings:
                case = {
                    "encoder": encoder,
                    "modality": modality,
                    "setting": setting,
                    "settings": DEFAULTS | config["encoders"][modality][encoder],
                    "training": config["training"],
                    "turns": folds[config["selection"]["fold"]] | {"all": CORPUS_TURNS},
                    "clips": folder,
                    "manifest": clips[modality],
                    "decode": decode,
                    **{name: vars(options)[name] for name in PASSED_ON},
                }
                if options.batch_size:
                    case["settings"] |= {"batch_size": options.batch_size, "eval_batch_size": options.batch_size}
                results.append(_measured(case))
    report = {
        "date": datetime.datetime.now().isoformat(timespec="minutes"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "video": "decoded from H.264 clips" if decode else "pictures from memory, without decoding (no PyAV here)",
        "options": vars(options) | {"output": None},
        "cases": results,
        "study": study(results, config, folds),
    }
    if options.output:
        options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(as_markdown(report))
    return int(any("error" in result for result in results))


def _options(encoders, training):
    workers, threads = loader_workers(training), training["threads"]
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Example: python benchmarks/training.py --encoders bert wav2vec2 --output rates.json",
    )
    known = ", ".join(encoders)
    for flag, settings, text in (
        ("--encoders", {"nargs": "+", "choices": encoders, "default": list(encoders), "metavar": "NAME"},
         f"which to measure, of {known} (all)"),
        ("--device", {"choices": ["auto", "cuda", "cpu"], "default": "auto"}, "auto takes a GPU if there is one (auto)"),
        ("--steps", {"type": _positive, "default": 60, "metavar": "N"},
         "batches that are timed, in training and in both evaluations; chosen to stand for a whole epoch (60)"),
        ("--warmup", {"type": _positive, "default": 20, "metavar": "N"}, "batches before them that are not timed (20)"),
        ("--compile", {"action": "store_true"}, "a third setting: emofuse with torch.compile, dynamic shapes"),
        ("--batch-size", {"type": _positive, "metavar": "N"}, "for all encoders and settings (those of the config)"),
        ("--workers", {"type": int, "default": workers, "metavar": "N"},
         f"loader processes of emofuse ({workers}, the config's); the examples have none"),
        ("--threads", {"type": _positive, "metavar": "N"},
         f"PyTorch's CPU threads (emofuse: {threads}, the config's; the examples: as many as PyTorch takes by itself)"),
        ("--tiny", {"action": "store_true"}, "tiny encoders, to try this program; their numbers say nothing"),
        ("--output", {"type": Path, "metavar": "FILE"}, "also write all numbers there, as JSON"),
    ):  # fmt: skip
        parser.add_argument(flag, help=text, **settings)
    return parser.parse_args()


def loader_workers(training):
    """Loader processes of the config."""
    return LOADER_WORKERS if training["loader_workers"] == "auto" else training["loader_workers"]


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _say(text):
    print(text, file=sys.stderr, flush=True)


def _measured(case):
    """What cases.measure returns, from a fresh process, so that neither memory nor state is carried over from another case."""
    name = f"{case['encoder']}, {case['setting']}"
    _say(f"{name} ...")
    began = time.monotonic()
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        try:
            result = pool.submit(_measure, case).result()
        except Exception as error:  # out of memory, a killed process, no compiler: the other cases go on
            result = {key: case[key] for key in ("encoder", "modality", "setting")}
            result["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
            _say(f"{name}: {result['error']}")
            return result
    speed, waiting = result["turns_per_second"], result["waiting_share"]
    _say(f"{name}: {speed:.3g} turns/s, {waiting:.0%} waiting, took {time.monotonic() - began:.0f} s")
    return result


def _measure(case):
    import cases  # in the new process: PyTorch

    return cases.measure(case)


def fold_sizes(config):
    """Test session -> {train, val}: turns of the config's classes, validated on the session before (resources/)."""
    classes = config["classes"]
    spelt = CLASS_SETS[classes] if isinstance(classes, str) else classes
    labels = {label for of_class in spelt.values() for label in of_class}
    turns = dict.fromkeys(range(1, 6), 0)
    with open(ROOT / "resources/iemocap_counts.tsv", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            turns[int(row["session"])] += int(row["turns"]) * (row["label"] in labels)
    before = {session: (session - 2) % 5 + 1 for session in turns}
    return {s: {"train": sum(turns.values()) - turns[s] - turns[b], "val": turns[b]} for s, b in before.items()}


def study(results, config, folds):
    """Hours that all trainings, validations and embeddings of the measured encoders take, by setting.

    Only encoders of which every setting was measured. A dict: trainings (encoder -> number), hours (setting -> encoder ->
    hours).
    """
    failed = {result["encoder"] for result in results if "error" in result}
    selection = config["selection"]["fold"]
    fusion = list(config["fusion"].values())
    trainings, hours = {}, {}
    for result in results:
        encoder = result["encoder"]
        if encoder in failed:
            continue
        used = [folds[s] for s in folds if s == selection or encoder in fusion]
        epochs = config["encoders"][result["modality"]][encoder]["epochs"]
        seconds = 0.0
        for part in used:
            train = part["train"] / result["turns_per_second"] + result["start_seconds"]
            val = part["val"] / result["validation_turns_per_second"] + result["start_seconds"]
            seconds += epochs * (train + val) + CORPUS_TURNS / result["embedding_turns_per_second"]
        trainings[encoder] = len(used)
        hours.setdefault(result["setting"], {})[encoder] = seconds / 3_600
    return {"trainings": trainings, "hours": hours}


def as_markdown(report):
    """The report's tables, with all that the reader must know beside them."""
    done = [case for case in report["cases"] if "error" not in case]
    lines = []
    if report["options"]["tiny"]:
        lines += ["**Tiny encoders, to try the program: these numbers say nothing about speed.**", ""]
    if done:
        first = done[0]
        versions = ", ".join(f"{name} {version}" for name, version in first["versions"].items() if version)
        lines += [
            f"{first['device']}, {report['cores']} CPU cores; {versions}, Python {report['python']}; {report['date']}."
        ]
        lines += [f"Batches timed per case: {report['options']['steps']}. Video: {report['video']}.", ""]
    lines += _speed_table(report["cases"])
    lines += _study_table(report["study"])
    return "\n".join(lines)


def _speed_table(cases):
    header = (
        "encoder", "setting", "precision", "batch", "workers, threads", "turns/s", "CPU s/turn", "waiting", "peak memory",
        "utilisation", "validation turns/s", "embedding turns/s",
    )  # fmt: skip
    rows = []
    for case in cases:
        if "error" in case:
            rows.append((case["encoder"], case["setting"], f"failed: {case['error']}", *[""] * (len(header) - 3)))
            continue
        rows.append(
            (
                case["encoder"],
                case["setting"],
                case["precision"],
                f"{case['batch_size']}",
                f"{case['loader_workers']}, {case['threads']}",
                f"{case['turns_per_second']:.3g}",
                f"{case['cpu_seconds'] / (case['steps'] * case['batch_size']):.2g}",
                f"{case['waiting_share']:.0%}",
                f"{case['peak_memory_mb'] / 1024:.2f} GiB",
                f"{case['utilisation']:.1%}",
                f"{case['validation_turns_per_second']:.3g}",
                f"{case['embedding_turns_per_second']:.3g}",
            )
        )
    peaks = {}
    for case in cases:
        if "error" not in case:
            peaks.setdefault(case["peak_source"], []).append(case["peak_flops"] / 1e12)
    spans = [
        f"{' to '.join(dict.fromkeys(f'{x:.3g}' for x in (min(p), max(p))))} TFLOP/s ({source})"
        for source, p in peaks.items()
    ]
    return [*table(header, rows), "", f"Utilisation: of {', '.join(spans)}; padding is not counted as work.", ""]


def _study_table(found):
    settings = list(found["hours"])
    if not settings:
        return []
    compared = [s for s in settings if s != "example"]
    header = ("encoder", "trainings", *(f"{s}, hours" for s in settings), *(f"example / {s}" for s in compared))
    rows = []
    totals = dict.fromkeys(settings, 0.0)
    for encoder, number in found["trainings"].items():
        hours = {s: found["hours"][s][encoder] for s in settings}
        totals = {s: totals[s] + hours[s] for s in settings}
        rows.append(_study_row(encoder, number, hours, compared))
    rows.append(_study_row("all of these", sum(found["trainings"].values()), totals, compared))
    return [
        "Hours of the study at these rates:",
        "",
        *table(header, rows),
        "",
        "Assumed: one training at a time, with nothing else on the machine. Each encoder is trained on the selection fold,"
        " those of `fusion` on the other four folds too, with one seed, for the config's epochs, on the turns that"
        " resources/iemocap_counts.tsv gives. After each epoch the validation part is read; after each training all"
        f" {CORPUS_TURNS:,} turns are embedded, taken to be as long as those of the four classes. The start of the loader's"
        " processes is counted twice an epoch. Not counted: loading and saving models, cutting clips, classifiers.",
    ]


def _study_row(encoder, trainings, hours, compared):
    ratios = [f"{hours['example'] / hours[s]:.2f}" for s in compared]
    return (encoder, str(trainings), *(f"{value:.3g}" for value in hours.values()), *ratios)


def table(header, rows):
    """The lines of a Markdown table of strings."""
    return [row(cells) for cells in (header, ["---"] * len(header), *rows)]


def row(cells):
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
