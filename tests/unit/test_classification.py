"""What classify writes, against the same made by NumPy, scikit-learn and XGBoost alone."""

import itertools
import json

import numpy as np
import pytest
from fusion_inputs import CLASSES, ENCODERS, Corpus
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from xgboost import XGBClassifier

from emofuse.fusion.calibration import fit_sigmoid
from emofuse.fusion.classification import Source, classify
from emofuse.fusion.ensemble import Method
from emofuse.fusion.systems import systems_of
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, read_parquet
from emofuse.splits.speakers import speaker_folds

SETTINGS = {
    "argmax": {},
    "svm": {"C": 1.0, "gamma": "scale"},
    "xgboost": {"n_estimators": 4, "max_depth": 3, "learning_rate": 0.3, "max_bin": 16},
    "mlp": {"width": 6, "alpha": 1e-4, "learning_rate": 1e-2, "max_iter": 20},
}
TRAINED = ("svm", "xgboost", "mlp")
VECTORS = ("in_sample", "validation", "cross_fitted")
ALL = ("text", "audio", "video")
TWO = {"text": "bert", "video": "videomae"}
SUBSETS = [subset for size in (1, 2, 3) for subset in itertools.combinations(ALL, size)]
EARLY = ["sum", "product", "concat"]


@pytest.fixture
def corpus(tmp_path):
    return Corpus(tmp_path)


def run(corpus, classifier, vectors="in_sample", source=None, folder="one", settings=None, early=EARLY, **options):
    """Classify split session2; (table as pandas, metadata, {system: what the metadata says of it}, path)."""
    labels = options.pop("labels", ENCODERS)
    threads = options.pop("threads", 1)
    if vectors == "cross_fitted":
        folds = options.get("folds") or [corpus.write_source(2, suffix=f"-without{k}") for k in (3, 4, 5)]
        options["folds"] = [only(labels, fold) for fold in folds]
    output = corpus.folder / folder / f"{classifier}.parquet"
    settings = SETTINGS[classifier] if settings is None else settings
    if "refit" in options:
        options["refit"] = Source(*options["refit"])
    method = Method(classifier, settings, early, vectors, seed=1, threads=threads)
    classify(only(labels, source or corpus.write_source(2)), labels, method, output, **options)
    metadata = read_metadata(output)
    described = {system["name"]: system for system in json.loads(metadata["systems"])}
    return read_parquet(output).to_pandas(), metadata, described, output


def only(labels, source):
    """A source of the modalities in `labels` alone."""
    stores, trainings, split = source
    return Source({m: stores[m] for m in labels}, {m: trainings[m] for m in labels}, split)


def of(table, system, part=None):
    rows = table[table.system == system]
    return rows if part is None else rows[rows.part == part]


def columns(table, prefix):
    return table[[f"{prefix}_{name}" for name in CLASSES]].to_numpy(np.float64)


