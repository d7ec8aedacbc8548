"""The benchmark of training: it runs, compares both settings, and draws turns of the lengths that its file states."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import material  # noqa: E402


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(report, Markdown) of tiny encoders of two modalities on the CPU."""
    output = tmp_path_factory.mktemp("benchmark") / "report.json"
    options = "--tiny --device cpu --encoders bert ast --steps 2 --warmup 1 --threads 1 --workers 1"
    command = [sys.executable, "benchmarks/training.py", *options.split(), "--output", output]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(output.read_text()), done.stdout


def test_both_settings_of_each_encoder_are_measured(run):
    cases = run[0]["cases"]
    assert [(case["encoder"], case["setting"]) for case in cases] == [
        ("bert", "emofuse"),
        ("bert", "example"),
        ("ast", "emofuse"),
        ("ast", "example"),
    ]
    for case in cases:
        rates = ("turns_per_second", "validation_turns_per_second", "embedding_turns_per_second")
        for rate in (*rates, "peak_memory_mb", "cpu_seconds"):
            assert case[rate] > 0
        assert 0 <= case["waiting_share"] <= 1
        assert 0 < case["utilisation"] <= 1
        assert case["loader_workers"] == (case["setting"] == "emofuse")
        assert case["onednn"] == (case["setting"] == "example")  # which is PyTorch as it ships
        assert case["steps"] == 2


def test_hours_follow_from_the_rates(run):
    report = run[0]
    ast = report["cases"][2]
    assert report["study"]["trainings"] == {"bert": 5, "ast": 1}  # ast is in the selection alone
    start = ast["start_seconds"]
    epoch = 3_259 / ast["turns_per_second"] + 1_031 / ast["validation_turns_per_second"] + 2 * start
    hours = (30 * epoch + 10_039 / ast["embedding_turns_per_second"]) / 3_600
    assert report["study"]["hours"]["emofuse"]["ast"] == pytest.approx(hours)


def test_the_table_names_what_was_run_and_warns_of_tiny_encoders(run):
    text = run[1]
    assert "say nothing about speed" in text
    rows = [line.split(" | ")[:2] for line in text.splitlines() if line.startswith(("| bert", "| ast"))]
    assert rows[:4] == [["| bert", "emofuse"], ["| bert", "example"], ["| ast", "emofuse"], ["| ast", "example"]]


def test_padding_is_no_useful_work():
    """A turn's work depends on its own length, and what is frozen has no backward pass."""
    from flops import count_flops

    from emofuse.encoders.architectures import build

    backbone, _ = build("wav2vec2", [], tiny=True)
    one, two, three = (count_flops(backbone, seconds * 16_000) for seconds in (1, 2, 3))
    assert 2 < two / one < 2.2 and 3 < three / one < 3.5  # attention grows faster than the length
    backbone.feature_extractor._freeze_parameters()
    assert count_flops(backbone, 16_000) < 0.8 * one


def test_the_histogram_is_the_one_it_says_it_is():
    begin, end, turns = material.read_lengths()
    assert turns.sum() == 5_531
    assert (begin[0], end[-1]) == (0.585, 34.14)
    assert turns[0] > 0 and turns[-1] > 0
    assert (begin[1:] == end[:-1]).all()
    assert (turns @ (begin + end) / 2).item() / 3_600 == pytest.approx(7.0, abs=0.005)  # hours
    assert "NOT counted turns" in material.LENGTHS.read_text(encoding="utf-8")


def test_drawn_turns_have_the_mean_of_the_histogram():
    seconds = material.draw_seconds(256)
    assert seconds.mean() == pytest.approx(4.56, abs=0.03)
    assert 0.585 <= seconds.min() < 1 and 15 < seconds.max() <= 34.14


def test_chosen_batches_stand_for_all():
    from emofuse.forecast import sampling

    sizes = np.random.default_rng(0).lognormal(size=400)
    batches = [[i] for i in range(400)]
    chosen = [i for (i,) in sampling.representative(batches, sizes, 20)]
    assert len(set(chosen)) == 20 and chosen == sorted(chosen)
    assert sizes[chosen].mean() == pytest.approx(sizes.mean(), rel=0.05)
    assert sampling.representative(batches[:3], sizes[:3], 20) == batches[:3]
