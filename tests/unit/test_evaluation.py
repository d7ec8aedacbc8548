import json

import numpy as np
import pandas as pd
import pytest
from evaluation_inputs import ALONE, BY_NAME, SYSTEMS, Run
from fusion_inputs import CLASSES, ENCODERS
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, precision_recall_fscore_support

from emofuse.evaluation.choice import best, choose
from emofuse.evaluation.folds import Fold
from emofuse.evaluation.measures import measure
from emofuse.evaluation.scores import ScoreFiles, evaluate
from emofuse.fusion.systems import System, candidates, full_fusions, named
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, read_parquet, read_tsv, write_parquet

NAMES = ("scores.parquet", "per_class.parquet", "confusion.parquet", "chosen.tsv", "chosen_predictions.parquet")


def evaluated(run, paths=None, folder="evaluation", **options):
    """Evaluate a Run, and return the five outputs as lists of dicts by name."""
    outputs = [run.corpus.folder / folder / name for name in NAMES]
    evaluate(paths or run.write(), run.splits, ScoreFiles(*outputs), **options)
    tables = {path.stem: read_parquet(path).to_pylist() for path in outputs if path.suffix == ".parquet"}
    return tables | {"chosen": read_tsv(outputs[3])}


def by_hand(truth, guess):
    """Scores by counting."""
    cells = np.array([[np.sum((truth == t) & (guess == p)) for p in CLASSES] for t in CLASSES])
    hits, support, said = np.diag(cells), cells.sum(axis=1), cells.sum(axis=0)
    f1 = [2 * h / (s + g) for h, s, g in zip(hits, support, said, strict=True) if s + g]
    recalls = [h / s for h, s in zip(hits, support, strict=True) if s]
    weighted = sum(2 * h / (s + g) * s for h, s, g in zip(hits, support, said, strict=True) if s) / len(truth)
    scores = {"n": len(truth), "wa": hits.sum() / len(truth), "ua": np.mean(recalls), "macro_f1": np.mean(f1)}
    return scores | {"weighted_f1": weighted}, cells


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def one(rows, **wanted):
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    assert len(found) == 1
    return found[0]


def test_measure_by_hand():
    truth = np.array([0] * 6 + [1] * 3 + [2] * 1)
    guess = np.array([0, 0, 0, 0, 1, 2, 1, 1, 0, 0])
    result = measure(truth, guess, 3)
    assert result["confusion"].tolist() == [[4, 1, 1], [1, 2, 0], [1, 0, 0]]
    assert result["wa"] == pytest.approx(0.6)
    assert result["ua"] == pytest.approx((4 / 6 + 2 / 3 + 0) / 3)
    assert result["precision"].tolist() == pytest.approx([4 / 6, 2 / 3, 0])
    assert result["f1"].tolist() == pytest.approx([8 / 12, 4 / 6, 0])
    assert result["macro_f1"] == pytest.approx((8 / 12 + 4 / 6) / 3)
    assert result["weighted_f1"] == pytest.approx(0.6 * 8 / 12 + 0.3 * 4 / 6)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_measures_are_those_of_sklearn():
    rng = np.random.default_rng(3)
    for size in (1, 5, 40, 400):
        truth, guess = rng.integers(0, 4, size), rng.integers(0, 5, size)
        result = measure(truth, guess, 5)
        assert result["wa"] == pytest.approx(accuracy_score(truth, guess))
        assert result["ua"] == pytest.approx(balanced_accuracy_score(truth, guess))
        assert result["macro_f1"] == pytest.approx(f1_score(truth, guess, average="macro"))
        assert result["weighted_f1"] == pytest.approx(f1_score(truth, guess, average="weighted"))
        by_class = precision_recall_fscore_support(truth, guess, labels=range(5), zero_division=np.nan)
        for name, expected in zip(("precision", "recall", "f1", "support"), by_class, strict=True):
            np.testing.assert_allclose(result[name], expected)


def test_classes_that_are_not_there():
    """Class 1 is never predicted, class 2 has no turn but is predicted once, class 3 has neither."""
    result = measure(np.array([0, 0, 0, 1]), np.array([0, 0, 2, 0]), 4)
    assert result["ua"] == pytest.approx((2 / 3 + 0) / 2)
    np.testing.assert_allclose(result["recall"], [2 / 3, 0, np.nan, np.nan])
    np.testing.assert_allclose(result["precision"], [2 / 3, np.nan, 0, np.nan])
    np.testing.assert_allclose(result["f1"], [2 / 3, 0, 0, np.nan])
    assert result["macro_f1"] == pytest.approx(2 / 9)
    assert result["weighted_f1"] == pytest.approx(0.75 * 2 / 3)


