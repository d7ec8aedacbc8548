"""What a config means, asked without Snakemake: splits and what stands behind each, encoders, where things lie."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from emofuse import plan
from emofuse.configuration.choices import check
from emofuse.configuration.encoders import ordered
from emofuse.configuration.record import code_of_results
from emofuse.demo.plan import DIALOGS, ENCODER_FOLDERS
from emofuse.plan import make_plan
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import write_tsv

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"


def planned(*layers, demo=True, **changes):
    """The Plan of the shipped config with the demo's and further layers on it."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    demo_layer = yaml.safe_load((ROOT / "config/demo.yaml").read_text(encoding="utf-8")) if demo else {}
    for layer in (demo_layer, *layers, changes):
        update_config(config, layer)
    check(config, SCHEMA)
    return make_plan(config, needs_release=config["corpus"]["root"] is not None)


def test_the_demo():
    run = planned()
    assert (run.corpus, run.run, run.generated, run.root) == ("demo", "demo", True, Path("resources/demo/release"))
    assert run.dialogs == list(DIALOGS) == run.labelled_dialogs  # the workflow makes their label files
    assert run.modalities == ["text", "audio", "video"] and run.classifiers == ["argmax", "svm", "xgboost", "mlp"]
    assert run.splits == [f"session{k}" for k in range(1, 6)] == run.splits_of["session"]
    assert run.selection == "session5" and run.primary == "session"
    assert run.hub_encoders == []
    assert run.encoders.folder("text", "bert") == "resources/demo/encoders/bert" and run.encoders.is_local(
        "text", "bert"
    )
    assert run.encoders.files("audio", "ast") == [
        f"resources/demo/encoders/ast/{name}"
        for name in ("config.json", "model.safetensors", "preprocessor_config.json")
    ]


def test_what_stands_behind_a_split():
    plain, refit = planned(), planned(validation={"refit": True}, train_vectors="in_sample")
    crossed = planned(train_vectors="cross_fitted")
    assert plain.splits_behind("session3") == ["session3"]
    assert refit.splits_behind("session3") == ["session3", "session3-refit"]
    # Session 2 validates, so sessions 1, 4 and 5 train.
    assert crossed.splits_behind("session3") == ["session3", *(f"session3-without{k}" for k in (1, 4, 5))]
    assert crossed.splits_behind("session1")[1:] == [f"session1-without{k}" for k in (2, 3, 4)]
    speakers = planned(train_vectors="cross_fitted", protocols=["speaker"])
    assert speakers.cross_fits("speaker3F") == [f"speaker3F-without{k}" for k in (1, 2, 4, 5)]  # the partner validates
    drawn = planned(train_vectors="cross_fitted", validation={"rule": "share", "share": 0.2})
    assert drawn.cross_fits("session3") == [f"session3-without{k}" for k in (1, 2, 4, 5)]


def test_protocols_side_by_side():
    run = planned(protocols=["session", "speaker", "scenario", "scenario_control"])
    assert {name: len(splits) for name, splits in run.splits_of.items()} == {
        "session": 5, "speaker": 10, "scenario": 15, "scenario_control": 15,
    }  # fmt: skip
    assert len(run.splits) == len(set(run.splits)) == 45
    assert run.drawn_by("session3") is None and run.drawn_by("control3a") == 0 and run.drawn_by("scenario3a") is None
    assert run.scheme("session3")["groups"] == {}
    groups = run.scheme("scenario3a")["groups"]
    assert set(groups.values()) == {"a", "b", "c"} and groups == run.scheme("control3a")["groups"]


def test_the_selection_shares_a_fold_only_where_it_is_split_alike():
    assert planned().selection == "session5"
    drawn = planned(validation={"rule": "share", "share": 0.2})
    assert drawn.selection == "selection5"
    assert drawn.validation_rule("selection5") == "previous_session" and drawn.validation_rule("session5") == "share"
    assert drawn.drawn_by("session5") == 0 and drawn.drawn_by("selection5") is None
    assert planned(protocols=["speaker"]).selection == "selection5"
    assert planned(selection=None).selection is None
    assert planned().validation_rule("session3-refit") == "none"


def test_which_encoders_are_checked_and_when():
    run = planned()
    assert run.checked == [("text", "bert"), ("audio", "wav2vec2"), ("video", "videomae")]
    assert run.checked_for_paper == [("text", "roberta"), ("text", "distilbert"), ("audio", "hubert"), ("audio", "ast")]
    choosing = planned(fusion={"text": {"choose": "validation"}})
    assert choosing.choices == {"text": "validation"}
    assert [name for modality, name in choosing.checked if modality == "text"] == ["bert", "roberta", "distilbert"]
    assert planned(selection=None).checked_for_paper == []
    assert planned(fusion={"video": None}).modalities == ["text", "audio"]


