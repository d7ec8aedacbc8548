"""The plan of a run: its jobs counted, their costs extrapolated, put side by side, measured with the real training loop."""

import json
import math
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from training_inputs import MACHINE, SETTINGS, TRAINING, fine_tune, make_corpus

from emofuse.forecast import choosing, costs, forecast, jobs, measuring, records, sampling, schedule, space
from emofuse.forecast.telling import _assumed, _memory, _stages, columns
from emofuse.runtime.progress import duration
from emofuse.runtime.store import write_parquet

DRY = """
rule fine_tune:
    input: a.parquet
    output: b
    wildcards: modality=text, encoder=bert, split=session1, seed=0
    threads: 8
    resources: mem_mb=16000, gpu=1, device=auto
[Fri]
localrule all:
    input: b
checkpoint choose_encoder:
    wildcards: modality=audio
    resources: mem_mb=1000
"""


def test_jobs_of_a_dry_run():
    found = jobs.parse(DRY)
    assert found == [
        jobs.Job("fine_tune", {"modality": "text", "encoder": "bert", "split": "session1", "seed": "0"}, 8, 1),
        jobs.Job("choose_encoder", {"modality": "audio"}, 1, 0),
    ]


SNAKEFILE = """
configfile: workflow.source_path("base.yaml")
rule all:
    input: list(config["fusion"])
rule fine_tune:
    output: "{modality}"
    shell: "false"
"""


def test_what_a_layered_file_leaves_out_stays_out(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "base.yaml").write_text("fusion: {text: bert, video: videomae}")
    found = jobs.planned(tmp_path / "Snakefile", {"fusion": {"text": "bert"}}, 1)  # video: null, as checked
    assert [job.of for job in found] == [{"modality": "text"}]


def job(rule, **of):
    return jobs.Job(rule, of, 1, 0)


MEASURED = {"start_s": 5, "load_s": 1, "save_s": 2, "train_s": 0.1, "val_s": 0.02, "all_s": 0.03, "epochs": 4} | {
    f"{part}_error": 0.1 for part in ("train", "val", "all")
}
RECORD = {
    "turns": {"train": 50},
    "epochs": 2,
    "split": "session1",
    "seed": 0,
    "best_epoch": 3,
    "took": 20.0,
    "embedded": 7.0,
}


def known(found=MEASURED, fitting=(), seconds=None):
    parts = {"session1": {"train": 100, "val": 40}, "session1-refit": {"train": 140, "val": 0}}
    key = ("text", "bert")
    return costs.Costs(
        records.Records(seconds or {}), {key: found}, {key: list(fitting)}, {"svm": {"start_s": 1, "seconds": 9}}, parts,
        turns=1_000, seconds={"a": 10, "b": 30, "c": 60},
    )  # fmt: skip


TEXT = {"modality": "text", "encoder": "bert", "seed": "0"}


def test_a_training_is_extrapolated_from_its_steps():
    cost = known().of(job("fine_tune", **TEXT, split="session1"))
    assert cost.seconds == pytest.approx(5 + 1 + 2 + 4 * (100 * 0.1 + 40 * 0.02) + 40 * 0.03)
    assert cost.source == "measured" and 0.05 < cost.error < 0.1
    assert known().of(job("embed", **TEXT, split="session1")).seconds == pytest.approx(6 + 1_000 * 0.03)


def test_a_refit_takes_the_epochs_that_were_best_where_they_are_known():
    refit = job("fine_tune", **TEXT, split="session1-refit")
    assert known().epochs(refit) == 4
    assert known(fitting=[RECORD]).epochs(refit) == 3


def test_records_come_before_a_measurement():
    seconds = {"fine_tune": {"text_bert_session1_seed0": 99.0}, "embed": {"text_bert_session1_seed0": 99.0}}
    cost = known(fitting=[RECORD], seconds=seconds)
    training = cost.of(job("fine_tune", **TEXT, split="session1"))
    assert training == costs.Cost(pytest.approx(20 / 100 * 400), None, "record")  # 100 turns for 4 epochs, not 50 for 2
    assert cost.of(job("embed", **TEXT, split="session1"))[::2] == (7, "record")
    assert known(seconds=seconds).of(job("fine_tune", **TEXT, split="session1")).source == "measured"


def test_dialogs_take_as_long_as_their_turns():
    cost = known(seconds={"cut_video": {"a": 2.0, "b": 6.0}})
    assert cost.of(job("cut_video", dialog="b")).seconds == 6
    assert cost.of(job("cut_video", dialog="c"))[::2] == (pytest.approx(12), "measured")


def test_what_is_not_known_is_said():
    cost = known(found={"epochs": 4, "unknown": "why"})
    assert math.isnan(cost.of(job("fine_tune", **TEXT, split="session1")).seconds)
    assert math.isnan(cost.of(job("train_system", system="mine")).seconds)
    assert math.isnan(cost.of(job("read_motion_capture", encoder="mocap")).seconds)
    read = known(seconds={"read_motion_vectors": {"clips": 30.0}})
    assert read.of(job("read_motion_vectors", encoder="clips")) == costs.Cost(30, None, "record")
    assert cost.of(job("classify", classifier="svm")).seconds == 10
    assert cost.of(job("evaluate", protocol="session"))[::2] == (2.0, "assumed")


