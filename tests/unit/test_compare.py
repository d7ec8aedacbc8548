"""Runs that are compared: what is kept of each, what is refused, the numbers against counts by hand, and the page."""

import gc
import json
import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from evaluation_inputs import CLASSES, Run

from emofuse.configuration.choices import check
from emofuse.configuration.record import made_with
from emofuse.evaluation.comparison import compare
from emofuse.evaluation.record import keep_record, read_record
from emofuse.evaluation.runs import Finished, comparison_name, files, find_runs
from emofuse.evaluation.scores import ScoreFiles, evaluate
from emofuse.evaluation.tested import folds_apart, not_shared, read_tested, unlike
from emofuse.report.compare import make_comparison, read_all
from emofuse.report.comparison.settings import differing
from emofuse.report.comparison.tables import differences_table, systems_table, tables
from emofuse.report.comparison.words import cautions, pair_sentences
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, read_parquet, write_parquet

ROOT = Path(__file__).parents[2]
SYSTEM = "early-concat-svm"
LOST = "Ses02F_impro01_F000"  # a turn that one of the runs has no clip of


class Made:
    """A finished run results/corpus/<name>: random predictions of `evaluation_inputs.Run`, evaluated."""

    def __init__(self, results, name, seeds, better=0.0, left_out=None, config=(), leaks=None):
        self.folder, self.seeds = results / "corpus" / name, seeds
        self.run = Run(self.folder, seeds=seeds)
        self.run.rng = np.random.default_rng([better > 0, *seeds])
        for (system, _, _), guess in self.run.guess.items():
            for turn in guess if system == SYSTEM else ():
                if self.run.rng.random() < better:
                    guess[turn] = self.run.truth[turn]
        self.finish(left_out)
        settings = {"protocols": ["session"], "seeds": list(seeds), **dict(config)}
        # Nothing says in which order the turns of a file are.
        chosen = read_parquet(self.file("chosen.parquet"))
        write_parquet(self.file("chosen.parquet"), chosen.take(np.arange(len(chosen))[::-1]))
        scores = {"session": self.file("scores.parquet")}
        made = {"code": {"classify": "0123"}, "leaks": leaks or {}, "notice": "<b>made up</b>", "config": settings}
        keep_record(made, scores, self.folder / "made_with.yaml")

    def file(self, name):
        return self.folder / "evaluation/session" / name

    def finish(self, left_out=None):
        """Write the predictions and evaluate them."""
        named = ScoreFiles.__dataclass_fields__
        names = {field: f"{field}.parquet" for field in named} | {
            "chosen": "chosen.tsv",
            "chosen_predictions": "chosen.parquet",
        }
        paths = {field: self.file(name) for field, name in names.items()}
        evaluate(self.run.write(left_out=left_out), self.run.splits, ScoreFiles(**paths), SYSTEM)

    def right(self, turns):
        """(seeds, n): whether the final system has these turns right, by the guesses themselves."""
        said = {(t, seed): c for (s, split, seed), g in self.run.guess.items() if s == SYSTEM for t, c in g.items()
                if self.run.corpus.parts(int(split[-1]))[t] == "test"}  # fmt: skip
        return np.array([[said[turn, seed] == self.run.truth[turn] for turn in turns] for seed in self.seeds])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two runs that differ in skill, in seeds and in a turn."""
    gc.freeze()  # statsmodels collects garbage in each correction, and would search all that was imported
    results = tmp_path_factory.mktemp("results")
    left = {LOST: "video: past_end: the video ends at 14.45 s"}
    a = Made(results, "a", (1, 2), config={"fusion": {"text": "bert"}})
    b = Made(results, "b", (3,), better=0.3, left_out=left, config={"fusion": {"text": "roberta"}, "gone": {"x": 1}})
    return results, a, b


@pytest.fixture(scope="module")
def tested(made):
    return [read_tested(Finished(run.folder), "session") for run in made[1:]]


@pytest.fixture(scope="module")
def compared(tested):
    return compare(tested, resamples=2000)


def by_hand(made):
    """(turns, their classes, share of right seeds of a, of b), of all turns but the one that b lacks."""
    _, a, b = made
    tests = [t for split in a.run.sessions for t, part in a.run.corpus.parts(split).items() if part == "test"]
    turns = sorted(set(tests) - {LOST})
    truth = np.array([a.run.truth[turn] for turn in turns])
    return turns, truth, a.right(turns).mean(0), b.right(turns).mean(0)


def recalls(right, truth):
    return np.array([right[truth == name].mean() for name in CLASSES])


def test_differences_are_those_of_the_shared_turns_by_hand(made, compared):
    turns, truth, a, b = by_hand(made)
    of = compared.differences.set_index("measure")
    assert of.index.tolist() == ["wa", "ua"] and set(of["run"]) == {"b"} and set(of["less"]) == {"a"}
    assert of.loc["wa", "difference"] == pytest.approx((b - a).mean(), abs=1e-12)
    assert of.loc["ua", "difference"] == pytest.approx((recalls(b, truth) - recalls(a, truth)).mean(), abs=1e-12)
    value = compared.scores.set_index(["run", "measure"])["value"]
    assert value["a", "wa"] == pytest.approx(a.mean()) and value["b", "ua"] == pytest.approx(recalls(b, truth).mean())
    right = compared.turns.query("run == 'a'").set_index("turn_id")["right"]
    assert right.to_dict() == pytest.approx(dict(zip(turns, a, strict=True)))


def test_over_folds_stands_the_mean_of_the_folds_in_its_interval(compared):
    shown = differences_table(compared)
    folds = compared.parts.query("by == 'fold' and measure == 'wa'")["difference"]
    [mean], column = shown.values["WA", "Over folds"], ("WA", "Over folds")
    assert mean == pytest.approx(100 * folds.mean()) != pytest.approx(shown.values["WA", "Points"].iloc[0])
    low, high = (ends[column].iloc[0] for ends in shown.bounds)
    assert mean == pytest.approx((low + high) / 2) and low < high
    one = replace(compared, differences=compared.differences.assign(fold_low=np.nan, fold_high=np.nan))
    assert differences_table(one).text()[column].tolist() == ["–"]


def test_p_and_interval_are_near_those_of_every_sign_and_another_bootstrap(made, compared):
    turns, truth, a, b = by_hand(made)
    weight = {"wa": np.full(len(turns), 1 / len(turns)), "ua": np.array([1 / 4 / (truth == t).sum() for t in truth])}
    dialogs = pd.Series([turn[:-5] for turn in turns])
    of = compared.differences.set_index("measure")
    for measure, by_turn in weight.items():
        parts = pd.Series((b - a) * by_turn).groupby(dialogs).sum().to_numpy()
        sums = np.array(list(product([-1, 1], repeat=len(parts)))) @ parts
        exact = (np.abs(sums) >= abs(parts.sum()) - 1e-12).mean()
        assert of.loc[measure, "p"] == pytest.approx(exact, abs=0.03)
    rng, rows = np.random.default_rng(5), np.arange(len(turns))
    by_session = {
        s: [rows[dialogs == d] for d in dialogs.unique() if d.startswith(s)] for s in {d[:5] for d in dialogs}
    }
    drawn = [
        (b - a)[
            np.concatenate([own[i] for own in by_session.values() for i in rng.integers(len(own), size=len(own))])
        ].mean()
        for _ in range(2000)
    ]
    assert of.loc["wa", ["low", "high"]].tolist() == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.02)


def test_classes_folds_and_changes_by_hand(made, compared):
    turns, truth, a, b = by_hand(made)
    parts = compared.parts.set_index(["by", "part", "measure"])
    assert parts.loc["class"]["difference"].tolist() == pytest.approx(list(recalls(b, truth) - recalls(a, truth)))
    session = np.array([f"session{turn[4]}" for turn in turns])
    for fold in ("session1", "session2", "session3"):
        row = parts.loc["fold", fold, "wa"]
        assert row["difference"] == pytest.approx((b - a)[session == fold].mean())
        assert row["turns"] == (session == fold).sum() and row["low"] <= row["difference"] <= row["high"]
    change = compared.changes.set_index("part")
    one = made[1].right(turns), made[2].right(turns)
    for part, mask in {"all": truth != "", "sad": truth == "sad"}.items():
        pairs = [(x[mask], y[mask]) for x in one[0] for y in one[1]]
        expected = {
            "both": np.mean([(x & y).sum() for x, y in pairs]),
            "lost": np.mean([(x & ~y).sum() for x, y in pairs]),
            "gained": np.mean([(~x & y).sum() for x, y in pairs]),
            "neither": np.mean([(~x & ~y).sum() for x, y in pairs]),
        }
        assert change.loc[part, list(expected)].to_dict() == pytest.approx(expected)


def test_systems_of_one_name_are_compared_and_corrected_together(made, compared):
    of = compared.systems[compared.systems["measure"] == "wa"].set_index("system")
    assert {"text-bert", SYSTEM, "late-sum-argmax"} <= set(of.index) and not {"chosen", "majority"} & set(of.index)
    row = compared.differences.set_index("measure").loc["wa"]
    assert of.loc[SYSTEM, ["difference", "p"]].tolist() == pytest.approx(row[["difference", "p"]].tolist())
    ranks = of["p"].sort_values()
    adjusted = np.minimum(1, np.maximum.accumulate(ranks * np.arange(len(ranks), 0, -1)))
    assert of.loc[ranks.index, "p_holm"].tolist() == pytest.approx(adjusted.tolist())


@pytest.mark.parametrize("names", [("p", "class"), ("split", "right"), ("turn_id", "paper"), ("run", "less")])
def test_runs_may_have_any_name_of_a_run(tested, names):
    found = compare([replace(run, name=name) for run, name in zip(tested, names, strict=True)], 20)
    assert found.turns.groupby("run").size().to_dict() == dict.fromkeys(names, 59)
    shown = systems_table(found)
    assert [column for column in shown.digits if column[0] == "WA"] == [("WA", "p"), ("WA", "p, Holm")]
    first = found.systems.query("measure == 'wa'")["first"]
    assert shown.values["WA", f"of {names[0]}"].tolist() == pytest.approx((100 * first).tolist())


def test_more_than_four_runs_are_each_compared_with_the_first(tested):
    runs = [replace(tested[number % 2], name=f"r{number}") for number in range(5)]
    assert compare(runs, 20).pairs == [(1, 0), (2, 0), (3, 0), (4, 0)]
    four = compare(runs[:4], 20)
    assert four.pairs == [(1, 0), (2, 0), (3, 0), (2, 1), (3, 1), (3, 2)]
    wa = four.differences.query("measure == 'wa' and run == 'r3'").set_index("less")
    assert wa.loc["r0", "difference"] == pytest.approx(-wa.loc["r2", "difference"] + 2 * wa.loc["r0", "difference"])
    assert wa.loc["r1", "difference"] == 0 and wa.loc["r1", "p"] == 1


def test_turns_that_one_run_lacks_are_told_with_the_reason(tested):
    assert not_shared(tested) == [{"run": "a", "other": "b", "why": "no clip: video: past_end", "turns": 1}]
    a, _ = tested
    fewer = replace(a, name="c", subset="scripted", facts=a.facts.iloc[1:], frames={})
    [row] = not_shared([a, fewer])
    assert row == {"run": "a", "other": "c", "why": "only scripted turns there (subset)", "turns": 1}


def test_other_folds_are_seen(tested):
    a, _ = tested
    assert folds_apart(a, a) == {"tested": 0, "trained": 0, "folds": 3, "sizes": [60.0, 60.0]}
    less = {
        split: frame[frame["part"] != "train"] if split == "session1" else frame for split, frame in a.frames.items()
    }
    moved = a.facts.assign(split=["session2", *a.facts["split"].iloc[1:]])
    found = folds_apart(a, replace(a, frames=less, facts=moved))
    assert (found["tested"], found["trained"]) == (1, 1) and found["sizes"] == [60.0, 40.0]
    # Trained anew on the validation part too; a turn that lacks a clip is trained on by nobody.
    again = folds_apart(a, replace(a, refit=True))
    assert again["trained"] == 3 and again["sizes"] == [60.0, 80.0]
    dropped = folds_apart(a, replace(a, left_out={a.facts.index[0]: "video: no clip"}))
    assert dropped["trained"] == 1 and dropped["sizes"][1] == pytest.approx(60 - 1 / 3)


def test_what_cannot_be_compared_is_told_at_once(made, monkeypatch):
    results, _, _ = made
    (results / "corpus/begun").mkdir(exist_ok=True)
    (results / "corpus/half/evaluation/session").mkdir(parents=True, exist_ok=True)
    (results / "other/far/evaluation").mkdir(parents=True, exist_ok=True)
    with pytest.raises(EmofuseError) as caught:
        find_runs(results, "corpus", ["a", "begun", "half", "far", "nowhere"])
    lines = str(caught.value).splitlines()[1:]
    assert len(lines) == 4
    by_name = {
        name: next(line for line in lines if f" {name} " in line) for name in ("begun", "half", "far", "nowhere")
    }
    assert "has no evaluation; finish it" in by_name["begun"] and "--config run=begun" in by_name["begun"]
    assert "evaluation/session/scores.parquet" in by_name["half"]
    assert "is a run of the corpus other" in by_name["far"]
    assert "there are: a, b" in by_name["nowhere"]
    with pytest.raises(EmofuseError, match="two finished runs"):
        find_runs(results, "corpus", ["a"])
    # No protocol in common.
    folder = results / "corpus/speakers"
    (folder / "evaluation/speaker").mkdir(parents=True, exist_ok=True)
    for name in ("scores.parquet", "chosen.parquet"):
        (folder / "evaluation/speaker" / name).touch()
    with pytest.raises(EmofuseError, match=r"no protocol in common \(a: session; speakers: speaker\)"):
        find_runs(results, "corpus", ["a", "speakers"])
    monkeypatch.chdir(results)
    found = files(find_runs(".", "corpus", ["a", "b"]))
    assert len(found) == 6 and all(Path(path).is_absolute() for path in found)


def test_other_classes_turns_and_labels_are_refused(tested):
    a, b = tested
    assert unlike(tested) == []
    assert "other classes apart" in unlike([a, replace(b, classes=CLASSES[:3])])[0]
    assert unlike([a, replace(b, facts=b.facts.rename(index=lambda turn: f"x{turn}"))]) == [
        "no turn is tested in all of them"
    ]
    swapped = b.facts.assign(**{"class": b.facts["class"].replace("sad", "ang")}, dialog="one")
    labels, dialogs = unlike([a, replace(b, facts=swapped)])
    assert labels.startswith("15 turns, such as ") and "of another class in b than in a" in labels
    assert "in another dialog" in dialogs


def copies(made, folder, *names):
    """Runs corpus/<name> below another folder, each with all files of the run b."""
    for name in names:
        shutil.copytree(made[2].folder, folder / "corpus" / name)
    return [Finished(folder / "corpus" / name) for name in names]


def record(run, **changed):
    """Change entries of a run's record."""
    path = run.folder / "made_with.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changed))


