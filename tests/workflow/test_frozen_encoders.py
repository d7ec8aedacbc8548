"""Frozen encoders in the workflow: embedded once for all folds, and planned, refused and run as such."""

import json
import re

import pytest
from conftest import RULE

from emofuse.encoders.sequences import Sequences
from emofuse.runtime.store import read_metadata, read_parquet

DEMO = ("config/demo.yaml", "frozen.yaml")
FROZEN = {"fusion": {"audio": "mfcc"}, "encoders": {"audio": {"mfcc": {"features": "mfcc"}}}, "selection": None}


@pytest.mark.parametrize("train_vectors", ["validation", "cross_fitted"])
def test_a_frozen_encoder_is_embedded_once_and_never_trained(project, train_vectors):
    others = {
        "text": {"bert": {"frozen": True, "sequences": True}},
        "video": {"videomae": {"sequences": True}},
        "motion": {"face": {"motion": "capture"}, "flow": {"motion": "clips"}},
    }
    project.write_config(
        "frozen.yaml", FROZEN | {"encoders": FROZEN["encoders"] | others, "train_vectors": train_vectors}
    )
    jobs = project.planned(configs=DEMO)
    times = 1 if train_vectors == "validation" else 4  # a split and those without one of its three training sessions
    assert (jobs["embed_frozen audio"], jobs["embed_frozen_sequences text"]) == (1, 1)
    assert (jobs["fit_probe audio"], jobs["fit_probe text"]) == (5 * times, 5 * times)
    assert jobs["fine_tune video"] == jobs["embed_sequences video"] == 5 * times
    assert not {"fine_tune audio", "fine_tune text", "embed audio", "embed text"} & set(jobs)
    # Motion capture is read once, for its problems are reported; that of clips only where something reads it.
    assert jobs["read_motion_capture"] == 1 and "read_motion_vectors" not in jobs
    assert sum(number for job, number in jobs.items() if job.startswith("make_demo_motion")) == 20


def test_encoders_of_named_systems_alone_are_asked_for_and_reported(project):
    """And numbers that are published of IEMOCAP stand beside no corpus that is made up."""
    project.write_config(
        "named.yaml",
        {
            "selection": None,
            "train_vectors": "in_sample",
            "corpus": {"sessions": [1, 2, 3]},
            "figure_fold": 3,
            "fusion": {"audio": "mfcc", "video": None},
            "encoders": {"audio": {"mfcc": {"features": "mfcc"}}, "motion": {"face": {"motion": "capture"}}},
            "systems": {
                "both": {"kind": "context", "encoders": {"text": "roberta", "audio": "mfcc"}},
                "moves": {"kind": "convolution", "encoders": {"motion": "face"}},
            },
        },
    )
    done = project.snakemake("--dry-run", "all", "session3", configs=("config/demo.yaml", "named.yaml"))
    assert done.returncode == 0, done.stdout
    blocks = re.findall(RULE, done.stdout, re.MULTILINE)
    inputs = {rule: found[1] for rule, block in blocks if (found := re.search("    input: (.*)", block))}
    own, audio = "results/demo/demo/encoders/text/roberta/session3/seed0", "embeddings/audio/mfcc/frozen.parquet"
    for target in ("all", "session3"):
        assert f"{own}/model.safetensors" in inputs[target] and f"{own}/head.safetensors" in inputs[target]
        assert audio in inputs[target] and "sequences/motion/face/frozen.parquet" in inputs[target]
        assert "embeddings/text/roberta/session3/seed0.parquet" in inputs[target]
    assert "roberta/session1/" in inputs["all"] and "roberta/session1/" not in inputs["session3"]
    assert f"{own}/training.json" in inputs["make_report"] and "model.safetensors" not in inputs["make_report"]
    assert "reference_numbers" not in inputs["make_report"] + inputs["make_tables"]


def test_where_all_are_frozen_nothing_is_cross_fitted_and_a_refit_is_allowed(project):
    all_frozen = FROZEN | {"fusion": {"text": None, "audio": "mfcc", "video": None}, "train_vectors": "cross_fitted"}
    project.write_config("frozen.yaml", all_frozen | {"validation": {"refit": True}})
    jobs = project.planned(configs=DEMO)
    assert (jobs["embed_frozen audio"], jobs["fit_probe audio"], jobs["make_split"]) == (1, 10, 10)
    assert not any(job.startswith(("fine_tune", "embed ")) for job in jobs)