def test_encoders_of_the_hub_and_of_a_folder(tmp_path):
    (tmp_path / "mine").mkdir()
    for name in ("model.safetensors", "config.json", ".hidden"):
        (tmp_path / "mine" / name).touch()
    mine = {"text": {"mine": {"model": str(tmp_path / "mine"), "pooling": "mean", "learning_rate": 1e-5, "epochs": 1,
                              "batch_size": 1, "eval_batch_size": 1, "weight_decay": 0.0, "max_tokens": 8}}}  # fmt: skip
    run = planned({"encoders": mine}, demo=False)
    assert run.encoders.files("text", "mine") == [f"{tmp_path}/mine/config.json", f"{tmp_path}/mine/model.safetensors"]
    assert "revision" not in run.encoders.settings("text", "mine") and "revision" in run.encoders.settings(
        "text", "bert"
    )
    folder = "resources/encoders/google-bert--bert-base-uncased/86b5e0934494bd15c9632b12f734a8a67f723594"
    assert run.encoders.folder("text", "bert") == folder and run.encoders.files("text", "bert") == [
        f"{folder}/download.json"
    ]
    assert len(run.hub_encoders) == 7 and {entry["encoder"] for entry in run.hub_encoders} >= {"bert", "videomae"}
    assert run.dialogs == [] and not run.generated  # nothing asked for the release


def test_clips_of_another_crop_lie_apart():
    speaker, full = planned(), planned(clips={"crop": "full"})
    assert (
        speaker.clips_root("video") == speaker.clips_root("audio") == full.clips_root("audio") == "results/demo/clips"
    )
    assert full.clips_root("video") == "results/demo/clips-full"
    assert full.manifests("video")[0] == "results/demo/clips-full/video/Ses01F_impro01.manifest.tsv"
    assert len(full.manifests("text")) == len(DIALOGS)
    assert (
        full.read_root("video") == "results/demo/clips-full-small48" and full.read_root("text") == "results/demo/clips"
    )
    assert full.clip_roots == {
        "text": ["results/demo/clips"],
        "audio": ["results/demo/clips"],
        "video": ["results/demo/clips-full", "results/demo/clips-full-small48"],
    }
    assert planned(clips={"small": None}).clip_roots["video"] == ["results/demo/clips"]
    assert planned({"clips": {"small": 224}}).read_root("video") == "results/demo/clips-small224"


def test_clips_that_are_gone_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = planned()
    columns = ("turn", "status", "bytes", "frames", "checksum", "note")
    rows = [dict.fromkeys(columns, "0") | {"turn": f"Ses01F_impro01_F00{n}", "status": "ok"} for n in range(2)]
    write_tsv(run.manifests("text")[0], rows, columns)
    folder = Path(run.clips_root("text")) / "text/Ses01F_impro01"
    folder.mkdir(parents=True)
    (folder / "Ses01F_impro01_F000.txt").touch()
    assert list(run.missing_clips()) == [(Path(run.manifests("text")[0]), ["Ses01F_impro01_F001"])]


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        ({"root": "/no/such/release"}, r"/no/such/release"),
        ({"dialogs": "{list}"}, r"the demo has only the dialogs Ses01F_impro01, "),
    ],
)
def test_a_corpus_that_is_not_there_is_refused(tmp_path, corpus, message):
    (tmp_path / "list").write_text("".join(f"Ses0{k}F_impro02\n" for k in range(1, 6)))
    corpus = {key: value.format(list=tmp_path / "list") for key, value in corpus.items()}
    with pytest.raises(EmofuseError, match=message):
        planned(corpus=corpus)


def test_settings_are_ordered_at_every_depth():
    assert str(ordered({"b": {"d": 1, "c": [2, 1]}, "a": 0})) == "{'a': 0, 'b': {'c': [2, 1], 'd': 1}}"


def test_planning_imports_nothing_heavy():
    """The Snakefile does it in every job."""
    code = "import sys; import emofuse.plan; print(sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(plan.__file__).parents[1], capture_output=True, text=True, check=True
    )
    assert not {"torch", "pandas", "sklearn", "transformers", "numpy", "pyarrow"} & set(ast.literal_eval(done.stdout))
    assert len(ENCODER_FOLDERS) == 7


def test_the_code_of_results_is_that_of_all_that_makes_them():
    def named(*layers, **changes):
        return set(code_of_results(planned(*layers, **changes)))

    plain = named(demo=False)
    assert {
        *("make_split", "fine_tune", "embed", "classify", "evaluate", "emofuse/splits/protocols/session"),
        *("emofuse/encoders/poolings/mean", "emofuse/fusion/classifiers/mlp", "emofuse/fusion/combinations/concat"),
    } <= plain
    assert not plain & {"choose_encoder", "train_system", "embed_frozen", "emofuse/splits/protocols/speaker"}
    more = named(
        protocols=["session", "speaker"],
        fusion={"text": {"choose": "validation"}},
        encoders={"audio": {"set": {"features": "mfcc"}}},
        systems={"near": {"kind": "window", "encoders": {"audio": "set"}}},
        demo=False,
    )
    assert more - plain >= {
        *("choose_encoder", "compare_encoders", "train_system", "embed_frozen", "emofuse/splits/protocols/speaker"),
        *("emofuse/encoders/features/mfcc", "emofuse/fusion/models/window"),
    }
    assert all((ROOT / f"workflow/scripts/{path}.py").is_file() for path in plain | more)
