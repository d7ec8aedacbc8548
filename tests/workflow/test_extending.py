"""What docs/extending.md adds, each by the one file that stands there: it runs what it adds, and the report shows it."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from emofuse.fusion.dialogs import Turns
from emofuse.fusion.networks import Task
from emofuse.runtime.store import read_parquet

PACKAGE = "workflow/scripts/emofuse"
DOCUMENT = Path(__file__).parents[2] / "docs/extending.md"
FILES = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL))
CONFIGS = ("config/demo.yaml", "slice.yaml", "x.yaml")
FOLDS = [f"improvisation{session}" for session in (1, 2, 3)]


@pytest.fixture
def extended(finished, tmp_path):
    """A copy of the finished run, and a function that adds a file of the document to its code."""
    project = finished.copy(tmp_path / "project")

    def add(path):
        target = project.folder / PACKAGE / path
        assert not target.exists()
        target.write_text(FILES[path], encoding="utf-8")

    return project, add


def test_each_file_runs_what_it_adds_and_no_more(extended):
    project, add = extended
    everything = {f"classify {name}": 3 for name in ("argmax", "svm", "xgboost", "mlp")}
    evaluate = {"evaluate": 1, "assess": 1, "measure_ceiling": 1, "keep_record": 1}
    below = evaluate | {"make_tables": 1, "make_figures": 1, "make_report": 1}

    add("fusion/classifiers/logistic.py")
    add("splits/protocols/improvisation.py")
    add("encoders/poolings/maximum.py")
    add("encoders/features/loudness.py")
    add("fusion/models/nearest.py")
    assert project.planned() == {}
    project.write_config("x.yaml", {"classifiers": {"logistic": {"C": [0.1, 1.0]}}})
    assert project.planned(configs=CONFIGS) == {"classify logistic": 3} | below
    project.write_config("x.yaml", {"protocols": ["session", "improvisation"]})
    added = project.planned(configs=CONFIGS)
    encoders = [f"{rule} {modality}" for rule in ("fine_tune", "embed") for modality in ("text", "audio", "video")]
    shown = {"make_tables": 1, "make_protocols_table": 1, "make_report": 1}
    assert added == {"make_split": 3} | evaluate | shown | dict.fromkeys(encoders, 3) | everything
    project.write_config("x.yaml", {"encoders": {"audio": {"wav2vec2": {"pooling": "maximum"}}}})
    assert project.planned(configs=CONFIGS) == {
        "check_encoders": 1, "fine_tune audio": 3, "embed audio": 3,
    } | everything | below  # fmt: skip

    loud = {"fusion": {"audio": "loud"}, "encoders": {"audio": {"loud": {"features": "loudness"}}}}
    project.write_config("x.yaml", loud | {"systems": {"near": {"kind": "nearest", "encoders": {"audio": "loud"}}}})
    feature = {"check_encoders": 1, "embed_frozen audio": 1, "fit_probe audio": 3, "train_system": 3}
    assert project.planned(configs=CONFIGS) == feature | everything | below

    svm = project.folder / PACKAGE / "fusion/classifiers/svm.py"
    code = svm.read_text(encoding="utf-8")
    svm.write_text(code.replace("cache_size=500", "cache_size=600"), encoding="utf-8")
    assert project.planned() == {"classify svm": 3} | below
    svm.write_text(code, encoding="utf-8")
    add("report/tables/f1.py")
    assert project.planned() == {"make_tables": 1, "make_report": 1}
    add("fusion/combinations/maximum.py")
    assert project.planned() == everything | below


def test_the_tables_show_a_classifier(extended):
    """Of the finished run, whose encoders are there."""
    project, add = extended
    add("fusion/classifiers/logistic.py")
    project.write_config("x.yaml", {"classifiers": {"logistic": {"C": [0.1, 1.0]}}})
    path = "results/tree/slice/tables/session/table6.csv"
    done = project.snakemake("--", path, configs=CONFIGS)
    assert done.returncode == 0, done.stdout[-10_000:]
    table = pd.read_csv(project.folder / path, comment="#", index_col="Combination")
    assert table["Logistic regression WA"].between(0, 100).all() and list(table.index) == [
        "sum",
        "product",
        "concatenation",
    ]


def test_the_report_shows_a_protocol_and_a_table(extended):
    """A run of text alone, whose encoder pools as a third file says."""
    project, add = extended
    for path in ("splits/protocols/improvisation.py", "report/tables/f1.py", "encoders/poolings/maximum.py"):
        add(path)
    project.write_config(
        "x.yaml",
        {
            "run": "extended",
            "protocols": ["improvisation"],
            "classes": {"low": ["neu", "sad"], "high": ["ang", "exc", "hap"]},  # a training part is one dialog here
            "selection": None,
            "fusion": {"audio": None, "video": None},
            "classifiers": {"xgboost": None, "mlp": None},
            "encoders": {"text": {"bert": {"pooling": "maximum", "epochs": 1}}},
            "train_vectors": "in_sample",  # the validation part is one dialog of two speakers
        },
    )
    done = project.snakemake(configs=CONFIGS)
    assert done.returncode == 0, done.stdout[-10_000:]
    run = project.folder / "results/tree/extended"
    for fold in FOLDS:
        split = read_parquet(run / f"splits/{fold}.parquet").to_pandas()
        styles = {part: set(of["style"]) for part, of in split.groupby("part")}
        assert styles == {"test": {"improvised"}, "val": {"scripted"}, "train": {"scripted"}}
    page = (run / "report.html").read_text(encoding="utf-8")
    for shown in (
        "validation and training hold the other sessions&#39; scripted ones",
        "By F1",
        "Macro and weighted F1",
    ):
        assert shown in page, shown
    table = pd.read_csv(run / "tables/improvisation/f1.csv", comment="#", index_col="System")
    assert {"text-bert", "majority", "chosen"} <= set(table.index) and table.loc["text-bert"].between(0, 100).all()


def module(path):
    """What a file of the document defines."""
    found = {}
    exec(FILES[path], found)
    return found


def test_the_pooling_of_the_document_leaves_padding_out():
    states = torch.tensor([[[1.0, -2.0], [3.0, -1.0], [9.0, 9.0]]])
    pool = module("encoders/poolings/maximum.py")["pool"]
    assert pool(states, torch.tensor([[1, 1, 0]])).tolist() == [[3.0, -1.0]]
    assert pool(states, None).tolist() == [[9.0, 9.0]]


def test_the_kind_of_system_of_the_document_takes_the_nearest_mean():
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(4), 10)
    vectors = (10 * np.eye(4)[labels] + rng.normal(size=(40, 4))).astype(np.float32)
    parts, names = np.where(np.arange(40) < 30, "train", "test"), np.arange(40).astype(str)
    turns = Turns(
        "session1", list("abcd"), names, names, names, parts, labels, {"audio": vectors}, {}, {"audio": labels >= 0}
    )
    task = Task(turns, parts == "train", parts == "val", [{}], 0, 1)
    [nearest] = module("fusion/models/nearest.py")["train"](task)
    said = nearest.ask(np.arange(30, 40))
    assert said.argmax(1).tolist() == labels[30:].tolist()


def test_the_feature_set_of_the_document_takes_any_length():
    vector_of = module("encoders/features/loudness.py")["make"]()
    for samples in (1, 100, 16_000):
        vector = vector_of(np.full(samples, 0.1, np.float32))
        np.testing.assert_allclose(vector, np.full(5, -20.0), atol=1e-4)
        assert vector.dtype == np.float32


def test_the_combination_of_the_document_takes_one_row_for_all():
    one, other = np.array([[1.0, 5.0], [2.0, 0.0]]), np.array([[3.0, 4.0]])
    assert module("fusion/combinations/maximum.py")["combine"]([one, other]).tolist() == [[3.0, 5.0], [3.0, 4.0]]


def test_the_degradation_of_the_document_leaves_the_band_alone():
    degrade = module("robustness/degradations/telephone.py")["degrade"]
    time = np.arange(16_000) / 16_000
    low, middle, high = (0.3 * np.sin(2 * np.pi * hertz * time) for hertz in (100, 1_500, 5_000))
    np.testing.assert_allclose(degrade((low + middle + high).astype(np.float32), 3_400, None), middle, atol=1e-5)
