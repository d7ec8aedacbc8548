"""The loader of a training: the same turns, windows and weights with any number of workers, which stay for all epochs."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from training_inputs import MACHINE, SETTINGS, TRAINING, fine_tune, interrupt, make_corpus, same

from emofuse.encoders import trainer as trainers
from emofuse.encoders.inputs import TurnDataset
from emofuse.encoders.settings import granted_workers

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import answers
import material

OWN = {"audio": {"max_seconds": 2}, "video": {"stride": 2, "eval_windows": 2, "mirror": 0.5}}


def test_texts_train_the_same_with_any_number_of_workers_also_after_a_kill(tmp_path, monkeypatch):
    corpus, two = make_corpus(tmp_path / "corpus"), {"loader_workers": 2}
    settings = {"epochs": 4}
    one = fine_tune(corpus, tmp_path / "none", settings=settings)
    assert same(one, fine_tune(corpus, tmp_path / "two", machine=two, settings=settings))
    interrupt(corpus, tmp_path / "killed", monkeypatch, machine=two, settings=settings)
    assert same(one, fine_tune(corpus, tmp_path / "killed", machine=two, settings=settings))


@pytest.mark.parametrize(("modality", "encoder"), [("audio", "wav2vec2"), ("video", "videomae")])
def test_clips_train_the_same_with_any_number_of_workers(tmp_path, monkeypatch, modality, encoder):
    monkeypatch.setattr(material, "SMALL", 48)
    manifest = material.write_clips(tmp_path / "clips", modality, True, 24)
    case = {"folder": tmp_path, "clips": tmp_path / "clips", "manifest": manifest, "encoder": encoder, "tiny": True}
    answers.prepare(case)
    settings = SETTINGS | OWN[modality] | {"freeze_convolutions": False}
    case |= {"modality": modality, "settings": settings, "training": TRAINING | MACHINE, "threads": 1, "device": "cpu"}
    found = {workers: answers.train(case | {"workers": workers}, f"{workers}", "state") for workers in (0, 2)}
    assert found[0] == found[2]


class Drawn:
    """Inputs whose window is a random number."""

    def windows(self, path, length, rng=None):
        return [float(rng.random())]


@pytest.mark.parametrize(("workers", "kept"), [(0, False), (1, False), (1, True), (2, True)])
def test_each_epoch_has_windows_of_its_own_in_an_order_of_its_own(tmp_path, workers, kept):
    turns = [f"Ses01F_impro01_F{i:03d}" for i in range(6)]
    data = TurnDataset(Drawn(), tmp_path, "text", turns, {turn: {"frames": 1} for turn in turns}, None, seed=3)
    torch.manual_seed(0)
    sampler = trainers.LengthGrouped(2, [1, 2, 3, 4, 5, 6], kept)
    loader = torch.utils.data.DataLoader(
        data,
        sampler=sampler,
        batch_size=2,
        num_workers=workers,
        persistent_workers=kept,
        collate_fn=lambda items: [item["windows"][0] for item in items],
    )
    found, processes = [], set()
    for epoch in range(3):
        sampler.set_epoch(epoch)
        found.append([number for batch in loader for number in batch])
        if kept:
            processes |= {worker.pid for worker in loader._iterator._workers}
    after = torch.rand(1).item()

    torch.manual_seed(0)
    for epoch, numbers in enumerate(found):
        torch.empty((), dtype=torch.int64).random_()  # the DataLoader's
        order = list(trainers.LengthGroupedSampler(2, lengths=[1, 2, 3, 4, 5, 6]))
        assert numbers == [float(np.random.default_rng([3, epoch, turn]).random()) for turn in order]
    assert torch.rand(1).item() == after and len(processes) == (workers if kept else 0)


@pytest.mark.parametrize(
    ("wanted", "granted", "threads", "expected"),
    [("auto", 8, 4, 4), ("auto", 5, 4, 1), ("auto", 2, 4, 0), (3, 2, 4, 3), (0, 8, 4, 0)],
)
def test_workers_are_what_threads_leave_of_what_was_granted(wanted, granted, threads, expected):
    assert granted_workers(wanted, granted, threads) == expected