def softmax(x):
    powers = np.exp(x.astype(float) - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


class Plain:
    """The arrays of one split, by hand: turns in the order of their ids."""

    def __init__(self, corpus, suffix=""):
        parts = corpus.parts(2, suffix=suffix)
        self.turns = sorted(parts)
        rows = [corpus.turns.index(turn) for turn in self.turns]
        self.part = np.array([parts[turn] for turn in self.turns])
        self.truth = np.array([corpus.label[row] for row in rows])
        self.codes = np.array([CLASSES.index(name) for name in self.truth])
        self.dialog = np.array([turn[:-5] for turn in self.turns])
        both = {modality: corpus.vectors(modality, suffix=suffix) for modality in ENCODERS}
        self.embeddings = {modality: e[rows].astype(float) for modality, (e, _) in both.items()}
        self.logits = {modality: x[rows].astype(float) for modality, (_, x) in both.items()}
        self.asked = np.isin(self.part, ["val", "test"])

    def early(self, learned):
        return {m: StandardScaler().fit(x[learned]).transform(x) for m, x in self.embeddings.items()}

    def late(self, fitted):
        return {m: softmax(x / temperature(x[fitted], self.codes[fitted])) for m, x in self.logits.items()}


def temperature(logits, codes):
    """By a fine grid: the temperature with the least cross-entropy."""
    grid = np.geomspace(0.1, 10, 20001)
    scaled = logits[None] / grid[:, None, None]
    own = np.take_along_axis(scaled, codes[None, :, None], axis=2)[..., 0]
    return grid[(np.log(np.exp(scaled).sum(axis=2)) - own).mean(axis=1).argmin()]


def fuse(vectors, how, missing="", learned=None):
    vectors = [
        x
        if m != missing
        else np.ones_like(x)
        if how == "product"
        else np.broadcast_to(x[learned].mean(axis=0), x.shape)
        for m, x in vectors.items()
    ]
    return {"sum": sum, "product": lambda x: np.prod(x, axis=0), "concat": np.hstack}[how or "concat"](vectors)


@pytest.mark.parametrize("classifier", SETTINGS)
@pytest.mark.parametrize("vectors", VECTORS)
def test_the_file_follows_the_contract(corpus, classifier, vectors):
    table, metadata, described, _ = run(corpus, classifier, vectors)
    known = systems_of(classifier, ENCODERS)
    plain = Plain(corpus)
    turns = [turn for turn, asked in zip(plain.turns, plain.asked, strict=True) if asked]
    assert len(known) == (11 if classifier == "argmax" else 48)
    assert table.system.tolist() == [system.name for system in known for _ in turns]
    assert table.turn_id.tolist() == turns * len(known)
    assert table.part.tolist() == plain.part[plain.asked].tolist() * len(known)
    assert table.truth.tolist() == plain.truth[plain.asked].tolist() * len(known)
    prefixed = [f"{prefix}_{name}" for prefix in ("score", "prob") for name in CLASSES]
    assert table.columns.tolist() == ["system", "turn_id", "part", "truth", "prediction", *prefixed]
    assert {str(kind) for kind in table[prefixed].dtypes} == {"float32"}
    assert np.isfinite(table[prefixed]).all(axis=None)
    np.testing.assert_allclose(columns(table, "prob").sum(axis=1), 1, atol=1e-5)
    assert list(described) == [system.name for system in known]
    for system in known:
        said = described[system.name]
        kind = (said["kind"], said["combination"], said["classifier"], said["missing"])
        assert kind == (system.kind, system.combination, classifier, system.missing)
        assert said["modalities"] == list(system.modalities)
        assert said["encoders"] == {modality: ENCODERS[modality] for modality in system.modalities}
        assert said["settings"] == SETTINGS[classifier]
        sigmoid = classifier == "svm" and vectors != "cross_fitted"
        assert said["calibration"]["method"] == ("sigmoid" if sigmoid else "temperature")
        scores, probabilities = columns(of(table, system.name), "score"), columns(of(table, system.name), "prob")
        if sigmoid:
            slopes, intercepts = (np.array(said["calibration"][key]) for key in ("slopes", "intercepts"))
            expected = 1 / (1 + np.exp(-(scores * slopes + intercepts)))
            expected /= expected.sum(axis=1, keepdims=True)
        else:
            expected = softmax(scores / said["calibration"]["temperature"])
            predictions = [CLASSES[index] for index in scores.argmax(axis=1)]
            assert of(table, system.name).prediction.tolist() == predictions
        np.testing.assert_allclose(probabilities, expected, atol=1e-4)
    found = (metadata["split"], metadata["seed"], metadata["protocol"], metadata["train_vectors"], metadata["refit"])
    assert found == ("session2", "1", "session", vectors, "false")
    assert json.loads(metadata["classes"]) == CLASSES and metadata["left_out"] == "{}"
    crossed = vectors == "cross_fitted" and classifier != "argmax"
    stores = json.loads(metadata["stores"])
    assert list(stores) == ["session2", *(f"session2-without{k}" for k in (3, 4, 5) if crossed)]
    assert len({store["checkpoint"] for encoders in stores.values() for store in encoders.values()}) == 3 * len(stores)


def test_argmax_by_hand(corpus):
    """Also that late fusion tempers each modality first."""
    table, _, described, _ = run(corpus, "argmax")
    plain = Plain(corpus)
    tempered = {m: p[plain.asked] for m, p in plain.late(plain.part == "val").items()}
    for modality, name in ENCODERS.items():
        system = f"{modality}-{name}"
        logits = plain.logits[modality]
        np.testing.assert_allclose(columns(of(table, system), "score"), logits[plain.asked], rtol=1e-6)
        np.testing.assert_allclose(columns(of(table, system), "prob"), tempered[modality], atol=1e-3)
        found = described[system]["calibration"]["temperature"]
        val = plain.part == "val"
        assert found == pytest.approx(temperature(logits[val], plain.codes[val]), rel=1e-3)
        assert abs(found - 1) > 0.05
    for subset in SUBSETS[3:]:
        prefix = "" if len(subset) == 3 else f"{'+'.join(subset)}."
        each = [tempered[modality] for modality in subset]
        product = np.prod(each, axis=0)
        for how, expected in (("sum", np.mean(each, axis=0)), ("product", product / product.sum(1, keepdims=True))):
            rows = of(table, f"{prefix}late-{how}-argmax")
            np.testing.assert_allclose(softmax(columns(rows, "score")), expected, atol=1e-3)
            assert (rows.prediction == np.array(CLASSES)[expected.argmax(axis=1)]).mean() > 0.99
    np.testing.assert_allclose(
        np.exp(columns(of(table, "late-sum-argmax"), "score")), np.mean(list(tempered.values()), axis=0), atol=1e-3
    )


def test_svm_of_every_subset_and_without_a_modality_by_hand(corpus):
    """The whole way again with sklearn's own RBF kernel: 30 systems and the 18 with something in a modality's place."""
    table, *_ = run(corpus, "svm")
    plain = Plain(corpus)
    train = plain.part == "train"
    seen = set()
    for kind, scaled in (("early", plain.early(train)), ("late", plain.late(plain.part == "val"))):
        for subset in SUBSETS:
            vectors = {modality: scaled[modality] for modality in subset}
            for how in EARLY if len(subset) > 1 else [""]:
                x = fuse(vectors, how)
                reference = SVC().fit(x[train], plain.truth[train])
                stem = "-".join(filter(None, (kind, how, "svm")))
                name = stem if len(subset) == 3 else f"{'+'.join(subset)}.{stem}"
                asked = {name: x}
                if len(subset) == 3:
                    asked |= {f"{name}.no-{gone}": fuse(vectors, how, gone, train) for gone in ALL}
                for system, rest in asked.items():
                    seen.add(system)
                    scores = reference.decision_function(rest[plain.asked])
                    np.testing.assert_allclose(columns(of(table, system), "score"), scores, atol=2e-3)
                    agreement = of(table, system).prediction == reference.predict(rest[plain.asked])
                    assert agreement.mean() > 0.98, system
    assert seen == set(table.system) and len(seen) == 48


@pytest.mark.parametrize("kind", ["early", "late"])
def test_validation_vectors_by_hand(corpus, kind):
    """What is said of a validation turn was learned from the validation part's other speakers."""
    table, *_ = run(corpus, "svm", "validation")
    plain = Plain(corpus)
    val, test = (np.flatnonzero(plain.part == part) for part in ("val", "test"))
    speaker = np.array([f"{turn[:5]}_{turn[-4]}" for turn in plain.turns])
    groups = len(set(speaker[val]))
    folds = StratifiedGroupKFold(groups).split(val, plain.codes[val], speaker[val])
    pairs = [(val[learned], val[asked]) for learned, asked in folds]
    assert groups == 2 and sum(len(asked) for _, asked in pairs) == len(val)
    said = {}
    for learned, asked in [*pairs, (val, test)]:
        assert not set(speaker[learned]) & set(speaker[asked])
        x = fuse(plain.early(learned) if kind == "early" else plain.late(learned), "concat")
        reference = SVC().fit(x[learned], plain.truth[learned])
        scores = reference.decision_function(x[asked])
        said |= dict(zip(np.array(plain.turns)[asked], scores, strict=True))
    rows = of(table, f"{kind}-concat-svm")
    np.testing.assert_allclose(columns(rows, "score"), [said[turn] for turn in rows.turn_id], atol=5e-3)


@pytest.mark.parametrize("classifier", ["svm", "xgboost"])
def test_cross_fitted_vectors_by_hand(corpus, classifier):
    """Early: the mean over encoders, each with a classifier of its held turns. Late: all held turns teach one."""
    table, *_ = run(corpus, classifier, "cross_fitted")
    folds = [Plain(corpus, f"-without{k}") for k in (3, 4, 5)]
    assert [sorted(set(fold.part)) for fold in folds] == [["held", "test", "train", "val"]] * 3

    def machine():
        return (
            SVC() if classifier == "svm" else XGBClassifier(**SETTINGS["xgboost"], tree_method="hist", base_score=0.5)
        )

    def probable(fold, fitted, x):
        if classifier == "xgboost":
            return fitted.predict_proba(x[fold.asked])
        sigmoid = fit_sigmoid(fitted.decision_function(x[fold.part == "val"]), fold.codes[fold.part == "val"])
        return sigmoid.apply(fitted.decision_function(x[fold.asked]))

    for how, missing in (("concat", ""), ("sum", ""), ("product", ""), *([("sum", "text")] * (classifier != "svm"))):
        early, held_late, late = [], [], []
        for fold in folds:
            held = fold.part == "held"
            scaled = fold.early(held)
            fitted = machine().fit(fuse(scaled, how)[held], fold.codes[held])
            early.append(probable(fold, fitted, fuse(scaled, how, missing, held)))
            held_late.append({m: p[held] for m, p in fold.late(fold.part == "val").items()})
        pooled = {m: np.concatenate([each[m] for each in held_late]) for m in ENCODERS}
        codes = np.concatenate([fold.codes[fold.part == "held"] for fold in folds])
        fitted = machine().fit(fuse(pooled, how), codes)
        for fold in folds:
            outputs = {m: np.concatenate([p, pooled[m]]) for m, p in fold.late(fold.part == "val").items()}
            late.append(
                probable(fold, fitted, fuse(outputs, how, missing, slice(len(fold.turns), None))[: len(fold.turns)])
            )
        for kind, each in (("early", early), ("late", late)):
            rows = of(table, f"{kind}-{how}-{classifier}" + (missing and f".no-{missing}"))
            # Trees part where a value falls on the other side of a threshold by the temperature's last digits.
            off = np.abs(softmax(columns(rows, "score")) - np.mean(each, axis=0)).max(axis=1)
            assert np.mean(off < 2e-3) > 0.95, (kind, how, missing)
            expected = np.array(CLASSES)[np.mean(each, axis=0).argmax(axis=1)]
            assert (rows.prediction == expected).mean() > 0.95


def spoil(parts_spoiled):
    def change(turns, parts, embeddings, logits):
        rows = np.isin(parts, parts_spoiled)
        embeddings[rows] = 77 + np.arange(rows.sum())[:, None] % 3
        logits[rows] = np.arange(rows.sum())[:, None] % 5 * [1, -1, 2, 0]

    return change


def spoiled_source(corpus, parts, suffix="", shuffle=None):
    """A source with garbage for the vectors of some parts, and the classes of the part `shuffle` dealt out anew."""
    stores = {m: corpus.write_store(m, 2, change=spoil(parts), suffix=suffix) for m in ENCODERS}
    turns = sorted(turn for turn, part in corpus.parts(2, suffix=suffix).items() if part == shuffle)
    truth = [corpus.label[corpus.turns.index(turn)] for turn in turns]
    labels = dict(zip(turns, truth[1:] + truth[:1], strict=True))
    return stores, corpus.write_trainings(2, suffix=suffix), corpus.write_split(2, labels=labels, suffix=suffix)


CANDIDATES = {
    "svm": {"C": [0.1, 3.0], "gamma": ["scale", 0.5]},
    "xgboost": {"n_estimators": [1, 4], "max_depth": [1, 3]},
    "mlp": {"width": [2, 6], "max_iter": 15},
}


@pytest.mark.parametrize(("classifier", "vectors"), [*itertools.product(["svm"], VECTORS), ("xgboost", "in_sample")])
def test_the_test_part_has_no_say(corpus, classifier, vectors):
    """Garbage vectors and shuffled classes of the test part leave choices, calibration and validation rows as they were."""
    settings = CANDIDATES[classifier]
    before, _, described, _ = run(corpus, classifier, vectors, settings=settings, labels=TWO)
    folds = [spoiled_source(corpus, ["test"], f"-without{k}", "test") for k in (3, 4, 5)]
    source = spoiled_source(corpus, ["test"], shuffle="test")
    after, _, anew, _ = run(corpus, classifier, vectors, source, "two", settings, folds=folds, labels=TWO)
    assert anew == described
    assert len({json.dumps(system["settings"]) for system in described.values()}) > 1
    assert after[after.part == "val"].equals(before[before.part == "val"])
    assert not after[after.part == "test"].equals(before[before.part == "test"])


@pytest.mark.parametrize("vectors", ["validation", "cross_fitted"])
def test_turns_that_an_encoder_was_trained_on_have_no_say(corpus, vectors):
    options = {"settings": CANDIDATES["svm"], "labels": TWO}
    before = run(corpus, "svm", vectors, **options)[3].read_bytes()
    folds = [spoiled_source(corpus, ["train"], f"-without{k}", "train") for k in (3, 4, 5)]
    source = spoiled_source(corpus, ["train"], shuffle="train")
    assert run(corpus, "svm", vectors, source, "two", folds=folds, **options)[3].read_bytes() == before
    if vectors == "cross_fitted":
        folds[0] = spoiled_source(corpus, ["held"], "-without3")
        assert run(corpus, "svm", vectors, source, "two", folds=folds, **options)[3].read_bytes() != before


def test_in_sample_classifiers_do_not_learn_from_validation_turns(corpus):
    before, *_ = run(corpus, "xgboost")
    after, *_ = run(corpus, "xgboost", source=spoiled_source(corpus, ["val"], shuffle="val"), folder="two")
    early = before.system.str.contains("early") & (before.part == "test")
    plain = [name for name in before.columns if not name.startswith("prob")]
    assert after[early][plain].equals(before[early][plain])
    assert not after[early].equals(before[early])  # the calibration does learn from them


@pytest.mark.parametrize("vectors", VECTORS)
@pytest.mark.parametrize("classifier", TRAINED)
def test_settings_are_chosen_as_by_brute_force(corpus, classifier, vectors):
    keys = list(CANDIDATES[classifier])
    lists = [v if isinstance(v, list) else [v] for v in CANDIDATES[classifier].values()]
    together, _, described, _ = run(corpus, classifier, vectors, settings=CANDIDATES[classifier], labels=TWO)
    alone = {}
    for values in itertools.product(*lists):
        settings = dict(zip(keys, values, strict=True))
        alone[values] = run(corpus, classifier, vectors, settings=settings, labels=TWO, folder="alone")[0]
    chosen = set()
    for system, said in described.items():
        scores = {}
        for values, table in alone.items():
            val = of(table, system.split(".no-")[0], "val")
            right = val.truth == val.prediction
            scores[values] = (right.mean(), np.mean([right[val.truth == name].mean() for name in CLASSES]))
        best = max(scores, key=scores.get)
        assert said["settings"] == dict(zip(keys, best, strict=True)), system
        expected = of(alone[best], system)
        assert of(together, system).prediction.tolist() == expected.prediction.tolist()
        np.testing.assert_allclose(columns(of(together, system), "score"), columns(expected, "score"), atol=1e-4)
        chosen.add(best)
    assert len(chosen) > 1


@pytest.mark.parametrize("classifier", TRAINED)
@pytest.mark.parametrize("vectors", VECTORS)
def test_the_same_bytes_again_and_on_more_threads(corpus, classifier, vectors):
    before = run(corpus, classifier, vectors, labels=TWO)[3].read_bytes()
    assert run(corpus, classifier, vectors, labels=TWO, threads=2, folder="two")[3].read_bytes() == before


@pytest.mark.parametrize("where", ["main", "refit", "fold"])
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"checkpoint": "f" * 64}, "audio-session2.*parquet: its vectors are of another encoder than that of .*json"),
        (
            {"train_turns": "f" * 64},
            "audio-session2.*json: its encoder learned from other turns than the training part",
        ),
        ({"seed": 4}, "audio-session2.*json: its encoder was trained with seed 4, not 1"),
    ],
)
def test_an_encoder_of_another_split_is_refused_as_a_leak(corpus, where, changed, message):
    suffix = {"main": "", "refit": "-refit", "fold": "-without4"}[where]
    sources = {s: corpus.write_source(2, suffix=s) for s in ("", "-refit", "-without3", "-without4")}
    sources[suffix][1]["audio"] = corpus.write_trainings(2, suffix=suffix, **changed)["audio"]
    options = {"refit": {"refit": sources["-refit"]}, "fold": {"folds": [sources["-without3"], sources["-without4"]]}}
    vectors = "cross_fitted" if where == "fold" else "in_sample"
    with pytest.raises(EmofuseError, match=f"^Leak: not the encoders of session2{suffix}(?s:.*){message}"):
        run(corpus, "mlp", vectors, sources[""], **options.get(where, {}))
    assert not (corpus.folder / "one").exists()


