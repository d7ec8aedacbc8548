"""Fine-tuning: it learns, its test part is not looked at, an interrupted run ends as an undisturbed one, errors are plain."""

import errno
import functools
import hashlib
import os
import shutil

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file
from training_inputs import CLASSES, SETTINGS, fine_tune, interrupt, make_corpus, same, split_turns

from emofuse.encoders import model as encoders
from emofuse.encoders import resuming
from emofuse.encoders import training as fine_tuning
from emofuse.encoders.embedding import embed
from emofuse.encoders.model import load_classifier
from emofuse.encoders.settings import Data, Machine
from emofuse.runtime import devices
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_json, read_metadata, read_parquet, write_parquet
from small_disk import small_disk


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    output = tmp_path_factory.mktemp("out") / "encoder"
    return output, fine_tune(corpus, output)


def test_it_learns_and_keeps_the_best_epoch(trained):
    output, _ = trained
    record = read_json(output / "training.json")
    history = read_parquet(output / "history.parquet").to_pandas()
    validation = history[history.part == "val"].reset_index()
    assert len(validation) == SETTINGS["epochs"] and validation.wa.max() > 0.8
    assert record["best_wa"] == pytest.approx(validation.wa.max())
    assert record["best_epoch"] == validation.wa.argmax() + 1 and record["chosen_on"] == "val"
    assert record["turns"] == {"train": 17, "val": 18}  # one training turn has no words
    trained_on = [
        f"Ses01F_impro01_F{i:03d}" for i in range(24) if i % 4 < 3
    ]  # of session 1, those with a class; all 18
    assert record["train_turns"] == hashlib.sha256("\n".join(trained_on).encode()).hexdigest()
    train = history[history.part == "train"]
    assert train.loss.notna().all() and train.wa.isna().all() and train.step.is_monotonic_increasing


def test_resume_state_goes_on_success(trained):
    output, _ = trained
    assert not list((output.parent / "encoder-state").iterdir())


def test_same_seed_same_weights_other_seed_others(corpus, trained, tmp_path):
    assert same(trained[1], fine_tune(corpus, tmp_path / "again"))
    assert not same(trained[1], fine_tune(corpus, tmp_path / "other", seed=1))


def test_labels_of_the_test_part_change_nothing(corpus, trained, tmp_path):
    table = read_parquet(corpus / "split.parquet")
    part, label = table["part"].to_pylist(), table["class"].to_pylist()
    garbage = ["sad" if p == "test" else c for p, c in zip(part, label, strict=True)]
    assert garbage != label
    position = table.schema.get_field_index("class")
    write_parquet(corpus / "garbage.parquet", table.set_column(position, "class", pa.array(garbage)))
    assert same(trained[1], fine_tune(corpus, tmp_path / "garbage", split="garbage.parquet"))


def test_a_split_that_says_so_chooses_the_epoch_on_its_test_part(corpus, tmp_path):
    split_turns(corpus, "session3", "test", corpus / "leak.parquet")
    fine_tune(corpus, tmp_path / "encoder", split="leak.parquet")
    record = read_json(tmp_path / "encoder/training.json")
    history = read_parquet(tmp_path / "encoder/history.parquet").to_pandas()
    assert record["turns"] == {"train": 35, "test": 18} and record["chosen_on"] == "test"
    measured = history[history.part == "test"].reset_index()
    assert len(measured) == SETTINGS["epochs"] and record["best_epoch"] == measured.wa.argmax() + 1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_it_learns_and_is_saved_as_the_same_encoder(corpus, trained, tmp_path):
    weights = fine_tune(corpus, tmp_path / "encoder", training={"compile": True})
    assert weights.keys() == trained[1].keys() and not same(trained[1], weights)
    assert read_json(tmp_path / "encoder/training.json")["best_wa"] > 0.8
    assert load_classifier(tmp_path / "encoder", "mean").head.weight.shape == (3, 16)


def test_gradient_checkpointing_changes_no_bit(corpus, trained, tmp_path):
    weights = fine_tune(corpus, tmp_path / "encoder", machine={"gradient_checkpointing": True})
    assert same(trained[1], weights)


def test_interrupted_it_resumes_and_ends_the_same(corpus, trained, tmp_path, monkeypatch, capsys):
    interrupt(corpus, tmp_path / "encoder", monkeypatch)  # in the third of eight epochs
    weights = fine_tune(corpus, tmp_path / "encoder")
    assert "resuming from" in capsys.readouterr().out
    assert same(trained[1], weights)
    history = read_parquet(tmp_path / "encoder/history.parquet").to_pandas()
    assert history.equals(read_parquet(trained[0] / "history.parquet").to_pandas())


STATE = ("trainer_state.json", "model.safetensors", "best.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth")


