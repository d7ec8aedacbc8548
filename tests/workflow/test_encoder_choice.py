"""Encoders chosen by a checkpoint: the choice is followed, made again it runs nothing, changed it trains the other one."""

import json
import os
import re

from emofuse.runtime.store import read_json, read_metadata, read_parquet, write_parquet

RUN = "results/tree/slice"


def test_validation_and_test_choose_differently_and_again_run_nothing(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    run = project.folder / RUN
    # The comparison is made to differ: DistilBERT is best on validation, BERT on test.
    comparison = run / "selection/text.parquet"
    table, times = read_parquet(comparison), comparison.stat()
    best = {("distilbert", "val"), ("bert", "test")}
    rows = [row | {"wa": 0.9 if (row["encoder"], row["part"]) in best else 0.1} for row in table.to_pylist()]
    write_parquet(comparison, table.from_pylist(rows, schema=table.schema), read_metadata(comparison))
    os.utime(comparison, ns=(times.st_atime_ns, times.st_mtime_ns))

    def chosen(on, *options):
        """Run one fold with the text encoder chosen on a part: the jobs that ran, the choice, what was classified."""
        fusion = {"fusion": {"text": {"choose": on}}, "allow_leaks": ["encoder_on_test"]}
        project.write_config(f"{on}.yaml", fusion)
        target = f"{RUN}/folds/session1/scores.parquet"
        done = project.snakemake(*options, "--", target, configs=("config/demo.yaml", "slice.yaml", f"{on}.yaml"))
        assert done.returncode == 0, done.stdout[-8_000:]
        jobs = re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):$", done.stdout, re.MULTILINE)
        described = json.loads(read_metadata(run / "predictions/argmax/session1/seed0.parquet")["systems"])
        [classified] = [system["encoders"] for system in described if system["name"] == "text-chosen"]
        return jobs, read_json(run / "selection/text.chosen.json")["encoder"], classified

    jobs, encoder, classified = chosen("validation")
    assert (encoder, classified) == ("distilbert", {"text": "distilbert"})
    assert sorted(jobs) == sorted(["choose_encoder", "fine_tune", "embed", *["classify"] * 4, "evaluate_fold"])

    jobs, encoder, _ = chosen("validation", "--forcerun", "choose_encoder")
    assert (jobs, encoder) == (["choose_encoder"], "distilbert")  # the same choice again: nothing below

    jobs, encoder, classified = chosen("test")
    assert (encoder, classified) == ("bert", {"text": "bert"})
    assert "fine_tune" not in jobs and "embed" not in jobs  # BERT's models are there


def test_a_leak_that_is_not_allowed_stops_before_any_job(finished):
    finished.write_config("leak.yaml", {"fusion": {"text": {"choose": "test"}}})
    done = finished.snakemake("--dry-run", configs=("config/demo.yaml", "slice.yaml", "leak.yaml"))
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert "allow it as 'encoder_on_test', or change the setting" in done.stdout
