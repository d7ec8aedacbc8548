"""Makes the report of a made-up run, and reads it."""

from html.parser import HTMLParser

from report_run import CLASSES, FACTS

from emofuse.report.drawing import make_figures
from emofuse.report.report import Corpus, Encoders, Figures, Results, make_report
from emofuse.report.run import Run


class Page(HTMLParser):
    """Collects tags with their attributes, and the text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.html = [], "", html
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.text += " "  # neighbouring cells are neighbouring words

    def handle_data(self, data):
        self.text += data

    @property
    def plain(self):
        return " ".join(self.text.split())


def report(inputs, output, facts=FACTS, notice="", embeddings=None, benchmarks=("benchmarks",)):
    figures = inputs.root / "run/figures"
    if not figures.exists():
        make_figures(
            inputs.splits["session"],
            inputs.histories,
            [path for path in inputs.embeddings if path.parent.name == "session5" and path.stem == "seed1"],
            "session5",
            inputs.evaluation(),
            figures,
            dict.fromkeys(inputs.modalities, True),
            CLASSES,
        )
    make_report(
        run=Run("demo", "clean", notice, facts),
        corpus=Corpus(inputs.turns, inputs.votes, inputs.words, [inputs.problems], inputs.clips),
        splits=[path for paths in inputs.splits.values() for path in paths],
        encoders=Encoders(embeddings or inputs.embeddings, inputs.trainings, []),
        results=Results(inputs.evaluations, inputs.prediction_files),
        figures=Figures(figures, "session5"),
        benchmarks=[inputs.root / folder for folder in benchmarks],
        output=output,
    )
    return Page(output.read_text(encoding="utf-8"))
