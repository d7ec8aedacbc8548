"""Killed jobs, a killed Snakemake, full and read-only disks, damaged files: plain words, nothing lost, the same results."""

import hashlib
import json
import os
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil
import pytest

from small_disk import remount, small_disk

RUN = "results/tree/slice"
SCORES = f"{RUN}/evaluation/session/scores.parquet"
DIALOG = "Ses02F_impro01"
CLIPS, SMALL = "results/tree/clips/video", "results/tree/clips-small48/video"
MANIFEST = f"{CLIPS}/{DIALOG}.manifest.tsv"
MEDIA = "results/tree/index/media.parquet"
REPORT = f"{RUN}/report.html"
ENCODER = f"{RUN}/encoders/text/bert/session2"
CLASSIFIERS = ("argmax", "svm", "xgboost", "mlp")
STORE = f"{RUN}/embeddings/text/bert/session2/seed0.parquet"
MLP = f"{RUN}/predictions/mlp/session2/seed0.parquet"
# Scores alone would not do: as long as they are there, Snakemake misses nothing that was made on the way.
FOLD = (f"{ENCODER}/seed0/training.json", MLP, SCORES)
LOG = f"{RUN}/logs/fine_tune/text/bert/session2/seed0.log"
# What must come out the same to the bit; the other files of an encoder state how long its training took.
RESULTS = [
    *("results/tree/*.parquet", "results/tree/index/*", REPORT),
    *("results/tree/clips*/*/*/*", "results/tree/clips*/*/*.tsv"),
    *(f"{RUN}/encoders/*/*/*/*/{name}" for name in ("*.safetensors", "history.parquet")),
    *(f"{RUN}/{folder}/**/*.parquet" for folder in ("splits", "embeddings", "predictions", "evaluation")),
]


