"""Each change runs exactly what depends on it, and a run without a change runs nothing."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest
import yaml

from emofuse.runtime.store import read_parquet, read_tsv

CLASSIFIERS = ("argmax", "svm", "xgboost", "mlp")
CLASSIFY = {f"classify {name}": 3 for name in CLASSIFIERS}
SHOW = {"make_tables": 1, "make_figures": 1, "make_report": 1}
EVALUATE = {"evaluate": 1, "assess": 1, "measure_ceiling": 1, "keep_record": 1} | SHOW
RESULTS = CLASSIFY | EVALUATE
MODALITIES = ("text", "audio", "video")


def trained(*modalities):
    """The jobs of encoders trained again, and all below."""
    return {f"{rule} {modality}": 3 for rule in ("fine_tune", "embed") for modality in modalities} | RESULTS


DIALOG = "Ses02F_impro01"
AST = {"model": "resources/demo/encoders/ast", "pooling": "cls", "learning_rate": 1.0e-3, "epochs": 1} | {
    "batch_size": 16,
    "eval_batch_size": 16,
}
DIALOGS = [f"Ses0{session}{scene}" for session in (1, 2, 3) for scene in ("F_impro01", "F_script01_1")]
SHRUNK = {f"shrink_video {d}": 1 for d in DIALOGS}


@contextmanager
def changed(path, change):
    """Change a file's text within the block; afterwards content and times are as before."""
    before, stat = path.read_bytes(), path.stat()
    text = before.decode()
    after = change(text)
    assert after != text
    path.write_text(after)
    try:
        yield
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def with_setting(project, name, *keys, value, targets=()):
    """Plan with one more config file that sets a single key."""
    config = value
    for key in reversed(keys):
        config = {key: config}
    project.write_config(name, config)
    return project.planned(*targets, configs=("config/demo.yaml", "slice.yaml", name))


def test_a_whole_run_says_little_and_where_its_report_is(finished):
    lines = (finished.folder / "terminal.txt").read_text(encoding="utf-8").splitlines()
    assert 15 < len(lines) <= 50
    assert any(line.startswith("emofuse, corpus tree, run slice: ") and "clips 24, " in line for line in lines)
    assert re.fullmatch(r"Done: \d+ jobs in .* Results: results/tree/slice/report.html", lines[-2])
    told = finished.snakemake("status").stdout
    assert "jobs done, no run is going on" in told and "Traceback" not in told


def test_nothing_to_do(finished):
    assert finished.planned() == {}
    assert finished.planned("paper") == {}


def test_hyperparameter_of_one_encoder(finished):
    planned = with_setting(finished, "x.yaml", "encoders", "text", "bert", "learning_rate", value=5.0e-4)
    assert planned == trained("text")


def test_what_an_encoder_is_proven_with(finished):
    planned = with_setting(finished, "x.yaml", "encoders", "text", "bert", "pooling", value="mean")
    assert planned == {"check_encoders": 1} | trained("text")


def test_encoders_are_proven_before_one_is_chosen(finished):
    """All that is chosen from, in the first jobs of a run and not in those that the choice adds. And the order of turns is an
    input of the training that reads a turn among its neighbours, of no other."""
    encoders = {"text": {"bert": {"context": {"before": 2}}}}
    finished.write_config("x.yaml", {"run": "anew", "fusion": {"text": {"choose": "validation"}}, "encoders": encoders})
    for target in ("all", "paper"):
        configs = ("config/demo.yaml", "slice.yaml", "x.yaml")
        planned = finished.snakemake("--dry-run", "--", target, configs=configs).stdout
        assert "rule check_encoders:" in planned and "rule make_paper:" not in planned
        assert (
            "encoders/distilbert/model.safetensors"
            in planned.partition("rule check_encoders:")[2].partition("output:")[0]
        )
        inputs = re.findall(r"rule fine_tune:\n +input: (.*)\n +output: \S+/encoders/(\w+/\w+)/", planned)
        among = {encoder for files, encoder in inputs if "results/tree/turns.parquet" in files}
        assert among == {"text/bert"} and len({encoder for _, encoder in inputs}) > 1


