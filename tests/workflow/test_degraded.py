"""The test part of a finished run under noise: nothing else is made again, and clean turns score as in the run."""

import pytest
import test_outputs

from emofuse.runtime.store import read_parquet, read_tsv

CONFIGS = ("config/demo.yaml", "slice.yaml", "wanted.yaml")


def test_one_fold_is_degraded_and_nothing_of_the_run_is_made_again(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    run = project.folder / "results/tree/slice"

    wanted = {"folds": ["session1"], "degradations": {"babble": [10]}}
    project.write_config("wanted.yaml", {"robustness": wanted})
    below = {"answer_degraded": 1, "score_degraded": 1, "make_robustness": 1, "robustness": 1}
    assert project.planned("robustness", configs=CONFIGS) == {"degrade audio": 1} | below
    done = project.snakemake("robustness", configs=CONFIGS)
    assert done.returncode == 0, done.stdout[-8_000:]

    rows = read_parquet(run / "evaluation/robustness.parquet").to_pandas()
    clean = rows[rows["degradation"] == "clean"].set_index("system")["wa"]
    chosen = next(row for row in read_tsv(run / "evaluation/session/chosen.tsv") if row["split"] == "session1")
    assert clean["chosen"] == pytest.approx(float(chosen["test_wa"]), abs=1e-6)
    scores = (
        read_parquet(run / "evaluation/session/scores.parquet")
        .to_pandas()
        .query("split == 'session1' and part == 'test'")
    )
    assert clean["audio-wav2vec2"] == pytest.approx(scores.set_index("system").loc["audio-wav2vec2", "wa"])
    assert {"babble", "missing"} <= set(rows["degradation"])
    page = (run / "robustness.html").read_text(encoding="utf-8")
    assert (
        "Babble (speech), 10 dB: the final system" in page
        and "Text is not degraded" in page
        and "data:image/svg" in page
    )
    test_outputs.test_every_table_of_a_finished_run_is_described(project)
