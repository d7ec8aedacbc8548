"""What a run leaves behind: each table as docs/outputs.md describes it, and Snakemake's own report beside ours."""

import re
import zipfile
from pathlib import Path

import pyarrow.parquet as pq

from emofuse.configuration.columns import described

ROOT = Path(__file__).parents[2]
# Between rules, and Snakemake's.
PASSED = re.compile(r"results/[^/]+/(index/.*\.problems\.tsv|.*benchmark.*)")


def pattern(path):
    return re.compile(re.sub(r"<\w+>", "[^/]+", path) + "$")


def plain(name):
    return re.sub(r"^(score|prob)_.*", r"\1_<class>", name)


def widthless(kind):
    return re.sub(r"\[\w+\]|element: |item: ", "", str(kind))


def test_every_table_of_a_finished_run_is_described(finished):
    known = [(pattern(file["path"]), file["columns"]) for file in described(ROOT)]
    seen = set()
    for path in sorted((finished.folder / "results").rglob("*.[pt][as][rv]*")):
        place = str(path.relative_to(finished.folder))
        place = re.sub(r"/folds/[^/]+/", "/evaluation/fold/", place)
        if PASSED.match(place) or path.suffix not in {".parquet", ".tsv"}:
            continue
        columns = next((columns for name, columns in known if name.match(place)), None)
        assert columns, f"{place} is not in workflow/schemas/outputs.yaml"
        if path.suffix == ".tsv":
            assert path.read_text(encoding="utf-8").splitlines()[0].split("\t") == list(columns), place
        else:
            found = {plain(field.name): widthless(field.type) for field in pq.read_schema(path)}
            assert found == {name: widthless(kind) for name, (kind, _) in columns.items()}, place
        seen.add(place.rsplit("/", 1)[-1])
    assert {"turns.parquet", "scores.parquet", "chosen.tsv", "ceiling.parquet", "seed0.parquet"} <= seen


def test_snakemakes_own_report_holds_ours(finished, tmp_path):
    done = finished.snakemake("--report", str(tmp_path / "report.zip"))
    assert done.returncode == 0, done.stdout
    ours = (finished.folder / "results/tree/slice/report.html").read_bytes()
    with zipfile.ZipFile(tmp_path / "report.zip") as packed:
        shown = [packed.read(name) for name in packed.namelist() if "/data/raw/" in name]
    assert ours in shown
    # Words of the corpus are under its licence.
    errors = (finished.folder / "results/tree/slice/errors.html").read_bytes()
    assert b"do not publish" in errors and errors not in shown