def test_scores_of_every_fold_and_pooled(run):
    result = evaluated(run)
    folds = ["session1", "session2", "session3"]
    assert len(result["scores"]) == (len(SYSTEMS) + 3) * 4 * 2
    assert [row["system"] for row in result["scores"][::2][: len(SYSTEMS) + 3]] == [
        *(system.name for system in SYSTEMS),
        "majority",
        "scenario",
        "chosen",
    ]
    for system in SYSTEMS[::7]:
        for part in ("val", "test"):
            each = {split: run.rows(system.name, split, 1, part) for split in folds}
            each["pooled"] = tuple(np.concatenate(column) for column in zip(*each.values(), strict=True))
            for split, (truth, guess) in each.items():
                key = {"system": system.name, "split": split, "seed": 1, "part": part}
                scores, cells = by_hand(truth, guess)
                row = one(result["scores"], **key)
                assert {name: row[name] for name in scores} == pytest.approx(scores)
                assert (row["kind"], row["combination"], row["classifier"]) == (
                    system.kind,
                    system.combination,
                    system.classifier,
                )
                for i, name in enumerate(CLASSES):
                    row = one(result["per_class"], **key, **{"class": name})
                    assert row["support"] == cells[i].sum()
                    assert row["recall"] == pytest.approx(cells[i, i] / cells[i].sum())
                    said = cells[:, i].sum()
                    assert row["precision"] == (pytest.approx(cells[i, i] / said) if said else None)
                    for j, other in enumerate(CLASSES):
                        assert one(result["confusion"], **key, truth=name, prediction=other)["count"] == cells[i, j]


def test_by_wa_the_final_system_is_the_fusion_with_the_best_one_on_validation(run):
    result = evaluated(run, final_system="validation_wa")
    fused = [system.name for system in full_fusions(SYSTEMS)]
    for split in ("session1", "session2", "session3"):
        val = {name: by_hand(*run.rows(name, split, 1, "val"))[0] for name in fused}
        best = max(fused, key=lambda name: (val[name]["wa"], val[name]["ua"], -fused.index(name)))
        row = one(result["chosen"], split=split)
        assert (row["seed"], row["system"]) == ("1", best)
        test = by_hand(*run.rows(best, split, 1, "test"))[0]
        assert [float(row[key]) for key in ("val_wa", "val_ua", "test_wa", "test_ua")] == pytest.approx(
            [val[best]["wa"], val[best]["ua"], test["wa"], test["ua"]], abs=1e-6
        )
        scores = one(result["scores"], system="chosen", split=split, part="test")
        assert (scores["wa"], scores["kind"]) == (pytest.approx(test["wa"]), "chosen")
        rows = [row for row in result["chosen_predictions"] if row["split"] == split]
        assert {row["turn_id"]: row["prediction"] for row in rows} == {
            turn: guess
            for turn, guess in run.guess[best, split, 1].items()
            if run.corpus.parts(int(split[-1]))[turn] == "test"
        }
        assert all(row["truth"] == run.truth[row["turn_id"]] for row in rows)


def test_the_final_system_is_chosen_on_validation(run):
    result = evaluated(run)
    names = [system.name for system in candidates(SYSTEMS)]
    for split in ("session1", "session2", "session3"):
        row = one(result["chosen"], split=split)
        assert row["system"] == run.choice(names, split, 1)
        assert row["single"] == run.choice(ALONE, split, 1)
        test = by_hand(*run.rows(row["single"], split, 1, "test"))[0]
        assert [float(row[key]) for key in ("single_wa", "single_ua")] == pytest.approx(
            [test["wa"], test["ua"]], abs=1e-6
        )


PLAIN = System("audio-wav2vec2", "single", "", "argmax", ("audio",))
AVERAGE = System("late-sum-argmax", "late", "sum", "argmax", ("text", "audio"))
TRAINED = System("early-sum-svm", "early", "sum", "svm", ("text", "audio"))
OTHER = System("late-sum-svm", "late", "sum", "svm", ("text", "audio"))