def test_an_encoder_outside_the_folds_is_trained_for_the_papers_tables_alone(finished):
    keys = ("encoders", "text", "distilbert")
    assert with_setting(finished, "x.yaml", *keys, "learning_rate", value=5.0e-4) == {}
    expected = {
        "check_paper_encoders": 1,
        "fine_tune text": 1,
        "embed text": 1,
        "compare_encoders text": 1,
        "make_paper": 1,
    }
    assert with_setting(finished, "x.yaml", *keys, "context", value={"before": 2}, targets=["paper"]) == expected


def test_a_new_encoder_is_trained_once_for_the_papers_tables(finished):
    assert with_setting(finished, "x.yaml", "encoders", "audio", "ast", value=AST) == {}
    planned = with_setting(finished, "x.yaml", "encoders", "audio", "ast", value=AST, targets=["paper"])
    tables = {"check_paper_encoders": 1, "compare_encoders audio": 1, "make_paper": 1}
    assert planned == {"make_demo_ast": 1, "fine_tune audio": 1, "embed audio": 1} | tables


def test_a_new_encoder_in_the_folds(finished):
    config = {"encoders": {"audio": {"ast": AST}}, "fusion": {"audio": "ast"}}
    finished.write_config("x.yaml", config)
    planned = finished.planned(configs=("config/demo.yaml", "slice.yaml", "x.yaml"))
    assert planned == {"make_demo_ast": 1, "check_encoders": 1} | trained("audio")


def test_without_the_selection_nothing_is_trained(finished):
    assert with_setting(finished, "x.yaml", "selection", value=None) == {}
    assert with_setting(finished, "x.yaml", "selection", value=None, targets=["paper"]) == {"make_paper": 1}


def test_setting_of_a_classifier(finished):
    expected = {"classify svm": 3} | EVALUATE
    assert with_setting(finished, "x.yaml", "classifiers", "svm", "C", value=2.0) == expected


def test_a_new_classifier(finished):
    """As if the network had not been in the run so far: its predictions are not there yet."""
    predictions, away = finished.folder / "results/tree/slice/predictions/mlp", finished.folder / "away"
    shutil.move(predictions, away)
    try:
        assert finished.planned() == {"classify mlp": 3} | EVALUATE
    finally:
        shutil.move(away, predictions)
    assert with_setting(finished, "x.yaml", "classifiers", "mlp", value=None) == EVALUATE


def test_another_profile_runs_nothing(finished):
    assert finished.planned("--workflow-profile", "profiles/slurm") == {}


def test_class_mapping(finished):
    planned = with_setting(finished, "x.yaml", "classes", value="four_without_excited")
    assert planned == {"make_split": 3} | trained(*MODALITIES)


def test_crop(finished):
    planned = with_setting(finished, "x.yaml", "clips", "crop", value="full")
    assert planned == {f"cut_video {d}": 1 for d in DIALOGS} | SHRUNK | trained("video")


def test_size_of_the_small_copies(finished):
    planned = with_setting(finished, "x.yaml", "clips", "small", value=64)
    assert planned == SHRUNK | {"check_encoders": 1} | trained("video")
    planned = with_setting(finished, "x.yaml", "clips", "small", value=None)
    assert planned == {"check_encoders": 1} | trained("video")


def test_threads_cores_and_key_order_run_nothing(finished):
    assert finished.planned("--cores", "1") == {}
    assert finished.planned("--resources", "gpu=2", "--set-threads", "fine_tune=4") == {}
    config = yaml.safe_load((finished.folder / "config/config.yaml").read_text())
    reordered = {k: dict(reversed(v.items())) if isinstance(v, dict) else v for k, v in reversed(config.items())}
    with changed(finished.folder / "config/config.yaml", lambda _: yaml.safe_dump(reordered, sort_keys=False)):
        assert finished.planned() == {}


def test_settings_that_change_no_result_run_nothing(finished):
    assert (
        with_setting(
            finished,
            "x.yaml",
            "training",
            value={"loader_workers": "auto", "device": "auto", "jobs_per_gpu": 2}
            | {"gradient_checkpointing": True, "checkpoint_minutes": 9},
        )
        == {}
    )
    assert with_setting(finished, "x.yaml", "allow_leaks", value=["epoch_on_test"]) == {}
    assert with_setting(finished, "x.yaml", "corpus", value={"assert_counts": False, "sessions": [3, 1, 2]}) == {}
    spelt = {"sad": ["sad"], "hap": ["exc", "hap"], "neu": ["neu"], "ang": ["ang"]}
    assert with_setting(finished, "x.yaml", "classes", value=spelt) == {}