def test_results_of_another_state_are_refused(made, tmp_path):
    stale, mixed, lost = copies(made, tmp_path, "stale", "mixed", "lost")
    record(stale, scores={"session": "of others"})
    path = mixed.folder / "predictions/svm/session1/seed3.parquet"
    table = read_parquet(path)
    right = table.set_column(table.schema.get_field_index("prediction"), "prediction", table["truth"])
    write_parquet(path, right, read_metadata(path))
    (lost.folder / "predictions/argmax/session2/seed3.parquet").unlink()
    with pytest.raises(EmofuseError) as caught:
        read_all(find_runs(tmp_path, "corpus", ["stale", "mixed", "lost"]))
    said = str(caught.value)
    assert "stale, protocol session: its scores are newer than the record" in said
    assert "mixed, protocol session: its predictions are not those that were evaluated" in said
    assert "lost, protocol session: 1 of its files are missing" in said and "--config run=lost" in said


def test_a_page_says_who_is_above_whom_and_what_to_distrust(made, tested, compared, tmp_path):
    results, *_ = made
    [said] = pair_sentences(compared, "session", several_seeds=True)
    wa = compared.differences.set_index("measure").loc["wa"]
    assert said.startswith(
        f"b is {100 * wa['difference']:.1f} points above a in WA (95 % interval {100 * wa['low']:+.1f} to "
    )
    assert "on the 59 turns" in said and "p " in said
    change = compared.changes.set_index("part").loc["all"]
    assert said.endswith(
        f" It has {change['gained']:.1f} turns right that a has not, and a {change['lost']:.1f} that it has not (means over all"
        " pairs of a seed of each)."
    )
    page = tmp_path / "compare.html"
    make_comparison(results, "corpus", ["a", "b"], "of another config", page, resamples=20)
    html = page.read_text(encoding="utf-8")
    assert said.split(" (95")[0] in html and html.count("&lt;b&gt;made up") == 1 and "no clip: video: past_end" in html
    assert "of another config" not in html
    assert "<code>fusion.text</code>" in html and "Seeds of a 1, 2 and b 3." in html
    csv = (tmp_path / "session/changes.csv").read_text().splitlines()
    assert csv[0] == "# Corpus: corpus" and any(line.startswith("b,a,all turns,59,") for line in csv)
    turns = read_parquet(tmp_path / "session/turns.parquet").to_pandas()
    assert len(turns) == 118 and set(turns["run"]) == {"a", "b"}