def choice(**sure):
    """What is chosen of systems by the probability that each gives to the right one of two classes, in eight turns of four
    dialogs."""
    systems = {"plain": PLAIN, "average": AVERAGE, "trained": TRAINED, "other": OTHER}
    turns = np.array([f"Ses01F_impro0{i // 2}_F{i % 2:03}" for i in range(8)])
    made = Fold(turns, np.array(["val"] * 8), np.array([0, 1] * 4))
    for name, of_right in sure.items():
        of_right = np.broadcast_to(np.array(of_right, float), 8)
        both = np.stack([of_right, 1 - of_right], axis=1)
        both[1::2] = both[1::2, ::-1]
        made.predictions[systems[name]] = both.argmax(axis=1)
        made.probabilities["after"][systems[name]] = both
    frame = pd.DataFrame({"dialog": [turn[:-5] for turn in turns]}, index=turns)
    return choose(made, list(made.predictions), frame)


def test_a_trained_classifier_is_only_chosen_where_it_is_better_beyond_doubt():
    steady = [0.7, 0.7, 0.75, 0.7, 0.7, 0.65, 0.7, 0.7]
    lucky = [0.99, 0.99, 0.65, 0.65, 0.65, 0.65, 0.65, 0.65]  # in one dialog, which gives it the best mean of all
    assert choice(plain=0.6, trained=steady) == TRAINED
    assert choice(plain=0.6, trained=lucky) == PLAIN
    assert choice(plain=0.6, trained=lucky, other=steady) == OTHER
    assert choice(plain=0.6, trained=[0.6] * 8) == PLAIN
    assert choice(trained=lucky, other=steady) == TRAINED  # nothing else there: the least loss


def test_what_learns_nothing_is_chosen_by_log_loss_and_not_by_hits():
    hits = [0.51] * 7 + [0.01]  # right seven times of eight, and once very sure of what is wrong
    assert choice(plain=hits, average=[0.9] * 6 + [0.4] * 2) == AVERAGE
    assert choice(plain=0.6, average=0.6) == PLAIN  # equals: the first in order


def test_a_system_that_cannot_be_calibrated_is_not_chosen_where_another_can():
    made = fold({PLAIN: (0, 0, 0, 1), AVERAGE: (0, 0, 0, 0)})
    made.probabilities["after"][AVERAGE] = np.full((4, 2), 0.5)
    frame = pd.DataFrame({"dialog": list("ddee")}, index=list("abcd"))
    assert choose(made, [PLAIN, AVERAGE], frame) == AVERAGE
    assert choose(fold({AVERAGE: (0, 0, 0, 1), PLAIN: (0, 0, 0, 0)}), [AVERAGE, PLAIN], frame) == PLAIN


def test_the_test_part_takes_no_part_in_the_choice(run):
    before = evaluated(run)
    for (name, split, seed), guess in run.guess.items():
        parts = run.corpus.parts(int(split[-1]))
        winner = name == "late-product-argmax"  # perfect on every test turn, all others always wrong there
        for turn in guess:
            if parts[turn] == "test":
                wrong = CLASSES[(CLASSES.index(run.truth[turn]) + 1) % 4]
                run.guess[name, split, seed][turn] = run.truth[turn] if winner else wrong
    after = evaluated(run)
    picked = [[row["system"] for row in result["chosen"]] for result in (before, after)]
    assert picked[0] == picked[1]
    assert one(after["scores"], system="late-product-argmax", split="pooled", part="test")["wa"] == 1


def fold(guesses, part="val"):
    """A Fold of four turns, from {system: guesses}."""
    truth = np.array([0, 0, 0, 1])
    return Fold(np.array(list("abcd")), np.array([part] * 4), truth, {s: np.array(g) for s, g in guesses.items()})


def test_choice_refuses_turns_that_are_not_validation():
    with pytest.raises(EmofuseError, match=r"Leak: "):
        choose(fold({OTHER: (0, 0, 0, 0)}, "test"), [OTHER], None)


def test_equals_are_decided_by_ua_and_then_by_order():
    first, second, third = (
        System("early-sum-svm", "early", "sum", "svm", ("text", "audio")),
        System("early-concat-mlp", "early", "concat", "mlp", ("text", "audio")),
        System("late-sum-argmax", "late", "sum", "argmax", ("text", "audio")),
    )

    def chosen(guesses):
        return best(fold(guesses), guesses)

    low, high = (0, 0, 0, 0), (0, 0, 1, 1)  # wa 3/4 and 3/4, ua 1/2 and 5/6
    assert chosen({first: low, second: high, third: low}) == second
    assert chosen({third: low, second: low, first: low}) == first


