"""The report: self-contained, escaped, and saying what the run's files say."""

import json
from html.parser import HTMLParser

import pyarrow.parquet as pq
import pytest
from report_inputs import CLASSES, LABELS, NASTY, make_inputs

from emofuse.figures import make_figures
from emofuse.outputs import figure_names
from emofuse.pages import duration, points
from emofuse.report import make_report, steps
from emofuse.store import write_parquet


class Page(HTMLParser):
    """Collects tags with their attributes, and the text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.text += " "  # neighbouring cells are neighbouring words

    def handle_data(self, data):
        self.text += data

    @property
    def plain(self):
        return " ".join(self.text.split())


def report(inputs, output, **changes):
    figures = inputs.root / "run/figures"
    if not figures.exists():
        make_figures(
            inputs.splits,
            inputs.histories,
            [path for path in inputs.embeddings if path.parent.name == "session5" and path.stem == "seed1"],
            "session5",
            inputs.evaluation("scores.parquet"),
            inputs.evaluation("confusion.parquet"),
            figures,
            inputs.modalities,
            CLASSES,
        )
    arguments = {
        "corpus": "demo",
        "run": "clean",
        "notice": "",
        "protocol": {"classes": LABELS, "clips": {"crop": "speaker"}, "classifiers": {"svm": {"C": 1.0}}},
        "final_system": "validation",
        "turns": inputs.turns,
        "splits": inputs.splits,
        "embeddings": inputs.embeddings,
        "trainings": inputs.trainings,
        "selection": [],
        "scores": inputs.evaluation("scores.parquet"),
        "per_class": inputs.evaluation("per_class.parquet"),
        "chosen": inputs.evaluation("chosen.tsv"),
        "problems": inputs.problems,
        "figures": figures,
        "pca_split": "session5",
        "benchmarks": [inputs.root / "benchmarks"],
        "output": output,
    }
    make_report(**{**arguments, **changes})
    return Page(output.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(made, tmp_path_factory):
    return report(made, tmp_path_factory.mktemp("page") / "report.html", notice=f"Says nothing {NASTY}")


def test_nothing_is_loaded_from_outside(page):
    tags = [tag for tag, _ in page.tags]
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(tags)
    for tag, attributes in page.tags:
        for name in ("src", "srcset", "href", "data", "poster", "background", "action"):
            value = attributes.get(name)
            if value is not None:
                assert value.startswith("#" if tag == "a" else "data:image/svg+xml;base64,"), (tag, name, value[:60])
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
    assert "script" not in [tag for tag, _ in page.tags]


def test_every_figure_has_a_text_and_every_link_a_target(page, made):
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == len(figure_names(made.modalities))
    assert all(len(image["alt"]) > 20 for image in images)
    targets = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(targets) == len(set(targets))
    assert {attributes["href"][1:] for tag, attributes in page.tags if tag == "a"} <= set(targets)


def test_it_says_what_the_files_say(page, made):
    truth_guess = [made.predictions["chosen", f"session{k}", 1, "test"] for k in range(1, 6)]
    right = sum((truth == guess).sum() for truth, guess in truth_guess)
    n = sum(len(truth) for truth, _ in truth_guess)
    assert f"{100 * right / n:.1f} % WA" in page.plain
    assert f"Tested on {n:,} turns" in page.plain
    assert "3 sessions a fold. Most published figures train on four: compare" in page.plain
    assert "the session before the test session, cyclic" in page.plain
    assert "happiness: hap, exc" in page.plain
    assert "No speaker of a test part is in the training or validation part" in page.plain
    assert "9 problems, one by one" in page.plain
    assert "past the end of its video no clip 6" in page.plain
    assert "1 missing clip, with reasons" in page.plain
    assert "crop: speaker" in page.plain
    assert "svm: C 1" in page.plain
    assert "fine_tune 15" in page.plain
    assert "torch 2.13.0, transformers 5.23.0, on NVIDIA H200" in page.plain


def test_a_run_of_one_modality_without_validation(tmp_path):
    inputs = make_inputs(tmp_path / "in", turns_per_session=30, modalities=("text",), validated=False)
    page = report(inputs, tmp_path / "report.html", final_system="text-bert", benchmarks=[])
    assert "4 sessions a fold. Most published figures train on four, as this run does." in page.plain
    assert "epoch: nothing: the last epoch is kept" in page.plain
    assert "text-bert, was named in the config" in page.plain
    assert "No step of this run was measured." in page.plain


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
