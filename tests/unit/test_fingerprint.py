"""The code fingerprint: changes with code that a script depends on, and with nothing else."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emofuse.runtime import fingerprint as module

SCRIPTS = Path(module.__file__).parents[2]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A copy of the scripts whose fingerprints can be asked for; forgets what was hashed before."""
    copy = tmp_path / "scripts"
    shutil.copytree(SCRIPTS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "__file__", str(copy / "emofuse/runtime/fingerprint.py"))

    def fingerprints():
        module.fingerprint.cache_clear()
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
    hit = changed(tree, "emofuse/encoders/trainer.py", "logging_nan_inf_filter=False", "logging_nan_inf_filter=True")
    assert hit == {"fine_tune", "plan_run"}  # a plan is made anew each time anyway


def test_module_imported_by_a_module_counts(tree):
    hit = changed(tree, "emofuse/splits/parts.py", 'PARTS = ("train", ', 'PARTS = ("tests", ')
    assert {"make_split", "fine_tune", "embed"} <= hit
    assert not hit & {"cut_text", "cut_audio", "cut_video", "index_turns"}


def test_comment_docstring_and_layout_do_not_count(tree):
    assert changed(tree, "emofuse/encoders/records.py", '"""Peak memory in MB:', '"""The peak memory in MB:') == set()
    assert (
        changed(tree, "emofuse/encoders/trainer.py", "# a loss that is not a number must show", "# shows nan") == set()
    )
    assert changed(tree, "fine_tune.py", "with job(", "\n\nwith job(") == set()


def test_messages_of_jobs_do_not_count(tree):
    assert changed(tree, "emofuse/runtime/job.py", 'f"error: {error}"', 'f"Error: {error}"') == set()
    assert changed(tree, "emofuse/runtime/gpus.py", "pause=5.0", "pause=6.0") == set()


def test_what_only_refuses_does_not_count(tree):
    """But to the job that does nothing else, whose rule names it."""
    assert changed(tree, "emofuse/encoders/fitness.py", "SHARE = 0.9", "SHARE = 0.8") == set()
    assert changed(tree, "emofuse/encoders/proof.py", "MOST_FRAMES = 120", "MOST_FRAMES = 100") == set()


def test_a_subject_reaches_only_the_scripts_that_need_it(tree):
    cuts = {"cut_text", "cut_audio", "cut_video"}
    labels = changed(tree, "emofuse/corpora/iemocap/labels.py", "0 <= start < end", "0 <= start <= end")
    assert labels == {"index_turns", "watch_dialog"} | cuts
    words = changed(tree, "emofuse/corpora/iemocap/transcripts.py", "not line", "len(line) == 0")
    assert words == {"index_words", "cut_text"}
    assert changed(tree, "emofuse/corpora/iemocap/tree.py", "path.is_dir()", "path.is_folder()") == set()
    assert changed(tree, "emofuse/demo/face.py", "(245, 245, 245)", "(240, 240, 240)") == {"make_demo_dialog"}
    assert changed(tree, "emofuse/evaluation/scores.py", '"pooled"', '"all"') == {"compare", "evaluate"}


def test_script_counts_for_itself_alone(tree):
    assert changed(tree, "cut_text.py", "snakemake.resources.on_missing", '"drop"') == {"cut_text"}


def test_another_version_makes_nothing_again(tree):
    copy, fingerprints = tree
    before = fingerprints()
    (copy / "emofuse/VERSION").write_text("99.0.0\n")
    assert fingerprints() == before


def test_template_counts_for_its_module(tree):
    assert changed(tree, "emofuse/report/templates/report.html.j2", "<h1", '<h1 class="x"') == {"make_report"}


def test_a_module_imported_relatively_counts_and_so_does_its_package(tree):
    copy, fingerprints = tree
    (copy / "emofuse/splits/more.py").write_text("NUMBER = 1\n")
    edit(
        copy / "emofuse/splits/parts.py",
        "import hashlib\n",
        "import hashlib\nfrom . import more\nfrom ..media import wav\n",
    )
    for edited in ("emofuse/splits/more.py", "emofuse/splits/__init__.py", "emofuse/media/wav.py"):
        before = fingerprints()
        with (copy / edited).open("a") as file:
            file.write("OTHER = 2\n")
        hit = {name for name, found in fingerprints().items() if found != before[name]}
        assert "make_split" in hit and "make_demo_dialog" not in hit
        assert ("cut_audio" in hit) == edited.endswith("wav.py")


def test_a_moved_or_renamed_module_reaches_the_scripts_that_import_it(tree):
    copy, fingerprints = tree
    for old, new in (("splits/folds", "splits/naming"), ("splits/naming", "corpora/naming")):
        before = fingerprints()
        (copy / f"emofuse/{old}.py").rename(copy / f"emofuse/{new}.py")
        importers = [path for path in copy.rglob("*.py") if f"emofuse.{old.replace('/', '.')} " in path.read_text()]
        assert importers
        for path in importers:
            text = path.read_text()
            path.write_text(text.replace(f"emofuse.{old.replace('/', '.')} ", f"emofuse.{new.replace('/', '.')} "))
        hit = {name for name, found in fingerprints().items() if found != before[name]}
        assert {"make_split", "fine_tune", "make_report"} <= hit and not hit & {
            "cut_video",
            "index_turns",
            "make_demo_dialog",
        }


def test_every_import_of_the_package_is_followed(tree):
    """By what Python itself loads: a script's modules, but for those that only refuse, are those that are hashed."""
    copy, _ = tree
    root = copy / "emofuse"
    for script in ("make_split", "cut_video", "embed", "classify"):
        code = f"import sys; sys.path.insert(0, {str(copy)!r})\n" + "\n".join(
            line for line in (copy / f"{script}.py").read_text().splitlines() if line.startswith("from emofuse")
        )
        code += "\nprint([m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'emofuse'])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        loaded = {Path(path).relative_to(root) for path in ast.literal_eval(done.stdout)}
        followed, queue = set(), [copy / f"{script}.py"]
        while queue:
            path = queue.pop()
            if path not in followed:
                followed.add(path)
                queue += module._imported(path, root)
        hashed = {path.relative_to(root) for path in followed if path.is_relative_to(root)}
        neutral = {Path(name.replace(".", "/") + ".py") for name in module.NEUTRAL}
        behind = {Path("runtime/disk.py"), *neutral}
        assert loaded - hashed <= behind, script