def test_encoders_that_saw_the_test_part_are_refused_though_they_name_the_split(corpus):
    """Trained on session 3's split, which learns from session 2, and embedded under the name of session 2's."""
    stores, trainings, split = corpus.write_source(2)
    foreign = corpus.write_trainings(3)
    of_three = json.loads(foreign["text"].read_text())["checkpoint"]
    stores["text"] = corpus.write_store("text", 2, checkpoint=of_three)
    with pytest.raises(EmofuseError, match=r"Leak.*(?s:.*)text-session2.parquet: its vectors are of another encoder"):
        run(corpus, "argmax", source=(stores, trainings, split))
    with pytest.raises(EmofuseError, match=r"Leak.*(?s:.*)text-session3.json: its encoder learned from other turns"):
        run(corpus, "argmax", source=(stores, trainings | {"text": foreign["text"]}, split))


@pytest.mark.parametrize("classifier", ["argmax", "svm"])
def test_refit_says_the_test_turns_and_the_first_training_the_validation_turns(corpus, tmp_path, classifier):
    settings = CANDIDATES.get(classifier, {})
    first, _, chosen, _ = run(corpus, classifier, settings=settings)
    refit = corpus.write_source(2, suffix="-refit")
    both, metadata, described, _ = run(corpus, classifier, settings=settings, refit=refit, folder="both")
    assert both[both.part == "val"].equals(first[first.part == "val"])
    assert described == chosen
    assert metadata["refit"] == "true" and list(json.loads(metadata["stores"])) == ["session2", "session2-refit"]
    plain, anew = Plain(corpus), Plain(corpus, "-refit")
    assert set(anew.part) == {"train", "test"}
    test = anew.part == "test"
    if classifier == "argmax":
        rows = of(both, "text-bert", "test")
        np.testing.assert_allclose(columns(rows, "score"), anew.logits["text"][test], rtol=1e-6)
        val = plain.part == "val"
        tempered = anew.logits["text"][test] / temperature(plain.logits["text"][val], plain.codes[val])
        np.testing.assert_allclose(columns(rows, "prob"), softmax(tempered), atol=1e-3)
        return
    train = anew.part == "train"
    x = fuse(anew.early(train), "concat")
    reference = SVC(**described["early-concat-svm"]["settings"]).fit(x[train], anew.truth[train])
    rows = of(both, "early-concat-svm", "test")
    assert rows.prediction.tolist() == reference.predict(x[test]).tolist()
    np.testing.assert_allclose(columns(rows, "score"), reference.decision_function(x[test]), atol=2e-3)