@pytest.mark.parametrize(("name", "left"), [*((name, 0.5) for name in STATE), ("rng_state.pth", 0)])
def test_a_state_that_was_cut_short_is_not_resumed_from(corpus, trained, tmp_path, monkeypatch, capsys, name, left):
    *_, last = interrupt(corpus, tmp_path / "encoder", monkeypatch)
    os.truncate(last / name, int((last / name).stat().st_size * left))
    assert same(trained[1], fine_tune(corpus, tmp_path / "encoder"))
    assert f"{last} is removed, for it is damaged or was not finished" in capsys.readouterr().out


def test_an_earlier_state_is_resumed_from_where_the_last_is_damaged(corpus, trained, tmp_path, monkeypatch, capsys):
    first, last = interrupt(corpus, tmp_path / "encoder", monkeypatch, step=14)
    data = (last / "optimizer.pt").read_bytes()
    middle = len(data) // 2
    (last / "optimizer.pt").write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])  # of its length
    assert same(trained[1], fine_tune(corpus, tmp_path / "encoder"))
    output = capsys.readouterr().out
    assert f"{last} is removed" in output and f"resuming from {first}" in output


def test_a_state_is_written_no_more_often_than_minutes_of_work_are_worth(
    corpus, trained, tmp_path, monkeypatch, capsys
):
    seldom = resuming.BestEpoch.__init__
    monkeypatch.setattr(resuming.BestEpoch, "__init__", lambda self, *_: seldom(self, 5))
    assert interrupt(corpus, tmp_path / "encoder", monkeypatch, step=14) == []
    assert same(trained[1], fine_tune(corpus, tmp_path / "encoder"))
    assert "resuming from" not in capsys.readouterr().out


def test_a_state_that_may_not_be_read_is_kept(corpus, tmp_path, monkeypatch):
    *_, last = interrupt(corpus, tmp_path / "encoder", monkeypatch)

    def refuse(path, *arguments):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(resuming.os, "open", refuse)
    with pytest.raises(PermissionError):
        resuming.last_whole_checkpoint(last.parent)
    assert last.exists()


def test_files_of_a_state_can_be_read_by_whom_new_files_can(corpus, tmp_path, monkeypatch):
    *_, last = interrupt(corpus, tmp_path / "encoder", monkeypatch)
    (tmp_path / "new").touch()
    assert {path.stat().st_mode for path in last.iterdir()} == {(tmp_path / "new").stat().st_mode}


def test_state_of_other_settings_is_not_resumed(corpus, trained, tmp_path, capsys):
    stale = tmp_path / "encoder-state/0123456789abcdef"
    shutil.copytree(corpus / "bert", stale / "checkpoint-3")
    assert same(trained[1], fine_tune(corpus, tmp_path / "encoder"))
    assert "training starts afresh" in capsys.readouterr().out and not stale.exists()


def test_an_encoder_that_cannot_be_used_is_refused_before_any_clip_is_read(corpus, tmp_path):
    copy = tmp_path / "corpus"
    shutil.copytree(corpus, copy, ignore=shutil.ignore_patterns("clips"))
    with pytest.raises(EmofuseError, match=r"Clips that are not as they were cut"):
        fine_tune(copy, tmp_path / "encoder")
    weights = load_file(copy / "bert/model.safetensors")
    weights["embeddings.word_embeddings.weight"][:] = float("nan")
    save_file(weights, copy / "bert/model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        EmofuseError, match=r"encoders\.text\.bert\.model: its vectors hold numbers that are not finite"
    ):
        fine_tune(copy, tmp_path / "encoder")


def test_a_loss_that_is_not_a_number_is_an_error(corpus, tmp_path):
    with pytest.raises(EmofuseError, match=r"lower encoders\.text\.bert\.learning_rate"):
        fine_tune(corpus, tmp_path / "encoder", settings={"learning_rate": 1e30})
    assert not (tmp_path / "encoder").exists()


