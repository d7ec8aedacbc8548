"""Tables against numbers counted from the predictions themselves."""

import numpy as np
import pandas as pd
import pytest
from report_inputs import CLASSES, make_inputs

from emofuse.outputs import TABLE_FORMATS, headline_text, table_names
from emofuse.tables import build_tables, escape_latex, make_tables, to_latex, to_markdown

FOLDS = [f"session{k}" for k in range(1, 6)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def two_seeds(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("two"), seeds=(1, 2))


def tables_of(inputs, **changes):
    scores, per_class = inputs.evaluation("scores.parquet"), inputs.evaluation("per_class.parquet")
    return build_tables(scores, per_class, inputs.modalities, CLASSES, **changes)


def pooled(inputs, system, seed=1):
    pairs = [inputs.predictions[system, fold, seed, "test"] for fold in FOLDS]
    return tuple(np.concatenate(column) for column in zip(*pairs, strict=True))


def wa(truth, guess):
    return 100 * np.mean(truth == guess)


def recall(truth, guess, name):
    return 100 * np.mean(guess[truth == name] == name)


def ua(truth, guess):
    return np.mean([recall(truth, guess, name) for name in CLASSES])


def test_headline_holds_the_answers(made):
    values = tables_of(made)["headline"].values
    shown = values.index.get_level_values("System").tolist()
    assert shown[:5] == ["majority", "text-bert", "audio-wav2vec2", "video-videomae", "final system"]
    for system in ("majority", "text-bert", "video-videomae"):
        assert values.xs(system, level="System")["WA"].item() == pytest.approx(wa(*pooled(made, system)))
    assert values.xs("final system", level="System")["UA"].item() == pytest.approx(ua(*pooled(made, "chosen")))

    everything = {name for name, *_ in made.predictions} - {"majority", "chosen"}
    best = max(wa(*pooled(made, name)) for name in everything)
    assert values["WA"].iloc[-1] == pytest.approx(best)
    assert "optimistic" in values.index[-1][1]


def test_headline_marks_the_best_single_modality_and_a_configured_final_system(made):
    roles = dict(tables_of(made, final_system="early-sum-svm")["headline"].values.index)
    singles = ("text-bert", "audio-wav2vec2", "video-videomae")
    best = max(singles, key=lambda name: wa(*pooled(made, name)))
    assert [name for name in singles if "best" in roles[name]] == [best]
    assert roles["final system"] == "named in the config: early-sum-svm"


def test_table4_by_fold_mean_and_pooled(made):
    values = tables_of(made)["table4"].values
    for system in ("text-bert", "audio-wav2vec2", "video-videomae"):
        for measure, function in (("WA", wa), ("UA", ua)):
            row = values.xs((system, measure), level=("System", "Measure")).iloc[0]
            by_fold = [function(*made.predictions[system, fold, 1, "test"]) for fold in FOLDS]
            assert row[[f"Session {k}" for k in range(1, 6)]].tolist() == pytest.approx(by_fold)
            assert row["Mean"] == pytest.approx(np.mean(by_fold))
            assert row["Pooled"] == pytest.approx(function(*pooled(made, system)))
    assert values.index.get_level_values("Modality").unique().tolist() == ["text", "speech", "video"]


def test_tables_5_and_6_by_combination_and_classifier(made):
    tables = tables_of(made)
    titles = {"svm": "SVM", "xgboost": "XGBoost", "mlp": "Two-layer network", "argmax": "Argmax"}
    for name, kind in (("table5", "early"), ("table6", "late")):
        values = tables[name].values
        assert values.index.tolist() == ["sum", "product", "concatenation"]
        for row, combination in zip(values.index, ("sum", "product", "concat"), strict=True):
            trained = []
            for classifier in ("svm", "xgboost", "mlp"):
                of_system = pooled(made, f"{kind}-{combination}-{classifier}")
                assert values.loc[row, (titles[classifier], "WA")] == pytest.approx(wa(*of_system))
                assert values.loc[row, (titles[classifier], "UA")] == pytest.approx(ua(*of_system))
                trained.append(wa(*of_system))
            assert values.loc[row, ("Average", "WA")] == pytest.approx(np.mean(trained))
    argmax = tables["table6"].values["Argmax"]["WA"]
    assert argmax["product"] == pytest.approx(wa(*pooled(made, "late-product-argmax")))
    assert np.isnan(argmax["concatenation"])
    assert tables["table6"].text().loc["concatenation", ("Argmax", "WA")] == "–"


def test_table7_by_class_with_averages(made):
    table = tables_of(made)["table7"]
    truth, guess = pooled(made, "chosen")
    for row, name in zip(("anger", "happiness", "neutral", "sadness"), CLASSES, strict=True):
        precision, of_class = 100 * np.mean(truth[guess == name] == name), recall(truth, guess, name)
        f1 = 2 * precision * of_class / (precision + of_class)
        expected = [precision, of_class, f1, np.sum(truth == name)]
        assert table.values.loc[row].tolist() == pytest.approx(expected)
    assert table.values.loc["macro average", "Recall"] == pytest.approx(ua(truth, guess))
    assert table.values.loc["weighted average", "Recall"] == pytest.approx(wa(truth, guess))
    assert table.values.loc["macro average", "F1"] == pytest.approx(table.values["F1"].iloc[:4].mean())
    assert table.values.loc["weighted average", "Support"] == len(truth)


def test_several_seeds_give_mean_and_spread(two_seeds):
    table = tables_of(two_seeds)["headline"]
    by_seed = [wa(*pooled(two_seeds, "text-bert", seed)) for seed in (1, 2)]
    assert table.values.xs("text-bert", level="System")["WA"].item() == pytest.approx(np.mean(by_seed))
    assert table.spread.xs("text-bert", level="System")["WA"].item() == pytest.approx(np.std(by_seed, ddof=1))
    assert f"{np.mean(by_seed):.1f} ± {np.std(by_seed, ddof=1):.1f}" in to_markdown(table)


@pytest.mark.parametrize("inputs", ["made", "two_seeds"])
def test_files_hold_what_the_tables_hold(inputs, tmp_path, request):
    inputs = request.getfixturevalue(inputs)
    scores, per_class = inputs.evaluation("scores.parquet"), inputs.evaluation("per_class.parquet")
    make_tables(scores, per_class, tmp_path, inputs.modalities, CLASSES)
    expected = {f"{name}.{ending}" for name in table_names(inputs.modalities) for ending in TABLE_FORMATS}
    assert {path.name for path in tmp_path.iterdir()} == expected
    for name, table in tables_of(inputs).items():
        text = (tmp_path / f"{name}.csv").read_text(encoding="utf-8")
        assert text.startswith(f"# {table.caption}\n")
        read = pd.read_csv(tmp_path / f"{name}.csv", skiprows=1)
        numbers = read[[c for c in read.columns[table.values.index.nlevels :] if not c.endswith(" sd")]].to_numpy()
        np.testing.assert_array_equal(numbers, table.values.to_numpy())


def test_terminal_shows_the_headline(made, tmp_path):
    scores, per_class = made.evaluation("scores.parquet"), made.evaluation("per_class.parquet")
    make_tables(scores, per_class, tmp_path, made.modalities, CLASSES)
    lines = headline_text(tmp_path / "headline.csv").splitlines()
    final = next(line for line in lines if line.startswith("final system"))
    assert f"{wa(*pooled(made, 'chosen')):.1f}" in final.split()
    assert final.endswith("chosen on validation, fold by fold")
    assert all(line.isprintable() for line in lines)


def test_one_modality_has_no_fusion_tables(tmp_path):
    inputs = make_inputs(tmp_path, modalities=("audio",))
    assert list(tables_of(inputs)) == ["headline", "table4", "table7"]


def test_one_classifier_needs_no_average(made, tmp_path):
    frame = pd.read_parquet(made.evaluation("scores.parquet"))
    frame = frame[~frame["classifier"].isin(["xgboost", "mlp"])]
    frame.to_parquet(tmp_path / "scores.parquet")
    tables = build_tables(tmp_path / "scores.parquet", made.evaluation("per_class.parquet"), made.modalities, CLASSES)
    assert tables["table5"].values.columns.get_level_values(0).unique().tolist() == ["SVM"]
    assert "Average" not in tables["table6"].caption


def test_special_characters_are_escaped(made):
    assert escape_latex(r"50 % of a_b & {c} \d") == r"50 \% of a\_b \& \{c\} \textbackslash{}d"
    table = tables_of(made)["headline"]
    odd = table.values.rename(index={"text-bert": "a|b_c%"}, level="System")
    odd = type(table)("odd", "100 % & more", odd)
    assert r"a|b\_c\%" in to_latex(odd)
    assert r"\caption{100 \% \& more}" in to_latex(odd)
    assert r"a\|b_c%" in to_markdown(odd)


def test_latex_has_two_level_heads(made):
    latex = to_latex(tables_of(made)["table5"])
    assert r"\multicolumn{2}{c}{XGBoost}" in latex
    body = [line for line in latex.splitlines() if line.endswith(r"\\") and "&" in line]
    assert {line.count("&") for line in body[1:]} == {8}