def test_on_missing_reads_the_media_again_and_trains_nothing(finished):
    expected = {"index_media": 1, "list_problems": 1, "keep_record": 1, "make_report": 1}
    assert with_setting(finished, "x.yaml", "corpus", "on_missing", value="drop") == expected


def test_another_seed_adds_its_own_jobs(finished):
    assert with_setting(finished, "x.yaml", "seeds", value=[0, 1]) == trained(*MODALITIES)


def test_another_protocol_adds_its_own_folds(finished):
    planned = with_setting(finished, "x.yaml", "protocols", value=["session", "speaker"])
    own = {f"{rule} {modality}": 6 for rule in ("fine_tune", "embed") for modality in MODALITIES}
    own |= {f"classify {name}": 6 for name in CLASSIFIERS} | {"make_split": 6, "evaluate": 1, "assess": 1}
    own |= {"keep_record": 1}
    assert planned == own | {"measure_ceiling": 1, "make_tables": 1, "make_protocols_table": 1, "make_report": 1}


def test_other_training_vectors_train_no_encoder_but_the_cross_fitted_ones(finished):
    assert with_setting(finished, "x.yaml", "train_vectors", value="in_sample") == RESULTS
    crossed = {f"{rule} {modality}": 3 for rule in ("fine_tune", "embed") for modality in MODALITIES} | {
        "make_split": 3
    }
    assert with_setting(finished, "x.yaml", "train_vectors", value="cross_fitted") == crossed | RESULTS


def test_subset(finished):
    assert with_setting(finished, "x.yaml", "subset", value="scripted") == {"make_split": 3} | trained(*MODALITIES)


def test_touched_files_run_nothing(finished):
    """As after a git checkout: new times, old content; the release and the encoders too."""
    times = {
        p: p.stat()
        for name in ("workflow", "config", "envs", "profiles", "resources", "release")
        for p in (finished.folder / name).rglob("*")
    }
    times[finished.folder / "Snakefile"] = (finished.folder / "Snakefile").stat()
    try:
        for path in times:
            os.utime(path)
        assert finished.planned() == {}
    finally:
        for path, stat in times.items():
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize(
    ("module", "old", "new", "expected"),
    [
        (
            "encoders/trainer",
            "logging_nan_inf_filter=False",
            "logging_nan_inf_filter=True",
            trained(*MODALITIES),
        ),
        ("fusion/ensemble", "right = said == truth", "right = truth == said", RESULTS),
        ("fusion/alignment", "in sorted(parts) if turn not", "in sorted(set(parts)) if turn not", RESULTS),
        ("report/figures/vectors", "RASTER_FROM = 1000", "RASTER_FROM = 1001", {"make_figures": 1, "make_report": 1}),
        (
            "corpora/words",
            '"labelled turn without words"',
            '"turn without words"',
            {"index_words": 1, "list_problems": 1, "assess": 1} | SHOW,  # which turns say what training turns say
        ),
        ("clips/text", '"no_words", "the', '"no_words", "its', {f"cut_text {d}": 1 for d in DIALOGS} | trained("text")),
        ("report/sections/data", 'SEVERITIES = ("error"', 'SEVERITIES = ("e"', {"make_report": 1}),
        ("encoders/training", "# before the head's random weights are drawn", "# changed", {}),
        ("encoders/training", "Fine-tunes", "Trains", {}),
        ("runtime/job", 'f"error: {error}"', 'f"Error: {error}"', {}),
        ("encoders/proof", "SAME, APART = 1e-3", "SAME, APART = 2e-3", {"check_encoders": 1, "make_report": 1}),
        ("encoders/fitness", "SHARE = 0.9", "SHARE = 0.8", {"check_encoders": 1, "make_report": 1}),
    ],
)
def test_edited_module(finished, module, old, new, expected):
    path = finished.folder / f"workflow/scripts/emofuse/{module}.py"
    with changed(path, lambda text: text.replace(old, new)):
        assert finished.planned() == expected


def test_corrected_transcript_reaches_text_and_report_alone(finished):
    path = finished.folder / f"release/Session2/dialog/transcriptions/{DIALOG}.txt"
    with changed(path, lambda text: text.replace("]: ", "]: well ", 1)):
        assert finished.planned() == {"index_words": 1, "list_problems": 1, f"cut_text {DIALOG}": 1} | trained("text")


