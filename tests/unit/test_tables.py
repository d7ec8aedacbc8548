"""Tables against numbers counted from the predictions themselves."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from report_inputs import make_inputs
from report_run import CLASSES, FACTS, NAMED, all_systems, fused, pooled, recall, ua, wa

from emofuse.report.building import build_tables, make_tables
from emofuse.report.card import comment_lines, protocol_card, run_card
from emofuse.report.outputs import TABLE_FORMATS, headline_text, run_table_names, table_names
from emofuse.report.protocols import make_protocols_table
from emofuse.report.run import Run
from emofuse.report.scene import make_scene
from emofuse.report.sources import Sources
from emofuse.report.systems import reach
from emofuse.report.table import Table, escape_latex, to_csv, to_latex, to_markdown
from emofuse.report.tables import subsets
from emofuse.runtime.store import write_tsv

FOLDS = [f"session{k}" for k in range(1, 6)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def two_seeds(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("two"), seeds=(1, 2))


@pytest.fixture(scope="module")
def four_protocols(tmp_path_factory):
    """Of a run that names systems."""
    protocols = ("session", "speaker", "scenario", "scenario_control")
    folder = tmp_path_factory.mktemp("four")
    return make_inputs(folder, modalities=("text", "audio"), named=NAMED, protocols=protocols)


def sources_of(inputs, **changes):
    return Sources(inputs.evaluation(), inputs.modalities, CLASSES, **changes)


def tables_of(inputs, **changes):
    return build_tables(sources_of(inputs, **changes))


def mean_of(inputs, names, function):
    return np.mean([function(*pooled(inputs, name)) for name in names])


def test_headline_holds_the_answers(made):
    values = tables_of(made)["headline"].values
    shown = values.index.get_level_values("System").tolist()
    assert shown[:6] == ["majority", "scenario", "text-bert", "audio-wav2vec2", "video-videomae", "final system"]
    for system in ("majority", "scenario", "text-bert", "video-videomae"):
        assert values.xs(system, level="System")["WA"].item() == pytest.approx(wa(*pooled(made, system)))
    assert values.xs("final system", level="System")["UA"].item() == pytest.approx(ua(*pooled(made, "chosen")))

    whole = [s.name for s in all_systems(made.modalities) if s.kind == "single" or fused(s, made.modalities)]
    best = max(wa(*pooled(made, name)) for name in whole)
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


def test_headline_has_intervals_where_they_were_measured(made, tmp_path):
    table = tables_of(made)["headline"]
    value = wa(*pooled(made, "audio-wav2vec2"))
    row = table.text().xs("audio-wav2vec2", level="System").iloc[0]
    assert row["WA"] == f"{value:.1f} [{value - 3.1:.1f}, {value + 2.9:.1f}]"
    assert "[" not in row["Macro F1"]

    for name in ("scores", "per_class"):
        (tmp_path / f"{name}.parquet").write_bytes(made.evaluation(f"{name}.parquet").read_bytes())
    of_fold = build_tables(Sources(tmp_path, made.modalities, CLASSES))
    assert list(of_fold) == table_names(made.modalities, fold=True)
    assert of_fold["headline"].text().xs("audio-wav2vec2", level="System")["WA"].item() == f"{value:.1f}"


def test_intervals_of_dialogs_and_of_folds(made):
    table = tables_of(made)["intervals"]
    assert table.values.index[:6].tolist() == [
        *("majority", "scenario", "text-bert", "audio-wav2vec2", "video-videomae", "final system")
    ]
    others = table.values["WA"]["Pooled"].iloc[6:]
    assert others.is_monotonic_decreasing
    assert set(others.index) == {s.name for s in all_systems(made.modalities) if fused(s, made.modalities)}
    value = ua(*pooled(made, "chosen"))
    row = table.text().loc["final system", "UA"]
    assert row["Pooled"] == f"{value:.1f} [{value - 3.1:.1f}, {value + 2.9:.1f}]"
    assert row["Mean of folds"] == f"{value + 0.5:.1f} [{value - 5:.1f}, {value + 6:.1f}]"


def test_comparisons_say_which_hold(made):
    table = tables_of(made)["comparisons"]
    file = pd.read_parquet(made.evaluation("comparisons.parquet")).set_index(["measure", "second"])
    shown = table.text()
    for (second, _), row in shown.iterrows():
        for measure in ("wa", "ua"):
            source = file.loc[(measure, second)]
            of_measure = row[measure.upper()]
            assert of_measure["Holds"] == ("yes" if source["holds"] else "no")
            points = [f"{100 * source[name]:.1f}" for name in ("difference", "low", "high")]
            assert of_measure["Points"] == "{} [{}, {}]".format(*points)
            assert of_measure["p"] == (f"{source['p']:.3f}" if source["p"] > 0.0005 else "< 0.001")
    assert len(shown) == 12
    assert shown.xs("majority", level=0).iloc[0].tolist()[-3:] == ["41", "22", "< 0.001"]
    assert "$<$ 0.001" in to_latex(table)


def test_groups_of_turns(made):
    tables = tables_of(made)
    assert tables["speakers"].values.index.tolist() == [f"Ses0{k}_{letter}" for k in range(1, 6) for letter in "FM"]
    of_speaker = pooled(made, "chosen", where=lambda turns: turns["speaker"] == "Ses03_M")
    row = tables["speakers"].values.loc["Ses03_M"]
    assert row["Final system"].tolist() == pytest.approx([wa(*of_speaker), ua(*of_speaker)])
    assert row["", "Turns"] == len(of_speaker[0])

    values = tables["breakdown"].values
    assert values.index.tolist() == ["improvised", "scripted", "words seen in training", "words not seen in training"]
    unseen = pooled(made, "scenario", where=lambda turns: turns["words"] == "unseen")
    assert values.loc["words not seen in training", ("Scenario", "WA")] == pytest.approx(wa(*unseen))
    assert values[("", "Turns")].iloc[:2].sum() == len(pooled(made, "chosen")[0])


def test_subsets_without_choosing(made):
    values = tables_of(made)["subsets"].values
    titles = ("text", "speech", "video", "text + speech", "text + video", "speech + video", "text + speech + video")
    assert values.index.tolist() == list(titles)
    ways = [f"{how}-{classifier}" for how in ("sum", "product", "concat") for classifier in ("svm", "xgboost", "mlp")]
    pair = [f"text+video.late-{way}" for way in ways]
    assert values.loc["text + video", ("Late fusion", "UA")] == pytest.approx(mean_of(made, pair, ua))
    everything = [f"early-{way}" for way in ways]
    assert values.loc[titles[-1], ("Early fusion", "WA")] == pytest.approx(mean_of(made, everything, wa))
    alone = [f"audio.early-{classifier}" for classifier in ("svm", "xgboost", "mlp")]
    assert values.loc["speech", ("Early fusion", "WA")] == pytest.approx(mean_of(made, alone, wa))
    assert values.loc["speech", ("Encoder alone", "WA")] == pytest.approx(wa(*pooled(made, "audio-wav2vec2")))
    assert np.isnan(values.loc["text + video", ("Encoder alone", "WA")])


def test_a_missing_modality(made, four_protocols):
    values = tables_of(made)["missing"].values
    ways = [f"{how}-{classifier}" for how in ("sum", "product", "concat") for classifier in ("svm", "xgboost", "mlp")]
    for (missing, by), names in {
        ("none", "all modalities"): [f"late-{way}" for way in ways],
        ("speech", "text + video, trained alone"): [f"text+video.late-{way}" for way in ways],
        ("speech", "all modalities, speech substituted"): [f"late-{way}.no-audio" for way in ways],
    }.items():
        assert values.loc[(missing, by), ("Late fusion", "WA")] == pytest.approx(mean_of(made, names, wa))
    remaining = tables_of(four_protocols)["missing"].values.loc[
        ("speech", "text, trained alone"), ("Early fusion", "UA")
    ]
    alone = [f"text.early-{classifier}" for classifier in ("svm", "xgboost", "mlp")]
    assert remaining == pytest.approx(mean_of(four_protocols, alone, ua))


def test_calibration_before_and_after(made, tmp_path):
    table = tables_of(made)["calibration"]
    file = pd.read_parquet(made.evaluation("calibration.parquet")).set_index(["system", "when"])
    assert table.values.loc["final system", ("ECE (%)", "After")] == pytest.approx(
        100 * file.loc[("chosen", "after"), "ece"]
    )
    row = table.text().loc["early-sum-svm"]
    assert row["Brier score", "Before"] == "–"
    assert row["Brier score", "After"] == f"{file.loc[('early-sum-svm', 'after'), 'brier']:.3f}"

    inputs = make_inputs(tmp_path, turns_per_session=30, modalities=("text", "audio"), validated=False)
    empty = tables_of(inputs)["calibration"]
    assert empty.values.empty and "no validation part" in empty.caption
    assert "System,ECE (%) Before" in to_csv(empty)
    assert to_markdown(empty) and r"\end{table}" in to_latex(empty)


def test_the_ceiling_shows_annotators_beside_systems(made, tmp_path):
    tables = tables_of(made)
    file = pd.read_parquet(made.evaluation("ceiling.parquet"))
    value = file.set_index(["target", "grouping", "group", "who", "measure"])[["value", "low", "high"]].mul(100)
    shown = tables["ceiling"].text()
    heads = [("all", "other annotators"), *((name, "other annotators") for name in ("anger", "happiness"))]
    assert shown.index[:3].tolist() == heads
    assert shown.index[-2:].tolist() == [
        (f"test turns, annotators {how}", "label") for how in ("agree", "do not all agree")
    ]
    numbers = "{:.1f} [{:.1f}, {:.1f}]".format(*value.loc[("others", "all", "all", "annotators", "ua")])
    assert shown.loc[heads[0], ("An annotator", "UA")] == numbers
    assert shown.loc[heads[0], ("", "Votes")] == "300" and shown.iloc[-1][("", "Votes")] == "–"
    row = shown.loc[("test turns, annotators agree", "label")]
    assert row["An annotator", "WA"] == "–"
    expected = "{:.1f} [{:.1f}, {:.1f}]".format(*value.loc[("label", "agreement", "full", "audio-wav2vec2", "wa")])
    assert row["Speech", "WA"] == expected
    assert "1,234 votes whose others are tied" in tables["ceiling"].caption
    spread = tables["spread"].text()
    numbers = value.loc[("spread", "agreement", "none", "chosen", "gain")] / 100
    assert spread.loc["no majority", "Gain"] == "{:.3f} [{:.3f}, {:.3f}]".format(*numbers)
    assert spread.loc["no majority", "Turns"] == "120" and len(spread) == 4

    for path in made.evaluation().iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    file.iloc[:0].to_parquet(tmp_path / "ceiling.parquet")
    empty = build_tables(Sources(tmp_path, made.modalities, CLASSES))
    for name in ("ceiling", "spread"):
        assert empty[name].values.empty and "no annotator's vote" in empty[name].caption
        assert to_csv(empty[name]) and to_markdown(empty[name]) and r"\end{table}" in to_latex(empty[name])


def test_protocols_side_by_side(four_protocols, tmp_path):
    splits = [path for paths in four_protocols.splits.values() for path in paths]
    make_protocols_table(four_protocols.evaluations, tmp_path, run_card(FACTS, splits))
    assert {path.stem for path in tmp_path.iterdir()} == {"protocols"}
    assert run_table_names(["session"]) == []
    read = pd.read_csv(tmp_path / "protocols.csv", comment="#", index_col="Protocol")
    assert read["Folds"].tolist() == [5, 10, 15, 15]
    for protocol in ("speaker", "scenario_control"):
        row = read.loc[protocol.replace("_", " ")]
        value = wa(*pooled(four_protocols, "chosen", protocol=protocol))
        assert row[["Final system", "Final system low"]].tolist() == pytest.approx([value, value - 3.1])
        assert row["Scenario"] == pytest.approx(wa(*pooled(four_protocols, "scenario", protocol=protocol)))
    text = (tmp_path / "protocols.md").read_text(encoding="utf-8")
    assert "Trained on: session, scenario, scenario control: 3 of 5 sessions" in text
    assert "speaker: the test speaker's partner; validation and test part share 3 dialogs a fold" in text


def test_named_systems_stand_beside_others_and_what_is_published(four_protocols, tmp_path):
    references = tmp_path / "references.tsv"
    rows = [
        ("text-both", "A 2018", "76.1", "yes", "another split"),
        ("text-alone", "B 2020", "99", "no", "no number, as"),
    ]
    names = ("system", "reference", "published_wa", "comparable", "note")
    write_tsv(references, [dict(zip(names, row, strict=True)) for row in rows], names)
    tables = tables_of(four_protocols, systems=NAMED, references=references)
    shown = tables["named"].text()
    assert shown.index.tolist() == [
        ("text-alone", "recurrent network over the dialog: the turn alone", "text bert"),
        ("text-both", "recurrent network over the dialog: the whole dialog", "text bert"),
        ("motion-text-speech", "motion network: the turn alone", "text bert, speech mfcc, motion capture"),
    ]
    value = wa(*pooled(four_protocols, "text-both"))
    assert shown.iloc[1]["WA"] == f"{value:.1f} [{value - 3.1:.1f}, {value + 2.9:.1f}]"
    assert shown["Published WA"].tolist() == ["–", "76.10", "–"]
    assert " than ours. text-both: A 2018, another split. text-alone: B 2020, no number, as." in tables["named"].caption
    assert "Published WA" in to_csv(tables["named"])

    gain = value - wa(*pooled(four_protocols, "text-alone"))
    row = tables["contexts"].text().loc[("text-both", "text-alone"), "WA"]
    assert row.tolist() == [f"{gain:.1f} [{gain - 2:.1f}, {gain + 3:.1f}]", "0.020", "0.040", "yes"]
    assert set(NAMED) < set(tables["intervals"].values.index) and set(NAMED) < set(tables["calibration"].values.index)
    # One that reads motion too has more modalities than any fusion: these are still shown.
    assert "early-concat-svm" in tables["intervals"].values.index and not tables["table5"].values.empty

    others = sources_of(four_protocols, systems=NAMED, references=references)
    other = build_tables(replace(others, classes=[*CLASSES, "fru"]))["named"]
    assert "Published WA" not in other.values and "Published" not in other.caption
    reaches = [reach({"kind": "window", "before": b, "after": a}) for b, a in ((0, 0), (3, 0), (3, 1))]
    assert reaches == ["the turn alone", "the turn, 3 before", "the turn, 3 before and 1 after"]


def test_the_page_on_the_scene(four_protocols, tmp_path):
    splits = [path for paths in four_protocols.splits.values() for path in paths]
    run = Run("demo", "clean", "", FACTS | {"systems": NAMED})
    make_scene(run, splits, four_protocols.evaluations, four_protocols.scenes, tmp_path / "scene.html")
    both = ["protocols", "scene_systems", "scene_contexts"]
    assert run_table_names(four_protocols.evaluations, NAMED) == both
    assert run_table_names(four_protocols.evaluations) == both[:2]
    read = {
        name: pd.read_csv(tmp_path / f"tables/{name}.csv", comment="#", index_col=list(range(heads)))
        for name, heads in (("scene_systems", 1), ("scene_contexts", 3))
    }
    systems = ["majority", "scenario", "text-bert", "audio-wav2vec2", *NAMED, "final system"]
    assert read["scene_systems"].index.tolist() == systems

    def of(system, protocol):
        return wa(*pooled(four_protocols, system, protocol=protocol))

    row = read["scene_systems"].loc["text-both"]
    new, known = (of("text-both", protocol) for protocol in ("scenario", "scenario_control"))
    assert row["WA Speaker"] == pytest.approx(of("text-both", "speaker"))
    columns = ["WA Scenario low", "WA Scenario control", "WA Control less scenario", "WA Control less scenario high"]
    assert row[columns].tolist() == pytest.approx([new - 3.1, known, known - new, known - new + 3])
    gains = [of("text-both", p) - of("text-alone", p) for p in four_protocols.evaluations]
    found = read["scene_contexts"]["WA Points"].xs("text-both", level=1)
    assert found.tolist() == pytest.approx([*gains, gains[3] - gains[2]])

    html = (tmp_path / "scene.html").read_text(encoding="utf-8")
    new, known = of("chosen", "scenario"), of("chosen", "scenario_control")
    assert (
        f"The final system has {new:.1f} % WA where the play is new to it and {known:.1f} % where it is known" in html
    )
    assert f"worth {known - new:+.1f} points (95 % interval {known - new - 2:+.1f} to {known - new + 3:+.1f})" in html
    assert f"changes WA by {gains[0]:+.1f} points, which holds, where scenes recur (session), and by" in html
    assert "http" not in html.replace('http-equiv="Content-Security-Policy"', "")
    assert len((tmp_path / "figures/scene.png").read_bytes()) > 1000


def test_the_card_says_what_was_chosen_on_what(made):
    card = dict(protocol_card(FACTS, made.splits["session"]))
    turns = pd.read_parquet(made.splits["session"][0])
    assert f"the set 'four'; {len(turns)} turns in the test parts of all folds" in card["Classes"]
    assert f"happiness (hap, exc): {(turns['class'] == 'hap').sum()}" in card["Classes"]
    sizes = [f"session {k} {(turns['session'] == k).sum()}" for k in range(1, 6)]
    assert card["Folds"] == [f"5; test turns: {', '.join(sizes)}"]
    assert "classifier settings: on validation, for each system and fold" in card["Chosen"]
    assert "scaling and classifiers: fitted on the validation part" in card["Chosen"]
    assert card["Leaks"] == ["no choice is made on test turns"]
    assert card["Clips"] == ["crop: speaker"]

    changes = {"leaks": {"final_system_on_test": "it is"}, "final_system": "test", "choices": {"audio": "test"}}
    changes |= {"train_vectors": "in_sample", "classifiers": {"svm": {"C": 1.0}}}
    leaky = dict(protocol_card({**FACTS, **changes}, made.splits["session"]))
    assert leaky["Leaks"] == ["final_system_on_test: it is"]
    assert {"speech encoder: on test, of the selection fold", "final system: on test, of all folds"} <= set(
        leaky["Chosen"]
    )
    assert "classifier settings: fixed in the config" in leaky["Chosen"]
    assert leaky["Vectors"][0].startswith("in-sample")


@pytest.mark.parametrize("inputs", ["made", "two_seeds"])
def test_files_hold_what_the_tables_hold(inputs, tmp_path, request):
    inputs = request.getfixturevalue(inputs)
    card = protocol_card(FACTS, inputs.splits["session"])
    make_tables(sources_of(inputs), tmp_path, card)
    expected = {f"{name}.{ending}" for name in table_names(inputs.modalities) for ending in TABLE_FORMATS}
    assert {path.name for path in tmp_path.iterdir()} == expected
    for name, table in tables_of(inputs).items():
        comments = [f"# {line}" for line in [*comment_lines(card), table.caption]]
        lines = (tmp_path / f"{name}.csv").read_text(encoding="utf-8").splitlines()
        assert lines[: len(comments)] == comments
        read = pd.read_csv(tmp_path / f"{name}.csv", comment="#")
        beside = (" sd", " low", " high")
        cells = read[[c for c in read.columns[table.values.index.nlevels :] if not c.endswith(beside)]]
        for column, own in zip(cells, table.values.T.to_numpy(), strict=True):
            same = cells[column].to_numpy() == own
            assert (same | pd.isna(own.astype(object))).all(), (name, column)
        assert (tmp_path / f"{name}.md").read_text(encoding="utf-8").startswith("> - Protocol: session: ")
        assert (tmp_path / f"{name}.tex").read_text(encoding="utf-8").startswith("% Protocol: session: ")


def test_terminal_shows_the_headline(made, tmp_path):
    make_tables(sources_of(made), tmp_path, protocol_card(FACTS, made.splits["session"]))
    caption, *lines = headline_text(tmp_path / "headline.csv").splitlines()
    assert caption.startswith("Scores in percent on")
    final = next(line for line in lines if line.startswith("final system"))
    value = wa(*pooled(made, "chosen"))
    assert f"{value:.1f} [{value - 3.1:.1f}, {value + 2.9:.1f}]" in final
    assert final.endswith("chosen on validation, fold by fold")
    assert all(line.isprintable() for line in lines)


def test_one_modality_has_no_fusion_tables(tmp_path):
    inputs = make_inputs(tmp_path, modalities=("audio",))
    assert list(tables_of(inputs)) == [
        *("headline", "table4", "table7", "intervals", "comparisons", "breakdown", "speakers", "calibration"),
        *("ceiling", "spread"),
    ]


def test_one_classifier_needs_no_average(made, tmp_path):
    frame = pd.read_parquet(made.evaluation("scores.parquet"))
    frame = frame[~frame["classifier"].isin(["xgboost", "mlp"])]
    frame.to_parquet(tmp_path / "scores.parquet")
    (tmp_path / "per_class.parquet").write_bytes(made.evaluation("per_class.parquet").read_bytes())
    tables = build_tables(Sources(tmp_path, made.modalities, CLASSES))
    assert tables["table5"].values.columns.get_level_values(0).unique().tolist() == ["SVM"]
    assert "Average" not in tables["table6"].caption


def test_a_classifier_without_a_title_shows_as_itself(made, tmp_path):
    frame = pd.read_parquet(made.evaluation("scores.parquet"))
    frame.assign(classifier=frame["classifier"].replace("mlp", "forest")).to_parquet(tmp_path / "scores.parquet")
    (tmp_path / "per_class.parquet").write_bytes(made.evaluation("per_class.parquet").read_bytes())
    sources = Sources(tmp_path, made.modalities, CLASSES)
    shown = build_tables(sources)["table5"].values.columns.get_level_values(0).unique()
    assert shown.tolist() == ["SVM", "XGBoost", "Forest", "Average"]
    pd.testing.assert_frame_equal(subsets.make("subsets", sources).values, tables_of(made)["subsets"].values)


def test_special_characters_are_escaped(made):
    assert escape_latex(r"50 % of a_b & {c} \d") == r"50 \% of a\_b \& \{c\} \textbackslash{}d"
    table = tables_of(made)["headline"]
    odd = table.values.rename(index={"text-bert": "a|b_c%"}, level="System")
    odd = Table("odd", "100 % & more", odd)
    assert r"a|b\_c\%" in to_latex(odd)
    assert r"\caption{100 \% \& more}" in to_latex(odd)
    assert r"a\|b_c%" in to_markdown(odd)


def test_latex_has_two_level_heads(made):
    latex = to_latex(tables_of(made)["table5"])
    assert r"\multicolumn{2}{c}{XGBoost}" in latex
    body = [line for line in latex.splitlines() if line.endswith(r"\\") and "&" in line]
    assert {line.count("&") for line in body[1:]} == {8}
