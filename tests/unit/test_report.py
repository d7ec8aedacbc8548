"""The report: self-contained, escaped, and saying what the run's files say."""

import base64
import hashlib
import json
import shutil
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from report_inputs import make_inputs
from report_page import report
from report_run import FACTS, NAMED, NASTY, pooled, wa

from emofuse.report import tables
from emofuse.report.outputs import figure_names, table_names
from emofuse.report.pages import duration, points
from emofuse.report.sections import cautions
from emofuse.report.sections.cost import steps
from emofuse.report.sections.data import problem_kinds
from emofuse.report.sections.findings import what_annotators_say, what_fusion_gave
from emofuse.runtime import kinds
from emofuse.runtime.store import read_tsv, write_parquet, write_tsv

ANOTHER_TABLE = """
import pandas as pd

from emofuse.report.table import Table

PLACE = 17
TABLES = {"sizes": "Turns of each fold"}
NEEDS = ("folds",)


def make(name, sources):
    chosen = sources.scores[(sources.scores["system"] == "chosen") & (sources.scores["split"] != "pooled")]
    values = pd.DataFrame({"Turns": chosen["n"].to_numpy()}, index=pd.Index(chosen["split"], name="Fold"))
    return Table(name, "The test turns of each fold.", values, digits={"Turns": 0})
"""