@pytest.mark.parametrize("rule", ["validation", "validation_wa"])
def test_a_subset_or_a_substitute_is_no_candidate(run, rule):
    """However good they are: the final system is a single modality or fuses all."""
    for (name, _, _), guess in run.guess.items():
        if BY_NAME[name] not in candidates(SYSTEMS):
            guess.update({turn: run.truth[turn] for turn in guess})
    chosen = {BY_NAME[row["system"]] for row in evaluated(run, final_system=rule)["chosen"]}
    assert chosen <= set(candidates(SYSTEMS) if rule == "validation" else full_fusions(SYSTEMS))
    # Single modalities; early and late fusion by sum, product and concatenation; two of argmax.
    assert len(candidates(SYSTEMS)) == 3 + 8
    # A named system that reads motion has more modalities than any fusion, and is a candidate beside them.
    motion = named("motion", "convolution", (*ENCODERS, "motion"))
    assert candidates([*SYSTEMS, motion]) == [*candidates(SYSTEMS), motion]


def test_the_scenario_baseline_says_the_majority_of_the_turns_scenario(run):
    path = run.splits[1]
    frame = read_parquet(path).to_pandas()
    training = frame[frame.part == "train"]
    result = evaluated(run)
    majority = training["class"].value_counts().sort_index().idxmax()
    hits = []
    for _, turn in frame[frame.part == "test"].iterrows():
        same = training[training.scenario == turn.scenario]["class"].value_counts().sort_index()
        hits.append(turn["class"] == (same.idxmax() if len(same) else majority))
    row = one(result["scores"], system="scenario", split="session2", part="test")
    assert (row["wa"], row["kind"]) == (pytest.approx(np.mean(hits)), "baseline")


def test_majority_is_that_of_the_training_part(run):
    """Most training turns of session2's split become sad, all its test turns neutral."""
    parts = run.corpus.parts(2)
    labels = {}
    for turn, name in run.truth.items():
        if parts[turn] == "train" and name == "hap" and turn[-3:] > "008":
            labels[turn] = "sad"
    run.corpus.write_split(2, labels=labels)
    result = evaluated(run)
    guesses = {
        row["prediction"]
        for row in result["confusion"]
        if row["system"] == "majority" and row["split"] == "session2" and row["count"]
    }
    assert guesses == {"sad"}
    row = one(result["scores"], system="majority", split="session2", part="test")
    assert (row["wa"], row["ua"], row["kind"]) == (0.25, 0.25, "baseline")
    # elsewhere all classes are as frequent, and the first one is taken
    assert one(result["per_class"], system="majority", split="session1", part="test", **{"class": "ang"})["recall"] == 1


def test_seeds_are_kept_apart(tmp_path):
    run = Run(tmp_path, sessions=(1, 2), seeds=(1, 7))
    result = evaluated(run)
    assert [(row["split"], row["seed"]) for row in result["chosen"]] == [
        ("session1", "1"),
        ("session1", "7"),
        ("session2", "1"),
        ("session2", "7"),
    ]
    for seed in (1, 7):
        pooled = [run.rows("late-sum-svm", split, seed, "test") for split in ("session1", "session2")]
        truth, guess = (np.concatenate(column) for column in zip(*pooled, strict=True))
        row = one(result["scores"], system="late-sum-svm", split="pooled", seed=seed, part="test")
        assert row["wa"] == pytest.approx(np.mean(truth == guess))


def test_the_order_of_the_files_does_not_matter(run):
    paths = run.write()
    evaluated(run, sorted(paths), folder="one")
    evaluated(run, sorted(paths, reverse=True), folder="two")
    for name in NAMES:
        assert (run.corpus.folder / "one" / name).read_bytes() == (run.corpus.folder / "two" / name).read_bytes()


def test_without_validation_the_final_system_must_be_named(tmp_path):
    run = Run(tmp_path, validation=False)
    with pytest.raises(EmofuseError, match=r"No validation part in session1, session2, session3.*final_system: one of"):
        evaluated(run)
    result = evaluated(run, final_system="early-concat-svm")
    assert {row["system"] for row in result["chosen"]} == {"early-concat-svm"}
    assert {(row["val_wa"], row["val_ua"]) for row in result["chosen"]} == {("", "")}
    assert {row["part"] for row in result["scores"]} == {"test"}


def test_a_named_final_system_is_taken_everywhere(run):
    result = evaluated(run, final_system="text-bert")
    assert [row["system"] for row in result["chosen"]] == ["text-bert"] * 3
    with pytest.raises(EmofuseError, match=r"No system is named 'early-conat-svm'.*Did you mean early-concat-svm"):
        evaluated(run, final_system="early-conat-svm")


