"""Systems that read dialogs and steps: nothing leaks, no turn hangs on its batch, and the file is like those of classifiers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import yaml
from fusion_inputs import CLASSES, ENCODERS, Corpus
from scipy.special import softmax
from sklearn.svm import SVC

from emofuse.configuration.choices import check_choices
from emofuse.configuration.schema import check_config, load_schema
from emofuse.encoders import sequences
from emofuse.evaluation.predictions import read_predictions, read_splits
from emofuse.fusion import networks
from emofuse.fusion.classification import Source
from emofuse.fusion.dialogs import Turns, read_turns
from emofuse.fusion.models.attention import pairs_of
from emofuse.fusion.named import Training, left_out, train_system
from emofuse.fusion.systems import MODELS, context_pairs, named
from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, read_parquet, write_parquet

ROOT = Path(__file__).parents[2]
QUICK = {"members": 1, "epochs": 3, "patience": 3, "width": 8, "heads": 2}
# Every kind, in every form that reads in another way.
FORMS = [
    ("context", {"direction": "none"}),
    ("context", {"direction": "past"}),
    ("context", {"direction": "both", "levels": 2}),
    ("attention", {}),
    ("attention", {"fusion": "input"}),
    ("attention", {"fusion": "end", "read_out": "mean"}),
    ("attention", {"read_out": "start", "pairs": [["text", "motion"], ["motion", "text"]]}),
    ("levels", {}),
    ("convolution", {}),
    ("window", {"before": 2, "after": 1, "weight": 0.5, "C": 1.0}),
]


def settings_of(kind, changed):
    """The defaults of a kind, small, with one value each."""
    file = kinds.constants(MODELS)[kind]
    defaults = {key: setting["default"] for key, setting in file["SETTINGS"].items()}
    if "TRAINS" in file:
        defaults |= file["TRAINS"] | {"members": 1}
    return defaults | {key: value for key, value in QUICK.items() if key in defaults} | changed


def made_turns(seed=0):
    """Twelve dialogs of 3 to 9 turns, a third of them of no class; text of vectors, and steps of three sources."""
    rng = np.random.default_rng(seed)
    ids, dialogs, speakers, parts = [], [], [], []
    for number in range(12):
        for turn in range(rng.integers(3, 10)):
            letter = "FM"[rng.integers(2)]
            ids.append(f"Ses0{number % 3 + 1}F_impro{number:02}_{letter}{turn:03}")
            dialogs.append(ids[-1][:-5])
            speakers.append(f"{ids[-1][:5]}_{letter}")
            parts.append(("train", "val", "test")[number % 3] if rng.random() < 0.67 else "")
    parts = np.array(parts)
    labels = np.where(parts == "", -1, rng.integers(0, 4, len(ids)))
    steps = {
        m: [rng.normal(size=(rng.integers(low, high), d)).astype(np.float16) for _ in ids]
        for m, low, high, d in (("text", 1, 6, 5), ("audio", 3, 30, 4), ("motion", 20, 21, 3))
    }
    steps["audio"][2] = steps["audio"][2][:0]  # a turn that lacks a modality
    return Turns(
        "session3", CLASSES, *(np.array(of) for of in (ids, dialogs, speakers)), parts, labels,
        {m: rng.normal(size=(len(ids), 5)).astype(np.float32) for m in ("text", "audio")}, steps, {},
    )  # fmt: skip


def of_kind(turns, kind):
    """The turns with what the kind reads alone."""
    vectors = kinds.constants(MODELS)[kind]["READS"] == "vectors"
    turns = replace(turns, vectors=turns.vectors if vectors else {}, steps={} if vectors else turns.steps)
    there = {m: np.ones(len(turns.ids), bool) for m in turns.vectors}
    there |= {m: np.array([len(x) > 0 for x in steps]) for m, steps in turns.steps.items()}
    return replace(turns, there=there)


def trained(turns, kind, changed=None, seed=0):
    turns = of_kind(turns, kind)
    task = networks.Task(
        turns, turns.parts == "train", turns.parts == "val", [settings_of(kind, changed or {})], seed, 1
    )
    [model] = kinds.load(MODELS, kind).train(task)
    return model


def test_networks_trained_side_by_side_are_those_trained_in_turn():
    turns, settings = of_kind(made_turns(), "context"), settings_of("context", {"members": 2, "epochs": 2})
    rows = np.flatnonzero(turns.parts == "test")
    alone, beside = (
        kinds.load(MODELS, "context").train(
            networks.Task(turns, turns.parts == "train", turns.parts == "val", [settings], 0, threads)
        )[0]
        for threads in (1, 2)
    )
    assert np.array_equal(alone.ask(rows), beside.ask(rows)) and alone.record == beside.record
    assert not np.array_equal(networks.ask(alone.networks[0], alone.batches, rows), alone.ask(rows))


def with_other(turns, rows, seed=9):
    """The turns in which those in the mask `rows` are other ones."""
    rng = np.random.default_rng(seed)
    vectors = {
        m: np.where(rows[:, None], rng.normal(size=x.shape), x).astype(np.float32) for m, x in turns.vectors.items()
    }
    steps = {
        m: [rng.normal(size=x.shape).astype(np.float16) if other else x for x, other in zip(of, rows, strict=True)]
        for m, of in turns.steps.items()
    }
    return replace(turns, vectors=vectors, steps=steps)


def asked_of(model, turns, kind, rows):
    """What a trained network says of rows of other turns than it has learned from."""
    turns = of_kind(turns, kind)
    learned = turns.parts == "train"
    batches = type(model.batches)(turns, learned)
    return networks.Trained(model.networks, batches, {}).ask(rows)


@pytest.mark.parametrize("kind, changed", FORMS)
def test_a_turns_scores_do_not_hang_on_its_batch(kind, changed):
    turns = made_turns()
    model = trained(turns, kind, changed)
    everything = model.ask(np.arange(len(turns.ids)))
    assert np.isfinite(everything).all()
    for row in (0, 2, 7, 40):
        np.testing.assert_allclose(model.ask(np.array([row]))[0], everything[row], atol=1e-5)
    if kind != "window":
        np.testing.assert_allclose(softmax(everything, 1), np.exp(everything), atol=1e-5)


@pytest.mark.parametrize("kind, changed", [form for form in FORMS if form[0] != "window"])
def test_nothing_reaches_another_dialog(kind, changed):
    turns = made_turns()
    model = trained(turns, kind, changed)
    own = turns.dialogs == turns.dialogs[-1]
    rows = np.flatnonzero(own)
    # Not those that are learned from, which scaling looks at.
    there = with_other(turns, ~own & ~np.isin(turns.dialogs, turns.dialogs[turns.parts == "train"]))
    np.testing.assert_allclose(asked_of(model, there, kind, rows), model.ask(rows), atol=1e-5)
    assert np.abs(asked_of(model, with_other(turns, own), kind, rows) - model.ask(rows)).max() > 1e-3


@pytest.mark.parametrize(
    "direction, before, after", [("none", False, False), ("past", True, False), ("both", True, True)]
)
@pytest.mark.parametrize("levels", [1, 2])
def test_how_far_a_turn_sees(direction, before, after, levels):
    """Whoever speaks, and whether the neighbour has a label or none."""
    turns = made_turns()
    model = trained(turns, "context", {"direction": direction, "levels": levels})
    dialog = np.flatnonzero(turns.dialogs == "Ses03F_impro02")
    assert (turns.parts[dialog] == "").any() and len(dialog) > 4
    middle = dialog[2]
    for neighbour, sees in ((dialog[1], before), (dialog[3], after)):
        other = with_other(turns, np.arange(len(turns.ids)) == neighbour)
        moved = np.abs(asked_of(model, other, "context", [middle]) - model.ask([middle])).max()
        assert (moved > 1e-4) == sees


def test_it_is_told_whose_turn_each_is():
    turns = made_turns()
    model = trained(turns, "context", {"direction": "past"})
    dialog = np.flatnonzero(turns.dialogs == "Ses03F_impro02")
    swapped = turns.speakers.copy()
    swapped[dialog[0]] = "Ses03_M" if swapped[dialog[0]] == "Ses03_F" else "Ses03_F"
    said = asked_of(model, replace(turns, speakers=swapped), "context", [dialog[2]])
    assert np.abs(said - model.ask([dialog[2]])).max() > 1e-4


@pytest.mark.parametrize("kind, changed", FORMS)
def test_only_labels_of_training_turns_are_learned(kind, changed):
    """And those of validation turns are looked at for the epoch: a test turn's, or one of no class, never."""
    turns = made_turns()
    rows = np.flatnonzero(turns.parts == "test")
    before = trained(turns, kind, changed)
    labels = turns.labels.copy()
    labels[turns.parts == "test"] = 0
    labels[turns.parts == ""] = 3
    np.testing.assert_array_equal(trained(replace(turns, labels=labels), kind, changed).ask(rows), before.ask(rows))
    labels = turns.labels.copy()
    labels[turns.parts == "train"] = (labels[turns.parts == "train"] + 1) % 4
    assert (trained(replace(turns, labels=labels), kind, changed).ask(rows) != before.ask(rows)).any()