def test_list_scheduling():
    assert schedule.makespan([(3, 1, 0), (2, 1, 0), (2, 1, 0), (1, 1, 0)], 2, 0) == 4
    assert schedule.makespan([(3, 1, 1), (3, 1, 1)], 2, 1) == 6
    assert schedule.makespan([(3, 8, 0), (1, 1, 0)], 2, 0) == 4  # asks for more than there is
    assert schedule.wall_seconds([("fusion", 2, 1, 0), ("clips", 3, 1, 0)], 2, 1) == {"clips": (0, 3), "fusion": (3, 5)}


def test_clips_stand_in_for_turns_of_about_their_length():
    assert sampling.stand_ins([1, 14, 16, 99], {"x": 10, "y": 20}) == ["x", "x", "y", "y"]
    assert sampling.stand_ins([5, 7], {"x": 3}) == ["x", "x"]


def test_records_of_another_setting_do_not_count(tmp_path):
    corpus = make_corpus(tmp_path / "corpus")
    folder = tmp_path / "demo/run/encoders/text/bert/session3/seed0"
    fine_tune(corpus, folder, settings={"epochs": 2})
    (tmp_path / "demo/run/splits").mkdir()
    (tmp_path / "demo/run/benchmarks/fine_tune").mkdir(parents=True)
    benchmark = "benchmarks/fine_tune/text_bert_session3_seed0.tsv"
    (tmp_path / "demo/run" / benchmark).write_text("s\th:m:s\n12.5\t0:00:12\n")
    shutil.copytree(tmp_path / "demo/run", tmp_path / "demo/longer")
    (tmp_path / "demo/longer" / benchmark).write_text("s\th:m:s\n99.0\t0:01:39\n")
    found = records.read_records(tmp_path / "demo", "run")
    assert found.of("fine_tune", "text_bert") == [12.5]
    record, other = found.trainings["text", "bert"]
    assert record["epochs"] == 2 and record["split"] == "session3"
    assert (record["took"], other["took"], record["embedded"]) == (12.5, 99.0, None)  # each of its own run
    settings = SETTINGS | {"model": "some/bert"}
    of_bert, ask = [record], (TRAINING, MACHINE, record["device"])
    assert records.fitting(of_bert, settings | {"epochs": 9, "learning_rate": 1.0}, *ask) == [record]
    assert records.fitting(of_bert, settings | {"batch_size": 9}, *ask) == []
    assert records.fitting(of_bert, settings | {"model": "another/bert"}, *ask) == []
    assert records.fitting(of_bert, settings, TRAINING | {"precision": "bf16"}, MACHINE, record["device"]) == []
    assert records.fitting(of_bert, settings, TRAINING, MACHINE, "another device") == []


def test_frozen_vectors_of_another_network_do_not_count(tmp_path):
    for run, model in (("run", "resources/hubert"), ("other", "resources/hubert-large")):
        (tmp_path / run / "splits").mkdir(parents=True)
        said = {"model": model, "revision": "", "pooling": "mean"}
        write_parquet(tmp_path / run / "embeddings/audio/hubert/frozen.parquet", pa.table({"turn_id": ["a"]}), said)
        (tmp_path / run / "benchmarks/embed_frozen").mkdir(parents=True)
        (tmp_path / run / "benchmarks/embed_frozen/audio_hubert.tsv").write_text("s\n3.0\n")
    settings = {"model": "resources/hubert", "pooling": "mean", "frozen": True}
    stores = records.read_records(tmp_path, "other").stores["audio", "hubert"]
    [fitting] = records.fitting_stores(stores, settings)
    assert (fitting["model"], fitting["embedded"]) == ("resources/hubert", 3.0)
    assert not records.fitting_stores(stores, settings | {"pooling": "cls"})
    assert not records.fitting_stores(stores, {"features": "egemaps", "frozen": True})


def test_records_of_a_longer_name_do_not_count():
    seconds = {"lstm_session1_seed0": 1.0, "lstm_deep_session1_seed0": 9.0}
    cost = known(seconds={"train_system": seconds}).of(job("train_system", system="lstm"))
    assert cost == costs.Cost(1, None, "record")


def test_an_encoder_is_measured_by_its_own_training(tmp_path):
    corpus = make_corpus(tmp_path / "corpus")
    case = {
        "modality": "text", "encoder": "bert", "settings": SETTINGS, "folder": str(corpus / "bert"), "classes": 3,
        "computing": TRAINING, "machine": MACHINE, "clips": str(corpus / "clips"), "frozen": False,
        "manifests": [str(corpus / "all.manifest.tsv")], "turns": str(corpus / "turns.parquet"), "seconds": 0.3,
        "lengths": {"train": [1, 2, 3, 4, 5] * 8, "val": [2, 3] * 5, "all": [1, 2, 3] * 20},
    }  # fmt: skip
    found = measuring.measure(case)
    assert (
        0 < found["train_s"] < 1
        and 0 < found["all_s"] < 1
        and 0 < found["val_s"] < 1
        and found["train_error"] is not None
    )
    assert found["width"] == 16 and found["peak_memory_mb"] > 50 and not found["random"]
    (corpus / "bert/model.safetensors").unlink()
    found = measuring.measure(json.loads(json.dumps(case | {"frozen": True})))
    assert found["random"] and found["train_s"] == 0 < found["all_s"]