def test_leaks_missing_records_and_seeds_are_warned_of(made, tmp_path):
    runs = copies(made, tmp_path, "a", "b", "c")
    settings = yaml.safe_load((runs[0].folder / "made_with.yaml").read_text())["config"]
    record(runs[0], leaks={"final_system_on_test": "it is chosen on test"}, config=settings | {"seeds": [4]})

    def warned(*names):
        runs = find_runs(tmp_path, "corpus", names)
        of = [read_tested(run, "session") for run in runs]
        of[0] = replace(of[0], seeds=[3, 4], folds=of[0].folds * 2)  # of which the others have the one
        found = compare(of, 20)
        return dict(cautions(runs, {"session": of}, {"session": found})), pair_sentences(found, "session")

    said, sentences = warned("a", "b")
    assert said["Leaks"].startswith("a makes choices on test turns") and "it is chosen on test" in said["Leaks"]
    assert "under the protocol session the 2 trainings have a standard deviation of 0.0" in said["Only seeds differ"]
    assert "No record" not in said and "Many comparisons" not in said
    make_comparison(tmp_path, "corpus", ["a", "b"], "", tmp_path / "compare.html", resamples=20)
    html = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert html.count("a makes choices on test turns") == 1 and "it is chosen on test" in html
    assert sentences == ["b and a have the same of 59 turns right under the protocol session."]
    (runs[2].folder / "made_with.yaml").unlink()
    said, _ = warned("a", "b", "c")
    assert "c was made with" in said["No record"] and "one family of 3" in said["Many comparisons"]
    assert "Only seeds differ" not in said


