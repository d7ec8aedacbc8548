"""The paper's page: every table and figure by number, its known numbers, and the leaks by name."""

import html
import re
from pathlib import Path

import pytest
from report_inputs import make_inputs
from report_run import CLASSES, FACTS

from emofuse.configuration.meaning import LEAKS
from emofuse.report.card import protocol_card
from emofuse.report.outputs import FIGURE_FORMATS, TABLE_FORMATS, figure_names
from emofuse.report.paper import make_paper
from emofuse.report.run import Run
from emofuse.report.sources import Sources
from emofuse.runtime.store import read_tsv

NUMBERS = Path(__file__).parents[2] / "resources/paper_numbers.tsv"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("run"))


def paper(made, folder, leaks=None):
    figures = [
        made.root / f"figures/{name}.{kind}" for name in figure_names(made.modalities) for kind in FIGURE_FORMATS
    ]
    figures = [path for path in figures if path.name.startswith("figure")]
    for path in figures:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(path.name.encode())
    make_paper(
        run=Run("demo", "clean", "Only a <b>demo</b>", FACTS | {"leaks": leaks or {}}),
        sources=Sources(made.evaluation(), made.modalities, CLASSES),
        card=protocol_card(FACTS, made.splits["session"]),
        numbers=NUMBERS,
        figures=figures,
        pca_split="session5",
        settings={"fusion": {"text": "bert"}},
        page=folder / "index.html",
    )
    return (folder / "index.html").read_text(encoding="utf-8")


def test_everything_is_there_by_number(made, tmp_path):
    page = paper(made, tmp_path)
    tables = [f"table{k}" for k in (4, 5, 6, 7)]
    figures = [f"figure{k:02}" for k in range(1, 13)]
    expected = {f"{t}.{kind}" for t in tables for kind in TABLE_FORMATS} | {
        f"{f}.{kind}" for f in figures for kind in FIGURE_FORMATS
    }
    assert {path.name for path in tmp_path.iterdir()} == expected | {"index.html"}
    assert (tmp_path / "figure07.svg").read_bytes() == b"figure07.svg"
    assert re.findall(r'src="([^"]+)"', page) == [f"{name}.svg" for name in figures]
    assert [f'id="{name}"' in page for name in tables] == [True] * 4
    assert "3 of 5 sessions a fold" in page and (tmp_path / "table4.csv").read_text().startswith(
        "# Protocol: session: "
    )
    assert "Only a &lt;b&gt;demo" in page and "This run chooses nothing on test turns" in page


def test_the_papers_best_system_stands_beside_ours(made, tmp_path):
    page = paper(made, tmp_path)
    row = next(line for line in (tmp_path / "table5.md").read_text().splitlines() if line.startswith("| concat"))
    assert row.split("|")[4].strip() == "75.42" and "75.42" in page
    assert "The paper's numbers are not known." in (tmp_path / "table4.md").read_text()
    known = {(row["table"], row["row"]) for row in read_tsv(NUMBERS)}
    assert known == {("table2", "wav2vec2"), ("table2", "hubert"), ("table2", "ast"), ("table5", "concatenation")}


def test_leaks_are_named_and_captions_tell_what_was_watched(made, tmp_path):
    page = html.unescape(paper(made, tmp_path / "paper", leaks=LEAKS))
    assert all(name in page and sentence in page for name, sentence in LEAKS.items())
    assert "Training and test loss of the speech models" in page and "validation loss" not in page
    assert "Training and validation loss of the speech models" in paper(made, tmp_path / "clean")
