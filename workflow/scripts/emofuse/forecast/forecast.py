"""Makes the plan of a run: counts its jobs, measures what no record tells, and writes what the run costs and can show."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from emofuse.clips.files import read_manifests
from emofuse.corpora.units import unit_of
from emofuse.encoders.records import cost
from emofuse.encoders.settings import Computing, Machine
from emofuse.evaluation.power import AGREEMENTS, detectable
from emofuse.forecast import choosing, space
from emofuse.forecast import records as earlier
from emofuse.forecast.costs import Costs
from emofuse.forecast.measuring import KNOWN
from emofuse.media.wav import RATE
from emofuse.runtime.devices import prepare_device
from emofuse.runtime.store import read_parquet, write_tsv

FRAMES = 30_000 / 1_001  # a second, of clips that are not cut yet
SECONDS = 60  # of one measurement, about
LONGEST = 300  # seconds after which the measurement of a classifier is given up
COLUMNS = (
    *("stage", "what", "jobs", "left", "seconds", "error", "hours", "hours_left", "source"),
    *("memory_mb", "bytes", "bytes_there"),
)
DIFFERENCES = ("protocol", "turns", "dialogs", "agreement", "wa", "ua")


@dataclass(frozen=True)
class Run:
    """What is planned. config: checked. snakefile, corpus (results/<corpus>), run: where. encoders: list of dicts modality,
    encoder, settings, folder, clips (folder), manifests, frozen. stages: {rule: stage}. chosen: {modality: (names that are
    chosen from, path of the choice)}. protocols: {name: its splits}. cores, gpus: that Snakemake may use. early, train_vectors:
    as of `ensemble.Method`. classes: their number."""

    config: dict
    snakefile: str
    corpus: str
    run: str
    encoders: list
    stages: dict
    chosen: dict
    protocols: dict
    cores: int
    gpus: int
    computing: Computing
    machine: Machine
    classes: int
    early: list
    train_vectors: str


def make_plan(run, turns, words, splits):
    """(rows of plan.tsv, rows of plan_differences.tsv, facts for `telling.tell`). turns, words: paths of the corpus' tables,
    the latter None where no words are read; splits: paths of split files."""
    table, of_words = read_parquet(turns).to_pandas(), read_parquet(words).to_pandas() if words else None
    frames = {Path(path).stem: read_parquet(path).to_pandas() for path in splits}
    parts = {
        name: {part: int((f["part"] == part).sum()) for part in ("train", "val", "test")} for name, f in frames.items()
    }
    lengths = {modality: _lengths(modality, table, of_words) for modality in ("text", "audio", "video")}
    device = prepare_device(run.machine.device, run.computing.threads, run.computing.deterministic)
    named = cost(device, 0, 0, 0, {})["device"]
    known = earlier.read_records(run.corpus, run.run)
    found, fitting = {}, {}
    for entry in run.encoders:
        key = (entry["modality"], entry["encoder"])
        training = (asdict(run.computing), asdict(run.machine), named)
        if entry["frozen"]:
            fitting[key] = earlier.fitting_stores(known.stores.get(key, []), entry["settings"])
        else:
            fitting[key] = earlier.fitting(known.trainings.get(key, []), entry["settings"], *training)
        found[key] = _of_encoder(run, entry, fitting[key], lengths[entry["modality"]], frames, table, turns)
    seconds = (table["end_s"] - table["start_s"]).groupby(table["turn_id"].map(unit_of)).sum().to_dict()
    costs = Costs(known, found, fitting, {}, parts, len(table), seconds)
    taken = choosing.take(run, costs)
    costs.classifiers = _classifiers(run, taken, found, parts, known)
    jobs, left = choosing.count(run, taken)
    rows = _rows(run, costs, jobs, left) + _space(run, found, jobs, table, seconds)
    facts = {
        "device": named,
        "kind": device,
        "found": found,
        "taken": taken,
        "jobs": jobs,
        "left": left,
        "costs": costs,
    }
    facts["stage_of"] = lambda job: _stage(run, job)
    return rows, differences(run.protocols, frames), facts


def _lengths(modality, table, words):
    """{turn: length of its clip}: words, samples or frames."""
    seconds = table.set_index("turn_id")["end_s"] - table.set_index("turn_id")["start_s"]
    if modality == "text":
        return {} if words is None else words.set_index("turn_id")["text"].str.split().str.len().to_dict()
    return (seconds * (RATE if modality == "audio" else FRAMES)).round().clip(lower=1).to_dict()


def _of_encoder(run, entry, fitting, lengths, frames, table, turns):
    """What is known of an encoder: of its records, else measured; with `unknown`, why, where nothing is."""
    epochs = entry["settings"].get("epochs", 0)
    trained = entry["frozen"] or any(record["took"] for record in fitting)
    if trained and any(record["embedded"] for record in fitting):
        record = {} if entry["frozen"] else fitting[0]
        found = {key: record.get(key) for key in ("peak_memory_mb", "parameters")}
        return found | {"width": _width(entry["folder"]), "epochs": epochs, "from": "record"}
    if not entry["folder"]:
        return {"epochs": epochs, "unknown": "it is no network: its cost was not measured"}
    folder = Path(entry["folder"])
    if not (folder / "config.json").exists() and entry["settings"]["model"] not in KNOWN:
        return {"epochs": epochs, "unknown": "it is not here yet: snakemake download"}
    split = next(iter(frames.values()))
    of_part = {part: split.loc[split["part"] == part, "turn_id"] for part in ("train", "val")} | {
        "all": table["turn_id"]
    }
    given = {part: [lengths[turn] for turn in ids if turn in lengths] for part, ids in of_part.items()}
    given["val"] = given["val"] or given["train"]
    case = {key: entry[key] for key in ("modality", "encoder", "settings", "folder", "clips", "manifests", "frozen")}
    case |= {"classes": run.classes, "computing": asdict(run.computing), "machine": asdict(run.machine)}
    measured = alone("measuring", case | {"lengths": given, "turns": str(turns), "seconds": SECONDS})
    if isinstance(measured, str):
        return {"epochs": epochs, "unknown": measured}
    return measured | {"epochs": epochs, "from": "measured"}


def _width(folder):
    """The width of a network's vectors by its config.json; None where that does not say it."""
    path = Path(folder or "", "config.json")
    said = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return said.get("hidden_size") or said.get("dim") or said.get("d_model")