def test_of_a_corpus_without_dialogs_speakers_are_said_to_be_drawn(made, tested):
    runs = [replace(run, facts=run.facts.assign(dialog=run.facts["speaker"])) for run in tested]
    found = compare(runs, 20)
    said = dict(cautions([Finished(run.folder) for run in made[1:]], {"session": runs}, {"session": found}))
    assert "whole speakers" in said["What intervals hold"] and "dialogs of these" not in said["What intervals hold"]
    for table in tables(found, [], False).values():
        assert "dialogs" not in table.caption, table.caption
    assert "flips of whole speakers" in differences_table(found).caption


def test_settings_differ_key_by_key():
    one = {"svm": {"C": [1.0, 3.0], "gamma": "scale"}, "mlp": {"width": 8}, "refit": False, "same": {"x": 1}}
    other = {"svm": {"C": [1.0], "gamma": "scale"}, "refit": True, "same": {"x": 1}}
    assert differing([one, other, one]) == {
        "mlp": ["{width: 8}", "–", "{width: 8}"],
        "refit": ["false", "true", "false"],
        "svm.C": ["[1.0, 3.0]", "[1.0]", "[1.0, 3.0]"],
    }


def checked(**changes):
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    for path, value in changes.items():
        *sections, key = path.split("__")
        section = config
        for name in sections:
            section = section.setdefault(name, {})
        section[key] = value
    check(config, ROOT / "workflow/schemas/config.schema.yaml")
    return config


