"""Does this GPU compute what it should with emofuse, and how fast? All encoders of config.yaml at full size, in minutes.

Random weights, made-up turns of IEMOCAP's lengths, nothing downloaded; README.md says what is asked and how. Needs PyTorch,
Transformers, NumPy, PyArrow and scikit-learn, and PyAV to read video for real. Prints its tables line by line, so that a run
cut short still tells; exits with 1 where an answer is wrong or a case fails.
"""

import argparse
import importlib.util
import os
import platform
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, set_start_method
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))

import material
import training as speed

SETTINGS = ("example", "emofuse", "nondeterministic")  # the first is what the others are compared with
AT_ONCE = 3  # encoders that are asked, for the cases of a check wait for their files and processes much of the time
ANSWERS = ("encoder", "precision", "same seed, same weights", "resumed after a kill", "one WA", "alone or in a batch",
           "against the CPU", "bf16 against fp32", "training", "peak memory", "right")  # fmt: skip
SPEEDS = ("encoder", "setting", "precision", "turns/s", "against the example", "waiting", "peak memory", "utilisation",
          "validation turns/s", "embedding turns/s")  # fmt: skip
SMALL_TURNS = 24  # eight a session
CONTEXT = get_context("forkserver")  # PyTorch is imported once; each case has a process that has not touched the GPU


def main():
    """Ask, time, print; the exit code says whether all was right."""
    began = time.monotonic()
    config = yaml.safe_load((speed.ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    encoders = {name: modality for modality, of in config["encoders"].items() for name in of}
    options = _options(encoders)
    CONTEXT.set_forkserver_preload(["answers", "cases"])
    decode = importlib.util.find_spec("av") is not None
    print(_here(options, decode), flush=True)
    faults = []
    with tempfile.TemporaryDirectory(prefix="emofuse-gpu-check-") as folder:
        clips = {}
        for modality in dict.fromkeys(encoders[name] for name in options.encoders):
            number = SMALL_TURNS if options.small else material.FILES[modality]
            clips[modality] = material.write_clips(folder, modality, decode, number)
        cases = {name: _case(name, encoders[name], config, options, folder, clips, decode) for name in options.encoders}
        if "answers" in options.parts:
            faults += _answers(cases)
        rates = {}
        if "speed" in options.parts:
            faults += _speeds(cases, rates)
        if "sharing" in options.parts:
            faults += _sharing(cases, rates)
    print(f"\n{time.monotonic() - began:.0f} s.", *(["All is right."] if not faults else ["WRONG:", *faults]), sep="\n")
    return int(bool(faults))


def _options(encoders):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Example: python benchmarks/gpu_check.py --encoders bert wav2vec2 --parts answers",
    )
    known, parts = ", ".join(encoders), ("answers", "speed", "sharing")
    for flag, settings, text in (
        ("--encoders", {"nargs": "+", "choices": encoders, "default": list(encoders), "metavar": "NAME"},
         f"which to try, of {known} (all)"),
        ("--parts", {"nargs": "+", "choices": parts, "default": parts, "metavar": "PART"},
         "answers: is it right; speed: how fast, beside Transformers' examples; sharing: two jobs on one GPU (all)"),
        ("--device", {"choices": ["auto", "cuda", "cpu"], "default": "auto"}, "auto takes a GPU if there is one (auto)"),
        ("--steps", {"type": int, "default": 16, "metavar": "N"}, "batches that are timed; of video half as many (16)"),
        ("--small", {"action": "store_true"},
         "tiny encoders, few turns: tries this program on any machine; the numbers say nothing"),
    ):  # fmt: skip
        parser.add_argument(flag, help=text, **settings)
    return parser.parse_args()


def _here(options, decode):
    """What this is run on, as a line of Markdown."""
    import importlib.metadata as metadata

    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "transformers"))
    video = "decoded from H.264 clips" if decode else "pictures from memory (no PyAV here)"
    small = " **Tiny encoders: these numbers say nothing.**" if options.small else ""
    return f"{os.cpu_count()} CPU cores; {versions}, Python {platform.python_version()}; video {video}.{small}"


