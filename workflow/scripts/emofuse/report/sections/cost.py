"""What the run cost, and the versions of what made it."""

import csv
import platform
import subprocess
import sys
from importlib import metadata as installed
from pathlib import Path

from emofuse.report.card import settings_text
from emofuse.report.pages import number
from emofuse.runtime.version import VERSION

PACKAGES = (
    *("snakemake", "torch", "transformers", "torchaudio", "accelerate", "av", "scikit-learn", "xgboost", "statsmodels"),
    *("numpy", "scipy", "pandas", "pyarrow", "matplotlib", "jinja2"),
)


def steps(benchmarks, trainings):
    """By rule, from Snakemake's benchmark files: jobs, seconds in all, the longest job, peak memory in MB (or None).

    Models that are no longer in the run have left files behind; only those of `trainings` count.
    """
    trained = {"_".join(Path(path).parts[-5:-1]) for path in trainings}  # modality_encoder_split_seed0
    rules = {}
    for folder in map(Path, benchmarks):
        for path in sorted(folder.rglob("*.tsv")):
            place = path.relative_to(folder)
            if place.parts[0] in ("fine_tune", "embed", "fit_probe") and path.stem not in trained:
                continue
            rule = rules.setdefault(place.parts[0] if len(place.parts) > 1 else place.stem, [])
            with open(path, encoding="utf-8", newline="") as file:
                rule += [
                    (number(row["s"]) or 0.0, number(row["max_rss"])) for row in csv.DictReader(file, delimiter="\t")
                ]
    rows = [
        {
            "rule": rule,
            "jobs": len(jobs),
            "total": sum(seconds for seconds, _ in jobs),
            "longest": max(seconds for seconds, _ in jobs),
            "memory": max((memory for _, memory in jobs if memory is not None), default=None),
        }
        for rule, jobs in rules.items()
        if jobs
    ]
    return sorted(rows, key=lambda row: -row["total"])


def versions(models):
    """[(what, version)]: what made the report (commit, Python, platform, packages) and what trained the models."""
    found = [("emofuse", VERSION), ("commit", commit()), ("Python", sys.version.split()[0])]
    found.append(("platform", platform.platform()))
    for package in PACKAGES:
        try:
            found.append((package, installed.version(package)))
        except installed.PackageNotFoundError:
            continue  # a per-rule environment need not hold what other rules use
    trained = {f"{settings_text(row['versions'])}, on {row['device']}" for row in models["rows"]}
    return [*found, *(("models trained with", text) for text in sorted(trained))]


def commit():
    """The git commit of the code, with a mark if files were changed since; 'unknown' outside a repository."""
    try:
        here = Path(__file__).resolve().parent
        wanted = ("--always", "--dirty=, with local changes", "--exclude=*", "--abbrev=12")
        command = ["git", "-C", str(here), "describe", *wanted]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