def test_without_a_validation_part_nothing_is_calibrated(corpus):
    source = corpus.write_source(2, validation=False)
    for classifier in ("argmax", "svm", "mlp"):
        table, _, described, _ = run(corpus, classifier, source=source)
        assert set(table.part) == {"test"}
        assert table[[f"prob_{name}" for name in CLASSES]].isna().all(axis=None)
        assert np.isfinite(columns(table, "score")).all()
        assert all(system["calibration"] is None for system in described.values())
    plain = Plain(corpus)
    table, *_ = run(corpus, "argmax", source=source)
    test = plain.part == "test"
    mean = np.mean([softmax(x[test]) for x in plain.logits.values()], axis=0)  # at temperature 1
    np.testing.assert_allclose(np.exp(columns(of(table, "late-sum-argmax"), "score")), mean, rtol=1e-5)


def test_without_a_validation_part_nothing_can_be_chosen(corpus):
    source = corpus.write_source(2, validation=False)
    with pytest.raises(
        EmofuseError, match=r"classifiers.svm.C, classifiers.svm.gamma: session2 has no validation part"
    ):
        run(corpus, "svm", source=source, settings=CANDIDATES["svm"])
    for vectors in ("validation", "cross_fitted"):
        with pytest.raises(EmofuseError, match=f"'{vectors}' needs a validation part, which session2 has not"):
            run(corpus, "svm", vectors, source)