def test_disk():
    rows = {"m1": {"a": {"bytes": "100"}, "b": {"bytes": ""}}, "m2": {"c": {"bytes": "50"}}}
    assert space.clips_bytes(rows, {"m1": 10, "m2": 5}, 60) == (150, 600)
    assert space.clips_bytes({}, {}, 60) == (0, None)
    assert space.store_bytes(10, 768, 4) == 10 * (4 * 772 + 24)


def test_what_does_not_fit_is_said():
    run = SimpleNamespace(machine=SimpleNamespace(jobs_per_gpu=1), cores=4, gpus=1, chosen={}, corpus=".")
    facts = {
        "kind": "cpu",
        "jobs": [jobs.Job("fine_tune", TEXT, 2, 0)],
        "found": {("text", "bert"): {"peak_memory_mb": 2**40}, ("audio", "ast"): {"peak_memory_mb": 1}},
    }
    [warning] = _memory(run, facts)
    assert "bert" in warning and "gradient_checkpointing" in warning and "shared by 2 jobs" in warning
    [alone] = _memory(run, facts | {"jobs": [jobs.Job("fine_tune", TEXT, 2, 1)]})  # on a CPU it asks for a GPU, too
    assert "shared" not in alone
    rows = [
        {"what": what, "seconds": s, "source": ""} for what, s in (("embed_frozen text x", math.nan), ("assess", 2))
    ]
    unknown, *_ = _assumed(run, facts, rows)
    assert unknown == "Unknown, and in no sum: embed_frozen text x."


def test_trainings_that_ask_for_a_gpu_are_scheduled_by_it():
    both = [jobs.Job("fine_tune", TEXT | {"split": "session1"}, 1, 1)] * 2  # 80 s each
    facts = {
        "jobs": both,
        "left": [],
        "costs": known(fitting=[RECORD]),
        "stage_of": lambda job: "encoders",
        "kind": "cpu",
    }
    row = {"stage": "encoders", "jobs": 2, "left": 0, "hours": 160 / 3600, "hours_left": 0}
    told = [_stages(SimpleNamespace(cores=2, gpus=gpus), [row], facts).splitlines()[-1] for gpus in (1, 2)]
    assert [re.split(" {2,}", line)[-2] for line in told] == [duration(160), duration(80)]


def test_the_differences_of_each_protocol():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"part": "test", "dialog": rng.integers(0, 12, 300).astype(str), "class": rng.choice(["ang", "sad"], 300)}
    )
    rows = forecast.differences({"session": ["s"], "speaker": ["s"]}, {"s": frame})
    assert [row["wa"] for row in rows[:3]] == [row["wa"] for row in rows[3:]]
    assert 0.4 > rows[0]["wa"] > rows[2]["wa"] > 0.02
    assert rows[0]["turns"] == 300 and rows[0]["dialogs"] == 12


def test_an_encoder_to_be_chosen_is_counted_as_the_one_that_takes_longest(tmp_path, monkeypatch):
    config = {"fusion": {"text": {"choose": "validation"}}, "final_system": "text-chosen"}
    encoders = [
        {"modality": "text", "encoder": name, "frozen": name == "frozen"} for name in ("bert", "long", "frozen")
    ]
    path = tmp_path / "chosen.json"
    run = SimpleNamespace(
        config=config, encoders=encoders, chosen={"text": (["bert", "long", "frozen"], path)}, snakefile="", cores=1
    )  # fmt: skip
    cost, slow = known(), ("text", "long")
    cost.encoders[slow] = {"epochs": 4}  # by record, so not measured
    cost.fitting[slow] = [RECORD | {"took": 2000.0}]
    assert choosing.take(run, cost) == {"text": "long"}

    def dry(_, config, cores, everything):
        if isinstance(config["fusion"]["text"], dict):
            return [job("fine_tune", split="selection5"), job("evaluate")]
        assert config["final_system"] == "text-long"  # the name is not refused
        return [job("fine_tune", split="session1"), job("evaluate")]

    monkeypatch.setattr(choosing, "planned", dry)
    for counted in choosing.count(run, {"text": "long"}):
        assert [each.rule for each in counted].count("evaluate") == 1
        assert {each.of.get("split") for each in counted} == {None, "selection5", "session1"}
    path.write_text(json.dumps({"encoder": "bert"}))
    assert choosing.take(run, cost) == {"text": "bert"}


def test_columns_stand_under_each_other():
    assert columns([("a", "bb"), ("ccc", "d")]) == "a    bb\nccc   d"