SPEAKERS = [f"Ses0{k}_{letter}" for k in range(1, 6) for letter in "FM"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(made, tmp_path_factory):
    return report(made, tmp_path_factory.mktemp("page") / "report.html", notice=f"Says nothing {NASTY}")


@pytest.fixture
def with_another_table(tmp_path, monkeypatch):
    """Tables are looked for in a copy of the package that holds one file more."""
    copy = tmp_path / "emofuse"
    shutil.copytree(kinds.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "report/tables/sizes.py").write_text(ANOTHER_TABLE)
    monkeypatch.setattr(kinds, "PACKAGE", copy)
    monkeypatch.setattr(tables, "__path__", [*tables.__path__, str(copy / "report/tables")])
    yield
    sys.modules.pop("emofuse.report.tables.sizes", None)


def test_nothing_is_loaded_from_outside(page):
    tags = [tag for tag, _ in page.tags]
    assert not {"link", "iframe", "object", "embed", "base", "audio", "video"} & set(tags)
    # One script, which the policy names by its hash, and nothing else may run.
    script = page.html.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert tags.count("script") == 1 and f"script-src 'sha256-{digest}';" in policy and "default-src 'none'" in policy
    for tag, attributes in page.tags:
        for name in ("src", "srcset", "href", "data", "poster", "background", "action"):
            value = attributes.get(name)
            if value is not None:
                inside = ("#", "errors.html") if tag == "a" else "data:image/svg+xml;base64,"
                assert value.startswith(inside), (tag, name, value[:60])
    assert "url(" not in page.text and "@import" not in page.text


def test_text_from_files_is_escaped(page):
    # Were it not escaped it would be a tag; escaped, it is text: in the notice, a problem and a reason.
    assert page.text.count(NASTY) == 3


def test_turn_ids_are_escaped(made, tmp_path):
    table = pq.read_table(made.embeddings[0])
    metadata = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    metadata["left_out"] = json.dumps({NASTY: "no clip"})
    write_parquet(tmp_path / "store.parquet", table, metadata)
    embeddings = [tmp_path / "store.parquet", *made.embeddings[1:]]
    page = report(made, tmp_path / "report.html", embeddings=embeddings)
    assert NASTY in page.text
    assert [tag for tag, _ in page.tags].count("script") == 1  # the page's own


def test_every_figure_has_a_text_and_every_link_a_target(page, made):
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == len(figure_names(made.modalities))
    assert all(len(image["alt"]) > 20 for image in images)
    targets = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(targets) == len(set(targets))
    links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert {link[1:] for link in links if not link.startswith("errors.html")} <= set(targets)
    assert "more" not in targets  # every table has its place


def test_it_says_what_the_files_say(page, made):
    truth_guess = [made.predictions["chosen", f"session{k}", 1, "test"] for k in range(1, 6)]
    right = sum((truth == guess).sum() for truth, guess in truth_guess)
    n = sum(len(truth) for truth, _ in truth_guess)
    assert f"{100 * right / n:.1f} % WA" in page.plain
    assert f"on {n:,} test turns, 5 folds, 1 seed." in page.plain
    assert "3 of 5 sessions a fold. Most published figures train on four: compare" in page.plain
    assert "the session before the test session, cyclic" in page.plain
    assert "happiness (hap, exc): " in page.plain
    alone, most = (wa(*pooled(made, name)) for name in ("scenario", "majority"))
    assert (
        f"without any clip, gives {alone:.1f} % WA (majority class: {most:.1f} %), and no fold tests a new scene"
        in page.plain
    )
    assert f"without any clip, gives {alone:.1f} % WA, and no fold tests a new scene." in page.plain
    assert "used live" not in page.plain and "scene.html" not in str(page.tags)
    assert "No speaker of a test part is in the training or validation part" in page.plain
    assert "9 problems, one by one" in page.plain
    assert "past the end of its video no clip 6" in page.plain
    assert "1 missing clip, with reasons" in page.plain
    assert "crop: speaker" in page.plain
    assert "svm: C 1 or 3, gamma scale" in page.plain
    assert "fine_tune 15" in page.plain
    assert "torch 2.13.0, transformers 5.23.0, on NVIDIA H200" in page.plain
    assert "5 trained in bf16; embedded in fp32" in page.plain


def test_a_run_of_one_modality_without_validation(tmp_path):
    named = {name: entry for name, entry in NAMED.items() if set(entry["encoders"]) == {"text"}}
    inputs = make_inputs(tmp_path / "in", turns_per_session=30, modalities=("text",), validated=False, named=named)
    chosen = inputs.evaluation("chosen.tsv")
    rows = [row | {"system": "text-both"} for row in read_tsv(chosen)]
    write_tsv(chosen, rows, list(rows[0]))
    facts = {**FACTS, "final_system": "text-both", "train_vectors": "in_sample", "classifiers": {"svm": {"C": 1.0}}}
    page = report(inputs, tmp_path / "report.html", facts=facts, benchmarks=())
    assert "4 of 5 sessions a fold. Most published figures train on four, as this run does" in page.plain
    assert "epoch: fixed: the last one is kept" in page.plain
    assert "There is no validation part to calibrate on" in page.plain
    assert "In-sample vectors" not in page.plain  # of one modality nothing is fused
    assert "text-both, was named in the config" in page.plain
    assert "This run has one modality: nothing is fused. The final system (text-both) g" in page.plain
    assert "No step of this run was measured." in page.plain


def test_the_first_screen_is_ten_lines_with_what_backs_them(page, made):
    lines = page.html.split('<dl class="card short">')[1].split("</dl>")[0].split("<dt>")[1:]
    assert len(lines) <= 10 and all('<a href="' in line for line in lines)
    titles = [line.split("</dt>")[0] for line in lines]
    assert titles[:3] == ["Final system", "Fusion", "Best single modality"] and titles[-3:] == [
        "Scripts",
        "Left out",
        "Ceiling",
    ]
    rows = pd.read_parquet(made.evaluation("comparisons.parquet")).set_index(["second", "measure"])
    row = rows.loc[("chosen-single", "wa")]
    p = f"p = {row['p_holm']:.3f}" if row["p_holm"] >= 0.0005 else "p &lt; 0.001"
    assert f"{p}, the difference {'holds' if row['holds'] else 'does not hold'}." in lines[1]
    # The cautions about the most points, with their numbers.
    by_speaker = [pooled(made, "chosen", where=lambda t, s=s: t["speaker"] == s) for s in SPEAKERS]
    known = [wa(*of) for of in by_speaker if len(of[0]) >= 20]
    assert 0 < len(known) < len(by_speaker) and titles[5] == "Distrust: speakers"
    assert f"turns its WA goes from {min(known):.1f} to {max(known):.1f} %" in lines[5]


def test_what_the_scores_must_not_be_read_without_comes_first():
    turns = pd.DataFrame({"part": ["test", "train"], "speaker": ["Ses01_F", "Ses01_F"]})
    rows = pd.DataFrame({"grouping": "speaker", "group": ["Ses01_F", "Ses01_M"], "wa": [40.0, 90.0], "n": [5, 5]})
    shared = cautions._speakers(rows, {"one": ("share", turns)})
    assert shared.lead.startswith("In 1 of 1 folds a test speaker is also in training") and shared.points == float(
        "inf"
    )
    apart = cautions._speakers(rows, {"one": ("share", turns[:1])})
    assert (apart.lead, apart.points) == ("From speaker to speaker its WA goes from 40.0 to 90.0 %.", 50.0)
    chosen = {"optimism": 3.0, "best": {"system": "x", "wa": 70.0}}
    assert cautions._choice("test", chosen).points == float("inf") and not cautions._choice("validation", chosen).lead


def test_no_text_of_the_corpus_is_quoted_in_the_list_of_its_problems():
    rows = [
        {
            "severity": "warning",
            "subject": "a",
            "problem": f"{kind} not understood: line 7: {said}",
            "action": "not used",
        }
        for kind, said in (("line", "named twice, the first is used: 'Ses01F: the words'"), ("vote", "the words"))
    ]
    shown = problem_kinds(rows)
    assert [row["problem"] for row in shown["rows"]] == ["line not understood: line 7", "vote not understood: line 7"]
    assert [row["problem"] for row in shown["kinds"]] == ["line not understood", "vote not understood"]


def test_each_cell_of_the_confusion_matrix_is_said_in_words(page, made):
    truth, guess = pooled(made, "chosen")
    ids = np.concatenate([made.tested[fold]["turn_id"] for fold in made.folds["session"]])
    turns, here = (truth == "neu").sum(), (truth == "neu") & (guess == "hap")
    says = f"Of {turns} turns of neutral, {here.sum()} were called happiness, {100 * here.sum() / turns:.1f} %."
    cell = next(attributes for _, attributes in page.tags if attributes.get("data-cell") == "neu-called-hap")
    assert cell["title"] == cell["aria-label"] == says
    listed = page.html.split('<p id="neu-called-hap">')[1].split("</p>")[0]
    links = [part.split('"')[0] for part in listed.split('<a href="errors.html#')[1:]]
    assert listed.startswith(says) and len(links) >= min(here.sum(), 3) > 1 and set(links) <= set(ids[here])


def test_it_says_plainly_what_fusion_gave():
    def said(fused=True, named=(), **single):
        of = {
            "title": "speech",
            "on_validation": True,
            "over": 2.0,
            "low": 0.5,
            "high": 3.5,
            "folds_ahead": 4,
            "same": False,
        }
        facts = {"single": of | single, "fused": fused, "named": list(named), "folds": 5, "seeds": 1}
        return what_fusion_gave(facts)

    than = "the best single modality as chosen on validation (speech)"
    gains = "The final system gains 2.0 points of WA (95 % interval +0.5 to +3.5) over"
    assert said() == f"{gains} {than}; by fold and seed it is ahead in 4 of 5."
    assert said(low=-0.5).startswith("Fusion gave nothing that these turns can show: the final system has +2.0 points")
    assert said(over=-2.0, low=-3.0, high=-1.0).startswith("Fusion did harm: the final system has -2.0 points of WA")
    assert said(same=True) == f"Fusion gave nothing: in every fold the final system is {than}."
    alone = "This run has one modality: nothing is fused."
    assert said(fused=False) == alone
    # A named system may be the final one, and is no fusion.
    own, once = "The final system (past)", {"fused": False, "named": ["past"]}
    assert said(**once).startswith(f"{alone} {own} gains 2.0 points of WA (95 % interval +0.5 to +3.5) over {than}")
    assert said(**once, low=-0.5).startswith(
        f"{alone} {own} gives nothing that these turns can show: it has +2.0 points"
    )
    assert said(named=["past"], low=-3.0, high=-1.0).startswith(f"{own} does harm: it has +2.0 points")
    assert said(named=["a", "b"]).startswith("The final system (a and b) gains 2.0 points")
    assert said(on_validation=False) == f"{gains} the single modality that does best on the test turns (speech)."


def test_it_says_how_far_annotators_agree(page, made):
    file = pd.read_parquet(made.evaluation("ceiling.parquet"))
    gain = (file["measure"] == "gain") & (file["group"] == "none")
    all_votes = (file["grouping"] == "all") & (file["target"] == "others") & (file["measure"] == "wa")
    one = 100 * file.loc[all_votes & (file["who"] == "annotators"), "value"].item()
    assert f"An annotator agrees with the majority of the others in {one:.1f} % of the votes" in page.plain

    def said(*ends):
        return " ".join(
            what_annotators_say(file.assign(low=file["low"].mask(gain, ends[0]), high=file["high"].mask(gain, ends[1])))
        )

    assert "Of the 120 turns without a majority it knows something of the votes: +" in said(0.01, 0.9)
    assert "it shows no knowledge of the votes" in said(-0.1, 0.9)
    assert "it is worse than knowing nothing of the votes" in said(-0.9, -0.1)
    assert len(what_annotators_say(file[~gain])) == 1
    assert what_annotators_say(file.iloc[:0])[0].startswith("How well annotators agree is not known")


def test_it_says_which_differences_hold(page, made):
    file = pd.read_parquet(made.evaluation("comparisons.parquet"))
    of_wa = file[file["measure"] == "wa"]
    held = of_wa[of_wa["holds"]]
    assert {"majority", "scenario"} <= set(held["second"])
    assert f"In WA, {len(held)} of {len(of_wa)} differences hold: the final system is above " in page.plain
    value = wa(*pooled(made, "chosen"))
    assert f"95 % interval of the final system's WA is {value - 3.1:.1f} to {value + 2.9:.1f}" in page.plain

    def of_speaker(name):
        return wa(*pooled(made, "chosen", where=lambda turns: turns["speaker"] == name))

    by_speaker = [of_speaker(name) for name in sorted({n for turns in made.tested.values() for n in turns["speaker"]})]
    assert f"by speaker: {min(by_speaker):.1f} to {max(by_speaker):.1f}; of 10 speakers" in page.plain
    assert "no significance test" not in page.plain


def test_further_protocols_stand_beside_the_first(tmp_path):
    protocols = ("session", "speaker", "scenario", "scenario_control")
    inputs = make_inputs(
        tmp_path / "in", turns_per_session=40, modalities=("text", "audio"), protocols=protocols, named=NAMED
    )
    facts = {**FACTS, "train_vectors": "in_sample", "systems": NAMED}
    facts["offline"] = {"systems": ["text-both"], "encoders": {"audio": ["wav2vec2"]}}
    page = report(inputs, tmp_path / "report.html", facts=facts)
    targets = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(targets) == len(set(targets))
    links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    links = {link for link in links if not link.startswith("errors.html")}
    assert {link for link in links if not link.startswith("#")} == {"scene.html"}
    assert links - {"scene.html"} <= {f"#{target}" for target in targets}
    assert {"named", "named-table", "contexts-table", "speaker-named-table", "scenario-contexts-table"} <= set(targets)
    assert "text-both: kind context, direction both, encoders (text bert)" in page.plain
    assert "The final system of 5 of 5 folds (" in page.plain and "cannot be used live" in page.plain
    assert {f"{p}-{t}-table" for p in protocols[1:] for t in ("headline", "intervals", "comparisons")} <= set(targets)
    assert "session, scenario, scenario control: 3 of 5 sessions a fold" in page.plain
    new, known = (wa(*pooled(inputs, "chosen", protocol=p)) for p in protocols[2:])
    assert f"the final system has {new:.1f} % where the play is new, and {known:.1f} % where it is not" in page.plain
    assert "In-sample vectors" in page.plain


def test_a_table_is_added_by_one_file(with_another_table, tmp_path):
    inputs = make_inputs(
        tmp_path / "in", turns_per_session=30, modalities=("text", "audio"), protocols=("session", "speaker")
    )
    assert table_names(inputs.modalities)[:4] == ["headline", "table4", "sizes", "table5"]
    assert "sizes" not in table_names(inputs.modalities, fold=True)
    for name in figure_names(inputs.modalities):
        path = inputs.root / f"run/figures/{name}.svg"
        path.parent.mkdir(exist_ok=True)
        path.write_text("<svg/>")
    page = report(inputs, tmp_path / "report.html")
    targets = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(targets) == len(set(targets)) and {"more", "sizes-table", "speaker-sizes-table"} <= set(targets)
    assert ("a", {"href": "#more"}) in page.tags
    turns = " ".join(f"{fold} {len(inputs.tested[fold]['speaker'])}" for fold in inputs.folds["session"])
    assert f"Turns of each fold. The test turns of each fold. Fold Turns {turns} " in page.plain


def test_several_seeds(tmp_path):
    inputs = make_inputs(tmp_path / "in", turns_per_session=30, modalities=("text", "audio"), seeds=(1, 2))
    page = report(inputs, tmp_path / "report.html")
    assert "5 folds, 2 seeds" in page.plain
    assert "±" in page.plain


def test_time_and_memory_by_rule(made):
    rows = {row["rule"]: row for row in steps([made.root / "benchmarks"], made.trainings)}
    assert rows["fine_tune"]["jobs"] == 15
    assert rows["fine_tune"]["longest"] == 96.25
    assert rows["fine_tune"]["total"] == pytest.approx(sum(90.25 + i + j for i in range(5) for j in range(3)))
    assert rows["fine_tune"]["memory"] == 2140.5
    assert rows["evaluate"]["memory"] is None


def test_durations_and_differences_as_words():
    assert [duration(s) for s in (3.21, 59.97, 75.2, 4000.0)] == ["3.2 s", "1 min 00 s", "1 min 15 s", "1 h 06 min"]
    assert [points(d) for d in (2.34, -0.5, 0.01)] == ["2.3 points above", "0.5 points below", "level with"]