SPOKEN = {"fusion": {"audio": "wav2vec2", "text": "bert"}}


def test_the_record_has_what_changes_results_and_nothing_else():
    plain = made_with(checked())
    for change in (
        {"run": "x", "runs": ["a", "b"], "figure_fold": 2, "corpus__root": "/x", "training__device": "cpu"},
        {"corpus__sessions": [5, 4, 3, 2, 1], "validation__share": 0.3, "probe__C": [1.0], "selection": {"fold": 4}},
        {"encoders__text__bert2": {"model": "x/y", "revision": "z", "pooling": "cls", "learning_rate": 0.1, "epochs": 1}
         | {"batch_size": 4, "eval_batch_size": 4}, "training__jobs_per_gpu": 3},
        {"training__checkpoint_minutes": 1, "training__logging_steps": 3, "training__loader_workers": 2},
    ):  # fmt: skip
        assert made_with(checked(**change)) == plain, change
    for one, other in (
        ({"seeds": [1, 2]}, {"seeds": [2, 1]}),
        ({"protocols": ["session", "speaker"]}, {"protocols": ["speaker", "session"]}),
        (SPOKEN, SPOKEN | {"clips__crop": "full"}),
        (SPOKEN | {"encoders__audio__wav2vec2__frozen": True}, SPOKEN | {"encoders__audio__wav2vec2__frozen": True,
                                                                        "encoders__audio__wav2vec2__epochs": 99}),
        (SPOKEN, SPOKEN | {"encoders__audio__wav2vec2__sequences": {"rate": 5}}),
    ):  # fmt: skip
        assert made_with(checked(**one)) == made_with(checked(**other)), other
    drawn, motion = {"validation__rule": "share"}, {"systems__s": {"kind": "levels", "encoders": {"motion": "m"}}}
    for one, other in (
        (drawn | {"seeds": [1, 2]}, drawn | {"seeds": [2, 1]}),
        (
            motion | {"encoders__motion__m": {"motion": "clips"}},
            motion | {"encoders__motion__m": {"motion": "capture"}},
        ),
    ):
        assert made_with(checked(**one)) != made_with(checked(**other)), other
    for change in (
        {"encoders__text__bert__epochs": 3},
        {"fusion__text": "roberta"},
        {"training__threads": 3},
        {"classes": "six"},
        {"corpus__on_missing": "drop"},
        {"validation__rule": "share"},
    ):
        assert made_with(checked(**change)) != plain, change
    assert json.loads(json.dumps(plain)) == plain


def test_a_damaged_record_is_told(tmp_path):
    path = tmp_path / "made_with.yaml"
    assert read_record(path) is None
    whole = {"emofuse": "1", "code": {}, "leaks": {}, "notice": "", "config": {"protocols": ["session"]}, "scores": {}}
    path.write_text(yaml.safe_dump(whole), encoding="utf-8")
    assert read_record(path) == whole
    for text in (
        "emofuse: [",
        *(yaml.safe_dump(whole | change) for change in ({"config": None}, {"config": {}}, {"scores": []})),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(EmofuseError, match="cut short or damaged"):
            read_record(path)


def test_a_comparison_has_a_name_that_a_file_may_have():
    assert comparison_name(["a", "b"]) == "a+b" and comparison_name([]) == "none"
    names = [f"run-{number:050}" for number in range(9)]
    assert len(comparison_name(names)) < 100 and comparison_name(names) != comparison_name(names[::-1])