def test_corrected_label_cuts_nothing(finished):
    path = finished.folder / f"release/Session2/dialog/EmoEvaluation/{DIALOG}.txt"
    old = re.search(rf"{DIALOG}_F001\t(\w+)", path.read_text())
    new = f"{DIALOG}_F001\t{'sad' if old[1] != 'sad' else 'ang'}"
    with changed(path, lambda text: text.replace(old[0], new)):
        planned = finished.planned()
    index = {"index_turns": 1, "index_words": 1, "index_votes": 1, "index_media": 1, "list_problems": 1}
    assert planned == index | {"make_split": 3} | trained(*MODALITIES)


def test_corrected_vote_reaches_the_ceiling_alone(finished):
    path = finished.folder / f"release/Session2/dialog/EmoEvaluation/{DIALOG}.txt"
    shown = {"measure_ceiling": 1, "make_tables": 1, "make_report": 1}
    with changed(path, lambda text: re.sub(r"C-E3:\t\w+", "C-E3:\tFear", text)):
        assert finished.planned() == {"index_votes": 1, "list_problems": 1} | shown


def test_corrected_time_cuts_that_dialog(finished):
    path = finished.folder / f"release/Session2/dialog/EmoEvaluation/{DIALOG}.txt"
    start = re.search(r"^\[([0-9.]+) - ", path.read_text(), re.MULTILINE)[1]
    with changed(path, lambda text: text.replace(f"[{start} - ", f"[{float(start) + 0.1:.4f} - ")):
        planned = finished.planned()
    index = {f"index_{what}": 1 for what in ("turns", "words", "votes", "media")}
    index |= {"list_problems": 1, "make_split": 3}
    clips = {f"{rule} {DIALOG}": 1 for rule in ("cut_text", "cut_audio", "cut_video", "shrink_video")}
    assert planned == index | clips | trained(*MODALITIES)


def test_replaced_avi_reaches_video_alone(finished):
    path = finished.folder / f"release/Session2/dialog/avi/DivX/{DIALOG}.avi"
    before, stat = path.read_bytes(), path.stat()
    try:
        path.write_bytes(before + b"JUNK\x00\x00\x00\x00")
        media = {"index_media": 1, "list_problems": 1, f"cut_video {DIALOG}": 1, f"shrink_video {DIALOG}": 1}
        assert finished.planned() == media | trained("video")
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_deleted_model_of_one_fold(finished):
    folder = finished.folder / "results/tree/slice/encoders/audio/wav2vec2/session2"
    kept = folder.with_name("kept")
    shutil.move(folder, kept)
    try:
        one_fold = {f"classify {name}": 1 for name in CLASSIFIERS}
        assert finished.planned() == {"fine_tune audio": 1, "embed audio": 1} | one_fold | EVALUATE
    finally:
        shutil.move(kept, folder)
    assert finished.planned() == {}


def test_one_fold_alone(finished):
    """From what is there, and from nothing: its own models, and no other fold's."""
    finished.write_config("anew.yaml", {"run": "anew"})
    assert finished.planned("session2") == {"evaluate_fold": 1, "make_fold_tables": 1, "session2": 1}
    anew = finished.planned("session2", configs=("config/demo.yaml", "slice.yaml", "anew.yaml"))
    one = {f"{rule} {modality}": 1 for rule in ("fine_tune", "embed") for modality in MODALITIES}
    classify = {f"classify {name}": 1 for name in CLASSIFIERS}
    assert anew == {"make_split": 1} | one | classify | {"evaluate_fold": 1, "make_fold_tables": 1, "session2": 1}


def test_one_prediction_is_a_target_of_its_own(finished):
    prediction = "results/tree/slice/predictions/svm/session2/seed0.parquet"
    assert finished.planned("--forcerun", "classify", "--", prediction) == {"classify svm": 1}