def test_one_turn_of_a_class_cannot_say_of_itself(corpus, tmp_path):
    small = Corpus(tmp_path / "small", per_class=1)
    with pytest.raises(EmofuseError, match="validation part of two speakers or dialogs or more"):
        run(small, "svm", "validation", settings={})


def test_other_turns_than_those_of_the_split_are_refused(corpus):
    turn = sorted(turn for turn, part in corpus.parts(2).items() if part == "val")[0]
    folds = [corpus.write_source(2, suffix=f"-without{k}") for k in (3, 4)]
    folds[1][0]["audio"] = corpus.write_store("audio", 2, suffix="-without4", left_out={turn: "no wav"})
    with pytest.raises(EmofuseError, match="val and test turns of session2-without4 are not those of session2"):
        run(corpus, "svm", "cross_fitted", folds=folds)


NO_CLASS = [turn for turn, name in zip(Corpus(None).turns, Corpus(None).label, strict=True) if not name]


@pytest.mark.parametrize(
    ("classifier", "vectors", "labels", "anew"),
    [
        ("argmax", "in_sample", ENCODERS, True),
        ("mlp", "in_sample", ENCODERS, True),
        ("mlp", "validation", TWO, False),
        ("mlp", "cross_fitted", TWO, False),
        ("svm", "cross_fitted", {"text": "bert"}, False),
    ],
)
def test_turns_of_no_class_change_no_other_row_and_are_asked_about_as_test_turns(
    corpus, classifier, vectors, labels, anew
):
    """They have the vectors of test turns, so the same is said of them, by each encoder that speaks of the test part."""

    def as_tested(turns, parts, embeddings, logits):
        for values in (embeddings, logits):
            values[np.isin(turns, NO_CLASS)] = values[parts == "test"][: len(NO_CLASS)]

    def source(suffix=""):
        stores = {m: corpus.write_store(m, 2, change=as_tested, suffix=suffix) for m in ENCODERS}
        return stores, corpus.write_trainings(2, suffix=suffix), corpus.write_split(2, suffix=suffix)

    def made(folder, **options):
        options |= {"refit": source("-refit")} if anew else {}
        folds = [source(f"-without{k}") for k in (3, 4, 5)]
        table, metadata, *_ = run(corpus, classifier, vectors, source(), folder, labels=labels, folds=folds, **options)
        return table, metadata

    table, metadata = made("with", unlabelled=NO_CLASS)
    without, same = made("without")
    beside = table.part == "unlabelled"
    assert table[~beside].reset_index(drop=True).equals(without) and metadata["systems"] == same["systems"]
    assert table[beside].truth.isna().all()
    like = [t for t, part in corpus.parts(2).items() if part == "test"][: len(NO_CLASS)]
    for system in dict.fromkeys(table.system):
        rows = of(table, system)
        assert rows.turn_id[rows.part == "unlabelled"].tolist() == NO_CLASS == rows.turn_id.tolist()[-len(NO_CLASS) :]
        numbers = rows.set_index("turn_id").drop(columns=["system", "part", "truth", "prediction"])
        np.testing.assert_allclose(numbers.loc[NO_CLASS], numbers.loc[like], atol=1e-4)


