"""Nothing that a file or the config says can run as code: no pickle, no shell, no remote code anywhere in the project."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [p for name in ("workflow", "benchmarks") for p in sorted((ROOT / name).rglob("*.py"))]

# Calls that would run what they are given.
FORBIDDEN = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "importlib.import_module"}
READERS = {"load", "loads", "Unpickler", "read_pickle"}  # of these modules
PICKLES = {"pickle", "dill", "joblib", "marshal", "shelve", "torch", "pandas", "pd"}


def calls(path):
    """(name as written, keywords) of every call in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_call_runs_what_it_reads(path):
    for name, keywords in calls(path):
        owner, _, last = name.rpartition(".")
        assert name not in FORBIDDEN, f"{path}: {name}"
        assert not (last in READERS and owner in PICKLES), f"{path}: {name}"
        assert keywords.get("shell", "False") == "False", f"{path}: {name} through a shell"
        assert keywords.get("trust_remote_code", "False") == "False", f"{path}: {name} runs remote code"
        assert keywords.get("allow_pickle", "False") == "False", f"{path}: {name} reads pickles"


def test_only_the_download_reads_weights_that_are_no_safetensors():
    """There a checkpoint of the Hub is converted, its pickle read as tensors alone."""
    found = [
        (path.name, keywords["use_safetensors"])
        for path in SOURCES
        for _, keywords in calls(path)
        if keywords.get("use_safetensors", "True") != "True"
    ]
    assert found == [("model.py", "not pickled")]
    no_weights = ("AutoConfig.", "AutoFeatureExtractor.", "AutoImageProcessor.", "AutoTokenizer.")
    loads = [
        (path.name, name, keywords.get("use_safetensors"))
        for path in SOURCES
        for name, keywords in calls(path)
        if name.endswith(".from_pretrained") and not name.startswith(no_weights)
    ]
    assert loads == [("model.py", "kind.from_pretrained", "not pickled")]
    asked = [
        (path.name, keywords.get("pickled"))
        for path in SOURCES
        for name, keywords in calls(path)
        if name == "read_backbone"
    ]
    assert sorted(asked, key=str) == [("hub.py", "pickled")] + [("model.py", None)] * 2


def test_no_rule_runs_a_shell():
    for path in [ROOT / "Snakefile", ROOT / "workflow/Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]:
        text = path.read_text(encoding="utf-8")
        assert "shell:" not in text and "run:" not in text and "shell(" not in text, path
