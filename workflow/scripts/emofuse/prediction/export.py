"""Writes one folder that holds all that predicts with the final system of a fold, and nothing of the corpus."""

import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from emofuse.fusion.alignment import matrix
from emofuse.prediction import encoders, system
from emofuse.prediction.card import write_card
from emofuse.prediction.choice import best_other, find, require_exportable, system_of
from emofuse.prediction.learning import learn, require_alike
from emofuse.prediction.record import CARD, FORMAT, RECORD, digests, encoder_folder, system_folder
from emofuse.runtime.store import read_json, read_metadata, read_parquet, whole_folder, write_json
from emofuse.runtime.version import VERSION

PACKAGES = ("numpy", "scikit-learn", "torch", "transformers", "xgboost")


@dataclass(frozen=True)
class Run:
    """What an export says of its run.

    corpus, name: of the corpus and the run. notice: of the corpus, or ''. licence: of the corpus, as a sentence, or ''. card:
    the protocol card, [(name, [lines])]. crop: what video clips show of IEMOCAP's split screen, None of other corpora. small:
    pixels of the copies that encoders read, or None.
    """

    corpus: str
    name: str
    notice: str
    licence: str
    card: list
    crop: str | None
    small: int | None


@dataclass(frozen=True)
class Fold:
    """What a run has of the fold. source: `classification.Source` of its encoders; refit: of those trained anew with the
    validation part, or None. predictions: paths, of all systems. evaluation: the folder evaluation/<protocol>. pretrained:
    {modality: folder of its encoder before training, None of what is no network}."""

    source: object
    refit: object
    predictions: list
    evaluation: str | Path
    pretrained: dict

    @property
    def speaking(self):
        """The Source of the encoders that speak of test turns."""
        return self.refit or self.source


def export(wanted, run, fold, method, output):
    """Write the folder `output`: encoders/<modality>/, system/, model_card.md and export.json.

    wanted: the name of a system, or 'final'. method: an `ensemble.Method`, of which classifier and settings are not looked at:
    they are those that the fold has chosen. What was written is read again, and what it says of the fold's test turns is held
    against what the run stored. EmofuseError where they differ, and where the system cannot be exported.
    """
    split = fold.source.split
    records = {modality: read_json(path) for modality, path in fold.speaking.trainings.items()}
    stores = {modality: read_metadata(path) for modality, path in fold.source.embeddings.items()}
    stored = find(wanted, fold.predictions, f"{fold.evaluation}/chosen.tsv", split, method.seed)
    known = (stores, records, method.train_vectors)
    require_exportable(stored, *known, lambda: best_other(fold.predictions, split, *known))
    chosen, facts = system_of(stored), stored.facts
    final, keep_classifier, speaks = learn(stored, chosen, fold.source, fold.refit, method)
    with whole_folder(output) as folder:
        system.save(final, keep_classifier, system_folder(folder))
        kept = {}
        for modality in chosen.modalities:
            trained = Path(fold.speaking.trainings[modality]).parent
            target = encoder_folder(folder, modality)
            kept[modality] = encoders.keep(records[modality], trained, fold.pretrained[modality], target)
        logits = {m: _logits(folder, m, of, speaks, fold.speaking.embeddings[m]) for m, of in kept.items()}
        difference, turns = require_alike(system.load(system_folder(folder)), stored, speaks, logits)
        print(f"{chosen.name}: of {turns} test turns the same probabilities as in the run, to {difference:.1e}")
        record = {
            "format": FORMAT,
            "corpus": run.corpus,
            "run": run.name,
            "notice": run.notice,
            "protocol": read_metadata(split)["protocol"],
            "fold": speaks.split.removesuffix("-refit"),
            "refit": fold.refit is not None,
            "seed": method.seed,
            "system": chosen.name,
            "classes": final.classes,
            "modalities": list(chosen.modalities),
            "settings": facts["settings"],
            "train_vectors": facts["train_vectors"],
            "encoders": kept,
            "video": {"crop": run.crop, "small": run.small},
            "checked": {"test_turns": turns, "largest_difference": difference},
            "versions": {"emofuse": VERSION, "python": platform.python_version()}
            | {name: version(name) for name in PACKAGES},
        }
        write_card(folder / CARD, run, record, stored, split, fold.evaluation)
        write_json(folder / RECORD, record | {"files": digests(folder)})


def _logits(folder, modality, kept, speaks, store):
    """(n, classes): what an exported encoder says of the turns of Aligned: a frozen one's probe is asked again."""
    if not kept["frozen"]:
        return speaks.logits[modality]
    table = read_parquet(store, ["turn_id", "embedding"])
    place = {turn: number for number, turn in enumerate(table["turn_id"].to_pylist())}
    rows = [place[turn] for turn in speaks.turns]
    embedding = matrix(table["embedding"], rows, f"embedding of {modality}", speaks.turns)
    return encoders.head_logits(encoder_folder(folder, modality), embedding)