def test_a_turn_with_a_class_is_not_taken_for_one_without(corpus):
    with pytest.raises(EmofuseError, match=r"1 turn \(Ses02F_impro01_F000\) in it, which are said to be of no class"):
        run(corpus, "argmax", unlabelled=["Ses02F_impro01_F000"])


@pytest.mark.parametrize("classifier", ["argmax", "xgboost"])
def test_all_systems_see_the_turns_that_every_modality_has(corpus, classifier):
    of_part = {part: sorted(turn for turn, p in corpus.parts(2).items() if p == part) for part in ("train", "test")}
    gone = {"text": {of_part["test"][0]: "no words"}, "video": {of_part["train"][3]: "past the end"}}
    _, trainings, split = corpus.write_source(2)
    stores = {m: corpus.write_store(m, 2, left_out=gone.get(m)) for m in ENCODERS}
    table, metadata, *_ = run(corpus, classifier, source=(stores, trainings, split))
    expected = {turn: f"{m}: {reason}" for m, turns in gone.items() for turn, reason in turns.items()}
    assert json.loads(metadata["left_out"]) == expected
    turns = sorted(turn for turn, part in corpus.parts(2).items() if part != "train" and turn not in expected)
    assert all(rows.turn_id.tolist() == turns for _, rows in table.groupby("system"))