def test_a_feature_set_takes_the_place_of_a_trained_encoder(finished, tmp_path):
    """The other modalities' trainings are there; only what depends on the changed one runs."""
    project = finished.copy(tmp_path / "project")
    changed = {
        "fusion": {"audio": "mfcc"},
        "encoders": FROZEN["encoders"],
        "classifiers": {"xgboost": None, "mlp": None},
    }
    configs = ("config/demo.yaml", "slice.yaml", "frozen.yaml")
    project.write_config("frozen.yaml", changed)
    done = project.snakemake("results/tree/slice/encoders_checked.json", configs=configs)
    assert (
        "Early fusion by product needs vectors of one width, and these are audio 60, text 64, video 64" in done.stdout
    )
    changed["encoders"] = FROZEN["encoders"] | {"video": {"videomae": {"sequences": True}}}
    project.write_config("frozen.yaml", changed | {"early_fusion": ["concat"]})
    jobs = project.planned(configs=configs)
    assert not any(job.startswith(("fine_tune", "embed ", "cut", "shrink")) for job in jobs)
    # What is stored before pooling asks for no training either.
    assert (jobs["embed_frozen audio"], jobs["fit_probe audio"], jobs["embed_sequences video"]) == (1, 3, 3)
    done = project.snakemake(configs=configs)
    assert done.returncode == 0, done.stdout[-8_000:]

    run = project.folder / "results/tree/slice"
    store = read_parquet(run / "embeddings/audio/mfcc/session1/seed0.parquet")
    assert len(store["embedding"][0]) == 60
    sequences = Sequences(run / "sequences/video/videomae/session1/seed0.parquet")
    turns = read_parquet(project.folder / "results/tree/turns.parquet")["turn_id"].to_pylist()
    assert sorted(sequences.turns) == turns and sequences.width == 64
    metadata = read_metadata(run / "predictions/svm/session1/seed0.parquet")
    learned = {system["name"]: system["train_vectors"] for system in json.loads(metadata["systems"])}
    assert learned["audio.early-svm"] == "in_sample" and learned["early-concat-svm"] == "validation"
    page = (run / "report.html").read_text(encoding="utf-8")
    assert (
        "frozen encoders (speech mfcc) learn from no label" in page and "mfcc, 244 parameters, frozen, 3 probes" in page
    )
    assert "Figure 3." not in page and "Figure 2." in page  # the training curves of speech, and of text
    assert project.planned(configs=configs) == {}


@pytest.mark.parametrize(
    "encoder, said",
    [
        ({"vectors": "nowhere.parquet"}, "encoders.audio.mine.vectors: nowhere.parquet: no such file"),
        ({"vectors": "Snakefile"}, "is neither a folder nor a file that ends in .parquet, .npz, .npy"),
        ({"features": "mfc"}, "encoders.audio.mine.features: 'mfc' is none of log_mel, mfcc"),
        ({"features": "mfcc", "epochs": 3}, "encoders.audio.mine: unknown key 'epochs'"),
        ({"model": "a/b", "pooling": "mean", "eval_batch_size": 2}, "'learning_rate' is a required property"),
        (
            {"frozen": True, "model": "tuned", "pooling": "mean", "eval_batch_size": 2},
            "encoders.audio.mine.frozen: tuned is an encoder that emofuse has fine-tuned",
        ),
    ],
)
def test_what_cannot_be_frozen_is_refused_before_any_job(project, encoder, said):
    (project.folder / "tuned").mkdir()
    (project.folder / "tuned/training.json").write_text("{}")
    project.write_config(
        "frozen.yaml", FROZEN | {"fusion": {"audio": "mine"}, "encoders": {"audio": {"mine": encoder}}}
    )
    done = project.snakemake("--dry-run", configs=DEMO)
    assert done.returncode != 0 and said in done.stdout and "Traceback" not in done.stdout