def _case(name, modality, config, options, folder, clips, decode):
    """What `answers` and `cases` take; see `cases.measure`."""
    folds = speed.fold_sizes(config)
    settings = speed.DEFAULTS | {"gradient_accumulation": 1, "warmup": 0.0} | config["encoders"][modality][name]
    if options.small:
        settings |= {"batch_size": 4, "eval_batch_size": 4}
    return {
        "encoder": name,
        "modality": modality,
        "settings": settings,
        "training": config["training"],
        "turns": folds[config["selection"]["fold"]] | {"all": speed.CORPUS_TURNS},
        "clips": folder,
        "manifest": clips[modality],
        "folder": f"{folder}/{name}",
        "decode": decode,
        "device": options.device,
        "threads": 1 if options.small else None,
        "workers": 2 if options.small else speed.loader_workers(config["training"]),
        "tiny": options.small,
        "steps": max(1, options.steps // (2 if modality == "video" else 1)),
        "warmup": 4,
    }


def _answers(cases):
    """Print what is right of each encoder; a list of faults."""
    import answers

    print("\n## Is it right?\n")
    for line in speed.table(ANSWERS, []):
        print(line, flush=True)
    faults = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for name, found in zip(cases, pool.map(_asked, cases.values()), strict=True):
            if isinstance(found, str):
                faults.append(f"{name}: {found}")
                print(f"| {name} | failed: {found} |", flush=True)
                continue
            wrong = [f"{name}: {sentence}" for sentence in answers.wrong(found)]
            faults += wrong
            yes = {key: "yes" if found[key] else "NO" for key in ("repeated", "resumed", "one_wa")}
            difference = {k: "" if found[k] is None else f"{found[k]:.1e}" for k in answers.BOUNDS}
            row = (name, found["precision"], *yes.values(), *difference.values(), f"{found['training_seconds']:.0f} s",
                   f"{found['peak_memory_mb'] / 1024:.2f} GiB", "NO" if wrong else "yes")  # fmt: skip
            print(speed.row(row), flush=True)
    return faults


def _asked(case):
    """The answers of one case, or why there are none."""
    return _alone("train_until_killed", case, killed=True) or _alone("ask", case)


def _speeds(cases, rates):
    """Print how fast each encoder is under each setting, filling `rates`; a list of faults."""
    print("\n## How fast is it?\n")
    for line in speed.table(SPEEDS, []):
        print(line, flush=True)
    faults = []
    for name, case in cases.items():
        for setting in SETTINGS:
            found = _alone("measure", _under(setting, case))
            if isinstance(found, str):
                faults.append(f"{name}, {setting}: {found}")
                print(f"| {name} | {setting} | failed: {found} |", flush=True)
                continue
            rates[name, setting] = rate = found["turns_per_second"]
            example = rates.get((name, "example"))
            row = (name, setting, found["precision"], f"{rate:.3g}", f"{rate / example:.2f}" if example else "",
                   f"{found['waiting_share']:.0%}", f"{found['peak_memory_mb'] / 1024:.2f} GiB",
                   f"{found['utilisation']:.1%}", f"{found['validation_turns_per_second']:.3g}",
                   f"{found['embedding_turns_per_second']:.3g}")  # fmt: skip
            print(speed.row(row), flush=True)
    return faults


def _under(setting, case):
    """The case under a setting: emofuse, the same with operations in any order, or Transformers' example."""
    strict = setting != "nondeterministic"
    return case | {
        "setting": "example" if setting == "example" else "emofuse",
        "training": case["training"] | {"deterministic": strict},
    }


def _sharing(cases, rates):
    """Print what two trainings at once on one device bring, for the first encoder of each modality; a list of faults."""
    print("\n## Two jobs at once\n")
    for line in speed.table(("encoder", "alone, turns/s", "two at once, turns/s each", "gain"), []):
        print(line, flush=True)
    faults = []
    for name in {case["modality"]: name for name, case in reversed(cases.items())}.values():
        case = _under("emofuse", cases[name])
        alone = rates.get((name, "emofuse")) or _rate(_alone("measure", case))
        with ThreadPoolExecutor(2) as pool:
            each = [_rate(found) for found in pool.map(_alone, ["measure"] * 2, [case] * 2)]
        if troubles := [f"{name}, two at once: {rate}" for rate in (alone, *each) if isinstance(rate, str)]:
            faults += troubles
            continue
        rows = (name, f"{alone:.3g}", " and ".join(f"{rate:.3g}" for rate in each), f"{sum(each) / alone:.2f}")
        print(speed.row(rows), flush=True)
    return faults


def _rate(found):
    """Turns a second out of what `measure` returned, or its error."""
    return found if isinstance(found, str) else found["turns_per_second"]


def _alone(what, case, killed=False):
    """What a function of `answers` or `cases` returns in a process of its own; its error as a string."""
    log = Path(case["folder"], "log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(1, mp_context=CONTEXT) as pool:
        try:
            return pool.submit(_logged, what, case, str(log)).result()
        except BrokenProcessPool as error:
            return None if killed else f"{type(error).__name__}: {error}"
        except Exception as error:
            print(f"{case['encoder']}: {log.read_text()[-3000:]}", file=sys.stderr, flush=True)
            return f"{type(error).__name__}: {error}".splitlines()[0]


def _logged(what, case, log):
    """Call the function with what it writes going into the file `log`."""
    import answers
    import cases

    set_start_method("fork", force=True)  # of loader workers, as in a job; here it is that of this process
    with open(log, "a", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    return getattr(answers if hasattr(answers, what) else cases, what)(case)


if __name__ == "__main__":
    sys.exit(main())
