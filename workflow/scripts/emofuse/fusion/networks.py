"""Trains a small network on the turns of a split: its epochs, the best of them by the validation part, several times over."""

import copy
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import torch
from scipy.special import logsumexp
from torch import nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from emofuse.fusion.dialogs import Turns

CLIP = 1.0  # norm of the gradient of a step
DECAY = 0.01  # of weights
BATCH_ASKED = 64  # dialogs or turns a batch in answering; of no effect on the answers


@dataclass(frozen=True)
class Task:
    """What a system of `fusion/models` is trained for. learned, judged: (n,) bool of the Turns: those whose labels are learned
    from, and those by which the epoch is chosen. candidates: its settings, each with one value: one is trained for each of
    them, and what they have in common is made once. like: None, or what the `record` of one says that was trained before: its
    epochs are taken, and nothing is judged."""

    turns: Turns
    learned: np.ndarray
    judged: np.ndarray
    candidates: list[dict]
    seed: int
    threads: int
    like: dict | None = None


class Trained:
    """Trained networks that answer together. `record`: epochs (those that were kept), losses (of each network and epoch,
    validation, nats a turn), parameters (of one network)."""

    def __init__(self, networks, batches, record):
        self.networks, self.batches, self.record = networks, batches, record

    def ask(self, rows):
        """The logarithm of the mean of their probabilities for the rows (indices), (rows, classes) float64."""
        said = [ask(network, self.batches, rows).astype(np.float64) for network in self.networks]
        return logsumexp([x - logsumexp(x, 1, keepdims=True) for x in said], axis=0) - np.log(len(said))


def train(task, network, batching):
    """A Trained for each of the candidates: as many networks as its setting `members` says, from other weights and in another
    order each.

    network: a class, of widths {modality: d}, the number of classes and the settings; of a batch it gives a list of logits
    (rows, classes), one a head: the first is what it says, and all are learned. batching: a class of `batches`.
    """
    task.turns.require_apart(task.learned)
    batches = batching(task.turns, task.learned)

    def member(settings, number):
        torch.set_num_threads(1)  # and so no result depends on how many are trained side by side
        torch.use_deterministic_algorithms(True)
        seed = np.random.SeedSequence([task.seed, number]).generate_state(1)[0]
        torch.manual_seed(int(seed))
        made = network(task.turns.widths, batches.classes, settings)
        epochs = task.like["epochs"][number] if task.like else None
        return made, *fit(made, batches, task, settings, np.random.default_rng(seed), epochs)

    each = [(settings, number) for settings in task.candidates for number in range(settings["members"])]
    made, trained = list(tqdm(_side_by_side(member, each, task.threads), "train", len(each), unit="network")), []
    for settings in task.candidates:
        own, made = made[: settings["members"]], made[settings["members"] :]
        networks, epochs, losses = map(list, zip(*own, strict=True))
        parameters = sum(weights.numel() for weights in networks[0].parameters())
        trained.append(Trained(networks, batches, {"epochs": epochs, "losses": losses, "parameters": parameters}))
    return trained


_calls = []  # what the processes that are forked are to call: with all that it knows it is theirs already, and copied by none


def _side_by_side(function, arguments, processes):
    """Yield function(*of) of each of the arguments, in their order, so many at a time.

    In processes, for dropout draws from a generator that threads would share. A second thread for one network of this size
    brings nothing.
    """
    if min(processes, len(arguments)) == 1:
        yield from (function(*of) for of in arguments)
        return
    _calls.append(function)
    try:
        with ProcessPoolExecutor(min(processes, len(arguments)), mp_context=get_context("fork")) as pool:
            yield from pool.map(_call, arguments)
    finally:
        _calls.pop()


def _call(arguments):
    return _calls[-1](*arguments)


def fit(network, batches, task, settings, rng, epochs=None):
    """Train a network for `epochs`, or until its validation loss has not fallen for the setting `patience`, and go back to the
    epoch with the least; (that epoch, the losses)."""
    learned, judged = np.flatnonzero(task.learned), np.flatnonzero(task.judged)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings["learning_rate"], weight_decay=DECAY)
    best, kept, losses = 0, None, []
    for epoch in range(1, (epochs or settings["epochs"]) + 1):
        network.train()
        for rows, batch in batches.draw(learned, settings["batch_size"], rng):
            labels = torch.from_numpy(batches.labels[rows])
            loss = sum(cross_entropy(logits, labels) for logits in network(batch))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), CLIP)
            optimizer.step()
        if epochs:
            continue
        said = torch.from_numpy(ask(network, batches, judged))
        losses.append(cross_entropy(said, torch.from_numpy(batches.labels[judged])).item())
        if losses[-1] == min(losses):
            best, kept = epoch, copy.deepcopy(network.state_dict())
        elif epoch - best >= settings["patience"]:
            break
    if epochs:
        return epochs, losses
    network.load_state_dict(kept)
    return best, losses


def ask(network, batches, rows):
    """What a network says of some rows (indices), in their order: (rows, classes) float32 logits."""
    network.eval()
    found = np.zeros((len(batches.labels), batches.classes), np.float32)
    with torch.inference_mode():
        for of_batch, batch in batches.draw(rows, BATCH_ASKED):
            found[of_batch] = network(batch)[0].numpy()
    return found[rows]
