"""The code fingerprint: changes with code that a script depends on, and with nothing else."""

import shutil
from pathlib import Path

import pytest

from emofuse import fingerprint as module

SCRIPTS = Path(module.__file__).parents[1]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A copy of the scripts whose fingerprints can be asked for; forgets what was hashed before."""
    copy = tmp_path / "scripts"
    shutil.copytree(SCRIPTS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "__file__", str(copy / "emofuse/fingerprint.py"))

    def fingerprints():
        for function in (module.fingerprint, module._code, module._tree):
            function.cache_clear()
        return {script.stem: module.fingerprint(script) for script in sorted(copy.glob("*.py"))}

    yield copy, fingerprints
    fingerprints()


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def changed(tree, path, old, new):
    copy, fingerprints = tree
    before = fingerprints()
    edit(copy / path, old, new)
    after = fingerprints()
    return {name for name in before if before[name] != after[name]}


def test_edited_module_reaches_the_scripts_that_import_it(tree):
    hit = changed(tree, "emofuse/training.py", "logging_nan_inf_filter=False", "logging_nan_inf_filter=True")
    assert hit == {"fine_tune"}


def test_module_imported_by_a_module_counts(tree):
    hit = changed(tree, "emofuse/splits.py", 'PARTS = ("train", ', 'PARTS = ("tests", ')
    assert {"make_split", "fine_tune", "embed"} <= hit
    assert not hit & {"cut_text", "cut_audio", "cut_video", "index_turns"}


def test_comment_docstring_and_layout_do_not_count(tree):
    assert changed(tree, "emofuse/training.py", '"""Peak memory in MB:', '"""The peak memory in MB:') == set()
    assert changed(tree, "emofuse/training.py", "# a loss that is not a number must show", "# shows nan") == set()
    assert changed(tree, "fine_tune.py", "with job(", "\n\nwith job(") == set()


def test_messages_of_jobs_do_not_count(tree):
    assert changed(tree, "emofuse/job.py", 'f"error: {error}"', 'f"Error: {error}"') == set()
    assert changed(tree, "emofuse/gpus.py", "pause=5.0", "pause=6.0") == set()


def test_what_only_refuses_does_not_count(tree):
    """But to the job that does nothing else, whose rule names it."""
    assert changed(tree, "emofuse/fitness.py", "SHARE = 0.9", "SHARE = 0.8") == set()
    assert changed(tree, "emofuse/proof.py", "MOST_FRAMES = 120", "MOST_FRAMES = 100") == set()


def test_script_counts_for_itself_alone(tree):
    assert changed(tree, "cut_text.py", "snakemake.resources.on_missing", '"drop"') == {"cut_text"}


def test_template_counts_for_its_module(tree):
    assert changed(tree, "emofuse/templates/report.html.j2", "<h1", '<h1 class="x"') == {"make_report"}
