"""Finished runs are compared by their names, and nothing of them is made again."""

import shutil

import pyarrow as pa

from emofuse.evaluation.scores import ScoreFiles, evaluate
from emofuse.runtime.store import read_metadata, read_parquet, write_parquet

SYSTEM = "early-concat-svm"


def other_run(folder):
    """Make of a copied run one whose final system is right on the first test turns of each fold; without a record, as of a
    version before there were such."""
    (folder / "made_with.yaml").unlink()
    for path in folder.glob("predictions/svm/*/*.parquet"):
        table = read_parquet(path)
        frame = table.to_pandas()
        rows = frame.index[(frame["system"] == SYSTEM) & (frame["part"] == "test")][:4]
        frame.loc[rows, "prediction"] = frame.loc[rows, "truth"]
        place = table.schema.get_field_index("prediction")
        said = pa.array(frame["prediction"], pa.string())
        write_parquet(path, table.set_column(place, "prediction", said), read_metadata(path))
    here = folder / "evaluation/session"
    names = ("scores", "per_class", "confusion")
    files = ScoreFiles(**{name: here / f"{name}.parquet" for name in names}, chosen=here / "chosen.tsv",
                       chosen_predictions=here / "chosen.parquet")  # fmt: skip
    evaluate(
        sorted(folder.glob("predictions/*/*/*.parquet")), sorted(folder.glob("splits/session?.parquet")), files, SYSTEM
    )


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_runs_are_compared_and_not_made_again(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    results = project.folder / "results/tree"
    shutil.copytree(results / "slice", results / "other")
    other_run(results / "other")
    before = times(results / "slice") | times(results / "other")
    # By a config of neither: what it would train shall not be trained.
    project.write_config("x.yaml", {"encoders": {"text": {"bert": {"epochs": 7}}}, "runs": ["slice", "other"]})
    configs = ("config/demo.yaml", "slice.yaml", "x.yaml")
    done = project.snakemake("--", "compare", configs=configs, told=True)
    assert done.returncode == 0 and ": 1 job (compare 1)" in done.stdout, done.stdout
    assert "Results: results/tree/compare/slice+other/compare.html" in done.stdout
    assert times(results / "slice") | times(results / "other") == before
    html = (results / "compare/slice+other/compare.html").read_text(encoding="utf-8")
    assert "other is " in html and " slice in WA (95 % interval " in html and "There is no record of what other" in html
    assert project.planned("--", "compare", configs=configs) == {}
    done = project.snakemake("--config", "runs=[slice, gone]", "--", "compare", told=True)
    assert done.returncode != 0 and "there is no run gone in results/tree; there are: other, slice" in done.stdout
    assert "Traceback" not in done.stdout