@pytest.mark.parametrize("vectors", VECTORS)
def test_a_class_that_lost_its_training_turns_has_no_score(corpus, vectors):
    learned = {"in_sample": ["train"], "validation": ["val"], "cross_fitted": ["train", "held"]}[vectors]

    def without_sad(suffix=""):
        _, trainings, split = corpus.write_source(2, suffix=suffix)
        parts = corpus.parts(2, suffix=suffix).items()
        sad = [t for t, part in parts if part in learned and corpus.label[corpus.turns.index(t)] == "sad"]
        return corpus.write_stores(2, suffix=suffix, left_out=dict.fromkeys(sad, "no wav")), trainings, split

    folds = [without_sad(f"-without{k}") for k in (3, 4, 5)] if vectors == "cross_fitted" else []
    table, *_ = run(corpus, "xgboost", vectors, without_sad(), folds=folds)
    assert table.score_sad.isna().all() and (table.prob_sad == 0).all()
    assert np.isfinite(table[["score_ang", "score_hap", "score_neu"]]).all(axis=None)
    assert "sad" not in set(table.prediction)


def test_unequal_widths_are_refused_before_anything_is_written(corpus):
    stores, trainings, split = corpus.write_source(2)
    stores["audio"] = corpus.write_store("audio", 2, width=9)
    with pytest.raises(EmofuseError, match="text 6, audio 9"):
        run(corpus, "svm", source=(stores, trainings, split))
    assert not (corpus.folder / "one").exists()
    table, *_ = run(corpus, "svm", source=(stores, trainings, split), early=["concat"])
    assert {"early-concat-svm", "late-sum-svm"} < set(table.system) and "early-sum-svm" not in set(table.system)