def alone(module, case, timeout=None):
    """What a module's `measure` finds, in a process of its own; why there is nothing, as text."""
    with tempfile.TemporaryDirectory(prefix="emofuse-plan-") as folder:
        paths = [Path(folder, name) for name in ("case.json", "found.json")]
        paths[0].write_text(json.dumps(case | {"spawned": time.time()}), encoding="utf-8")
        scripts = str(Path(__file__).parents[2])
        environment = os.environ | {"PYTHONPATH": scripts, "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, "-m", f"emofuse.forecast.{module}", *map(str, paths)]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            return f"its measurement was given up after {timeout} s"
        print(done.stdout + done.stderr)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["the measurement ended without a word"])[-1]
        return json.loads(paths[1].read_text(encoding="utf-8"))


def _classifiers(run, taken, found, parts, known):
    """{name: what was measured, or None} of the classifiers of which there is no record."""
    widths = {modality: found.get((modality, name), {}).get("width") for modality, name in taken.items()}
    case = {
        **{"labels": taken, "widths": widths, "classes": run.classes, "parts": next(iter(parts.values()))},
        **{"early": run.early, "train_vectors": run.train_vectors, "threads": run.config["classifier_threads"]},
    }
    measured = {}
    for name, settings in {"argmax": {}, **run.config["classifiers"]}.items():
        if not known.of("classify", name):
            case["widths"] = {m: width or 768 for m, width in widths.items()}
            answer = alone("classifying", case | {"classifier": name, "settings": settings}, timeout=LONGEST)
            measured[name] = None if isinstance(answer, str) else answer
    return measured