def test_missing_and_second_files_are_listed(run):
    paths = run.write(without=[("late-sum-svm", "session2", 1), ("text-bert", "session3", 1)])
    with pytest.raises(EmofuseError) as caught:
        evaluated(run, paths)
    assert "session2, seed 1: no predictions of late-sum-svm" in str(caught.value)
    assert "session3, seed 1: no predictions of text-bert" in str(caught.value)
    with pytest.raises(EmofuseError, match="a second file of"):
        evaluated(run, [*run.write(), run.path("argmax", "session1", 1)])


def test_predictions_of_other_turns_are_refused(run):
    turn = sorted(run.guess["late-sum-svm", "session2", 1])[-1]
    for (name, split, _), guess in run.guess.items():
        if BY_NAME[name].classifier == "svm" and split == "session2":
            del guess[turn]
    with pytest.raises(EmofuseError, match=rf"session2, seed 1, .*svm.*: not the split's turns.*{turn}"):
        evaluated(run)


def test_systems_of_one_file_speak_of_the_same_turns(run):
    run.guess["late-sum-svm", "session2", 1].popitem()
    with pytest.raises(EmofuseError, match=r"session2, seed 1, .*: its rows are not those of its systems"):
        evaluated(run)


def test_predictions_with_other_truth_are_refused(run):
    paths = run.write()
    turn = next(iter(run.guess["text-bert", "session1", 1]))
    run.corpus.write_split(1, labels={turn: "sad" if run.truth[turn] != "sad" else "ang"})
    with pytest.raises(EmofuseError, match=f"session1, seed 1, .*part or class is not the split's: 1 turn .{turn}"):
        evaluated(run, paths)


def test_left_out_turns_may_be_missing_but_for_all_alike(run):
    turn = next(iter(run.guess["text-bert", "session1", 1]))
    run.guess = {key: guess for key, guess in run.guess.items() if key[1] == "session1"}
    run.splits = run.splits[:1]
    paths = run.write(left_out={turn: "no video"})
    assert one(evaluated(run, paths)["scores"], system="text-bert", split="pooled", part="val")["n"] == 20 - (
        run.corpus.parts(1)[turn] == "val"
    )
    run.write(classifiers=["svm"])  # this one leaves nothing out
    with pytest.raises(EmofuseError, match="other turns are left out than from the other classifiers"):
        evaluated(run, paths)


def test_a_turn_tested_in_two_splits_is_refused(run):
    """The selection's split and the fold of the same test session are not of one protocol's five."""
    path = run.corpus.write_split(1)
    metadata = {key.decode(): value.decode() for key, value in read_parquet(path).schema.metadata.items()}
    again = run.corpus.folder / "splits/selection1.parquet"
    write_parquet(again, read_parquet(path), metadata | {"split": "selection1"})
    run.splits.append(again)
    for (name, split, seed), guess in list(run.guess.items()):
        if split == "session1":
            run.guess[name, "selection1", seed] = guess
    with pytest.raises(EmofuseError, match="seed 1: tested in more than one split: 20 turns"):
        evaluated(run)


def test_splits_of_other_classes_are_refused(run):
    run.corpus.write_split(2, classes=["ang", "hap", "sad"])
    with pytest.raises(EmofuseError, match="have the same classes"):
        evaluated(run)


def test_the_best_on_test_is_one_system_for_all_folds_of_a_seed(tmp_path):
    run = Run(tmp_path, seeds=(1, 2))
    result = evaluated(run, final_system="test")
    for seed in (1, 2):
        pooled = {}
        for system in candidates(SYSTEMS):
            pairs = [run.rows(system.name, f"session{k}", seed, "test") for k in run.sessions]
            pooled[system.name] = np.mean(np.concatenate([truth == guess for truth, guess in pairs]))
        chosen = {row["system"] for row in result["chosen"] if row["seed"] == str(seed)}
        assert len(chosen) == 1 and pooled[chosen.pop()] == max(pooled.values())


def test_encoders_of_a_system_are_the_same_everywhere(run):
    paths = run.write()
    assert {row["encoders"] for row in evaluated(run, paths)["scores"] if row["system"] == "late-sum-svm"} == {
        "bert, wav2vec2, videomae"
    }
    path = run.path("svm", "session2", 1)
    facts = json.loads(read_metadata(path)["systems"])
    facts[0]["encoders"] = {"text": "roberta"}
    write_parquet(path, read_parquet(path), read_metadata(path) | {"systems": json.dumps(facts)})
    with pytest.raises(EmofuseError, match=r"the encoders of .* are roberta, and elsewhere"):
        evaluated(run, paths)