@pytest.mark.parametrize("kind", ["context", "attention", "window"])
def test_a_test_dialog_in_training_is_refused(kind):
    turns = made_turns()
    parts = turns.parts.copy()
    parts[np.flatnonzero(turns.dialogs == "Ses03F_impro02")[:2]] = "train"
    with pytest.raises(EmofuseError, match=r"Leak: session3.*Ses03F_impro02"):
        trained(replace(turns, parts=parts), kind, {"C": 1.0, "weight": 1.0} if kind == "window" else {})


def test_the_epoch_with_the_least_validation_loss_is_kept():
    turns = made_turns()
    model = trained(turns, "context", {"direction": "both", "epochs": 12, "patience": 4, "learning_rate": 0.03})
    [losses], [epoch] = model.record["losses"], model.record["epochs"]
    assert epoch == 1 + int(np.argmin(losses)) and len(losses) == min(12, epoch + 4)
    judged = np.flatnonzero(turns.parts == "val")
    own = -model.ask(judged)[np.arange(len(judged)), turns.labels[judged]].mean()
    assert own == pytest.approx(min(losses), abs=1e-5)


def test_members_differ_and_their_probabilities_are_averaged():
    turns = made_turns()
    model = trained(turns, "context", {"members": 2})
    each = [softmax(networks.ask(network, model.batches, np.arange(5)), axis=1) for network in model.networks]
    assert np.abs(each[0] - each[1]).max() > 1e-4
    np.testing.assert_allclose(np.exp(model.ask(np.arange(5))), (each[0] + each[1]) / 2, atol=1e-6)
    again = trained(turns, "context", {"members": 2})
    assert all(
        torch.equal(a, b)
        for one, other in zip(model.networks, again.networks, strict=True)
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_window_by_hand():
    """Vectors of the turns around it side by side, zeros where the dialog has none, and whether its speaker says them."""
    turns = of_kind(made_turns(), "window")
    learned = turns.parts == "train"
    fitted = np.isin(turns.dialogs, turns.dialogs[learned])
    x = {m: (v - v[fitted].mean(0)) / v[fitted].std(0) for m, v in turns.vectors.items()}
    rows = []
    for row, dialog in enumerate(turns.dialogs):
        cells = [x["text"][row], x["audio"][row]]
        for other in (row - 2, row - 1, row + 1):
            inside = 0 <= other < len(turns.ids) and turns.dialogs[other] == dialog
            cells += [0.5 * x[m][other] if inside else np.zeros(5) for m in ("text", "audio")]
            cells.append([float(inside and turns.speakers[other] == turns.speakers[row])])
        rows.append(np.concatenate(cells))
    rows = np.array(rows)
    machine = SVC(C=1.0, decision_function_shape="ovr").fit(rows[learned], turns.labels[learned])
    said = trained(turns, "window", {"before": 2, "after": 1, "weight": 0.5, "C": 1.0}).ask(np.arange(len(rows)))
    np.testing.assert_allclose(said, machine.decision_function(rows), atol=2e-3)  # scaled in float32


@pytest.fixture
def corpus(tmp_path):
    """A corpus of frozen encoders with its turns, of which F comes before M in the dialogs' order and not in time."""
    made = Corpus(tmp_path, per_class=4, frozen=tuple(ENCODERS))
    rng = np.random.default_rng(3)
    table = {
        "turn_id": made.turns,
        "dialog": [turn[:-5].replace("impro03", "impro02") for turn in made.turns],  # also the turn of no class
        "speaker": [f"{turn[:5]}_{turn[-4]}" for turn in made.turns],
        "start_s": np.round(rng.random(len(made.turns)), 1) * 50,
        "label": [name or "xxx" for name in made.label],
    }
    write_parquet(tmp_path / "turns.parquet", pa.table(table))
    return made


def train(corpus, kind="context", changed=None, source=None, without=None, name="out", **options):
    """Run `train_system` on the fold of session 3; the path of what it wrote."""
    given = settings_of(kind, changed or {})
    system = named("mine", kind, ["text", "audio"])
    stores = {m: corpus.write_store(m, 3) for m in ("text", "audio")}
    source = source or Source(stores, {}, corpus.write_split(3))
    output = corpus.folder / f"{name}.parquet"
    training = Training(system, given, bool(options.get("folds")), 1, 1)
    train_system(training, corpus.folder / "turns.parquet", source, without or {}, output, **options)
    return output


def test_turns_stand_in_order_of_time_with_all_of_their_dialogs(corpus):
    stores = {"text": corpus.write_store("text", 3, left_out={corpus.turns[3]: "no words"})}
    turns = read_turns(corpus.folder / "turns.parquet", corpus.write_split(3), stores, {})
    known = {row["turn_id"]: row for row in read_parquet(corpus.folder / "turns.parquet").to_pylist()}
    assert sorted(turns.ids) == sorted(known)
    keys = [(known[turn]["dialog"], known[turn]["start_s"], turn) for turn in turns.ids]
    assert keys == sorted(keys)
    assert len(set(key[1] for key in keys if key[0] == keys[0][0])) < 8, "some start at once"
    x, _ = corpus.vectors("text")
    for row, turn in enumerate(turns.ids):
        there = turn != corpus.turns[3]
        assert turns.there["text"][row] == there
        np.testing.assert_array_equal(turns.vectors["text"][row], x[corpus.turns.index(turn)] * there)
        label = corpus.label[corpus.turns.index(turn)]
        assert turns.labels[row] == (CLASSES.index(label) if label else -1)


def test_sequences_are_read_by_turn(corpus):
    rng = np.random.default_rng(0)
    given = {turn: rng.normal(size=(rng.integers(1, 5), 3)).astype(np.float16) for turn in corpus.turns[5:]}
    path = corpus.folder / "steps.parquet"
    with sequences.writing(path, {"modality": "text", "frozen": "true"}, 3) as write:
        for turn, states in given.items():
            write(turn, states.astype(np.float32), None)
    turns = read_turns(corpus.folder / "turns.parquet", corpus.write_split(3), {}, {"text": path})
    for turn, states in zip(turns.ids, turns.steps["text"], strict=True):
        np.testing.assert_array_equal(states, given.get(turn, np.zeros((0, 3))))
    assert turns.widths == {"text": 3}


@pytest.mark.parametrize("kind", ["context", "window"])
def test_the_file_is_like_those_of_classifiers(corpus, kind):
    without = {corpus.turns[corpus.session.index(2)]: "audio: past_end", corpus.turns[0]: "audio: missing"}
    listed = {"width": [4, 8]} if kind == "context" else {"C": [0.1, 1.0], "weight": 1.0}
    path = train(corpus, kind, listed, without=without)
    frames, classes = read_splits([corpus.folder / "splits/session3.parquet"])
    folds, encoders = read_predictions([path], frames, classes, probabilities=True)
    [system] = encoders
    assert (system.name, system.kind, system.classifier, system.modalities) == (
        "mine",
        "named",
        kind,
        ("text", "audio"),
    )
    assert encoders[system] == "bert, wav2vec2"
    fold = folds["session3", 1]
    np.testing.assert_allclose(fold.probabilities["after"][system].sum(1), 1, atol=1e-5)
    metadata = read_metadata(path)
    assert json.loads(metadata["left_out"]) == without
    assert metadata["train_vectors"] == "in_sample"
    [said] = json.loads(metadata["systems"])
    key = next(iter(listed))
    assert said["settings"][key] in listed[key]
    assert path.read_bytes() == train(corpus, kind, listed, without=without, name="again").read_bytes()


def test_turns_of_no_class_follow_and_have_no_say(corpus):
    plain = read_parquet(train(corpus)).to_pandas()
    others = [
        turn
        for turn, name, session in zip(corpus.turns, corpus.label, corpus.session, strict=True)
        if not name and session == 3
    ]
    rows = read_parquet(train(corpus, unlabelled=others, name="more")).to_pandas()
    assert rows["turn_id"][len(plain) :].tolist() == others and set(rows["part"][len(plain) :]) == {"unlabelled"}
    assert rows["truth"][len(plain) :].isna().all() and rows["prob_ang"].notna().all()
    scores = [f"score_{name}" for name in CLASSES]
    np.testing.assert_allclose(rows[scores][: len(plain)], plain[scores], atol=1e-5)


def test_the_width_with_the_best_validation_wa_is_taken(corpus):
    scores = {}
    for width in (4, 16):
        rows = (
            read_parquet(train(corpus, changed={"width": width}, name=f"w{width}")).to_pandas().query("part == 'val'")
        )
        hits = rows["truth"] == rows["prediction"]
        scores[width] = hits.mean(), hits.groupby(rows["truth"]).mean().mean()
    [said] = json.loads(read_metadata(train(corpus, changed={"width": [4, 16]}))["systems"])
    assert scores[4] != scores[16], "or nothing is chosen"
    assert said["settings"]["width"] == max(scores, key=scores.get)


def test_refit_trains_for_the_epochs_that_were_chosen_and_says_the_test_turns(corpus):
    stores = {m: corpus.write_store(m, 3) for m in ("text", "audio")}
    anew = Source(stores, {}, corpus.write_split(3, suffix="-refit"))
    path = train(corpus, refit=anew)
    first, second = json.loads(read_metadata(path)["training"])
    assert first["epochs"] == second["epochs"] and second["losses"] == [[]]
    plain = read_parquet(train(corpus, name="plain")).to_pandas()
    refit = read_parquet(path).to_pandas()
    columns = [f"score_{name}" for name in CLASSES]
    same = (plain[columns] == refit[columns]).all(axis=1)
    assert same[plain["part"] == "val"].all() and not same[plain["part"] == "test"].any()


@pytest.mark.parametrize("kind", ["context", "window"])
def test_cross_fitted_encoders_each_have_a_system_of_their_own(corpus, kind):
    corpus.frozen = ()
    folds = []
    for session in (1, 4, 5):
        stores, trainings, split = corpus.write_source(3, suffix=f"-without{session}")
        folds.append(
            Source({m: stores[m] for m in ("text", "audio")}, {m: trainings[m] for m in ("text", "audio")}, split)
        )
    stores, trainings, split = corpus.write_source(3)
    own = Source({m: stores[m] for m in ("text", "audio")}, {m: trainings[m] for m in ("text", "audio")}, split)
    path = train(corpus, kind, {"C": 1.0, "weight": 1.0} if kind == "window" else {}, source=own, folds=folds)
    assert len(json.loads(read_metadata(path)["training"])) == 3
    rows = read_parquet(path).to_pandas()
    scores = rows[[f"score_{name}" for name in CLASSES]].to_numpy()
    np.testing.assert_allclose(np.exp(scores).sum(1), 1, atol=1e-5)
    assert set(json.loads(read_metadata(path)["stores"])) == {f"session3-without{session}" for session in (1, 4, 5)}


def test_vectors_that_know_the_test_part_are_refused(corpus):
    tuned = Corpus(corpus.folder, per_class=4)
    stores, trainings, _ = tuned.write_source(2)
    of_session_2 = Source({"text": stores["text"]}, {"text": trainings["text"]}, corpus.write_split(3))
    with pytest.raises(EmofuseError, match="Leak"):
        train(corpus, source=of_session_2)
    with pytest.raises(EmofuseError, match="not of a frozen encoder"):
        train(corpus, source=replace(of_session_2, trainings={}))


def test_the_run_leaves_out_what_classifiers_leave_out(tmp_path):
    manifests = {}
    for modality, status in (("text", {"a": "ok", "b": "no_words"}), ("audio", {"a": "ok", "b": "missing"})):
        path = tmp_path / f"{modality}.tsv"
        lines = "".join(f"{turn}\t{of}\t\t\t\tnote {turn}\n" for turn, of in status.items())
        path.write_text(f"turn\tstatus\tbytes\tframes\tchecksum\tnote\n{lines}", encoding="utf-8")
        manifests[modality] = [path]
    assert left_out(manifests, {}) == {"b": "text: no_words: note b; audio: missing: note b"}


def test_pairs_that_differ_in_reach_alone_are_compared():
    context = {"kind": "context", "encoders": {}, "width": 8}
    entries = {
        "none": context | {"direction": "none"},
        "both": context | {"direction": "both"},
        "past": context | {"direction": "past"},
        "wide": context | {"direction": "past", "width": 16},
        "svm": {"kind": "window", "before": 0, "after": 0},
        "svm-before": {"kind": "window", "before": 3, "after": 0},
        "svm-after": {"kind": "window", "before": 0, "after": 2},
        "six": {"kind": "attention"},
        "twin": {"kind": "attention"},
    }
    assert sorted(context_pairs(entries)) == [
        ("both", "none"), ("both", "past"), ("past", "none"), ("svm-after", "svm"), ("svm-before", "svm"),
    ]  # fmt: skip
    assert pairs_of([["audio", "text"]], ["text", "audio", "video"]) == [("audio", "text")]
    assert len(pairs_of("all", ["text", "audio", "video"])) == 6


MISTAKES = [
    ({"svm": {"kind": "context"}}, {}, "systems.svm: the name stands for another system or classifier"),
    ({"chosen": {"kind": "context"}}, {}, "systems.chosen: the name stands"),
    ({"text-rnn": {"kind": "context"}}, {}, "systems.text-rnn: names that begin with a modality"),
    (
        {"a": {"kind": "context", "encoders": {"text": "brt"}}},
        {},
        "no encoder 'brt' under encoders.text (did you mean 'bert'?)",
    ),
    (
        {"a": {"kind": "context"}},
        {"encoders": {"text": {"bert": {"frozen": False}}}},
        "bert is fine-tuned, so its vectors of",
    ),
    (
        {"a": {"kind": "levels"}},
        {"encoders": {"audio": {"wav2vec2": {"sequences": None}}}},
        "wav2vec2.sequences: {rate: 10}",
    ),
    ({"a": {"kind": "context", "encoders": {"motion": "capture"}}}, {}, "reads vectors, and motion has none"),
    (
        {"a": {"kind": "context", "encoders": {"video": "videomae"}}},
        {"fusion": {"text": "bert"}},
        "there is no video in fusion",
    ),
    ({"a": {"kind": "attention", "encoders": {"text": "bert"}}}, {}, "attention between modalities needs two"),
    ({"a": {"kind": "attention", "pairs": [["text", "motion"]]}}, {}, "[text, motion] are no two of its modalities"),
    ({"a": {"kind": "attention", "fusion": "end", "pairs": [["text", "audio"]]}}, {}, "nobody looks at anybody"),
    ({"a": {"kind": "attention", "width": [64, 30]}}, {}, "systems.a.width: 30 is no multiple of heads, 4"),
    ({"a": {"kind": "context"}}, {"validation": {"rule": "none"}}, "systems: they choose their epochs and settings on"),
]


def references():
    """The shipped config with the systems of the references."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    layer(config, yaml.safe_load((ROOT / "config/references.yaml").read_text(encoding="utf-8")))
    return config


def layer(config, other):
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            layer(config[key], value)
        else:
            config[key] = value


def test_the_systems_of_the_references_are_valid():
    config = references()
    check_config(config, load_schema(ROOT / "workflow/schemas/config.schema.yaml"))
    check_choices(config)
    assert config["systems"]["context-past"]["members"] == 3


@pytest.mark.parametrize("entries, changed, said", MISTAKES)
def test_mistakes_are_named_with_their_remedy(entries, changed, said):
    config = references()
    config["systems"] = entries
    fusion = changed.pop("fusion", None)
    layer(config, changed)
    config["fusion"] = fusion or config["fusion"]
    check_config(config, load_schema(ROOT / "workflow/schemas/config.schema.yaml"))
    with pytest.raises(EmofuseError) as caught:
        check_choices(config)
    assert said in str(caught.value)
