"""Times the systems of config/references.yaml on one fold of a made-up corpus of IEMOCAP's size: time and memory of each.

151 dialogs, 10,039 turns of which 5,531 have a class, three sources of 768 numbers with their steps (text 2.7 a second, speech
10, video 16 a turn at most) and motion of 189. Classes last for some turns, and each turn's vector shows its class now and
then. Each system has a process of its own, so that its peak of memory is its own; the corpus is made in it, and not timed.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

SHARES = np.array([1103, 1636, 1708, 1084, 4508]) / 10_039  # angry, happy with excited, neutral, sad, none of these
TURNS, WIDTH = 10_039, 768
STAYS = 0.75  # probability that a speaker's class is that of the turn before
WIDTHS = {"text": WIDTH, "audio": WIDTH, "video": WIDTH, "motion": 189}


def make_turns(rng, steps):
    """The `dialogs.Turns` of a fold, with vectors or with steps of some modalities."""
    from emofuse.corpora.iemocap.names import session_of
    from emofuse.fusion.dialogs import Turns

    names = (ROOT / "resources/iemocap_dialogs.txt").read_text(encoding="utf-8").split()
    sizes = 8 + rng.multinomial(TURNS - 8 * len(names), rng.dirichlet(np.full(len(names), 6.0)))
    ids, labels = [], []
    for name, size in zip(names, sizes, strict=True):
        mix, mood = rng.dirichlet(3 * SHARES), {}
        for number in range(size):
            letter = "FM"[rng.integers(2)]
            if letter not in mood or rng.random() > STAYS:
                mood[letter] = rng.choice(5, p=mix)
            ids.append(f"{name}_{letter}{number:03d}")
            labels.append(mood[letter])
    labels, sessions = np.array(labels), np.array([session_of(turn) for turn in ids])
    parts = np.where(labels == 4, "", np.array(["", "train", "train", "train", "val", "test"])[sessions])
    turns = Turns(
        "session5",
        ["ang", "hap", "neu", "sad"],
        np.array(ids),
        np.array([turn[:-5] for turn in ids]),
        np.array([f"{turn[:5]}_{turn[-4]}" for turn in ids]),
        parts,
        np.where(parts == "", -1, labels),
    )
    seconds = np.clip(rng.gamma(1.8, 2.5, len(ids)), 0.6, 34)
    for modality, width in WIDTHS.items():
        prototypes = 0.15 * rng.normal(size=(5, width))
        turns.there[modality] = np.ones(len(ids), bool)
        if not steps:
            shown = rng.gamma(1, 1, (len(ids), 1)) * prototypes[labels]
            mixed = rng.normal(size=(len(ids), 40)) @ rng.normal(size=(40, width))  # vectors of encoders are correlated
            turns.vectors[modality] = (shown + 0.5 * mixed + rng.normal(size=mixed.shape)).astype(np.float32)
            continue
        counts = {"text": 2.7 * seconds, "audio": 10 * seconds, "video": np.clip(4 * seconds, 8, 16)}
        counts = np.maximum(counts.get(modality, np.full(len(ids), 200)), 2).astype(int)
        pool = rng.normal(size=(4_000, width)).astype(np.float16)
        turns.steps[modality] = [
            pool[start : start + count] + ((rng.random((count, 1)) < 0.2) * prototypes[label]).astype(np.float16)
            for start, count, label in zip(rng.integers(0, 3_600, len(ids)), counts, labels, strict=True)
        ]
    return turns


def measure(name, entry, threads):
    """{wall, cpu, memory, ...} of training one system on one fold and asking it about the test part."""
    from emofuse.fusion.networks import Task
    from emofuse.fusion.systems import MODELS
    from emofuse.runtime import kinds

    module, file = kinds.load(MODELS, entry["kind"]), kinds.constants(MODELS)[entry["kind"]]
    defaults = {key: setting["default"] for key, setting in file["SETTINGS"].items()} | file.get("TRAINS", {})
    settings = (
        defaults | {"members": 3} | {key: value for key, value in entry.items() if key not in ("kind", "encoders")}
    )
    settings |= {key: value for key, value in {"C": 3.0, "weight": 0.3}.items() if key in settings}
    turns = make_turns(np.random.default_rng(0), module.READS == "sequences")
    wanted = entry.get("encoders") or dict.fromkeys(("text", "audio", "video"))
    for of in (turns.vectors, turns.steps, turns.there):
        for modality in of.keys() - wanted.keys():
            del of[modality]
    before, began = time.process_time(), time.monotonic()
    [trained] = module.train(Task(turns, turns.parts == "train", turns.parts == "val", [settings], 0, threads))
    test = np.flatnonzero(turns.parts == "test")
    said = trained.ask(test).argmax(1)
    seconds, cpu = time.monotonic() - began, time.process_time() - before
    # Of the processes of networks trained side by side, too; they share what the first one holds, so peaks do not add up.
    beside = resource.getrusage(resource.RUSAGE_CHILDREN)
    memory = max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, beside.ru_maxrss)
    return {
        "system": name,
        "kind": entry["kind"],
        "parameters": trained.record.get("parameters", 0),
        "epochs": trained.record.get("epochs", []),
        "trained": [len(losses) for losses in trained.record.get("losses", [])],
        "seconds": seconds,
        "cpu": cpu + beside.ru_utime + beside.ru_stime,
        "memory": memory / 1024,
        "wa": float((said == turns.labels[test]).mean()),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", nargs="*", help="names in config/references.yaml (all)")
    parser.add_argument("--threads", type=int, default=2, help="(%(default)s)")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    entries = yaml.safe_load((ROOT / "config/references.yaml").read_text(encoding="utf-8"))["systems"]
    if options.one:
        print(json.dumps(measure(options.one, entries[options.one], options.threads)))
        return
    print("| system | kind | parameters | epochs kept of trained | wall s | CPU s | peak MB | WA here |")
    print("|---|---|---|---|---|---|---|---|")
    total = 0.0
    for name in options.systems or entries:
        command = [sys.executable, __file__, "--one", name, "--threads", str(options.threads)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        epochs = ", ".join(f"{a} of {b}" for a, b in zip(found["epochs"], found["trained"], strict=True)) or "–"
        total += found["seconds"]
        print(
            f"| {name} | {found['kind']} | {found['parameters']:,} | {epochs} | {found['seconds']:.0f} | {found['cpu']:.0f} |"
            f" {found['memory']:,.0f} | {100 * found['wa']:.1f} |",
            flush=True,
        )
    print(f"\nAll one after the other: {total / 60:.1f} minutes a fold.")


if __name__ == "__main__":
    main()
