"""Knobs of a whole training: each does what it says, also after a kill, and the defaults change nothing."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from training_inputs import SETTINGS, fine_tune, interrupt, make_corpus, same, split_turns

from emofuse.encoders import trainer as trainers
from emofuse.encoders.embedding import embed
from emofuse.encoders.losses import Loss, class_weights, make_loss
from emofuse.encoders.model import load_classifier
from emofuse.encoders.resuming import BestEpoch
from emofuse.encoders.settings import Data, Machine
from emofuse.runtime.devices import device_errors
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_json, read_parquet


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"), layers=2)


@pytest.fixture
def trainer(monkeypatch):
    """The Trainer of the last training, with `rates`: (step, learning rate of each group) at each step."""
    found = {}
    original = trainers.LengthGroupedTrainer.__init__

    class Watch(trainers.TrainerCallback):
        def on_step_begin(self, args, state, control, optimizer=None, **_):
            found["rates"].append([group["lr"] for group in optimizer.param_groups])

    def watched(self, *arguments, callbacks, **others):
        found.update(trainer=self, rates=[])
        original(self, *arguments, callbacks=[*callbacks, Watch()], **others)

    monkeypatch.setattr(trainers.LengthGroupedTrainer, "__init__", watched)
    return found


def test_frozen_layers_are_those_of_the_pretrained_encoder_after_a_training(corpus, tmp_path):
    weights = fine_tune(corpus, tmp_path / "encoder", settings={"freeze_layers": 1, "epochs": 2})
    before = load_file(corpus / "bert/model.safetensors")
    moved = {name for name in before if not torch.equal(before[name], weights[name])}
    assert moved and all(name.startswith("encoder.layer.1.") for name in moved)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", lambda done: 1 - done),
        ("cosine", lambda done: (1 + np.cos(np.pi * done)) / 2),
        ("constant", np.ones_like),
    ],
)
def test_the_learning_rate_rises_and_then_goes_as_the_schedule_says(corpus, tmp_path, trainer, schedule, expected):
    fine_tune(corpus, tmp_path / "encoder", settings={"schedule": schedule, "warmup": 0.25, "epochs": 4})
    steps = np.arange(12)  # three an epoch
    rises, done = steps / 3, np.clip((steps - 3) / 9, 0, 1)
    rates = np.where(steps < 3, rises, expected(done)) * SETTINGS["learning_rate"]
    np.testing.assert_allclose([rate for rate, *_ in trainer["rates"]], rates, atol=1e-12)


def test_layer_decay_trains_with_the_rates_that_it_says(corpus, tmp_path, trainer):
    weights = fine_tune(corpus, tmp_path / "encoder", settings={"layer_decay": 0.5, "epochs": 2})
    optimizer = trainer["trainer"].optimizer
    initial = sorted(
        (group["initial_lr"] / SETTINGS["learning_rate"], group["weight_decay"]) for group in optimizer.param_groups
    )
    assert initial == [(rate, decay) for rate in (0.125, 0.25, 0.5, 1.0) for decay in (0.0, 0.01)]
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(
        list(trainer["trainer"].model.parameters())
    )
    assert not same(weights, fine_tune(corpus, tmp_path / "plain", settings={"epochs": 2}))


def test_layer_decay_and_mixture_resume_to_the_same(corpus, tmp_path, monkeypatch, capsys):
    settings = {"layer_decay": 0.5, "layer": "weighted", "schedule": "cosine", "class_weights": "balanced", "epochs": 4}
    whole = fine_tune(corpus, tmp_path / "whole", settings=settings)
    interrupt(corpus, tmp_path / "killed", monkeypatch, settings=settings)
    assert same(whole, fine_tune(corpus, tmp_path / "killed", settings=settings))
    assert "resuming from" in capsys.readouterr().out
    assert whole["mixture"].shape == (3,) and len(set(whole["mixture"].tolist())) == 3


@pytest.mark.parametrize("layer", [1, "weighted"])
def test_embeddings_are_of_the_states_that_were_trained(corpus, tmp_path, layer):
    weights = fine_tune(corpus, tmp_path / "encoder", settings={"layer": layer, "epochs": 2})
    data = Data(corpus / "split.parquet", [corpus / "all.manifest.tsv"], corpus / "clips")
    store = tmp_path / "store.parquet"
    embed(corpus / "turns.parquet", data, tmp_path / "encoder", machine=Machine("cpu", 0, 1), threads=1, output=store)
    table, split = read_parquet(store).to_pandas(), read_parquet(corpus / "split.parquet").to_pandas()
    joined = table.merge(split[["turn_id", "class"]], on="turn_id")
    val = joined[joined.part == "val"]
    guess = np.array(["ang", "neu", "sad"])[np.stack(val.logits).argmax(1)]
    assert (guess == val["class"]).mean() == read_json(tmp_path / "encoder/training.json")["best_wa"]
    logits = np.stack(val.embedding) @ weights["weight"].numpy().T + weights["bias"].numpy()
    np.testing.assert_allclose(np.stack(val.logits), logits, atol=1e-5)
    before = load_file(corpus / "bert/model.safetensors")
    top = "encoder.layer.1.output.dense.weight"
    assert torch.equal(before[top], weights[top]) == (layer == 1)  # above the pooled layer nothing is trained


def spoilt(monkeypatch, scores):
    """Makes the validation WA of the epochs those of a list."""
    left = iter(scores)
    monkeypatch.setattr(trainers, "_scores", lambda prediction: {"wa": next(left), "ua": 0.0})


def test_a_training_ends_when_patience_is_over(corpus, tmp_path, monkeypatch):
    spoilt(monkeypatch, [0.1, 0.5, 0.5, 0.2, 0.9])
    fine_tune(corpus, tmp_path / "encoder", settings={"patience": 2})
    history = read_parquet(tmp_path / "encoder/history.parquet").to_pandas()
    assert history[history.part == "val"].wa.tolist() == [0.1, 0.5, 0.5, 0.2]
    record = read_json(tmp_path / "encoder/training.json")
    assert record["best_epoch"] == 2 and history.step.max() == 12


@pytest.mark.parametrize("killed_in", [8, 11])  # the third epoch, the fourth
def test_patience_counts_on_after_a_kill(corpus, tmp_path, monkeypatch, killed_in):
    settings = {"patience": 2}
    spoilt(monkeypatch, [0.1, 0.5, 0.5, 0.2])
    whole = fine_tune(corpus, tmp_path / "whole", settings=settings)
    spoilt(monkeypatch, [0.1, 0.5, 0.5, 0.2])
    interrupt(corpus, tmp_path / "killed", monkeypatch, step=killed_in, settings=settings)
    spoilt(monkeypatch, [0.5, 0.2][killed_in // 3 - 2 :])
    assert same(whole, fine_tune(corpus, tmp_path / "killed", settings=settings))
    histories = [read_parquet(tmp_path / name / "history.parquet").to_pandas() for name in ("whole", "killed")]
    first, second = (history[history.part == "val"].reset_index(drop=True) for history in histories)
    assert first.equals(second) and len(first) == 4


def test_no_state_is_written_of_an_end_that_came_early():
    class Control:
        should_save = should_training_stop = False

    class State:
        global_step, max_steps = 6, 24

    class Arguments:
        num_train_epochs = 8

    model, best = torch.nn.Linear(1, 1), BestEpoch(0, 2)
    for step, saved in ((3, True), (6, True), (9, False)):
        state, control = State(), Control()
        state.global_step = step
        best.on_evaluate(Arguments(), state, control, model, {"eval_wa": 0.5})
        assert (control.should_save, control.should_training_stop) == (saved, not saved)


def test_a_refit_trains_to_the_best_epoch_of_a_training_with_patience(corpus, tmp_path, monkeypatch):
    spoilt(monkeypatch, [0.1, 0.5, 0.5, 0.2])
    fine_tune(corpus, tmp_path / "first", settings={"patience": 2})
    split_turns(corpus, "session3-refit", "none", corpus / "refit.parquet")
    like = tmp_path / "first/training.json"
    fine_tune(corpus, tmp_path / "refit", split="refit.parquet", settings={"patience": 2}, like=like)
    assert read_json(tmp_path / "refit/training.json")["best_epoch"] == 2


def by_hand(logits, labels, weights=None, smoothing=0.0):
    """The mean over turns of weight times cross-entropy with a smoothed label."""
    total = 0.0
    for row, label in zip(logits.double().numpy(), labels.tolist(), strict=True):
        logs = row - np.log(np.exp(row).sum())
        target = np.full(len(row), smoothing / len(row))
        target[label] += 1 - smoothing
        total -= (1.0 if weights is None else weights[label]) * (target * logs).sum()
    return total / len(labels)


def test_the_loss_is_weighted_and_smoothed_in_training_alone():
    logits = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 0, 0, 0, 2, 2, 0])
    settings = {"class_weights": "balanced", "label_smoothing": 0.1}
    loss = make_loss(settings, labels.numpy(), 3)
    weights = [7 / (2 * 5), 0, 7 / (2 * 2)]
    assert loss.weights.tolist() == pytest.approx(weights)
    assert loss(logits, labels).item() == pytest.approx(by_hand(logits, labels, weights, 0.1), rel=1e-6)
    only_smooth = make_loss(settings | {"class_weights": "none"}, labels.numpy(), 3)
    assert only_smooth(logits, labels).item() == pytest.approx(by_hand(logits, labels, None, 0.1), rel=1e-6)
    plain = torch.nn.functional.cross_entropy(logits, labels)
    assert torch.equal(loss.eval()(logits, labels), plain) and torch.equal(Loss()(logits, labels), plain)
    assert not loss.state_dict()


def test_weights_are_one_on_average_and_batches_add_up():
    labels = np.array([0] * 8 + [1] * 3 + [2] * 1)
    weights = class_weights(labels, 3)
    assert weights[labels].mean().item() == pytest.approx(1)
    loss = Loss(weights)
    logits, order = torch.randn(12, 3), torch.randperm(12)
    turns = torch.tensor(labels)
    whole = loss(logits, turns)
    accumulated = sum(loss(logits[part], turns[part]) / 3 for part in order.split(4))
    torch.testing.assert_close(accumulated, whole)


def test_a_weighted_training_accumulates_as_one_with_larger_batches(corpus, tmp_path):
    """But for rounding: without dropout, and with the same turns in a step."""
    settings = {"class_weights": "balanced", "label_smoothing": 0.1, "epochs": 1, "dropout": 0.0, "learning_rate": 1e-3}
    losses = []
    for batch, accumulation in ((8, 1), (4, 2)):
        output = tmp_path / f"{batch}"
        fine_tune(corpus, output, settings=settings | {"batch_size": batch, "gradient_accumulation": accumulation})
        history = read_parquet(output / "history.parquet").to_pandas()
        losses.append(history[history.part == "val"].loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_the_validation_loss_is_of_no_weights_and_no_smoothing(corpus, tmp_path):
    settings = {"class_weights": "balanced", "label_smoothing": 0.2, "epochs": 1}
    fine_tune(corpus, tmp_path / "encoder", settings=settings)
    history = read_parquet(tmp_path / "encoder/history.parquet").to_pandas()
    model = load_classifier(tmp_path / "encoder", "mean")
    data = Data(corpus / "split.parquet", [corpus / "all.manifest.tsv"], corpus / "clips")
    store = tmp_path / "store.parquet"
    embed(corpus / "turns.parquet", data, tmp_path / "encoder", machine=Machine("cpu", 0, 1), threads=1, output=store)
    table = (
        read_parquet(store).to_pandas().merge(read_parquet(corpus / "split.parquet").to_pandas()[["turn_id", "class"]])
    )
    val = table[table.part == "val"]
    labels = torch.tensor([["ang", "neu", "sad"].index(name) for name in val["class"]])
    expected = by_hand(torch.tensor(np.stack(val.logits)), labels)
    assert history[history.part == "val"].loss.item() == pytest.approx(expected, rel=1e-4)
    assert model.loss.weights is None


def test_out_of_memory_names_the_jobs_that_share_the_gpu():
    for sharing, told in (
        (1, r"GPU\.\)\.\nsmaller"),
        (3, r"\nUp to 3 jobs share a GPU \(training\.jobs_per_gpu\): lower"),
    ):
        with pytest.raises(EmofuseError, match=told), device_errors("smaller", sharing):
            raise torch.OutOfMemoryError("CUDA out of memory on the GPU.")
