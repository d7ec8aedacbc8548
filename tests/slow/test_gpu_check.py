"""The check of a GPU runs on a CPU, small; and a wrong answer makes it fail."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

RIGHT = {"repeated": True, "resumed": True, "one_wa": True, "alone": 0.0, "cpu": None, "bf16": 0.01}


@pytest.mark.slow
def test_it_asks_and_times_every_encoder():
    command = [sys.executable, "benchmarks/gpu_check.py", "--small", "--device", "cpu", "--steps", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    answered, timed, shared = done.stdout.split("## ")[1:]
    encoders = ["bert", "roberta", "distilbert", "wav2vec2", "hubert", "ast", "videomae"]
    rows = [line.split(" | ") for line in answered.splitlines() if line.startswith("| ") and line.endswith("yes |")]
    assert [row[0] for row in rows] == [f"| {name}" for name in encoders]
    assert all(row[2:5] == ["yes"] * 3 for row in rows)
    for name in encoders:
        assert f"| {name} | emofuse | fp32 |" in timed and f"| {name} | example | fp32 | " in timed
    assert shared.count("\n| ") == 2 + 3 and "All is right." in shared


def test_each_wrong_answer_is_told():
    import answers

    assert answers.wrong(RIGHT) == []
    for change in ({"repeated": False}, {"resumed": False}, {"one_wa": False}, {"alone": 0.01}, {"cpu": 0.01},
                   {"bf16": float("nan")}):  # fmt: skip
        assert len(answers.wrong(RIGHT | change)) == 1