def out_of_memory(*arguments, **settings):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def test_out_of_memory_names_the_settings_to_lower(corpus, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(fine_tuning.EmotionClassifier, "forward", out_of_memory)
    with pytest.raises(EmofuseError, match=r"Tried to allocate(.|\n)*lower encoders\.text\.bert\.batch_size"):
        fine_tune(corpus, tmp_path / "encoder")
    with pytest.raises(EmofuseError, match=r"Tried to allocate(.|\n)*lower encoders\.text\.bert\.eval_batch_size"):
        embed_all(corpus, trained[0], tmp_path / "store.parquet")
    assert not (tmp_path / "encoder").exists() and not (tmp_path / "store.parquet").exists()


def test_damaged_clips_are_listed_before_training_and_embedding(corpus, trained, tmp_path):
    copy = tmp_path / "corpus"
    shutil.copytree(corpus, copy)
    folder = copy / "clips/text/Ses01F_impro01"
    os.truncate(folder / "Ses01F_impro01_F001.txt", 0)
    (folder / "Ses01F_impro01_F002.txt").unlink()
    faulty = r"not as they were cut: 2\n.*_F001\.txt \(damaged\)\n.*_F002\.txt \(missing\)\nDelete them"
    with pytest.raises(EmofuseError, match=faulty):
        fine_tune(copy, tmp_path / "encoder")
    with pytest.raises(EmofuseError, match=faulty):
        embed_all(copy, trained[0], tmp_path / "store.parquet")


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("model.safetensors", 0.5),
        ("config.json", 0.5),
        ("head.safetensors", 0.5),
        ("head.safetensors", 0),
        ("processor/tokenizer.json", 0.5),
    ],
)
def test_a_damaged_fine_tuned_encoder_is_a_plain_error(corpus, trained, tmp_path, name, left):
    shutil.copytree(trained[0], tmp_path / "encoder")
    path = tmp_path / "encoder" / name
    os.truncate(path, int(path.stat().st_size * left))
    remedy = (
        "Delete that folder and run again" if name.endswith("safetensors") else "Its weights are whole, .*do not delete"
    )
    with pytest.raises(EmofuseError, match=rf"{path.parent}.* cannot be loaded(.|\n)*{remedy}"):
        embed_all(corpus, tmp_path / "encoder", tmp_path / "store.parquet")


def test_want_of_memory_is_no_reason_to_delete_weights(corpus, trained, tmp_path, monkeypatch):
    def too_large(*arguments, **settings):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(encoders.AutoModel, "from_pretrained", too_large)
    with pytest.raises(EmofuseError, match=r"can't allocate memory(.|\n)*Its weights are whole, .*do not delete them"):
        embed_all(corpus, trained[0], tmp_path / "store.parquet")


def test_a_gpu_that_pytorch_cannot_use_is_no_reason_to_train_on_the_cpu(monkeypatch):
    monkeypatch.setattr(devices.torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices, "list_gpus", lambda: [])
    with pytest.raises(EmofuseError, match=r"training\.device is 'cuda' and no GPU is in sight, but PyTorch .*CUDA"):
        devices.prepare_device("cuda", 1)
    assert devices.prepare_device("auto", 1) == devices.prepare_device("auto", 1) == "cpu"  # once does not change twice
    monkeypatch.setattr(devices, "list_gpus", lambda: ["GPU-1"])
    for visible in (None, "0"):
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        with pytest.raises(EmofuseError, match=r"'auto' and GPU-1 is there, but(.|\n)*set training\.device to 'cpu'"):
            devices.prepare_device("auto", 1)
        assert devices.prepare_device("cpu", 1) == "cpu"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # hidden on purpose
    assert devices.prepare_device("auto", 1) == "cpu"


def test_precision(monkeypatch):
    native = {True: False, False: False}
    monkeypatch.setattr(
        devices.torch.cuda, "is_bf16_supported", lambda including_emulation: native[including_emulation]
    )
    monkeypatch.setattr(devices.torch.cuda, "get_device_name", lambda: "Tesla T4")
    native[True] = True  # a T4 emulates it
    assert devices.resolve_precision("auto", "cuda") == devices.resolve_precision("auto", "cpu") == "fp32"
    with pytest.raises(EmofuseError, match="'bf16', which Tesla T4 only emulates"):
        devices.resolve_precision("bf16", "cuda")
    native[False] = True
    assert devices.resolve_precision("auto", "cuda") == devices.resolve_precision("bf16", "cpu") == "bf16"
    assert devices.resolve_precision("fp32", "cuda") == "fp32"


def test_a_training_in_bf16_says_so_and_scores_its_best_epoch_in_full_precision(corpus, trained, tmp_path, monkeypatch):
    kinds = {"logits": set(), "loss": set()}
    forward = fine_tuning.EmotionClassifier.forward

    @functools.wraps(forward)  # the Trainer looks at its arguments
    def watched(self, *arguments, **named):
        result = forward(self, *arguments, **named)
        for name in result.keys() & kinds.keys():
            kinds[name].add(result[name].dtype)
        return result

    monkeypatch.setattr(fine_tuning.EmotionClassifier, "forward", watched)
    weights = fine_tune(corpus, tmp_path / "encoder", training={"precision": "bf16"})
    assert kinds == {"logits": {torch.float32}, "loss": {torch.float32}}
    assert not same(trained[1], weights)
    record = read_json(tmp_path / "encoder/training.json")
    assert record["precision"] == "bf16" and read_json(trained[0] / "training.json")["precision"] == "fp32"
    embed_all(corpus, tmp_path / "encoder", tmp_path / "store.parquet")
    store = (
        read_parquet(tmp_path / "store.parquet").to_pandas().merge(read_parquet(corpus / "split.parquet").to_pandas())
    )
    val = store[store.part == "val"]
    assert (np.array(sorted(CLASSES))[np.stack(val.logits).argmax(1)] == val["class"]).mean() == record["best_wa"]


