"""One fold of each further protocol, and one with cross-fitted vectors, from clips to tables."""

import json

import pandas as pd
import pytest

from emofuse.fusion.systems import systems
from emofuse.runtime.store import read_json, read_metadata, read_parquet

CONFIGS = ("config/demo.yaml", "slice.yaml", "fold.yaml")
FEWER = {"fusion": {"video": None}, "classifiers": {"xgboost": None}}


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory):
    return finished.copy(tmp_path_factory.mktemp("protocols") / "project")


def made(project, run, split, **settings):
    """Run one fold: the run's folder, and the scores of its test part by system."""
    project.write_config("fold.yaml", FEWER | {"run": run} | settings)
    done = project.snakemake(split, configs=CONFIGS)
    assert done.returncode == 0, done.stdout[-10_000:]
    folder = project.folder / "results/tree" / run
    scores = read_parquet(folder / "folds" / split / "scores.parquet").to_pandas()
    return folder, scores[(scores.part == "test") & (scores.split == split)].set_index("system")


def test_a_fold_by_scenario(project):
    """The slice has two plays, so group a is impro01 and group b script01; vectors in-sample, for validation is one dialog."""
    settings = {"protocols": ["scenario", "scenario_control"], "train_vectors": "in_sample"}
    folder, scores = made(project, "scenario", "scenario1a", **settings)
    split = read_parquet(folder / "splits/scenario1a.parquet").to_pandas()
    assert split.groupby("part").dialog.unique().map(list).to_dict() == {
        "test": ["Ses01F_impro01"],
        "train": ["Ses02F_script01_1"],
        "val": ["Ses03F_script01_1"],
    }
    expected = [system.name for system in systems({"text": "bert", "audio": "wav2vec2"}, ["svm", "mlp"])]
    assert scores.index.tolist() == [*expected, "majority", "scenario", "chosen"]
    # No scenario of the test part is in training, so knowing the scene is knowing nothing.
    assert scores.loc["scenario", "wa"] == scores.loc["majority", "wa"]
    assert scores.n.nunique() == 1 and scores.n.iloc[0] == (split.part == "test").sum()
    table = pd.read_csv(folder / "folds/scenario1a/tables/headline.csv", comment="#")
    assert "final system" in table.System.tolist()
    card = (folder / "folds/scenario1a/tables/table5.md").read_text(encoding="utf-8")
    assert "scenario" in card and "in-sample" in card


def test_a_fold_by_speaker_with_cross_fitted_vectors(project):
    settings = {"protocols": ["speaker"], "train_vectors": "cross_fitted"}
    folder, scores = made(project, "speaker", "speaker1F", **settings)
    split = read_parquet(folder / "splits/speaker1F.parquet").to_pandas()
    assert {part: set(of.speaker) for part, of in split.groupby("part")} == {
        "test": {"Ses01_F"},
        "val": {"Ses01_M"},
        "train": {f"Ses0{k}_{letter}" for k in (2, 3) for letter in "FM"},
    }
    names = {"speaker1F", "speaker1F-without2", "speaker1F-without3"}
    assert {path.parent.parent.name for path in folder.glob("encoders/text/bert/*/*/training.json")} == names
    said = read_metadata(folder / "predictions/svm/speaker1F/seed0.parquet")
    assert said["train_vectors"] == "cross_fitted" and set(json.loads(said["stores"])) == names
    assert {"early-concat-svm", "late-sum-mlp", "audio.early-svm", "early-sum-mlp.no-text"} <= set(scores.index)
    assert scores.wa.between(0, 1).all()


def test_vectors_of_another_folds_encoder_are_refused(project):
    """As if the models of a fold had been copied over those of another, which has seen this one's test turns."""
    run = project.folder / "results/tree/slice"
    training = run / "encoders/text/bert/session1/seed0/training.json"
    foreign = read_json(run / "encoders/text/bert/session2/seed0/training.json")
    training.write_text(json.dumps(read_json(training) | {"train_turns": foreign["train_turns"]}))
    target = "results/tree/slice/predictions/argmax/session1/seed0.parquet"
    done = project.snakemake("--forcerun", "classify", "--", target, configs=CONFIGS[:2])
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert "error: Leak: not the encoders of session1" in done.stdout