def test_deleted_clip_is_noticed_and_cut_again(finished, tmp_path):
    finished = finished.copy(tmp_path / "project")  # or the report of others would tell another time of cutting
    small = finished.folder / f"results/tree/clips-small48/video/{DIALOG}/{DIALOG}_F001.mp4"
    data = small.read_bytes()
    small.unlink()
    done = finished.snakemake("--dry-run")
    told = "are gone (Ses02F_impro01_F001, 1 in all): made again"
    assert f"Clips of results/tree/clips-small48/video/{DIALOG}.manifest.tsv {told}" in done.stdout
    assert finished.planned() == {f"shrink_video {DIALOG}": 1} | trained("video")
    done = finished.snakemake("clips")
    assert done.returncode == 0 and small.read_bytes() == data and finished.planned() == {}

    clips = finished.folder / "results/tree/clips/video"
    clip, manifest = clips / DIALOG / f"{DIALOG}_F001.mp4", clips / f"{DIALOG}.manifest.tsv"
    before = read_tsv(manifest)
    clip.unlink()
    done = finished.snakemake("--dry-run")
    assert f"Clips of results/tree/clips/video/{DIALOG}.manifest.tsv {told}" in done.stdout
    assert finished.planned() == {f"cut_video {DIALOG}": 1, f"shrink_video {DIALOG}": 1} | trained("video")
    done = finished.snakemake(str(manifest.relative_to(finished.folder)))
    assert done.returncode == 0 and clip.exists()
    assert read_tsv(manifest) == before  # cutting is deterministic
    done = finished.snakemake()  # what is made of it
    assert done.returncode == 0, done.stdout[-5_000:]
    assert finished.planned() == {}


def test_profile_without_the_triggers_is_warned_about(finished):
    done = finished.snakemake("--dry-run", "--rerun-triggers", "mtime", "code")
    assert "The rerun triggers are [code, mtime]; emofuse needs [input, mtime, params, software-env]" in done.stdout
    assert "The rerun triggers" not in finished.snakemake("--dry-run").stdout


def test_every_shipped_profile_has_the_triggers(finished):
    paths = sorted((finished.folder / "profiles").glob("*/config.yaml"))
    assert [path.parent.name for path in paths] == ["default", "slurm"]
    for path in paths:
        profile = yaml.safe_load(path.read_text())
        assert profile["rerun-triggers"] == ["mtime", "params", "input", "software-env"], path


def test_every_rule_is_a_fingerprinted_script_with_a_log(finished):
    """The profiles leave the `code` trigger out, so a rule without a fingerprint would never notice its code."""
    code = (
        "from snakemake.api import SnakemakeApi, ResourceSettings, ConfigSettings, OutputSettings\n"
        "from pathlib import Path\n"
        "with SnakemakeApi(OutputSettings(verbose=False)) as api:\n"
        "    workflow = api.workflow(ResourceSettings(cores=1), snakefile=Path('Snakefile'),\n"
        "        config_settings=ConfigSettings(configfiles=[Path('config/demo.yaml'), Path('slice.yaml')]))\n"
        "    for rule in workflow._workflow.rules:\n"
        "        if rule.output or rule.name == 'check':\n"
        "            print('RULE', rule.name, bool(rule.script), bool(rule.log), 'code' in dict(rule.params.items()),\n"
        "                  rule.shellcmd is None, bool(rule.conda_env), {'mem_mb', 'runtime'} <= set(rule.resources))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=finished.folder, capture_output=True, text=True)
    rules = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("RULE")]
    assert len(rules) > 15, done.stderr
    assert [rule for rule in rules if "False" in rule] == []


def test_the_slice_has_a_report_and_scores(finished):
    results = finished.folder / "results/tree/slice"
    assert "Table 5" in (results / "report.html").read_text(encoding="utf-8")
    scores = read_parquet(results / "evaluation/session/scores.parquet").to_pandas()
    assert {"majority", "text-bert", "audio-wav2vec2", "video-videomae", "chosen"} <= set(scores.system)
    assert len(list((results / "figures").glob("figure*.svg"))) == 12
    assert not list((results / "resume").glob("*/*/*/*/*"))


def test_the_slice_has_the_papers_tables_and_figures(finished):
    paper = finished.folder / "results/tree/slice/paper"
    assert {path.stem for path in paper.iterdir()} == {
        "index",
        *(f"table{k}" for k in range(1, 8)),
        *(f"figure{k:02}" for k in range(1, 13)),
    }
    frame = read_parquet(paper.parent / "selection/text.parquet").to_pandas()
    assert set(frame.encoder) == {"bert", "distilbert"} and set(frame.part) == {"val", "test"}