def test_a_state_of_another_precision_is_not_resumed(corpus, tmp_path, monkeypatch, capsys):
    interrupt(corpus, tmp_path / "encoder", monkeypatch)
    fine_tune(corpus, tmp_path / "encoder", training={"precision": "bf16"})
    assert "training starts afresh" in (output := capsys.readouterr().out) and "resuming from" not in output


def not_deterministic(*arguments, **settings):
    raise RuntimeError("cumsum_cuda_kernel does not have a deterministic implementation, but you set ...")


def test_an_operation_without_a_deterministic_form_is_named_with_the_setting(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(fine_tuning.EmotionClassifier, "forward", not_deterministic)
    with pytest.raises(
        EmofuseError, match=r"cumsum_cuda_kernel has no deterministic form(.|\n)*training\.deterministic"
    ):
        fine_tune(corpus, tmp_path / "encoder")


def test_pytorch_is_strict_about_determinism_unless_told_otherwise():
    devices.prepare_device("cpu", 1, deterministic=False)
    assert not torch.are_deterministic_algorithms_enabled()
    devices.prepare_device("cpu", 1)
    assert torch.are_deterministic_algorithms_enabled() and not torch.is_deterministic_algorithms_warn_only_enabled()


def test_batches_that_shared_memory_cannot_hold_are_refused(monkeypatch, tmp_path):
    with small_disk(tmp_path / "shm", "2m") as disk:
        monkeypatch.setattr(devices, "SHARED_MEMORY", str(disk))
        devices.require_shared_memory(100_000, 4)
        devices.require_shared_memory(10**9, 0)
        with pytest.raises(EmofuseError, match=r"has \d+ MB free, .* of 4 loader workers .*--shm-size"):
            devices.require_shared_memory(10**6, 4)


def test_the_log_begins_with_what_computes(corpus, tmp_path, capsys):
    fine_tune(corpus, tmp_path / "encoder", settings={"epochs": 1})
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("device: cpu (1 threads); driver ") and first.endswith("precision fp32; loader workers 0")


def embed_all(corpus, encoder, output):
    data = Data(corpus / "split.parquet", [corpus / "all.manifest.tsv"], corpus / "clips")
    embed(corpus / "turns.parquet", data, encoder, machine=Machine("cpu", 0, 1), threads=1, output=output)


def test_embeddings_of_every_turn(corpus, trained, tmp_path):
    output, weights = trained
    embed_all(corpus, output, tmp_path / "store.parquet")
    store, metadata = read_parquet(tmp_path / "store.parquet"), read_metadata(tmp_path / "store.parquet")
    turns = read_parquet(corpus / "turns.parquet").to_pandas()
    assert store["turn_id"].to_pylist() == turns.turn_id.tolist()[1:]
    assert metadata["left_out"] == '{"Ses01F_impro01_F000": "no_words"}'
    assert metadata["checkpoint"] == read_json(output / "training.json")["checkpoint"]
    frame = store.to_pandas().merge(turns)
    assert set(frame[frame.part.isna()].label) == {"xxx"} and set(frame[frame.part == "test"].session) == {3}
    vectors, logits = np.stack(frame.embedding), np.stack(frame.logits)
    assert vectors.shape == (71, 16) and vectors.dtype == np.float32
    np.testing.assert_allclose(vectors @ weights["weight"].numpy().T + weights["bias"].numpy(), logits, atol=1e-5)
    labelled = frame.part == "val"
    guess = np.array(sorted(CLASSES))[logits.argmax(1)]
    assert (guess == frame.label)[labelled].mean() == pytest.approx(read_json(output / "training.json")["best_wa"])


def test_refit_trains_on_both_parts_for_the_best_number_of_epochs(corpus, trained, tmp_path):
    split = corpus / "refit.parquet"
    split_turns(corpus, "session3-refit", "none", split)
    parts = read_parquet(split).to_pandas().groupby("part").session.unique().map(sorted).to_dict()
    assert parts == {"test": [3], "train": [1, 2]}
    first = trained[0] / "training.json"
    fine_tune(corpus, tmp_path / "encoder", split="refit.parquet", like=first)
    record, history = read_json(tmp_path / "encoder/training.json"), read_parquet(tmp_path / "encoder/history.parquet")
    assert record["turns"] == {"train": 35, "val": 0}
    assert record["best_epoch"] == read_json(first)["best_epoch"] < SETTINGS["epochs"]
    assert max(history["epoch"].to_pylist()) <= record["best_epoch"]