def made(project):
    """{path: sha256} of all RESULTS that stand under their final names."""
    paths = (path for pattern in RESULTS for path in project.folder.glob(pattern) if not path.name.startswith("."))
    return {str(p.relative_to(project.folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


def jobs(output):
    return re.findall(r"^(?:local)?rule (\w+):$", output, re.MULTILINE)


def run(project, *arguments):
    """The output of a run that must succeed."""
    done = project.snakemake(*arguments)
    assert done.returncode == 0, done.stdout[-8_000:]
    return done.stdout


def refused(project, *arguments):
    """The output of a run that must fail without a traceback."""
    done = project.snakemake(*arguments)
    assert done.returncode != 0 and "Traceback" not in done.stdout, done.stdout[-8_000:]
    return done.stdout


def job_of(log):
    """The process that prints into a job's log; None where there is none."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):  # gone since, or just going
            if os.readlink(f"/proc/{process.pid}/fd/1") == str(log):
                return process
    return None


def ended(process, seconds=20):
    """Whether a process, killed a moment ago, is gone within these seconds; a zombie is, and waits for init alone."""
    until = time.monotonic() + seconds
    with suppress(psutil.NoSuchProcess):
        while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < until:
            time.sleep(0.05)
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def begun_at_once():
    """For `kill`: as soon as the job prints into its log, which is after its imports."""
    return True


def whole_json(path):
    """Whether a JSON file is written to its end: it stands under its name, empty, a moment before."""
    with suppress(ValueError, FileNotFoundError):
        return bool(json.loads(path.read_text()))


def kill(project, who, log, begun, *targets):
    """Run; SIGKILL the job with this log, or Snakemake itself, as soon as `begun()`; then unlock: the output."""
    with ThreadPoolExecutor(1) as pool:
        running, job = pool.submit(project.snakemake, "--", *targets), None
        while not running.done():
            job = job or job_of(project.folder / log)
            if job and begun():
                (job if who == "job" else job.parent()).kill()
                break
            time.sleep(0.002)
        else:
            pytest.fail(f"it was over before it was killed: {running.result().stdout[-4_000:]}")
        done = running.result()
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert ended(job)  # no job outlives Snakemake
    if who == "job":
        assert "SIGKILL" in done.stdout and log in done.stdout
    else:
        assert "--unlock" in refused(project, "--", *targets)
        assert "Unlocked" in run(project, "--unlock")
    return done.stdout


def test_killed_and_started_again_it_ends_the_same(finished, tmp_path):
    """Where a job writes one file, where it writes many, and where it leaves a state to go on from."""
    project, expected = finished.copy(tmp_path / "project"), made(finished)
    folder = project.folder

    (folder / REPORT).unlink()
    kill(project, "job", f"{RUN}/logs/make_report.log", begun_at_once, REPORT)
    assert not (folder / REPORT).exists()
    assert jobs(run(project, "--", REPORT)) == ["make_report"]
    assert made(project) == expected

    (folder / MEDIA).unlink()
    kill(project, "snakemake", "results/tree/logs/index_media.log", begun_at_once, MEDIA)
    assert not (folder / MEDIA).exists() and made(project).items() < expected.items()
    (folder / MANIFEST).unlink()
    log = f"results/tree/logs/cut_video/{DIALOG}.log"
    kill(project, "job", log, lambda: len(list((folder / CLIPS / DIALOG).glob("[!.]*.mp4"))) > 2, MANIFEST)
    assert not (folder / MANIFEST).exists() and made(project).items() < expected.items()
    assert sorted(jobs(run(project, "--", MEDIA, MANIFEST))) == ["cut_video", "index_media"]
    assert made(project) == expected and not list((folder / CLIPS).rglob("*.partial"))

    shutil.rmtree(folder / ENCODER)
    state = folder / RUN / "resume/text/bert/session2/seed0"
    kill(
        project, "snakemake", LOG, lambda: any(map(whole_json, state.glob("*/checkpoint-*/trainer_state.json"))), *FOLD
    )
    assert not list((folder / ENCODER).rglob("*.safetensors")) and made(project).items() < expected.items()

    output = kill(project, "job", f"{RUN}/logs/embed/text/bert/session2/seed0.log", begun_at_once, *FOLD)
    assert not (folder / STORE).exists() and made(project).items() < expected.items()

    log = f"{RUN}/logs/classify/mlp/session2/seed0.log"
    output += kill(project, "snakemake", log, begun_at_once, *FOLD)
    assert "resuming from" in (folder / LOG).read_text() and made(project).items() < expected.items()
    over = set(re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", output))
    assert {"fine_tune", "embed"} <= over and not (folder / MLP).exists()

    left = set(jobs(run(project, "--", *FOLD)))
    assert {"classify", "evaluate"} <= left and not left & {"fine_tune", "embed"}
    assert made(project) == expected and project.planned() == {"make_report": 1}  # it says how long trainings took


def test_full_and_read_only_disk(finished, tmp_path):
    project, expected = finished.copy(tmp_path / "project"), made(finished)
    folder, store = project.folder, STORE
    with small_disk(tmp_path / "disk", "200m") as disk:
        shutil.move(folder / "results", disk / "results")
        (folder / "results").symlink_to(disk / "results")
        shutil.rmtree(folder / ENCODER)

        (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - 2**20))
        output = refused(project, "--", *FOLD)
        assert "error: a disk is full (" in output and "0 MB free" in output and LOG in output
        assert "Make space and run the same command again" in output
        assert made(project).items() < expected.items() and not (folder / ENCODER / "seed0/training.json").exists()
        (disk / "ballast").unlink()
        run(project, "--", *FOLD)
        assert made(project) == expected

        (folder / store).unlink()
        remount(disk, "ro")
        assert f"{RUN} cannot be written to: its file system is read-only" in refused(project, "--", store)
        remount(disk, "rw")
        assert jobs(run(project, "--", store)) == ["embed"]
        assert made(project) == expected


def cut_short(project, path):
    """Leave half of a file."""
    os.truncate(project.folder / path, (project.folder / path).stat().st_size // 2)
    return path


def test_damaged_results_are_named_and_other_jobs_go_on(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    clip = cut_short(project, f"{SMALL}/{DIALOG}/{DIALOG}_F001.mp4")
    shutil.rmtree(project.folder / RUN / "encoders/video/videomae/session1")
    cut_short(project, f"{ENCODER}/seed0/head.safetensors")
    store = cut_short(project, f"{RUN}/embeddings/audio/wav2vec2/session3/seed0.parquet")
    (project.folder / "results/tree/problems.tsv").unlink()
    output = refused(project, "--keep-going")
    assert f"Clips that are not as they were cut: 1\n  {clip} (damaged)\nDelete them, let `snakemake clips`" in output
    assert f"error: {ENCODER}/seed0: what was saved of the fine-tuned encoder cannot be loaded" in output
    assert output.count(f"error: {store} cannot be read as Parquet") == len(CLASSIFIERS)
    assert (project.folder / "results/tree/problems.tsv").exists()

    (project.folder / clip).unlink()  # as the message says
    run(project, "clips")
    assert made(project)[clip] == made(finished)[clip]
    (project.folder / store).unlink()
    run(project, "--", store)
    assert made(project)[store] == made(finished)[store]

    turns = cut_short(project, "results/tree/turns.parquet")
    assert f"error: {turns} cannot be read as Parquet" in refused(project, "--", f"{RUN}/splits/session1.parquet")
