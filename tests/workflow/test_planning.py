"""The plan of a run: of a finished one nothing is left, and all is known from its records."""

import csv


def test_a_finished_run_is_planned_from_its_records(finished):
    folder = finished.folder / "results/tree/slice"
    done = finished.snakemake("plan", told=True)
    assert done.returncode == 0, done.stdout
    assert "found four times in five" in done.stdout and "WARNING" not in done.stdout
    with open(folder / "plan.tsv", encoding="utf-8") as file:
        rows = {row["what"]: row for row in csv.DictReader(file, delimiter="\t")}
    assert {row["left"] for row in rows.values()} == {"0", ""}
    for what in ("fine_tune text bert", "embed video videomae", "classify svm", "cut_video"):
        assert (rows[what]["source"], rows[what]["jobs"] != "0") == ("record", True), what
    assert rows["fine_tune text bert"]["jobs"] == "3"
    assert rows["encoders/audio/wav2vec2"]["bytes_there"] > "0"
    for name in ("plan.tsv", "plan_differences.tsv"):
        (folder / name).unlink()