def _rows(run, costs, jobs, left):
    """A row for each kind of job: rows of plan.tsv."""
    grouped = {}
    for job in jobs:
        grouped.setdefault((_stage(run, job), _what(job)), []).append(job)
    remaining = {(_stage(run, job), _what(job)): [] for job in left}
    for job in left:
        remaining[_stage(run, job), _what(job)].append(job)
    rows = []
    for key in dict.fromkeys([*grouped, *remaining]):
        of_key = grouped.get(key) or remaining[key]
        each = [costs.of(job) for job in of_key]
        seconds = np.array([c.seconds for c in each])
        encoder = costs.encoders.get((of_key[0].of.get("modality"), of_key[0].of.get("encoder")), {})
        error = max((c.error for c in each if c.error is not None), default=None)
        rows.append(
            dict.fromkeys(COLUMNS, "")
            | {
                "stage": key[0],
                "what": key[1],
                "jobs": len(grouped.get(key, of_key)),
                "left": len(remaining.get(key, [])),
            }
            | {"seconds": round(float(seconds.mean()), 2), "error": "" if error is None else round(error, 3)}
            | {"hours": round(float(seconds.sum()) / 3600, 5)}
            | {"hours_left": round(sum(costs.of(job).seconds for job in remaining.get(key, [])) / 3600, 5)}
            | {"source": ", ".join(sorted({c.source for c in each}))}
            | {"memory_mb": (encoder.get("peak_memory_mb") or "") if of_key[0].rule == "fine_tune" else ""}
        )
    return rows


def _stage(run, job):
    stage = run.stages.get(job.rule) or "other"
    return "embeddings" if job.rule.startswith("embed") else stage


def _what(job):
    """The kind of a job: its rule, and of encoders and classifiers which."""
    names = [job.of[name] for name in ("modality", "encoder", "classifier", "system") if name in job.of]
    return " ".join([job.rule, *names])


def _space(run, found, jobs, table, seconds):
    """Rows of what lies on disk: clips, encoders, embeddings, resume states."""
    rows, total = [], sum(seconds.values())
    for modality, root in dict.fromkeys((e["modality"], root) for e in run.encoders for root in e["roots"]):
        dialogs = {
            path: path.name.removesuffix(".manifest.tsv") for path in Path(root, modality).glob("*.manifest.tsv")
        }
        of_dialogs = {path: seconds[dialog] for path, dialog in dialogs.items() if dialog in seconds}
        manifests = {path: read_manifests([path]) for path in of_dialogs}
        there, whole = space.clips_bytes(manifests, of_dialogs, total)
        rows.append({"what": f"{root}/{modality}", "bytes": whole, "bytes_there": there})
    at = f"{run.corpus}/{run.run}"
    for key, of_encoder in found.items():
        trained = sum(1 for j in jobs if j.rule == "fine_tune" and (j.of["modality"], j.of["encoder"]) == key)
        stored = sum(1 for j in jobs if j.rule.startswith("embed") and (j.of["modality"], j.of["encoder"]) == key)
        name = "/".join(key)
        weights = 4 * of_encoder["parameters"] if of_encoder.get("parameters") else None
        if trained:
            there = space.folder_bytes(f"{at}/encoders/{name}")
            rows.append({"what": f"encoders/{name}", "bytes": weights and weights * trained, "bytes_there": there})
            state = weights and weights * space.STATES
            rows.append({"what": f"resume/{name}, while it is trained", "bytes": state, "bytes_there": 0})
        if stored:
            width = of_encoder.get("width") or 768
            size = stored * space.store_bytes(len(table), width, run.classes)
            rows.append(
                {
                    "what": f"embeddings/{name}",
                    "bytes": size,
                    "bytes_there": space.folder_bytes(f"{at}/embeddings/{name}"),
                }
            )
    return [dict.fromkeys(COLUMNS, "") | {"stage": "disk"} | row for row in rows]


def differences(protocols, frames):
    """Rows of plan_differences.tsv: of each protocol and agreement the smallest difference that is found four times in five."""
    rows, known = [], {}
    for protocol, splits in protocols.items():
        tests = pd.concat(frames[name].query("part == 'test'") for name in splits)
        support = pd.crosstab(tests["dialog"], tests["class"]).to_numpy()
        for agreement in AGREEMENTS:
            key = (support.tobytes(), support.shape, agreement)
            if key not in known:
                with threadpool_limits(1):  # its products are small, and the cores may be others' now
                    known[key] = detectable(support, agreement)
            facts = {"protocol": protocol, "turns": len(tests), "dialogs": len(support), "agreement": agreement}
            rows.append(facts | {name: round(value, 5) for name, value in known[key].items()})
    return rows


def write_plan(folder, rows, shown):
    """plan.tsv and plan_differences.tsv."""
    write_tsv(Path(folder, "plan.tsv"), rows, COLUMNS)
    write_tsv(Path(folder, "plan_differences.tsv"), shown, DIFFERENCES)