def test_two_modalities_and_one(corpus):
    for labels, count in ((TWO, 22), ({"audio": "wav2vec2"}, 2)):
        table, _, described, _ = run(corpus, "svm", labels=labels)
        assert table.system.nunique() == count
    assert list(described) == ["audio.early-svm", "audio.late-svm"]


def test_a_chosen_encoder_is_called_so_and_named_in_the_metadata(corpus):
    table, _, described, _ = run(corpus, "argmax", labels=ENCODERS | {"audio": "chosen"})
    assert "audio-chosen" in set(table.system) and "audio-wav2vec2" not in set(table.system)
    assert described["audio-chosen"]["encoders"] == {"audio": "wav2vec2"}


def test_notes_tell_in_how_many_trainings(corpus):
    told = {vectors: run(corpus, "mlp", vectors)[2]["early-concat-mlp.no-text"]["notes"] for vectors in VECTORS}
    note = "the network's loss was still falling after 20 epochs (max_iter)"
    assert told["in_sample"] == [note]
    assert told["validation"] == [f"{note}, in 3 of 3 trainings"]  # two speakers in turn, then both
    assert told["cross_fitted"] == [f"{note}, in 3 of 3 trainings"]


def test_a_lone_speaker_is_asked_by_dialog_and_several_by_speaker():
    labels = np.array([0, 1] * 6)
    dialogs = np.repeat(["d1", "d2", "d3"], 4)
    speakers = np.array(list("FFMM" * 3))
    for groups, parts in ((speakers, speaker_folds(labels, speakers, dialogs)),
                          (dialogs, speaker_folds(labels, np.array(["F"] * 12), dialogs))):  # fmt: skip
        assert sorted(np.concatenate([asked for _, asked in parts])) == list(range(12))
        assert all(not set(groups[learned]) & set(groups[asked]) for learned, asked in parts)
        assert len(parts) == len(set(groups))
